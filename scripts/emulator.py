# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulators: fetch QEMU's source, graft the add-on into it, configure, build.

Each kind has its source tree and its build folder in build/. Nothing is done twice:
a tree is unpacked again only for another version, a build configured again only when
its options change, and ninja compiles what the graft has changed.
"""

import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import apt_archive
import child_processes
import disk_space
import machine_packages
from errors import BadUsage, SetupFailed
from paths import BUILD, CHECKOUT
from progress import Step, say

LOGS = BUILD / "logs"
FIRMWARE = BUILD / "firmware"


class Kind(NamedTuple):
    """An emulator that can be built."""

    name: str
    purpose: str
    suite: str
    series: str | None
    grafted_from: str | None
    options: tuple[str, ...] = ()


SERIES = "1:10.0."
KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "ours",
            "QEMU 10.0 with the add-on",
            *("trixie", SERIES, "pristine"),
            ("--enable-werror",),
        ),
        Kind("pristine", "the same QEMU without it", "trixie", SERIES, None),
        Kind(
            "sanitizers",
            "ours, checking its own memory accesses",
            *("trixie", SERIES, "pristine"),
            ("--enable-asan", "--enable-ubsan"),
        ),
        Kind(
            "newest",
            "the newest QEMU that Debian has, with the add-on",
            *("sid", None, "newest-pristine"),
        ),
        Kind("newest-pristine", "the newest QEMU without it", "sid", None, None),
    )
}

CONFIGURE_OPTIONS = (
    "--python=/usr/bin/python3",
    "--cc=ccache gcc",
    "--target-list=x86_64-softmmu,i386-softmmu",
    "--without-default-features",
    "--enable-system",
    "--enable-tcg",
    "--enable-kvm",
    "--enable-slirp",
    "--enable-virtfs",
    "--enable-attr",
    "--enable-cap-ng",
    "--enable-tools",
    "--enable-pixman",
    "--enable-fdt=system",
    "--enable-trace-backends=log",
    "--disable-install-blobs",
    "--disable-docs",
    "--disable-download",
)

# Debian's packages of what QEMU loads into a machine, and where it may be in them.
FIRMWARE_PACKAGES = ("seabios", "ipxe-qemu", "qemu-system-data")
FIRMWARE_FOLDERS = ("usr/share/seabios", "usr/lib/ipxe/qemu", "usr/share/qemu")

# QEMU has many more programs; these are the ones that users of the add-on need.
PROGRAMS = ("qemu-system-x86_64", "qemu-img")
# An emulator of processors without long mode, for the tests.
PROGRAM_32_BIT = "qemu-system-i386"

# Where the graft puts our qtest programs, and so where they are built.
QTESTS = "tests/qtest/svm"


def emulator(kind: str) -> Path:
    """The path of a kind's qemu-system-x86_64, built if need be."""
    build(kind)
    return build_folder(kind) / "qemu-system-x86_64"


def build(kind: str, more: Sequence[str] = ()) -> None:
    """Build what users need of a kind, and more of what ninja knows there."""
    chosen = _kind(kind)
    machine_packages.ensure()
    with locked():
        _ensure_tree(chosen)
        _ensure_firmware()
        _ensure_configured(chosen)
        _run_ninja(chosen, [*PROGRAMS, *more])


def qtest_target(name: str) -> str:
    """What builds a qtest program of tests/qtest."""
    return f"{QTESTS}/qtest-{name}"


def source_tree(kind: str) -> Path:
    """A kind's source tree, fetched, unpacked and grafted if need be."""
    chosen = _kind(kind)
    machine_packages.ensure()
    with locked():
        return _ensure_tree(chosen)


def firmware() -> Path:
    """The folder of what QEMU loads into a machine, fetched if need be."""
    machine_packages.ensure()
    with locked():
        _ensure_firmware()
    return FIRMWARE


def build_folder(kind: str) -> Path:
    """Where a kind is built."""
    return BUILD / f"build-{_kind(kind).name}"


def source_version(kind: str) -> str | None:
    """Debian's version of a kind's source, if it is unpacked."""
    chosen = _kind(kind)
    mark = _version_mark(chosen.grafted_from or chosen.name)
    return mark.read_text().strip() if mark.exists() else None


def add_on_version() -> str:
    """The version of this project."""
    text = (CHECKOUT / "meson.build").read_text()
    return re.search(r"^\s*version: '([^']+)'", text, re.MULTILINE)[1]


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise BadUsage(f"no emulator '{name}': there are {', '.join(KINDS)}")
    return KINDS[name]


# The source


def _tree(kind: Kind) -> Path:
    # Sanitizers change how a tree is built, not the tree.
    name = "ours" if kind.name == "sanitizers" else kind.name
    return BUILD / f"qemu-{name}"


def _version_mark(name: str) -> Path:
    return BUILD / f"qemu-{name}.version"


def _ensure_tree(kind: Kind) -> Path:
    if not kind.grafted_from:
        return _ensure_pristine_tree(kind)
    # Only here: everything else works without the graft.
    import graft

    pristine = _ensure_pristine_tree(KINDS[kind.grafted_from])
    target = _tree(kind)
    version = (pristine / "VERSION").read_text().strip()
    if not target.exists():
        disk_space.require(BUILD, 500 * disk_space.MEGABYTE, "QEMU's grafted source")
    unreviewed = graft.graft(pristine, target, version, strict_digests=False)
    if len(unreviewed) == 1:
        say(f"warning: {unreviewed[0]}")
    elif unreviewed:
        say(
            f"warning: {len(unreviewed)} seams are in code that nobody has reviewed "
            f"for QEMU {version} (./svm seams review)"
        )
    return target


def _ensure_pristine_tree(kind: Kind) -> Path:
    tree = _tree(kind)
    mark = _version_mark(kind.name)
    unpacked = mark.read_text().strip() if mark.exists() and tree.exists() else None
    if unpacked:
        # Debian is asked for a newer one no more than once a day.
        if time.time() - mark.stat().st_mtime < apt_archive.LISTS_STAY_FRESH:
            return tree
    try:
        dsc = apt_archive.fetch_source("qemu", kind.suite, kind.series)
    except apt_archive.NoNetwork as error:
        if not unpacked:
            raise
        say(f"no network: keeping QEMU {unpacked} ({error})")
        return tree
    version = re.search(r"^Version: (\S+)", dsc.read_text(), re.MULTILINE)[1]
    if version != unpacked:
        mark.unlink(missing_ok=True)
        apt_archive.unpack_source(dsc, tree)
    mark.write_text(version + "\n")
    return tree


def _ensure_firmware() -> None:
    # Looked for again when there is another QEMU in the series that we ship against.
    mark = BUILD / "firmware.version"
    wanted = source_version("pristine") or ""
    if mark.exists() and mark.read_text() == wanted:
        return
    shutil.rmtree(FIRMWARE, ignore_errors=True)
    packages = FIRMWARE / "packages"
    for package in FIRMWARE_PACKAGES:
        deb = apt_archive.fetch_deb(package, "trixie", arch="all")
        apt_archive.unpack_deb(deb, packages / package)
        for name in FIRMWARE_FOLDERS:
            for path in (packages / package / name).glob("*"):
                if path.is_file():
                    (FIRMWARE / path.name).symlink_to(path.relative_to(FIRMWARE))
    mark.write_text(wanted)


# The build


def _ensure_configured(kind: Kind) -> None:
    folder = build_folder(kind.name)
    mark = folder / "configured-with"
    command = _configure_command(kind)
    wanted = json.dumps(command)
    if not mark.exists() or mark.read_text() != wanted:
        disk_space.require(BUILD, 1000 * disk_space.MEGABYTE, f"building {kind.name}")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with Step(f"configuring {kind.name}"):
            _run_logged(command, folder, f"configure-{kind.name}", kind)
        mark.write_text(wanted)
    # Run from its build folder, QEMU looks here for what would be installed.
    firmware = folder / "qemu-bundle/usr/local/share/qemu-firmware"
    if not firmware.is_symlink():
        firmware.parent.mkdir(parents=True, exist_ok=True)
        firmware.symlink_to("../../../../../firmware")


def _configure_command(kind: Kind) -> list[str]:
    version = source_version(kind.name)
    what = f"qemu-svm {add_on_version()}" if kind.grafted_from else "pristine"
    return [
        f"../{_tree(kind).name}/configure",
        *CONFIGURE_OPTIONS,
        f"--with-pkgversion=Debian {version}, {what}",
        *kind.options,
    ]


def _run_ninja(kind: Kind, targets: list[str]) -> None:
    started = time.monotonic()
    with ExitStack() as stack:
        step = None

        def show(line: str) -> None:
            nonlocal step
            match = re.match(r"\[(\d+)/(\d+)\]", line)
            # Each build makes the version's header anew: not worth a word.
            if match and step is None and time.monotonic() - started > 2:
                step = stack.enter_context(Step(f"building {kind.name}"))
            if match and step:
                step.update(f"{match[1]} of {match[2]} steps")

        command = ["ninja", "-j", str(build_jobs()), *targets]
        folder = build_folder(kind.name)
        _run_logged(command, folder, f"build-{kind.name}", kind, on_line=show)


def _run_logged(command: list[str], folder: Path, name: str, kind: Kind, **keywords):
    LOGS.mkdir(exist_ok=True)
    log_path = LOGS / f"{name}.log"
    on_line = keywords.pop("on_line", None)
    with log_path.open("w") as log:

        def take(line: str) -> None:
            log.write(line + "\n")
            if on_line:
                on_line(line)

        status, lines = child_processes.run(
            command, on_line=take, cwd=folder, env=build_environment(), **keywords
        )
    if status:
        errors = [line for line in lines if re.search(r"\berror:|ERROR:", line, re.I)]
        for line in errors[-10:]:
            say(line.strip())
        if any("No space left on device" in line for line in lines):
            raise SetupFailed(f"no disk space left while building {kind.name}")
        raise SetupFailed(
            f"'{Path(command[0]).name}' failed for {kind.name}, see {log_path}"
        )


def build_environment() -> dict[str, str]:
    """The environment of compilers that are called through ccache."""
    # Another checkout's objects serve as well: paths inside the checkout count as
    # relative, and the folder of compilation does not count.
    return os.environ | {"CCACHE_BASEDIR": str(CHECKOUT), "CCACHE_NOHASHDIR": "1"}


def build_jobs() -> int:
    """How many compilers to run at once."""
    cores = len(os.sched_getaffinity(0))
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 10**9
    return max(1, min(cores, gigabytes))


@contextmanager
def locked() -> Iterator[None]:
    """Keep two ./svm from working in the build folder at once."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another ./svm that is building here")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
