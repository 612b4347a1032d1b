# SPDX-License-Identifier: GPL-2.0-or-later
"""Results of a comparison that nobody has run, for the tests of the report."""

import json
import sys
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT / "scripts"), str(CHECKOUT / "tests" / "compare")]

import test_compare  # noqa: E402
import test_compare_workloads  # noqa: E402
from compare_report import Comparison, Side  # noqa: E402
from cost_model import CostModel, find  # noqa: E402
from meter_report import Counted  # noqa: E402
from run_report import RunReport  # noqa: E402

RUNS = test_compare.RUNS
# Where the buckets of the meter's histogram start, and how many of 1000 are in each.
SPANS = {
    "before": {2816: 984, 3072: 11, 9216: 4, 30720: 1},
    "after": {2432: 984, 2688: 10, 8704: 5, 27648: 1},
}


def _measurement(name: str) -> dict[str, Any]:
    events = {"vmrun": RUNS, "vmsave": RUNS, "vmload": RUNS, "stgi": RUNS, "clgi": RUNS}
    msrs = test_compare.before_msrs()
    if name == "before":
        events["segment_load"] = 3 * RUNS
    else:
        msrs = test_compare.after_msrs()
        events |= test_compare.HOST_SAVE_PAGE
        events |= {"vmsave": 2 * RUNS, "vmload": 2 * RUNS}
    found = test_compare.measurement(msrs, **events)
    processor = found["processors"][0]
    processor["exits"] += [
        {"code": 0x60, "name": "INTR", "count": 17},
        {"code": 0x400, "name": "NPF", "count": 2},
    ]
    processor["host"] |= {
        "spans": RUNS,
        "least": min(SPANS[name]) + 4,
        "most": max(SPANS[name]) + 5,
        "histogram": [
            # 16 to a power of two.
            {
                "from": start,
                "to": start + (1 << start.bit_length() - 5) - 1,
                "count": count,
            }
            for start, count in SPANS[name].items()
        ],
    }
    return found


def _run(name: str, ticks: int, cycles: int | None = None) -> RunReport:
    measurement = _measurement(name)
    # Of the function, without the system call around it.
    measurement["processors"][0] |= {
        "calls": {"least": ticks - 779},
        "call-cycles": {"least": (cycles or ticks) - 779},
    }
    report = test_compare.run(measurement, cycles or ticks)
    report.counted = Counted(measurement)
    report.emulator = "QEMU emulator version 10.0.13 (Debian 1:10.0.13+ds-0, a test)"
    report.kernel = "5.10.0-99-amd64"
    return report


def node(
    name: str,
    size: float,
    *children: dict[str, Any],
    msrs: tuple[int, int] = (0, 0),
    module: str = "",
) -> dict[str, Any]:
    """A function that takes so many cycles, and half as many instructions."""
    return {
        "name": name,
        "module": module,
        "cycles": size,
        "instructions": size / 2,
        "rdmsr": msrs[0] + sum(child["rdmsr"] for child in children),
        "wrmsr": msrs[1] + sum(child["wrmsr"] for child in children),
        "children": list(children),
    }


def functions(name: str) -> dict[str, Any]:
    """A tree of functions, of the kernel before or after the change."""
    load, put = (1460, 1240) if name == "before" else (230, 190)
    msrs = 11 if name == "before" else 1
    switch = node("svm_vcpu_enter_exit", 1300, module="kvm_amd")
    small = [node(f"kvm_small_{n}", 14.0 - n, module="kvm") for n in range(6)]
    run = node(
        "kvm_arch_vcpu_ioctl_run",
        switch["cycles"] + load + put + 900,
        node("svm_vcpu_run", 1500, switch, module="kvm_amd"),
        node(
            "kvm_arch_vcpu_load",
            load + 60,
            node("svm_vcpu_load", load, msrs=(msrs, 0), module="kvm_amd"),
            module="kvm",
        ),
        node(
            "kvm_arch_vcpu_put",
            put + 40,
            node("svm_vcpu_put", put, msrs=(0, msrs), module="kvm_amd"),
            module="kvm",
        ),
        node("svm_handle_exit", 160, node("kvm_emulate_halt", 90), module="kvm_amd"),
        *small,
        module="kvm",
    )
    ioctl = node("kvm_vcpu_ioctl", run["cycles"] + 210, run, module="kvm")
    entry = node("do_syscall_64", ioctl["cycles"] + 300, ioctl)
    return node("all", entry["cycles"] + 200, entry)


def results(with_model: bool = True, with_functions: bool = True) -> dict[str, Any]:
    """What --json holds, as it is read from the file, with all that a report shows."""
    found = json.loads(json.dumps(comparison(with_model).as_dict()))
    if with_functions:
        for name in ("before", "after"):
            found[name]["functions"] = functions(name)
    return found


def comparison(with_model: bool = True) -> Comparison:
    """Both kernels of the change."""
    sides = []
    figures = {"before": (2876, 6131), "after": (2484, 4144)}
    for name, (ticks, cycles) in figures.items():
        side = Side(f"5.10-{name}")
        side.counted_runs = [_run(name, ticks) for _ in range(2)]
        side.timed_runs = [_timed_run()]
        if with_model:
            side.modelled_run = _run(name, ticks, cycles)
        sides.append(side)
    model = CostModel(find("zen2")) if with_model else None
    return Comparison(*sides, True, model)


def _timed_run() -> RunReport:
    report = RunReport(RUNS, 1, False)
    report.totals = {"right": "1000", "seconds": "0.1"}
    return report


def workload_results(with_model: bool = True) -> dict[str, Any]:
    """What --json holds of two workloads, one of which takes longer after."""
    model = test_compare_workloads.model() if with_model else None
    found = test_compare_workloads.comparison(chosen=model)
    times = {"before": 2_000_000, "after": 2_010_000}
    for side, time in zip((found.before, found.after), times.values()):
        run = test_compare_workloads.run("boot", 10, time, model)
        run.emulator = side.runs["disk"][0].emulator = "QEMU, a test"
        side.runs["boot"] = [run, run]
    found.workloads.append("boot")
    found.is_the_change = True
    found.command += ["--guest", "linux"]
    return json.loads(json.dumps(found.as_dict()))
