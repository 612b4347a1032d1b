# SPDX-License-Identifier: GPL-2.0-or-later
"""Models of what events cost on a processor: hw/cost-models/, or a user's own.

docs/meter.rst describes the files. QEMU lets the cycles pass; this module adds up the
same from what was counted, to show how much depends on which cost.
"""

import json
from collections import Counter
from pathlib import Path

from errors import BadUsage
from meter_report import PLACES, Counted
from paths import CHECKOUT

# What a world switch costs beside accesses to MSRs, and as readers know it.
WORLD_SWITCH = {
    "vmrun": "VMRUN",
    "vmexit": "#VMEXIT",
    "vmsave": "VMSAVE",
    "vmload": "VMLOAD",
    "stgi": "STGI",
    "clgi": "CLGI",
}

FOLDER = CHECKOUT / "hw" / "cost-models"


def find(name: str) -> Path:
    """The file of a model that is named, or at a path."""
    known = sorted(path.stem for path in FOLDER.glob("*.json"))
    path = FOLDER / f"{name}.json" if name in known else Path(name).absolute()
    if not path.is_file():
        raise BadUsage(
            f"--cost-model {name}: there is {', '.join(known)}, or the path of a file"
        )
    return path


class CostModel:
    """A model's costs in cycles, by the events' names."""

    def __init__(self, path: Path):
        self.name = path.stem
        try:
            costs = json.loads(path.read_text())["costs"]
            self.costs = {name: float(entry["cycles"]) for name, entry in costs.items()}
            self.sources = {
                name: str(entry.get("source", "")) for name, entry in costs.items()
            }
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadUsage(f"{path}: no cost model: {error!r}") from error

    @property
    def cycles_each(self) -> float:
        """What an instruction takes, beside the events in it."""
        return self.costs.get("instruction", 1.0)

    def parts(self, counted: Counted, divisor: int) -> dict[str, float]:
        """Cycles for each of `divisor` KVM_RUNs, by the costs that they come from."""
        counts: Counter[str] = Counter(counted.host_events)
        counts.update(counted.guest_events)
        counts["instruction"] = (counted.host_instructions or 0) + (
            counted.guest_instructions or 0
        )
        counts["vmexit"] = counted.exits.total()
        for (name, _place), accesses in counted.msrs.items():
            for event, count in zip(("rdmsr", "wrmsr"), accesses):
                counts[self._cost_of_msr(event, counted.msr_indexes.get(name))] += count
        return {
            name: cycles * counts[name] / divisor
            for name, cycles in self.costs.items()
            if counts[name]
        }

    def of_writes(self, counted: Counted, divisor: int, place: str) -> float:
        """Cycles of the WRMSRs at a place for each KVM_RUN, their instructions too."""
        cycles = 0.0
        for (name, where), accesses in counted.msrs.items():
            if where == place:
                cost = self._cost_of_msr("wrmsr", counted.msr_indexes.get(name))
                each = self.costs.get(cost, 0) + self.costs.get("instruction", 0)
                cycles += accesses.writes * each
        return cycles / divisor

    def world_switches(self, counted: Counted) -> dict[str, float]:
        """Cycles of what world switches are made of, the host's RDMSR and WRMSR too."""
        counts = {**counted.host_events, "vmexit": counted.exits.total()}
        found: Counter[str] = Counter()
        for event, name in WORLD_SWITCH.items():
            found[name] = self.costs.get(event, 0) * counts.get(event, 0)
        for (name, place), accesses in counted.msrs.items():
            if place not in PLACES:
                continue
            for event, count in zip(("rdmsr", "wrmsr"), accesses):
                cost = self._cost_of_msr(event, counted.msr_indexes.get(name))
                found[event.upper()] += self.costs.get(cost, 0) * count
        return {name: cycles for name, cycles in found.items() if cycles}

    def _cost_of_msr(self, event: str, index: int | None) -> str:
        """The name of the cost of an access: the MSR's own, or that of all."""
        for name in self.costs:
            kind, _, number = name.partition(" ")
            if kind == event and number and int(number, 0) == index:
                return name
        return event
