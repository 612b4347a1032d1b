# SPDX-License-Identifier: GPL-2.0-or-later
"""./svm compare with real kernels: what the change of KVM saves."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "tests" / "compare"))

from page_content import Page, missing_figures  # noqa: E402

NO_DIFFERENCE = 5


def compare(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """The status, what --json holds, and the table; the report has to fit them."""
    with tempfile.TemporaryDirectory() as temporary:
        result, report = Path(temporary, "result.json"), Path(temporary, "report.html")
        command = [CHECKOUT / "svm", "compare", "--exits", "500", "--timed-runs", "0"]
        done = subprocess.run(
            [*command, *arguments, "--json", result, "--html", report],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if not result.exists():
            raise AssertionError(done.stdout + done.stderr)
        found, page = json.loads(result.read_text()), Page(report.read_text())
        if page.figures != found or missing_figures(page, found):
            raise AssertionError(f"the report: {missing_figures(page, found)}")
        return done.returncode, found, done.stdout


class CompareTest(unittest.TestCase):
    def test_the_change_of_kvm(self):
        status, result, table = compare()
        self.assertEqual(status, 0, table)
        self.assertIsNone(result["problem"])
        self.assertTrue(result["differ"])
        rows = {row["name"]: row for row in result["rows"]}
        # The list of facts: read at vcpu load, GS_BASE written in the run.
        self.assertEqual(round(rows["RDMSR"]["before"]), 11)
        self.assertEqual(round(rows["RDMSR"]["after"]), 1)
        self.assertEqual(round(rows["in the run"]["after"]), 0)
        self.assertEqual(round(rows["VMSAVE, host save page"]["after"]), 1)
        self.assertEqual(round(rows["VMLOAD, host save page"]["after"]), 1)
        for side in ("before", "after"):
            with self.subTest(side):
                self.assertEqual(result[side]["spread"], [])
                self.assertEqual(result[side]["counted_runs"], 2)
        saved = result["before"]["instructions"] - result["after"]["instructions"]
        self.assertGreater(saved, 200)
        self.assertIn(f"{saved} instructions fewer", table)
        # The functions' accesses to MSRs are those that were counted.
        for side in ("before", "after"):
            functions = result[side]["functions"]
            for name in ("RDMSR", "WRMSR"):
                counted = rows[name][side]
                self.assertAlmostEqual(functions[name.lower()], counted, delta=0.1)
        # The model takes more cycles than instructions, and finds more saved.
        sides = ("before", "after")
        cycles = [result[side]["modelled_cycles"] for side in sides]
        self.assertGreater(cycles[0], result["before"]["instructions"])
        self.assertGreater(cycles[0] - cycles[1], saved)
        self.assertIn("The cycles are those of a model, zen2", table)
        # All that is saved is saved in the function.
        parts = [result[side]["instructions_in_function"] for side in sides]
        self.assertEqual(parts[0] - parts[1], saved)
        self.assertLess(parts[0], result["before"]["instructions"])
        parts = [result[side]["modelled_cycles_in_function"] for side in sides]
        self.assertEqual(parts[0] - parts[1], cycles[0] - cycles[1])

    def test_a_kernel_beside_itself(self):
        status, result, table = compare(
            *("--runs", "1", "--before", "5.10-after", "--cost-model", "none")
        )
        self.assertEqual(status, NO_DIFFERENCE, table)
        self.assertFalse(result["differ"])
        self.assertEqual(result["before"], result["after"])


if __name__ == "__main__":
    unittest.main()
