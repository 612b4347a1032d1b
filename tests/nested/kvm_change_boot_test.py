# SPDX-License-Identifier: GPL-2.0-or-later
"""KVM without and with the change of kvm-change/: both run a guest, one does less.

    kvm_change_boot_test.py [--qemu ours|pristine|PATH] [TEST...]
"""

import functools
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "scripts"))

EXITS = 2000
# Written where the kernel is at its end: the last stamp of its own clock.
LAST_WORDS = "reboot: Power down"

qemu = "ours"
series = "5.10"


def count(kernel: str) -> tuple[dict[str, Any], list[str]]:
    """The result of a counted run of the halt loop, and all that L1 said."""
    with tempfile.TemporaryDirectory() as temporary:
        result = Path(temporary, "result.json")
        command = [CHECKOUT / "svm", "run", "--qemu", qemu, "--kernel", kernel]
        command += ["--icount", "--exits", str(EXITS), "--keep-log", "--json", result]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            raise AssertionError(done.stdout + done.stderr)
        (log,) = (
            Path(line.removeprefix("svm: log: "))
            for line in done.stderr.splitlines()
            if line.startswith("svm: log: ")
        )
        # What the emulator says itself is no part of L1.
        lines = log.read_text().splitlines()
        said = [line for line in lines if not line.startswith("emulator: ")]
        log.unlink()
        return json.loads(result.read_text()), said


@functools.cache
def first_count(kernel: str) -> tuple[dict[str, Any], list[str]]:
    """The same, once for all tests."""
    return count(kernel)


class KvmChange(unittest.TestCase):
    """Counted runs of kernels that differ in kvm-amd alone."""

    def assert_right(self, kernel: str) -> None:
        """All exits as expected, and as many instructions for nearly all of them."""
        result, _said = first_count(kernel)
        self.assertTrue(result["right"])
        self.assertEqual(result["exits_right"], EXITS)
        self.assertTrue(result["kernel"].startswith(f"{series}."))
        ticks = result["ticks"]
        self.assertGreater(ticks["median"], 1000)
        self.assertEqual(ticks["p10"], ticks["median"])
        self.assertEqual(ticks["p90"], ticks["median"])

    def test_before(self):
        self.assert_right(f"{series}-before")

    def test_after(self):
        self.assert_right(f"{series}-after")

    def test_after_takes_less(self):
        before = first_count(f"{series}-before")[0]["instructions_per_exit"]
        after = first_count(f"{series}-after")[0]["instructions_per_exit"]
        print(f"# instructions per KVM_RUN: {before} before, {after} after")
        self.assertLess(after, before)
        # Reading and writing ten MSRs and three selectors takes hundreds of
        # instructions, but not the larger part of them all.
        self.assertGreater(before - after, 200)
        self.assertLess(before - after, before / 2)

    def test_a_second_run_is_the_same_to_the_instruction(self):
        result, said = first_count(f"{series}-after")
        again, said_again = count(f"{series}-after")
        self.assertEqual(again["ticks"], result["ticks"])
        self.assertTrue(any(LAST_WORDS in line for line in said), said[-3:])
        self.assertEqual(said_again, said)

    def test_kernel_has_debians_modules_but_for_two(self):
        import kernel_package
        import kvm_change

        debian = kernel_package.find_kernel(series)
        for variant in kvm_change.VARIANTS:
            name = f"{series}-{variant}"
            kernel = kernel_package.find_kernel(name)
            built = {
                path.name.replace("-", "_"): path.read_bytes()
                for path in kvm_change.modules(series, variant)
            }
            self.assertEqual(kernel.version, debian.version)
            self.assertEqual(kernel.modules, debian.modules)
            for module in kernel.modules["kvm"]:
                content = (kernel.folder / module).read_bytes()
                its_own = (debian.folder / module).read_bytes()
                with self.subTest(f"{module} of {name}"):
                    self.assertEqual(content, built.get(module, its_own))
                    self.assertEqual(content != its_own, module in built)


if __name__ == "__main__":
    if "--qemu" in sys.argv:
        place = sys.argv.index("--qemu")
        qemu = sys.argv[place + 1]
        del sys.argv[place : place + 2]
    unittest.main()
