# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest's #VMEXITs cost its host: a table, worst first, and the functions."""

from dataclasses import dataclass
from typing import Any

import call_tree
from cost_model import CostModel
from meter_report import Counted
from run_report import table

# Of all cycles; what is less is not shown of functions.
LEAST_SHARE = 0.01


@dataclass(frozen=True)
class Exit:
    """One kind of #VMEXIT; the costs are those of the host until its next VMRUN."""

    name: str
    count: int
    # Of one such exit on average; None if the host did not go on from any.
    instructions: float | None
    cycles: float | None
    # Of the host's cycles after all exits.
    share: float


class ExitsReport:
    """What was counted of a guest, with the kernel that it ran on.

    `runs` is what functions are divided by, `unit` what one of these is called.
    """

    def __init__(
        self,
        rows: list[tuple[str, str]],
        counted: Counted,
        symbols: call_tree.Symbols | None,
        model: CostModel | None,
        runs: int,
        unit: str,
    ):
        self.rows = rows
        self.counted = counted
        self.model = model
        self.runs = runs
        self.unit = unit
        self.functions: dict[str, Any] | None = None
        if symbols and counted.call_graph:
            self.functions = call_tree.call_tree(counted.call_graph, symbols).as_dict(
                runs, model.cycles_each if model else None
            )

    def exits(self) -> list[Exit]:
        """All kinds of exits, those first after which the host spends most."""
        handled = self.counted.handling
        whole = sum(handling.cycles for handling in handled.values())
        found = []
        for name, count in self.counted.exits.items():
            handling = handled.get(name)
            if handling and handling.number:
                instructions = handling.instructions / handling.number
                cycles = handling.cycles / handling.number
                share = handling.cycles / whole
                found.append(Exit(name, count, instructions, cycles, share))
            else:
                found.append(Exit(name, count, None, None, 0))
        return sorted(found, key=lambda exit: (-exit.share, -exit.count))

    def text(self) -> str:
        """For the reader."""
        lines = [self._line("#VMEXIT", "count", f"per {self.unit}", "instructions",
                            "modelled cycles", "share")]
        for exit in self.exits():
            lines.append(
                self._line(
                    exit.name,
                    f"{exit.count:,}",
                    f"{exit.count / self.runs:,.2f}",
                    _figure(exit.instructions),
                    _figure(exit.cycles),
                    f"{exit.share:.1%}",
                )
            )
        lines.append(
            "An exit's cost is what the host executes until its next VMRUN, on average."
        )
        if self.model:
            lines.append(f"The cycles are those of a model, {self.model.name}.")
        found = table(self.rows) + "\n" + "\n".join(lines) + "\n"
        if self.functions:
            found += f"\nfor each {self.unit}, by function of L1's kernel:\n"
            found += call_tree.text(self.functions, LEAST_SHARE)
        return found

    def _line(
        self,
        name: str,
        count: str,
        each: str,
        instructions: str,
        cycles: str,
        share: str,
    ) -> str:
        """A row of the table, without the columns that would say nothing."""
        line = f"{name:<22}{count:>10}"
        if self.runs > 1:
            line += f"{each:>14}"
        line += f"{instructions:>15}"
        if self.model:
            line += f"{cycles:>17}"
        return f"{line}{share:>9}"

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "about": dict(self.rows),
            "cost_model": self.model and self.model.name,
            "unit": self.unit,
            "runs": self.runs,
            "exits": [vars(exit) for exit in self.exits()],
            "functions": self.functions,
        }


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"
