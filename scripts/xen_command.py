# SPDX-License-Identifier: GPL-2.0-or-later
"""`./svm xen`: boot Xen as L1, with a dom0 that proves itself and powers off."""

import argparse

import judged_run
from errors import BadUsage
from initramfs import TESTS, make_initramfs
from kernel_package import find_kernel
from l1_options import (
    add_l1_arguments,
    check_l1_options,
    describe_machine,
    find_emulator,
)
from nested_boot import Machine, emulator_command, emulator_version
from xen_package import NEWEST_RELEASE, RELEASES, check_xen, default_kernel, find_xen
from xen_report import XenReport

DOM0_INIT = TESTS / "nested/dom0-init.sh"
DOM0_FORMS = ("pvh", "pv")
SECONDS = 300


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
        "--append-xen",
        default="",
        metavar="WORDS",
        help="more for the command line of Xen",
    )
    add_l1_arguments(parser, kernel=None, kvm=False)
    judged_run.add_arguments(parser, str(SECONDS))


def run(options: argparse.Namespace) -> int:
    """Boot it; 0 when dom0 came up, went down, and Xen lists what CPUID offers."""
    if options.kernel is None:
        options.kernel = default_kernel(options.xen)
    _check(options)
    # First: it installs what the next steps need too.
    emulator = find_emulator(options.qemu)
    machine = _make_machine(options)
    report = XenReport(machine.xen, options.dom0)
    report.emulator = emulator_version(emulator)
    command = emulator_command(emulator, machine)
    if options.dom0 == "pvh":
        # Xen insists on it: such a dom0's addresses are not the machine's.
        command += ["-device", "amd-iommu"]
    what = f"Xen {options.xen} and Linux {machine.kernel.version} under {emulator.name}"

    def boot() -> None:
        judged_run.boot_l1(
            *(options, report, command, what, SECONDS),
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


def _make_machine(options: argparse.Namespace) -> Machine:
    kernel = find_kernel(options.kernel, options.modules)
    initramfs = make_initramfs(kernel, DOM0_INIT, programs=(), purposes=("dom0",))
    parameters = (f"dom0={options.dom0}", "loglvl=all", "guest_loglvl=all")
    return describe_machine(options, kernel, initramfs)._replace(
        xen=find_xen(options.xen),
        xen_parameters=(*parameters, *options.append_xen.split()),
    )
