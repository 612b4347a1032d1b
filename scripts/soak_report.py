# SPDX-License-Identifier: GPL-2.0-or-later
"""What a soak has seen: gathered from the lines of kvm-soak, printed, judged."""

from nested_boot import parse_line
from run_report import L1Report, table

COUNTS = ("rounds", "exits", "interrupted", "moves")


class GuestCounts:
    """What one guest has done, in all lives of its machine together."""

    def __init__(self):
        self.done = dict.fromkeys(COUNTS, 0)
        self._last: dict[str, int] | None = dict.fromkeys(COUNTS, 0)

    def take(self, seen: dict[str, int]) -> None:
        """The counts that the guest has now."""
        if self._last is not None:
            for name in COUNTS:
                self.done[name] += seen[name] - self._last[name]
        self._last = seen

    def forget(self) -> None:
        """The machine goes back to another time: what comes next is a beginning."""
        self._last = None


class SoakReport(L1Report):
    """Takes the lines of kvm-soak too."""

    def __init__(self, guests: int):
        super().__init__()
        self.guests = [GuestCounts() for _ in range(guests)]
        self.soaking = False
        self.wrong: list[dict[str, str]] = []
        self.soaked_seconds = 0.0
        self.saved = 0
        self.loaded = 0
        self.migrated = 0

    def take(self, line: str) -> None:
        """A line that L1 reported."""
        super().take(line)
        word, values = parse_line(line)
        match word:
            case "soaking":
                self.soaking = True
            case "progress":
                counts = {name: int(values[name]) for name in COUNTS}
                self.guests[int(values["guest"])].take(counts)
            case "wrong":
                self.wrong.append(values)

    @property
    def exits(self) -> list[int]:
        """Of each guest, those that were as expected."""
        return [guest.done["exits"] for guest in self.guests]

    def progress(self) -> str:
        """How far the guests are."""
        return ", ".join(
            [f"{sum(self.exits)} exits"]
            + [f"{self.loaded} snapshots loaded"] * bool(self.saved)
            + [f"{self.migrated} migrations"] * bool(self.migrated)
        )

    def problem(self) -> str | None:
        """What is wrong with the soak so far; None when all is right."""
        if found := super().problem():
            return found
        if self.wrong:
            first = self.wrong[0]
            more = f" (and {len(self.wrong) - 1} more)" if self.wrong[1:] else ""
            return (
                f"guest {first['guest']}, round {first['round']}, {first['step']}: "
                f"{first['why']}{more}"
            )
        if self.ended:
            return "L1 ended before its time"
        return None

    def verdict(self, problem: str | None) -> str:
        """The line that says it all."""
        if problem:
            return f"verdict: WRONG - {problem}"
        guests = len(self.guests)
        return (
            f"verdict: right - {sum(self.exits)} exits of {guests} "
            f"guest{'s' * (guests > 1)} as expected, no vCPU stuck in "
            f"{self.soaked_seconds:.0f} s"
        )

    def text(self) -> str:
        """For the reader; without the verdict."""
        rows = self.rows()
        for number, guest in enumerate(self.guests):
            done = guest.done
            rows.append(
                (
                    f"guest {number}",
                    f"{done['rounds']} rounds, {done['exits']} exits checked; moved "
                    f"{done['moves']} times, interrupted {done['interrupted']} times",
                )
            )
        if self.saved:
            rows.append(("snapshots", f"{self.saved} saved, {self.loaded} loaded"))
        if self.migrated:
            rows.append(("migrations", f"{self.migrated}, each to a new emulator"))
        for wrong in self.wrong:
            place = f"round {wrong['round']}, {wrong['step']}, rip {wrong.get('rip')}"
            rows.append((f"guest {wrong['guest']}", f"{place}: {wrong['why']}"))
        if self.boot_seconds is not None:
            rows.append(
                (
                    "time",
                    f"L1 up after {self.boot_seconds:.1f} s, soaked for "
                    f"{self.soaked_seconds:.1f} s",
                )
            )
        return table(rows)
