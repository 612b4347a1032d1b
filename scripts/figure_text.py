# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures and events as a reader sees them, in tables and in plots."""

import math

import meter_report

EVENT_NAMES = meter_report.EVENTS | {
    "instruction": "instructions",
    "vmexit": "#VMEXIT",
    "rdmsr": "RDMSR",
    "wrmsr": "WRMSR",
}


def figure_text(value: float) -> str:
    """Two digits after the point, without those that are zero; one that is not zero."""
    if 1e-6 < abs(value) < 0.005:
        return f"{value:.{-math.floor(math.log10(abs(value)))}f}"
    text = f"{value:,.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def saved_text(before: float, after: float) -> str:
    """What is less after, of the figures as they are shown."""
    return figure_text(round(before, 2) - round(after, 2))


def share_text(share: float) -> str:
    """A share in percent."""
    return f"{share:.1%}"


def event_name(cost: str) -> str:
    """The event of a cost model's name; an MSR may have a cost of its own."""
    name, _, index = cost.partition(" ")
    return " ".join([EVENT_NAMES.get(name, name), index]).strip()
