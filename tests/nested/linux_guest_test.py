# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux as a guest: kernels, machine types, numbers of CPUs, paging, levels.

boot_cases.py says how to call it.
"""

import itertools
import sys
from typing import Any, NamedTuple

import boot_cases


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


def run(case: Case, qemu: str) -> int:
    """Boot one host with its guest and check that the run was what the case says."""
    from kernel_package import find_kernel

    def facts(result: dict[str, Any]) -> list[tuple[str, Any, Any]]:
        series = f"{case.kernel}."
        exits = result["exits"]
        npt = bool(case.npt)
        return [
            ("L1's kernel", result["kernel"].startswith(series), True),
            ("the guest's kernel", result["guest_kernel"].startswith(series), True),
            ("CPUs of L1", result["cpus"], case.vcpus),
            ("npt", boot_cases.nested_paging(result), npt),
            ("guests", list(exits), ["L2", "L3"][: case.levels - 1]),
            # Only nested paging has its own page faults.
            ("nested page faults", "NPF" in exits["L2"]["by_code"], npt),
        ]

    command = ["run", "--guest", "linux", "--qemu", qemu]
    command += ["--kernel", case.kernel, "--machine", case.machine]
    command += ["--vcpus", str(case.vcpus), "--npt", str(case.npt)]
    command += ["--levels", str(case.levels)]
    return boot_cases.boot(lambda: find_kernel(case.kernel), command, facts)


if __name__ == "__main__":
    sys.exit(boot_cases.main(__doc__, CASES, QUICK, run))
