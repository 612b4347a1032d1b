# SPDX-License-Identifier: GPL-2.0-or-later
"""`./svm compare`: two kernels beside each other, what each KVM_RUN takes of each."""

import argparse
import json
from pathlib import Path

import run_command
from cost_model import CostModel
from cost_model import find as find_cost_model
from compare_report import Comparison, Side
from errors import BadUsage, SetupFailed, WrongResult
from kernel_package import check_kernel, find_kernel
from l1_options import add_cpu_argument, add_npt_argument, check_machine_options
from progress import say
from run_report import RunReport

THE_CHANGE = ("5.10-before", "5.10-after")
# Where Debian's mirror has no 5.10 any more.
THE_CHANGE_UNDONE = ("6.1-before", "6.1-after")
EXITS, RUNS, TIMED_RUNS = 2000, 2, 1
TIMED_EXITS = 10000
MODEL = "zen2"
# Beside the statuses that all commands have.
NO_DIFFERENCE = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `./svm compare`."""
    parser.description = (
        "Boot two KVM hosts and count, for each KVM_RUN of a guest that halts in a "
        "loop, instructions, accesses to MSRs, VMSAVE, VMLOAD and exits. Status: 0 if "
        f"the kernels differ, {NO_DIFFERENCE} if they do not."
    )
    for name, default in zip(("before", "after"), THE_CHANGE):
        parser.add_argument(
            f"--{name}",
            metavar="KERNEL",
            help=f"as ./svm run's --kernel (default: {default})",
        )
        parser.add_argument(
            f"--modules-{name}",
            metavar="DIR",
            help=f"where the modules of --{name} PATH are, when not in its build tree",
        )
    parser.add_argument(
        "--exits",
        type=int,
        default=EXITS,
        metavar="N",
        help=f"KVM_RUNs that are counted in each run (default: {EXITS})",
    )
    parser.add_argument(
        "--runs",
        type=int,
        default=RUNS,
        metavar="N",
        help=f"counted runs of each kernel, to see that they are equal "
        f"(default: {RUNS})",
    )
    parser.add_argument(
        "--timed-runs",
        type=int,
        default=TIMED_RUNS,
        metavar="N",
        help=f"runs of each kernel in wall time (default: {TIMED_RUNS})",
    )
    add_cpu_argument(parser)
    add_npt_argument(parser)
    parser.add_argument(
        "--append",
        default="",
        metavar="WORDS",
        help="more for the command line of the kernels",
    )
    parser.add_argument(
        "--cost-model",
        default=MODEL,
        metavar="NAME|FILE|none",
        help="a modelled processor on which each kernel runs once more, for cycles "
        f"(default: {MODEL})",
    )
    parser.add_argument("--json", metavar="FILE", help="write the results here too")


def run(options: argparse.Namespace) -> int:
    """Compare them; 0 if they differ, NO_DIFFERENCE if not."""
    _check(options)
    if options.before is None and options.after is None:
        options.before, options.after = _pair_that_there_is()
    options.before = options.before or THE_CHANGE[0]
    options.after = options.after or THE_CHANGE[1]
    model = None if options.cost_model == "none" else options.cost_model
    is_the_change = (options.before, options.after) == THE_CHANGE
    comparison = Comparison(
        Side(options.before, options.modules_before),
        Side(options.after, options.modules_after),
        is_the_change,
        CostModel(find_cost_model(model)) if model else None,
    )
    for _ in range(options.runs):
        for side in (comparison.before, comparison.after):
            side.counted_runs.append(_run(options, side, counted=True))
    if model:
        for side in (comparison.before, comparison.after):
            side.modelled_run = _run(options, side, counted=True, model=model)
    for _ in range(options.timed_runs):
        for side in (comparison.before, comparison.after):
            side.timed_runs.append(_run(options, side, counted=False))
    if options.json:
        try:
            text = json.dumps(comparison.as_dict(), indent=2)
            Path(options.json).write_text(text + "\n")
        except OSError as error:
            raise BadUsage(f"--json {options.json}: {error.strerror}") from error
    print(comparison.text() + comparison.verdict(), flush=True)
    if comparison.problem():
        return WrongResult.status
    return 0 if comparison.differ else NO_DIFFERENCE


def _check(options: argparse.Namespace) -> None:
    options.smp, options.memory, options.qemu = 1, "1G", "ours"
    check_machine_options(options)
    if options.exits < 100:
        raise BadUsage(f"--exits {options.exits}: at least 100")
    if options.runs < 1:
        raise BadUsage(f"--runs {options.runs}: at least 1")
    if options.timed_runs < 0:
        raise BadUsage(f"--timed-runs {options.timed_runs}: 0 or more")
    if options.json and not Path(options.json).absolute().parent.is_dir():
        raise BadUsage(f"--json {options.json}: no such folder")
    if options.cost_model != "none":
        find_cost_model(options.cost_model)
    for kernel, modules in (
        (options.before, options.modules_before),
        (options.after, options.modules_after),
    ):
        if kernel is not None:
            check_kernel(kernel, modules)
        elif modules is not None:
            raise BadUsage(f"--modules-... {modules}: for a kernel that is named too")


def _pair_that_there_is() -> tuple[str, str]:
    """KVM without and with the change, of the first series that can be had."""
    try:
        for kernel in THE_CHANGE:
            find_kernel(kernel)
    except SetupFailed as error:
        instead = " and ".join(THE_CHANGE_UNDONE)
        say(f"{THE_CHANGE[0]} cannot be had: {error}; comparing {instead} instead")
        return THE_CHANGE_UNDONE
    return THE_CHANGE


def _run(
    options: argparse.Namespace, side: Side, counted: bool, model: str | None = None
) -> RunReport:
    """A run of the halt loop, as `./svm run` does it; it has to be right."""
    exits = options.exits if counted else max(options.exits, TIMED_EXITS)
    chosen = argparse.Namespace(
        **vars(options)
        | {
            "kernel": side.kernel,
            "modules": side.modules,
            "exits": exits,
            "guests": 1,
            "fault": None,
            "meter": counted,
            "icount": counted,
            "cost_model": model,
            "timeout": None,
            "trace": False,
            "strict_clean_bits": False,
            "keep_log": False,
        }
    )
    report = RunReport(exits, 1, counted, counted, model)
    run_command.boot(chosen, report)
    if problem := report.problem():
        raise WrongResult(f"{side.kernel}: {problem}")
    return report
