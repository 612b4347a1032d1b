# SPDX-License-Identifier: GPL-2.0-or-later
"""The change of KVM undone, without a build: what the seams make of 6.1's source."""

import re
import sys
import unittest
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "scripts"))
sys.path.insert(0, str(Path(__file__).parent))

import graft
import kvm_change
from test_kvm_change import function, kernel_style

CHANGE = kvm_change.CHANGES["6.1"]
FOLDER = "arch/x86/kvm/svm"
# What VMSAVE saves, as far as a host of 64 bits has it in MSRs.
MSRS = """
    STAR LSTAR CSTAR SYSCALL_MASK KERNEL_GS_BASE FS_BASE
    IA32_SYSENTER_CS IA32_SYSENTER_ESP IA32_SYSENTER_EIP
""".split()


class SeamsOnDebiansSource(unittest.TestCase):
    """What the seams make of the source that the mirror has now."""

    @classmethod
    def setUpClass(cls):
        cls.tree = kvm_change.source_tree(CHANGE.series)
        cls.version = kvm_change.tree_version(cls.tree)
        cls.grafted = kvm_change.grafted_files(CHANGE, cls.tree, cls.version)

    def text(self, name: str) -> str:
        """A file of the grafted tree."""
        return self.grafted[f"{FOLDER}/{name}"].decode()

    def test_every_seam_matches_and_is_reviewed(self):
        seams = graft.read_seams(CHANGE.seams)
        for outcome in graft.examine(self.tree, seams, self.version):
            with self.subTest(outcome.seam.name):
                self.assertTrue(outcome.applies)
                self.assertEqual(outcome.problems, [])
                self.assertTrue(outcome.reviewed)

    def test_load(self):
        load = function(self.text("svm.c"), "svm_prepare_switch_to_guest")
        self.assertNotRegex(load, r"\bvmsave\(")
        self.assertEqual(load.count("svm_read_host_registers("), 1)
        # Not before it is known that the host's are still in place.
        start = load.index("guest_state_loaded)\n\t\treturn;")
        self.assertLess(start, load.index("svm_read_host_registers("))

    def test_run(self):
        was = (self.tree / FOLDER / "vmenter.S").read_text()
        now = self.text("vmenter.S")
        self.assertEqual(was.count("vmload"), 2)
        self.assertEqual(now.count("vmload"), 1)
        self.assertNotIn("save_area_pa", now)
        # What is pushed has to be popped.
        for word, count in (("push)", 1), ("pop %_ASM_AX", 2)):
            self.assertEqual(was.count(word), count)
            self.assertEqual(now.count(word), count - 1)

    def test_put(self):
        put = function(self.text("svm.c"), "svm_prepare_host_switch")
        self.assertLess(
            put.index("svm_write_host_registers("), put.index("loaded = false")
        )

    def test_all_that_vmsave_saves_is_read_and_written(self):
        ours = self.text("host-registers.h")
        table = re.search(r"numbers\[SVM_HOST_MSRS\] = \{(.*?)\};", ours, re.DOTALL)[1]
        self.assertEqual(
            sorted(re.findall(r"\bMSR_(\w+)", table)), sorted(MSRS), table
        )
        both, only_64_bit = table.split("#ifdef CONFIG_X86_64")
        counts = both.count("MSR_"), both.count("MSR_") + only_64_bit.count("MSR_")
        size = re.search(r"CONFIG_X86_64\) \? (\d+) : (\d+)", self.text("svm.h"))
        self.assertEqual((int(size[2]), int(size[1])), counts)

    def test_kernel_style(self):
        self.assertEqual(kernel_style(self.tree, CHANGE), "")


if __name__ == "__main__":
    unittest.main()
