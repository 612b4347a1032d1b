# SPDX-License-Identifier: GPL-2.0-or-later
"""`./svm xen`: what it says when something is wrong, and how it reads a console.

    xen_command_test.py [--qemu ours|pristine|PATH] [TEST...]
"""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
SVM = CHECKOUT / "svm"
sys.path.insert(0, str(CHECKOUT / "scripts"))

import nested_boot
import xen_report

qemu = "ours"


def xen(*arguments: str) -> subprocess.CompletedProcess:
    """Run ./svm xen with the emulator under test."""
    command = [SVM, "xen", "--qemu", qemu, *arguments]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


class BadUsage(unittest.TestCase):
    """Nothing is booted for a command line that makes no sense."""

    def assert_refused(self, arguments: tuple[str, ...], text: str):
        done = xen(*arguments)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("svm: error: ", done.stderr)
        self.assertIn(text, done.stderr)

    def test_unknown_xen(self):
        self.assert_refused(("4.4",), "known are 4.17, 4.20")

    def test_no_xen(self):
        self.assert_refused(("/etc/passwd",), "no xen or xen.gz")
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"\x1f\x8b\x08 cut short")
            file.flush()
            self.assert_refused((file.name,), "cannot be uncompressed")

    def test_values(self):
        for arguments in (
            ("--dom0", "hvm"),
            ("--guest", "pv"),
            ("--append-xen", "dom0=pv"),
            ("--npt", "0"),
            ("--smp", "0"),
            ("--memory", "16M"),
            ("--timeout", "0"),
            ("--kernel", "4.4"),
            ("--json", "/nonexistent/result.json"),
        ):
            with self.subTest(arguments=arguments):
                self.assert_refused(arguments, "")


class Wrong(unittest.TestCase):
    """Each way in which Xen or dom0 can be wrong is noticed."""

    def assert_ends(self, done: subprocess.CompletedProcess, status: int, text: str):
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(text, done.stdout + done.stderr)

    def test_no_svm(self):
        done = xen("4.17", "--dom0", "pv", "--cpu", "EPYC,-svm")
        self.assert_ends(done, 1, "verdict: WRONG - Xen says nothing of SVM")

    def test_no_nested_paging(self):
        # Debian's Xen has no shadow paging to fall back to.
        done = xen("4.17", "--cpu", "EPYC,-npt")
        self.assert_ends(done, 1, "Xen: ")

    def test_panic_of_dom0(self):
        done = xen("4.17", "--dom0", "pv", "--append", "rdinit=/nonexistent")
        self.assert_ends(done, 1, "L1 kernel: Kernel panic")

    def test_time_out(self):
        self.assert_ends(xen("4.17", "--timeout", "1"), 4, "did not end within 1 s")

    def test_signs_of_a_broken_xen(self):
        for line in (
            "(XEN) Panic on CPU 1:",
            "(XEN) Xen BUG at drivers/passthrough/x86/iommu.c:123",
            "(XEN) Assertion 'x' failed at arch/x86/mm.c:1",
            "(XEN) d0v0 Triple fault - invoking HVM shutdown action 1",
            "(XEN) Domain 0 (vcpu#0) crashed on cpu#0:",
            "(XEN) Domain 0 reported crashed by domain 32767 on cpu#0:",
            "(XEN) Hardware Dom0 crashed: rebooting machine in 5 seconds.",
            "(XEN) Hardware Dom0 halted: halting machine",
            "(XEN) Hardware Dom0 shutdown: rebooting machine",
        ):
            self.assertRegex(line, nested_boot.BROKEN)
        for line in (
            "(XEN) WARNING: PVH is an experimental mode with limited functionality",
            "(XEN) Preparing system for ACPI S5 state.",
        ):
            self.assertNotRegex(line, nested_boot.BROKEN)


class Features(unittest.TestCase):
    """Which features Xen lists, and which ones it has to."""

    def test_listed(self):
        console = [
            "(XEN) HVM: ASIDs enabled.",
            "(XEN) SVM: Supported advanced features:",
            "(XEN)  - Nested Page Tables (NPT)",
            "(XEN)  - Virtual GIF",
            "(XEN) HVM: SVM enabled",
            "(XEN)  - something else",
        ]
        names = ["Nested Page Tables (NPT)", "Virtual GIF"]
        self.assertEqual(xen_report.names_listed(console), names)
        console[2:4] = ["(XEN)  - none"]
        self.assertEqual(xen_report.names_listed(console), [])
        self.assertIsNone(xen_report.names_listed(console[:1]))

    def test_due(self):
        with tempfile.NamedTemporaryFile() as file:
            for name in ("Nested Page Tables (NPT)", "DecodeAssists", "Virtual GIF"):
                file.write(name.encode() + b"\0")
            file.flush()
            image = Path(file.name)
            names = xen_report.names_due(0x0001_0089, image)
            self.assertEqual(
                names, ["Nested Page Tables (NPT)", "DecodeAssists", "Virtual GIF"]
            )
            # Without nRIP Xen does without decode assists; and a name that is not in
            # the image cannot be asked for.
            names = xen_report.names_due(0x0001_1081, image)
            self.assertEqual(names, ["Nested Page Tables (NPT)", "Virtual GIF"])

    def test_wrong_lists(self):
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"Nested Page Tables (NPT)\0Virtual GIF\0")
            file.flush()
            report = xen_report.XenReport(Path(file.name), "pvh")
            report.offered = 1
            self.assertIn("nothing of SVM", report.problem())
            report.console = ["(XEN) " + xen_report.HEADING, "(XEN)  - Virtual GIF"]
            self.assertIn("does not list: Nested Page", report.problem())
            report.offered = 0
            self.assertIn("does not offer: Virtual GIF", report.problem())
            report.offered = 1 << 16
            self.assertIn("dom0 is not up", report.problem())
            report.take("xen version=4.20.1 type=PVH capabilities=control_d")
            report.shutdown_reason = "guest-reset"
            self.assertIn("did not power off: guest-reset", report.problem())
            report.shutdown_reason = "guest-shutdown"
            self.assertIsNone(report.problem())


if __name__ == "__main__":
    unittest.main()
