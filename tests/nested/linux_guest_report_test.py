# SPDX-License-Identifier: GPL-2.0-or-later
"""What `./svm run --guest linux` makes of the lines that L1 and a guest report."""

import hashlib
import sys
import tempfile
import unittest
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "scripts"))

from linux_guest_report import (  # noqa: E402
    SHARE_BYTES,
    Guest,
    LinuxGuestReport,
    exit_names,
    numbers_digest,
    pattern_digest,
)

SEED = 123456789
FILE = bytes(range(256)) * (SHARE_BYTES // 256 + 1)


class LinuxGuestReportTest(unittest.TestCase):
    def setUp(self):
        file = tempfile.NamedTemporaryFile()
        self.addCleanup(file.close)
        file.write(FILE)
        file.flush()
        self.shared_kernel = Path(file.name)

    def report(self, *changes: tuple[str, str], levels: int = 2) -> LinuxGuestReport:
        """Of a right run, in whose lines the first text is changed to the second."""
        guest = Guest(levels, vcpus=1, megabytes=512, machine="q35", seed=SEED)
        report = LinuxGuestReport(guest)
        report.shared_kernel = self.shared_kernel
        within = "".join(f"l{level} " for level in range(2, levels))
        inner = f"{within}l{levels} "
        lines = [
            "l1 kernel=6.1.0 cpus=1",
            f"{inner}guest kernel=6.1.0 cpus=1",
            f"{inner}guest memory=480000",
            f"{inner}guest hypervisor=KVM",
            f"{inner}timer cpu=0 slept=101",
            f"{inner}numbers cpu=0 digest={numbers_digest(SEED)}",
            f"{inner}pattern digest={pattern_digest(SEED)}",
            f"{inner}copy same=1",
            f"{inner}share digest={hashlib.sha256(FILE[:SHARE_BYTES]).hexdigest()}",
            f"{inner}l1 end=done",
        ]
        for level in range(levels, 1, -1):
            outer = "".join(f"l{host} " for host in range(2, level))
            lines += [
                f"{outer}kvm-stat level={level} exits=30",
                f"{outer}kvm-stat level={level} io_exits=20",
                f"{outer}exit-code level={level} code=123 count=20",
                f"{outer}exit-code level={level} code=0 count=10",
                f"{outer}vmm level={level} end=SHUTDOWN reason=guest-shutdown status=0",
                f"{outer}l1 end=done",
            ]
        for line in lines:
            for old, new in changes:
                line = line.replace(old, new)
            report.take(line)
        return report

    def test_right(self):
        for levels in (2, 3):
            report = self.report(levels=levels)
            self.assertIsNone(report.problem())
            self.assertTrue(report.ended)
            self.assertEqual(report.kernel, "6.1.0")
            counts = {"IOIO": 20, "READ_CR0": 10}
            for level in range(2, levels + 1):
                self.assertEqual(report.exits(level), 30)
                self.assertEqual(report.reasons(level), counts)

    def test_each_wrong_answer(self):
        for old, new, problem in (
            (numbers_digest(SEED)[:9], "0", "digest of numbers on CPU 0 is 0"),
            (pattern_digest(SEED)[:9], "0", "digest of its memory is 0"),
            ("share digest=", "share digest=0", "digest of a shared file is 0"),
            ("same=1", "same=0", "copy of its memory is 0"),
            ("slept=101", "slept=7", "sleep 1 took 7 hundredths"),
            ("hypervisor=KVM", "hypervisor=", "hypervisor is  instead of KVM"),
            ("memory=480000", "memory=1000", "1000 kB of memory"),
            ("6.1.0 cpus=1", "6.1.0 cpus=2", "number of CPUs is 2 instead of 1"),
            ("guest-shutdown", "guest-reset", "did not power off: SHUTDOWN, guest-res"),
            (" exits=30", " exits=0", "KVM counted no exits of L2"),
            ("l2 l1 end", "l2 x", "L2 did not come to its end"),
            ("l2 ", "x ", "L2 did not reach its init"),
        ):
            with self.subTest(problem=problem):
                self.assertIn(problem, self.report((old, new)).problem() or "none")

    def test_vmm_that_ends_at_once(self):
        report = self.report(("l2 ", "x "), ("end=SHUTDOWN", "end=none"))
        report.take("vmm-output level=2 Could not access KVM kernel module")
        self.assertIn("status 0: Could not access KVM", report.problem())

    def test_exit_names(self):
        names = exit_names()
        self.assertEqual(names[0x14], "WRITE_CR4")
        self.assertEqual(names[0x4E], "exception 14")
        self.assertEqual(names[0x400], "NPF")


if __name__ == "__main__":
    unittest.main()
