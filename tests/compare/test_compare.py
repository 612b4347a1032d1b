# SPDX-License-Identifier: GPL-2.0-or-later
"""./svm compare without an emulator: how two kernels' figures are read and judged."""

import contextlib
import io
import json
import subprocess
import sys
import tempfile
import unittest
import unittest.mock
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "scripts"))

import compare_command  # noqa: E402
import cost_model  # noqa: E402
from call_tree import Symbols  # noqa: E402
from compare_report import LISTED_MSRS, Comparison, Side  # noqa: E402
from cost_model import CostModel  # noqa: E402
from errors import SetupFailed  # noqa: E402
from meter_report import PLACES, Counted  # noqa: E402
from run_report import RunReport  # noqa: E402

RUNS = 1000


def measurement(
    msrs: dict[tuple[str, str], tuple[int, int]], **events: int
) -> dict[str, object]:
    """A processor's counters; MSRs by name and place, RDMSR and WRMSR of each."""
    by_name: dict[str, dict[str, object]] = {}
    for (name, place), (reads, writes) in msrs.items():
        entry = by_name.setdefault(name, {"name": name})
        entry[place] = {"reads": reads, "writes": writes}
    for entry in by_name.values():
        for place in (*PLACES, "in-guest"):
            entry.setdefault(place, {"reads": 0, "writes": 0})
    worlds = {
        name.replace("_", "-"): {"host": count, "guest": 0}
        for name, count in events.items()
    }
    processor = {
        "cpu": 0,
        "exits": [{"code": 0x78, "name": "HLT", "count": RUNS}],
        "events": worlds,
        "msrs": list(by_name.values()),
        "host": {"instructions": 2500 * RUNS},
        "guest": {"instructions": RUNS},
    }
    return {"label": "halt-loop", "processors": [processor]}


def run(counted: dict[str, object], instructions: int) -> RunReport:
    """A counted run with these counters."""
    report = RunReport(RUNS, 1, True, True)
    report.metered = RUNS
    report.counted = Counted(counted)
    report.kernel = "5.10.0"
    report.ticks = {"median": str(instructions)}
    report.calibration = {"ticks": "1001", "instructions": "1001"}
    return report


def before_msrs() -> dict[tuple[str, str], tuple[int, int]]:
    """Each listed MSR is read at vcpu load and written at vcpu put."""
    found = {}
    for name in LISTED_MSRS:
        found[name, "before-run"] = (RUNS, 0)
        found[name, "after-run"] = (0, RUNS)
    return found


def after_msrs() -> dict[tuple[str, str], tuple[int, int]]:
    """TSC_AUX alone is left."""
    return {
        key: accesses for key, accesses in before_msrs().items() if key[0] == "TSC_AUX"
    }


HOST_SAVE_PAGE = {"vmsave_host_save_page": RUNS, "vmload_host_save_page": RUNS}


def comparison(
    after: dict[tuple[str, str], tuple[int, int]] | None = None,
    after_instructions: int = 2484,
    **after_events: int,
) -> Comparison:
    """The change of KVM; or with another side after it."""
    before_side, after_side = Side("5.10-before"), Side("5.10-after")
    for _ in range(2):
        before_side.counted_runs.append(run(measurement(before_msrs()), 2876))
        counted = measurement(after or after_msrs(), **HOST_SAVE_PAGE | after_events)
        after_side.counted_runs.append(run(counted, after_instructions))
    return Comparison(before_side, after_side, True)


class ExpectedReadingTest(unittest.TestCase):
    def test_the_change_reads_as_it_has_to(self):
        found = comparison()
        self.assertIsNone(found.problem())
        self.assertTrue(found.differ)
        self.assertIn("392 instructions fewer (13.6%)", found.verdict())

    def test_one_access_added_back_is_seen(self):
        for name in LISTED_MSRS:
            for place in PLACES:
                for accesses in ((RUNS, 0), (0, RUNS)):
                    msrs = after_msrs()
                    old = msrs.get((name, place), (0, 0))
                    msrs[name, place] = tuple(a + b for a, b in zip(old, accesses))
                    with self.subTest(name=name, place=place, accesses=accesses):
                        self.assertRegex(comparison(msrs).problem() or "", "^after: ")

    def test_another_msr_is_seen(self):
        msrs = after_msrs() | {("PAT", "before-run"): (RUNS, 0)}
        self.assertEqual(
            comparison(msrs).problem(), "after: KVM_RUN accesses more MSRs: PAT"
        )

    def test_number_of_vmsave_and_vmload_is_seen(self):
        for event in HOST_SAVE_PAGE:
            for count in (0, 2 * RUNS):
                with self.subTest(event=event, count=count):
                    problem = comparison(**{event: count}).problem() or ""
                    self.assertRegex(problem, "^after: VM(SAVE|LOAD), host save page")


class SpreadTest(unittest.TestCase):
    def test_runs_that_differ_are_no_result(self):
        found = comparison()
        found.after.counted_runs[1].ticks = {"median": "2485"}
        self.assertEqual(found.problem(), "5.10-after: runs differ in: instructions")
        self.assertIn("WRONG", found.verdict())

    def test_counters_that_differ_are_named(self):
        found = comparison()
        odd = measurement(after_msrs(), **HOST_SAVE_PAGE, stgi=1)
        found.after.counted_runs[1].counted = Counted(odd)
        self.assertEqual(found.after.spread(), ["STGI"])


class TableTest(unittest.TestCase):
    def test_rows_have_both_figures(self):
        rows = {name: figures for name, *figures in comparison().rows()}
        self.assertEqual(rows["RDMSR"], [11, 1])
        self.assertEqual(rows["  at vcpu put"], [11, 1])
        self.assertEqual(rows["  STAR, both"], [2, 0])
        self.assertEqual(rows["VMLOAD, host save page"], [0, 1])

    def test_equal_kernels_do_not_differ(self):
        side = Side("6.1")
        side.counted_runs.append(run(measurement(after_msrs()), 2484))
        found = Comparison(side, side, False)
        self.assertFalse(found.differ)
        self.assertEqual(found.verdict(), "verdict: no difference in any KVM_RUN")
        self.assertIn("not compared: one run of each", found.text())


class WhatItCostsTest(unittest.TestCase):
    def side(self) -> Side:
        """A run whose host calls a function from one at 0x2000, and exits."""
        found = measurement(before_msrs())
        processor = found["processors"][0]
        processor["exits"][0]["handling"] = {
            "number": RUNS, "instructions": 900 * RUNS, "cycles": 1500 * RUNS
        }
        own = {"instructions": 100 * RUNS, "charged": 50 * RUNS}
        own |= {"reads": 0, "writes": 0}
        processor["call-graph"] = [
            own | {"kind": "root", "parent": 0, "address": 0},
            own | {"kind": "block", "parent": 0, "address": 0x1010, "writes": 2 * RUNS},
        ]
        side = Side("5.10-before", counted_runs=[run(found, 2876)])
        side.first.symbols = Symbols("1000 put [kvm]\n2000 get\n")
        return side

    def test_instructions_alone_without_a_model(self):
        side = self.side()
        exits = side.exits()
        self.assertEqual(exits[0]["name"], "HLT")
        self.assertEqual((exits[0]["count"], exits[0]["instructions"]), (1, 900))
        self.assertIsNone(exits[0]["cycles"])
        root = side.functions()
        self.assertEqual((root["name"], root["instructions"]), ("all", 200))
        self.assertIsNone(root["cycles"])

    def test_cycles_are_those_of_the_modelled_run(self):
        side = self.side()
        side.modelled_run = side.first
        model = CostModel(cost_model.find("zen2"))
        self.assertEqual(side.exits(model)[0]["cycles"], 1500)
        root = side.functions(model)
        self.assertEqual((root["cycles"], root["wrmsr"]), (300, 2))
        child = root["children"][0]
        self.assertEqual((child["name"], child["module"]), ("put", "kvm"))
        self.assertEqual(child["cycles"], 150)

    def test_small_functions_stay_in_their_callers(self):
        side = self.side()
        side.first.counted.call_graph[1]["instructions"] = 0
        side.first.counted.call_graph[1]["writes"] = RUNS
        root = side.functions()
        self.assertEqual((root["instructions"], root["wrmsr"]), (100, 1))
        self.assertEqual(root["children"], [])

    def test_without_symbols_there_are_no_functions(self):
        side = self.side()
        side.first.symbols = None
        self.assertIsNone(side.functions())


class CostModelTest(unittest.TestCase):
    def model(self, **costs: float) -> CostModel:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "mine.json")
            entries = {
                name.replace("_", " "): {"cycles": cycles, "source": "a test"}
                for name, cycles in costs.items()
            }
            path.write_text(json.dumps({"costs": entries}))
            return CostModel(path)

    def test_cycles_are_added_up(self):
        counted = Counted(measurement(before_msrs(), vmrun=RUNS))
        parts = self.model(instruction=2, vmrun=500, wrmsr=100).parts(counted, RUNS)
        self.assertEqual(parts, {"instruction": 5002, "vmrun": 500, "wrmsr": 1100})

    def test_an_msr_can_have_its_own_cost(self):
        counted = Counted(measurement(after_msrs()))
        counted.msr_indexes["TSC_AUX"] = 0xC0000103
        model = self.model(**{"wrmsr": 100, "wrmsr_0xc0000103": 7})
        self.assertEqual(model.parts(counted, RUNS), {"wrmsr 0xc0000103": 7})

    def test_sensitivity_is_that_of_the_counts(self):
        found = comparison()
        found.model = self.model(instruction=1, wrmsr=100, stgi=50)
        shares = {name: (half, twice) for name, half, twice in found.sensitivity()}
        # 2501 instructions on both sides, 11 and 1 WRMSR.
        half = (550 - 50) / (2501 + 550)
        twice = (2200 - 200) / (2501 + 2200)
        self.assertAlmostEqual(shares["wrmsr"][0], half)
        self.assertAlmostEqual(shares["wrmsr"][1], twice)
        self.assertNotIn("stgi", shares)

    def test_the_models_that_come_along_name_their_sources(self):
        models = sorted(cost_model.FOLDER.glob("*.json"))
        self.assertTrue(models)
        for path in models:
            for name, entry in json.loads(path.read_text())["costs"].items():
                with self.subTest(path.name, cost=name):
                    self.assertGreater(len(entry["source"]), 10)


class FallbackTest(unittest.TestCase):
    def pair(self, missing: str | None) -> tuple[tuple[str, str], str]:
        def find(kernel: str) -> None:
            if kernel == missing:
                raise SetupFailed("the mirror's bullseye has no linux-source-5.10")

        said = io.StringIO()
        with (
            unittest.mock.patch.object(compare_command, "find_kernel", find),
            contextlib.redirect_stderr(said),
        ):
            return compare_command._pair_that_there_is(), said.getvalue()

    def test_there_is_5_10(self):
        self.assertEqual(self.pair(None), (("5.10-before", "5.10-after"), ""))

    def test_without_5_10_it_is_6_1(self):
        pair, said = self.pair("5.10-before")
        self.assertEqual(pair, ("6.1-before", "6.1-after"))
        self.assertIn("5.10-before cannot be had: the mirror's bullseye has no", said)


class MisuseTest(unittest.TestCase):
    def says(self, *arguments: str) -> str:
        done = subprocess.run(
            [CHECKOUT / "svm", "compare", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        return done.stderr

    def test_each_misuse_has_its_message(self):
        for arguments, message in (
            (("--exits", "5"), "--exits 5: at least 100"),
            (("--runs", "0"), "--runs 0: at least 1"),
            (("--timed-runs", "-1"), "--timed-runs -1: 0 or more"),
            (("--cost-model", "zen9"), "--cost-model zen9: there is zen2, or"),
            (("--modules-after", "/tmp"), "for a kernel that is named too"),
            (("--npt", "2"), "--npt 2: it is 0 or 1"),
            (("--before", "5.9"), "5.9"),
            (("--after", "/nowhere"), "/nowhere"),
            (("--json", "/no/such/folder/x"), "no such folder"),
        ):
            with self.subTest(arguments):
                self.assertIn(message, self.says(*arguments))


if __name__ == "__main__":
    unittest.main()
