# SPDX-License-Identifier: GPL-2.0-or-later
"""./svm compare --guest linux with real kernels: what a guest's disk takes of both."""

import json
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
NO_DIFFERENCE = 5


def compare(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """The status, what --json holds, and the table."""
    with tempfile.TemporaryDirectory() as temporary:
        result = Path(temporary, "result.json")
        command = [CHECKOUT / "svm", "compare", "--guest", "linux"]
        command += ["--workload", "disk", "--json", result, *arguments]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if not result.exists():
            raise AssertionError(done.stdout + done.stderr)
        return done.returncode, json.loads(result.read_text()), done.stdout


class CompareWorkloadsTest(unittest.TestCase):
    def test_the_change_of_kvm(self):
        status, result, table = compare()
        self.assertEqual(status, 0, table)
        self.assertIsNone(result["problem"])
        self.assertEqual(result["runs"], 2)
        self.assertIn("spread: none in 2 runs of each", table)
        [disk] = result["workloads"]
        rows = {row["name"]: row for row in disk["rows"]}
        # A save for each load of the vCPU, a load for each VMRUN; and far fewer MSRs.
        page = rows["VMSAVE, host save page"]
        self.assertEqual(page["before"], 0)
        self.assertGreater(page["after"], 100)
        self.assertEqual(
            rows["VMLOAD, host save page"]["after"], rows["VMRUN"]["after"]
        )
        self.assertGreater(rows["WRMSR"]["before"], 2 * rows["WRMSR"]["after"])
        # It takes less time for that, but not much.
        self.assertTrue(0 < disk["saved"] < 0.1, disk["saved"])
        shares = [disk[side]["share_of_world_switches"] for side in ("before", "after")]
        self.assertTrue(0.1 > shares[0] > shares[1] > 0, shares)

    def test_a_kernel_beside_itself(self):
        pair = ("--before", "5.10-after", "--after", "5.10-after")
        status, result, table = compare("--runs", "1", "--cost-model", "none", *pair)
        self.assertEqual(status, NO_DIFFERENCE, table)
        self.assertEqual(result["workloads"][0]["saved"], 0)


if __name__ == "__main__":
    unittest.main()
