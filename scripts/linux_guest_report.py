# SPDX-License-Identifier: GPL-2.0-or-later
"""What L1 and its Linux guests report, and whether it is right.

The innermost guest computes digests from a seed; what they have to be is computed here.
"""

import hashlib
import re
from pathlib import Path
from typing import Any, NamedTuple

import exit_codes
from guest_workloads import numbers_digest, pattern_digest
from nested_boot import parse_line
from run_report import INDENTED, L1Report, table
from workload_report import MeasuredPart

# As linux-guest-init.sh has it.
PATTERN_BYTES = 8 << 20
SHARE_BYTES = 4 << 20
SLEEP = 100  # hundredths of a second, of which the kernel's clock may miss a few
CLOCK_ERROR = 2
# Of its memory a kernel takes some before it counts the rest.
LEAST_MEMORY = 0.8

REASONS_SHOWN = 8
CLEAN_END = "guest-shutdown"


class Guest(NamedTuple):
    """The innermost guest, as it was asked for."""

    level: int
    vcpus: int
    megabytes: int
    machine: str
    seed: int


class LinuxGuestReport(L1Report):
    """Takes the lines of all levels; see run-linux-guest.sh for them.

    `part` is what is measured of the guest's life, if that is asked for.
    """

    def __init__(
        self, guest: Guest, part: MeasuredPart | None = None, meter: bool = False
    ):
        super().__init__()
        self.guest = guest
        self.part = part
        self.meter = meter
        # A file whose beginning the guest reads.
        self.shared_kernel: Path | None = None
        self.progress = ""
        # Of the hosts between L1 and the guest, by level.
        self.hosts = {level: L1Report() for level in range(2, guest.level)}
        # What the guest says: by key, by processor, and when.
        self.values: dict[str, str] = {}
        self.numbers: dict[int, str] = {}
        self.timers: dict[int, int] = {}
        self.reached: dict[str, float] = {}
        # What KVM and the VMM say of the guest of each level.
        self.kvm_stats: dict[int, dict[str, int]] = {}
        self.exit_codes: dict[int, dict[int, int]] = {}
        self.vmm_ends: dict[int, dict[str, str]] = {}
        self.vmm_output: list[str] = []

    def take(self, line: str) -> None:
        """A line that L1 reported, or passed on."""
        level = 1
        while match := re.match(r"l([2-9]) (.*)", line):
            level, line = int(match[1]), match[2]
        if level == self.guest.level:
            self._take_of_guest(line)
            return
        if level > 1:
            self.hosts[level].take(line)
        else:
            super().take(line)
        word, values = parse_line(line)
        if self.part and level == 1:
            self.part.take(word, values)
        guest = int(values.get("level", 0))
        match word:
            case "vmm" if "end" in values:
                self.vmm_ends[guest] = values
            case "vmm-output":
                self.vmm_output.append(line.partition(" ")[2].partition(" ")[2])
            case "kvm-stat":
                ((name, count),) = ((k, v) for k, v in values.items() if k != "level")
                self.kvm_stats.setdefault(guest, {})[name] = int(count)
            case "exit-code":
                codes = self.exit_codes.setdefault(guest, {})
                codes[int(values["code"])] = int(values["count"])

    def _take_of_guest(self, line: str) -> None:
        word, values = parse_line(line)
        self.progress = f"L{self.guest.level}: {line[:60]}"
        self.reached.setdefault("init", self.seconds)
        if self.part:
            self.part.take(word, values)
        match word:
            case "guest":
                # The rest of the line: a name may have spaces in it.
                self.values |= values
            case "timer":
                self.timers[int(values["cpu"])] = int(values["slept"])
            case "numbers":
                self.numbers[int(values["cpu"])] = values["digest"]
            case "pattern" | "share":
                self.values[word] = values["digest"]
            case "copy":
                self.values[word] = values["same"]
            case "l1":
                self.reached["end"] = self.seconds

    def problem(self) -> str | None:
        """What is wrong with the run; None when all is right."""
        if found := super().problem():
            return found
        for level, host in self.hosts.items():
            if found := host.problem():
                return f"L{level}: {found}"
        return next(filter(None, self._wrong()), None)

    def _wrong(self):
        """Each thing that is wrong with the guest, in the order of its life."""
        name = f"L{self.guest.level}"
        if "init" not in self.reached:
            yield self._vmm_problem() or f"{name} did not reach its init"
        yield self._compare("number of CPUs", self.values.get("cpus"), self.guest.vcpus)
        kilobytes = int(self.values.get("memory", 0))
        asked = self.guest.megabytes << 10
        if not LEAST_MEMORY * asked <= kilobytes <= asked:
            yield f"{name} has {kilobytes} kB of memory instead of {asked}"
        yield self._compare("hypervisor", self.values.get("hypervisor"), "KVM")
        if self.part:
            yield from self.part.wrong(self.guest.seed, self.meter)
        if not (self.part and self.part.workload):
            yield from self._wrong_answers()
        if "end" not in self.reached:
            yield f"{name} did not come to its end"
        yield self._vmm_problem()
        for level in range(2, self.guest.level + 1):
            if not self.exits(level):
                yield f"KVM counted no exits of L{level}"

    def _wrong_answers(self):
        """Each answer of the guest that is wrong, when it does no workload."""
        name = f"L{self.guest.level}"
        for cpu in range(self.guest.vcpus):
            slept = self.timers.get(cpu)
            if slept is None or slept < SLEEP - CLOCK_ERROR:
                yield f"{name}, CPU {cpu}: sleep 1 took {slept} hundredths of a second"
            yield self._compare(
                f"digest of numbers on CPU {cpu}",
                self.numbers.get(cpu),
                numbers_digest(self.guest.seed + cpu),
            )
        yield self._compare(
            "digest of its memory",
            self.values.get("pattern"),
            pattern_digest(self.guest.seed, PATTERN_BYTES),
        )
        yield self._compare("copy of its memory", self.values.get("copy"), 1)
        with self.shared_kernel.open("rb") as file:
            due = hashlib.sha256(file.read(SHARE_BYTES)).hexdigest()
        yield self._compare("digest of a shared file", self.values.get("share"), due)

    def _compare(self, what: str, seen: str | None, due: object) -> str | None:
        if seen == str(due):
            return None
        return f"L{self.guest.level}: {what} is {seen} instead of {due}"

    def _vmm_problem(self) -> str | None:
        """What is wrong with how the VMMs ended, the innermost one first."""
        for level in range(self.guest.level, 1, -1):
            end = self.vmm_ends.get(level)
            if end is None:
                continue
            if end["end"] == "none":
                why = self.vmm_output[-1] if self.vmm_output else "it said nothing"
                return f"the VMM of L{level} ended with status {end['status']}: {why}"
            if end["reason"] != CLEAN_END:
                return f"L{level} did not power off: {end['end']}, {end['reason']}"
        return None

    def exits(self, level: int) -> int:
        """How many exits KVM counted of the guest of this level."""
        return self.kvm_stats.get(level, {}).get("exits", 0)

    def reasons(self, level: int) -> dict[str, int]:
        """The same by exit code, the most frequent first; {} if it cannot."""
        return exit_codes.by_name(self.exit_codes.get(level, {}))

    def verdict(self, problem: str | None) -> str:
        """The line that says it all."""
        if problem:
            return f"verdict: WRONG - {problem}"
        if self.part and self.part.workload:
            return (
                f"verdict: right - L{self.guest.level} did {self.part.label} with "
                "the right results and powered off"
            )
        return (
            f"verdict: right - L{self.guest.level} reached its shell, computed all "
            f"digests right on {self.guest.vcpus} CPU{'s'[: self.guest.vcpus - 1]} and "
            "powered off"
        )

    def text(self) -> str:
        """For the reader; without the verdict."""
        name = f"L{self.guest.level}"
        rows = self.rows()
        for level, host in self.hosts.items():
            if host.kernel:
                rows.append((f"L{level} kernel", f"Linux {host.kernel}"))
                uses = " ".join(host.used) or "none of them"
                rows.append((f"kvm-amd in L{level} uses", uses))
        if "kernel" in self.values:
            rows.append(
                (
                    f"{name} kernel",
                    f"Linux {self.values['kernel']}, {self.guest.machine}, "
                    f"{self.values['cpus']} CPU{'s'[: int(self.values['cpus']) - 1]}",
                )
            )
        for level in range(2, self.guest.level + 1):
            if self.exits(level):
                rows.append((f"exits of L{level}", self._exits_text(level)))
        if self.part:
            rows += self.part.rows()
        if self.boot_seconds is not None:
            times = [f"L1 up after {self.boot_seconds:.1f} s"]
            times += [
                f"{name} {what} after {self.reached[key]:.1f} s"
                for key, what in (("init", "up"), ("end", "done"))
                if key in self.reached
            ]
            times.append(f"all done after {self.total_seconds:.1f} s")
            rows.append(("time", ", ".join(times)))
        return table(rows)

    def _exits_text(self, level: int) -> str:
        reasons = list(self.reasons(level).items())
        text = str(self.exits(level))
        for start in range(0, min(len(reasons), REASONS_SHOWN), 4):
            part = reasons[start : start + 4]
            text += INDENTED + ", ".join(f"{name} {count}" for name, count in part)
        return text

    def as_dict(self, problem: str | None) -> dict[str, Any]:
        """For --json; numbers as numbers."""
        return {
            **self.l1_as_dict(problem),
            "levels": self.guest.level,
            "machine": self.guest.machine,
            "vcpus": self.guest.vcpus,
            "guest_kernel": self.values.get("kernel", ""),
            "exits": {
                f"L{level}": {
                    "all": self.exits(level),
                    "by_code": self.reasons(level),
                    "kvm_stats": self.kvm_stats[level],
                }
                for level in sorted(self.kvm_stats)
            },
            "measured": self.part and self.part.as_dict(),
            "boot_seconds": _rounded(self.boot_seconds),
            "guest_init_seconds": _rounded(self.reached.get("init")),
            "guest_end_seconds": _rounded(self.reached.get("end")),
            "total_seconds": _rounded(self.total_seconds),
        }


def _rounded(seconds: float | None) -> float | None:
    return seconds and round(seconds, 2)
