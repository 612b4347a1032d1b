# SPDX-License-Identifier: GPL-2.0-or-later
"""Xen as L1: versions, forms of dom0, numbers of CPUs, and processors.

    xen_boot_test.py --list            each case, and 'quick' or 'all'
    xen_boot_test.py CASE [--qemu ...] run one; 0 right, 77 its packages are missing
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "scripts"))

SKIPPED = 77
FEATURES_PAGE = CHECKOUT / "docs/features.rst"


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
        Case(xen, dom0, 1, "EPYC", "pvh")
        for xen in ("4.17", "4.20")
        for dom0 in ("pvh", "pv")
    ),
]
QUICK = {Case("4.17", "pvh", 1, "EPYC")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("case", nargs="?", help="a name of --list")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--qemu", default="ours", help="as of `./svm xen`")
    options = parser.parse_args()
    if options.list:
        for case in CASES:
            print(case.name, "quick" if case in QUICK else "all")
        return 0
    case = next((case for case in CASES if case.name == options.case), None)
    if case is None:
        parser.error(f"unknown case {options.case}")
    return run(case, options.qemu)


def run(case: Case, qemu: str) -> int:
    """Boot one machine and check that the run was what the case says."""
    from apt_archive import NoNetwork
    from xen_package import find_xen

    try:
        find_xen(case.xen)
    except NoNetwork as error:
        print(f"skipped: {error}")
        return SKIPPED
    with tempfile.TemporaryDirectory() as temporary:
        result_file = Path(temporary, "result.json")
        command = [CHECKOUT / "svm", "xen", case.xen, "--qemu", qemu]
        command += ["--guest", case.guest]
        command += ["--dom0", case.dom0, "--smp", str(case.smp), "--cpu", case.cpu]
        status = subprocess.run([*command, "--json", result_file]).returncode
        if status:
            print(f"FAIL: ./svm xen ended with status {status}")
            return 1
        result = json.loads(result_file.read_text())
    # That the run was right is its status; here: that it was the run asked for.
    right = True
    for what, seen, due in (
        ("Xen's version", result["xen"].startswith(case.xen + "."), True),
        ("dom0", result["dom0"], case.dom0),
        ("guest", result["guest"].get("type", "none").lower(), case.guest),
        ("CPUs", result["cpus"], case.smp),
        ("CPUID 8000_000A EDX", result["features_offered"], features_due(case, qemu)),
    ):
        if seen != due:
            print(f"FAIL: {what}: {seen} instead of {due}")
            right = False
    return 0 if right else 1


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
    sys.exit(main())
