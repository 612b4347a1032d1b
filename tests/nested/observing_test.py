# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user sees of a guest: `info svm`, gdb, `--trace`, and a VMRUN that fails.

    observing_test.py [--qemu ours|PATH] [TEST...]
"""

import json
import math
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
SVM = CHECKOUT / "svm"
sys.path.insert(0, str(CHECKOUT / "scripts"))

import l1_options

qemu = "ours"

# kvm-halt-loop's bare loop: hlt; jmp
CODE = 0x1000
BARE_CODE = bytes.fromhex("f4ebfd")

IOPM_BASE_PA = 0x40
EXIT_CODE = 0x70
EXIT_HLT = 0x78

# Fields of intercepts: offset, bytes.
INTERCEPTS = ((0x000, 2), (0x002, 2), (0x004, 2), (0x006, 2), (0x008, 4), (0x00C, 8))
# By exit code, from the manual, appendix C; the first row's are always KVM's.
WANTED = {
    **{0x60: "INTR", 0x61: "NMI", 0x78: "HLT", 0x80: "VMRUN", 0x81: "VMMCALL"},
    # Not VMLOAD, VMSAVE, STGI, CLGI: KVM may let the processor do them.
    **{0x7F: "SHUTDOWN", 0x86: "SKINIT", 0x8A: "MONITOR"},
}
UNWANTED = {0x6E: "RDTSC", 0x70: "PUSHF", 0x71: "POPF", 0x74: "IRET"}

SECONDS = 60.0  # for a step that takes a few


def field(page: bytes, offset: int, size: int) -> int:
    """A number in the VMCB or the host save area."""
    return int.from_bytes(page[offset : offset + size], "little")


def connect(path: Path) -> socket.socket:
    """A socket that does not wait for ever."""
    found = socket.socket(socket.AF_UNIX)
    found.settimeout(SECONDS)
    try:
        found.connect(str(path))
    except OSError:
        found.close()
        raise
    return found


class Monitor:
    """QEMU's monitor, through QMP."""

    def __init__(self, path: Path):
        self._socket = connect(path)
        self._file = self._socket.makefile("rw")
        self._file.readline()
        self.execute("qmp_capabilities")

    def execute(self, command: str, **arguments) -> object:
        """The answer to a command of QMP."""
        json.dump({"execute": command, "arguments": arguments}, self._file)
        self._file.flush()
        while True:
            answer = json.loads(self._file.readline())
            if "event" not in answer:
                return answer["return"]

    def ask(self, line: str) -> str:
        """The answer to a line that a person would type."""
        answer = self.execute("human-monitor-command", **{"command-line": line})
        return answer.replace("\r", "")

    def close(self) -> None:
        """Hang up; QEMU goes on."""
        self._file.close()
        self._socket.close()


class Debugger:
    """What of gdb's remote protocol it takes to stop somewhere and look around."""

    def __init__(self, path: Path):
        """Connect, which stops the machine."""
        self._socket = connect(path)
        self._file = self._socket.makefile("rb")

    def ask(self, command: str) -> str:
        """Send a packet, return the next one."""
        checksum = sum(command.encode()) % 256
        self._socket.sendall(f"${command}#{checksum:02x}".encode())
        while (byte := self._file.read(1)) == b"+":
            pass
        if byte != b"$":
            raise ConnectionError(f"{command}: not a packet: {byte}")
        packet = b""
        while (byte := self._file.read(1)) != b"#":
            if not byte:
                raise ConnectionError(f"{command}: no answer")
            packet += byte
        self._file.read(2)
        self._socket.sendall(b"+")
        # "0* " stands for 0000: run-length encoding.
        return re.sub(
            r"(.)\*(.)", lambda m: m[1] * (ord(m[2]) - 28), packet.decode("latin1")
        )

    def order(self, command: str) -> None:
        """A command that can only be done."""
        answer = self.ask(command)
        if answer != "OK":
            raise ConnectionError(f"{command}: {answer}")

    def run_to(self, address: int) -> None:
        """Go on until this address is reached; leaves no breakpoint."""
        # From a breakpoint on it, one would not get away: gdb steps first.
        self.ask("vCont;s:1")
        self.order(f"Z1,{address:x},1")
        stop = self.ask("c")
        self.order(f"z1,{address:x},1")
        if not stop.startswith("T05"):
            raise ConnectionError(f"stopped because of {stop}")

    def rip(self) -> int:
        """The instruction pointer, which follows 16 registers."""
        return field(bytes.fromhex(self.ask("g")), 16 * 8, 8)

    def read(self, address: int, size: int) -> bytes:
        """Memory at a virtual address, as the processor would read it now."""
        return bytes.fromhex(self.ask(f"m{address:x},{size:x}"))

    def write_physical(self, address: int, content: bytes) -> None:
        """Physical memory of L1's."""
        self.order("Qqemu.PhyMemMode:1")
        self.order(f"M{address:x},{len(content):x}:{content.hex()}")
        self.order("Qqemu.PhyMemMode:0")

    def leave(self) -> None:
        """Let the machine run; nothing if it does already."""
        if self._file.closed:
            return
        self.order("D")
        self._file.close()
        self._socket.close()


class Observed:
    """A `./svm run` that goes on for long, with a monitor and a way in for gdb."""

    def __init__(self, emulator: Path, *arguments: str):
        self._folder = tempfile.TemporaryDirectory()
        self.folder = Path(self._folder.name)
        # An emulator of the user's own, with two sockets more.
        script = self.folder / "observed-emulator"
        script.write_text(
            f'#!/bin/sh\nexec {shlex.quote(str(emulator))} "$@"'
            f" -qmp unix:{self.folder}/qmp,server=on,wait=off"
            f" -gdb unix:{self.folder}/gdb,server=on,wait=off\n"
        )
        script.chmod(0o755)
        self._errors = self.folder / "stderr"
        self._output = self.folder / "stdout"
        with self._errors.open("w") as errors, self._output.open("w") as output:
            self.process = subprocess.Popen(
                [SVM, "run", "--qemu", script, "--exits", "100000000", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
            )
        self.monitor: Monitor | None = None
        try:
            self._wait_for_guest()
        except BaseException:
            self.end()
            raise

    @property
    def errors(self) -> str:
        """What it said on standard error."""
        return self._errors.read_text()

    @property
    def output(self) -> str:
        """What it said on standard output."""
        return self._output.read_text()

    @property
    def trace(self) -> Path:
        """The log that --trace named."""
        return Path(re.search("^svm: trace: (.*)$", self.errors, re.MULTILINE)[1])

    def debugger(self) -> Debugger:
        """Stop the machine for gdb."""
        return Debugger(self.folder / "gdb")

    def memory(self, address: int, size: int = 4096) -> bytes:
        """Physical memory of L1's, read in another way than by `info svm`."""
        copy = self.folder / "memory"
        self.monitor.execute("pmemsave", val=address, size=size, filename=str(copy))
        return copy.read_bytes()

    def end(self) -> None:
        """End it, unless it has ended; leaves no log."""
        if self.monitor:
            self.monitor.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        logs = list((CHECKOUT / "build/logs").glob(f"*-{self.process.pid}.log"))
        if "svm: trace: " in self.errors:
            logs.append(self.trace)
        for log in logs:
            log.unlink(missing_ok=True)
        self._folder.cleanup()

    def _wait_for_guest(self) -> None:
        while self.monitor is None:
            try:
                self.monitor = Monitor(self.folder / "qmp")
            except (FileNotFoundError, ConnectionRefusedError):
                # It may have to fetch the kernel: no limit of ours.
                self._check(math.inf)
        deadline = time.monotonic() + SECONDS
        while not re.search("exit code +0x0*78 ", self.monitor.ask("info svm")):
            self._check(deadline)

    def _check(self, deadline: float) -> None:
        if self.process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"no guest runs: {self.errors}{self.output}")
        time.sleep(0.1)


def addresses(text: str) -> tuple[int, int]:
    """Of the VMCB and the host save area, from `info svm`."""
    vmcb = re.search(r"^VMCB at 0x([0-9a-f]+)", text, re.MULTILINE)
    host = re.search(r"^host save area at 0x([0-9a-f]+)$", text, re.MULTILINE)
    return int(vmcb[1], 16), int(host[1], 16)


class ObservingTest(unittest.TestCase):
    """Helpers, and what is the same for nested and shadow paging."""

    def stop_in_guest(self, run: Observed) -> tuple[Debugger, str]:
        """Stop at the guest's HLT, next after an exit by HLT; and `info svm`."""
        debugger = run.debugger()
        self.addCleanup(debugger.leave)
        # Some exits are by L1's own timer.
        for _ in range(20):
            debugger.run_to(CODE)
            text = run.monitor.ask("info svm")
            if re.search("exit code +0x0*78 ", text):
                return debugger, text
        self.fail(text)

    def check_debugger(self, run: Observed) -> None:
        """gdb stops at an address inside the guest and reads what is there."""
        debugger, text = self.stop_in_guest(run)
        self.assertIn(", in a guest\n", text)
        self.assertEqual(debugger.rip(), CODE)
        self.assertEqual(debugger.read(CODE, len(BARE_CODE)), BARE_CODE)
        shown = run.monitor.ask(f"x /3xb {CODE}")
        self.assertRegex(shown, r": 0xf4 0xeb 0xfd\n$")
        # It was a translation: the same address of L1's holds something else.
        self.assertNotEqual(run.memory(CODE, len(BARE_CODE)), BARE_CODE)
        # The same again, with the exit and the entry in between.
        debugger.run_to(CODE + 1)
        self.assertEqual(debugger.rip(), CODE + 1)


class NestedPaging(ObservingTest):
    """One run, with --trace."""

    @classmethod
    def setUpClass(cls):
        cls.run_ = Observed(l1_options.find_emulator(qemu), "--trace")

    @classmethod
    def tearDownClass(cls):
        cls.run_.end()

    def test_debugger(self):
        self.check_debugger(self.run_)

    def test_info_svm(self):
        _, text = self.stop_in_guest(self.run_)
        self.assertRegex(text, r"^CPU 0: EFER.SVME 1, GIF 1, in a guest\n")
        vmcb_address, host_address = addresses(text)
        vmcb = self.run_.memory(vmcb_address)
        host = self.run_.memory(host_address)
        of_vmcb, of_host = text.split("host save area at ")

        self.assertEqual(field(vmcb, EXIT_CODE, 8), EXIT_HLT)
        self.assertRegex(of_vmcb, r"\n  070 exit code +0x0{14}78  HLT\n")
        # With the VMCB's state, the address after the last HLT.
        self.assertIn(f"  578 rip            {CODE + 1:016x}\n", of_vmcb)
        # L1's kernel executed the VMRUN.
        self.assertRegex(of_host, r"\n  578 rip            ffffffff[0-9a-f]{8}\n")
        self.check_shown(of_vmcb, vmcb, 50)
        self.check_shown(of_host, host, 20)

        names = of_vmcb.partition("  intercepts:\n")[2]
        names = re.match(r"(?: {4}.*\n)+", names)[0].split()
        bits = sum(field(vmcb, *place).bit_count() for place in INTERCEPTS)
        self.assertEqual(len(names), bits, names)
        for code, name in (WANTED | UNWANTED).items():
            is_set = field(vmcb, 0x00C, 8) >> (code - 0x60) & 1
            self.assertEqual(is_set, code in WANTED, name)
            self.assertEqual(name in names, code in WANTED, name)

    def check_shown(self, text: str, page: bytes, at_least: int) -> None:
        """Each number shown is the one in memory; how many lines there are."""
        numbers = re.findall(
            r"^  ([0-9a-f]{3}) (?:exit \w+ (?:\w+ )?\w*|\w+) +(?:0x)?([0-9a-f]+)"
            r"(?: attributes ([0-9a-f]+) limit ([0-9a-f]+) base ([0-9a-f]+))?",
            text,
            re.MULTILINE,
        )
        self.assertGreaterEqual(len(numbers), at_least, text)
        self.assertEqual(len(numbers), len(re.findall("(?m)^  [0-9a-f]{3} ", text)))
        for place, first, attributes, limit, base in numbers:
            offset = int(place, 16)
            if base:
                shown = [int(x, 16) for x in (first, attributes, limit, base)]
                due = [
                    field(page, offset + start, size)
                    for start, size in ((0, 2), (2, 2), (4, 4), (8, 8))
                ]
            else:
                shown, due = int(first, 16), field(page, offset, len(first) // 2)
            self.assertEqual(shown, due, place)

    def test_trace(self):
        debugger, text = self.stop_in_guest(self.run_)
        vmcb = f"{addresses(text)[0]:x}"
        before = self.run_.trace.stat().st_size
        # What `-d int` switches on, for one way from HLT to HLT.
        self.run_.monitor.ask("log int,trace:svm_*")
        debugger.run_to(CODE)
        self.run_.monitor.ask("log trace:svm_*")
        with self.run_.trace.open() as file:
            file.seek(before)
            log = file.read()

        events = re.findall(
            rf"^svm_vmrun cpu 0 VMCB 0x{vmcb} (rip .*)\n"
            rf"|^svm_vmexit cpu 0 VMCB 0x{vmcb} EXITCODE (.*)\n",
            log,
            re.MULTILINE,
        )
        exits = [exit for _, exit in events if exit]
        entries = [entry for entry, _ in events if entry]
        hlt = f"0x78 EXITINFO1 0x0 EXITINFO2 0x0 EXITINTINFO 0x0 rip 0x{CODE:x}"
        self.assertEqual(exits.count(hlt), 1, log)
        self.assertEqual(len(entries), len(exits), log)
        for entry in entries:
            self.assertRegex(entry, r"^rip 0x100[01] ASID [1-9]\d* EVENTINJ 0x0$")
        self.assertIn(f"svm_vmload cpu 0 address 0x{vmcb}\n", log)
        self.assertIn(f"svm_vmsave cpu 0 address 0x{vmcb}\n", log)

        # The two ways to log say the same.
        logged = re.findall(
            rf"^svm: cpu 0 VMRUN of VMCB 0x{vmcb}: (.*)\n"
            rf"|^svm: cpu 0 #VMEXIT of VMCB 0x{vmcb}: (.*)\n",
            log,
            re.MULTILINE,
        )
        self.assertEqual(logged, events)


class ShadowPaging(ObservingTest):
    """The same without a nested page table: L1 has the only one."""

    def test_debugger(self):
        run = Observed(l1_options.find_emulator(qemu), "--npt", "0")
        self.addCleanup(run.end)
        self.check_debugger(run)


class FailingVMRUN(ObservingTest):
    """A VMCB that breaks a rule."""

    def test_rule_and_value(self):
        run = Observed(l1_options.find_emulator(qemu), "--trace")
        self.addCleanup(run.end)
        debugger, text = self.stop_in_guest(run)
        vmcb, _ = addresses(text)
        # KVM writes this field once, when it makes a vCPU; #VMEXIT never does.
        bad = 0xFFFFFFFFFFFFF000
        debugger.write_physical(vmcb + IOPM_BASE_PA, bad.to_bytes(8, "little"))
        text = run.monitor.ask("info svm")
        self.assertRegex(text, f"\n  040 iopm_base_pa +0x{bad:x} ")
        debugger.leave()
        self.assertEqual(run.process.wait(SECONDS), 1, run.errors)

        rule = (
            f"svm_check_failed cpu 0 VMCB 0x{vmcb:x}: IOPM_BASE_PA reaches "
            f"past the physical address limit: 0x{bad:x}\n"
        )
        log = run.trace.read_text()
        self.assertEqual(log.count("svm_check_failed"), 1)
        # No entry, but an exit with code -1.
        exit = f"svm_vmexit cpu 0 VMCB 0x{vmcb:x} EXITCODE 0xffffffffffffffff "
        self.assertIn(rule + exit, log)
        # The user need not open the log.
        self.assertIn(f"  trace | {rule}", run.errors)
        verdict = run.output.splitlines()[-1]
        self.assertRegex(
            verdict,
            r"^verdict: WRONG - guest 0, bare loop, exit \d+: "
            r"KVM_EXIT_FAIL_ENTRY \(9\): hardware reason 0x(ffffffff){1,2} instead",
        )
        self.assertNotIn("Traceback", run.errors)


if __name__ == "__main__":
    if "--qemu" in sys.argv:
        place = sys.argv.index("--qemu")
        qemu = sys.argv[place + 1]
        del sys.argv[place : place + 2]
    unittest.main(verbosity=2)
