# SPDX-License-Identifier: GPL-2.0-or-later
"""Xen as L1: versions, forms of dom0, numbers of CPUs, and processors.

boot_cases.py says how to call it.
"""

import re
import sys
from typing import Any, NamedTuple

import boot_cases

FEATURES_PAGE = boot_cases.CHECKOUT / "docs/features.rst"


class Case(NamedTuple):
    """A machine."""

    xen: str
    dom0: str
    smp: int
    cpu: str
    guest: str = "none"

    @property
    def name(self) -> str:
        """As a test is called, e.g. xen-4.17-pvh-smp1-EPYC."""
        guest = f"-{self.guest}-guest" if self.guest != "none" else ""
        return f"xen-{self.xen}-{self.dom0}-smp{self.smp}-{self.cpu}{guest}"


SILICON = ("EPYC-Rome", "EPYC-Milan", "EPYC-Genoa")
CASES = [
    *(
        Case(xen, dom0, smp, "EPYC")
        for xen in ("4.17", "4.20")
        for dom0 in ("pvh", "pv")
        for smp in (1, 2)
    ),
    *(Case("4.20", "pvh", 1, model) for model in SILICON),
    Case("4.20", "pvh", 2, "max"),
    *(
        Case(xen, dom0, 1, "EPYC", guest)
        for xen in ("4.17", "4.20")
        for dom0 in ("pvh", "pv")
        for guest in ("pvh", "hvm")
    ),
]
QUICK = {Case("4.17", "pvh", 1, "EPYC")}


def run(case: Case, qemu: str) -> int:
    """Boot one machine and check that the run was what the case says."""
    from xen_package import find_xen

    def facts(result: dict[str, Any]) -> list[tuple[str, Any, Any]]:
        features = features_due(case, qemu)
        return [
            ("Xen's version", result["xen"].startswith(case.xen + "."), True),
            ("dom0", result["dom0"], case.dom0),
            ("guest", result["guest"].get("type", "none").lower(), case.guest),
            ("CPUs", result["cpus"], case.smp),
            ("CPUID 8000_000A EDX", result["features_offered"], features),
        ]

    command = ["xen", case.xen, "--qemu", qemu, "--guest", case.guest]
    command += ["--dom0", case.dom0, "--smp", str(case.smp), "--cpu", case.cpu]
    return boot_cases.boot(lambda: find_xen(case.xen), command, facts)


def features_due(case: Case, qemu: str) -> int:
    """What the processor has to offer: its silicon's features, if emulated."""
    emulated = emulated_features(qemu)
    return emulated & silicon_features(case.cpu) if case.cpu != "max" else emulated


def emulated_features(qemu: str) -> int:
    """CPUID 8000_000A EDX of a processor that has all that is emulated."""
    from l1_options import find_emulator
    from nested_boot import Boot
    from xen_report import features_offered

    command = [find_emulator(qemu), "-S", "-nodefaults", "-display", "none"]
    with Boot([*map(str, command), "-cpu", "max"], lambda line: None) as boot:
        boot.keep_log = False
        return features_offered(boot)


def silicon_features(model: str) -> int:
    """CPUID 8000_000A EDX of real processors of a model, from docs/features.rst."""
    line = rf"^{model} +\w+, \w+ +\d+ +([0-9a-f]{{8}}) "
    return int(re.search(line, FEATURES_PAGE.read_text(), re.MULTILINE)[1], 16)


if __name__ == "__main__":
    sys.exit(boot_cases.main(__doc__, CASES, QUICK, run))
