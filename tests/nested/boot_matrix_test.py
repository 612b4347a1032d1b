# SPDX-License-Identifier: GPL-2.0-or-later
"""The boot matrix: kernels that people run, each with guests that halt in a loop.

    boot_matrix_test.py --list            each case, and 'small' or 'all'
    boot_matrix_test.py CASE [--qemu ...] run one; 0 right, 77 its kernel is missing
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "scripts"))

EXITS = 10000
SKIPPED = 77


class Case(NamedTuple):
    """One host; there is a guest for each of its CPUs."""

    kernel: str
    npt: int
    smp: int
    cpu: str

    @property
    def name(self) -> str:
        """As a test is called, e.g. boot-6.1-npt1-smp2-EPYC."""
        model = self.cpu.partition(",")[0]
        return f"boot-{self.kernel}-npt{self.npt}-smp{self.smp}-{model}"


MAX = "max,+svm"
CASES = [
    Case(*values)
    for values in itertools.product(
        ("5.10", "6.1", "6.12", "newest"), (1, 0), (1, 2), ("EPYC", MAX)
    )
]
# A KVM host of 32 bits.
PAE_HOST = "6.1-686-pae"
CASES += [Case(PAE_HOST, npt, 1, "EPYC") for npt in (1, 0)]
# Each value at least once, and each pair of values but for the kernels'.
SMALL = {
    Case("5.10", 1, 1, "EPYC"),
    Case("5.10", 0, 2, MAX),
    Case("6.1", 1, 2, MAX),
    Case("6.12", 0, 1, MAX),
    Case("newest", 0, 2, "EPYC"),
    Case(PAE_HOST, 1, 1, "EPYC"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("case", nargs="?", help="a name of --list")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--qemu", default="ours", help="as of `./svm run`")
    options = parser.parse_args()
    if options.list:
        for case in CASES:
            print(case.name, "small" if case in SMALL else "all")
        return 0
    case = next((case for case in CASES if case.name == options.case), None)
    if case is None:
        parser.error(f"unknown case {options.case}")
    return run(case, options.qemu)


def run(case: Case, qemu: str) -> int:
    """Boot one host and check that the run was what the case says."""
    from apt_archive import NoNetwork
    from kernel_package import find_kernel

    try:
        find_kernel(case.kernel)
    except NoNetwork as error:
        print(f"skipped: {error}")
        return SKIPPED
    with tempfile.TemporaryDirectory() as temporary:
        result_file = Path(temporary, "result.json")
        command = [CHECKOUT / "svm", "run", "--qemu", qemu, "--json", result_file]
        command += ["--kernel", case.kernel, "--cpu", case.cpu]
        command += ["--npt", str(case.npt), "--smp", str(case.smp)]
        command += ["--guests", str(case.smp), "--exits", str(EXITS)]
        status = subprocess.run(command).returncode
        if status:
            print(f"FAIL: ./svm run ended with status {status}")
            return 1
        result = json.loads(result_file.read_text())
    # That the run was right is its status; here: that it was the run asked for.
    due = {
        "exits_right": EXITS * case.smp,
        "cpus": case.smp,
        "npt": bool(case.npt),
        "kernel": case.kernel,
    }
    seen = {
        "exits_right": result["exits_right"],
        "cpus": result["cpus"],
        "npt": result["kvm_amd_parameters"]["npt"] in ("Y", "1"),
        "kernel": case.kernel
        if case.kernel == "newest" or is_of_series(result["kernel"], case.kernel)
        else result["kernel"],
    }
    for key in due:
        if seen[key] != due[key]:
            print(f"FAIL: {key} is {seen[key]} instead of {due[key]}")
            return 1
    return 0


def is_of_series(version: str, kernel: str) -> bool:
    """Whether a kernel's version, e.g. 6.1.0-56-amd64, is of what --kernel names."""
    series, _, flavour = kernel.partition("-")
    return version.startswith(f"{series}.") and version.endswith(flavour)


if __name__ == "__main__":
    sys.exit(main())
