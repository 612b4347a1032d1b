# SPDX-License-Identifier: GPL-2.0-or-later
"""`./svm shell`: a shell in L1, with /dev/kvm ready and a host folder in it."""

import argparse
import functools
import os
import sys
import termios
from pathlib import Path

from errors import BadUsage, WrongResult
from l1_options import add_l1_arguments, check_l1_options, find_emulator, make_machine
from nested_boot import Boot, emulator_command, parse_line, shared_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `./svm shell`."""
    add_l1_arguments(parser)
    parser.add_argument(
        "--share",
        default=".",
        metavar="DIR",
        help="the host folder to be found at /mnt/host (default: the current one)",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="end L1 after this time (default: when the shell is left)",
    )
    parser.epilog = (
        "Leave the shell with 'exit'; Ctrl-A X ends L1 at once, Ctrl-A C shows "
        "QEMU's monitor. With standard input from a file or a pipe its lines are "
        "run as a script, and the exit status is the script's. kvm-halt-loop, the "
        "guest program of `./svm run`, is in the path."
    )


def run(options: argparse.Namespace) -> int:
    """Run the shell; its status, where it is a script's."""
    check_l1_options(options)
    share = Path(options.share).absolute()
    if not share.is_dir():
        raise BadUsage(f"--share {options.share}: no such folder")
    if options.timeout is not None and options.timeout <= 0:
        raise BadUsage(f"--timeout {options.timeout:g}: more than 0 seconds")
    if sys.stdin.isatty() and sys.stdout.isatty():
        return _terminal(options, share)
    return _script(options, share)


def _terminal(options: argparse.Namespace, share: Path) -> int:
    columns, rows = os.get_terminal_size()
    term = os.environ.get("TERM", "linux")
    command = _command(
        options,
        share,
        mode="terminal",
        rows=rows,
        columns=columns,
        term=term if term.isascii() and term.isprintable() else "linux",
        # Messages of the kernel would come between those of the shell.
        quiet=True,
    )
    lines = _ShellLines()
    settings = termios.tcgetattr(sys.stdin)
    try:
        with Boot(command, lines.take, terminal=True) as boot:
            boot.keep_log = False
            boot.watch(options.timeout, None)
            # Whoever ends L1 by Ctrl-A X leaves the shell without a status too.
            panic = boot.panic() if lines.status is None else None
            boot.keep_log = panic is not None
    finally:
        # QEMU restores them itself, unless it is killed.
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, settings)
    if lines.load_failure:
        raise WrongResult(f"kvm-amd did not load in L1: {lines.load_failure}")
    if panic:
        raise WrongResult(f"L1 kernel: {panic} (log: {boot.log_path})")
    return 0


def _script(options: argparse.Namespace, share: Path) -> int:
    command = _command(options, share, mode="commands")
    command += ["-device", "virtio-serial-pci"]
    command += ["-chardev", "stdio,id=stdin,signal=off"]
    command += ["-device", "virtserialport,chardev=stdin,name=stdin"]
    lines = _ShellLines()
    boot = Boot(command, lines.take)
    for name, output in (("stdout", sys.stdout), ("stderr", sys.stderr)):
        output.flush()
        boot.command += boot.stream(name, functools.partial(_copy, output.fileno()))
        boot.command += ["-device", f"virtserialport,chardev={name},name={name}"]
    with boot:
        boot.watch(options.timeout, None)
        boot.keep_log = boot.broken is not None or lines.status is None
    if lines.load_failure:
        raise WrongResult(f"kvm-amd did not load in L1: {lines.load_failure}")
    if boot.broken:
        raise WrongResult(f"{boot.broken} (log: {boot.log_path})")
    if lines.status is None:
        raise WrongResult(f"L1 ended before the shell did (log: {boot.log_path})")
    return lines.status


def _command(options, share: Path, quiet: bool = False, **init) -> list[str]:
    emulator = find_emulator(options.qemu)
    machine = make_machine(options, **init)
    if quiet:
        machine = machine._replace(parameters=(*machine.parameters, "quiet"))
    return emulator_command(emulator, machine) + shared_folder(share)


class _ShellLines:
    """What L1 reports about its shell."""

    def __init__(self):
        self.status: int | None = None
        self.load_failure = ""

    def take(self, line: str) -> None:
        word, values = parse_line(line)
        if word == "shell":
            self.status = int(values["status"])
        elif word == "load-failed":
            self.load_failure = values.get("why", "")
        elif word == "share-failed":
            sys.stderr.write("svm: L1 could not mount the host's folder\n")


def _copy(descriptor: int, block: bytes) -> None:
    while block:
        block = block[os.write(descriptor, block) :]
