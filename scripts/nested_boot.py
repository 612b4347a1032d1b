# SPDX-License-Identifier: GPL-2.0-or-later
"""Boots L1 under an emulator, watches it, and ends it in every case."""

import contextlib
import ctypes
import math
import os
import re
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from errors import BadUsage, SetupFailed, SvmError, TimedOut, WrongResult
from kernel_package import L1Kernel
from paths import BUILD
from qmp import Monitor

# Kernel messages that mean that L1 is not right any more.
BROKEN = re.compile(
    r"Kernel panic|Oops[: ]|\bBUG: |WARNING: (CPU|.* at )|general protection fault"
    r"|unable to handle|unchecked MSR access|invalid opcode|double fault"
    r"|soft lockup|hard LOCKUP|hung_task|rcu: INFO"
    # What Xen says of itself and of its domains.
    r"|Panic on CPU|Xen BUG at|Assertion .* failed at|Triple fault - invoking"
    r"|Hardware Dom0 (crashed|halted|shutdown: rebooting)"
    r"|[Dd]omain \d+ (\(vcpu#\d+\) |reported )crashed"
)
# After this the machine does nothing more, it does not even end.
STANDSTILL = re.compile("Hardware Dom0 halted")
# A line of a guest's console comes through L1's with the guest's level before it.
OF_A_GUEST = re.compile(r"(?:L\d+: )*L(\d+): ")
LAST_LINES = 12
# Of an L1 whose instructions are counted: its clock starts at the same time and goes
# with the instructions, its random numbers are the same in every run.
NOTHING_VARIES = ("-rtc", "base=2024-01-01,clock=vm", "-seed", "1")


class Machine(NamedTuple):
    """What L1 is to see."""

    kernel: L1Kernel
    initramfs: Path
    cpu: str = "EPYC"
    smp: int = 1
    memory: str = "1G"
    icount: bool = False
    # "svm.KEY=VALUE" for the init script, and more for the kernel.
    parameters: tuple[str, ...] = ()
    # The hypervisor that starts the kernel as its dom0, and its own parameters.
    xen: Path | None = None
    xen_parameters: tuple[str, ...] = ()


def parse_line(line: str) -> tuple[str, dict[str, str]]:
    """A report line: its first word, and its key=value pairs."""
    word, _, rest = line.partition(" ")
    pairs = re.findall(r'([\w-]+)=("[^"]*"|\S*)', rest)
    return word, {key: value.strip('"') for key, value in pairs}


def emulator_command(emulator: Path, machine: Machine) -> list[str]:
    """The command line for an L1 without any device but two serial ports."""
    board = f"{'q35' if machine.xen else 'pc'},i8042=off,vmport=off,hpet=off"
    command = [str(emulator), "-nodefaults", "-no-user-config", "-no-reboot"]
    command += ["-display", "none", "-machine", board]
    command += ["-accel", "tcg", "-cpu", machine.cpu, "-smp", str(machine.smp)]
    command += ["-m", machine.memory]
    if machine.xen:
        command += _dom0_words(machine)
    else:
        command += ["-kernel", str(machine.kernel.image)]
        command += ["-initrd", str(machine.initramfs)]
        console = ("console=ttyS0", "earlyprintk=serial,ttyS0,115200")
        command += ["-append", _kernel_words(machine, console)]
    if machine.icount:
        command += ["-icount", "shift=0,sleep=off", *NOTHING_VARIES]
    return command


def _dom0_words(machine: Machine) -> list[str]:
    """Xen by multiboot: the dom0 kernel, with its command line, is a module of it."""
    if re.search(r"\s", f"{machine.kernel.image}{machine.initramfs}"):
        raise BadUsage("Xen cannot be booted from a folder with a space in its name")
    console = ("console=hvc0", "earlyprintk=xen")
    words = _kernel_words(machine, console)
    # Commas separate modules, two of them stand for one.
    modules = [f"{machine.kernel.image} {words}", str(machine.initramfs)]
    return [
        *("-kernel", str(machine.xen)),
        *("-append", " ".join(["com1=115200 console=com1", *machine.xen_parameters])),
        *("-initrd", ",".join(module.replace(",", ",,") for module in modules)),
    ]


def _kernel_words(machine: Machine, console: tuple[str, ...]) -> str:
    """The kernel's command line."""
    parameters = [
        *console,
        # The end of QEMU, at once, rather than a dead machine.
        "panic=-1",
        "oops=panic",
        # QEMU's clocks need no cross-checks that take seconds in L1.
        "tsc=reliable",
        "no_timer_check",
        "rcupdate.rcu_expedited=1",
        "cryptomgr.notests",
        "nokaslr",
    ]
    return " ".join([*parameters, *machine.parameters])


def shared_folder(folder: Path, read_only: bool = False) -> list[str]:
    """A folder of this machine for L1, which mounts it at /mnt/host."""
    # A comma separates the options of -fsdev, two of them stand for one.
    path = str(folder).replace(",", ",,")
    access = ",readonly=on" if read_only else ""
    return [
        *("-fsdev", f"local,id=share,path={path},security_model=none{access}"),
        *("-device", "virtio-9p-pci,fsdev=share,mount_tag=host"),
    ]


def emulator_version(emulator: Path) -> str:
    """What an emulator says that it is; raises BadUsage if it is no program."""
    try:
        done = subprocess.run([emulator, "-version"], capture_output=True, text=True)
    except OSError as error:
        raise BadUsage(f"cannot start {emulator}: {error.strerror}") from error
    return done.stdout.partition("\n")[0] or str(emulator)


class Boot:
    """A running L1; the end of the `with` block ends the emulator.

    Lines of the report port go to `on_report`; console lines are kept in a log
    file and searched for signs of a broken kernel, L1's or a guest's. Set keep_log
    to False when nobody will want it.
    """

    def __init__(
        self,
        command: list[str],
        on_report: Callable[[str], None],
        terminal: bool = False,
    ):
        self.command = list(command)
        self._on_report = on_report
        self._terminal = terminal
        self._selector = selectors.DefaultSelector()
        self._passed: list[int] = []
        self._process: subprocess.Popen | None = None
        self._qmp: socket.socket | None = None
        # A machine that is loaded has started before.
        self._started_l1 = "-incoming" in command
        self._console_lines = _Lines(self._console_line)
        self._report_lines = _Lines(self._report_line)
        self.keep_log = True
        self.console: list[str] = []
        self.broken: str | None = None
        self._stands_still = False
        self.last_sign = 0.0
        log_folder = BUILD / "logs"
        log_folder.mkdir(parents=True, exist_ok=True)
        stamp = time.strftime("%Y%m%d-%H%M%S")
        self.log_path = log_folder / f"{stamp}-{os.getpid()}.log"

    def stream(self, chardev: str, sink: Callable[[bytes], None]) -> list[str]:
        """A chardev whose output goes to `sink`."""
        ours, theirs = os.pipe()
        self._passed.append(theirs)
        self._selector.register(ours, selectors.EVENT_READ, sink)
        number = len(self._passed)
        return [
            *("-add-fd", f"fd={theirs},set={number}"),
            *("-chardev", f"file,id={chardev},path=/dev/fdset/{number},append=on"),
        ]

    def __enter__(self) -> "Boot":
        command = self.command
        self._log = self.log_path.open("a", encoding="utf-8")
        if self._terminal:
            # What the terminal shows does not pass through here.
            path = str(self.log_path).replace(",", ",,")
            log = f"logfile={path},logappend=on"
            command += ["-chardev", f"stdio,id=console,mux=on,signal=off,{log}"]
            command += ["-mon", "chardev=console"]
        else:
            command += self.stream("console", self._console_lines)
        command += ["-serial", "chardev:console"]
        command += self.stream("report", self._report_lines)
        command += ["-serial", "chardev:report"]
        self._qmp, theirs = socket.socketpair()
        self.monitor = Monitor(self._qmp)
        self._passed.append(theirs.fileno())
        command += ["-chardev", f"socket,id=qmp,fd={theirs.fileno()}"]
        command += ["-mon", "chardev=qmp,mode=control"]
        errors, errors_in = os.pipe()
        self._selector.register(errors, selectors.EVENT_READ, _Lines(self._error_line))
        try:
            self._process = subprocess.Popen(
                command,
                stdin=None if self._terminal or _reads_stdin(command) else
                subprocess.DEVNULL,
                stdout=None if self._terminal else subprocess.DEVNULL,
                stderr=errors_in,
                pass_fds=self._passed,
                # Ctrl-C is ours to handle; a terminal's reader has to stay in the
                # foreground group though.
                process_group=None if self._terminal else 0,
                preexec_fn=_die_with_parent,
            )
        except OSError as error:
            self.__exit__(type(error), error, None)
            raise SetupFailed(f"cannot start {command[0]}: {error.strerror}") from error
        finally:
            os.close(errors_in)
            theirs.detach()
            for descriptor in self._passed:
                os.close(descriptor)
        self.last_sign = self.started = time.monotonic()
        return self

    def watch(
        self,
        timeout: float | None,
        silence: float | None,
        until: Callable[[], bool] | None = None,
    ) -> None:
        """Read L1's lines until the emulator ends, or `until` says so.

        `until` is asked after every line and several times a second. The times are
        in seconds, None is any time.
        """
        timeout = timeout or math.inf
        silence = silence or math.inf
        while self._selector.get_map():
            if self._stands_still:
                raise WrongResult(self.broken)
            if until and until():
                return
            now = time.monotonic()
            if now - self.started > timeout:
                self.look_inside()
                raise TimedOut(f"L1 did not end within {timeout:g} s")
            if now - self.last_sign > silence:
                self.look_inside()
                raise TimedOut(f"L1 has been silent for {silence:g} s")
            wait = min(self.started + timeout, self.last_sign + silence) - now
            wait = None if wait == math.inf else max(wait, 0) + 0.01
            if until:
                wait = min(wait or 0.1, 0.1)
            self._take(wait)
        status = self._process.wait()
        if status > 0 and not self._started_l1:
            self.keep_log = False
            why = self.console[-1] if self.console else f"status {status}"
            why = re.sub(r"^emulator: (\S*qemu-system-\w+: )?", "", why)
            raise BadUsage(f"the emulator refuses to start: {why}")
        if status:
            reason = f"signal {-status}" if status < 0 else f"status {status}"
            raise WrongResult(f"the emulator ended with {reason}")

    @property
    def ended(self) -> bool:
        """Whether the emulator has ended, and all its lines were read."""
        return not self._selector.get_map()

    def read_out(self) -> None:
        """Take all that a machine which stands still has said."""
        while self._take(0):
            pass

    @property
    def unfinished(self) -> tuple[bytes, bytes]:
        """The beginnings of lines whose ends have not come yet.

        They are a part of the machine's state: who loads a machine, whether into
        this emulator or into another one, sets what was there when it was saved.
        """
        return self._console_lines.rest, self._report_lines.rest

    @unfinished.setter
    def unfinished(self, rests: tuple[bytes, bytes]) -> None:
        self._console_lines.rest, self._report_lines.rest = rests

    def panic(self) -> str | None:
        """What the kernel said of its end on a terminal, found in the log."""
        text = self.log_path.read_text(encoding="utf-8", errors="replace")
        found = re.search("^.*?(Kernel panic - .*?)\r*$", text, re.MULTILINE)
        return found[1] if found else None

    def last_lines(self) -> list[str]:
        """The last lines of L1's console."""
        return self.console[-LAST_LINES:]

    def __exit__(self, _kind, _error, _trace) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(3)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for key in list(self._selector.get_map().values()):
            os.close(key.fd)
        self._selector.close()
        if self._qmp:
            self._qmp.close()
        self._log.close()
        if not self.keep_log:
            self.log_path.unlink(missing_ok=True)

    def _take(self, wait: float | None) -> bool:
        """Hand on what comes within this time; False if nothing does."""
        found = self._selector.select(wait)
        for key, _ in found:
            content = os.read(key.fd, 65536)
            if content:
                self.last_sign = time.monotonic()
            else:
                self._selector.unregister(key.fd)
                os.close(key.fd)
            key.data(content)
        return bool(found)

    def _console_line(self, line: str) -> None:
        self._started_l1 = True
        self._log.write(line + "\n")
        self.console.append(line)
        if not self.broken and BROKEN.search(line):
            guest = OF_A_GUEST.match(line)
            what = re.sub(r"^\[ *[\d.]+\] *", "", line[guest.end() if guest else 0 :])
            self.broken = f"L{guest[1] if guest else 1} kernel: {what}"
            if what.startswith("(XEN) "):
                self.broken = what.replace("(XEN) ", "Xen: ")
        self._stands_still |= bool(STANDSTILL.search(line))

    def _report_line(self, line: str) -> None:
        self._log.write(f"report: {line}\n")
        self._on_report(line)

    def _error_line(self, line: str) -> None:
        self._log.write(f"emulator: {line}\n")
        # TCG says of each feature of a CPU model that it cannot do it.
        if "TCG doesn't support requested feature" not in line:
            self.console.append(f"emulator: {line}")

    def look_inside(self) -> None:
        """Put the state of the CPUs, and of SVM where it is known, into the log."""
        with contextlib.suppress(OSError, ValueError, EOFError, SvmError):
            for line in ("info registers -a", "info svm"):
                self._log.write(self.monitor.human(line, 5) + "\n")


class _Lines:
    """A sink that hands on whole lines, and at the end of the stream the rest."""

    def __init__(self, on_line: Callable[[str], None]):
        self._on_line = on_line
        self.rest = b""

    def __call__(self, content: bytes) -> None:
        *lines, self.rest = (self.rest + content).split(b"\n")
        if not content and self.rest:
            lines.append(self.rest)
            self.rest = b""
        for line in lines:
            self._on_line(line.decode(errors="replace").rstrip("\r"))


def _reads_stdin(command: list[str]) -> bool:
    return any(word.startswith("stdio,") for word in command)


_LIBC = ctypes.CDLL(None)


def _die_with_parent() -> None:
    """In the child: SIGKILL it when this process ends in whatever way."""
    _LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
