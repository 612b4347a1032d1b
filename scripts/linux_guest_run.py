# SPDX-License-Identifier: GPL-2.0-or-later
"""`./svm run --guest linux`: Linux as the guest of a KVM host, or of a guest of it.

L1 finds a VMM, its firmware, a kernel and initramfs in a folder of this machine; see
run-linux-guest.sh for what it does with them. With a third level L2 finds the same.
"""

import argparse
import os
import secrets
import shutil
import tempfile
from pathlib import Path

import emulator
import guest_vmm
import judged_run
from errors import BadUsage
from initramfs import TESTS, make_initramfs
from kernel_package import L1Kernel, architecture, check_kernel, find_kernel
from l1_options import check_l1_options, find_emulator, make_machine
from linux_guest_report import Guest, LinuxGuestReport
from nested_boot import emulator_command, emulator_version, shared_folder
from paths import BUILD

INIT = TESTS / "nested/linux-guest-init.sh"
RUN = TESTS / "nested/run-linux-guest.sh"
MACHINES = ("q35", "microvm")
LEVELS = (2, 3)
MAX_VCPUS = 16
GUEST_MEGABYTES = 512
# L1's memory by levels: a host's guest has at most half of what it has itself.
L1_MEMORY = {2: "2G", 3: "3G"}
# For L1 from start to end, and without a word; each level is slower than the last.
TIMEOUTS = {2: 300.0, 3: 900.0}
SILENCES = {2: 120.0, 3: 400.0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that only a Linux guest has; None where they were not given."""
    group = parser.add_argument_group("of --guest linux")
    group.add_argument(
        "--machine",
        choices=MACHINES,
        help="the guest's machine type (default: q35)",
    )
    group.add_argument(
        "--vcpus",
        type=int,
        metavar="N",
        help="CPUs of the guest, and by default of L1 (default: 1)",
    )
    group.add_argument(
        "--levels",
        type=int,
        metavar="2|3",
        help="3 lets L2 be a KVM host too, and the guest is L3 (default: 2); --memory "
        "is 2G by default, or 3G",
    )
    group.add_argument(
        "--guest-kernel",
        metavar="KERNEL",
        help="the guest's kernel, as of --kernel (default: the same one)",
    )
    group.add_argument(
        "--vmm",
        choices=guest_vmm.KINDS,
        help="the qemu-system-x86_64 in L1: our build, or Debian's packages (default: "
        "ours, on other machines than x86-64 debian)",
    )


OPTIONS = ("machine", "vcpus", "levels", "guest_kernel", "vmm")

GUEST = "linux"


def run(options: argparse.Namespace) -> int:
    """Run it; 0 when the guest computed what it should and powered off."""
    options.machine = options.machine or "q35"
    options.vcpus = 1 if options.vcpus is None else options.vcpus
    options.levels = 2 if options.levels is None else options.levels
    options.smp = options.vcpus if options.smp is None else options.smp
    options.memory = options.memory or L1_MEMORY.get(options.levels, "2G")
    _check(options)
    guest = Guest(
        level=options.levels,
        vcpus=options.vcpus,
        megabytes=GUEST_MEGABYTES,
        machine=options.machine,
        seed=secrets.randbelow(10**9),
    )
    report = LinuxGuestReport(guest)
    return judged_run.judge(options, report, lambda: _boot(options, report))


def _check(options: argparse.Namespace) -> None:
    if not 1 <= options.vcpus <= MAX_VCPUS:
        raise BadUsage(f"--vcpus {options.vcpus}: a guest has 1 to {MAX_VCPUS}")
    if options.levels not in LEVELS:
        raise BadUsage(f"--levels {options.levels}: it is 2 or 3, L1 and its guests")
    check_l1_options(options)
    judged_run.check_options(options)
    if options.guest_kernel:
        check_kernel(options.guest_kernel)
    if architecture(options.kernel) != "amd64":
        raise BadUsage(f"--kernel {options.kernel}: the VMM needs a host of 64 bits")


def _boot(options: argparse.Namespace, report: LinuxGuestReport) -> None:
    """Boot L1 and gather the report; raise if L1 came to no proper end."""
    guest = report.guest
    # First: it installs what the next steps need too.
    emulator_path = find_emulator(options.qemu)
    machine = make_machine(
        options,
        mode="program",
        program=RUN.name,
        level=1,
        levels=options.levels,
        machine=guest.machine,
        vcpus=guest.vcpus,
        memory=guest.megabytes,
        seed=guest.seed,
        # Each letter of a guest's console is some exits; warnings come all the same.
        kernel_log="debug" if options.keep_log else "quiet",
    )
    kernel = machine.kernel
    if options.guest_kernel:
        kernel = find_kernel(options.guest_kernel)
    vmm = guest_vmm.make_vmm(options.vmm or guest_vmm.default_kind())
    report.emulator = emulator_version(emulator_path)
    with tempfile.TemporaryDirectory(prefix="linux-guest-", dir=BUILD) as temporary:
        folder = Path(temporary)
        _fill(folder, vmm, kernel)
        report.shared_kernel = kernel.image
        command = emulator_command(emulator_path, machine)
        command += shared_folder(folder, read_only=True)
        judged_run.boot_l1(
            options,
            report,
            command,
            f"Linux {kernel.version} in L{guest.level} of Linux "
            f"{machine.kernel.version} under {emulator_path.name}",
            TIMEOUTS[guest.level],
            SILENCES[guest.level],
        )


def _fill(folder: Path, vmm: Path, kernel: L1Kernel) -> None:
    """Put what L1 needs for a guest into a folder."""
    shutil.copytree(vmm, folder / "vmm", copy_function=_link)
    shutil.copyfile(RUN, folder / RUN.name)
    _link(kernel.image, folder / "kernel")
    _link(make_initramfs(kernel), folder / "host.cpio")
    guest = make_initramfs(kernel, INIT, programs=(), purposes=("shell",))
    _link(guest, folder / "guest.cpio")
    (folder / "firmware").mkdir()
    for file in emulator.firmware().iterdir():
        if file.is_file():
            _link(file.resolve(), folder / "firmware" / file.name)


def _link(source: str | Path, target: str | Path) -> None:
    """As good as a copy, of files that nobody changes."""
    os.link(source, target)
