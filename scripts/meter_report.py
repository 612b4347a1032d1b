# SPDX-License-Identifier: GPL-2.0-or-later
"""What QEMU's svm-meter has counted: read, added up, divided by what was measured."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from errors import WrongResult

# Of the halt loop in L1: tests/nested/kvm-halt-loop.c.
HALT_LOOP_LABEL = "halt-loop"

# What the halt loop has watched.
FUNCTION = "kvm_arch_vcpu_ioctl_run"

# QEMU's own business.
LEFT_OUT = ("tlb-", "block-")
# As a reader knows them.
EVENTS = {
    "vmrun": "VMRUN",
    "vmsave": "VMSAVE",
    "vmsave-host-save-page": "VMSAVE, host save page",
    "vmload": "VMLOAD",
    "vmload-host-save-page": "VMLOAD, host save page",
    "stgi": "STGI",
    "clgi": "CLGI",
    "invlpga": "INVLPGA",
    "cr0-write": "MOV to CR0",
    "cr3-write": "MOV to CR3",
    "cr4-write": "MOV to CR4",
    "cr8-write": "MOV to CR8",
    "segment-load": "segment loads",
}

SPANS = ("least", "most", "spans", "histogram")

# Where the host accesses an MSR, and what KVM does there.
PLACES = {"before-run": "vcpu load", "in-run": "run", "after-run": "vcpu put"}


class Accesses(NamedTuple):
    """RDMSR and WRMSR of an MSR at a place."""

    reads: int = 0
    writes: int = 0

    def plus(self, other: "Accesses") -> "Accesses":
        """The sum of both."""
        return Accesses(self.reads + other.reads, self.writes + other.writes)


class Handling(NamedTuple):
    """What the host did from one kind of #VMEXIT to the next VMRUN, all together."""

    number: int = 0
    instructions: int = 0
    # The same without a cost model; with one #VMEXIT and VMRUN are in it.
    cycles: int = 0

    def plus(self, other: "Handling") -> "Handling":
        """The sum of both."""
        return Handling(*(one + more for one, more in zip(self, other)))


class Counted:
    """What was counted under a label, over all processors; docs/meter.rst has more.

    `exits`, `host_events`, `guest_events` are by name, `msrs` by name and place;
    `host_instructions` and `guest_instructions` are None without -icount.
    """

    def __init__(self, measurement: dict[str, Any]):
        self.exits: Counter[str] = Counter()
        # By the exits' names; with -icount.
        self.handling: dict[str, Handling] = {}
        # Nodes of the meter's call graph, of a machine of one processor.
        self.call_graph: list[dict[str, Any]] = []
        self.host_events: Counter[str] = Counter()
        self.guest_events: Counter[str] = Counter()
        self.msrs: dict[tuple[str, str], Accesses] = {}
        self.msr_indexes: dict[str, int] = {}
        self.host_instructions: int | None = None
        self.guest_instructions: int | None = None
        # Of a call of the function of L1's kernel that was watched: the least, which no
        # interrupt falls into.
        self.call_instructions: int | None = None
        self.call_cycles: int | None = None
        # From a #VMEXIT to the next VMRUN, on the first processor, as docs/meter.rst
        # describes them.
        self.host_spans: dict[str, Any] | None = None
        for processor in measurement["processors"]:
            self._add(processor)

    def _add(self, processor: dict[str, Any]) -> None:
        for found in processor["exits"]:
            name = found["name"]
            self.exits[name] += found["count"]
            if "handling" in found:
                each = found["handling"]
                self.handling[name] = self.handling.get(name, Handling()).plus(
                    Handling(each["number"], each["instructions"], each["cycles"])
                )
        for name, worlds in processor["events"].items():
            self.host_events[name] += worlds["host"]
            self.guest_events[name] += worlds["guest"]
        for msr in processor["msrs"]:
            if "index" in msr:
                self.msr_indexes[msr["name"]] = msr["index"]
            for place in (*PLACES, "in-guest"):
                key = (msr["name"], place)
                before = self.msrs.get(key, Accesses())
                self.msrs[key] = before.plus(Accesses(**msr[place]))
        self.call_graph += processor.get("call-graph", [])
        if "calls" in processor:
            self.call_instructions = processor["calls"]["least"]
            self.call_cycles = processor["call-cycles"]["least"]
        if "histogram" in processor.get("host", {}) and not self.host_spans:
            self.host_spans = {name: processor["host"][name] for name in SPANS}
        if "host" in processor:
            self.host_instructions = (self.host_instructions or 0) + processor[
                "host"
            ]["instructions"]
            self.guest_instructions = (self.guest_instructions or 0) + processor[
                "guest"
            ]["instructions"]

    def host_accesses(self, name: str | None = None) -> Accesses:
        """Those of the host, wherever; of one MSR, or of all."""
        total = Accesses()
        for (msr, place), accesses in self.msrs.items():
            if place in PLACES and name in (None, msr):
                total = total.plus(accesses)
        return total


def exits_by_code(
    counted: Counted, handled: Counted, divisor: int, with_cycles: bool
) -> list[dict[str, Any]]:
    """Exits by name for each of `divisor` KVM_RUNs, and what the host did after one.

    The counts are those of `counted`, means of what was done those of `handled`, a run
    that may be another one; cycles only where a cost model made them.
    """
    found = []
    for name, count in counted.exits.most_common():
        instructions = cycles = None
        each = handled.handling.get(name)
        if each and each.number:
            instructions = each.instructions / each.number
            if with_cycles:
                cycles = each.cycles / each.number
        entry = {"name": name, "count": count / divisor}
        found.append(entry | {"instructions": instructions, "cycles": cycles})
    return found


def read(path: Path, label: str) -> Counted:
    """The measurement with this label, from the file that the meter wrote."""
    try:
        report = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise WrongResult(f"the meter's file cannot be read: {error}") from error
    for measurement in report["measurements"]:
        if measurement["label"] == label:
            return Counted(measurement)
    raise WrongResult(f"the meter has counted nothing as '{label}'")


def figures(counted: Counted, divisor: int) -> dict[str, float]:
    """Figures by name for each of `divisor` KVM_RUNs; what is always zero is not."""
    found: list[tuple[str, float]] = []
    if counted.host_instructions is not None:
        found.append(("instructions of the host", counted.host_instructions))
        found.append(("instructions of the guest", counted.guest_instructions))
    if counted.call_instructions:
        each = counted.call_instructions * divisor
        found.append((f"instructions of {FUNCTION}()", each))
    for name, count in counted.host_events.items():
        if not name.startswith(LEFT_OUT):
            found.append((EVENTS.get(name, name), count))
    for name, count in counted.exits.most_common():
        found.append((f"#VMEXIT {name}", count))
    for (name, place), accesses in counted.msrs.items():
        where = PLACES.get(place, "guest")
        found.append((f"RDMSR {name}, {where}", accesses.reads))
        found.append((f"WRMSR {name}, {where}", accesses.writes))
    return {name: count / divisor for name, count in found if count}


def text(counted: Counted, divisor: int) -> str:
    """The same as a table for the reader."""
    lines = [f"counted for each of {divisor} KVM_RUN:"]
    for name, figure in figures(counted, divisor).items():
        if not name.startswith(("RDMSR", "WRMSR")):
            lines.append(f"  {name:<44}{figure:>10.2f}")
    names = list(dict.fromkeys(name for name, _place in counted.msrs))
    if names:
        places = "".join(f"{place:>16}" for place in PLACES.values())
        lines.append(f"  {'MSR':<20}{places}")
        lines.append(f"  {'':<20}" + "   RDMSR   WRMSR" * len(PLACES))
    for name in names:
        line = f"  {name:<20}"
        for place in PLACES:
            for count in counted.msrs[name, place]:
                line += f"{count / divisor:>8.2f}" if count else f"{'-':>8}"
        lines.append(line)
    return "\n".join(lines) + "\n"
