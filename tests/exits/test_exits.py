# SPDX-License-Identifier: GPL-2.0-or-later
"""./svm exits without an emulator: exits by their costs, addresses as functions."""

import contextlib
import io
import sys
import unittest
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "scripts"))

import call_tree  # noqa: E402
import command_line  # noqa: E402
from cost_model import CostModel, find  # noqa: E402
from exits_report import ExitsReport  # noqa: E402
from meter_report import Counted  # noqa: E402

SYMBOLS = """\
ffffffff81000100 do_syscall_64
ffffffff81000000 entry_SYSCALL_64
ffffffffc0000000 svm_vcpu_run\t[kvm_amd]
ffffffffc0000100 __svm_vcpu_run\t[kvm_amd]
"""
RUNS = 10


def node(parent: int, kind: str, address: int, *figures: int) -> dict[str, Any]:
    """A node of the meter's call graph; figures that are not given are 0."""
    names = ("instructions", "charged", "reads", "writes")
    values = (*figures, *[0] * (len(names) - len(figures)))
    return {"parent": parent, "kind": kind, "address": address} | dict(
        zip(names, values)
    )


NODES = [
    node(0, "root", 0, 5),
    node(0, "program", 0, 100),
    node(0, "block", 0xFFFFFFFF81000010, 20),
    # Returns to the first instruction behind entry_SYSCALL_64.
    node(0, "call", 0xFFFFFFFF81000100),
    node(3, "block", 0xFFFFFFFF81000100, 30, 0, 1),
    node(3, "block", 0xFFFFFFFF81000140, 40, 0, 2),
    node(3, "call", 0xFFFFFFFF81000150),
    node(6, "block", 0xFFFFFFFFC0000020, 50, 700, 0, 3),
    node(6, "call", 0xFFFFFFFFC0000050),
    node(8, "block", 0xFFFFFFFFC0000100, 60, 1000),
    node(8, "guest", 0, 10),
]


def counted(exits: list[dict[str, Any]], call_graph: list | None = None) -> Counted:
    """What a processor counted."""
    processor: dict[str, Any] = {"cpu": 0, "exits": exits, "events": {}, "msrs": []}
    if call_graph:
        processor["call-graph"] = call_graph
    return Counted({"label": "", "processors": [processor]})


def exit_of(name: str, count: int, number: int, each: int, cycles: int) -> dict:
    """A kind of exit, with the instructions and cycles that each one costs."""
    handling = {
        "number": number,
        "instructions": number * each,
        "cycles": number * cycles,
        "least-cycles": cycles,
        "most-cycles": cycles,
    }
    return {"name": name, "code": 0, "count": count, "handling": handling}


def report(found: Counted, model: bool = True) -> ExitsReport:
    """The report of RUNS runs."""
    return ExitsReport(
        [("L1 kernel", "Linux 6.1")],
        found,
        call_tree.Symbols(SYMBOLS),
        CostModel(find("zen2")) if model else None,
        RUNS,
        "KVM_RUN",
    )


class CallTreeTest(unittest.TestCase):
    def setUp(self):
        self.tree = call_tree.call_tree(NODES, call_tree.Symbols(SYMBOLS))

    def test_functions_of_addresses(self):
        symbols = call_tree.Symbols(SYMBOLS)
        self.assertEqual(symbols.name(0xFFFFFFFF810000FF), ("entry_SYSCALL_64", ""))
        self.assertEqual(symbols.name(0xFFFFFFFF81000100), ("do_syscall_64", ""))
        self.assertEqual(
            symbols.name(0xFFFFFFFFC0000000), ("svm_vcpu_run", "kvm_amd")
        )
        self.assertEqual(symbols.name(0x1000), (call_tree.UNKNOWN, ""))

    def test_callees_are_below_their_callers(self):
        path = [
            ("entry_SYSCALL_64", ""),
            ("do_syscall_64", ""),
            ("svm_vcpu_run", "kvm_amd"),
            ("__svm_vcpu_run", "kvm_amd"),
        ]
        found = self.tree
        own = []
        for name in path:
            found = found.callees[name]
            own.append(found.instructions)
        # Two blocks of one function are one function.
        self.assertEqual(own, [20, 70, 50, 60])

    def test_figures_include_callees(self):
        found = self.tree.as_dict(RUNS, 2.0)
        everything = sum(node["instructions"] for node in NODES)
        charged = sum(node["charged"] for node in NODES)
        self.assertAlmostEqual(found["instructions"], everything / RUNS)
        self.assertAlmostEqual(found["cycles"], (2 * everything + charged) / RUNS)
        self.assertAlmostEqual(found["rdmsr"], 3 / RUNS)
        self.assertAlmostEqual(found["wrmsr"], 3 / RUNS)
        names = [child["name"] for child in found["children"]]
        self.assertEqual(names, ["entry_SYSCALL_64", call_tree.PROGRAM])

    def test_without_a_model_there_are_no_cycles(self):
        found = self.tree.as_dict(RUNS, None)
        self.assertIsNone(found["cycles"])
        self.assertIn("instructions", call_tree.text(found).splitlines()[0])

    def test_text_leaves_out_what_is_small(self):
        found = self.tree.as_dict(RUNS, 1.0)
        text = call_tree.text(found, 0.3)
        self.assertIn("      svm_vcpu_run [kvm_amd]", text)
        self.assertNotIn(call_tree.PROGRAM, text)
        self.assertIn(call_tree.PROGRAM, call_tree.text(found, 0.01))


class ExitsReportTest(unittest.TestCase):
    def test_worst_first(self):
        found = report(
            counted(
                [
                    exit_of("HLT", 100, 99, 10, 10),
                    exit_of("NPF", 5, 5, 1000, 2000),
                    exit_of("VMMCALL", 1, 0, 0, 0),
                ]
            )
        )
        exits = found.exits()
        self.assertEqual([exit.name for exit in exits], ["NPF", "HLT", "VMMCALL"])
        self.assertEqual((exits[0].instructions, exits[0].cycles), (1000, 2000))
        self.assertAlmostEqual(sum(exit.share for exit in exits), 1)
        # The machine ended before the host had gone on.
        self.assertIsNone(exits[2].cycles)
        self.assertEqual(exits[2].count, 1)

    def test_text(self):
        exits = [exit_of("HLT", 20, 19, 2500, 4444)]
        text = report(counted(exits, NODES)).text()
        self.assertRegex(text, r"HLT +20 +2\.00 +2,500\.0 +4,444\.0 +100\.0%")
        self.assertIn("those of a model, zen2", text)
        self.assertIn("__svm_vcpu_run [kvm_amd]", text)
        text = report(counted(exits), model=False).text()
        self.assertRegex(text, r"HLT +20 +2\.00 +2,500\.0 +100\.0%")
        self.assertNotIn("model", text)
        self.assertNotIn("by function", text)


class MisuseTest(unittest.TestCase):
    def test_each_error_says_what_is_wrong(self):
        for arguments, message in (
            (["--exits", "0"], "--exits 0: at least 1"),
            (["--smp", "2"], "with one CPU"),
            (["--qemu", "pristine"], "no meter"),
            (["--cost-model", "zen9"], "--cost-model zen9: there is zen2"),
            (["--json", "/nowhere/x.json"], "no such folder"),
            (["--workload", "disk"], "--workload goes with --guest linux"),
            (["--guest", "linux", "--exits", "5"], "do not go with --guest linux"),
            (["--guest", "linux", "--workload", "x"], "invalid choice: 'x'"),
            (["--kernel", "7.0"], "unknown kernel '7.0'"),
        ):
            with self.subTest(arguments):
                errors = io.StringIO()
                with contextlib.redirect_stderr(errors):
                    status = command_line.main(["exits", *arguments])
                self.assertEqual(status, 2)
                self.assertIn(message, errors.getvalue())


if __name__ == "__main__":
    unittest.main()
