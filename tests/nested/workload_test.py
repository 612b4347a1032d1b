# SPDX-License-Identifier: GPL-2.0-or-later
"""What a Linux guest does, counted on a modelled processor, twice: it is the same.

boot_cases.py says how to call it.
"""

import sys
from typing import Any, NamedTuple

import boot_cases

# What each of them has to leave for, at least.
EXITS = {
    "boot": "IOIO",
    "compile": "INTR",
    "disk": "NPF",
    "network": "HLT",
    "syscalls": "INTR",
}
RUNS = 2


class Case(NamedTuple):
    """A workload."""

    workload: str

    @property
    def name(self) -> str:
        """As a test is called, e.g. workload-disk."""
        return f"workload-{self.workload}"


CASES = [Case(workload) for workload in EXITS]
QUICK = {Case("disk")}


def run(case: Case, qemu: str) -> int:
    """Count it twice; that each run was right is its status."""
    from kernel_package import find_kernel

    counted: list[dict[str, Any]] = []

    def facts(result: dict[str, Any]) -> list[tuple[str, Any, Any]]:
        measured = result["measured"]
        counted.append(measured)
        exits = measured["exits_by_code"]
        cycles = sum(measured["modelled_cycles"].values())
        instructions = (
            measured["instructions_of_host"] + measured["instructions_of_guest"]
        )
        share = measured["share_of_world_switches"]
        return [
            ("workload", measured["workload"], case.workload),
            ("its exits", EXITS[case.workload] in exits, True),
            ("cycles beyond the instructions", cycles > instructions, True),
            ("a share of world switches", 0 < share < 1, True),
            ("what was counted", measured, counted[0]),
        ]

    command = ["run", "--guest", "linux", "--qemu", qemu, "--workload", case.workload]
    command += ["--icount", "--meter", "--cost-model", "zen2"]
    for _ in range(RUNS):
        status = boot_cases.boot(lambda: find_kernel("6.1"), command, facts)
        if status:
            break
    return status


if __name__ == "__main__":
    sys.exit(boot_cases.main(__doc__, CASES, QUICK, run))
