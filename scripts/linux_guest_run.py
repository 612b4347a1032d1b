# SPDX-License-Identifier: GPL-2.0-or-later
"""`./svm run --guest linux`: Linux as the guest of a KVM host, or of a guest of it.

L1 boots with a VMM, its firmware, a kernel and initramfs in a folder; see
run-linux-guest.sh for what it does with them. With a third level L2 finds the same.
Nothing comes from this machine while L1 runs: that would take any time, and with
--icount all runs are to be the same.
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
import metered_run
from cost_model import CostModel
from cost_model import find as find_cost_model
from errors import BadUsage, WrongResult
from guest_workloads import WORKLOADS, Workload
from initramfs import TESTS, make_initramfs, with_folder
from kernel_package import L1Kernel, architecture, check_kernel, find_kernel
from l1_options import check_l1_options, find_emulator, make_machine
from linux_guest_report import Guest, LinuxGuestReport
from nested_boot import Boot, emulator_command, emulator_version
from paths import BUILD
from workload_report import MeasuredPart

INIT = TESTS / "nested/linux-guest-init.sh"
RUN = TESTS / "nested/run-linux-guest.sh"
MACHINES = ("q35", "microvm")
LEVELS = (2, 3)
MAX_VCPUS = 16
GUEST_MEGABYTES = 512
SEED = 123456789  # with --icount
# L1's memory by levels: a host's guest has at most half of what it has itself.
L1_MEMORY = {2: "2G", 3: "3G"}
# For L1 from start to end, and without a word; each level is slower than the last, and
# a workload says nothing until it is done.
TIMEOUTS = {2: 300.0, 3: 900.0}
SILENCES = {2: 120.0, 3: 400.0}
WORKLOAD_TIMEOUT, WORKLOAD_SILENCE = 900.0, 400.0
# Where L1 finds the folder.
FOLDER = "tmp/host"


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
        "--workload",
        choices=WORKLOADS,
        help="what the guest does, and what of its life is measured (default: it "
        "checks its processors, memory and devices, and nothing is measured)",
    )
    group.add_argument(
        "--vmm",
        choices=guest_vmm.KINDS,
        help="the qemu-system-x86_64 in L1: our build, or Debian's packages (default: "
        "ours, on other machines than x86-64 debian)",
    )


OPTIONS = ("machine", "vcpus", "levels", "guest_kernel", "workload", "vmm")

GUEST = "linux"


def run(options: argparse.Namespace) -> int:
    """Run it; 0 when the guest computed what it should and powered off."""
    options.machine = options.machine or "q35"
    options.vcpus = 1 if options.vcpus is None else options.vcpus
    options.levels = 2 if options.levels is None else options.levels
    options.smp = options.vcpus if options.smp is None else options.smp
    options.memory = options.memory or L1_MEMORY.get(options.levels, "2G")
    _check(options)
    report = make_report(options)
    return judged_run.judge(options, report, lambda: boot(options, report))


def make_report(options: argparse.Namespace) -> LinuxGuestReport:
    """For a run with these options, which all have values."""
    guest = Guest(
        level=options.levels,
        vcpus=options.vcpus,
        megabytes=GUEST_MEGABYTES,
        machine=options.machine,
        # Runs whose instructions are counted are to be the same.
        seed=SEED if options.icount else secrets.randbelow(10**9),
    )
    part = None
    if options.workload or options.meter:
        part = MeasuredPart(
            WORKLOADS.get(options.workload),
            options.cost_model and CostModel(find_cost_model(options.cost_model)),
        )
    return LinuxGuestReport(guest, part, options.meter)


def count(
    options: argparse.Namespace,
    workload: str | None,
    model: str | None = None,
    call_graph: bool = False,
) -> LinuxGuestReport:
    """A run whose instructions are counted; what was is its `part`. It has to be right.

    The options are those of add_l1_arguments(), `guest_kernel` may be there too.
    Without a workload the guest's whole life is counted; with a cost model, on a
    processor of the model; with a call graph, by function of L1's kernel too.
    """
    chosen = {
        "guest_kernel": None,
        "vmm": None,
        **vars(options),
        "workload": workload,
        "cost_model": model,
        "machine": "q35",
        "vcpus": 1,
        "levels": 2,
        "smp": 1,
        "memory": L1_MEMORY[2],
        "meter": True,
        "icount": True,
        "timeout": None,
        "json": None,
        "trace": False,
        "strict_clean_bits": False,
        "keep_log": False,
    }
    counted = argparse.Namespace(**chosen)
    _check(counted)
    report = make_report(counted)
    boot(counted, report, call_graph)
    if problem := report.problem():
        raise WrongResult(f"{options.kernel}: {problem}")
    return report


def _check(options: argparse.Namespace) -> None:
    if not 1 <= options.vcpus <= MAX_VCPUS:
        raise BadUsage(f"--vcpus {options.vcpus}: a guest has 1 to {MAX_VCPUS}")
    if options.levels not in LEVELS:
        raise BadUsage(f"--levels {options.levels}: it is 2 or 3, L1 and its guests")
    check_l1_options(options)
    judged_run.check_options(options)
    metered_run.check_options(options)
    if options.workload and options.levels != 2:
        raise BadUsage("--workload: L2 does it, --levels 3 has no place in it")
    if options.guest_kernel:
        check_kernel(options.guest_kernel)
    if architecture(options.kernel) != "amd64":
        raise BadUsage(f"--kernel {options.kernel}: the VMM needs a host of 64 bits")


def boot(
    options: argparse.Namespace, report: LinuxGuestReport, call_graph: bool = False
) -> None:
    """Boot L1 and gather the report; raise if L1 came to no proper end."""
    guest = report.guest
    workload = report.part and report.part.workload
    init = {}
    if workload:
        init |= {"workload": workload.name, "amount": workload.amount}
    if options.meter:
        init["meter"] = 1
    if call_graph:
        init["symbols"] = 1
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
        **init,
    )
    kernel = machine.kernel
    if options.guest_kernel:
        kernel = find_kernel(options.guest_kernel)
    vmm = guest_vmm.make_vmm(options.vmm or guest_vmm.default_kind())
    report.emulator = emulator_version(emulator_path)
    timeout, silence = TIMEOUTS[guest.level], SILENCES[guest.level]
    if workload:
        timeout, silence = WORKLOAD_TIMEOUT, WORKLOAD_SILENCE

    with (
        tempfile.TemporaryDirectory(prefix="linux-guest-", dir=BUILD) as temporary,
        metered_run.metered(options.meter, options.cost_model, call_graph) as meter,
    ):
        folder = Path(temporary, "folder")
        folder.mkdir()
        _fill(folder, vmm, kernel, workload, options.levels)
        initramfs = Path(temporary, "l1.cpio")
        with_folder(machine.initramfs, folder, FOLDER, initramfs)
        report.shared_kernel = kernel.image
        machine = machine._replace(initramfs=initramfs)

        def read(_boot: Boot) -> None:
            if report.part:
                report.part.counted = meter.counted(report.part.label)
                report.part.symbols = meter.symbols()

        judged_run.boot_l1(
            options,
            report,
            emulator_command(emulator_path, machine) + meter.words,
            f"Linux {kernel.version} in L{guest.level} of Linux "
            f"{machine.kernel.version} under {emulator_path.name}",
            timeout,
            silence,
            on_end=read,
        )


def _fill(
    folder: Path, vmm: Path, kernel: L1Kernel, workload: Workload | None, levels: int
) -> None:
    """Put what L1 needs for a guest into a folder."""
    shutil.copytree(vmm, folder / "vmm", copy_function=_link)
    shutil.copyfile(RUN, folder / RUN.name)
    _link(kernel.image, folder / "kernel")
    if levels > 2:
        _link(make_initramfs(kernel), folder / "host.cpio")
    guest = make_initramfs(
        kernel,
        INIT,
        programs=(),
        files=workload.files() if workload else {},
        purposes=("shell", *(workload.modules if workload else ())),
    )
    _link(guest, folder / "guest.cpio")
    (folder / "firmware").mkdir()
    for file in emulator.firmware().iterdir():
        if file.is_file():
            _link(file.resolve(), folder / "firmware" / file.name)


def _link(source: str | Path, target: str | Path) -> None:
    """As good as a copy, of files that nobody changes."""
    os.link(source, target)
