# SPDX-License-Identifier: GPL-2.0-or-later
"""What ./svm compare --json says of any two kernels, whatever their guest does."""

from typing import Any, Protocol

from cost_model import CostModel
from emulator import add_on_version


class Judged(Protocol):
    """Two kernels that were compared."""

    model: CostModel | None
    command: list[str]
    is_the_change: bool

    @property
    def differ(self) -> bool:
        """Whether anything that was counted is not the same."""

    def problem(self) -> str | None:
        """Why the figures are not to be relied on; None if they are."""

    def verdict(self) -> str:
        """The line that says it all."""


def head(form: str, comparison: Judged, emulator: str, runs: int) -> dict[str, Any]:
    """What the dictionary of results begins with; `form` names the rest of it."""
    problem, model = comparison.problem(), comparison.model
    return {
        "form": form,
        "right": problem is None,
        "problem": problem,
        "differ": comparison.differ,
        "verdict": comparison.verdict().removeprefix("verdict: "),
        "command": comparison.command,
        "is_the_change": comparison.is_the_change,
        "versions": {"emulator": emulator, "qemu-svm": add_on_version()},
        "runs": runs,
        "cost_model": model and model.name,
        "assumed_costs": [
            {"cost": name, "cycles": cycles, "source": model.sources[name]}
            for name, cycles in (model.costs.items() if model else ())
        ],
    }
