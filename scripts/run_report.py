# SPDX-License-Identifier: GPL-2.0-or-later
"""What L1 reports, and what a run of the halt loop found: gathered, printed, judged."""

import textwrap
from typing import Any

import meter_report
from call_tree import Symbols
from kernel_package import KVM_CHANGE
from nested_boot import parse_line

# SVM features as /proc/cpuinfo names them.
SVM_FLAGS = (
    "npt lbrv svm_lock nrip_save tsc_scale vmcb_clean flushbyasid decodeassists "
    "pausefilter pfthreshold avic x2avic v_vmsave_vmload vgif v_spec_ctrl vnmi "
    "svme_addr_chk sev sev_es sev_snp"
).split()

# Parameters of kvm-amd that say whether it uses a feature.
SVM_PARAMETERS = (
    "npt nrips lbrv vls vgif avic vnmi tsc_scaling pause_filter_count "
    "pause_filter_thresh sev sev_es sev_snp"
).split()

OFF = ("N", "0", "", "(null)")

INDENTED = "\n" + " " * 23


class L1Report:
    """Takes the lines of the report port one by one; see l1-init.sh for them."""

    def __init__(self):
        self.emulator = ""
        # Since the start: the latest line, the first one, and the end.
        self.seconds = 0.0
        self.boot_seconds: float | None = None
        self.total_seconds: float | None = None
        self.ended = False
        self.kernel = ""
        # What --kernel says, where that tells more than the version.
        self.kernel_name = ""
        self.cpus = 0
        self.cpu_model = ""
        self.found: list[str] = []
        self.parameters: dict[str, str] = {}
        self.kvm_log: list[str] = []
        self.load_failure = ""
        self.program_error = ""
        self.clean_bits_wrong: list[str] = []

    def take_option(self, kernel: str | None) -> None:
        """What --kernel says."""
        self.kernel_name = kernel if kernel in KVM_CHANGE else ""

    def take(self, line: str) -> None:
        """A line that L1 reported."""
        word, values = parse_line(line)
        rest = line.partition(" ")[2]
        match word:
            case "l1":
                self.kernel = values.get("kernel", self.kernel)
                self.cpus = int(values.get("cpus", self.cpus))
                self.ended |= "end" in values
            case "cpu-model":
                self.cpu_model = rest
            case "cpu-flags":
                self.found = [flag for flag in SVM_FLAGS if flag in rest.split()]
            case "kvm-amd":
                self.parameters |= values
            case "kvm-log":
                self.kvm_log.append(rest)
            case "load-failed":
                self.load_failure = values.get("why", "")
            case "error":
                self.program_error = f"{values.get('what')}: {values.get('errno')}"

    @property
    def used(self) -> list[str]:
        """The features that kvm-amd has switched on."""
        return [p for p in SVM_PARAMETERS if self.parameters.get(p, "") not in OFF]

    def problem(self) -> str | None:
        """What is wrong with L1; None when all is right."""
        if self.load_failure:
            return f"kvm-amd did not load in L1: {self.load_failure}" + (
                f" ({self.kvm_log[-1]})" if self.kvm_log else ""
            )
        if self.program_error:
            return f"the guest program failed in L1: {self.program_error}"
        return self.problem_of_clean_bits()

    def problem_of_clean_bits(self) -> str | None:
        """The promise about a VMCB that L1 did not keep."""
        if not self.clean_bits_wrong:
            return None
        return (
            f"{len(self.clean_bits_wrong)} times a field changed in spite of its clean "
            f"bit, first: {self.clean_bits_wrong[0]}"
        )

    def rows(self) -> list[tuple[str, str]]:
        """What L1 is, for the reader."""
        name = self.kernel_name and f" ({self.kernel_name})"
        return [
            ("emulator", self.emulator),
            ("L1 kernel", f"Linux {self.kernel}{name}" if self.kernel else ""),
            ("CPU model", f"{self.cpu_model}, {self.cpus} CPU" + "s"[: self.cpus - 1]),
            ("SVM features found", " ".join(self.found) or "none"),
            ("kvm-amd uses", " ".join(self.used) or "none of them"),
        ]

    def l1_as_dict(self, problem: str | None) -> dict[str, Any]:
        """What --json says of any L1 with KVM, and of the verdict."""
        return {
            "right": problem is None,
            "problem": problem,
            "emulator": self.emulator,
            "kernel": self.kernel,
            "cpu_model": self.cpu_model,
            "cpus": self.cpus,
            "features_found": self.found,
            "features_used": self.used,
            "kvm_amd_parameters": self.parameters,
            "kvm_log": self.kvm_log,
        }


def table(rows: list[tuple[str, str]]) -> str:
    """Rows for the reader, without those that say nothing."""
    return "".join(f"{name + ':':<23}{value}\n" for name, value in rows if value)


class RunReport(L1Report):
    """Takes the lines of kvm-halt-loop too."""

    def __init__(
        self,
        exits: int,
        guests: int,
        icount: bool,
        meter: bool = False,
        cost_model: str | None = None,
    ):
        super().__init__()
        self.cost_model = cost_model
        self.meter = meter
        self.exits = exits
        self.guests = guests
        self.icount = icount
        self.ticks: dict[str, str] = {}
        self.calibration: dict[str, str] = {}
        self.totals: dict[str, str] = {}
        self.wrong: list[dict[str, str]] = []
        self.progress = ""
        # Exits that QEMU's meter has counted, and what it has.
        self.metered = 0
        self.counted: meter_report.Counted | None = None
        # Where the functions of L1's kernel are, if the meter's calls are to be named.
        self.symbols: Symbols | None = None

    def take(self, line: str) -> None:
        """A line that L1 reported."""
        super().take(line)
        word, values = parse_line(line)
        match word:
            case "progress":
                self.progress = f"{values['exits']} of {values['of']} exits"
            case "calibration":
                self.calibration = values
            case "ticks":
                self.ticks = values
            case "exits":
                self.totals = values
            case "wrong":
                self.wrong.append(values)
            case "metered":
                self.metered = int(values["exits"])

    @property
    def asked(self) -> int:
        """Exits that had to be seen, over all guests."""
        return self.exits * self.guests

    @property
    def seen(self) -> int:
        """Exits that were as expected."""
        return int(self.totals.get("right", 0))

    @property
    def rate(self) -> float | None:
        """Exits per second, where L1's clock is the world's."""
        seconds = float(self.totals.get("seconds", 0))
        return self.seen / seconds if seconds and not self.icount else None

    def instructions(self, ticks: str) -> int | None:
        """Ticks as instructions: under icount, when L1's own count says so."""
        if not self.icount or ticks not in self.ticks:
            return None
        if self.calibration.get("ticks") != self.calibration.get("instructions"):
            return None
        return int(self.ticks[ticks])

    def problem(self) -> str | None:
        """What is wrong with the run; None when all is right."""
        if found := super().problem():
            return found
        if self.wrong:
            first = self.wrong[0]
            more = f" (and {len(self.wrong) - 1} more)" if self.wrong[1:] else ""
            return (
                f"guest {first['guest']}, {first['loop']} loop, exit "
                f"{first['exit']}: {first['why']}, rip {first['rip']}{more}"
            )
        if not self.totals:
            return "L1 ended without a result"
        counted = self.totals["counted_right"], self.totals["counted_asked"]
        if self.seen != self.asked or counted[0] != counted[1]:
            return f"{self.seen} of {self.asked} exits as expected"
        if self.icount and self.instructions("median") is None:
            return "L1's time stamps did not count instructions"
        if self.meter and not self.counted:
            return "the meter has counted nothing"
        return None

    def verdict(self, problem: str | None) -> str:
        """The line that says it all."""
        if problem:
            return f"verdict: WRONG - {problem}"
        return (
            f"verdict: right - {self.seen} of {self.asked} exits as expected, "
            f"every register right on {self.totals['counted_right']} more"
        )

    def text(self) -> str:
        """For the reader; without the verdict."""
        rows = self.rows()
        if self.totals:
            guests = f" in {self.guests} guests" if self.guests > 1 else ""
            rows.append(("exits", f"{self.seen} of {self.asked} asked for{guests}"))
        if self.rate:
            rows.append(("exits per second", f"{self.rate:.0f}"))
        if self.ticks:
            keys = ("median", "p10", "p90")
            if self.instructions("median") is not None:
                values = [str(self.instructions(key)) for key in keys]
                what = "instructions per exit"
                if self.cost_model:
                    what = "modelled cycles"
            else:
                values = [self.ticks[key] for key in keys]
                what = "ticks per exit"
            rows.append((what, "{} (p10 {}, p90 {})".format(*values)))
        for first in self.wrong:
            registers = [f"{k}={v}" for k, v in first.items() if v.startswith("0x")]
            text = textwrap.fill(" ".join(registers), 65)
            rows.append((f"guest {first['guest']}", text.replace("\n", INDENTED)))
        if self.boot_seconds is not None:
            rows.append(
                ("time", f"L1 up after {self.boot_seconds:.1f} s, "
                 f"done after {self.total_seconds:.1f} s")
            )
        counted = ""
        if self.counted:
            counted = meter_report.text(self.counted, self.metered)
        return table(rows) + counted

    def as_dict(self, problem: str | None) -> dict[str, Any]:
        """For --json; numbers as numbers."""
        ticks = {k: int(v) for k, v in self.ticks.items() if v.isdigit()}
        return {
            **self.l1_as_dict(problem),
            "guests": self.guests,
            "exits_asked": self.asked,
            "exits_right": self.seen,
            "counted_asked": int(self.totals.get("counted_asked", 0)),
            "counted_right": int(self.totals.get("counted_right", 0)),
            "exits_per_second": self.rate and round(self.rate, 1),
            "ticks": ticks,
            "instructions_per_exit": self.instructions("median"),
            "counted_for_each_run": self.counted
            and meter_report.figures(self.counted, self.metered),
            "wrong": self.wrong,
            "clean_bits_wrong": len(self.clean_bits_wrong),
            "boot_seconds": self.boot_seconds and round(self.boot_seconds, 2),
            "total_seconds": self.total_seconds and round(self.total_seconds, 2),
        }
