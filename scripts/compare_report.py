# SPDX-License-Identifier: GPL-2.0-or-later
"""Two kernels beside each other: what each KVM_RUN of the halt loop takes.

A Side is one kernel with all its runs, a Comparison two of them: gathered, printed,
judged.
"""

from dataclasses import dataclass, field
from typing import Any

import call_tree
import comparison_results
import meter_report
from cost_model import CostModel
from figure_text import figure_text, saved_text
from run_report import RunReport

# For the change of docs/kvm-change.rst.
PUBLISHED = (
    "Published of the change on EPYC: about 4600 cycles before and 2800 after, from\n"
    "entry to return of kvm_arch_vcpu_ioctl_run(); of that, writing MSRs in vcpu put\n"
    "takes 21.3 % before and 1.25 % after."
)
# The MSRs that KVM saves one by one without the change, by docs/kvm-change.rst.
LISTED_MSRS = (
    *("STAR", "LSTAR", "CSTAR", "SFMASK", "KERNEL_GS_BASE", "GS_BASE", "FS_BASE"),
    *("SYSENTER_CS", "SYSENTER_ESP", "SYSENTER_EIP", "TSC_AUX"),
)
PUBLISHED_CYCLES, PUBLISHED_SHARE = (4600, 2800), 0.39
# Of the function, by the writes of MSRs in vcpu put.
PUBLISHED_WRITES = (0.213, 0.0125)
PUBLISHED_FIGURES = {
    "processor": "EPYC",
    "cycles_in_function": dict(zip(("before", "after"), PUBLISHED_CYCLES)),
    "saved_in_function": PUBLISHED_SHARE,
    "share_of_writes_at_vcpu_put": dict(zip(("before", "after"), PUBLISHED_WRITES)),
}
# Of --json: another one where a report cannot be made of the same any more.
RESULTS_FORM = 1
NAME, COLUMN = 30, 12
# Of all cycles; functions that take less were called by an interrupt now and then.
LEAST_SHARE = 0.0001
# Of an MSR: its RDMSR and its WRMSR.
BOTH = ", both"


@dataclass
class Side:
    """A kernel, its counted runs, and its runs in wall time."""

    kernel: str
    # Where its modules are, if they are not in its build tree.
    modules: str | None = None
    counted_runs: list[RunReport] = field(default_factory=list)
    timed_runs: list[RunReport] = field(default_factory=list)
    # On a modelled processor, where L1's time stamps are its cycles.
    modelled_run: RunReport | None = None

    @property
    def first(self) -> RunReport:
        """Its first counted run; the others are to be the same."""
        return self.counted_runs[0]

    @property
    def instructions(self) -> int:
        """Of L1 and its guest, for each KVM_RUN: the median."""
        return self.first.instructions("median")

    @property
    def modelled_cycles(self) -> int | None:
        """For each KVM_RUN, as L1's RDTSCP reads them: the median."""
        return self.modelled_run and self.modelled_run.instructions("median")

    def in_function(self) -> int | None:
        """Instructions of a call of meter_report.FUNCTION; None if none was counted."""
        return self.first.counted.call_instructions

    def modelled_in_function(self) -> int | None:
        """Cycles of a call of it, on the modelled processor."""
        return self.modelled_run and self.modelled_run.counted.call_cycles

    @property
    def exits_per_second(self) -> float | None:
        """In wall time, the median of its runs."""
        rates = sorted(run.rate for run in self.timed_runs if run.rate)
        return rates[len(rates) // 2] if rates else None

    def figures(self, run: RunReport | None = None) -> dict[str, float]:
        """What the meter counted for each KVM_RUN, by name."""
        run = run or self.first
        return meter_report.figures(run.counted, run.metered)

    def spread(self) -> list[str]:
        """Names of the figures that are not the same in all counted runs."""
        found = set()
        for run in self.counted_runs[1:]:
            if run.ticks != self.first.ticks:
                found.add("instructions")
            one, other = self.figures(), self.figures(run)
            found |= {
                name for name in one | other if one.get(name) != other.get(name)
            }
        return sorted(found)

    def accesses(self, name: str | None = None) -> tuple[float, float]:
        """RDMSR and WRMSR of the host for each KVM_RUN; of one MSR, or of all."""
        total = self.first.counted.host_accesses(name)
        return total.reads / self.first.metered, total.writes / self.first.metered

    def accesses_at(self, place: str) -> tuple[float, float]:
        """The same of all MSRs at a place, see meter_report.PLACES."""
        found = [
            accesses
            for (_name, where), accesses in self.first.counted.msrs.items()
            if where == place
        ]
        return (
            sum(each.reads for each in found) / self.first.metered,
            sum(each.writes for each in found) / self.first.metered,
        )

    def msrs(self) -> list[str]:
        """The MSRs that the host accesses at least once in ten KVM_RUNs."""
        names = dict.fromkeys(name for name, _place in self.first.counted.msrs)
        return [name for name in names if sum(self.accesses(name)) >= 0.1]

    def exits(self, model: CostModel | None = None) -> list[dict[str, Any]]:
        """Those of each KVM_RUN by name, and what the host did after one."""
        run = self.modelled_run or self.first
        return meter_report.exits_by_code(
            self.first.counted,
            run.counted,
            self.first.metered,
            with_cycles=bool(model and self.modelled_run),
        )

    def functions(self, model: CostModel | None = None) -> dict[str, Any] | None:
        """The tree of L1's functions, as call_tree has it; None if none was counted."""
        run = self.modelled_run or self.first
        if not (run.symbols and run.counted.call_graph):
            return None
        tree = call_tree.call_tree(run.counted.call_graph, run.symbols)
        each = model.cycles_each if model and self.modelled_run else None
        return call_tree.without_small(tree.as_dict(run.metered, each), LEAST_SHARE)

    def as_dict(self, model: CostModel | None = None) -> dict[str, Any]:
        """For --json."""
        costs = writes = None
        if model and self.modelled_run:
            run = self.modelled_run
            costs = model.parts(run.counted, run.metered)
            if part := self.modelled_in_function():
                writes = model.of_writes(run.counted, run.metered, "after-run") / part
        return {
            "kernel": self.kernel,
            "version": self.first.kernel,
            "instructions": self.instructions,
            "modelled_cycles": self.modelled_cycles,
            "instructions_in_function": self.in_function(),
            "modelled_cycles_in_function": self.modelled_in_function(),
            "ticks": {k: int(v) for k, v in self.first.ticks.items() if v.isdigit()},
            "counted_for_each_run": self.figures(),
            "spread": self.spread(),
            "counted_runs": len(self.counted_runs),
            "exits_per_second": self.exits_per_second,
            "host_spans": self.first.counted.host_spans,
            "exits": self.exits(model),
            "costs": costs,
            "modelled_share_of_writes_at_vcpu_put": writes,
            "functions": self.functions(model),
        }


def expected_reading(before: Side, after: Side) -> str | None:
    """What does not read as the change of docs/kvm-change.rst has to; None if all does.

    Before it the listed MSRs are read and written one by one; after it TSC_AUX is the
    only one of them left, and the host save page is in one VMSAVE and one VMLOAD.
    """
    for name in LISTED_MSRS:
        reads, writes = before.accesses(name)
        if round(reads) < 1 or round(writes) < 1:
            return f"before: {name} is not read and written in each KVM_RUN"
    left = [name for name in LISTED_MSRS if name in after.msrs()]
    if left != ["TSC_AUX"]:
        return f"after: of the listed MSRs there are left: {', '.join(left) or 'none'}"
    more = [name for name in after.msrs() if name not in before.msrs()]
    if more:
        return f"after: KVM_RUN accesses more MSRs: {', '.join(more)}"
    for name in ("VMSAVE, host save page", "VMLOAD, host save page"):
        if round(after.figures().get(name, 0), 1) != 1:
            return f"after: {name}: {after.figures().get(name, 0):.2f} times"
        if before.figures().get(name):
            return f"before: {name}: {before.figures()[name]:.2f} times"
    reads, writes = before.accesses("TSC_AUX")
    if [round(x) for x in after.accesses("TSC_AUX")] != [round(reads), round(writes)]:
        return "after: TSC_AUX is accessed another number of times than before"
    return None


class Comparison:
    """Two sides, and whether they are those of the change of docs/kvm-change.rst."""

    def __init__(
        self,
        before: Side,
        after: Side,
        is_the_change: bool,
        model: CostModel | None = None,
    ):
        self.before = before
        self.after = after
        self.model = model
        self.is_the_change = is_the_change
        # What the user typed, or would have to.
        self.command = ["./svm", "compare"]

    @property
    def differ(self) -> bool:
        """Whether the kernels do anything else in a KVM_RUN."""
        one, other = self.before.figures(), self.after.figures()
        # Interrupts fall into another number of exits.
        return self.before.instructions != self.after.instructions or any(
            round(one.get(name, 0), 1) != round(other.get(name, 0), 1)
            for name in one | other
            if not name.startswith("instructions")
        )

    def problem(self) -> str | None:
        """Why the figures are not to be relied on; None if they are."""
        for side in (self.before, self.after):
            if side.spread():
                return f"{side.kernel}: runs differ in: {', '.join(side.spread())}"
        if self.is_the_change:
            return expected_reading(self.before, self.after)
        return None

    def rows(self) -> list[tuple[str, float | None, float | None]]:
        """Names and both figures; names of parts are indented."""
        before, after = self.before, self.after
        found = [
            ("instructions", before.instructions, after.instructions),
            ("  in the function", *(side.in_function() for side in (before, after))),
        ]
        found.append(
            ("modelled cycles", before.modelled_cycles, after.modelled_cycles)
        )
        found.append(
            (
                "  in the function",
                *(side.modelled_in_function() for side in (before, after)),
            )
        )
        for index, access in enumerate(("RDMSR", "WRMSR")):
            found.append(
                (access, before.accesses()[index], after.accesses()[index])
            )
            for place, name in meter_report.PLACES.items():
                found.append(
                    (
                        f"  at {name}" if name != "run" else "  in the run",
                        before.accesses_at(place)[index],
                        after.accesses_at(place)[index],
                    )
                )
        for name in dict.fromkeys([*before.msrs(), *after.msrs()]):
            counts = sum(before.accesses(name)), sum(after.accesses(name))
            found.append((f"  {name}{BOTH}", *counts))
        one, other = before.figures(), after.figures()
        shown = [*meter_report.EVENTS.values()]
        shown += [name for name in one | other if name.startswith("#VMEXIT")]
        for name in shown:
            if name in one or name in other:
                found.append((name, one.get(name, 0), other.get(name, 0)))
        found.append(
            ("exits per second (wall time)", before.exits_per_second,
             after.exits_per_second)
        )
        return found

    def text(self) -> str:
        """The table for the reader."""
        heads = ("before", "after", "saved")
        lines = [
            f"{'before:':<9}{self.before.kernel} (Linux {self.before.first.kernel})",
            f"{'after:':<9}{self.after.kernel} (Linux {self.after.first.kernel})",
            "",
            f"{'for each KVM_RUN':<{NAME}}" + "".join(f"{h:>{COLUMN}}" for h in heads),
        ]
        for name, before, after in self.rows():
            if before is None or after is None or not (before or after):
                continue
            if name.startswith("exits per second"):
                cells = (f"{before:.0f}", f"{after:.0f}", "")
            else:
                cells = (figure_text(before), figure_text(after))
                cells += (saved_text(before, after),)
            lines.append(f"{name:<{NAME}}" + "".join(f"{c:>{COLUMN}}" for c in cells))
        runs = len(self.before.counted_runs)
        spread = "not compared: one run of each"
        if runs > 1:
            spread = f"none in {runs} runs of each"
            if self.before.spread() or self.after.spread():
                spread = ", ".join({*self.before.spread(), *self.after.spread()})
        lines += ["", f"spread: {spread}"]
        if self.model and self.before.modelled_cycles:
            lines += ["", *self._about_the_model()]
        if self.is_the_change:
            lines += ["", PUBLISHED]
        return "\n".join(lines) + "\n"

    def sensitivity(self) -> list[tuple[str, float, float]]:
        """For each cost the share of cycles saved if it were half, and twice, as much.

        Computed from what was counted; those that change nothing are left out.
        """
        before = self.model.parts(self.before.first.counted, self.before.first.metered)
        after = self.model.parts(self.after.first.counted, self.after.first.metered)
        found = []
        for name in before | after:
            one, other = before.get(name, 0), after.get(name, 0)
            shares = [
                _share_saved(
                    sum(before.values()) + change * one,
                    sum(after.values()) + change * other,
                )
                for change in (-0.5, 1)
            ]
            if any(round(share - self._share_modelled(), 3) for share in shares):
                found.append((name, *shares))
        return found

    def _share_modelled(self) -> float:
        counted = [
            sum(self.model.parts(side.first.counted, side.first.metered).values())
            for side in (self.before, self.after)
        ]
        return _share_saved(*counted)

    def _about_the_model(self) -> list[str]:
        whole = self.before.modelled_cycles, self.after.modelled_cycles
        lines = [
            f"The cycles are those of a model, {self.model.name}. Of the whole system "
            f"call {_share_saved(*whole):.1%} are saved."
        ]
        part = self.before.modelled_in_function(), self.after.modelled_in_function()
        if None not in part:
            saved = _share_saved(*part)
            lines.append(
                f"Of {meter_report.FUNCTION}(): {part[0]:,.0f} -> {part[1]:,.0f}, "
                f"{saved:.1%} saved."
            )
            if self.is_the_change:
                errors = [
                    f"{found / published - 1:+.0%}"
                    for found, published in zip(part, PUBLISHED_CYCLES)
                ]
                lines.append(
                    f"Published of it: {PUBLISHED_CYCLES[0]} -> {PUBLISHED_CYCLES[1]}, "
                    f"{PUBLISHED_SHARE:.0%} saved; the model's error is "
                    f"{errors[0]} and {errors[1]},"
                )
                error = 100 * (saved - PUBLISHED_SHARE)
                lines.append(f"and {error:+.0f} points of the share.")
        lines.append(
            "Of the whole call would be saved if a cost were half, or twice, as much:"
        )
        for name, half, twice in self.sensitivity():
            lines.append(f"  {name:<{NAME - 2}}{half:>{COLUMN}.1%}{twice:>{COLUMN}.1%}")
        return lines

    def verdict(self) -> str:
        """The line that says it all."""
        if problem := self.problem():
            return f"verdict: WRONG - {problem}"
        if not self.differ:
            return "verdict: no difference in any KVM_RUN"
        saved = self.before.instructions - self.after.instructions
        share = abs(saved) / self.before.instructions
        how = "fewer" if saved >= 0 else "more"
        return (
            f"verdict: the kernels differ - {abs(saved)} instructions {how} "
            f"({share:.1%}) for each KVM_RUN"
        )

    def as_dict(self) -> dict[str, Any]:
        """For --json, and for the report that html_report makes of it."""
        first = self.before.first
        return {
            **comparison_results.head(
                RESULTS_FORM,
                self,
                first.emulator,
                runs=len(self.before.counted_runs),
            ),
            "timed_runs": len(self.before.timed_runs),
            "exits_in_each_run": first.metered,
            "published": PUBLISHED_FIGURES if self.is_the_change else None,
            "sensitivity": [
                {"cost": name, "saved_if_half": half, "saved_if_twice": twice}
                for name, half, twice in (self.sensitivity() if self.model else ())
            ],
            "before": self.before.as_dict(self.model),
            "after": self.after.as_dict(self.model),
            "rows": self._rows_as_dicts(),
        }

    def _rows_as_dicts(self) -> list[dict[str, Any]]:
        found = []
        whole = None
        for name, before, after in self.rows():
            is_part = name.startswith(" ")
            whole = whole if is_part else name
            part_of = whole if is_part else None
            if is_part and name.endswith(BOTH):
                part_of = "RDMSR and WRMSR"
            row = {"name": name.strip(), "before": before, "after": after}
            found.append(row | {"part_of": part_of})
        return found


def _share_saved(before: float, after: float) -> float:
    return (before - after) / before
