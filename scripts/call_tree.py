# SPDX-License-Identifier: GPL-2.0-or-later
"""What each function of L1's kernel took: the meter's call graph, with names.

The meter knows addresses; L1 says what is where, from its own /proc/kallsyms.
"""

import bisect
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

PROGRAM, GUEST, UNKNOWN = "[program]", "[guest]", "[unknown]"


class Symbols:
    """Functions of a kernel and its modules by address."""

    def __init__(self, text: str):
        """`text` has a line for each, as tests/nested/kernel-symbols.c writes them."""
        found = sorted(self._parse(text))
        self._addresses = [address for address, _name, _module in found]
        self._names = [(name, module) for _address, name, module in found]

    @staticmethod
    def _parse(text: str) -> Iterator[tuple[int, str, str]]:
        for line in text.splitlines():
            words = line.split()
            if len(words) >= 2:
                module = words[2].strip("[]") if len(words) > 2 else ""
                yield int(words[0], 16), words[1], module

    def name(self, address: int) -> tuple[str, str]:
        """The function that an address is in, and its module."""
        place = bisect.bisect_right(self._addresses, address) - 1
        return self._names[place] if place >= 0 else (UNKNOWN, "")


@dataclass
class Function:
    """A function as it was called from its parent; the figures are its own."""

    name: str
    module: str = ""
    instructions: float = 0
    # Cycles that events took in it on a modelled processor.
    charged: float = 0
    rdmsr: float = 0
    wrmsr: float = 0
    callees: dict[tuple[str, str], "Function"] = field(default_factory=dict)

    def callee(self, name: str, module: str) -> "Function":
        """The function of that name below this one, which may be new."""
        found = self.callees.get((name, module))
        if found is None:
            found = self.callees[name, module] = Function(name, module)
        return found

    def as_dict(self, divisor: int, cycles_each: float | None) -> dict[str, Any]:
        """For each of `divisor` KVM_RUNs, callees included, the largest first.

        `cycles_each` is what a modelled instruction takes, None without a model.
        """
        below = [
            function.as_dict(divisor, cycles_each) for function in self.callees.values()
        ]
        cycles = None
        if cycles_each is not None:
            cycles = (self.instructions * cycles_each + self.charged) / divisor
        found: dict[str, Any] = {
            "name": self.name,
            "module": self.module,
            "instructions": self.instructions / divisor,
            "cycles": cycles,
            "rdmsr": self.rdmsr / divisor,
            "wrmsr": self.wrmsr / divisor,
        }
        for key in ("instructions", "cycles", "rdmsr", "wrmsr"):
            if found[key] is not None:
                found[key] += sum(callee[key] for callee in below)
        size = "instructions" if cycles is None else "cycles"
        found["children"] = sorted(below, key=lambda callee: -callee[size])
        return found


def call_tree(nodes: list[dict[str, Any]], symbols: Symbols) -> Function:
    """The tree of functions of the meter's call graph, see docs/meter.rst.

    A call's address is where it returns to, in the function that calls; a block's is
    its own.
    """
    root = Function("all")
    functions: list[Function] = []
    for node in nodes:
        parent = functions[node["parent"]] if functions else root
        match node["kind"]:
            case "root":
                function = root
            case "program":
                function = parent.callee(PROGRAM, "")
            case "guest":
                function = parent.callee(GUEST, "")
            case "call":
                function = parent.callee(*symbols.name(node["address"] - 1))
            case _:
                function = parent.callee(*symbols.name(node["address"]))
        functions.append(function)
        function.instructions += node["instructions"]
        function.charged += node["charged"]
        function.rdmsr += node["reads"]
        function.wrmsr += node["writes"]
    return root


def without_small(tree: dict[str, Any], least_share: float) -> dict[str, Any]:
    """A tree of Function.as_dict() without functions below a share of the whole.

    They stay in the figures of those that call them.
    """
    key = "instructions" if tree["cycles"] is None else "cycles"
    least = least_share * tree[key]

    def kept(node: dict[str, Any]) -> dict[str, Any]:
        children = [kept(child) for child in node["children"] if child[key] >= least]
        return node | {"children": children}

    return kept(tree)


def text(tree: dict[str, Any], least_share: float = 0.01, depth: int = 40) -> str:
    """A tree of Function.as_dict() for the reader, in the manner of perf's.

    What takes less than `least_share` of the whole is left out.
    """
    key = "instructions" if tree["cycles"] is None else "cycles"
    whole = tree[key]
    what = "instructions" if key == "instructions" else "modelled cycles"
    lines = [f"{'share':>7} {what:>15} {'RDMSR':>6} {'WRMSR':>6}  function"]

    def add(node: dict[str, Any], level: int) -> None:
        if not whole or node[key] < least_share * whole or level > depth:
            return
        module = f" [{node['module']}]" if node["module"] else ""
        accesses = "".join(
            f" {node[name]:>6.2f}" if node[name] else f" {'-':>6}"
            for name in ("rdmsr", "wrmsr")
        )
        lines.append(
            f"{node[key] / whole:>7.2%} {node[key]:>15,.1f}{accesses}  "
            f"{'  ' * level}{node['name']}{module}"
        )
        for child in node["children"]:
            add(child, level + 1)

    add(tree, 0)
    return "\n".join(lines) + "\n"
