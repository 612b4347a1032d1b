# SPDX-License-Identifier: GPL-2.0-or-later
"""The plots of a report: figures of ./svm compare --json, drawn by Matplotlib as SVG.

Every plot is drawn for a width in pixels, so that a page can have one for a desktop and
one for a phone. Its colours are CSS variables, see LIGHT and DARK; each mark has a
tooltip, an SVG title. Needs python3-matplotlib: machine_packages.ensure_plots().
"""

import functools
import io
import os
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from xml.etree import ElementTree

from paths import BUILD

# Neither the user's settings nor a list of fonts in the user's home.
os.environ["MPLCONFIGDIR"] = str(BUILD / "matplotlib")

import matplotlib  # noqa: E402
from matplotlib.artist import Artist  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.font_manager import FontProperties  # noqa: E402
from matplotlib.patches import Polygon, Rectangle  # noqa: E402
from matplotlib.textpath import text_to_path  # noqa: E402
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator  # noqa: E402

from figure_text import event_name, figure_text, share_text  # noqa: E402

SIDES = ("before", "after")
# A colour for each kernel, which those who see no red or no green can tell apart; text,
# less important text, lines, the page and its boxes, and what is wrong.
LIGHT = {
    "before": "#c2500a",
    "after": "#0a6ab5",
    "text": "#1c1e21",
    "faint": "#5d636b",
    "line": "#d9dce0",
    "page": "#ffffff",
    "box": "#f4f5f7",
    "wrong": "#b00020",
}
DARK = {
    "before": "#f0914f",
    "after": "#5fb2f2",
    "text": "#e6e8eb",
    "faint": "#a0a7b0",
    "line": "#3a3f46",
    "page": "#15171a",
    "box": "#1e2125",
    "wrong": "#ff8a8a",
}
# What Matplotlib draws with; the page's variables take their places.
COLOURS = {
    "before": "#010101",
    "after": "#010102",
    "text": "#010103",
    "faint": "#010104",
    "line": "#010105",
    "page": "#010106",
}
SMALL, NORMAL = 11, 12
STRONG, WEAK = 0.95, 0.4
SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "qemu-svm",
    "font.family": ["DejaVu Sans"],
    "font.size": SMALL,
    "text.color": COLOURS["text"],
    "axes.edgecolor": COLOURS["line"],
    "axes.labelcolor": COLOURS["faint"],
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": COLOURS["faint"],
    "ytick.color": COLOURS["faint"],
    "xtick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
    "text.parse_math": False,
}

SVG = "http://www.w3.org/2000/svg"

Results = dict[str, Any]
Node = dict[str, Any]


class Drawing:
    """A figure of so many pixels, with the tooltips of what is drawn in it."""

    def __init__(self, width: float, height: float):
        self.width, self.height = width, height
        # An inch has 72 of Matplotlib's points in SVG, and here as many pixels.
        self.figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        self.figure.patch.set_visible(False)
        FigureCanvasSVG(self.figure)
        self._tooltips: dict[str, str] = {}

    def pixels(self) -> Axes:
        """Axes over all of it, in pixels from its upper left corner."""
        axes = self.figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, self.width)
        axes.set_ylim(self.height, 0)
        axes.set_axis_off()
        return axes

    def axes(self, left: float, top: float, right: float, bottom: float) -> Axes:
        """Axes with these edges, in pixels from the upper left corner."""
        return self.figure.add_axes(
            (
                left / self.width,
                1 - bottom / self.height,
                (right - left) / self.width,
                (bottom - top) / self.height,
            )
        )

    def tooltip(self, artist: Artist, text: str) -> None:
        """What a reader sees who points at it."""
        name = f"tooltip-{len(self._tooltips)}"
        artist.set_gid(name)
        self._tooltips[name] = text

    def svg(self, label: str) -> ElementTree.Element:
        """The drawing; `label` says what it is to those who do not see it."""
        file = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        self.figure.savefig(file, format="svg", metadata=nothing)
        root = ElementTree.fromstring(file.getvalue())
        for element in list(root.iter()):
            self._clean(element)
        root.attrib = {
            "viewBox": f"0 0 {self.width:g} {self.height:g}",
            "role": "img",
            "aria-label": label,
        }
        return root

    def _clean(self, element: ElementTree.Element) -> None:
        """Leave shapes, texts and tooltips; ids would be there twice in a page."""
        element.tag = element.tag.rpartition("}")[2]
        for child in list(element):
            if child.tag.endswith(("}defs", "}metadata")):
                element.remove(child)
        name = element.attrib.pop("id", "")
        element.attrib.pop("clip-path", None)
        if name in self._tooltips:
            title = ElementTree.Element("title")
            title.text = self._tooltips[name]
            element.insert(0, title)
        if "style" in element.attrib:
            element.attrib["style"] = _style(element.attrib["style"])


def _style(text: str) -> str:
    """A style of Matplotlib's with the page's colours and font."""
    found = []
    for entry in text.split(";"):
        name, _, value = (word.strip() for word in entry.partition(":"))
        if name == "font":
            # Newer releases of Matplotlib do not put them together.
            size = re.search(r"[\d.]+px", value)
            found.append(f"font-size: {size[0]}")
            if weight := re.search(r"\b(bold|[1-9]00)\b", value):
                found.append(f"font-weight: {weight[1]}")
        elif name and name != "font-family":
            for colour, drawn in COLOURS.items():
                value = value.replace(drawn, f"var(--{colour})")
            found.append(f"{name}: {value}")
    return "; ".join(found)


def _drawn(draw: Callable[..., ElementTree.Element]) -> Callable[..., str]:
    """Let a plot be drawn with the settings above, and be the text of its SVG."""

    @functools.wraps(draw)
    def wrapper(*arguments, **keywords) -> str:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(SETTINGS)
            root = draw(*arguments, **keywords)
        return ElementTree.tostring(root, encoding="unicode")

    return wrapper


@functools.cache
def _text_width(text: str, size: float = SMALL) -> float:
    """In Matplotlib's font, which is wider than most."""
    font = FontProperties(family="DejaVu Sans", size=size)
    return text_to_path.get_text_width_height_descent(text, font, False)[0]


def _shortened(text: str, width: float) -> str:
    """As much of it as there is room for; nothing rather than two letters."""
    if _text_width(text) <= width:
        return text
    while len(text) > 3:
        text = text[:-1]
        if _text_width(text + "…") <= width:
            return text + "…"
    return ""


def _apart(wanted: list[float], distance: float, end: float) -> list[float]:
    """Places near the wanted ones, in their order, at least so far from each other."""
    places: list[float] = []
    for place in wanted:
        places.append(max(place, places[-1] + distance) if places else place)
    limit = end
    for index in reversed(range(len(places))):
        places[index] = min(places[index], limit)
        limit = places[index] - distance
    return places


def colours() -> str:
    """The variables as CSS, for whatever the plots are in."""
    light, dark = (
        " ".join(f"--{name}: {colour};" for name, colour in palette.items())
        for palette in (LIGHT, DARK)
    )
    return (
        f":root {{ color-scheme: light dark; {light} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
        f"@media print {{ :root {{ color-scheme: light; {light} }} }}\n"
    )


def picture(svg: str) -> str:
    """A plot as a file of its own, which can stand on a page of any colour."""
    root = ElementTree.fromstring(svg)
    width, height = (float(word) for word in root.attrib["viewBox"].split()[2:])
    margin = 16
    sizes = {"width": f"{width + 2 * margin:g}", "height": f"{height + 2 * margin:g}"}
    root.attrib |= sizes | {
        "xmlns": SVG,
        "viewBox": f"{-margin} {-margin} {sizes['width']} {sizes['height']}",
    }
    style = ElementTree.Element("style")
    style.text = colours() + "text { font-family: system-ui, sans-serif; }\n"
    place = {"x": str(-margin), "y": str(-margin), "rx": "8"}
    ground = ElementTree.Element("rect", sizes | place | {"style": "fill: var(--page)"})
    root[:0] = [style, ground]
    return ElementTree.tostring(root, encoding="unicode") + "\n"


# Modelled cycles, stacked by event


class Part(NamedTuple):
    """An event's modelled cycles for each KVM_RUN, of both sides."""

    name: str
    before: float
    after: float


def cost_parts(results: Results, least: float = 0) -> list[Part]:
    """By what is saved, most first; those below a share of the whole together."""
    costs = [results[side]["costs"] for side in SIDES]
    whole = max(sum(each.values()) for each in costs)
    parts, small = [], []
    for name in costs[0] | costs[1]:
        part = Part(event_name(name), *(each.get(name, 0) for each in costs))
        (parts if max(part[1:]) >= least * whole else small).append(part)
    if len(small) > 1:
        parts.append(Part("others", *(sum(p[i] for p in small) for i in (1, 2))))
    else:
        parts += small
    return sorted(parts, key=lambda part: part.after - part.before)


@_drawn
def costs_plot(results: Results, width: float) -> ElementTree.Element:
    """Two columns of modelled cycles, each event's beside the other kernel's."""
    parts = cost_parts(results, least=0.02)
    wholes = [sum(part[i] for part in parts) for i in (1, 2)]
    top, height = 48, 380
    drawing = Drawing(width, top + height + 12)
    axes = drawing.pixels()
    column = min(0.2 * width, 130)
    middle = _text_width("segment loads") + 40 if width < 500 else 0.34 * width
    lefts = (width - middle) / 2 - column, (width + middle) / 2
    scale = height / max(wholes)
    # The stacks stand on the same floor.
    edges = [top + height - whole * scale for whole in wholes]
    centres = []
    for number, part in enumerate(parts):
        lower = [edge + value * scale for edge, value in zip(edges, part[1:])]
        joint = [
            (lefts[0] + column, edges[0]),
            (lefts[1], edges[1]),
            (lefts[1], lower[1]),
            (lefts[0] + column, lower[0]),
        ]
        alpha = 0.16 if number % 2 else 0.08
        axes.add_patch(Polygon(joint, color=COLOURS["faint"], alpha=alpha, lw=0))
        common = min(part[1:]) * scale
        for index, side in enumerate(SIDES):
            words = (
                f"{part.name}, {side}: {figure_text(part[1 + index])} modelled cycles, "
                f"{share_text(part[1 + index] / wholes[index])} of all"
            )
            for start, end, alpha in (
                (edges[index], lower[index] - common, STRONG),
                (lower[index] - common, lower[index], WEAK),
            ):
                # Not a hundredth of a pixel.
                if end - start < 0.01:
                    continue
                patch = Rectangle(
                    (lefts[index], start), column, end - start,
                    facecolor=COLOURS[side], alpha=alpha, linewidth=0,
                )
                axes.add_patch(patch)
                drawing.tooltip(patch, words)
            axes.plot(
                [lefts[index], lefts[index] + column], [lower[index]] * 2,
                color=COLOURS["page"], lw=1, solid_capstyle="butt",
            )
        centres.append([(a + b) / 2 for a, b in zip(edges, lower)])
        edges = lower
    _costs_labels(axes, parts, centres, lefts, column, top + height)
    for index, side in enumerate(SIDES):
        place = lefts[index] + column / 2
        # Long names of kernels have the half of the plot.
        name = _shortened(results[side]["kernel"], width / 2 - 8)
        axes.text(
            place, top - 26 + height - wholes[index] * scale, name,
            color=COLOURS[side], weight="bold", size=NORMAL, ha="center",
        )
        axes.text(
            place, top - 9 + height - wholes[index] * scale,
            f"{figure_text(round(wholes[index]))} modelled cycles", ha="center",
        )
    return drawing.svg(
        "Modelled cycles of a KVM_RUN by event, stacked: "
        f"{wholes[0]:,.0f} before, {wholes[1]:,.0f} after"
    )


def _costs_labels(
    axes: Axes,
    parts: list[Part],
    centres: list[list[float]],
    lefts: tuple[float, float],
    column: float,
    floor: float,
) -> None:
    """The events' names between the columns, their cycles on the outsides."""
    middle = (lefts[0] + column + lefts[1]) / 2
    names = _apart([sum(pair) / 2 for pair in centres], 15, floor - 4)
    for part, place in zip(parts, names):
        axes.text(middle, place, part.name, ha="center", va="center")
    for index, outside in enumerate((lefts[0] - 8, lefts[1] + column + 8)):
        shown = [n for n, part in enumerate(parts) if part[1 + index]]
        places = _apart([centres[n][index] for n in shown], 15, floor - 4)
        for n, place in zip(shown, places):
            text = figure_text(round(parts[n][1 + index]))
            axes.text(
                outside, place, text, va="center", ha="left" if index else "right"
            )


# Instructions from a #VMEXIT to the next VMRUN


@_drawn
def spans_plot(results: Results, width: float) -> ElementTree.Element:
    """Two histograms on the same axis."""
    left, right, top, height, between = 46, width - 8, 40, 96, 48
    drawing = Drawing(width, top + 2 * height + between + 44)
    spans = [results[side]["host_spans"] for side in SIDES]
    buckets = [bucket for each in spans for bucket in each["histogram"]]
    least = min(bucket["from"] for bucket in buckets)
    most = max(min(bucket["to"], each["most"])
               for each in spans for bucket in each["histogram"])
    highest = max(bucket["count"] for bucket in buckets)
    is_wide = most > 10 * max(least, 1)
    for index, (side, each) in enumerate(zip(SIDES, spans)):
        upper = top + index * (height + between)
        axes = drawing.axes(left, upper, right, upper + height)
        if is_wide:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=20))
            axes.xaxis.set_minor_locator(LogLocator(subs=()))
            axes.set_xlim(max(least, 1) / 1.1, most * 1.1)
        else:
            axes.xaxis.set_major_locator(MaxNLocator(4 if width < 500 else 8))
            margin = 0.05 * (most - least) + 1
            axes.set_xlim(least - margin, most + margin)
        axes.xaxis.set_major_formatter(FuncFormatter(_grouped))
        axes.set_yscale("log")
        axes.set_ylim(0.6, highest * 2)
        axes.yaxis.set_major_locator(LogLocator(numticks=4))
        axes.yaxis.set_minor_locator(LogLocator(subs=()))
        axes.yaxis.set_major_formatter(FuncFormatter(_grouped))
        axes.grid(axis="y", color=COLOURS["line"], linewidth=0.6)
        axes.set_axisbelow(True)
        axes.set_title(
            f"{_shortened(results[side]['kernel'], width / 2)}: "
            f"{_where_most_are(each)}",
            loc="left", color=COLOURS[side], size=NORMAL, x=0, pad=9,
        )
        for bucket in each["histogram"]:
            # The last bucket has no end.
            end = min(bucket["to"], max(bucket["from"] * 2, each["most"])) + 1
            patch = Rectangle(
                (bucket["from"], 0.6),
                end - bucket["from"],
                bucket["count"] - 0.6,
                facecolor=COLOURS[side],
                # As narrow as one number it would not be seen.
                edgecolor=COLOURS[side],
                linewidth=1,
            )
            axes.add_patch(patch)
            drawing.tooltip(
                patch,
                f"{bucket['from']:,} to {end - 1:,} instructions: "
                f"{bucket['count']:,} of {each['spans']:,}",
            )
    axes.set_xlabel(
        "instructions of the host" + (", log scale" if is_wide else ""), labelpad=8
    )
    drawing.pixels().text(
        4, 12, "how often (log scale)", color=COLOURS["faint"], va="center"
    )
    return drawing.svg(
        "Histograms of the host's instructions from a #VMEXIT to the next VMRUN"
    )


def _grouped(value: float, _place: int | None = None) -> str:
    return f"{value:,.0f}"


def _where_most_are(spans: dict[str, Any]) -> str:
    """The fullest bucket in words."""
    bucket = max(spans["histogram"], key=lambda bucket: bucket["count"])
    share = share_text(bucket["count"] / max(spans["spans"], 1))
    end = min(bucket["to"], spans["most"])
    if bucket["from"] >= end:
        return f"{share} at {bucket['from']:,}"
    return f"{share} at {bucket['from']:,} to {end:,}"


# Exits by code


class Exit(NamedTuple):
    """An exit code, and its exits for each KVM_RUN of both sides; None: no figure."""

    name: str
    before: dict[str, float | None]
    after: dict[str, float | None]


def exit_rows(results: Results) -> list[Exit]:
    """Those that take most of the host first."""
    found = []
    by_name = [
        {entry["name"]: entry for entry in results[side]["exits"]} for side in SIDES
    ]
    for name in by_name[0] | by_name[1]:
        pair = []
        for side in by_name:
            entry = side.get(name, {})
            figures = {key: entry.get(key) for key in ("instructions", "cycles")}
            pair.append(figures | {"count": entry.get("count", 0)})
        found.append(Exit(name, *pair))
    return sorted(found, key=_weight, reverse=True)


def _weight(row: Exit) -> float:
    return max(
        side["count"] * (side["cycles"] or side["instructions"] or 1)
        for side in (row.before, row.after)
    )


MOST_EXITS = 10


@_drawn
def exits_plot(results: Results, width: float) -> ElementTree.Element:
    """Bars of both kernels for each code."""
    rows = exit_rows(results)[:MOST_EXITS]
    bar, row_height, top = 14, 44, 6
    drawing = Drawing(width, top + row_height * len(rows))
    axes = drawing.pixels()
    room = min(max(_text_width(row.name, NORMAL) for row in rows), 0.4 * width)
    left = room + 12
    # A bar has a third of the plot at least; labels that do not fit are shorter.
    longest = min(
        max(_text_width(_exit_label(side)) for row in rows for side in row[1:]),
        0.67 * width - left,
    )
    whole = max(side["count"] for row in rows for side in row[1:])
    scale = (width - left - longest - 14) / whole
    for number, row in enumerate(rows):
        upper = top + number * row_height
        axes.text(
            room, upper + bar + 1, _shortened(row.name, room + 4), size=NORMAL,
            ha="right", va="center",
        )
        for index, side in enumerate(SIDES):
            figures = row[1 + index]
            place = upper + index * (bar + 2)
            if figures["count"]:
                patch = Rectangle(
                    (left, place), max(figures["count"] * scale, 1.5), bar,
                    facecolor=COLOURS[side], linewidth=0,
                )
                axes.add_patch(patch)
                drawing.tooltip(
                    patch,
                    f"#VMEXIT {row.name}, {side}: {_exit_label(figures)}",
                )
            label = _exit_label(figures)
            if _text_width(label) > longest:
                label = figure_text(figures["count"])
            end = left + figures["count"] * scale
            axes.text(end + 7, place + bar / 2 + 0.5, label, va="center")
    return drawing.svg("Exits of each KVM_RUN by code")


def _exit_label(figures: dict[str, float | None]) -> str:
    number = figure_text(figures["count"])
    for key in ("cycles", "instructions"):
        if figures[key] is not None:
            return f"{number} × {figures[key]:,.0f} {key}"
    return number


# What depends on which assumption


@_drawn
def sensitivity_plot(results: Results, width: float) -> ElementTree.Element:
    """The share saved with each cost halved and doubled."""
    rows = sorted(
        results["sensitivity"],
        key=lambda row: -abs(row["saved_if_twice"] - row["saved_if_half"]),
    )
    wholes = [sum(results[side]["costs"].values()) for side in SIDES]
    share = (wholes[0] - wholes[1]) / wholes[0]
    top, row_height = 30, 26
    drawing = Drawing(width, top + row_height * len(rows) + 4)
    axes = drawing.pixels()
    room = max(_text_width(event_name(row["cost"])) for row in rows)
    outside = 10 + max(_text_width(text) for row in rows for text in _ends(row))
    left, right = room + 8 + outside, width - outside
    ends = [row[key] for row in rows for key in ("saved_if_half", "saved_if_twice")]
    least, most = min(*ends, share), max(*ends, share)
    scale = (right - left) / max(most - least, 0.001)

    def at(value: float) -> float:
        return left + (value - least) * scale

    axes.plot(
        [at(share)] * 2, [top - 6, drawing.height - 4], color=COLOURS["line"], lw=1
    )
    words = f"the model: {share_text(share)}"
    axes.text(at(share), 12, words, ha="center", va="center")
    for number, row in enumerate(rows):
        place = top + (number + 0.5) * row_height
        half, twice = row["saved_if_half"], row["saved_if_twice"]
        axes.text(
            room + 2, place, event_name(row["cost"]), ha="right", va="center"
        )
        line = axes.plot(
            [at(half), at(twice)], [place] * 2, color=COLOURS["faint"], lw=3,
            solid_capstyle="butt",
        )[0]
        drawing.tooltip(
            line,
            f"{event_name(row['cost'])}: {share_text(half)} saved if it were half as "
            f"much, {share_text(twice)} if twice",
        )
        for value, text, other in zip((half, twice), _ends(row), (twice, half)):
            is_right = value > other
            axes.text(
                at(value) + (6 if is_right else -6), place, text,
                ha="left" if is_right else "right", va="center",
                color=COLOURS["faint"],
            )
    return drawing.svg(
        "Share of modelled cycles saved if a cost were half or twice as much"
    )


def _ends(row: dict[str, Any]) -> tuple[str, str]:
    return (
        f"½ {share_text(row['saved_if_half'])}",
        f"2× {share_text(row['saved_if_twice'])}",
    )


# Functions


class Frame(NamedTuple):
    """A function's place in a flame graph; depth 0 is the root."""

    node: Node
    depth: int
    start: float
    # Functions that are together in it, where each is too small.
    merged: int = 0


def size_of(node: Node, by_cycles: bool) -> float:
    """What the width of a function goes by."""
    return node["cycles" if by_cycles else "instructions"] or 0


def frames(root: Node, by_cycles: bool, least: float) -> Iterator[Frame]:
    """The frames of a tree, parents first; smaller ones than `least` together."""
    waiting = [Frame(root, 0, 0.0)]
    while waiting:
        frame = waiting.pop(0)
        yield frame
        place = frame.start
        small: list[Node] = []
        # By name, so that two kernels' graphs can be compared.
        for child in sorted(frame.node.get("children", ()), key=lambda n: n["name"]):
            if size_of(child, by_cycles) < least:
                small.append(child)
                continue
            waiting.append(Frame(child, frame.depth + 1, place))
            place += size_of(child, by_cycles)
        if small:
            together = _together(small, by_cycles)
            if size_of(together, by_cycles) >= least / 2:
                waiting.append(Frame(together, frame.depth + 1, place, len(small)))


def _together(nodes: list[Node], by_cycles: bool) -> Node:
    keys = ["instructions", "rdmsr", "wrmsr"] + ["cycles"] * by_cycles
    sums = {key: sum(node[key] or 0 for node in nodes) for key in keys}
    name = "others" if len(nodes) > 1 else nodes[0]["name"]
    return {"name": name, "module": "", "cycles": None, "children": [], **sums}


def accesses_itself(node: Node) -> bool:
    """Whether MSRs are accessed in the function and not only in those it calls."""
    return any(
        node[key] - sum(child[key] for child in node.get("children", ())) > 0.05
        for key in ("rdmsr", "wrmsr")
    )


@_drawn
def flame_plot(results: Results, side: str, width: float) -> ElementTree.Element:
    """Functions below their callers; both kernels' plots have the same scale."""
    roots = [results[name]["functions"] for name in SIDES if results[name]["functions"]]
    by_cycles = all(root["cycles"] for root in roots)
    root = results[side]["functions"]
    whole = size_of(root, by_cycles)
    scale = (width - 2) / max(size_of(each, by_cycles) for each in roots)
    found = list(frames(root, by_cycles, 3 / scale))
    row = 19
    drawing = Drawing(width, row * (1 + max(frame.depth for frame in found)) + 2)
    axes = drawing.pixels()
    for frame in found:
        size = size_of(frame.node, by_cycles) * scale
        place = 1 + frame.start * scale
        upper = 1 + frame.depth * row
        strong = not frame.merged and accesses_itself(frame.node)
        patch = Rectangle(
            (round(place, 1), upper), round(size, 1), row,
            facecolor=COLOURS["faint" if frame.merged else side],
            alpha=1 if strong else 0.3,
            edgecolor=COLOURS["page"], linewidth=1,
        )
        axes.add_patch(patch)
        drawing.tooltip(patch, _frame_tooltip(frame, whole, by_cycles))
        if label := _shortened(frame.node["name"], size - 8):
            axes.text(
                round(place + 4, 1), upper + row / 2 + 0.5, label, va="center",
                color=COLOURS["page" if strong else "text"],
            )
    return drawing.svg(
        f"Functions of L1's kernel below their callers, {results[side]['kernel']}"
    )


def _frame_tooltip(frame: Frame, whole: float, by_cycles: bool) -> str:
    node = frame.node
    name = f"{frame.merged} functions" if frame.merged > 1 else node["name"]
    lines = [f"{name} [{node['module']}]" if node["module"] else name]
    share = share_text(size_of(node, by_cycles) / whole)
    if by_cycles:
        lines.append(f"{figure_text(node['cycles'])} modelled cycles, {share} of all")
    instructions = f"{figure_text(node['instructions'])} instructions"
    lines.append(instructions if by_cycles else f"{instructions}, {share} of all")
    lines.append(
        f"{figure_text(node['rdmsr'])} RDMSR, {figure_text(node['wrmsr'])} WRMSR"
    )
    return "\n".join(lines)
