# SPDX-License-Identifier: GPL-2.0-or-later
"""`./svm exits`: what a guest exits for, how often, and what each exit costs."""

import argparse
import json
from pathlib import Path

import cost_model
import linux_guest_run
import run_command
from errors import BadUsage, WrongResult
from exits_report import ExitsReport
from guest_workloads import WORKLOADS, about
from l1_options import add_l1_arguments, check_l1_options
from run_report import RunReport

EXITS = 2000
MODEL = "zen2"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `./svm exits`."""
    parser.description = (
        "Boot a KVM host, count its guest's exits, and for each kind of exit the "
        "instructions and modelled cycles until the guest runs again; then by function "
        "of the host's kernel."
    )
    parser.add_argument(
        "--guest",
        choices=(run_command.HALT_LOOP, linux_guest_run.GUEST),
        default=run_command.HALT_LOOP,
        help=f"as of ./svm run (default: {run_command.HALT_LOOP})",
    )
    parser.add_argument(
        "--workload",
        choices=WORKLOADS,
        help="what a Linux guest does meanwhile (default: its whole life is counted)",
    )
    add_l1_arguments(parser)
    parser.set_defaults(memory=None)
    parser.add_argument(
        "--exits",
        type=int,
        metavar="N",
        help=f"KVM_RUNs of {run_command.HALT_LOOP} that are counted (default: {EXITS})",
    )
    parser.add_argument(
        "--cost-model",
        default=MODEL,
        metavar="NAME|FILE|none",
        help=f"a modelled processor, for cycles (default: {MODEL})",
    )
    parser.add_argument("--json", metavar="FILE", help="write the results here too")


def run(options: argparse.Namespace) -> int:
    """Count and print; 0 when every exit was the expected one."""
    _check(options)
    model = None if options.cost_model == "none" else options.cost_model
    if options.guest == linux_guest_run.GUEST:
        found = _of_linux(options, model)
    else:
        found = _of_halt_loop(options, model)
    if options.json:
        try:
            Path(options.json).write_text(json.dumps(found.as_dict(), indent=2) + "\n")
        except OSError as error:
            raise BadUsage(f"--json {options.json}: {error.strerror}") from error
    print(found.text(), end="", flush=True)
    return 0


def _of_halt_loop(options: argparse.Namespace, model: str | None) -> ExitsReport:
    report = RunReport(options.exits, 1, True, True, model)
    report.take_option(options.kernel)
    run_command.boot(_as_of_run(options, model), report)
    if problem := report.problem():
        raise WrongResult(problem)
    return ExitsReport(
        report.rows(),
        report.counted,
        report.symbols,
        _read_model(model),
        report.metered,
        "KVM_RUN",
    )


def _of_linux(options: argparse.Namespace, model: str | None) -> ExitsReport:
    report = linux_guest_run.count(options, options.workload, model, call_graph=True)
    part = report.part
    rows = report.rows()
    if part.workload:
        rows.append(("workload", f"{part.label}: {about(part.workload)}"))
    return ExitsReport(
        rows, part.counted, part.symbols, _read_model(model), 1, "run"
    )


def _read_model(model: str | None) -> cost_model.CostModel | None:
    return cost_model.CostModel(cost_model.find(model)) if model else None


def _check(options: argparse.Namespace) -> None:
    is_linux = options.guest == linux_guest_run.GUEST
    if options.workload and not is_linux:
        raise BadUsage("--workload goes with --guest linux")
    if is_linux and (options.exits, options.memory) != (None, None):
        raise BadUsage("--exits and --memory do not go with --guest linux")
    options.exits = EXITS if options.exits is None else options.exits
    options.memory = options.memory or "1G"
    check_l1_options(options)
    if options.qemu == "pristine":
        raise BadUsage("unmodified QEMU has no meter")
    if options.smp != 1:
        raise BadUsage(f"--smp {options.smp}: instructions are counted with one CPU")
    if options.exits < 1:
        raise BadUsage(f"--exits {options.exits}: at least 1")
    if options.cost_model != "none":
        _read_model(options.cost_model)
    if options.json and not Path(options.json).absolute().parent.is_dir():
        raise BadUsage(f"--json {options.json}: no such folder")


def _as_of_run(options: argparse.Namespace, model: str | None) -> argparse.Namespace:
    """The options of `./svm run` that do it."""
    return argparse.Namespace(
        **vars(options)
        | {
            "guests": 1,
            "fault": None,
            "meter": True,
            "icount": True,
            "cost_model": model,
            "timeout": None,
            "trace": False,
            "strict_clean_bits": False,
            "keep_log": False,
        }
    )
