# SPDX-License-Identifier: GPL-2.0-or-later
"""`./svm run`: boot a KVM host, run halting guests in it, say whether it was right."""

import argparse

import judged_run
from errors import BadUsage
from l1_options import add_l1_arguments, check_l1_options, find_emulator, make_machine
from nested_boot import emulator_command, emulator_version
from run_report import RunReport

MAX_GUESTS = 64  # of kvm-halt-loop


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `./svm run`."""
    add_l1_arguments(parser)
    parser.add_argument(
        "--exits",
        type=int,
        default=10000,
        metavar="N",
        help="exits that each guest is to make (default: 10000)",
    )
    parser.add_argument(
        "--guests",
        type=int,
        default=1,
        metavar="N",
        help="guests that halt in a loop at the same time (default: 1)",
    )
    parser.add_argument(
        "--icount",
        action="store_true",
        help="count instructions instead of measuring time (one CPU)",
    )
    judged_run.add_arguments(parser, "120, and 1 for every 1000 exits")
    # For the tests of this command; see Fault in kvm-halt-loop.c. E.g. stall:57
    parser.add_argument("--fault", help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Run it; 0 when every exit was the expected one."""
    _check(options)
    report = RunReport(options.exits, options.guests, options.icount)
    return judged_run.judge(options, report, lambda: _boot(options, report))


def _check(options: argparse.Namespace) -> None:
    check_l1_options(options)
    judged_run.check_options(options)
    if options.exits < 1:
        raise BadUsage(f"--exits {options.exits}: at least 1")
    if not 1 <= options.guests <= MAX_GUESTS:
        raise BadUsage(f"--guests {options.guests}: 1 to {MAX_GUESTS}")
    if options.icount and options.smp != 1:
        raise BadUsage(
            "--icount counts the instructions of all CPUs together, which says "
            "nothing about one guest: use it with --smp 1"
        )


def _boot(options: argparse.Namespace, report: RunReport) -> None:
    """Boot L1 and gather the report; raise if L1 came to no proper end."""
    init = {"mode": "run", "exits": options.exits, "guests": options.guests}
    if options.fault:
        init["fault"] = options.fault
    # First: it installs what the next step needs too.
    emulator = find_emulator(options.qemu)
    machine = make_machine(options, **init)
    report.emulator = emulator_version(emulator)
    judged_run.boot_l1(
        options,
        report,
        emulator_command(emulator, machine),
        f"Linux {machine.kernel.version} under {emulator.name}",
        120 + options.exits * options.guests / 1000,
    )
