# SPDX-License-Identifier: GPL-2.0-or-later
"""./svm bench with real kernels: figures of each emulator, and no judgement of them."""

import json
import subprocess
import tempfile
import unittest
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
EXITS = 500


class BenchTest(unittest.TestCase):
    def test_with_and_without_a_meter(self):
        with tempfile.TemporaryDirectory() as temporary:
            result = Path(temporary, "result.json")
            done = subprocess.run(
                [CHECKOUT / "svm", "bench", "--qemu", "ours", "--qemu", "ours+meter"]
                + ["--rounds", "2", "--exits", str(EXITS), "--json", result],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            found = json.loads(result.read_text())
        self.assertEqual(found["exits"], EXITS)
        for emulator in found["emulators"]:
            self.assertIn("qemu-svm", emulator["version"])
            self.assertEqual(len(emulator["runs"]), 2)
            for run in emulator["runs"]:
                # An exit takes an emulator microseconds, and less than a second.
                self.assertGreater(run["least_ticks"], 1000)
                self.assertLessEqual(run["least_ticks"], run["ticks"])
                self.assertGreater(run["exits_per_second"], 1)
        [ratio] = found["ratios"]
        self.assertEqual((ratio["of"], ratio["to"]), ("ours+meter", "ours"))
        self.assertIn(f"ours+meter / ours: {ratio['median']:.3f}", done.stdout)


if __name__ == "__main__":
    unittest.main()
