# SPDX-License-Identifier: GPL-2.0-or-later
"""KVM with and without the change that saves the host's state by VMSAVE and VMLOAD.

kvm and kvm-amd are built twice from Debian's package of the kernel's source: as they
are, and with seams of kvm-change/ grafted in.  For a kernel that is without the change
they make it, of a newer one they undo it.  Debian's configuration and checksums of
symbols are used, so both variants load into Debian's kernel.
"""

import hashlib
import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import apt_archive
import disk_space
import graft
import kernel_source
import machine_packages
import x86_64_tools
from emulator import locked
from errors import SetupFailed
from kernel_package import SUITES, image_packages
from kernel_source import make_command, run_step, unpack_source
from paths import BUILD, CHECKOUT
from progress import Step, say

VARIANTS = ("before", "after")
MODULES = ("kvm.ko", "kvm-amd.ko")
WHAT = "modules of KVM"
KVM = "arch/x86/kvm"
FOLDER = CHECKOUT / "kvm-change"


class Change(NamedTuple):
    """A series of kernels, and the seams that make one variant of it of the other."""

    series: str
    name: str
    makes: str

    @property
    def seams(self) -> Path:
        """The folder of the seams."""
        return FOLDER / self.name / "seams"

    @property
    def add_on(self) -> tuple[graft.AddOnFolder, ...]:
        """The files that are new in the grafted tree."""
        return (graft.AddOnFolder(FOLDER / self.name, f"{KVM}/svm", ("seams",)),)


# By series: the last that Debian has without the change, and one that has it.
CHANGES = {
    "5.10": Change("5.10", "made", "after"),
    "6.1": Change("6.1", "undone", "before"),
}

# Of the source, what preparing the build of modules takes, and KVM.
PARTS = (
    *("Kbuild", "Makefile", "arch/x86", "include", "kernel", "scripts", "virt"),
    *("security/selinux/include", "*Kconfig*"),
    *(f"tools/{part}" for part in ("Makefile", "arch", "bpf", "build", "include")),
    *(f"tools/{part}" for part in ("lib", "objtool", "scripts")),
)
# What the seams touch, and what checks their style.
PARTS_TO_READ = ("Makefile", KVM, "scripts/*checkpatch*", "scripts/spelling.txt")

# The modules for Intel are of no use here; debugging information takes half of the
# time; and newer compilers' new warnings do not matter.
OPTIONS = ("CONFIG_KVM_INTEL=", "KCFLAGS=-g0", "CONFIG_KVM_WERROR=", "WERROR=0")


def modules(series: str, variant: str) -> list[Path]:
    """The files of the modules of a variant, fetched and built if need be."""
    machine_packages.ensure_kernel_build()
    change = CHANGES[series]
    release, source, headers = _packages(series)
    compiler = x86_64_tools.path("gcc")
    inputs = hashlib.sha256(
        repr((source.name, headers.name, compiler, os.stat(compiler).st_mtime_ns))
        .encode()
    )
    scripts = [Path(__file__), Path(kernel_source.__file__)]
    seams = sorted(change.seams.glob("*.seam"))
    for path in (*scripts, *seams, *graft.add_on_files(change.add_on).values()):
        inputs.update(path.name.encode() + b"\0" + path.read_bytes())
    folder = _built(f"{version_of(source)}-{inputs.hexdigest()[:16]}")
    with locked():
        if not folder.exists():
            _make(change, release, source, headers, folder)
    return [folder / variant / name for name in MODULES]


def source_tree(series: str) -> Path:
    """The kernel's source as it is, as far as the seams touch it."""
    source = _source_package(series)
    folder = _built(f"source-{source.name.split('_')[1]}")
    with locked():
        if not folder.exists():
            _fill(folder, source, lambda scratch: _read_only_parts(source, scratch))
    return folder


def version_of(source: Path) -> str:
    """The kernel's version that the package of its source is of, e.g. 5.10.262."""
    return source.name.split("_")[1].partition("-")[0]


def tree_version(tree: Path) -> str | None:
    """The version that a kernel's source tree names; None if it is none."""
    try:
        lines = (tree / "Makefile").read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    found = dict(line.split(" = ") for line in lines if line.count(" = ") == 1)
    keys = ("VERSION", "PATCHLEVEL", "SUBLEVEL")
    return ".".join(found[key] for key in keys) if found.keys() >= {*keys} else None


def tree_of(version: str) -> Path | str:
    """The source of a version that was reviewed earlier; or why there is none."""
    trees = sorted(_built("").glob(f"source-{version}-*"))
    return trees[-1] if trees else "only the mirror's newest one is fetched"


def grafted_files(change: Change, tree: Path, version: str) -> dict[str, bytes]:
    """What the seams make of the files of a source tree, by name."""
    if not any(seam.is_for(version) for seam in graft.read_seams(change.seams)):
        raise SetupFailed(
            f"the seams of kvm-change/{change.name} are for Linux {change.series}, "
            f"not for {version}"
        )
    files, unreviewed = graft.grafted_files(
        tree, version, seams=change.seams, add_on=change.add_on
    )
    for seam in unreviewed:
        say(
            f"seam {seam.seam}: the code around it in {seam.place} is not reviewed "
            f"for Linux {version} (./svm seams --kvm {change.series} review)"
        )
    return files


def _packages(series: str) -> tuple[str, Path, Path]:
    """The release of Debian's kernel, and the packages of its source and headers."""
    image, deb = next(iter(image_packages(series).items()))
    release = image.removeprefix("linux-image-")
    source = _source_package(series)
    headers = apt_archive.fetch_deb(f"linux-headers-{release}", SUITES[series])
    for other in (source, headers):
        if other.name.split("_")[1] != deb.name.split("_")[1]:
            raise SetupFailed(
                f"{other.name} does not belong to {deb.name}; the mirror is being "
                "updated, try again later"
            )
    return release, source, headers


def _source_package(series: str) -> Path:
    return apt_archive.fetch_deb(f"linux-source-{series}", SUITES[series], arch="all")


def _built(name: str) -> Path:
    return BUILD / "kvm-change" / name


def _make(
    change: Change, release: str, source: Path, headers: Path, target: Path
) -> None:
    def fill(scratch: Path) -> Path:
        tree = unpack_source(source, scratch, PARTS)
        with Step(f"building kvm and kvm-amd of {release} twice") as step:
            make = _prepare(tree, headers, release, scratch)
            # The one that the seams make comes last.
            for variant in sorted(VARIANTS, key=lambda name: name == change.makes):
                step.update(variant)
                if variant == change.makes:
                    for name, content in grafted_files(change, tree, version).items():
                        (tree / name).write_bytes(content)
                run_step(WHAT, variant, [*make, f"M={KVM}"])
                (scratch / "result" / variant).mkdir(parents=True)
                for name in MODULES:
                    shutil.copy(tree / KVM / name, scratch / "result" / variant)
        return scratch / "result"

    version = version_of(source)
    _fill(target, source, fill)


def _prepare(tree: Path, headers: Path, release: str, scratch: Path) -> list:
    """Configure the source as Debian's kernel was; the command that builds modules."""
    apt_archive.unpack_deb(headers, scratch / "headers")
    folder = scratch / "headers/usr/src" / headers.name.partition("_")[0]
    for name in (".config", "Module.symvers"):
        shutil.copy(folder / name, tree)
    # A kernel takes only modules that name its own release.
    make = [*make_command(tree), f"KERNELRELEASE={release}", *OPTIONS]
    run_step(WHAT, "configuration", [*make, "olddefconfig"])
    for lost in sorted(_options(folder / ".config") - _options(tree / ".config")):
        say(f"{lost} of Debian's kernel cannot be had with this machine's compiler")
    run_step(WHAT, "preparation", [*make, "modules_prepare"])
    return make


def _options(configuration: Path) -> set[str]:
    """What a configuration switches on, but for what is known of the compiler."""
    found = re.findall(r"^(CONFIG_\w+)=[ym]$", configuration.read_text(), re.MULTILINE)
    return {name for name in found if not re.match("CONFIG_(CC|AS|LD|GCC)_", name)}


def _read_only_parts(source: Path, scratch: Path) -> Path:
    return unpack_source(source, scratch, PARTS_TO_READ)


def _fill(target: Path, source: Path, fill) -> None:
    """Make a folder all at once of what `fill` leaves in a folder of its own."""
    target.parent.mkdir(parents=True, exist_ok=True)
    disk_space.require(target.parent, 700 * disk_space.MEGABYTE, source.name)
    # Always the same: ccache looks at paths.
    scratch = target.parent / "build"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        fill(scratch).rename(target)
    finally:
        shutil.rmtree(scratch)
