# SPDX-License-Identifier: GPL-2.0-or-later
"""./svm test: set everything up, let Meson run the tests, count and report them.

A test program that prints TAP counts as the tests that it names, any other one as one.
Results are written for other programs as JUnit and as TAP to build/test-results. The
last line says how many passed, failed and were skipped.
"""

import argparse
import json
import os
import re
import shutil
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import child_processes
import docs_command
import emulator
import guest_vmm
import initramfs
import kernel_package
import kvm_change
import kvm_selftests
import machine_packages
import pristine_report
import xen_package
from errors import BadUsage, SetupFailed
from paths import BUILD, CHECKOUT
from test_results import (
    Result,
    count,
    last_lines,
    printable,
    write_junit,
    write_tap,
)

MESON = "/usr/bin/meson"
MESON_BUILD = BUILD / "meson"
RESULTS = BUILD / "test-results"
LEFT_OUT_BY_DEFAULT = "nested-all"

# Of failed tests, on the terminal.
FAILURES_SHOWN = 10
LINE_SHOWN = 160

# What a meson test's suite needs before it can run.
NEEDS_EMULATOR = {"qtest", "flat", "nested", "nested-all", "soak"}
NEEDS_KERNELS = {"nested", "nested-all", "soak"}
# The same of tests.
NEEDS_PLOTS = {"report", "report-in-browser", "compare-5.10-boots"}


class MesonTest(NamedTuple):
    """A test as Meson knows it."""

    name: str
    suite: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ./svm test."""
    parser.add_argument(
        "names",
        metavar="NAME",
        nargs="*",
        help="a test, a suite, or a pattern such as 'boot-6.1-*'; default: all quick",
    )
    parser.add_argument(
        "--all", action="store_true", help="the whole matrix of nested boots as well"
    )
    parser.add_argument(
        "--qemu",
        choices=("ours", "pristine", "sanitizers"),
        default="ours",
        help="the emulator to test (default: ours)",
    )
    parser.add_argument("--list", action="store_true", help="only list the tests")


def run(options: argparse.Namespace) -> int:
    """Run the chosen tests; 0 if there are some and none failed."""
    machine_packages.ensure()
    _set_up_meson(options.qemu)
    tests = _meson_tests()
    if options.list:
        for test in tests:
            print(f"{test.suite:12} {test.name}")
        return 0
    chosen = _choose(tests, options.names, options.all)
    _prepare(chosen, options.qemu)
    results = _run_tests(chosen)
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_junit(RESULTS / "junit.xml", results)
    write_tap(RESULTS / "results.tap", results)
    if options.qemu == "pristine":
        results = _judge_pristine(results)
    return _report(results)


def _judge_pristine(results: list[Result]) -> list[Result]:
    """Print how the qtest cases ended; leave the results that need an explanation.

    A case that unmodified QEMU has to fail, and does, is right.
    """
    outcomes = {r.name: r.outcome for r in results if "/svm/" in r.name}
    if not outcomes:
        return results
    programs = (emulator.build_folder("ours") / emulator.QTESTS).glob("qtest-*-test")
    marked = pristine_report.cases_with_mark(programs, "--fails-on-pristine")
    conformance = docs_command.read_rows(docs_command.ROWS.read_text())
    text, surprises = pristine_report.table(conformance, outcomes, marked)
    print(text)
    return [
        result._replace(outcome="failed" if result.name in surprises else "passed")
        if result.name in outcomes and result.outcome != "skipped"
        else result
        for result in results
    ]


def _set_up_meson(qemu: str) -> None:
    command = [MESON, "setup", MESON_BUILD, CHECKOUT, f"-Demulator={qemu}"]
    configured = MESON_BUILD / "meson-private" / "coredata.dat"
    if configured.exists():
        command.append("--reconfigure")
    else:
        shutil.rmtree(MESON_BUILD, ignore_errors=True)
    status, lines = child_processes.run(command)
    if status:
        errors = [line for line in lines if "ERROR" in line] or lines or ["no message"]
        raise SetupFailed(f"meson setup failed: {errors[-1]}")


def _meson_tests() -> list[MesonTest]:
    text = child_processes.output_of([MESON, "introspect", MESON_BUILD, "--tests"])
    # A suite is given as 'project:suite'.
    return [
        MesonTest(test["name"], test["suite"][0].rpartition(":")[2])
        for test in json.loads(text)
    ]


def _choose(tests: list[MesonTest], names: list[str], everything: bool) -> list:
    chosen = set()
    for name in names:
        named = {t for t in tests if fnmatch(t.name, name) or fnmatch(t.suite, name)}
        if not named:
            quick = [test for test in tests if test.suite != LEFT_OUT_BY_DEFAULT]
            known = sorted({test.suite for test in tests}) + [t.name for t in quick]
            raise BadUsage(
                f"no test '{name}': there are {', '.join(known)} and the others that "
                "./svm test --list shows"
            )
        chosen |= named
    if names:
        return [test for test in tests if test in chosen]
    if everything:
        return tests
    return [test for test in tests if test.suite != LEFT_OUT_BY_DEFAULT]


def _prepare(chosen: list[MesonTest], qemu: str) -> None:
    """Fetch and build what the chosen tests need; they use no network themselves."""
    suites = {test.suite for test in chosen}
    emulator.source_tree("pristine")
    changes = {
        change.series
        for change in kvm_change.CHANGES.values()
        if any(test.name.startswith(f"kvm-change-{change.name}") for test in chosen)
    }
    for series in changes:
        kvm_change.source_tree(series)
    if NEEDS_PLOTS.intersection(test.name for test in chosen):
        machine_packages.ensure_plots()
    if any(test.name == "report-in-browser" for test in chosen):
        machine_packages.ensure_browser()
    if suites & NEEDS_EMULATOR:
        sources = sorted((CHECKOUT / "tests/qtest").glob("*-test.c"))
        programs = [emulator.qtest_target(source.stem) for source in sources]
        emulators = [emulator.PROGRAM_32_BIT]
        if "qtest" not in suites:
            programs = emulators = []
        emulator.build("ours", [*emulators, *programs])
        if qemu != "ours":
            emulator.build(qemu, emulators)
    if suites & NEEDS_KERNELS:
        # A test of the boot matrix has its kernel in its name, the others run 6.1.
        names = [test.name for test in chosen if test.suite in NEEDS_KERNELS]
        for series in kvm_change.CHANGES:
            if series in changes or f"compare-{series}-boots" in names:
                names += [f"-{series}-{variant}-" for variant in kvm_change.VARIANTS]
        for kernel in kernel_package.NAMES:
            if kernel == "6.1" or any(f"-{kernel}-" in name for name in names):
                initramfs.make_initramfs(kernel_package.find_kernel(kernel))
        if any(name.startswith("linux-") for name in names):
            guest_vmm.make_vmm(guest_vmm.default_kind())
        if any(name.startswith("selftests-") for name in names):
            kvm_selftests.build_selftests()
        if any(name.startswith("xen-") for name in names):
            for xen in xen_package.RELEASES:
                xen_package.find_xen(xen)
                kernel_package.find_kernel(xen_package.default_kernel(xen))


def _run_tests(chosen: list[MesonTest]) -> list[Result]:
    # Named after the set-up.
    log = MESON_BUILD / "meson-logs" / "testlog-all.json"
    log.unlink(missing_ok=True)
    # Naming the tests that were chosen overrides what a set-up leaves out.
    command = [MESON, "test", "-C", MESON_BUILD, "--no-rebuild", "--setup", "all"]
    status, lines = child_processes.run(
        [*command, *(test.name for test in chosen)],
        on_line=_show_progress,
        env=os.environ | {"MESON_TESTTHREADS": str(len(os.sched_getaffinity(0)))},
    )
    if not log.exists():
        raise SetupFailed(f"meson test failed: {(lines or [f'status {status}'])[-1]}")
    results = []
    for line in log.read_text().splitlines():
        results += results_of(json.loads(line))
    ran = {result.program for result in results}
    for test in chosen:
        if test.name not in ran:
            results.append(Result(test.name, test.name, "failed", "did not run", 0))
    return results


def _show_progress(line: str) -> None:
    match = re.match(r"\s*(\d+/\d+)\s+(?:\S+ / )?(.*)", line)
    if match:
        sys.stderr.write(f"svm: test {match[1]} {match[2]}\n")
        sys.stderr.flush()


def results_of(test: dict) -> list[Result]:
    """The tests that an entry of Meson's log counts as."""
    program = test["name"].rpartition(" / ")[2]
    seconds = test["duration"]
    output = test.get("stdout", "") + test.get("stderr", "")
    right = test["result"] in ("OK", "EXPECTEDFAIL")
    results = list(_tap_results(program, test.get("stdout", "")))
    if results:
        if not right and all(result.outcome != "failed" for result in results):
            # It ended badly after, or between, tests that were right.
            details = f"{test['result']}, status {test['returncode']}\n{output}"
            results.append(Result(program, "whole program", "failed", details, seconds))
        return results
    outcome = "passed" if right else "failed"
    if test["result"] == "SKIP":
        outcome = "skipped"
    details = f"{test['result']}, status {test['returncode']}\n{output}"
    return [Result(program, program, outcome, details, seconds)]


def _tap_results(program: str, output: str):
    before: list[str] = []
    for line in output.splitlines():
        match = re.match(r"(ok|not ok)\b\s*\d*\s*(?:- )?(.*)", line)
        if not match:
            before.append(line)
            continue
        name, _, directive = match[2].partition("#")
        directive = directive.strip().upper()
        outcome = "passed" if match[1] == "ok" else "failed"
        # TODO marks what is known to be wrong; once it is right the mark is wrong.
        if directive.startswith("SKIP"):
            outcome = "skipped"
        elif directive.startswith("TODO"):
            outcome = "skipped" if outcome == "failed" else "failed"
        yield Result(program, name.strip(), outcome, "\n".join([*before, line]), 0)
        before = []


def _report(results: list[Result]) -> int:
    failed = [result for result in results if result.outcome == "failed"]
    for number, result in enumerate(failed):
        sys.stderr.write(f"svm: failed: {result.program}: {result.name}\n")
        if number < FAILURES_SHOWN:
            for line in last_lines(result.details).splitlines():
                sys.stderr.write(f"    {_shortened(printable(line))}\n")
    if failed:
        sys.stderr.write(f"svm: complete output: {MESON_BUILD / 'meson-logs'}\n")
    sys.stderr.flush()
    passed = count(results, "passed")
    skipped = count(results, "skipped")
    print(f"{passed} passed, {len(failed)} failed, {skipped} skipped")
    # Tests that were all skipped have shown nothing.
    return 1 if failed or not passed else 0


def _shortened(line: str) -> str:
    return line if len(line) <= LINE_SHOWN else line[:LINE_SHOWN] + " ..."
