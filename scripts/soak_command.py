# SPDX-License-Identifier: GPL-2.0-or-later
"""`./svm soak`: guests that check themselves, for minutes, while L1 is disturbed.

The guests and what disturbs them from inside are kvm-soak's. From outside the whole
machine may be saved and loaded, or moved from one emulator to the next.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import child_processes
import disk_space
from errors import BadUsage, SetupFailed, SvmError, TimedOut, WrongResult
from kernel_package import architecture
from l1_options import add_l1_arguments, check_l1_options, find_emulator, make_machine
from nested_boot import Boot, emulator_command, emulator_version
from progress import Step, say
from qmp import Refused
from soak_report import SoakReport

FORMS = ("plain", "snapshots", "migration")
MAX_GUESTS = 64  # of kvm-soak
SILENCE = 60.0  # seconds; L1 has something to say twice a second
BOOT_SECONDS = 300.0
STUCK_SECONDS = 90.0  # without a checked exit; kvm-soak itself looks after 30
LAST_WORDS = 10.0  # for L1, when it has reported something wrong
DEVICE_STATE = 64 * disk_space.MEGABYTE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `./svm soak`."""
    parser.add_argument(
        "form",
        choices=FORMS,
        help="leave the machine alone; save it and go back to what was saved, again "
        "and again; or migrate it to a file, and from there to a new emulator",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=2,
        metavar="N",
        help="how long, from the first guest's start (default: 2)",
    )
    parser.add_argument(
        "--guests",
        type=int,
        default=4,
        metavar="N",
        help="guests with a vCPU each (default: 4)",
    )
    add_l1_arguments(parser, smp=4, memory="512M")
    parser.add_argument(
        "--keep-log", action="store_true", help="keep L1's console log of a right soak"
    )
    # For the tests of this command; see Fault in kvm-soak.c. E.g. fpu:57,stall:3
    parser.add_argument("--fault", help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Soak; 0 when nothing was wrong in all that time."""
    _check(options)
    report = SoakReport(options.guests)
    report.take_option(options.kernel)
    problem = None
    try:
        _soak(options, report)
    except (WrongResult, TimedOut) as error:
        problem = str(error)
    print(report.text() + report.verdict(problem), flush=True)
    return WrongResult.status if problem else 0


def _check(options: argparse.Namespace) -> None:
    check_l1_options(options)
    if architecture(options.kernel) != "amd64":
        raise BadUsage(f"--kernel {options.kernel}: kvm-soak needs a host of 64 bits")
    if not 0 < options.minutes <= 100_000:
        raise BadUsage(f"--minutes {options.minutes:g}: more than 0, at most 100000")
    if not 1 <= options.guests <= MAX_GUESTS:
        raise BadUsage(f"--guests {options.guests}: 1 to {MAX_GUESTS}")


def _soak(options: argparse.Namespace, report: SoakReport) -> None:
    init = {"mode": "soak", "guests": options.guests}
    if options.fault:
        init["fault"] = options.fault
    # First: it installs what the next step needs too.
    emulator = find_emulator(options.qemu)
    machine = make_machine(options, **init)
    report.emulator = emulator_version(emulator)
    with tempfile.TemporaryDirectory(prefix="svm-soak-") as folder:
        soak = _SOAKS[options.form](
            emulator_command(emulator, machine), report, options.minutes, Path(folder)
        )
        soak.prepare(emulator, machine.memory)
        what = f"{options.form} soak of Linux {machine.kernel.version}"
        with Step(f"{what} under {emulator.name}") as step:
            try:
                soak.run(step)
                soak.boot.keep_log = options.keep_log
            except (WrongResult, TimedOut) as error:
                raise _explained(error, soak.boot) from error
            except SvmError:
                soak.boot.keep_log = False
                raise
            finally:
                soak.end()
    if soak.boot.keep_log:
        say(f"log: {soak.boot.log_path}")


def _explained(error: SvmError, boot: Boot) -> WrongResult:
    """The error with what L1's kernel and the emulator said of it."""
    sys.stderr.write("".join(f"  | {line}\n" for line in boot.last_lines()))
    sys.stderr.flush()
    return WrongResult(f"{boot.broken or error} (log: {boot.log_path})")


class Soak:
    """The plain form, and what all forms do."""

    def __init__(
        self, command: list[str], report: SoakReport, minutes: float, folder: Path
    ):
        self.command = command
        self.report = report
        self.boot: Boot = Boot(command, report.take)
        self._runs = False
        self._seconds = minutes * 60
        self._folder = folder
        self._deadline = 0.0
        # How long it is between two disturbances must not be a rhythm.
        self._random = random.Random(1)

    def prepare(self, emulator: Path, memory: str) -> None:
        """Look for what the form needs; raises what the user can mend."""

    def disturb(self) -> None:
        """Disturb the machine once, from outside; not in this form."""

    def run(self, step: Step) -> None:
        """Boot L1, and disturb it until the time is up; raises what was wrong."""
        self._step = step
        self.start()
        booted = time.monotonic()
        self._go_on(lambda: self.report.soaking, booted + BOOT_SECONDS)
        started = time.monotonic()
        self.report.boot_seconds = started - booted
        self._deadline = started + self._seconds
        try:
            while not self.time_is_up:
                self.wait_for_exits()
                self.disturb()
            self.wait_for_exits()
        finally:
            self.report.soaked_seconds = time.monotonic() - started

    def start(self) -> None:
        """Start the emulator."""
        self.boot.__enter__()
        self._runs = True

    def end(self) -> None:
        """End the emulator, if there is one."""
        if self._runs:
            self._runs = False
            self.boot.__exit__(None, None, None)

    @property
    def time_is_up(self) -> bool:
        """Whether it was long enough."""
        return time.monotonic() > self._deadline

    def wait_for_exits(self) -> None:
        """Until every guest has made some, and then for up to a second."""
        before = self.report.exits

        def all_have() -> bool:
            return all(now > then for now, then in zip(self.report.exits, before))

        limit = time.monotonic() + STUCK_SECONDS
        try:
            self._go_on(all_have, limit)
        except TimedOut as error:
            self.boot.look_inside()
            stuck = [
                str(number)
                for number, then in enumerate(before)
                if self.report.exits[number] == then
            ]
            raise WrongResult(
                f"stuck: no exit of guest {', '.join(stuck)} for {STUCK_SECONDS:g} s"
            ) from error
        end = time.monotonic() + self._random.random()
        self._go_on(lambda: time.monotonic() > end)

    def ask(self, command: str, **arguments) -> object:
        """What the emulator's monitor answers; raises what ended the emulator."""
        try:
            return self.boot.monitor.execute(command, **arguments)
        except (EOFError, OSError) as error:
            # How it ended says more.
            self.boot.watch(None, SILENCE)
            raise WrongResult("the emulator ended before its time") from error

    def _go_on(
        self, until: Callable[[], bool], limit: float | None = None
    ) -> None:
        """Let the machine run; raises what is wrong, or TimedOut at the limit."""

        def is_over() -> bool:
            self._step.update(self.report.progress())
            if self.report.problem() or self.boot.broken:
                return True
            return until() or (limit is not None and time.monotonic() > limit)

        self.boot.watch(None, SILENCE, is_over)
        if self.report.problem() or self.boot.broken:
            self._hear_last_words()
            raise WrongResult(self.report.problem() or "L1 is broken")
        if self.boot.ended:
            raise WrongResult("the emulator ended before its time")
        if not until():
            raise TimedOut("it takes too long")

    def _hear_last_words(self) -> None:
        """More of what L1 has to say about a problem, and its end."""
        end = time.monotonic() + LAST_WORDS
        try:
            self.boot.watch(None, SILENCE, lambda: time.monotonic() > end)
        except SvmError:
            # The problem comes first.
            pass


class SnapshotSoak(Soak):
    """Save the machine, let it run, and go back."""

    def prepare(self, emulator: Path, memory: str) -> None:
        """Make the disk that the snapshots are kept on."""
        _require_space(self._folder, memory, 2)
        tool = emulator.with_name("qemu-img")
        if not tool.exists():
            found = shutil.which("qemu-img")
            if found is None:
                raise BadUsage(
                    f"--qemu {emulator}: snapshots need qemu-img, which is neither "
                    "beside it nor in the path"
                )
            tool = Path(found)
        disk = self._folder / "scratch.qcow2"
        child_processes.output_of([tool, "create", "-q", "-f", "qcow2", disk, "1M"])
        path = str(disk).replace(",", ",,")
        self.boot.command += [
            "-drive",
            f"if=none,id=scratch,format=qcow2,cache=unsafe,file={path}",
        ]

    def disturb(self) -> None:
        """One snapshot, saved and loaded."""
        self._while_stopped("savevm soak")
        unfinished = self.boot.unfinished
        self.report.saved += 1
        self.ask("cont")
        # A guest that is stuck now would be saved by going back.
        self.wait_for_exits()
        self._while_stopped("loadvm soak")
        self.boot.unfinished = unfinished
        for guest in self.report.guests:
            guest.forget()
        self.report.loaded += 1
        self.ask("cont")

    def _while_stopped(self, line: str) -> None:
        self.ask("stop")
        self.boot.read_out()
        if problem := self.report.problem():
            raise WrongResult(problem)
        answer = self.ask("human-monitor-command", command_line=line)
        if answer.strip():
            if "No space left" in answer:
                raise SetupFailed(f"no disk space for a snapshot in {self._folder}")
            raise WrongResult(f"{line}: {' '.join(answer.split())}")


class MigrationSoak(Soak):
    """Migrate the machine to a file while it runs, and load it in a new emulator."""

    def prepare(self, emulator: Path, memory: str) -> None:
        """See that there is space for the file."""
        _require_space(self._folder, memory, 4)

    def disturb(self) -> None:
        """One migration."""
        state = self._folder / "state"
        self.ask("migrate-set-parameters", max_bandwidth=1 << 34, downtime_limit=2000)
        try:
            self.ask("migrate", uri=f"file:{state}")
        except Refused as error:
            if "protocol" in str(error):
                raise BadUsage(
                    "--qemu: this emulator cannot migrate to a file, QEMU 8.2 and "
                    f"newer can: {error}"
                ) from error
            raise WrongResult(str(error)) from error
        self._go_on(self._is_migrated, time.monotonic() + STUCK_SECONDS)
        self.boot.read_out()
        if problem := self.report.problem():
            raise WrongResult(problem)
        self._change_emulator(["-incoming", f"file:{state}"])
        self._go_on(self._is_running, time.monotonic() + STUCK_SECONDS)
        state.unlink()
        self.report.migrated += 1

    def _is_migrated(self) -> bool:
        answer = self.ask("query-migrate")
        if answer.get("status") in ("failed", "cancelled"):
            why = answer.get("error-desc", "no reason given")
            if "No space left" in why:
                raise SetupFailed(f"no disk space for a machine in {self._folder}")
            raise WrongResult(f"the migration failed: {why}")
        return answer.get("status") == "completed"

    def _change_emulator(self, incoming: list[str]) -> None:
        old = self.boot
        unfinished = old.unfinished
        old.unfinished = (b"", b"")
        self.end()
        self.boot = Boot([*self.command, *incoming], self.report.take)
        self.boot.log_path = old.log_path
        self.boot.console = old.console
        self.boot.unfinished = unfinished
        self.start()

    def _is_running(self) -> bool:
        return self.ask("query-status")["running"]


_SOAKS = {"plain": Soak, "snapshots": SnapshotSoak, "migration": MigrationSoak}


def _require_space(folder: Path, memory: str, times: int) -> None:
    """Raise SetupFailed unless L1's memory fits there so many times."""
    number = int(memory.rstrip("MG")) * (1024 if memory.endswith("G") else 1)
    needed = times * number * disk_space.MEGABYTE + DEVICE_STATE
    disk_space.require(folder, needed, "the saved machine")
