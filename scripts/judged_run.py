# SPDX-License-Identifier: GPL-2.0-or-later
"""A run of L1 that is judged: boot it, gather its report, print the verdict.

For the commands whose L1 does something by itself and ends; what it does is the
report's and the init script's business.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from errors import BadUsage, SvmError, WrongResult
from nested_boot import Boot
from paths import BUILD
from progress import Step, say

SILENCE = 60.0  # seconds
CLEAN_BIT_WRONG = "svm_clean_bit_wrong"  # a trace event


def add_arguments(parser: argparse.ArgumentParser, timeout_default: str) -> None:
    """The options that every such command has."""
    parser.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help=f"for L1 from start to end (default: {timeout_default})",
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
    parser.add_argument(
        "--strict-clean-bits",
        action="store_true",
        help="keep what L1 says it has not changed in a VMCB (clean bits), and report "
        "what changed all the same",
    )


def check_options(options: argparse.Namespace) -> None:
    """Refuse what makes no sense, before anything is fetched or built."""
    if options.timeout is not None and options.timeout <= 0:
        raise BadUsage(f"--timeout {options.timeout:g}: more than 0 seconds")
    if options.json and not Path(options.json).absolute().parent.is_dir():
        raise BadUsage(f"--json {options.json}: no such folder")
    if options.strict_clean_bits and options.qemu == "pristine":
        raise BadUsage("--strict-clean-bits: unmodified QEMU has no clean bits")


def judge(options: argparse.Namespace, report, boot: Callable[[], None]) -> int:
    """Let `boot` fill the report; print it and its verdict. The exit status."""
    report.take_option(options.kernel)
    problem = "the run did not take place"
    try:
        boot()
        problem = report.problem()
    except SvmError as error:
        problem = str(error)
        raise
    finally:
        if options.json:
            _write_json(Path(options.json), report.as_dict(problem))
    print(report.text() + report.verdict(problem), flush=True)
    return WrongResult.status if problem else 0


def boot_l1(
    options: argparse.Namespace,
    report,
    command: list[str],
    what: str,
    timeout: float,
    silence: float = SILENCE,
    on_start: Callable[[Boot], None] | None = None,
    on_end: Callable[[Boot], None] | None = None,
) -> None:
    """Boot L1 and gather its report; raise if it came to no proper end.

    `timeout` is the one to take when the user gives none. `on_start` and `on_end` are
    called when the emulator has started, and when it has ended by itself.
    """
    trace = None
    if options.trace or options.strict_clean_bits:
        trace = BUILD / "logs" / time.strftime("%Y%m%d-%H%M%S-trace.log")
        events = "svm_*" if options.trace else CLEAN_BIT_WRONG
        command = [*command, "-trace", events, "-D", str(trace)]
        say(f"trace: {trace}")
    with Step(what) as step:

        def on_report(line: str) -> None:
            report.seconds = time.monotonic() - boot.started
            report.take(line)
            if report.boot_seconds is None:
                report.boot_seconds = report.seconds
            step.update(report.progress or line[:60])

        boot = Boot(command, on_report)
        try:
            with boot:
                if on_start:
                    on_start(boot)
                boot.watch(options.timeout or timeout, silence)
                report.total_seconds = time.monotonic() - boot.started
                if on_end:
                    on_end(boot)
                if boot.broken:
                    raise WrongResult(boot.broken)
                if not report.ended:
                    raise WrongResult("L1 ended before its time")
                if options.strict_clean_bits:
                    report.clean_bits_wrong = clean_bits_wrong(trace)
                boot.keep_log = options.keep_log or report.problem() is not None
        except SvmError as error:
            if not boot.keep_log:
                raise
            _show_failure(boot, trace)
            if boot.broken:
                # It explains whatever came after it.
                error = WrongResult(boot.broken)
            raise type(error)(f"{error} (log: {boot.log_path})") from error
    if report.problem():
        _show_failure(boot, trace)
    if boot.keep_log:
        say(f"log: {boot.log_path}")


def clean_bits_wrong(trace: Path) -> list[str]:
    """What changed in a VMCB in spite of its clean bit: what the trace says of it."""
    if not trace.exists():
        return []
    with trace.open(errors="replace") as file:
        return [
            line.partition(CLEAN_BIT_WRONG)[2].strip()
            for line in file
            if CLEAN_BIT_WRONG in line
        ]


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
