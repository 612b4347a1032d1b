# SPDX-License-Identifier: GPL-2.0-or-later
"""`./svm flat`: test kernels of hypervisor test suites, in machines made for them.

Without --each a kernel runs once, and every check that it reports is a result; so is
its end. With --each every test of the kernel has a machine of its own: the tests that
--name names, or those that are found like this. The kernel runs once with all its
tests; what it prints after "Test suite: ", or else the names of its checks, may be
names that it takes on its command line. It runs again with a name that no test has,
and then with each of those names: one with which it does the same as with no test's
name is none. Checks that no machine of a single test has shown are reported from the
first run, so that none is lost.
"""

import argparse
import os
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import machine_packages
from errors import BadUsage, TimedOut, WrongResult
from flat_kernel import CHECK, TIMED_OUT, FlatRun, loadable, run_kernel
from l1_options import check_machine_options, cpu_with_silicon, find_emulator
from nested_boot import emulator_version
from paths import BUILD
from progress import Step, say
from test_results import (
    Result,
    add_result_arguments,
    check_result_options,
    count,
    last_lines,
    printable,
    publish,
)

NO_TEST = "no-test-has-this-name"
SUITE = re.compile(r"Test suite: (.+)")
# What can be a test's name: kernels take words, with _ for a space.
NAME = re.compile(r"[\w.+-]{1,64}")
END = "its end"
LINES_SHOWN = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `./svm flat`."""
    parser.add_argument("files", metavar="FILE", nargs="+", help="multiboot kernels")
    parser.add_argument(
        "--append",
        default="",
        metavar="WORDS",
        help="the kernels' command line, e.g. names of tests",
    )
    parser.add_argument(
        "--each",
        action="store_true",
        help="a machine for each test; which tests there are is found by a run of all",
    )
    parser.add_argument(
        "--name",
        action="append",
        default=[],
        help="with --each, only this test, found or not (may be given several times)",
    )
    parser.add_argument(
        "--cpu",
        default="max,+svm",
        help="QEMU's -cpu (default: max,+svm, with all features that there are)",
    )
    parser.add_argument(
        *("--smp", "--cpus"), type=int, default=1, metavar="N", help="CPUs (default: 1)"
    )
    parser.add_argument("--memory", default="1G", help="(default: 1G)")
    parser.add_argument(
        "--qemu",
        default="ours",
        metavar="ours|pristine|PATH",
        help="the emulator, as of ./svm run (default: ours)",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=300,
        metavar="SECONDS",
        help="for each machine (default: 300)",
    )
    add_result_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Run them; 0 when all passed or were skipped, and something passed."""
    _check(options)
    machine_packages.ensure()
    with tempfile.TemporaryDirectory(prefix="svm-flat-") as scratch:
        # All of them are looked at before the first one runs.
        kernels = {
            file: loadable(Path(file), _folder(Path(scratch, str(number))))
            for number, file in enumerate(options.files)
        }
        machines = Machines(options)
        results: list[Result] = []
        for file, kernel in kernels.items():
            suite = Suite(Path(file).name, kernel, machines, options)
            try:
                results += suite.each() if options.each else suite.whole()
            except BadUsage:
                machines.remove_empty_folder()
                raise
    publish(options, results, _text(results, machines))
    say(f"what the kernels said: {machines.folder}")
    failed = [result for result in results if result.outcome == "failed"]
    if failed and all(result.reason.startswith(TIMED_OUT) for result in failed):
        return TimedOut.status
    # Tests that were all skipped have shown nothing.
    return 0 if count(results, "passed") and not failed else WrongResult.status


def _check(options: argparse.Namespace) -> None:
    check_machine_options(options)
    if not 0 < options.timeout <= 100_000:
        raise BadUsage(f"--timeout {options.timeout:g}: more than 0, at most 100000")
    if options.name and not options.each:
        raise BadUsage("--name goes with --each; without it use --append")
    for name in options.name:
        if not name.strip():
            raise BadUsage("--name: it is empty")
    names = [Path(file).name for file in options.files]
    for name in names:
        if names.count(name) > 1:
            raise BadUsage(f"{name}: two files have this name, results need different")
    check_result_options(options)


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


class Machines:
    """Makes machines as the options describe them, and keeps what kernels say."""

    def __init__(self, options: argparse.Namespace):
        emulator = find_emulator(options.qemu)
        self.version = emulator_version(emulator)
        self._command = [str(emulator)]
        self._command += ["-cpu", cpu_with_silicon(options.cpu, options.qemu)]
        self._command += ["-smp", str(options.smp), "-m", options.memory]
        self._seconds = options.timeout
        stamp = time.strftime("%Y%m%d-%H%M%S")
        self.folder = BUILD / "logs" / f"{stamp}-{os.getpid()}-flat"
        self.folder.mkdir(parents=True)

    def run(self, file: str, kernel: Path, what: str, command_line: str) -> FlatRun:
        """Run a kernel once; `what` says for which test."""
        with Step(f"{file}: {what}"):
            words = re.sub(r"[^\w.+-]+", "_", f"{file}-{what}")[:100]
            log = self.folder / f"{words}.log"
            number = 1
            while log.exists():
                number += 1
                log = self.folder / f"{words}-{number}.log"
            return run_kernel(self._command, kernel, command_line, self._seconds, log)

    def remove_empty_folder(self) -> None:
        """Leave nothing of a run that did not take place."""
        for log in self.folder.iterdir():
            if not log.stat().st_size:
                log.unlink()
        if not any(self.folder.iterdir()):
            self.folder.rmdir()


class Suite:
    """A kernel and its tests."""

    def __init__(
        self, file: str, kernel: Path, machines: Machines, options: argparse.Namespace
    ):
        self._file = file
        self._kernel = kernel
        self._machines = machines
        self._options = options

    def whole(self) -> list[Result]:
        """Run it once; a result for each check, and one for its end."""
        run = self._run("all tests")
        return [*self._checks(run), self._end(run, END)]

    def each(self) -> list[Result]:
        """Run each test alone; a result for each."""
        if self._options.name:
            return [self._test(name, self._run(name, name)) for name in self._names()]
        whole = self._run("all tests")
        none = self._run("no test", NO_TEST)
        results = [self._end(whole, f"all tests, {END}")]
        if _same(none, whole):
            problem = "it takes no names of tests: use it without --each"
            results.append(self._result("--each", "failed", problem, none))
            return [*self._checks(whole), *results]
        shown = set()
        tests = []
        for name in candidates(whole.output):
            run = self._run(name, name)
            if not _same(run, none):
                tests.append(self._test(name, run))
                shown.update(run.checks)
        others = whole._replace(
            checks=[check for check in whole.checks if check not in shown]
        )
        return [*tests, *self._checks(others), *results]

    def _names(self) -> Sequence[str]:
        names = (name.strip().replace(" ", "_") for name in self._options.name)
        return list(dict.fromkeys(names))

    def _run(self, what: str, name: str = "") -> FlatRun:
        command_line = f"{self._options.append} {name}".strip()
        return self._machines.run(self._file, self._kernel, what, command_line)

    def _test(self, name: str, run: FlatRun) -> Result:
        """The result of a machine for one test."""
        if run.problem:
            return self._result(name, "failed", run.problem, run)
        if run.failed:
            more = f" (and {len(run.failed) - 1} more)" if run.failed[1:] else ""
            return self._result(name, "failed", f"{run.failed[0].name}{more}", run)
        if all(check.outcome == "skipped" for check in run.checks):
            return self._result(name, "skipped", run.checks[0].name, run)
        return self._result(name, "passed", "", run)

    def _checks(self, run: FlatRun) -> list[Result]:
        """A result for each check of a run; of several with one name too."""
        results = []
        seen: dict[str, int] = {}
        for check in run.checks:
            seen[check.name] = number = seen.get(check.name, 0) + 1
            name = check.name + (f" ({number})" if number > 1 else "")
            reason = check.word if check.word in ("XFAIL", "XPASS") else ""
            results.append(Result(self._file, name, check.outcome, "", 0, reason))
        return results

    def _end(self, run: FlatRun, name: str) -> Result:
        outcome = "failed" if run.problem else "passed"
        return self._result(name, outcome, run.problem, run)

    def _result(self, name: str, outcome: str, reason: str, run: FlatRun) -> Result:
        return Result(self._file, name, outcome, run.output, run.seconds, reason)


def candidates(output: str) -> list[str]:
    """What may be names of tests in the output of a run of all, each one once."""
    lines = output.split("\n")
    suites = [match[1] for match in map(SUITE.fullmatch, lines) if match]
    checks = [match[2] for match in map(CHECK.fullmatch, lines) if match]
    words = [name.strip().replace(" ", "_") for name in suites or checks]
    return [name for name in dict.fromkeys(words) if NAME.fullmatch(name)]


def _same(one: FlatRun, other: FlatRun) -> bool:
    return (one.checks, one.problem) == (other.checks, other.problem)


def _text(results: Sequence[Result], machines: Machines) -> str:
    """The report for the reader."""
    lines = [f"emulator: {machines.version}"]
    told = set()
    for result in results:
        reason = f" - {result.reason}" if result.reason else ""
        lines.append(f"{result.outcome:7}  {result.program}: {result.name}{reason}")
        # The same machine may have brought several results.
        if result.outcome == "failed" and result.details not in told:
            told.add(result.details)
            said = last_lines(result.details).strip().split("\n")[-LINES_SHOWN:]
            lines += [f"           | {line}" for line in said if line]
    words = ("passed", "failed", "skipped")
    lines.append(", ".join(f"{count(results, word)} {word}" for word in words))
    return printable("\n".join(lines))
