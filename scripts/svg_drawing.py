# SPDX-License-Identifier: GPL-2.0-or-later
"""Drawings as SVG by Matplotlib, for a report's page and as files of their own.

A drawing has a width in pixels, so that a page can have one for a desktop and one for a
phone. Its colours are CSS variables, see LIGHT and DARK; each mark has a tooltip, a
title of SVG. Needs python3-matplotlib: machine_packages.ensure_plots().
"""

import functools
import io
import os
import re
from collections.abc import Callable
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
from matplotlib.textpath import text_to_path  # noqa: E402

# The two kernels that a report compares.
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
            for colour, stand_in in COLOURS.items():
                value = value.replace(stand_in, f"var(--{colour})")
            found.append(f"{name}: {value}")
    return "; ".join(found)


def drawn(draw: Callable[..., ElementTree.Element]) -> Callable[..., str]:
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
def text_width(text: str, size: float = SMALL) -> float:
    """In Matplotlib's font, which is wider than most."""
    font = FontProperties(family="DejaVu Sans", size=size)
    return text_to_path.get_text_width_height_descent(text, font, False)[0]


def shortened(text: str, width: float) -> str:
    """As much of it as there is room for; nothing rather than two letters."""
    if text_width(text) <= width:
        return text
    while len(text) > 3:
        text = text[:-1]
        if text_width(text + "…") <= width:
            return text + "…"
    return ""


def apart(wanted: list[float], distance: float, end: float) -> list[float]:
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
