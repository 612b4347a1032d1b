# SPDX-License-Identifier: GPL-2.0-or-later
"""./svm exits with a real kernel: the exit that a halt is, and the functions of KVM."""

import json
import subprocess
import tempfile
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
EXITS = 500


def paths(node: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple]:
    """Each function of a tree: the names from the root to it, and itself."""
    names = (*above, node["name"])
    yield names, node
    for child in node["children"]:
        yield from paths(child, names)


class ExitsTest(unittest.TestCase):
    def test_halts_of_6_1(self):
        with tempfile.TemporaryDirectory() as temporary:
            result = Path(temporary, "result.json")
            done = subprocess.run(
                [CHECKOUT / "svm", "exits", "--exits", str(EXITS), "--json", result],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            found = json.loads(result.read_text())
        exits = {exit["name"]: exit for exit in found["exits"]}
        self.assertEqual(exits["HLT"]["count"], EXITS)
        # A system call, and KVM in it; the model takes more for #VMEXIT and VMRUN.
        self.assertGreater(exits["HLT"]["instructions"], 1000)
        self.assertGreater(exits["HLT"]["cycles"], exits["HLT"]["instructions"] + 900)
        self.assertIn("HLT", done.stdout)
        functions = dict(paths(found["functions"]))
        [path] = [path for path in functions if path[-1] == "kvm_arch_vcpu_ioctl_run"]
        self.assertIn("kvm_vcpu_ioctl", path)
        self.assertTrue(path[1].startswith("entry_SYSCALL_64"), path)
        run = functions[path]
        self.assertEqual(run["module"], "kvm")
        # Its own are those of some calls more than once, or of all exactly once.
        entered = {
            names: node
            for names, node in functions.items()
            if names[-1] == "__svm_vcpu_run" and "svm_vcpu_run" in names
        }
        self.assertTrue(entered)
        self.assertTrue(all(names[: len(path)] == path for names in entered))
        # Nothing that was executed is missing: the sums fit the exit's own figures.
        whole = found["functions"]["instructions"]
        self.assertLess(abs(whole - exits["HLT"]["instructions"]), 0.02 * whole)


if __name__ == "__main__":
    unittest.main()
