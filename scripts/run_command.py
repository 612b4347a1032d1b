# SPDX-License-Identifier: GPL-2.0-or-later
"""`./svm run`: boot a KVM host, run guests in it, say whether it was right."""

import argparse
from collections.abc import Sequence
from typing import Any

import judged_run
import linux_guest_run
import metered_run
from errors import BadUsage
from l1_options import add_l1_arguments, check_l1_options, find_emulator, make_machine
from meter_report import HALT_LOOP_LABEL
from nested_boot import Boot, emulator_command, emulator_version
from run_report import RunReport

HALT_LOOP = "halt-loop"
EXITS, GUESTS = 10000, 1
MAX_GUESTS = 64  # of kvm-halt-loop
OPTIONS = ("exits", "guests", "fault")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `./svm run`."""
    parser.add_argument(
        "--guest",
        choices=(HALT_LOOP, linux_guest_run.GUEST),
        default=HALT_LOOP,
        help="three bytes that halt in a loop, each exit checked; or Linux in a VMM "
        f"with KVM, to a shell and a power-off (default: {HALT_LOOP})",
    )
    add_l1_arguments(parser)
    # What a Linux guest needs depends on more options.
    parser.set_defaults(smp=None, memory=None)
    parser.add_argument(
        "--icount",
        action="store_true",
        help="count instructions instead of measuring time (one CPU)",
    )
    parser.add_argument(
        "--meter",
        action="store_true",
        help="count instructions of SVM, accesses to MSRs and exits: in as many more "
        "exits of one guest in which KVM_RUN is all that happens; or in the workload "
        "of a Linux guest, or in its life",
    )
    parser.add_argument(
        "--cost-model",
        metavar="NAME|FILE",
        help="let events take the cycles of a modelled processor, e.g. zen2; with "
        "--meter and --icount, whose instructions then are modelled cycles",
    )
    judged_run.add_arguments(
        parser,
        "120, and 1 for every 1000 exits; with --guest linux 300, with --levels 3 or "
        "--workload 900",
    )
    group = parser.add_argument_group(f"of --guest {HALT_LOOP}")
    group.add_argument(
        "--exits",
        type=int,
        metavar="N",
        help=f"exits that each guest is to make (default: {EXITS})",
    )
    group.add_argument(
        "--guests",
        type=int,
        metavar="N",
        help=f"guests that halt in a loop at the same time (default: {GUESTS})",
    )
    # For the tests of this command; see Fault in kvm-halt-loop.c. E.g. stall:57
    group.add_argument("--fault", help=argparse.SUPPRESS)
    linux_guest_run.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Run it; 0 when every exit was the expected one."""
    others = {HALT_LOOP: linux_guest_run.OPTIONS, linux_guest_run.GUEST: OPTIONS}
    for name in others[options.guest]:
        if getattr(options, name) is not None:
            option = name.replace("_", "-")
            raise BadUsage(f"--{option} does not go with --guest {options.guest}")
    if options.guest == linux_guest_run.GUEST:
        return linux_guest_run.run(options)
    options.exits = EXITS if options.exits is None else options.exits
    options.guests = GUESTS if options.guests is None else options.guests
    options.smp = 1 if options.smp is None else options.smp
    options.memory = options.memory or "1G"
    _check(options)
    report = RunReport(
        options.exits,
        options.guests,
        options.icount,
        bool(options.meter),
        options.cost_model,
    )
    return judged_run.judge(options, report, lambda: boot(options, report))


def _check(options: argparse.Namespace) -> None:
    check_l1_options(options)
    judged_run.check_options(options)
    if options.exits < 1:
        raise BadUsage(f"--exits {options.exits}: at least 1")
    if not 1 <= options.guests <= MAX_GUESTS:
        raise BadUsage(f"--guests {options.guests}: 1 to {MAX_GUESTS}")
    if options.meter and options.guests != 1:
        raise BadUsage("--meter counts what one guest's KVM_RUNs do: --guests 1")
    metered_run.check_options(options)


def halt_loop_options(
    options: argparse.Namespace, **chosen: Any
) -> argparse.Namespace:
    """The options of a run for boot(), by a command with options of its own.

    What neither `chosen` nor those options say is as `./svm run` has it.
    """
    return argparse.Namespace(
        **{
            "smp": 1,
            "memory": "1G",
            "guests": 1,
            "fault": None,
            "meter": False,
            "icount": False,
            "cost_model": None,
            "timeout": None,
            "trace": False,
            "strict_clean_bits": False,
            "keep_log": False,
        }
        | vars(options)
        | chosen
    )


def boot(
    options: argparse.Namespace, report: RunReport, devices: Sequence[str] = ()
) -> None:
    """Boot L1 and gather the report; raise if L1 came to no proper end.

    `devices` are more words for the emulator's command.
    """
    init = {"mode": "run", "exits": options.exits, "guests": options.guests}
    if options.fault:
        init["fault"] = options.fault
    if options.meter:
        init["meter"] = 1
    call_graph = bool(options.meter and options.icount)
    if call_graph:
        init["symbols"] = 1
    # First: it installs what the next step needs too.
    emulator = find_emulator(options.qemu)
    machine = make_machine(options, **init)
    report.emulator = emulator_version(emulator)
    with metered_run.metered(options.meter, options.cost_model, call_graph) as meter:

        def read(_boot: Boot) -> None:
            if report.metered:
                report.counted = meter.counted(HALT_LOOP_LABEL)
            report.symbols = meter.symbols()

        judged_run.boot_l1(
            options,
            report,
            emulator_command(emulator, machine) + meter.words + list(devices),
            f"Linux {machine.kernel.version} under {emulator.name}",
            120 + options.exits * options.guests / 1000,
            on_end=read,
        )
