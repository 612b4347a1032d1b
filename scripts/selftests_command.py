# SPDX-License-Identifier: GPL-2.0-or-later
"""`./svm selftests`: the kernel's own tests of KVM, each alone, in one L1.

L1 finds the programs in a folder of the host, and leaves there what each one says.
When a test takes L1 with it, it has failed, and the others go on in a new L1.
"""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import selftests_document
from errors import BadUsage, WrongResult
from kvm_selftests import KERNEL, Selftests, build_selftests
from l1_options import add_l1_arguments, check_l1_options, find_emulator, make_machine
from nested_boot import (
    Boot,
    emulator_command,
    emulator_version,
    parse_line,
    shared_folder,
)
from paths import BUILD
from progress import Step, say
from selftests_document import EMULATORS
from selftests_report import KnownOutcomes, Outcome, SelftestsReport, judge
from test_results import (
    add_result_arguments,
    check_file,
    check_result_options,
    publish,
)

BOOT_SECONDS = 240.0
# L1 ends a test that takes too long; this much later it has to have done so.
GRACE_SECONDS = 90.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `./svm selftests`."""
    parser.add_argument(
        "names",
        metavar="NAME",
        nargs="*",
        help="tests, or patterns such as 'svm_*' (default: all)",
    )
    add_l1_arguments(parser, smp=2, memory="4G", kernel=KERNEL)
    parser.add_argument(
        "--timeout",
        type=float,
        default=300,
        metavar="SECONDS",
        help="for each test (default: 300)",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="outcomes that docs/selftests-known.toml says otherwise, and skipped "
        "tests that it does not list, are failures too",
    )
    parser.add_argument(
        "--record",
        action="store_true",
        help="put the outcomes into docs/selftests-results.json; those of tests that "
        "are named, beside the last ones of all others",
    )
    parser.add_argument("--list", action="store_true", help="only list the tests")
    add_result_arguments(parser)
    parser.add_argument("--json", metavar="FILE", help="write the results as JSON")


def run(options: argparse.Namespace) -> int:
    """Run them; 0 when every test passed, was skipped, or failed as is known."""
    _check(options)
    if not options.list:
        # First: it installs what the next steps need too.
        emulator = find_emulator(options.qemu)
    selftests = build_selftests()
    names = _chosen(selftests.names, options.names)
    if options.list:
        print("\n".join(names))
        return 0
    report = SelftestsReport(
        emulator_version(emulator), selftests.version, options.npt, options.strict
    )
    with SelftestsRun(options, emulator, selftests, report) as tests:
        tests.run(names)
    if options.record:
        selftests_document.record(
            options.qemu, options.npt, report.as_dict(), not options.names
        )
        say("recorded in docs; `./svm docs` makes selftests.rst of it")
    if options.json:
        Path(options.json).write_text(json.dumps(report.as_dict(), indent=1) + "\n")
    publish(options, report.results(), report.text() + report.verdict())
    say(f"what the tests said: {tests.folder}")
    return WrongResult.status if report.problem() else 0


def _check(options: argparse.Namespace) -> None:
    check_l1_options(options)
    if not 1 <= options.timeout <= 100_000:
        raise BadUsage(f"--timeout {options.timeout:g}: 1 to 100000 seconds")
    if options.record and options.qemu not in EMULATORS:
        raise BadUsage("--record is for --qemu ours or pristine")
    check_result_options(options)
    check_file("--json", options.json)


def _chosen(known: list[str], patterns: list[str]) -> list[str]:
    """The tests that a command line names, in their own order; of none all."""
    chosen = set()
    for pattern in patterns:
        found = {
            name
            for name in known
            if fnmatch(name, pattern) or name == f"{pattern}_test"
        }
        if not found:
            raise BadUsage(f"no test '{pattern}'; see: ./svm selftests --list")
        chosen |= found
    return [name for name in known if name in chosen or not patterns]


class SelftestsRun:
    """Tests that run one after another, in as many machines as it takes.

    Use as a context manager: the programs are in the folder of the results only
    until its end.
    """

    def __init__(
        self,
        options: argparse.Namespace,
        emulator: Path,
        selftests: Selftests,
        report: SelftestsReport,
    ):
        self._options = options
        self._emulator = emulator
        self._selftests = selftests
        self._report = report
        self._known = KnownOutcomes.read()
        stamp = time.strftime("%Y%m%d-%H%M%S")
        self.folder = BUILD / "logs" / f"{stamp}-{os.getpid()}-selftests"

    def __enter__(self) -> "SelftestsRun":
        programs = self.folder / "programs"
        programs.mkdir(parents=True)
        for program in self._selftests.folder.iterdir():
            os.link(program, programs / program.name)
        return self

    def __exit__(self, _kind, _error, _trace) -> None:
        shutil.rmtree(self.folder / "programs")

    def run(self, names: list[str]) -> None:
        """Run these tests, and put the outcome of each one into the report."""
        machine = make_machine(self._options, mode="selftests")
        command = emulator_command(self._emulator, machine)
        command += shared_folder(self.folder)
        what = f"selftests in Linux {machine.kernel.version}"
        left = names
        with Step(what) as step:
            while left:
                before = len(left)
                left = self._in_one_machine(command, left, step)
                if len(left) == before:
                    raise WrongResult("L1 ended without running a test")

    def _in_one_machine(
        self, command: list[str], names: list[str], step: Step
    ) -> list[str]:
        """Run tests until L1 ends; those that are left for another one."""
        lines = [
            f"{name} {self._seconds(name):.0f} {self._known.arguments(name)}\n"
            for name in names
        ]
        (self.folder / "list").write_text("".join(lines))
        progress = _Progress(self._report.take)
        boot = Boot(command, progress.take)
        done = 0
        problem = ""

        def is_over() -> bool:
            nonlocal done
            while progress.ended:
                name, status, seconds = progress.ended.pop(0)
                done += 1
                self._judge(name, status, seconds)
                boot.broken = None
            step.update(
                f"{len(self._report.outcomes)} done, now {progress.name or 'booting'}"
            )
            return time.monotonic() > progress.since + self._limit(progress.name)

        with boot:
            boot.keep_log = False
            try:
                boot.watch(None, None, is_over)
                if not boot.ended:
                    boot.look_inside()
                    problem = "L1 hangs"
            except WrongResult as error:
                problem = str(error)
            is_over()
            if self._report.load_failure:
                raise WrongResult(self._report.problem())
            if done < len(names):
                boot.keep_log = True
                problem = boot.broken or problem or "L1 ended in the middle of it"
                if not progress.name:
                    _show(boot)
                    raise WrongResult(f"{problem} (log: {boot.log_path})")
                seconds = time.monotonic() - progress.since
                why = f"{problem} (log: {boot.log_path.name})"
                self._add(progress.name, Outcome("fail", why, seconds))
                done += 1
        return names[done:]

    def _judge(self, name: str, status: int, seconds: float) -> None:
        output, kernel_log = (
            (self.folder / f"{name}.{kind}").read_text(errors="replace")
            for kind in ("output", "kernel-log")
        )
        limit = self._seconds(name)
        self._add(name, judge(status, seconds, limit, output, kernel_log))

    def _add(self, name: str, outcome: Outcome) -> None:
        output = self.folder / f"{name}.output"
        self._report.add(name, outcome, self._known, output)

    def _seconds(self, name: str) -> float:
        return self._known.seconds(name, self._options.timeout)

    def _limit(self, name: str) -> float:
        return self._seconds(name) + GRACE_SECONDS if name else BOOT_SECONDS


class _Progress:
    """Which test runs, and which have ended, as L1 reports it."""

    def __init__(self, take: Callable[[str], None]):
        self._take = take
        self.name = ""
        self.since = time.monotonic()
        self.ended: list[tuple[str, int, float]] = []

    def take(self, line: str) -> None:
        self._take(line)
        word, values = parse_line(line)
        if word != "selftest":
            return
        now = time.monotonic()
        if "start" in values:
            self.name = values["start"]
        else:
            self.ended.append((self.name, int(values["status"]), now - self.since))
            self.name = ""
        self.since = now


def _show(boot: Boot) -> None:
    sys.stderr.write("".join(f"  | {line}\n" for line in boot.last_lines()))
    sys.stderr.flush()
