# SPDX-License-Identifier: GPL-2.0-or-later
"""./svm exits of a Linux guest: what its exits cost, and where its own time is."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from exits_test import CHECKOUT, paths  # noqa: E402


class ExitsOfLinuxTest(unittest.TestCase):
    def test_system_calls_in_a_guest(self):
        with tempfile.TemporaryDirectory() as temporary:
            result = Path(temporary, "result.json")
            command = [CHECKOUT / "svm", "exits", "--guest", "linux"]
            done = subprocess.run(
                [*command, "--workload", "syscalls", "--json", result],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            found = json.loads(result.read_text())
        exits = {exit["name"]: exit for exit in found["exits"]}
        # They need no host: what is left are L1's and the guest's timers.
        self.assertIn("INTR", exits)
        self.assertLess(sum(exit["count"] for exit in exits.values()), 10_000)
        self.assertAlmostEqual(sum(exit["share"] for exit in exits.values()), 1)
        guests = [
            (node["cycles"], path)
            for path, node in paths(found["functions"])
            if path[-1] == "[guest]"
        ]
        # Others were entered by a call that began before the meter did.
        self.assertIn("svm_vcpu_run", max(guests)[1])
        whole = found["functions"]["cycles"]
        in_guests = sum(cycles for cycles, _path in guests)
        self.assertGreater(in_guests, 0.9 * whole)
        self.assertLess(in_guests, whole)


if __name__ == "__main__":
    unittest.main()
