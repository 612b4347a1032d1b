# SPDX-License-Identifier: GPL-2.0-or-later
"""What Xen and its dom0 say, and what the emulated processor offers them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nested_boot import Boot, parse_line
from run_report import INDENTED, L1Report, table

HEADING = "SVM: Supported advanced features:"
NONE = "none"

# CPUID 8000_000A EDX: the bits that Xen has names for, in any of its versions.
NAMES = {
    0: "Nested Page Tables (NPT)",
    1: "Last Branch Record (LBR) Virtualisation",
    3: "Next-RIP Saved on #VMEXIT",
    4: "TSC Rate MSR",
    5: "VMCB Clean Bits",
    6: "TLB flush by ASID",
    7: "DecodeAssists",
    10: "Pause-Intercept Filter",
    12: "Pause-Intercept Filter Threshold",
    15: "Virtual VMLOAD/VMSAVE",
    16: "Virtual GIF",
    19: "NPT Supervisor Shadow Stack",
    20: "MSR_SPEC_CTRL virtualisation",
    25: "Virtual NMI",
}
NRIP_SAVE, DECODE_ASSISTS = 3, 7


def features_offered(boot: Boot) -> int:
    """CPUID 8000_000A EDX of the first processor of a machine that has started."""
    (first, *_) = boot.monitor.execute("query-cpus-fast")
    words = boot.monitor.execute(
        "qom-get", path=first["qom-path"], property="feature-words"
    )
    for word in words:
        if (word["cpuid-input-eax"], word["cpuid-register"]) == (0x8000000A, "EDX"):
            return word["features"]
    return 0


def names_due(offered: int, xen: Path) -> list[str]:
    """What this Xen has to list when CPUID offers these features.

    Versions differ in what they have names for, so the image itself is asked.
    """
    image = xen.read_bytes()
    bits = [bit for bit in NAMES if offered >> bit & 1]
    if NRIP_SAVE not in bits:
        # Without it Xen does without what depends on it.
        bits = [bit for bit in bits if bit != DECODE_ASSISTS]
    return [NAMES[bit] for bit in bits if NAMES[bit].encode() + b"\0" in image]


def names_listed(console: Sequence[str]) -> list[str] | None:
    """What Xen lists on its console; None if it says nothing of the kind."""
    lines = iter(console)
    if not any(HEADING in line for line in lines):
        return None
    names = []
    for line in lines:
        _, dash, name = line.partition("(XEN)  - ")
        if not dash:
            break
        names.append(name.strip())
    return [] if names == [NONE] else names


class XenReport(L1Report):
    """Takes the lines of dom0-init.sh; the features are compared on the way."""

    def __init__(self, xen: Path, dom0: str, guest: str = "none"):
        super().__init__()
        self.xen = xen
        self.dom0 = dom0
        self.guest = guest
        self.guest_lines: dict[str, str] = {}
        self.guest_seconds: float | None = None
        self.failed = ""
        self.xen_version = ""
        self.type = ""
        self.capabilities = ""
        self.offered: int | None = None
        self.console: Sequence[str] = ()
        self.shutdown_reason: str | None = None
        self.progress = ""

    def on_start(self, boot: Boot) -> None:
        """Ask the machine, which has just started, what its processor offers."""
        self.console = boot.console
        try:
            self.offered = features_offered(boot)
        except (EOFError, OSError):
            # It has ended, and `boot` will say why.
            pass

    def on_end(self, boot: Boot) -> None:
        """Ask the machine, which has ended by itself, why."""
        self.shutdown_reason = boot.monitor.shutdown_reason()

    def take(self, line: str) -> None:
        """A line that dom0 reported."""
        super().take(line)
        word, values = parse_line(line)
        if word == "xen":
            self.xen_version = values["version"]
            self.type = values["type"]
            self.capabilities = values["capabilities"]
        elif word == "L2":
            self.guest_lines |= values
            self.guest_seconds = self.seconds
        elif word == "failed":
            self.failed = f"'{values['what']}' failed in dom0: {values['why']}"

    @property
    def listed(self) -> list[str] | None:
        """The features that Xen lists."""
        return names_listed(self.console)

    @property
    def due(self) -> list[str]:
        """The features that it has to list."""
        return names_due(self.offered or 0, self.xen)

    def problem(self) -> str | None:
        """What is wrong; None when all is right."""
        if self.load_failure:
            return f"a module of dom0 did not load: {self.load_failure}"
        return (
            self._problem_of_features()
            or self._problem_of_dom0()
            or self.problem_of_clean_bits()
            or self._problem_of_guest()
        )

    def _problem_of_features(self) -> str | None:
        if self.listed is None:
            return "Xen says nothing of SVM: has the processor got it?"
        if missing := set(self.due) - set(self.listed):
            return f"CPUID offers what Xen does not list: {', '.join(sorted(missing))}"
        if more := set(self.listed) - set(self.due):
            return f"Xen lists what CPUID does not offer: {', '.join(sorted(more))}"
        return None

    def _problem_of_dom0(self) -> str | None:
        if self.type.lower() != self.dom0:
            return f"dom0 is {self.type or 'not up'} instead of {self.dom0.upper()}"
        if self.capabilities != "control_d":
            return f"dom0's capabilities are '{self.capabilities}'"
        if self.shutdown_reason != "guest-shutdown":
            return f"the machine did not power off: {self.shutdown_reason}"
        return self.failed or None

    def _problem_of_guest(self) -> str | None:
        if self.guest == "none":
            return None
        type_ = self.guest_lines.get("type", "")
        if type_.lower() != self.guest:
            return f"the guest is {type_ or 'not up'} instead of {self.guest.upper()}"
        if self.guest_lines.get("end") != "done":
            return "the guest came up and did not power off"
        return None

    def verdict(self, problem: str | None) -> str:
        """The line that says it all."""
        if problem:
            return f"verdict: WRONG - {problem}"
        kind = {"pvh": "a PVH", "hvm": "an HVM"}.get(self.guest)
        guest = f", {kind} guest" if kind else ""
        return (
            f"verdict: right - Xen {self.xen_version} with dom0={self.dom0}: "
            f"userspace{guest}, power-off, all SVM features found"
        )

    def text(self) -> str:
        """For the reader; without the verdict."""
        rows = [("emulator", self.emulator)]
        if self.offered is not None:
            rows.append(("CPUID 8000_000A EDX", f"0x{self.offered:08x}"))
        if self.listed is not None:
            names = INDENTED.join(self.listed) or NONE
            rows.append(("SVM features in Xen", names))
        if self.xen_version:
            rows.append(("hypervisor", f"Xen {self.xen_version}"))
            cpus = f"{self.cpus} CPU" + "s"[: self.cpus - 1]
            rows.append(("dom0", f"Linux {self.kernel}, {self.type}, {cpus}"))
        if guest := self.guest_lines:
            cpus = guest.get("cpus", "?")
            cpus += " CPU" if cpus == "1" else " CPUs"
            what = f"Linux {guest.get('kernel')}, {guest.get('type')}, {cpus}"
            rows.append(("guest", what))
        if self.boot_seconds is not None and self.total_seconds is not None:
            rows.append(
                ("time", f"dom0 up after {self.boot_seconds:.1f} s, "
                 f"done after {self.total_seconds:.1f} s")
            )
        return table(rows)

    def as_dict(self, problem: str | None) -> dict[str, Any]:
        """For --json."""
        return {
            "right": problem is None,
            "problem": problem,
            "emulator": self.emulator,
            "xen": self.xen_version,
            "dom0": self.type.lower(),
            "kernel": self.kernel,
            "cpus": self.cpus,
            "guest": self.guest_lines,
            "features_offered": self.offered,
            "features_due": self.due,
            "features_listed": self.listed,
            "shutdown_reason": self.shutdown_reason,
            "boot_seconds": self.boot_seconds and round(self.boot_seconds, 2),
            "total_seconds": self.total_seconds and round(self.total_seconds, 2),
        }
