# SPDX-License-Identifier: GPL-2.0-or-later
"""`./svm soak`: that it notices what is wrong, and what it says and leaves then.

    soak_command_test.py [--qemu ours|pristine|PATH] [TEST...]
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

CHECKOUT = Path(__file__).resolve().parents[2]
SVM = CHECKOUT / "svm"
sys.path.insert(0, str(CHECKOUT / "scripts"))

import nested_boot
import soak_command
from errors import BadUsage, SetupFailed
from qmp import Refused
from soak_report import SoakReport

qemu = "ours"

SECONDS = 120.0  # for a step that takes a few


def soak(*arguments: str) -> subprocess.CompletedProcess:
    """Run ./svm soak with the emulator under test."""
    return subprocess.run(
        [SVM, "soak", "--qemu", qemu, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class SoakTest(unittest.TestCase):
    """Helpers."""

    def assert_wrong(self, status: int, output: str, errors: str, text: str):
        """A report with the verdict WRONG, for this reason; its log goes."""
        log = re.search(r"\(log: (.*)\)$", output, re.MULTILINE)
        if log:
            Path(log[1]).unlink()
        self.assertEqual(status, 1, output + errors)
        verdict = output.splitlines()[-1]
        self.assertTrue(verdict.startswith("verdict: WRONG - "), verdict)
        self.assertIn(text, verdict)
        self.assertNotIn("Traceback", errors)


class Misuse(SoakTest):
    """One line and status 2; nothing is booted."""

    def test_values(self):
        for arguments, text in (
            ((), "form"),
            (("forever",), "invalid choice: 'forever'"),
            (("plain", "--minutes", "0"), "--minutes 0: more than 0"),
            (("plain", "--minutes", "-1"), "--minutes -1: more than 0"),
            (("plain", "--minutes", "nan"), "--minutes nan: more than 0"),
            (("plain", "--minutes", "long"), "invalid float value: 'long'"),
            (("plain", "--guests", "0"), "--guests 0: 1 to 64"),
            (("plain", "--guests", "65"), "--guests 65: 1 to 64"),
            (("plain", "--cpus", "0"), "--smp 0: a machine has 1 to 255 CPUs"),
            (("plain", "--npt", "2"), "--npt 2: it is 0 or 1"),
            (("plain", "--memory", "16M"), "it is 256M or more"),
            (("plain", "--kernel", "4.4"), "known are 5.10"),
            (("plain", "--qemu", "/nonexistent/qemu"), "no such program"),
            (("plain", "--cpu", "nonexistent"), "'nonexistent'"),
        ):
            with self.subTest(arguments=arguments):
                done = soak(*arguments)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertEqual(done.stdout, "")
                error = done.stderr.splitlines()[-1]
                self.assertTrue(error.startswith("svm: error: "), done.stderr)
                self.assertIn(text, error)
                self.assertNotIn("Traceback", done.stderr)

    def test_no_program(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "emulator")
            file.write_text("not a program")
            file.chmod(0o755)
            done = soak("plain", "--qemu", str(file))
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("svm: error: cannot start ", done.stderr.splitlines()[-1])

    def made(self, form: type) -> soak_command.Soak:
        """A soak that has not started."""
        report = SoakReport(1)
        found = form(["/nonexistent/qemu"], report, 1, Path("/nonexistent"))
        self.addCleanup(found.boot._selector.close)
        return found

    def test_no_qemu_img(self):
        snapshots = self.made(soak_command.SnapshotSoak)
        with (
            mock.patch("shutil.which", return_value=None),
            self.assertRaisesRegex(BadUsage, "snapshots need qemu-img"),
        ):
            snapshots.prepare(Path("/nonexistent/qemu"), "256M")

    def test_no_space(self):
        with (
            mock.patch("shutil.disk_usage", return_value=mock.Mock(free=10**6)),
            self.assertRaisesRegex(SetupFailed, "the saved machine needs 1.* MB"),
        ):
            self.made(soak_command.MigrationSoak).prepare(Path("/q"), "256M")

    def test_no_migration_to_a_file(self):
        migration = self.made(soak_command.MigrationSoak)
        error = Refused("migrate: unknown migration protocol: file:x")
        with (
            mock.patch.object(migration, "ask", side_effect=[{}, error]),
            self.assertRaisesRegex(BadUsage, "cannot migrate to a file"),
        ):
            migration.disturb()


class Faults(SoakTest):
    """Each check of kvm-soak can fail."""

    def test_each_check(self):
        kinds = {
            "exit": "KVM_EXIT_IO (2): out port 0x77 size 1 data 0x",
            "register": "the guest saw in r9 0x",
            "fpu": "the guest saw in xmm3, bits from 64 0x",
            "memory": "the guest saw in memory at 0x",
            "system": "the guest saw in lstar 0x",
            "interrupt": "events where it had seen",
            "host": "KVM_RUN brought the host 0x",
        }
        faults = ",".join(f"{kind}:70" for kind in kinds)
        done = soak("plain", "--guests", str(len(kinds)), "--fault", faults)
        self.assert_wrong(done.returncode, done.stdout, done.stderr, "(and 6 more)")
        # The guest counts rounds itself: a signal can end the host's 70th before it
        # has begun the guest's.
        rounds = "(69|70|71)"
        for number, text in enumerate(kinds.values()):
            line = rf"(?m)^guest {number}: +round {rounds}, .*{re.escape(text)}"
            self.assertRegex(done.stdout, line)

    def test_stalled_guest(self):
        done = soak("plain", "--guests", "2", "--fault", "stall:3")
        self.assert_wrong(
            done.returncode, done.stdout, done.stderr, "no exit within 30 s"
        )

    def test_panic(self):
        done = soak("plain", "--append", "rdinit=/nonexistent")
        self.assert_wrong(
            done.returncode, done.stdout, done.stderr, "L1 kernel: Kernel panic"
        )

    def test_kvm_does_not_load(self):
        done = soak("plain", "--cpu", "EPYC,-svm")
        self.assert_wrong(
            done.returncode, done.stdout, done.stderr, "kvm-amd did not load in L1"
        )


class Ended(SoakTest):
    """An end from outside, while the machine is migrated again and again."""

    def start(self) -> tuple[subprocess.Popen, int]:
        """A soak whose guests run, and its emulator."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.errors = self.folder / "errors"
        temporary = self.folder / "temporary"
        temporary.mkdir()
        with self.errors.open("w") as errors:
            process = subprocess.Popen(
                [SVM, "soak", "migration", "--qemu", qemu, "--keep-log"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=os.environ | {"TMPDIR": str(temporary)},
            )
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        deadline = time.monotonic() + SECONDS
        while " migrations" not in self.errors.read_text():
            self.assertLess(time.monotonic(), deadline, self.errors.read_text())
            self.assertIsNone(process.poll(), self.errors.read_text())
            time.sleep(0.1)
        return process, self.emulator(process)

    def emulator(self, process: subprocess.Popen) -> int:
        """There is one all the time, but for a moment."""
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        deadline = time.monotonic() + SECONDS
        while not (found := children.read_text().split()):
            self.assertLess(time.monotonic(), deadline)
        return int(found[0])

    def assert_nothing_left(self, emulator: int):
        """Neither the emulator nor a file."""
        deadline = time.monotonic() + 10
        while Path(f"/proc/{emulator}").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertFalse(Path(f"/proc/{emulator}").exists())
        self.assertEqual(list((self.folder / "temporary").iterdir()), [])

    def test_interrupted(self):
        process, emulator = self.start()
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(SECONDS), 130)
        self.assertNotIn("Traceback", self.errors.read_text())
        self.assert_nothing_left(emulator)
        for log in (CHECKOUT / "build/logs").glob(f"*-{process.pid}.log"):
            log.unlink()

    def test_emulator_killed(self):
        process, emulator = self.start()
        os.kill(emulator, signal.SIGKILL)
        output, _ = process.communicate(timeout=SECONDS)
        self.assert_wrong(
            process.returncode, output, self.errors.read_text(), "ended with signal 9"
        )
        self.assert_nothing_left(emulator)


class Report(unittest.TestCase):
    """What is counted when the machine goes back to another time."""

    def test_counts(self):
        report = SoakReport(1)
        line = "progress guest=0 rounds={0} exits={0} interrupted=0 moves=0"
        for exits in (10, 100):
            report.take(line.format(exits))
        self.assertEqual(report.exits, [100])
        report.guests[0].forget()
        # Not known: how many of these it made since it was loaded.
        report.take(line.format(50))
        self.assertEqual(report.exits, [100])
        report.take(line.format(70))
        self.assertEqual(report.exits, [120])

    def test_line_that_a_load_cuts(self):
        lines = []
        sink = nested_boot._Lines(lines.append)
        sink(b"saved: one ")
        rest = sink.rest
        sink(b"end\nwrong st")
        sink.rest = rest
        sink(b"end again\n")
        self.assertEqual(lines, ["saved: one end", "saved: one end again"])


if __name__ == "__main__":
    if "--qemu" in sys.argv:
        place = sys.argv.index("--qemu")
        qemu = sys.argv[place + 1]
        del sys.argv[place : place + 2]
    unittest.main(verbosity=2)
