# SPDX-License-Identifier: GPL-2.0-or-later
"""`./svm run`: boot a KVM host, run halting guests in it, say whether it was right."""

import argparse
import json
import sys
import time
from pathlib import Path

from errors import BadUsage, SvmError, WrongResult
from l1_options import add_l1_arguments, check_l1_options, find_emulator, make_machine
from nested_boot import Boot, emulator_command, emulator_version
from paths import BUILD
from progress import Step, say
from run_report import RunReport

SILENCE = 60.0  # seconds
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
    parser.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="for L1 from start to end (default: 120, and 1 for every 1000 exits)",
    )
    parser.add_argument("--json", metavar="FILE", help="write the results here too")
    parser.add_argument(
        "--keep-log", action="store_true", help="keep L1's console log of a right run"
    )
    parser.add_argument(
        "--trace",
        action="store_true",
        help="log every VMRUN, #VMEXIT and failed check in the emulator",
    )
    # For the tests of this command; see Fault in kvm-halt-loop.c. E.g. stall:57
    parser.add_argument("--fault", help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Run it; 0 when every exit was the expected one."""
    _check(options)
    report = RunReport(options.exits, options.guests, options.icount)
    problem = "the run did not take place"
    try:
        _boot(options, report)
        problem = report.problem()
    except SvmError as error:
        problem = str(error)
        raise
    finally:
        if options.json:
            _write_json(Path(options.json), report.as_dict(problem))
    print(report.text() + report.verdict(problem), flush=True)
    return WrongResult.status if problem else 0


def _check(options: argparse.Namespace) -> None:
    check_l1_options(options)
    if options.exits < 1:
        raise BadUsage(f"--exits {options.exits}: at least 1")
    if not 1 <= options.guests <= MAX_GUESTS:
        raise BadUsage(f"--guests {options.guests}: 1 to {MAX_GUESTS}")
    if options.timeout is not None and options.timeout <= 0:
        raise BadUsage(f"--timeout {options.timeout:g}: more than 0 seconds")
    if options.icount and options.smp != 1:
        raise BadUsage(
            "--icount counts the instructions of all CPUs together, which says "
            "nothing about one guest: use it with --smp 1"
        )
    if options.json and not Path(options.json).absolute().parent.is_dir():
        raise BadUsage(f"--json {options.json}: no such folder")


def _boot(options: argparse.Namespace, report: RunReport) -> None:
    """Boot L1 and gather the report; raise if L1 came to no proper end."""
    init = {"mode": "run", "exits": options.exits, "guests": options.guests}
    if options.fault:
        init["fault"] = options.fault
    # First: it installs what the next step needs too.
    emulator = find_emulator(options.qemu)
    machine = make_machine(options, **init)
    report.emulator = emulator_version(emulator)
    command = emulator_command(emulator, machine)
    trace = None
    if options.trace:
        trace = BUILD / "logs" / time.strftime("%Y%m%d-%H%M%S-trace.log")
        command += ["-trace", "svm_*", "-D", str(trace)]
        say(f"trace: {trace}")
    timeout = options.timeout
    if timeout is None:
        timeout = 120 + options.exits * options.guests / 1000
    with Step(f"Linux {machine.kernel.version} under {emulator.name}") as step:

        def on_report(line: str) -> None:
            report.take(line)
            if report.boot_seconds is None:
                report.boot_seconds = time.monotonic() - boot.started
            step.update(report.progress or line[:60])

        boot = Boot(command, on_report)
        try:
            with boot:
                boot.watch(timeout, SILENCE)
                report.total_seconds = time.monotonic() - boot.started
                if boot.broken:
                    raise WrongResult(f"L1 kernel: {boot.broken}")
                if not report.ended:
                    raise WrongResult("L1 ended before its time")
                boot.keep_log = options.keep_log or report.problem() is not None
        except SvmError as error:
            if not boot.keep_log:
                raise
            _show_failure(boot, trace)
            raise type(error)(f"{error} (log: {boot.log_path})") from error
    if report.problem():
        _show_failure(boot, trace)
    if boot.keep_log:
        say(f"log: {boot.log_path}")


def _show_failure(boot: Boot, trace: Path | None) -> None:
    """The last lines of what L1 and the emulator said, on standard error."""
    sys.stderr.write("".join(f"  | {line}\n" for line in boot.last_lines()))
    if trace and trace.exists():
        with trace.open(errors="replace") as file:
            lines = file.readlines()[-20:]
        sys.stderr.write("".join(f"  trace | {line}" for line in lines))
    sys.stderr.flush()


def _write_json(path: Path, result: dict) -> None:
    try:
        path.write_text(json.dumps(result, indent=2) + "\n")
    except OSError as error:
        raise BadUsage(f"--json {path}: {error.strerror}") from error
