# SPDX-License-Identifier: GPL-2.0-or-later
"""`./svm run` and `./svm shell`: what they say and leave when something is wrong.

    run_and_shell_test.py [--qemu ours|pristine|PATH] [TEST...]
"""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import termios
import time
import unittest
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
SVM = CHECKOUT / "svm"
sys.path.insert(0, str(CHECKOUT / "scripts"))

import initramfs
import judged_run
import nested_boot
import run_report
from errors import TimedOut

qemu = "ours"


def svm(*arguments: str, **keywords) -> subprocess.CompletedProcess:
    """Run ./svm with the emulator under test."""
    command = [SVM, arguments[0], "--qemu", qemu, *arguments[1:]]
    keywords.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **keywords
    )


def children(process: int) -> list[int]:
    """All processes that descend from one."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            parents[int(folder.name)] = int(fields[1])
        except OSError:
            pass
    found = [process]
    for parent in found:
        found += [child for child, its in parents.items() if its == parent]
    return found[1:]


def command_line(process: int) -> str:
    """A process' command line; "" when it has ended by now."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""


class SvmTest(unittest.TestCase):
    """Helpers."""

    def assert_error(self, done: subprocess.CompletedProcess, status: int, text: str):
        """One error line with this text in it, and this exit status."""
        self.assertEqual(done.returncode, status, done.stderr)
        errors = [x for x in done.stderr.splitlines() if x.startswith("svm: error: ")]
        self.assertEqual(len(errors), 1, done.stderr)
        self.assertIn(text, errors[0])
        self.assertNotIn("Traceback", done.stderr)

    def assert_wrong(self, done: subprocess.CompletedProcess, text: str):
        """A report with the verdict WRONG, for this reason."""
        self.assertEqual(done.returncode, 1, done.stderr)
        verdict = done.stdout.splitlines()[-1]
        self.assertTrue(verdict.startswith("verdict: WRONG - "), verdict)
        self.assertIn(text, verdict)


class BadUsage(SvmTest):
    """Nothing is booted for a command line that makes no sense."""

    def test_unknown_kernel(self):
        done = svm("run", "--kernel", "4.4")
        self.assert_error(done, 2, "known are 5.10, 6.1, 6.1-686-pae, 6.12, newest")

    def test_values(self):
        for arguments in (
            ("--exits", "-1"),
            ("--exits", "0"),
            ("--exits", "many"),
            ("--guests", "0"),
            ("--guests", "65"),
            ("--npt", "2"),
            ("--smp", "0"),
            ("--memory", "1T"),
            ("--memory", "16M"),
            ("--timeout", "0"),
            ("--icount", "--smp", "2"),
            ("--json", "/nonexistent/result.json"),
            ("--qemu", "/nonexistent/qemu"),
            ("--modules", "/lib"),
            ("--kernel", "/etc/passwd"),
            ("--strict-clean-bits", "--qemu", "pristine"),
            ("--guest", "windows"),
            ("--guest", "linux", "--exits", "5"),
            ("--guest", "linux", "--guests", "2"),
            ("--guest", "linux", "--vcpus", "0"),
            ("--guest", "linux", "--levels", "4"),
            ("--guest", "linux", "--machine", "pc"),
            ("--guest", "linux", "--guest-kernel", "4.4"),
            ("--guest", "linux", "--kernel", "6.1-686-pae"),
            ("--machine", "q35"),
            ("--levels", "3"),
        ):
            with self.subTest(arguments=arguments):
                self.assert_error(svm("run", *arguments), 2, "")

    def test_emulator_refuses(self):
        self.assert_error(svm("run", "--cpu", "nonexistent"), 2, "'nonexistent'")

    def test_shell(self):
        self.assert_error(svm("shell", "--share", "/nonexistent"), 2, "no such folder")


class WrongRuns(SvmTest):
    """Each way in which a run can be wrong is noticed."""

    def test_wrong_exit(self):
        with tempfile.NamedTemporaryFile() as result_file:
            done = svm("run", "--fault", "wrong-exit:57", "--json", result_file.name)
            result = json.load(result_file)
        self.assert_wrong(done, "exit 57: KVM_EXIT_IO (2): out port")
        self.assertFalse(result["right"])
        self.assertEqual(result["exits_right"], 56)

    def test_wrong_register(self):
        done = svm("run", "--fault", "wrong-register:9", "--exits", "100")
        self.assert_wrong(done, "counting loop, exit 9: r9 is 0x")

    def test_stalled_guest(self):
        done = svm("run", "--fault", "stall:3", "--guests", "2", "--exits", "50")
        self.assert_wrong(done, "guest 0, bare loop, exit 3: no exit within")

    def test_clean_bits(self):
        with tempfile.NamedTemporaryFile("w") as trace:
            trace.write(
                "svm_vmrun cpu 0 VMCB 0x1000 rip 0x0 ASID 1 EVENTINJ 0x0\n"
                "svm_clean_bit_wrong cpu 0 VMCB 0x1000 clean bit CRx, cr4: 0x1 in "
                "memory, 0x2 used\n"
            )
            trace.flush()
            report = run_report.RunReport(exits=1, guests=1, icount=False)
            report.clean_bits_wrong = judged_run.clean_bits_wrong(Path(trace.name))
        self.assertEqual(
            report.problem(),
            "1 times a field changed in spite of its clean bit, first: cpu 0 VMCB "
            "0x1000 clean bit CRx, cr4: 0x1 in memory, 0x2 used",
        )

    def test_kvm_does_not_load(self):
        done = svm("run", "--cpu", "EPYC,-svm")
        self.assert_wrong(done, "kvm-amd did not load in L1")

    def test_panic(self):
        done = svm("run", "--append", "rdinit=/nonexistent")
        self.assert_error(done, 1, "Kernel panic")
        self.assertIn("  | ", done.stderr)

    def test_time_out(self):
        done = svm("run", "--timeout", "1")
        self.assert_error(done, 4, "did not end within 1 s")
        log = Path(done.stderr.rpartition("(log: ")[2].strip().rstrip(")"))
        # The state of the CPUs goes with it.
        self.assertIn("CPU#0", log.read_text())

    def test_silence(self):
        command = ["/bin/sh", "-c", "exec sleep 60", "not-an-emulator"]
        with self.assertRaisesRegex(TimedOut, "silent for 0.5 s"):
            with nested_boot.Boot(command, lambda line: None) as boot:
                boot.watch(30, 0.5)
        boot.log_path.unlink()

    def test_signs_of_a_broken_kernel(self):
        for line in (
            "Kernel panic - not syncing: Attempted to kill init!",
            "BUG: kernel NULL pointer dereference, address: 0000000000000000",
            "Oops: 0000 [#1] PREEMPT SMP NOPTI",
            "WARNING: CPU: 0 PID: 1 at arch/x86/kvm/svm/svm.c:123 f+0x1/0x2 [kvm_amd]",
            "general protection fault, probably for non-canonical address 0x8: 0000",
            "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [sh:1]",
            "unchecked MSR access error: RDMSR from 0x1 at rIP: 0xffffffff81000000",
        ):
            self.assertRegex(line, nested_boot.BROKEN)
        for line in (
            "Speculative Return Stack Overflow: WARNING: See https://kernel.org/doc/",
            "RAS: Correctable Errors collector initialized.",
        ):
            self.assertNotRegex(line, nested_boot.BROKEN)


class RightRuns(SvmTest):
    """What a right run says."""

    def test_instruction_count(self):
        with tempfile.NamedTemporaryFile() as result_file:
            done = svm(
                *("run", "--icount", "--exits", "1000", "--json", result_file.name)
            )
            self.assertEqual(done.returncode, 0, done.stderr)
            result = json.load(result_file)
        self.assertIn("instructions per exit:", done.stdout)
        self.assertTrue(done.stdout.splitlines()[-1].startswith("verdict: right - "))
        # Exact: nothing but the kernel's own interrupts makes a difference.
        ticks = result["ticks"]
        self.assertEqual(ticks["p10"], ticks["p90"])
        self.assertGreater(result["instructions_per_exit"], 1000)

    def test_strict_clean_bits(self):
        done = svm("run", "--strict-clean-bits", "--exits", "1000")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(" vmcb_clean ", done.stdout)

    def test_equal_inputs_equal_bytes(self):
        kernel = nested_boot.L1Kernel("0", Path("/"), Path("/"), {})
        files = {"bin/busybox": b"busybox", "guest/kernel": b"kernel"}
        packed = [initramfs.pack(kernel, b"init", files, ()) for _ in range(2)]
        self.assertEqual(*packed)


class Interrupted(SvmTest):
    """No process outlives ./svm."""

    def interrupt(self, number: int) -> tuple[int, str]:
        """Send a signal to a run in the middle of L1's start; check what is left."""
        logs = set((CHECKOUT / "build/logs").glob("*"))
        process = subprocess.Popen(
            [SVM, "run", "--qemu", qemu, "--exits", "100000000"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        with process:
            while not (emulators := children(process.pid)) or not any(
                "-initrd" in command_line(child) for child in emulators
            ):
                self.assertIsNone(process.poll(), "it ended by itself")
                time.sleep(0.05)
            time.sleep(1)
            os.kill(process.pid, number)
            _, errors = process.communicate(timeout=20)
        deadline = time.monotonic() + 5
        left = emulators
        while left and time.monotonic() < deadline:
            left = [p for p in left if Path(f"/proc/{p}").exists()]
            time.sleep(0.05)
        self.assertEqual(left, [])
        for log in set((CHECKOUT / "build/logs").glob("*")) - logs:
            log.unlink()
        return process.returncode, errors

    def test_interrupted(self):
        status, errors = self.interrupt(signal.SIGINT)
        self.assertEqual(status, 130)
        self.assertNotIn("Traceback", errors)

    def test_terminated(self):
        self.assertEqual(self.interrupt(signal.SIGTERM)[0], 130)

    def test_killed(self):
        self.assertEqual(self.interrupt(signal.SIGKILL)[0], -signal.SIGKILL)


class Shell(SvmTest):
    """`./svm shell` as a pipe and on a terminal."""

    def test_script(self):
        script = (
            "uname -s\n"
            "test -c /dev/kvm && echo kvm\n"
            "cat from-host\n"
            "echo from L1 >from-l1\n"
            "echo complaint >&2\n"
            "kvm-halt-loop --exits 100 >/dev/null && echo right\n"
            + "# a long script must come through whole\n" * 3000
            + "exit 7\n"
        )
        with tempfile.TemporaryDirectory() as share:
            Path(share, "from-host").write_text("from host\n")
            done = svm("shell", "--share", share, stdin=None, input=script)
            self.assertEqual(Path(share, "from-l1").read_text(), "from L1\n")
        self.assertEqual(done.stdout, "Linux\nkvm\nfrom host\nright\n")
        self.assertEqual(done.stderr, "complaint\n")
        self.assertEqual(done.returncode, 7)

    def test_panic(self):
        done = svm("shell", stdin=None, input="echo c >/proc/sysrq-trigger\n")
        self.assert_error(done, 1, "L1 kernel: ")
        Path(done.stderr.rpartition("(log: ")[2].strip().rstrip(")")).unlink()

    def test_terminal(self):
        terminal = Terminal(self)
        terminal.expect(b"# ")
        terminal.type(b"stty size; echo $((6 * 7))\n")
        terminal.expect(b"33 111")
        terminal.expect(b"42")
        # Ctrl-C belongs to L1.
        terminal.type(b"sleep 1000\n")
        time.sleep(1)
        terminal.type(b"\x03")
        terminal.expect(b"# ")
        terminal.type(b"exit\n")
        self.assertEqual(terminal.end(), 0)

    def test_terminal_ended_at_once(self):
        terminal = Terminal(self)
        terminal.expect(b"# ")
        terminal.type(b"\x01x")
        self.assertEqual(terminal.end(), 0)

    def test_panic_on_terminal(self):
        terminal = Terminal(self)
        terminal.expect(b"# ")
        terminal.type(b"echo c >/proc/sysrq-trigger\n")
        terminal.expect(b"svm: error: L1 kernel: Kernel panic - not syncing: ")
        log = Path(terminal.expect(b")\r\n").rpartition(b"(log: ")[2].decode())
        self.assertEqual(terminal.end(), 1)
        self.assertIn("sysrq: Trigger a crash", log.read_text())
        log.unlink()


class Terminal:
    """`./svm shell` on a terminal."""

    def __init__(self, test: SvmTest):
        self._test = test
        self._ours, self._theirs = pty.openpty()
        termios.tcsetwinsize(self._theirs, (33, 111))
        self._before = termios.tcgetattr(self._theirs)
        self._shown = b""
        self._process = subprocess.Popen(
            [SVM, "shell", "--qemu", qemu],
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            start_new_session=True,
            preexec_fn=lambda: _take_terminal(self._theirs),
        )

    def type(self, text: bytes) -> None:
        """Press these keys."""
        os.write(self._ours, text)

    def expect(self, text: bytes) -> bytes:
        """Wait until this is shown; what was shown before it."""
        deadline = time.monotonic() + 90
        while text not in self._shown:
            self._test.assertLess(time.monotonic(), deadline, self._shown)
            if select.select([self._ours], [], [], 1)[0]:
                self._shown += os.read(self._ours, 65536)
        before, _, self._shown = self._shown.partition(text)
        return before

    def end(self) -> int:
        """Its exit status; the terminal has to be as it was."""
        status = self._process.wait(30)
        self._test.assertEqual(termios.tcgetattr(self._theirs), self._before)
        os.close(self._ours)
        os.close(self._theirs)
        return status


def _take_terminal(descriptor: int) -> None:
    import fcntl

    fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)


if __name__ == "__main__":
    if "--qemu" in sys.argv:
        place = sys.argv.index("--qemu")
        qemu = sys.argv[place + 1]
        del sys.argv[place : place + 2]
    unittest.main(verbosity=2)
