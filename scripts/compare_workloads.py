# SPDX-License-Identifier: GPL-2.0-or-later
"""`./svm compare --guest linux`: what everyday guests take of two kernels.

Each workload is counted under both, several times: gathered, printed, judged.
"""

import argparse
from dataclasses import dataclass, field
from typing import Any

import comparison_results
import guest_workloads
import linux_guest_run
import meter_report
from cost_model import CostModel
from figure_text import figure_text
from guest_workloads import WORKLOADS
from linux_guest_report import LinuxGuestReport
from workload_report import MeasuredPart

# The guest is the same under both kernels.
GUEST_KERNEL = "6.1"
RESULTS_FORM = "workloads 2"
NAME, COLUMN = 30, 16
# By the guest's clock, but for a boot: MeasuredPart.seconds.
TIME = "milliseconds"
SHARES = ("share of world switches", "  RDMSR and WRMSR")
MSR_ACCESSES = ("RDMSR", "WRMSR")


@dataclass
class Side:
    """A kernel, and its runs by workload."""

    kernel: str
    modules: str | None
    runs: dict[str, list[LinuxGuestReport]] = field(default_factory=dict)

    def part(self, workload: str) -> MeasuredPart:
        """What its first run measured; the others are to be the same."""
        return self.runs[workload][0].part

    def spread(self, workload: str) -> list[str]:
        """Names of the figures that are not the same in all runs."""
        first, *others = (figures(run.part) for run in self.runs[workload])
        found = {
            name
            for other in others
            for name in first | other
            if first.get(name) != other.get(name)
        }
        return sorted(found)


def figures(part: MeasuredPart) -> dict[str, float]:
    """All that was counted of a measured part, by name."""
    found = {TIME: 1000 * part.seconds}
    cycles = part.cycles()
    if cycles:
        found["modelled cycles"] = sum(cycles.values())
    shares = part.world_switches()
    if shares:
        accesses = [shares.get(name, 0) for name in MSR_ACCESSES]
        found |= zip(SHARES, (sum(shares.values()), sum(accesses)))
    return {**found, **meter_report.figures(part.counted, 1)}


@dataclass
class WorkloadComparison:
    """Two kernels, and what each workload takes of them."""

    before: Side
    after: Side
    workloads: list[str]
    model: CostModel | None
    # Whether these are the kernels of docs/kvm-change.rst.
    is_the_change: bool = False
    # What repeats it.
    command: list[str] = field(default_factory=lambda: ["./svm", "compare"])

    def problem(self) -> str | None:
        """Why the figures are not to be relied on; None if they are."""
        for side in (self.before, self.after):
            for workload in self.workloads:
                if found := side.spread(workload):
                    return f"{side.kernel}, {workload}: runs differ in: " + ", ".join(
                        found
                    )
        return None

    @property
    def differ(self) -> bool:
        """Whether anything that was counted is not the same."""
        return any(
            figures(self.before.part(workload)) != figures(self.after.part(workload))
            for workload in self.workloads
        )

    def rows(self, workload: str) -> list[tuple[str, float, float]]:
        """Names and both figures of a workload; shares are below 1."""
        parts = [side.part(workload) for side in (self.before, self.after)]
        both = [figures(part) for part in parts]
        for part, found in zip(parts, both):
            total = part.counted.host_accesses()
            found |= {"RDMSR": total.reads, "WRMSR": total.writes}
            found["#VMEXIT"] = part.counted.exits.total()
        names = (
            *(TIME, "modelled cycles", *SHARES),
            *("instructions of the host", "instructions of the guest"),
            *MSR_ACCESSES,
            *(name for name in meter_report.EVENTS.values() if name.startswith("VM")),
            "#VMEXIT",
        )
        names += tuple(
            name for name in both[0] | both[1] if name.startswith("#VMEXIT ")
        )
        return [
            (name, both[0].get(name, 0), both[1].get(name, 0))
            for name in names
            if both[0].get(name) or both[1].get(name)
        ]

    def saved(self, workload: str) -> float:
        """The share of the time that the second kernel saves."""
        before, after = (
            side.part(workload).seconds for side in (self.before, self.after)
        )
        return (before - after) / before

    def text(self) -> str:
        """The tables for the reader."""
        lines = [
            f"{name + ':':<9}{side.kernel} "
            f"(Linux {side.runs[self.workloads[0]][0].kernel})"
            for name, side in (("before", self.before), ("after", self.after))
        ]
        for workload in self.workloads:
            lines += ["", f"{workload}: {guest_workloads.about(WORKLOADS[workload])}"]
            heads = ("before", "after", "saved")
            lines.append(" " * NAME + "".join(f"{head:>{COLUMN}}" for head in heads))
            for name, before, after in self.rows(workload):
                cells = _cells(name, before, after)
                lines.append(
                    f"{name:<{NAME}}" + "".join(f"{cell:>{COLUMN}}" for cell in cells)
                )
        runs = len(self.before.runs[self.workloads[0]])
        spread = f"none in {runs} runs of each" if runs > 1 else "not compared"
        if self.problem():
            spread = self.problem()
        lines += ["", f"spread: {spread}"]
        if self.model:
            lines.append(
                f"The cycles are those of a model, {self.model.name}; world switches "
                "are VMRUN, #VMEXIT, VMSAVE,\nVMLOAD, STGI, CLGI, and the host's RDMSR "
                "and WRMSR."
            )
        return "\n".join(lines) + "\n"

    def verdict(self) -> str:
        """The line that says it all."""
        if problem := self.problem():
            return f"verdict: WRONG - {problem}"
        if not self.differ:
            return "verdict: no difference in any figure"
        what = "modelled time" if self.model else "time"
        parts = ", ".join(
            f"{workload} {self.saved(workload):.2%}" for workload in self.workloads
        )
        return f"verdict: the kernels differ - of the {what} is saved: {parts}"

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        first = self.before.runs[self.workloads[0]][0]
        return {
            **comparison_results.head(
                RESULTS_FORM,
                self,
                first.emulator,
                runs=len(self.before.runs[self.workloads[0]]),
            ),
            "guest_kernel": first.values["kernel"],
            "kernels": {
                name: {
                    "kernel": side.kernel,
                    "version": side.runs[self.workloads[0]][0].kernel,
                }
                for name, side in (("before", self.before), ("after", self.after))
            },
            "workloads": [
                {
                    "workload": workload,
                    "about": guest_workloads.about(WORKLOADS[workload]),
                    "saved": self.saved(workload),
                    "before": self.before.part(workload).as_dict(),
                    "after": self.after.part(workload).as_dict(),
                    "exits": {
                        name: self._exits(side, workload)
                        for name, side in (
                            ("before", self.before),
                            ("after", self.after),
                        )
                    },
                    "rows": [
                        {"name": name.strip(), "before": before, "after": after}
                        for name, before, after in self.rows(workload)
                    ],
                }
                for workload in self.workloads
            ],
        }

    def _exits(self, side: Side, workload: str) -> list[dict[str, Any]]:
        counted = side.part(workload).counted
        return meter_report.exits_by_code(counted, counted, 1, bool(self.model))


def _cells(name: str, before: float, after: float) -> tuple[str, str, str]:
    if name in SHARES:
        return f"{before:.2%}", f"{after:.2%}", f"{before - after:.2%}"
    return figure_text(before), figure_text(after), figure_text(before - after)


def compare(options: argparse.Namespace, model: str | None) -> WorkloadComparison:
    """Run all workloads that are asked for under both kernels."""
    workloads = list(dict.fromkeys(options.workload or WORKLOADS))
    before = Side(options.before, options.modules_before)
    after = Side(options.after, options.modules_after)
    found = None
    for workload in workloads:
        for _ in range(options.runs):
            for side in (before, after):
                chosen = argparse.Namespace(**vars(options))
                chosen.kernel, chosen.modules = side.kernel, side.modules
                chosen.guest_kernel = options.guest_kernel or GUEST_KERNEL
                found = linux_guest_run.count(chosen, workload, model)
                side.runs.setdefault(workload, []).append(found)
    return WorkloadComparison(before, after, workloads, found.part.model)
