# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian packages that this machine needs for building and testing."""

import functools
import os
import re
import shlex
import subprocess
from typing import NamedTuple

import apt_archive
import child_processes
import disk_space
from errors import SetupFailed
from progress import Step, say


class Needed(NamedTuple):
    """A package, what it is needed for, and the oldest version that will do."""

    name: str
    purpose: str
    at_least: str = ""


PACKAGES = [
    Needed("gcc", "compiling QEMU and the guest programs"),
    Needed("libc6-dev", "compiling QEMU and the guest programs"),
    Needed("ccache", "compiling again only what changed, in any checkout"),
    Needed("make", "QEMU's configure"),
    Needed("meson", "QEMU's build, and the tests", "1.5"),
    Needed("ninja-build", "QEMU's build"),
    Needed("pkgconf", "QEMU's configure"),
    Needed("python3-venv", "QEMU's configure"),
    Needed("libglib2.0-dev", "QEMU, and its qtest programs"),
    Needed("zlib1g-dev", "QEMU"),
    Needed("libpixman-1-dev", "QEMU's displays"),
    Needed("libfdt-dev", "QEMU's device trees (microvm)"),
    Needed("libslirp-dev", "QEMU's user network"),
    Needed("libattr1-dev", "QEMU's shared folders (9p)"),
    Needed("libcap-ng-dev", "QEMU's shared folders (9p)"),
    Needed("dpkg-dev", "unpacking source packages"),
    Needed("zstd", "unpacking newer kernels and modules"),
    Needed("perl", "QEMU's style check"),
    # Older ones do not know the keys of Debian 13, whose QEMU this is.
    Needed("debian-archive-keyring", "verifying downloads", "2023.3+deb12u2"),
]

CROSS_COMPILER = Needed("gcc-x86-64-linux-gnu", "compiling the x86-64 guest programs")
CROSS_LIBRARY = Needed("libc6-dev-amd64-cross", "compiling the x86-64 guest programs")
# Only for kernels of 32 bits; not among what every machine needs.
I386_COMPILER = [
    Needed("gcc-i686-linux-gnu", "compiling the guest programs of 32-bit hosts"),
    Needed("libc6-dev-i386-cross", "compiling the guest programs of 32-bit hosts"),
]
# Only for modules of a kernel; what else its build takes, QEMU's takes too.
KERNEL_BUILD = [
    Needed("bc", "the kernel's build"),
    Needed("bison", "the kernel's build"),
    Needed("dwarves", "the kernel's build (what 6.1 has in struct module)"),
    Needed("flex", "the kernel's build"),
    Needed("libelf-dev", "the kernel's build (objtool)"),
    Needed("libssl-dev", "the kernel's build (its tools for signatures)"),
]
# Only for reports, and for the test that opens one.
PLOTS = [Needed("python3-matplotlib", "the plots of a report")]
BROWSER = [Needed("chromium", "the test of a report")]


def needed() -> list[Needed]:
    """All packages that a machine of this architecture needs."""
    if apt_archive.architecture() == "amd64":
        return PACKAGES
    return [*PACKAGES, CROSS_COMPILER, CROSS_LIBRARY]


def installed_versions(packages: list[Needed] | None = None) -> dict[str, str]:
    """Which of the packages (the needed ones) are installed, with their versions."""
    form = "${db:Status-Status} ${Package} ${Version}\n"
    names = [package.name for package in packages or needed()]
    # dpkg-query fails when one is unknown, but prints all others all the same.
    answer = subprocess.run(
        ["dpkg-query", "-W", "-f", form, *names],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ).stdout
    lines = [line.split() for line in answer.splitlines()]
    return {line[1]: line[2] for line in lines if line[0] == "installed"}


def missing(packages: list[Needed] | None = None) -> list[Needed]:
    """Those of the packages (the needed ones) that are not installed, or too old."""
    versions = installed_versions(packages)
    return [
        package for package in packages or needed() if not _serves(package, versions)
    ]


@functools.cache
def ensure() -> None:
    """Install what is missing; quiet when there is nothing to do."""
    _ensure(needed())


@functools.cache
def ensure_i386_compiler() -> None:
    """The same for what programs of 32 bits are compiled with."""
    _ensure(I386_COMPILER)


@functools.cache
def ensure_kernel_build() -> None:
    """The same for what modules of a kernel are built with."""
    ensure()
    _ensure(KERNEL_BUILD)


@functools.cache
def ensure_plots() -> None:
    """The same for what the plots of a report are drawn with."""
    _ensure(PLOTS)


@functools.cache
def ensure_browser() -> None:
    """The same for what a report is opened with by its test."""
    _ensure(BROWSER)


def _ensure(wanted: list[Needed]) -> None:
    packages = missing(wanted)
    if not packages:
        return
    if os.geteuid() != 0:
        words = [_what_to_install(package) for package in packages]
        command = ["sudo", "apt-get", "install", "--no-install-recommends", *words]
        raise SetupFailed(
            f"{len(packages)} packages are missing; type: {shlex.join(command)}"
        )
    _install(packages)
    left = [package.name for package in missing(wanted)]
    if left:
        raise SetupFailed(
            f"apt-get installed no new enough {', '.join(left)}; is this machine's apt "
            "configuration one of Debian 12 or newer?"
        )


def _install(packages: list[Needed]) -> None:
    disk_space.require(
        apt_archive.APT, 500_000_000, f"installing {len(packages)} packages"
    )
    with Step("updating this machine's package lists"):
        # Mirrors that we do not need may be out of reach; what matters is whether
        # the packages are found afterwards.
        child_processes.run(["apt-get", "update"])
    words = [_what_to_install(package) for package in packages]
    say(f"these packages are missing: {' '.join(package.name for package in packages)}")
    command = ["apt-get", "install", "--yes", "--no-install-recommends"]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}

    def run(what: str, pattern: str, option: list[str], **keywords) -> None:
        done = 0
        total = 0

        def count(line: str) -> None:
            nonlocal done, total
            if match := re.search(r"(\d+) upgraded, (\d+) newly installed", line):
                total = int(match[1]) + int(match[2])
            elif re.match(pattern, line):
                done += 1
                step.update(f"{done} of {total} packages")

        with Step(what) as step:
            status, lines = child_processes.run(
                [*command, *option, *words], on_line=count, env=environment, **keywords
            )
        if status:
            raise _failure(lines)

    run("downloading packages", "Get:", ["--download-only"])
    # An interrupted dpkg would leave the machine with half-installed packages.
    run("installing packages", "Setting up ", [], finish_when_interrupted=True)


def _what_to_install(package: Needed) -> str:
    """What to name to apt-get: the package, or the path of a newer one."""
    if package.name == "meson" and _release() == "12":
        # Debian 12's own is too old. Its backports need not be in /etc/apt for this.
        return str(apt_archive.fetch_deb("meson", "bookworm-backports", arch="all"))
    return package.name


def _serves(package: Needed, versions: dict[str, str]) -> bool:
    if package.name not in versions:
        return False
    version = versions[package.name]
    if not package.at_least or version == package.at_least:
        return True
    return apt_archive.is_newer(version, package.at_least)


def _release() -> str:
    with open("/etc/os-release") as file:
        match = re.search(r'^VERSION_ID="?([\d.]+)', file.read(), re.MULTILINE)
    return match[1] if match else ""


def _failure(lines: list[str]) -> SetupFailed:
    text = "\n".join(lines)
    if "No space left on device" in text or "don't have enough free space" in text:
        return SetupFailed("no disk space for installing packages")
    if apt_archive.looks_unreachable(text):
        return SetupFailed("cannot install packages: the mirror cannot be reached")
    if "Could not get lock" in text:
        return SetupFailed("another program is installing packages; try again later")
    errors = [line for line in lines if line.startswith("E:")]
    detail = (errors or lines or ["no message"])[0]
    return SetupFailed(f"apt-get could not install packages: {detail}")
