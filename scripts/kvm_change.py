# SPDX-License-Identifier: GPL-2.0-or-later
"""KVM with and without the change that saves the host's state by VMSAVE and VMLOAD.

kvm and kvm-amd are built twice from Debian's package of the kernel's source: as they
are ("before"), and with the seams of kvm-change/ grafted in ("after").  Debian's
configuration and checksums of symbols are used, so both load into Debian's kernel.
"""

import hashlib
import os
import shutil
from pathlib import Path

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

SERIES = "5.10"
VARIANTS = ("before", "after")
MODULES = ("kvm.ko", "kvm-amd.ko")
WHAT = "modules of KVM"
KVM = "arch/x86/kvm"
FOLDER = CHECKOUT / "kvm-change"
SEAMS = FOLDER / "seams"
ADD_ON = (graft.AddOnFolder(FOLDER, f"{KVM}/svm", ("seams", "README.md")),)

# Of the source, what preparing the build of modules takes, and KVM.
PARTS = (
    *("Kbuild", "Makefile", "arch/x86", "include", "kernel", "scripts", "virt"),
    *("security/selinux/include", "*Kconfig*"),
    *(f"tools/{part}" for part in ("Makefile", "arch", "build", "include", "lib")),
    *("tools/objtool", "tools/scripts"),
)
# What the seams touch, and what checks their style.
PARTS_TO_READ = ("Makefile", KVM, "scripts/*checkpatch*", "scripts/spelling.txt")

# Takes half of the time of a build and is no part of what the modules do; nor do
# newer compilers' new warnings matter.
WITHOUT = ("CONFIG_DEBUG_INFO",)
OPTIONS = ("CONFIG_KVM_INTEL=", "CONFIG_KVM_WERROR=", "WERROR=0")


def modules(variant: str) -> list[Path]:
    """The files of the modules of a variant, fetched and built if need be."""
    machine_packages.ensure_kernel_build()
    release, source, headers = _packages()
    compiler = x86_64_tools.path("gcc")
    inputs = hashlib.sha256(
        repr((source.name, headers.name, compiler, os.stat(compiler).st_mtime_ns))
        .encode()
    )
    added = graft.add_on_files(ADD_ON).values()
    scripts = (Path(file.__file__) for file in (kernel_source, graft))
    for path in (Path(__file__), *scripts, *sorted(SEAMS.glob("*.seam")), *added):
        inputs.update(path.name.encode() + b"\0" + path.read_bytes())
    folder = _built(f"{version_of(source)}-{inputs.hexdigest()[:16]}")
    with locked():
        if not folder.exists():
            _make(release, source, headers, folder)
    return [folder / variant / name for name in MODULES]


def source_tree() -> Path:
    """The kernel's source as it is, as far as the seams touch it."""
    source = _source_package()
    folder = _built(f"source-{version_of(source)}")
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
    tree = _built(f"source-{version}")
    return tree if tree.exists() else "only the mirror's newest one is fetched"


def grafted_files(tree: Path, version: str) -> dict[str, bytes]:
    """What the change makes of the files of a source tree, by name."""
    if not any(seam.is_for(version) for seam in graft.read_seams(SEAMS)):
        raise SetupFailed(
            f"the change of KVM is written for Linux {SERIES}, not for {version}"
        )
    files, unreviewed = graft.grafted_files(tree, version, seams=SEAMS, add_on=ADD_ON)
    for seam in unreviewed:
        say(
            f"seam {seam.seam}: the code around it in {seam.place} is not reviewed "
            f"for Linux {version} (./svm seams --kvm review)"
        )
    return files


def _packages() -> tuple[str, Path, Path]:
    """The release of Debian's kernel, and the packages of its source and headers."""
    image, deb = next(iter(image_packages(SERIES).items()))
    release = image.removeprefix("linux-image-")
    source = _source_package()
    headers = apt_archive.fetch_deb(f"linux-headers-{release}", SUITES[SERIES])
    for other in (source, headers):
        if other.name.split("_")[1] != deb.name.split("_")[1]:
            raise SetupFailed(
                f"{other.name} does not belong to {deb.name}; the mirror is being "
                "updated, try again later"
            )
    return release, source, headers


def _source_package() -> Path:
    return apt_archive.fetch_deb(f"linux-source-{SERIES}", SUITES[SERIES], arch="all")


def _built(name: str) -> Path:
    return BUILD / "kvm-change" / name


def _make(release: str, source: Path, headers: Path, target: Path) -> None:
    def fill(scratch: Path) -> Path:
        tree = unpack_source(source, scratch, PARTS)
        with Step(f"building kvm and kvm-amd of {release} twice") as step:
            make = _prepare(tree, headers, release, scratch)
            for variant in VARIANTS:
                step.update(variant)
                if variant == "after":
                    for name, content in grafted_files(tree, version).items():
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
    configuration = (folder / ".config").read_text()
    for name in WITHOUT:
        configuration = configuration.replace(f"\n{name}=y\n", f"\n{name}=n\n")
    (tree / ".config").write_text(configuration)
    shutil.copy(folder / "Module.symvers", tree)
    # A kernel takes only modules that name its own release.
    make = [*make_command(tree), f"KERNELRELEASE={release}", *OPTIONS]
    run_step(WHAT, "configuration", [*make, "olddefconfig"])
    run_step(WHAT, "preparation", [*make, "modules_prepare"])
    return make


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
