# SPDX-License-Identifier: GPL-2.0-or-later
"""What ./svm test --qemu pristine shows of the qtest cases: a table by row.

The cases say of themselves whether unmodified QEMU gets their rule wrong; the rows of
conformance-rows.toml say which rule it is. The table holds what happened against both.
"""

import os
import re
import subprocess
from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from docs_command import Conformance

EMULATORS = ("qemu-system-x86_64", "qemu-system-i386")
# What svm-machine.c adds to the name of a case that is one for several hosts.
_HOST_MODE = re.compile(r"/(pae|legacy-paging|no-paging)$")


def cases_with_mark(programs: Iterable[Path], option: str) -> set[str]:
    """The cases that qtest programs print with an option, as TAP names them."""
    found = set()
    for program in programs:
        for emulator in EMULATORS:
            # Only its name matters: a list starts no emulator.
            answer = subprocess.run(
                [program, option],
                env=os.environ | {"QTEST_QEMU_BINARY": emulator},
                text=True,
                check=True,
                stdout=subprocess.PIPE,
            )
            found |= {line for line in answer.stdout.splitlines() if "/svm/" in line}
    return found


def short_name(case: str) -> str:
    """A case as the rows name it: without the machine and the host's mode."""
    return _HOST_MODE.sub("", case.split("/svm/", 1)[1])


class _Line(NamedTuple):
    heading: str
    cases: set[str]


def table(
    conformance: Conformance,
    outcomes: dict[str, str],
    marked: Collection[str],
) -> tuple[str, list[str]]:
    """The table, and the cases in which unmodified QEMU surprises.

    `outcomes` has the outcome of each case that ran, 'failed' among them; `marked`
    are the cases that have to fail.
    """
    failed = {case for case, outcome in outcomes.items() if outcome == "failed"}
    lines = ["row   cases  fail  have to  the manual's rule"]
    for heading, cases in _lines(conformance, outcomes):
        number, _, rule = heading.partition(" ")
        counts = (len(cases), len(cases & failed), len(cases.intersection(marked)))
        lines.append("{:>3} {:>7} {:>5} {:>8}  {}".format(number, *counts, rule))
    surprises = sorted(failed ^ (set(marked) & set(outcomes)))
    lines.append(
        f"unmodified QEMU fails {len(failed)} of {len(outcomes)} cases, "
        + (f"{len(surprises)} not as marked" if surprises else "exactly those marked")
    )
    return "\n".join(lines), surprises


def _lines(conformance: Conformance, outcomes: dict[str, str]) -> Iterable[_Line]:
    left = set(outcomes)
    for row in conformance.rows():
        cases = _named(row.cases, outcomes)
        left -= cases
        if cases:
            yield _Line(f"{row.number} {row.rule}", cases)
    for entry in conformance.without_row:
        cases = _named(entry.cases, outcomes)
        left -= cases
        if cases:
            yield _Line(f"- {entry.why}", cases)
    if left:
        yield _Line("- what unmodified QEMU has no known fault in", left)


def _named(patterns: Iterable[str], cases: Iterable[str]) -> set[str]:
    return {
        case
        for case in cases
        for pattern in patterns
        if fnmatchcase(short_name(case), pattern)
    }
