# SPDX-License-Identifier: GPL-2.0-or-later
"""Test kernels in multiboot form: what they are, how one runs, how it is judged.

Such a kernel prints a line for each check ("PASS: it is so") and one with their
numbers ("SUMMARY: 3 tests, 1 skipped") on the first serial port, then writes a code
to the port of isa-debug-exit, which ends the emulator with the status code << 1 | 1.
Whatever else happens is a failure.
"""

import re
import struct
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import child_processes
import x86_64_tools
from errors import BadUsage
from test_results import last_lines

DEVICES = (
    *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
    *("-device", "pc-testdev", "-device", "pci-testdev"),
    *("-device", "isa-debug-exit,iobase=0xf4,iosize=0x4"),
    *("-serial", "stdio", "-accel", "tcg"),
)

MULTIBOOT_MAGIC = 0x1BADB002
MULTIBOOT_SEARCHED = 8192  # bytes: where the header has to be

# The code with which a kernel leaves that has skipped all its tests: what makes the
# emulator's status 77.
ALL_SKIPPED_CODE = 77 >> 1

CHECK = re.compile(r"(PASS|FAIL|SKIP|XFAIL|XPASS): ?(.*)")
SUMMARY = re.compile(r"SUMMARY: (\d+) tests?\b(.*)")
SUMMARY_COUNT = re.compile(r", (\d+) (unexpected failures?|expected failures?|skipped)")
# A kernel that prints for ever is ended here.
MOST_OUTPUT = 64 << 20


TIMED_OUT = "no end within"


class Check(NamedTuple):
    """A line of a kernel's: PASS, FAIL, SKIP, XFAIL or XPASS, and of what."""

    word: str
    name: str

    @property
    def outcome(self) -> str:
        """As a test's result: a failure that the kernel expects is no failure."""
        if self.word in ("FAIL", "XPASS"):
            return "failed"
        return "skipped" if self.word == "SKIP" else "passed"


class FlatRun(NamedTuple):
    """One machine's run: what the kernel said, and what is wrong with its end."""

    checks: list[Check]
    problem: str
    output: str
    seconds: float

    @property
    def failed(self) -> list[Check]:
        """The checks that failed."""
        return [check for check in self.checks if check.outcome == "failed"]


def loadable(file: Path, scratch: Path) -> Path:
    """What QEMU can load of a kernel; raises BadUsage for what is none.

    QEMU takes 32-bit ELF files only: a 64-bit one becomes one, in `scratch`.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise BadUsage(f"{file}: {error.strerror}") from error
    if not _has_multiboot_header(content):
        raise BadUsage(f"{file}: no multiboot kernel: it has no multiboot header")
    if content[:5] != b"\x7fELF\2":
        return file
    converted = scratch / f"{file.name}.elf32"
    done = subprocess.run(
        [x86_64_tools.path("objcopy"), "-O", "elf32-i386", file, converted],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise BadUsage(f"{file}: no 32-bit ELF file can be made of it: {done.stderr}")
    return converted


def _has_multiboot_header(content: bytes) -> bool:
    head = content[:MULTIBOOT_SEARCHED]
    for place in range(0, len(head) - 11, 4):
        magic, flags, checksum = struct.unpack_from("<III", head, place)
        if magic == MULTIBOOT_MAGIC:
            return (magic + flags + checksum) % (1 << 32) == 0
    return False


def run_kernel(
    machine: Sequence[str | Path],
    kernel: Path,
    command_line: str,
    seconds: float,
    log: Path,
) -> FlatRun:
    """Run a kernel in a machine of its own; its output goes to `log` too.

    `machine` is the emulator with its options. Raises BadUsage if it does not start.
    """
    command = [*machine, *DEVICES, "-kernel", kernel]
    if command_line:
        command += ["-append", command_line]
    complaints = log.with_name(f"{log.name}.emulator")
    started = time.monotonic()
    with log.open("wb") as output, complaints.open("wb") as errors:
        with child_processes.child(command, stdout=output, stderr=errors) as process:
            why = _wait(process, seconds, log)
            if why:
                child_processes.end(process)
    status = process.returncode
    passed = time.monotonic() - started
    text = log.read_text(errors="replace").replace("\r", "")
    said = complaints.read_text(errors="replace")
    complaints.unlink()
    if said:
        with log.open("a") as file:
            file.write(f"\nThe emulator said:\n{said}")
    if status == 1 and not text and said:
        raise BadUsage(f"the emulator refuses to start: {_complaint(said)}")
    checks = [Check(*match.groups()) for match in _matches(CHECK, text)]
    problem = why or judge(status, text, checks)
    if not why and status < 0 and said:
        problem += f": {_complaint(said)}"
    return FlatRun(checks, problem, f"{text}\n{said}".rstrip(), passed)


def _wait(process: subprocess.Popen, seconds: float, log: Path) -> str:
    """Wait for the emulator; '' when it has ended, else why it must be ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            process.wait(0.1)
            return ""
        except subprocess.TimeoutExpired:
            if log.stat().st_size > MOST_OUTPUT:
                return f"it prints without end: more than {MOST_OUTPUT >> 20} MiB"
    return f"{TIMED_OUT} {seconds:g} s"


def _matches(pattern: re.Pattern, text: str) -> list[re.Match]:
    return [m for m in map(pattern.fullmatch, text.split("\n")) if m]


def judge(status: int, text: str, checks: Sequence[Check]) -> str:
    """What is wrong with a run, the emulator having ended so; '' when nothing is.

    A check that failed is wrong by itself, and not mentioned here; but a kernel whose
    end does not fit its checks is.
    """
    if status < 0:
        return f"the emulator ended with signal {-status}"
    if status % 2 == 0:
        return (
            f"it did not leave through isa-debug-exit: the machine was reset or "
            f"switched off (emulator's status {status}); a triple fault does that"
        )
    code = status >> 1
    summaries = _matches(SUMMARY, text)
    if not summaries:
        said = last_lines(text).strip().split("\n")[-1]
        after = f" after '{said}'" if said else ", and nothing else"
        return f"it printed no SUMMARY (it left with code {code}{after})"
    if problem := _wrong_counts(summaries, checks):
        return problem
    failed = any(check.outcome == "failed" for check in checks)
    skipped_all = bool(checks) and all(check.word == "SKIP" for check in checks)
    if failed and code == 0:
        return "checks failed, but it left with code 0"
    if not failed and code and not (skipped_all and code == ALL_SKIPPED_CODE):
        return f"no check failed, but it left with code {code} (status {status})"
    return ""


def _wrong_counts(summaries: list[re.Match], checks: Sequence[Check]) -> str:
    """Whether the kernel has counted other checks than we have seen."""
    counted = Counter()
    for summary in summaries:
        counted["tests"] += int(summary[1])
        for number, what in SUMMARY_COUNT.findall(summary[2]):
            counted[what.rstrip("s")] += int(number)
    words = Counter(check.word for check in checks)
    seen = {
        "tests": len(checks),
        "unexpected failure": words["FAIL"] + words["XPASS"],
        "expected failure": words["XFAIL"],
        "skipped": words["SKIP"],
    }
    for what, number in seen.items():
        if counted[what] != number:
            return (
                f"SUMMARY counts {counted[what]} {what}{'s' * (what[-1] == 'e')}, its "
                f"output shows {number}"
            )
    return "" if checks else "it ran no check"


def _complaint(said: str) -> str:
    lines = [
        line
        for line in said.splitlines()
        # TCG says of each feature of a CPU model that it cannot do it.
        if line.strip() and "TCG doesn't support requested feature" not in line
    ]
    return re.sub(r"^\S*qemu-system-\w+: ", "", lines[-1] if lines else "no message")
