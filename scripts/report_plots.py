# SPDX-License-Identifier: GPL-2.0-or-later
"""The plots of a report on a halt loop: figures of ./svm compare --json, as SVG.

Each is drawn for a width in pixels by svg_drawing.py.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple
from xml.etree import ElementTree

# Before Matplotlib: it says where that may write.
from svg_drawing import (
    COLOURS,
    NORMAL,
    SIDES,
    STRONG,
    WEAK,
    Drawing,
    apart,
    drawn,
    shortened,
    text_width,
)

from matplotlib.axes import Axes
from matplotlib.patches import Polygon, Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from figure_text import event_name, figure_text, share_text

Results = dict[str, Any]
Node = dict[str, Any]


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


@drawn
def costs_plot(results: Results, width: float) -> ElementTree.Element:
    """Two columns of modelled cycles, each event's beside the other kernel's."""
    parts = cost_parts(results, least=0.02)
    wholes = [sum(part[i] for part in parts) for i in (1, 2)]
    top, height = 48, 380
    drawing = Drawing(width, top + height + 12)
    axes = drawing.pixels()
    column = min(0.2 * width, 130)
    middle = text_width("segment loads") + 40 if width < 500 else 0.34 * width
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
        name = shortened(results[side]["kernel"], width / 2 - 8)
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
    names = apart([sum(pair) / 2 for pair in centres], 15, floor - 4)
    for part, place in zip(parts, names):
        axes.text(middle, place, part.name, ha="center", va="center")
    for index, outside in enumerate((lefts[0] - 8, lefts[1] + column + 8)):
        shown = [n for n, part in enumerate(parts) if part[1 + index]]
        places = apart([centres[n][index] for n in shown], 15, floor - 4)
        for n, place in zip(shown, places):
            text = figure_text(round(parts[n][1 + index]))
            axes.text(
                outside, place, text, va="center", ha="left" if index else "right"
            )


# Instructions from a #VMEXIT to the next VMRUN


@drawn
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
            f"{shortened(results[side]['kernel'], width / 2)}: "
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


def exit_rows(exits: dict[str, list[dict[str, Any]]]) -> list[Exit]:
    """Both kernels' beside each other, those that take most of the host first."""
    found = []
    by_name = [{entry["name"]: entry for entry in exits[side]} for side in SIDES]
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


@drawn
def exits_plot(rows: list[Exit], width: float) -> ElementTree.Element:
    """Bars of both kernels for each code; there has to be one."""
    rows = rows[:MOST_EXITS]
    bar, row_height, top = 14, 44, 6
    drawing = Drawing(width, top + row_height * len(rows))
    axes = drawing.pixels()
    room = min(max(text_width(row.name, NORMAL) for row in rows), 0.4 * width)
    left = room + 12
    # A bar has a third of the plot at least; labels that do not fit are shorter.
    longest = min(
        max(text_width(_exit_label(side)) for row in rows for side in row[1:]),
        0.67 * width - left,
    )
    whole = max(side["count"] for row in rows for side in row[1:])
    scale = (width - left - longest - 14) / whole
    for number, row in enumerate(rows):
        upper = top + number * row_height
        axes.text(
            room, upper + bar + 1, shortened(row.name, room + 4), size=NORMAL,
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
            if text_width(label) > longest:
                label = figure_text(figures["count"])
            end = left + figures["count"] * scale
            axes.text(end + 7, place + bar / 2 + 0.5, label, va="center")
    return drawing.svg("Exits by code, of both kernels")


def _exit_label(figures: dict[str, float | None]) -> str:
    number = figure_text(figures["count"])
    for key in ("cycles", "instructions"):
        if figures[key] is not None:
            return f"{number} × {figures[key]:,.0f} {key}"
    return number


# What depends on which assumption


@drawn
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
    room = max(text_width(event_name(row["cost"])) for row in rows)
    outside = 10 + max(text_width(text) for row in rows for text in _ends(row))
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


@drawn
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
        if label := shortened(frame.node["name"], size - 8):
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
