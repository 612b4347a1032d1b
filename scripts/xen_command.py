# SPDX-License-Identifier: GPL-2.0-or-later
"""`./svm xen`: boot Xen as L1, with a dom0 that proves itself and powers off.

dom0 can run a guest before it does. Guests are Linux, with dom0's own kernel.
"""

import argparse

import judged_run
from errors import BadUsage
from initramfs import TESTS, make_initramfs
from kernel_package import L1Kernel, find_kernel
from l1_options import (
    add_l1_arguments,
    check_l1_options,
    describe_machine,
    find_emulator,
)
from nested_boot import Machine, emulator_command, emulator_version
from xen_package import NEWEST_RELEASE, RELEASES, check_xen, default_kernel, find_xen
from xen_report import XenReport
from xen_toolstack import toolstack_files

DOM0_INIT = TESTS / "nested/dom0-init.sh"
GUEST_INIT = TESTS / "nested/xen-guest-init.sh"
DOM0_FORMS = ("pvh", "pv")
GUESTS = ("pvh", "hvm")
NO_GUEST = "none"
SECONDS = 300
GUEST_SECONDS = 300  # more
# A guest's firmware says nothing while it reads the kernel from its QEMU in dom0.
SILENCE_OF_FIRMWARE = 240.0  # seconds

# With a guest the rest of the memory is the guest's and Xen's own.
DOM0_MEMORY = "768M"
GUEST_MEGABYTES = 256
GUEST_CONFIGURATION = """\
name = "L2"
type = "{guest}"
kernel = "/guest/kernel"
ramdisk = "/guest/initramfs"
cmdline = "{words}"
memory = {megabytes}
vcpus = {vcpus}
on_poweroff = "preserve"
on_reboot = "destroy"
on_crash = "destroy"
vga = "none"
vnc = 0
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `./svm xen`."""
    parser.add_argument(
        "xen",
        nargs="?",
        default=NEWEST_RELEASE,
        metavar="XEN",
        help=f"{', '.join(RELEASES)}: Debian's newest package of it; or the PATH of a "
        f"xen.gz or xen (default: {NEWEST_RELEASE})",
    )
    parser.add_argument(
        "--dom0",
        default=DOM0_FORMS[0],
        choices=DOM0_FORMS,
        help="run it inside of SVM, or paravirtualized without (default: pvh)",
    )
    parser.add_argument(
        "--guest",
        default=NO_GUEST,
        choices=(NO_GUEST, *GUESTS),
        help=f"let dom0 run a Linux guest that knows Xen (default: {NO_GUEST})",
    )
    parser.add_argument(
        "--append-xen",
        default="",
        metavar="WORDS",
        help="more for the command line of Xen",
    )
    add_l1_arguments(parser, memory="1536M", kernel=None, kvm=False)
    default = f"{SECONDS}, with a guest {SECONDS + GUEST_SECONDS}"
    judged_run.add_arguments(parser, default)


def run(options: argparse.Namespace) -> int:
    """Boot it; 0 when dom0 came up, went down, and Xen lists what CPUID offers."""
    if options.kernel is None:
        options.kernel = default_kernel(options.xen)
    _check(options)
    # First: it installs what the next steps need too.
    emulator = find_emulator(options.qemu)
    machine = _make_machine(options)
    report = XenReport(machine.xen, options.dom0, options.guest)
    report.emulator = emulator_version(emulator)
    command = emulator_command(emulator, machine)
    if options.dom0 == "pvh":
        # Xen insists on it: such a dom0's addresses are not the machine's.
        command += ["-device", "amd-iommu"]
    seconds = SECONDS + (GUEST_SECONDS if options.guest != NO_GUEST else 0)
    what = f"Xen {options.xen} and Linux {machine.kernel.version} under {emulator.name}"

    is_hvm = options.guest == "hvm"

    def boot() -> None:
        judged_run.boot_l1(
            *(options, report, command, what, seconds),
            silence=SILENCE_OF_FIRMWARE if is_hvm else judged_run.SILENCE,
            on_start=report.on_start,
            on_end=report.on_end,
        )

    return judged_run.judge(options, report, boot)


def _check(options: argparse.Namespace) -> None:
    check_l1_options(options)
    judged_run.check_options(options)
    check_xen(options.xen)
    if "dom0=" in f" {options.append_xen}":
        raise BadUsage("--append-xen: dom0 has an option of its own, --dom0")
    if options.guest != NO_GUEST and options.xen not in RELEASES:
        raise BadUsage(
            f"--guest {options.guest}: only for {', '.join(RELEASES)}, whose programs "
            "for dom0 Debian has"
        )


def _make_machine(options: argparse.Namespace) -> Machine:
    kernel = find_kernel(options.kernel, options.modules)
    parameters = [f"dom0={options.dom0}", "loglvl=all", "guest_loglvl=all"]
    files = {}
    if options.guest != NO_GUEST:
        parameters.append(f"dom0_mem={DOM0_MEMORY},max:{DOM0_MEMORY}")
        files = toolstack_files(options.xen, options.guest)
        files |= _guest_files(options, kernel)
    initramfs = make_initramfs(kernel, DOM0_INIT, (), files, ("dom0",))
    return describe_machine(
        options, kernel, initramfs, guest=options.guest, xen=options.xen
    )._replace(
        xen=find_xen(options.xen),
        xen_parameters=(*parameters, *options.append_xen.split()),
    )


def _guest_files(options: argparse.Namespace, kernel: L1Kernel) -> dict[str, bytes]:
    """The guest as dom0's xl finds it."""
    # A PC's firmware starts no vmlinux; Xen itself needs not uncompress one.
    image = kernel.bz_image if options.guest == "hvm" else kernel.image
    if not image.exists():
        raise BadUsage("--guest hvm: the kernel has to be a bzImage")
    words = "console=hvc0 panic=-1 oops=panic tsc=reliable cryptomgr.notests"
    configuration = GUEST_CONFIGURATION.format(
        guest=options.guest, words=words, megabytes=GUEST_MEGABYTES, vcpus=options.smp
    )
    return {
        "guest/kernel": image.read_bytes(),
        "guest/initramfs": make_initramfs(
            kernel, GUEST_INIT, programs=(), purposes=()
        ).read_bytes(),
        "guest/L2.cfg": configuration.encode(),
    }
