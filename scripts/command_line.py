# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line of ./svm: finds the subcommand, runs it, reports errors.

Exit statuses: 0 right, 1 wrong result, 2 bad usage, 3 set-up failed, 4 timed out,
130 interrupted. Results go to standard output, everything else to standard error.
"""

import argparse
import errno
import importlib
import os
import signal
import sys
from typing import NoReturn

from errors import BadUsage, SetupFailed, SvmError

INTERRUPTED = 130

# Subcommand: the module that has it, and what it is for. Only the module of the
# command that was typed is imported.
COMMANDS = {
    "run": ("run_command", "boot a KVM host with SVM and judge a guest that it runs"),
    "compare": ("compare_command", "count what two kernels do for each KVM_RUN"),
    "exits": ("exits_command", "count what a guest exits for, and what that costs"),
    "bench": ("bench_command", "time an exit on several emulators"),
    "xen": ("xen_command", "boot Xen with a dom0 that proves itself"),
    "soak": ("soak_command", "run guests that check themselves, for minutes"),
    "selftests": ("selftests_command", "run the kernel's own tests of KVM in L1"),
    "flat": ("flat_command", "run test kernels in multiboot form, judge what they say"),
    "shell": ("shell_command", "open a shell in a KVM host with /dev/kvm ready"),
    "test": ("test_command", "run the tests, all set-up included"),
    "build": ("setup_commands", "fetch and build the emulator"),
    "path": ("setup_commands", "print the path of the emulator, built if needed"),
    "seams": ("seam_commands", "list, check and review the seams with QEMU"),
    "diff": ("seam_commands", "print what the add-on changes in QEMU"),
    "docs": ("docs_command", "make docs/conformance.rst and docs/selftests.rst"),
    "env": ("setup_commands", "show what was found and what would be fetched"),
    "clean": ("setup_commands", "remove what was built"),
}


class Parser(argparse.ArgumentParser):
    """Reports bad usage in one line."""

    def error(self, message: str) -> NoReturn:
        raise BadUsage(f"{message}; see: {self.prog} --help")


def main(arguments: list[str]) -> int:
    """Run a command line; return the exit status."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        options = _parse(arguments)
        status = options.run(options)
        sys.stdout.flush()
        return status
    except SvmError as error:
        return _report(error)
    except KeyboardInterrupt:
        sys.stderr.write("\nsvm: interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has seen enough, e.g. `head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return _report(SetupFailed(f"no disk space: {error}"))
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            return _report(SetupFailed(str(error)))
        raise


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog="./svm",
        description="Run KVM hosts on QEMU's emulation of AMD SVM.",
        epilog="`./svm COMMAND --help` says more about a command.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    named = next((a for a in arguments if not a.startswith("-")), None)
    for name, (module_name, purpose) in COMMANDS.items():
        subparser = commands.add_parser(name, help=purpose, description=purpose)
        if name == named:
            command = _command(name, module_name)
            command.add_arguments(subparser)
            subparser.set_defaults(run=command.run)
    return parser.parse_args(arguments)


def _command(name: str, module_name: str):
    module = importlib.import_module(module_name)
    for command in getattr(module, "COMMANDS", []):
        if command.name == name:
            return command
    return module


def _interrupt(_number, _frame) -> NoReturn:
    raise KeyboardInterrupt


def _report(error: SvmError) -> int:
    sys.stdout.flush()
    line = " ".join(str(error).split())
    sys.stderr.write(f"svm: error: {line}\n")
    return error.status


if __name__ == "__main__":
    if sys.version_info < (3, 11):
        sys.exit(_report(SetupFailed("needs Python 3.11 or newer, as Debian 12 has")))
    sys.exit(main(sys.argv[1:]))
