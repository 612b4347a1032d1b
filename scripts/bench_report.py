# SPDX-License-Identifier: GPL-2.0-or-later
"""What ./svm bench found: how long an exit takes on several emulators, in turn."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

NAME, COLUMN = 24, 18


class Measured(NamedTuple):
    """A run of the halt loop: TSC ticks of an exit, the median and the first decile."""

    ticks: int
    least_ticks: int
    exits_per_second: float


class Ratio(NamedTuple):
    """Of one emulator's figure to another's, round by round."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.least:.3f} to {self.most:.3f})"


@dataclass
class Side:
    """An emulator, and a run for each round."""

    name: str
    version: str
    runs: list[Measured] = field(default_factory=list)

    def ratio(self, other: "Side") -> Ratio:
        """Of its ticks to the other's in the same round."""
        found = [
            run.ticks / base.ticks
            for run, base in zip(self.runs, other.runs, strict=True)
        ]
        return Ratio(statistics.median(found), min(found), max(found))

    def median(self, figure: str) -> float:
        """The median of all rounds."""
        return statistics.median(getattr(run, figure) for run in self.runs)


@dataclass
class BenchReport:
    """Emulators in the order in which they were asked for."""

    kernel: str
    exits: int
    sides: list[Side]

    def pairs(self) -> Iterator[tuple[Side, Side]]:
        """What is compared: each emulator with the first, and with the one before."""
        first = self.sides[0]
        for above, side in zip(self.sides, self.sides[1:]):
            yield side, first
            if above is not first:
                yield side, above

    def text(self) -> str:
        """The table for the reader."""
        rounds = len(self.sides[0].runs)
        lines = [f"{side.name + ':':<{NAME}}{side.version}" for side in self.sides]
        lines += [
            f"{'L1 kernel:':<{NAME}}Linux {self.kernel}",
            "",
            f"{'':<{NAME}}{'ticks per exit':>{COLUMN}}{'exits per second':>{COLUMN}}",
        ]
        for side in self.sides:
            figures = (side.median(name) for name in ("ticks", "exits_per_second"))
            cells = "".join(f"{figure:>{COLUMN},.0f}" for figure in figures)
            lines.append(f"{side.name:<{NAME}}{cells}")
        lines += ["", "the time of an exit, median (least to most) of the rounds:"]
        for side, base in self.pairs():
            lines.append(f"  {side.name} / {base.name}: {side.ratio(base)}")
        lines += [
            "",
            f"{rounds} round{'s' * (rounds != 1)} of {self.exits:,} exits on each "
            "emulator, one after the other; of each run the median.",
        ]
        return "\n".join(lines) + "\n"

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "kernel": self.kernel,
            "exits": self.exits,
            "emulators": [
                {
                    "name": side.name,
                    "version": side.version,
                    "runs": [run._asdict() for run in side.runs],
                }
                for side in self.sides
            ],
            "ratios": [
                {"of": side.name, "to": base.name, **side.ratio(base)._asdict()}
                for side, base in self.pairs()
            ],
        }
