# SPDX-License-Identifier: GPL-2.0-or-later
"""Results of tests, and how other programs read them: JUnit and TAP."""

import argparse
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from errors import BadUsage

# Of a failed test's output.
LINES_SHOWN = 20


class Result(NamedTuple):
    """How one counted test ended: 'passed', 'failed', 'skipped', or 'known'.

    The last is one that fails for a reason that is known and not to be mended here.
    """

    program: str
    name: str
    outcome: str
    details: str
    seconds: float
    reason: str = ""


def count(results: Sequence[Result], outcome: str) -> int:
    """How many ended so."""
    return sum(result.outcome == outcome for result in results)


def add_result_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say where results are written for other programs."""
    parser.add_argument(
        "--tap",
        metavar="FILE",
        help="write the results here as TAP; - is standard output, and the report "
        "then goes to standard error",
    )
    parser.add_argument("--junit", metavar="FILE", help="write the results as JUnit")


def check_file(option: str, file: str | None) -> None:
    """Refuse a file for results that cannot be written, before the tests run."""
    if file and (Path(file).is_dir() or not Path(file).absolute().parent.is_dir()):
        raise BadUsage(f"{option} {file}: no such folder, or a folder itself")


def check_result_options(options: argparse.Namespace) -> None:
    """Refuse files that cannot be written, before the tests run."""
    check_file("--tap", options.tap)
    check_file("--junit", options.junit)


def publish(options: argparse.Namespace, results: Sequence[Result], report: str):
    """Print the report, and write the results where the options say."""
    if options.junit:
        write_junit(Path(options.junit), results)
    if options.tap == "-":
        print(report, file=sys.stderr, flush=True)
        print(tap(results), end="", flush=True)
        return
    if options.tap:
        write_tap(Path(options.tap), results)
    print(report, flush=True)


def write_junit(file: Path, results: Sequence[Result]) -> None:
    """Write all results, a testsuite for each program."""
    suites = ElementTree.Element("testsuites")
    for program in dict.fromkeys(result.program for result in results):
        cases = [result for result in results if result.program == program]
        suite = ElementTree.SubElement(
            suites,
            "testsuite",
            name=printable(program),
            tests=str(len(cases)),
            failures=str(count(cases, "failed")),
            skipped=str(count(cases, "skipped") + count(cases, "known")),
        )
        for result in cases:
            case = ElementTree.SubElement(
                suite,
                "testcase",
                classname=printable(program),
                name=printable(result.name),
                time=f"{result.seconds:.3f}",
            )
            if result.outcome == "failed":
                reason = printable(result.reason) or "failed"
                failure = ElementTree.SubElement(case, "failure", message=reason)
                failure.text = printable(last_lines(result.details))
            elif result.outcome in ("skipped", "known"):
                skipped = ElementTree.SubElement(case, "skipped")
                if result.reason:
                    skipped.set("message", printable(result.reason))
    tree = ElementTree.ElementTree(suites)
    ElementTree.indent(tree)
    tree.write(file, encoding="utf-8", xml_declaration=True)


def write_tap(file: Path, results: Sequence[Result]) -> None:
    """Write all results as TAP."""
    file.write_text(tap(results))


def tap(results: Sequence[Result]) -> str:
    """The results as TAP: skipped ones with SKIP, known failures with TODO."""
    lines = ["TAP version 13", f"1..{len(results)}"]
    for number, result in enumerate(results, 1):
        if result.outcome == "failed":
            details = last_lines(result.details).splitlines()
            lines += [f"# {printable(line)}" for line in details]
        state = "ok" if result.outcome in ("passed", "skipped") else "not ok"
        # What follows an unescaped # would be taken for a directive.
        name = f"{result.program}: {result.name}".replace("#", r"\#")
        directive = {"skipped": " # SKIP", "known": " # TODO"}.get(result.outcome, "")
        if directive and result.reason:
            directive += f" {result.reason}"
        lines.append(printable(f"{state} {number} - {name}{directive}"))
    return "\n".join(lines) + "\n"


def last_lines(text: str) -> str:
    """As much of an output as a report shows."""
    return "\n".join(text.splitlines()[-LINES_SHOWN:])


def printable(text: str) -> str:
    """Text that XML and terminals take: a guest's console may hold anything."""
    return re.sub(r"[^\t\n\x20-\x7e\xa0-\ud7ff]", "?", text)
