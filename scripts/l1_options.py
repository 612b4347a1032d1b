# SPDX-License-Identifier: GPL-2.0-or-later
"""The options that commands which boot an L1 share: what it is made of."""

import argparse
import re
import shutil
import subprocess
from pathlib import Path

from errors import BadUsage
from initramfs import make_initramfs
from kernel_package import KVM_CHANGE, SUITES, L1Kernel, check_kernel, find_kernel
from nested_boot import Machine

STRICT_CLEAN_BITS = ",svm-strict-clean-bits=on"


def add_l1_arguments(
    parser: argparse.ArgumentParser,
    smp: int = 1,
    memory: str = "1G",
    kernel: str | None = "6.1",
    kvm: bool = True,
) -> None:
    """Kernel, CPUs, memory, emulator; the defaults that differ are arguments.

    No default kernel is Xen's own; without KVM there are no parameters of kvm-amd.
    """
    add_kernel_arguments(parser, kernel)
    add_cpu_argument(parser)
    parser.add_argument(
        "--smp",
        "--cpus",
        type=int,
        default=smp,
        metavar="N",
        help=f"CPUs of L1 (default: {smp})",
    )
    parser.add_argument(
        "--memory", default=memory, help=f"of L1 (default: {memory})"
    )
    if kvm:
        add_npt_argument(parser)
    parser.add_argument(
        "--qemu",
        default="ours",
        metavar="ours|pristine|PATH",
        help="the emulator: with the add-on, the same source without it, or one of "
        "your own (default: ours)",
    )
    add_append_argument(parser)


def add_kernel_arguments(parser: argparse.ArgumentParser, kernel: str | None) -> None:
    """L1's kernel and its modules; no default kernel is Xen's own."""
    parser.add_argument(
        "--kernel",
        default=kernel,
        metavar="KERNEL",
        help=f"{', '.join(SUITES)}: Debian's newest package of it; "
        f"{', '.join(KVM_CHANGE)}: those with KVM built anew, without and with the "
        "change that saves the host's state by VMSAVE and VMLOAD; or the PATH of a "
        "bzImage, a vmlinux or a kernel build tree (default: "
        f"{kernel or 'what Debian has beside this Xen'})",
    )
    parser.add_argument(
        "--modules",
        metavar="DIR",
        help="where the modules of --kernel PATH are, when not in its build tree",
    )


def add_append_argument(parser: argparse.ArgumentParser) -> None:
    """Words for L1's kernel."""
    parser.add_argument(
        "--append",
        default="",
        metavar="WORDS",
        help="more for the command line of L1's kernel",
    )


def add_cpu_argument(parser: argparse.ArgumentParser) -> None:
    """The model of L1's CPUs."""
    parser.add_argument(
        "--cpu",
        default="EPYC",
        help="QEMU's -cpu for L1 (default: EPYC); an EPYC model gets svm-silicon=on "
        "too, unless you say svm-silicon=off",
    )


def add_npt_argument(parser: argparse.ArgumentParser) -> None:
    """How kvm-amd in L1 pages its guests."""
    parser.add_argument(
        "--npt",
        type=int,
        default=1,
        metavar="0|1",
        help="kvm-amd's parameter: nested paging or shadow paging (default: 1)",
    )


def check_l1_options(options: argparse.Namespace) -> None:
    """Refuse what makes no sense, before anything is fetched or built."""
    check_machine_options(options, least_memory=256)
    check_kernel(options.kernel, options.modules)


def check_machine_options(options: argparse.Namespace, least_memory: int = 1) -> None:
    """Of these options, refuse those that no machine has; memory is in MiB."""
    if not 1 <= options.smp <= 255:
        raise BadUsage(f"--smp {options.smp}: a machine has 1 to 255 CPUs")
    found = re.fullmatch(r"(\d+)([MG]?)", options.memory)
    megabytes = int(found[1]) * (1024 if found[2] == "G" else 1) if found else 0
    if megabytes < least_memory:
        raise BadUsage(
            f"--memory {options.memory}: it is {least_memory}M or more, e.g. 2G"
        )
    if options.qemu not in ("ours", "pristine"):
        find_own_emulator(options.qemu)
    if not options.cpu:
        raise BadUsage("--cpu: a CPU model is missing")
    if getattr(options, "npt", 0) not in (0, 1):
        raise BadUsage(f"--npt {options.npt}: it is 0 or 1")


def find_own_emulator(name: str) -> Path:
    """The emulator that a path, or a program's name, stands for."""
    path = shutil.which(name)
    if path is None:
        raise BadUsage(
            f"--qemu {name}: no such program; known are ours, pristine, or a path"
        )
    return Path(path).absolute()


def find_emulator(name: str) -> Path:
    """The emulator to use, built if need be."""
    if name in ("ours", "pristine"):
        from emulator import emulator

        return emulator(name)
    return find_own_emulator(name)


def cpu_with_silicon(cpu: str, qemu: str) -> str:
    """QEMU's -cpu for L1: an EPYC model has the SVM features of its silicon.

    Only our emulator knows that property; QEMU's models alone lack most features.
    """
    if not cpu.startswith("EPYC") or "svm-silicon" in cpu or not knows_silicon(qemu):
        return cpu
    return f"{cpu},svm-silicon=on"


def knows_silicon(qemu: str) -> bool:
    """Whether the processors of this --qemu have the property svm-silicon."""
    return knows_device_property(qemu, "EPYC-x86_64-cpu", "svm-silicon")


def knows_device_property(qemu: str, device: str, name: str) -> bool:
    """Whether a device of this --qemu has a property that is the add-on's."""
    if qemu in ("ours", "pristine"):
        return qemu == "ours"
    command = [find_own_emulator(qemu), "-device", f"{device},help"]
    try:
        properties = subprocess.run(command, capture_output=True, text=True).stdout
    except OSError:
        # Whoever starts it next says what is wrong with it.
        return False
    return f" {name}=" in properties


def make_machine(options: argparse.Namespace, **init: str | int) -> Machine:
    """L1 as the options describe it, with the init script's parameters."""
    kernel = find_kernel(options.kernel, options.modules)
    machine = describe_machine(
        options, kernel, make_initramfs(kernel), **init, npt=options.npt
    )
    parameters = (*machine.parameters, f"kvm_amd.npt={options.npt}")
    return machine._replace(parameters=parameters)


def describe_machine(
    options: argparse.Namespace,
    kernel: L1Kernel,
    initramfs: Path,
    **init: str | int,
) -> Machine:
    """The machine of the options with what is to boot, and the init script's values."""
    return Machine(
        kernel=kernel,
        initramfs=initramfs,
        cpu=cpu_with_silicon(options.cpu, options.qemu)
        + STRICT_CLEAN_BITS * getattr(options, "strict_clean_bits", False),
        smp=options.smp,
        memory=options.memory,
        icount=getattr(options, "icount", False),
        parameters=(
            *(f"svm.{key}={value}" for key, value in init.items()),
            *options.append.split(),
        ),
    )
