# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux as a guest: kernels, machine types, numbers of CPUs, paging, levels.

    linux_guest_test.py --list            each case, and 'quick' or 'all'
    linux_guest_test.py CASE [--qemu ...] run one; 0 right, 77 its kernel is missing
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

SKIPPED = 77


class Case(NamedTuple):
    """A guest, and the host of its host."""

    kernel: str
    machine: str
    vcpus: int
    npt: int
    levels: int = 2

    @property
    def name(self) -> str:
        """As a test is called, e.g. linux-6.1-q35-vcpus1-npt1-levels2."""
        return (
            f"linux-{self.kernel}-{self.machine}-vcpus{self.vcpus}-npt{self.npt}"
            f"-levels{self.levels}"
        )


CASES = [
    *(
        Case(*values)
        for values in itertools.product(
            ("6.1", "6.12"), ("q35", "microvm"), (1, 2), (1, 0)
        )
    ),
    *(Case(kernel, "q35", 1, 1, levels=3) for kernel in ("6.1", "6.12")),
]
QUICK = {Case("6.1", "q35", 1, 1)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("case", nargs="?", help="a name of --list")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--qemu", default="ours", help="as of `./svm run`")
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
    """Boot one host with its guest and check that the run was what the case says."""
    from apt_archive import NoNetwork
    from kernel_package import find_kernel

    try:
        find_kernel(case.kernel)
    except NoNetwork as error:
        print(f"skipped: {error}")
        return SKIPPED
    with tempfile.TemporaryDirectory() as temporary:
        result_file = Path(temporary, "result.json")
        command = [CHECKOUT / "svm", "run", "--guest", "linux", "--qemu", qemu]
        command += ["--kernel", case.kernel, "--machine", case.machine]
        command += ["--vcpus", str(case.vcpus), "--npt", str(case.npt)]
        command += ["--levels", str(case.levels), "--json", result_file]
        status = subprocess.run(command).returncode
        if status:
            print(f"FAIL: ./svm run ended with status {status}")
            return 1
        result = json.loads(result_file.read_text())
    # That the run was right is its status; here: that it was the run asked for.
    series = f"{case.kernel}."
    right = True
    for what, seen, due in (
        ("L1's kernel", result["kernel"].startswith(series), True),
        ("the guest's kernel", result["guest_kernel"].startswith(series), True),
        ("CPUs of L1", result["cpus"], case.vcpus),
        ("npt", result["kvm_amd_parameters"]["npt"] in ("Y", "1"), bool(case.npt)),
        ("guests", list(result["exits"]), ["L2", "L3"][: case.levels - 1]),
        # Only nested paging has its own page faults.
        ("nested page faults", "NPF" in result["exits"]["L2"]["by_code"],
         bool(case.npt)),
    ):
        if seen != due:
            print(f"FAIL: {what}: {seen} instead of {due}")
            right = False
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
