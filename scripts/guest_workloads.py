# SPDX-License-Identifier: GPL-2.0-or-later
"""What a Linux guest can be given to do, and what its results have to be.

tests/nested/linux-guest-workloads.sh does it; the results depend on a seed.
"""

import functools
import hashlib
from collections.abc import Callable
from typing import NamedTuple

import debian_compiler
from initramfs import TESTS, busybox

SCRIPT = TESTS / "nested/linux-guest-workloads.sh"
PROGRAM = TESTS / "nested/workload-program.c"
MEBIBYTE = 1 << 20
NUMBERS = 5001


@functools.cache
def numbers_digest(first: int) -> str:
    """Of a guest's `seq FIRST LAST`."""
    lines = (f"{number}\n" for number in range(first, first + NUMBERS))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@functools.cache
def pattern_digest(seed: int, size: int) -> str:
    """Of a guest's `yes SEED | head -c SIZE`."""
    line = f"{seed}\n".encode()
    repeated = line * (size // len(line) + 1)
    return hashlib.sha256(repeated[:size]).hexdigest()


class Workload(NamedTuple):
    """Something to do, how much of it, and what it needs in the guest.

    `about` says it to the reader; `results` are those due for a seed and the amount.
    """

    name: str
    about: str
    amount: int
    results: Callable[[int, int], dict[str, str]]
    modules: tuple[str, ...] = ()
    compiler: bool = False

    def files(self) -> dict[str, bytes]:
        """What the guest's initramfs has beside its init, by path."""
        found = {f"lib/{SCRIPT.name}": SCRIPT.read_bytes()}
        if self.compiler:
            found |= debian_compiler.compiler_files()
            found[f"lib/{PROGRAM.name}"] = PROGRAM.read_bytes()
        return found

    def results_due(self, seed: int) -> dict[str, str]:
        """The results of a right run, by name."""
        return self.results(seed, self.amount)


def _files_that_booted(seed: int, _amount: int) -> dict[str, str]:
    content = f"{seed}\n".encode() + busybox("amd64").read_bytes()
    return {"files": hashlib.sha256(content).hexdigest()}


def _programs(seed: int, amount: int) -> dict[str, str]:
    return {f"program{n}": numbers_digest(seed + n) for n in range(amount)}


def _disk(seed: int, amount: int) -> dict[str, str]:
    return dict.fromkeys(("read", "written"), pattern_digest(seed, amount))


def _network(seed: int, amount: int) -> dict[str, str]:
    return dict.fromkeys(("received", "sent"), pattern_digest(seed, amount))


def _copy(seed: int, amount: int) -> dict[str, str]:
    records = dict.fromkeys(("records-in", "records-out"), f"{amount}+0")
    return {"copy": pattern_digest(seed, amount), **records}


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload(
            "boot",
            "from the VMM's start to the guest's first program",
            1,
            _files_that_booted,
        ),
        Workload(
            "compile",
            "{amount} programs compiled (cc1 -O2), assembled and linked",
            4,
            _programs,
            compiler=True,
        ),
        Workload(
            "disk",
            "{mebibytes} MiB written to a virtio disk and read back, 4 KiB a time",
            4 * MEBIBYTE,
            _disk,
            modules=("disk",),
        ),
        Workload(
            "network",
            "{mebibytes} MiB received by HTTP and as many sent, by virtio",
            4 * MEBIBYTE,
            _network,
            modules=("network",),
        ),
        Workload(
            "syscalls",
            "{amount} read() of one byte and as many write()",
            400_000,
            _copy,
        ),
    )
}


def about(workload: Workload) -> str:
    """What it does, for the reader."""
    return workload.about.format(
        amount=f"{workload.amount:,}", mebibytes=workload.amount // MEBIBYTE
    )
