# SPDX-License-Identifier: GPL-2.0-or-later
"""`./svm exits`: what a guest exits for, how often, and what each exit costs."""

import argparse
import json
from pathlib import Path

import cost_model
import run_command
from errors import BadUsage, WrongResult
from exits_report import ExitsReport
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
    add_l1_arguments(parser)
    parser.add_argument(
        "--exits",
        type=int,
        default=EXITS,
        metavar="N",
        help=f"KVM_RUNs that are counted (default: {EXITS})",
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
    report = RunReport(options.exits, 1, True, True, model)
    report.take_option(options.kernel)
    run_command.boot(_as_of_run(options, model), report)
    if problem := report.problem():
        raise WrongResult(problem)
    found = ExitsReport(
        report.rows(),
        report.counted,
        report.symbols,
        cost_model.CostModel(cost_model.find(model)) if model else None,
        report.metered,
        "KVM_RUN",
    )
    if options.json:
        try:
            Path(options.json).write_text(json.dumps(found.as_dict(), indent=2) + "\n")
        except OSError as error:
            raise BadUsage(f"--json {options.json}: {error.strerror}") from error
    print(found.text(), end="", flush=True)
    return 0


def _check(options: argparse.Namespace) -> None:
    check_l1_options(options)
    if options.qemu == "pristine":
        raise BadUsage("unmodified QEMU has no meter")
    if options.smp != 1:
        raise BadUsage(f"--smp {options.smp}: instructions are counted with one CPU")
    if options.exits < 1:
        raise BadUsage(f"--exits {options.exits}: at least 1")
    if options.cost_model != "none":
        cost_model.CostModel(cost_model.find(options.cost_model))
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
