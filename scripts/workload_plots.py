# SPDX-License-Identifier: GPL-2.0-or-later
"""The plots of a report on everyday guests: figures of ./svm compare --json, as SVG.

Each is drawn for a width in pixels by svg_drawing.py.
"""

from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree

# Before Matplotlib: it says where that may write.
from svg_drawing import (
    COLOURS,
    NORMAL,
    SIDES,
    STRONG,
    WEAK,
    Drawing,
    drawn,
    text_width,
)

from matplotlib.patches import Rectangle

from compare_workloads import MSR_ACCESSES

Results = dict[str, Any]

BAR = 14
SMALL_SHARE = 0.0001


def small_share_text(share: float) -> str:
    """A share in percent that may be a small one."""
    # No sign of what is too small to be seen.
    return f"{round(share, 4) or 0:.2%}"


def shares_of_accesses(shares: dict[str, float]) -> float:
    """The part of a world switch's shares that is RDMSR and WRMSR of the host."""
    return sum(shares.get(name, 0) for name in MSR_ACCESSES)


@drawn
def saved_plot(results: Results, width: float) -> ElementTree.Element:
    """A bar for each workload: the share of its time that the second kernel saves."""
    rows = [(each["workload"], each["saved"]) for each in results["workloads"]]
    height = 28
    drawing = Drawing(width, height * len(rows) + 4)
    axes = drawing.pixels()
    room = _room(name for name, _saved in rows)
    label = 14 + max(text_width(small_share_text(saved)) for _name, saved in rows)
    least, most = (pick(0, *(s for _n, s in rows)) for pick in (min, max))
    # Of a bar to the left the label stands on the left, too.
    left = room + 12 + (label if least < 0 else 0)
    right = width - (label if most > 0 else 4)
    scale = (right - left) / max(most - least, SMALL_SHARE)
    zero = left - least * scale
    axes.plot([zero] * 2, [2, drawing.height - 2], color=COLOURS["line"], lw=1)
    for number, (name, saved) in enumerate(rows):
        middle = height * (number + 0.5)
        axes.text(room, middle, name, size=NORMAL, ha="right", va="center")
        patch = Rectangle(
            (zero + min(saved, 0) * scale, middle - BAR / 2),
            max(abs(saved) * scale, 1.5), BAR,
            facecolor=COLOURS["after" if saved >= 0 else "before"], linewidth=0,
        )
        axes.add_patch(patch)
        text = small_share_text(saved)
        drawing.tooltip(patch, f"{name}: {text} of the time is saved")
        axes.text(
            zero + saved * scale + (7 if saved >= 0 else -7), middle, text,
            ha="left" if saved >= 0 else "right", va="center",
        )
    return drawing.svg("The share of each workload's time that is saved")


@drawn
def switches_plot(results: Results, width: float) -> ElementTree.Element:
    """For each workload and kernel the share of world switches in all cycles.

    RDMSR and WRMSR of the host are in full colour.
    """
    rows = [
        (each["workload"], [each[side]["shares"] for side in SIDES])
        for each in results["workloads"]
    ]
    height, top = 44, 6
    drawing = Drawing(width, top + height * len(rows))
    axes = drawing.pixels()
    room = _room(name for name, _pair in rows)
    left = room + 12
    labels = [_label(shares, width) for _name, pair in rows for shares in pair]
    longest = max(map(text_width, labels))
    whole = max(sum(shares.values()) for _name, pair in rows for shares in pair)
    scale = (width - left - longest - 14) / max(whole, SMALL_SHARE)
    for number, (name, pair) in enumerate(rows):
        upper = top + number * height
        axes.text(room, upper + BAR + 1, name, size=NORMAL, ha="right", va="center")
        for index, (side, shares) in enumerate(zip(SIDES, pair)):
            place = upper + index * (BAR + 2)
            accesses = shares_of_accesses(shares)
            start = left
            for size, alpha in (
                (accesses, STRONG),
                (sum(shares.values()) - accesses, WEAK),
            ):
                patch = Rectangle(
                    (start, place), max(size * scale, 0.5), BAR,
                    facecolor=COLOURS[side], alpha=alpha, linewidth=0,
                )
                axes.add_patch(patch)
                drawing.tooltip(patch, _tooltip(name, side, shares))
                start += size * scale
            axes.text(
                start + 7, place + BAR / 2 + 0.5, _label(shares, width), va="center"
            )
    return drawing.svg("The share of world switches in the modelled cycles")


def _room(names: Iterable[str]) -> float:
    return max(text_width(name, NORMAL) for name in names)


def _label(shares: dict[str, float], width: float) -> str:
    text = small_share_text(sum(shares.values()))
    if width < 500:
        return text
    return f"{text}, MSRs {small_share_text(shares_of_accesses(shares))}"


def _tooltip(name: str, side: str, shares: dict[str, float]) -> str:
    lines = [f"{name}, {side}: {small_share_text(sum(shares.values()))} of all cycles"]
    lines += [f"{event} {small_share_text(share)}" for event, share in shares.items()]
    return "\n".join(lines)
