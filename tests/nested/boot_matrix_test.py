# SPDX-License-Identifier: GPL-2.0-or-later
"""The boot matrix: kernels that people run, each with guests that halt in a loop.

boot_cases.py says how to call it.
"""

import itertools
import sys
from typing import Any, NamedTuple

import boot_cases

EXITS = 10000


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
QUICK = {
    Case("5.10", 1, 1, "EPYC"),
    Case("5.10", 0, 2, MAX),
    Case("6.1", 1, 2, MAX),
    Case("6.12", 0, 1, MAX),
    Case("newest", 0, 2, "EPYC"),
    Case(PAE_HOST, 1, 1, "EPYC"),
}


def run(case: Case, qemu: str) -> int:
    """Boot one host and check that the run was what the case says."""
    from kernel_package import find_kernel

    def facts(result: dict[str, Any]) -> list[tuple[str, Any, Any]]:
        is_right = case.kernel == "newest" or is_of_series(
            result["kernel"], case.kernel
        )
        return [
            ("exits", result["exits_right"], EXITS * case.smp),
            ("CPUs", result["cpus"], case.smp),
            ("npt", boot_cases.nested_paging(result), bool(case.npt)),
            ("kernel", case.kernel if is_right else result["kernel"], case.kernel),
        ]

    command = ["run", "--qemu", qemu, "--kernel", case.kernel, "--cpu", case.cpu]
    command += ["--npt", str(case.npt), "--smp", str(case.smp)]
    command += ["--guests", str(case.smp), "--exits", str(EXITS)]
    return boot_cases.boot(lambda: find_kernel(case.kernel), command, facts)


def is_of_series(version: str, kernel: str) -> bool:
    """Whether a kernel's version, e.g. 6.1.0-56-amd64, is of what --kernel names."""
    series, _, flavour = kernel.partition("-")
    return version.startswith(f"{series}.") and version.endswith(flavour)


if __name__ == "__main__":
    sys.exit(boot_cases.main(__doc__, CASES, QUICK, run))
