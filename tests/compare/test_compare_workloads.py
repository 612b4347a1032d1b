# SPDX-License-Identifier: GPL-2.0-or-later
"""./svm compare --guest linux without an emulator: how the figures are judged."""

import contextlib
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "scripts"))

import command_line  # noqa: E402
from compare_workloads import Side, WorkloadComparison  # noqa: E402
from cost_model import CostModel  # noqa: E402
from guest_workloads import WORKLOADS  # noqa: E402
from linux_guest_report import Guest, LinuxGuestReport  # noqa: E402
from meter_report import Counted  # noqa: E402
from workload_report import MeasuredPart  # noqa: E402

EXITS = 1000


def model() -> CostModel:
    """An instruction takes a cycle, VMRUN and WRMSR 100."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mine.json")
        costs = {"instruction": 1, "vmrun": 100, "wrmsr": 100}
        entries = {
            name: {"cycles": cycles, "source": "a test"}
            for name, cycles in costs.items()
        }
        path.write_text(json.dumps({"costs": entries}))
        return CostModel(path)


def run(
    workload: str, writes: int, microseconds: int, model: CostModel | None
) -> LinuxGuestReport:
    """A run in which the host made so many WRMSR, and that took so long."""
    part = MeasuredPart(WORKLOADS[workload], model)
    part.take("measured", {"begin": "10.0"})
    part.take("measured", {"end": str(10 + microseconds / 1e6)})
    part.take("time", {"microseconds": str(microseconds)})
    none = {"reads": 0, "writes": 0}
    places = dict.fromkeys(("before-run", "in-run", "in-guest"), none)
    part.counted = Counted(
        {
            "processors": [
                {
                    "exits": [
                        {
                            "code": 0x78,
                            "name": "HLT",
                            "count": EXITS,
                            "handling": {
                                "number": EXITS,
                                "instructions": 450 * EXITS,
                                "cycles": 650 * EXITS,
                            },
                        }
                    ],
                    "events": {"vmrun": {"host": EXITS, "guest": 0}},
                    "msrs": [
                        {
                            "name": "STAR",
                            "index": 0xC0000081,
                            "after-run": {"reads": 0, "writes": writes},
                            **places,
                        }
                    ],
                    "host": {"instructions": 500_000},
                    "guest": {"instructions": 300_000},
                }
            ]
        }
    )
    guest = Guest(2, vcpus=1, megabytes=512, machine="q35", seed=1)
    report = LinuxGuestReport(guest, part, True)
    report.kernel = "5.10.0"
    report.values["kernel"] = "6.1.0"
    return report


def comparison(
    after_writes: int = 0,
    after_time: int = 900_000,
    second_writes: int | None = None,
    chosen: CostModel | None = None,
) -> WorkloadComparison:
    """Two runs of each side; the last may have made another number of WRMSR."""
    before, after = Side("5.10-before", None), Side("5.10-after", None)
    before.runs["disk"] = [run("disk", 1000, 1_000_000, chosen) for _ in range(2)]
    if second_writes is None:
        second_writes = after_writes
    after.runs["disk"] = [
        run("disk", writes, after_time, chosen)
        for writes in (after_writes, second_writes)
    ]
    return WorkloadComparison(before, after, ["disk"], chosen)


class ComparisonTest(unittest.TestCase):
    def test_what_is_saved_is_saved_of_the_time(self):
        found = comparison(chosen=model())
        self.assertIsNone(found.problem())
        self.assertTrue(found.differ)
        self.assertEqual(
            found.verdict(),
            "verdict: the kernels differ - of the modelled time is saved: disk 10.00%",
        )

    def test_rows_have_both_figures(self):
        rows = {name: both for name, *both in comparison(chosen=model()).rows("disk")}
        self.assertEqual(rows["WRMSR"], [1000, 0])
        self.assertEqual(rows["VMRUN"], [EXITS, EXITS])
        self.assertEqual(rows["#VMEXIT HLT"], [EXITS, EXITS])
        self.assertEqual(rows["milliseconds"], [1000, 900])
        self.assertEqual(rows["modelled cycles"], [1_000_000, 900_000])
        self.assertEqual(rows["share of world switches"], [0.2, 1 / 9])
        self.assertEqual(rows["  RDMSR and WRMSR"], [0.1, 0])

    def test_text_shows_shares_in_percent(self):
        text = comparison(chosen=model()).text()
        self.assertRegex(text, r"share of world switches +20\.00% +11\.11% +8\.89%")
        self.assertIn("spread: none in 2 runs of each", text)
        self.assertIn("those of a model, mine", text)
        self.assertNotIn("model", comparison().text())

    def test_runs_that_differ_are_no_result(self):
        found = comparison(second_writes=1)
        self.assertEqual(
            found.problem(), "5.10-after, disk: runs differ in: WRMSR STAR, vcpu put"
        )
        self.assertIn("WRONG", found.verdict())
        self.assertFalse(found.as_dict()["right"])

    def test_equal_kernels_do_not_differ(self):
        found = comparison(after_writes=1000, after_time=1_000_000)
        self.assertFalse(found.differ)
        self.assertEqual(found.verdict(), "verdict: no difference in any figure")

    def test_results_hold_what_the_table_shows(self):
        found = comparison(chosen=model())
        [workload] = json.loads(json.dumps(found.as_dict()))["workloads"]
        self.assertAlmostEqual(workload["saved"], 0.1)
        rows = {row["name"]: row for row in workload["rows"]}
        self.assertEqual(rows["WRMSR"]["before"], 1000)
        self.assertEqual(workload["after"]["exits_by_code"], {"HLT": EXITS})


class MisuseTest(unittest.TestCase):
    def test_each_misuse_has_its_message(self):
        linux = ["--guest", "linux"]
        for arguments, message in (
            (["--workload", "disk"], "--workload does not go with --guest halt-loop"),
            (["--guest-kernel", "6.1"], "--guest-kernel does not go with"),
            ([*linux, "--exits", "500"], "--exits does not go with --guest linux"),
            ([*linux, "--html", "/no/such/x"], "--html /no/such/x: no such folder"),
            ([*linux, "--svg", "x", "--cost-model", "none"], "without a cost model"),
            ([*linux, "--workload", "x"], "invalid choice: 'x'"),
            ([*linux, "--guest-kernel", "5.9"], "unknown kernel '5.9'"),
            ([*linux, "--before", "6.1-686-pae"], "needs a host of 64 bits"),
        ):
            errors = io.StringIO()
            with self.subTest(arguments), contextlib.redirect_stderr(errors):
                self.assertEqual(command_line.main(["compare", *arguments]), 2)
            self.assertIn(message, errors.getvalue())


if __name__ == "__main__":
    unittest.main()
