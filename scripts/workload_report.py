# SPDX-License-Identifier: GPL-2.0-or-later
"""The part of a Linux guest's life that is measured, and what was counted of it."""

import textwrap
from collections.abc import Iterator
from typing import Any

import exit_codes
import guest_workloads
from call_tree import Symbols
from cost_model import CostModel
from guest_workloads import Workload
from meter_report import Counted
from run_report import INDENTED

# Of what the meter counts when no workload does.
WHOLE_LIFE = "linux"
# Two clocks, of which one goes on while the other level answers.
CLOCK_ERROR = 1.0  # seconds
# L1 reads KVM's counters a little before or after it starts or stops the meter.
EXITS_ERROR, LEAST_EXITS_ERROR = 0.01, 100


class MeasuredPart:
    """Takes the lines about it; run-linux-guest.sh prints them in L1."""

    def __init__(self, workload: Workload | None, model: CostModel | None = None):
        self.workload = workload
        self.model = model
        # What the meter has counted; None without one.
        self.counted: Counted | None = None
        # Where the functions of L1's kernel are, if the meter's calls are to be named.
        self.symbols: Symbols | None = None
        # In seconds, by the clocks of the guest and of L1.
        self.guest_seconds: float | None = None
        self.times: dict[str, float] = {}
        self.results: dict[str, str] = {}
        # What KVM had counted when it began and ended.
        self._exits: dict[str, int] = {}
        self._codes: dict[str, dict[int, int]] = {"begin": {}, "end": {}}

    @property
    def label(self) -> str:
        """What the meter counts it as."""
        return self.workload.name if self.workload else WHOLE_LIFE

    def take(self, word: str, values: dict[str, str]) -> None:
        """A line that L1 reported, or the guest."""
        match word:
            case "measured":
                self.times |= {at: float(time) for at, time in values.items()}
            case "measured-exits":
                self._exits |= {at: int(count) for at, count in values.items()}
            case "measured-code":
                codes = self._codes[values["at"]]
                codes[int(values["code"])] = int(values["count"])
            case "time":
                self.guest_seconds = int(values["microseconds"]) / 1e6
            case "result":
                self.results |= values

    @property
    def host_seconds(self) -> float | None:
        """By L1's clock."""
        if self.times.keys() < {"begin", "end"}:
            return None
        return self.times["end"] - self.times["begin"]

    @property
    def has_guest_clock(self) -> bool:
        """Whether the guest's clock goes from the beginning."""
        return self.workload is not None and self.workload.name != "boot"

    @property
    def seconds(self) -> float | None:
        """By the guest's clock if that goes, else by L1's."""
        return self.guest_seconds if self.has_guest_clock else self.host_seconds

    def kvm_exits(self) -> int:
        """How many exits KVM has counted."""
        return self._exits.get("end", 0) - self._exits.get("begin", 0)

    def exits(self) -> dict[str, int]:
        """Exits by name, the most frequent first; {} if nothing could count them."""
        if self.counted:
            return dict(self.counted.exits.most_common())
        begin = self._codes["begin"]
        codes = {
            code: count - begin.get(code, 0)
            for code, count in self._codes["end"].items()
            if count > begin.get(code, 0)
        }
        return exit_codes.by_name(codes)

    def wrong(self, seed: int, meter: bool) -> Iterator[str]:
        """Each thing that is wrong with it."""
        if self.host_seconds is None:
            yield "the part that is measured did not begin and end"
            return
        if self.workload:
            for name, due in self.workload.results_due(seed).items():
                found = self.results.get(name)
                if found != due:
                    yield f"{self.label}: {name} is {found} instead of {due}"
            if self.guest_seconds is None:
                yield "the guest reported no time"
            elif self.guest_seconds > self.host_seconds + CLOCK_ERROR or (
                self.has_guest_clock
                and self.guest_seconds < self.host_seconds - CLOCK_ERROR
            ):
                yield (
                    f"by the guest's clock {self.label} took {self.guest_seconds:.2f} "
                    f"s, by L1's {self.host_seconds:.2f} s"
                )
        if meter:
            yield from self._wrong_counts()

    def _wrong_counts(self) -> Iterator[str]:
        if not self.counted:
            yield "the meter has counted nothing"
            return
        counted, due = self.counted.exits.total(), self.kvm_exits()
        error = max(EXITS_ERROR * due, LEAST_EXITS_ERROR)
        # 5.10.262 counts an access to an MSR once more for each range of MSRs that the
        # VMM filters.
        if not -error <= due - counted <= error + self.counted.exits["MSR"]:
            yield f"the meter has counted {counted} exits, KVM {due}"

    def cycles(self) -> dict[str, float]:
        """Modelled cycles by the costs that they come from; {} without a model."""
        if not (self.model and self.counted):
            return {}
        return self.model.parts(self.counted, 1)

    def world_switches(self) -> dict[str, float]:
        """The shares of all modelled cycles that world switches take, by cost."""
        if not (total := sum(self.cycles().values())):
            return {}
        parts = self.model.world_switches(self.counted)
        return {name: cycles / total for name, cycles in parts.items()}

    def rows(self) -> list[tuple[str, str]]:
        """For the reader."""
        rows = []
        if self.workload:
            about = guest_workloads.about(self.workload)
            rows.append(("workload", f"{self.label}: {about}"))
        if not self.seconds:
            return rows
        whose = "the guest's own" if self.has_guest_clock else "L1's"
        rows.append(("it took", f"{self.seconds:.3f} s by {whose} clock"))
        total = sum(self.exits().values()) or self.kvm_exits()
        exits = [f"{total:,}, {total / self.seconds:,.0f} a second"]
        exits += [
            f"{name:<20}{count:>12,}{count / self.seconds:>14,.0f} a second"
            for name, count in self.exits().items()
        ]
        rows.append(("exits in it", INDENTED.join(exits)))
        if self.counted and self.counted.host_instructions is not None:
            rows.append(
                (
                    "instructions in it",
                    f"L1 {self.counted.host_instructions:,}, its guest "
                    f"{self.counted.guest_instructions:,}",
                )
            )
        if shares := self.world_switches():
            rows.append(
                ("modelled cycles", f"{sum(self.cycles().values()):,.0f} of the "
                 f"model {self.model.name}")
            )
            parts = ", ".join(f"{name} {share:.2%}" for name, share in shares.items())
            text = f"{sum(shares.values()):.2%} of them: {parts}"
            rows.append(
                ("world switches", INDENTED.join(textwrap.wrap(text, 64)))
            )
        return rows

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        exits = self.exits()
        seconds = self.seconds
        counted = self.counted
        shares = self.world_switches()
        return {
            "workload": self.workload and self.workload.name,
            "seconds": seconds and round(seconds, 6),
            "guest_seconds": self.guest_seconds,
            "exits": sum(exits.values()) or self.kvm_exits(),
            "exits_of_kvm": self.kvm_exits(),
            "exits_by_code": exits,
            "exits_per_second": {
                name: round(count / seconds, 1) for name, count in exits.items()
            }
            if seconds
            else {},
            "instructions_of_host": counted and counted.host_instructions,
            "instructions_of_guest": counted and counted.guest_instructions,
            "cost_model": self.model and self.model.name,
            "modelled_cycles": self.cycles() or None,
            "share_of_world_switches": sum(shares.values()) if shares else None,
            "shares": shares or None,
        }
