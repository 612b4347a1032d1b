# SPDX-License-Identifier: GPL-2.0-or-later
"""`./svm bench`: how long an exit takes, on several emulators beside each other."""

import argparse
import json
from pathlib import Path

import run_command
from bench_report import BenchReport, Measured, Side
from errors import BadUsage, WrongResult
from kernel_package import check_kernel
from l1_options import (
    add_append_argument,
    add_cpu_argument,
    add_kernel_arguments,
    add_npt_argument,
    check_machine_options,
    find_emulator,
    knows_device_property,
    knows_silicon,
)
from nested_boot import emulator_version
from run_report import RunReport

METERED = "+meter"
EMULATORS = ("pristine", "ours", f"ours{METERED}")
ROUNDS, EXITS = 5, 50000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `./svm bench`."""
    parser.description = (
        "Boot a KVM host on each emulator in turn, several rounds of that, and time "
        "the exits of a guest that halts in a loop. Ratios are of runs of the same "
        "round. All have the same processor, a model of QEMU's without what silicon "
        "has beside it. For a machine that does nothing else."
    )
    parser.add_argument(
        "--qemu",
        action="append",
        metavar="ours|pristine|PATH",
        help=f"an emulator, as ./svm run's; with {METERED} behind it one whose meter "
        f"runs; more than once, the first is what others are compared with (default: "
        f"{', '.join(EMULATORS)})",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=ROUNDS,
        metavar="N",
        help=f"runs on each emulator (default: {ROUNDS})",
    )
    parser.add_argument(
        "--exits",
        type=int,
        default=EXITS,
        metavar="N",
        help=f"exits of each run (default: {EXITS})",
    )
    add_kernel_arguments(parser, "6.1")
    add_cpu_argument(parser)
    add_npt_argument(parser)
    add_append_argument(parser)
    parser.add_argument("--json", metavar="FILE", help="write the results here too")


def run(options: argparse.Namespace) -> int:
    """Run them all and print; 0 when every exit was the expected one."""
    names = options.qemu or EMULATORS
    _check(options, names)
    sides = []
    for name in names:
        emulator = find_emulator(name.removesuffix(METERED))
        sides.append(Side(name, emulator_version(emulator)))
    kernel = ""
    for number in range(options.rounds):
        # Who is first in a round is not always the same.
        for index in range(len(sides)):
            side = sides[(index + number) % len(sides)]
            report = _run(options, side.name)
            kernel = report.kernel
            side.runs.append(
                Measured(
                    int(report.ticks["median"]), int(report.ticks["p10"]), report.rate
                )
            )
    found = BenchReport(kernel, options.exits, sides)
    print(found.text(), end="", flush=True)
    if options.json:
        try:
            Path(options.json).write_text(json.dumps(found.as_dict(), indent=2) + "\n")
        except OSError as error:
            raise BadUsage(f"--json {options.json}: {error.strerror}") from error
    return 0


def _check(options: argparse.Namespace, names: list[str]) -> None:
    if options.rounds < 1:
        raise BadUsage(f"--rounds {options.rounds}: at least 1")
    if options.exits < 100:
        raise BadUsage(f"--exits {options.exits}: at least 100")
    if len(names) < 2 or len(set(names)) < len(names):
        raise BadUsage("--qemu: two emulators or more, each of them once")
    if options.json and not Path(options.json).absolute().parent.is_dir():
        raise BadUsage(f"--json {options.json}: no such folder")
    if options.json and Path(options.json).is_dir():
        raise BadUsage(f"--json {options.json}: is a folder")
    for name in names:
        qemu = name.removesuffix(METERED)
        check_machine_options(run_command.halt_loop_options(options, qemu=qemu))
        if name.endswith(METERED) and not knows_device_property(
            qemu, "svm-meter", "running"
        ):
            raise BadUsage(f"--qemu {name}: {qemu} has no meter")
    check_kernel(options.kernel, options.modules)


def _run(options: argparse.Namespace, name: str) -> RunReport:
    qemu = name.removesuffix(METERED)
    cpu = options.cpu
    # The same processor everywhere, with which KVM takes the same ways.
    if cpu.startswith("EPYC") and "svm-silicon" not in cpu and knows_silicon(qemu):
        cpu += ",svm-silicon=off"
    report = RunReport(options.exits, 1, False)
    # It runs from the start: L1 does nothing about it.
    meter = ["-device", "svm-meter"] if name.endswith(METERED) else []
    chosen = run_command.halt_loop_options(options, qemu=qemu, cpu=cpu)
    run_command.boot(chosen, report, meter)
    if problem := report.problem():
        raise WrongResult(f"{name}: {problem}")
    return report
