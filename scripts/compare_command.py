# SPDX-License-Identifier: GPL-2.0-or-later
"""`./svm compare`: two kernels beside each other, what each KVM_RUN takes of each."""

import argparse
import json
from pathlib import Path
from typing import Any

import compare_workloads
import linux_guest_run
import machine_packages
import run_command
from cost_model import CostModel
from cost_model import find as find_cost_model
from compare_report import RESULTS_FORM, Comparison, Side
from errors import BadUsage, SetupFailed, WrongResult
from guest_workloads import WORKLOADS
from kernel_package import architecture, check_kernel, find_kernel
from l1_options import add_cpu_argument, add_npt_argument, check_machine_options
from progress import say
from run_report import RunReport

THE_CHANGE = ("5.10-before", "5.10-after")
# Where Debian's mirror has no 5.10 any more.
THE_CHANGE_UNDONE = ("6.1-before", "6.1-after")
EXITS, RUNS, TIMED_RUNS = 2000, 2, 1
TIMED_EXITS = 10000
MODEL = "zen2"
# What says where the results go.
NOT_COMPARED = ("json", "html", "svg", "from_json")
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
    parser.add_argument(
        "--guest",
        choices=(run_command.HALT_LOOP, linux_guest_run.GUEST),
        default=run_command.HALT_LOOP,
        help="linux: count what everyday guests take, in place of a KVM_RUN "
        f"(default: {run_command.HALT_LOOP})",
    )
    parser.add_argument(
        "--workload",
        action="append",
        choices=WORKLOADS,
        help="what a Linux guest does; more than once for more (default: all of them)",
    )
    parser.add_argument(
        "--guest-kernel",
        metavar="KERNEL",
        help="of a Linux guest, the same under both kernels (default: "
        f"{compare_workloads.GUEST_KERNEL})",
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
    parser.add_argument(
        "--html", metavar="FILE", help="write a report with plots here too"
    )
    parser.add_argument(
        "--svg",
        metavar="FILE",
        help="write the report's plot of modelled cycles, with a Linux guest that of "
        "world switches, as a picture here too",
    )
    parser.add_argument(
        "--from-json",
        metavar="FILE",
        help="boot nothing: make the report or the picture of what --json has written",
    )


def run(options: argparse.Namespace) -> int:
    """Compare them; 0 if they differ, NO_DIFFERENCE if not."""
    if options.from_json:
        return _report_of_stored_results(options)
    _check(options)
    if options.html or options.svg:
        machine_packages.ensure_plots()
    if options.before is None and options.after is None:
        options.before, options.after = _pair_that_there_is()
    options.before = options.before or THE_CHANGE[0]
    options.after = options.after or THE_CHANGE[1]
    model = None if options.cost_model == "none" else options.cost_model
    if options.guest == linux_guest_run.GUEST:
        comparison = compare_workloads.compare(options, model)
        pair = options.before, options.after
        comparison.is_the_change = pair in (THE_CHANGE, THE_CHANGE_UNDONE)
        comparison.command += _chosen(options)
    else:
        comparison = _compare_halt_loops(options, model)
    results = comparison.as_dict()
    if options.json:
        _write("--json", options.json, json.dumps(results, indent=2) + "\n")
    _write_reports(options, _reports(options, results))
    print(comparison.text() + comparison.verdict(), flush=True)
    return _status(results)


def _compare_halt_loops(options: argparse.Namespace, model: str | None) -> Comparison:
    is_the_change = (options.before, options.after) == THE_CHANGE
    comparison = Comparison(
        Side(options.before, options.modules_before),
        Side(options.after, options.modules_after),
        is_the_change,
        CostModel(find_cost_model(model)) if model else None,
    )
    comparison.command += _chosen(options)
    for _ in range(options.runs):
        for side in (comparison.before, comparison.after):
            side.counted_runs.append(_run(options, side, counted=True))
    if model:
        for side in (comparison.before, comparison.after):
            side.modelled_run = _run(options, side, counted=True, model=model)
    for _ in range(options.timed_runs):
        for side in (comparison.before, comparison.after):
            side.timed_runs.append(_run(options, side, counted=False))
    return comparison


def _status(results: dict[str, Any]) -> int:
    if not results["right"]:
        return WrongResult.status
    return 0 if results["differ"] else NO_DIFFERENCE


def _write(option: str, name: str, text: str) -> None:
    try:
        Path(name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadUsage(f"{option} {name}: {error.strerror}") from error


def _reports(options: argparse.Namespace, results: dict[str, Any]) -> dict[str, str]:
    """The texts that were asked for, by the option that asks for each."""
    if not (options.html or options.svg):
        return {}
    # They need a package that not every machine has: see ensure_plots().
    try:
        import html_report
        import html_workload_report
    except ImportError as error:
        raise SetupFailed(f"no plots can be drawn here: {error}") from error
    report = html_report
    if results["form"] == compare_workloads.RESULTS_FORM:
        report = html_workload_report
    found = {}
    if options.html:
        found["html"] = report.page(results)
    if options.svg:
        found["svg"] = report.picture(results)
    return found


def _write_reports(options: argparse.Namespace, reports: dict[str, str]) -> None:
    for option, text in reports.items():
        _write(f"--{option}", getattr(options, option), text)
    if options.html:
        say(f"the report is {options.html}")


def _report_of_stored_results(options: argparse.Namespace) -> int:
    """A report of what --json has written; the status is the one of then."""
    name = options.from_json
    if options.json or _chosen(options) or not (options.html or options.svg):
        raise BadUsage(f"--from-json {name}: goes with --html or --svg, nothing else")
    _check_folders(options)
    try:
        results = json.loads(Path(name).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadUsage(f"--from-json {name}: {error.strerror}") from error
    except ValueError as error:
        raise BadUsage(f"--from-json {name}: no JSON: {error}") from error
    other = BadUsage(
        f"--from-json {name}: not what this ./svm compare --json writes; make it anew"
    )
    forms = (RESULTS_FORM, compare_workloads.RESULTS_FORM)
    if not isinstance(results, dict) or results.get("form") not in forms:
        raise other
    if options.svg and not results.get("cost_model"):
        raise BadUsage(f"--svg {options.svg}: no cycles without a cost model")
    machine_packages.ensure_plots()
    try:
        reports = _reports(options, results)
        verdict, status = results["verdict"], _status(results)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise other from None
    _write_reports(options, reports)
    print(f"verdict: {verdict}", flush=True)
    return status


def _chosen(options: argparse.Namespace) -> list[str]:
    """The words that choose what is compared, without those that say the default."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    found = []
    for name, default in vars(parser.parse_args([])).items():
        value = getattr(options, name)
        if name in ("before", "after"):
            default = THE_CHANGE[name == "after"]
        if name in NOT_COMPARED or value in (default, None):
            continue
        for each in value if isinstance(value, list) else (value,):
            found += [f"--{name.replace('_', '-')}", str(each)]
    return found


def _check_folders(options: argparse.Namespace) -> None:
    for option in ("json", "html", "svg"):
        name = getattr(options, option)
        if not name:
            continue
        if not Path(name).absolute().parent.is_dir():
            raise BadUsage(f"--{option} {name}: no such folder")
        if Path(name).is_dir():
            raise BadUsage(f"--{option} {name}: is a folder")


def _check(options: argparse.Namespace) -> None:
    options.smp, options.memory, options.qemu = 1, "1G", "ours"
    check_machine_options(options)
    if options.exits < 100:
        raise BadUsage(f"--exits {options.exits}: at least 100")
    if options.runs < 1:
        raise BadUsage(f"--runs {options.runs}: at least 1")
    if options.timed_runs < 0:
        raise BadUsage(f"--timed-runs {options.timed_runs}: 0 or more")
    _check_folders(options)
    _check_guest(options)
    if options.svg and options.cost_model == "none":
        raise BadUsage(f"--svg {options.svg}: no cycles without a cost model")
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


def _check_guest(options: argparse.Namespace) -> None:
    """Refuse what goes with another guest only."""
    is_linux = options.guest == linux_guest_run.GUEST
    others = {
        "--exits": options.exits != EXITS,
        "--timed-runs": options.timed_runs != TIMED_RUNS,
    }
    if not is_linux:
        others = {
            "--workload": options.workload,
            "--guest-kernel": options.guest_kernel,
        }
    for option, is_given in others.items():
        if is_given:
            raise BadUsage(f"{option} does not go with --guest {options.guest}")
    if options.guest_kernel:
        check_kernel(options.guest_kernel)
    for kernel in (options.before, options.after) if is_linux else ():
        if kernel and architecture(kernel) != "amd64":
            raise BadUsage(f"{kernel}: the VMM needs a host of 64 bits")


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
    chosen = run_command.halt_loop_options(
        options,
        kernel=side.kernel,
        modules=side.modules,
        exits=exits,
        meter=counted,
        icount=counted,
        cost_model=model,
    )
    report = RunReport(exits, 1, counted, counted, model)
    run_command.boot(chosen, report)
    if problem := report.problem():
        raise WrongResult(f"{side.kernel}: {problem}")
    return report
