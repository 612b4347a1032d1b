# SPDX-License-Identifier: GPL-2.0-or-later
"""What dom0 needs to run guests: Xen's own programs, and the libraries they need.

They are taken out of Debian's packages, which are not installed, for an initramfs.
"""

import hashlib
from pathlib import Path

import apt_archive
from paths import BUILD
from program_libraries import libraries_in
from xen_package import RELEASES

PROGRAMS = ("xl", "xenstored", "xenconsoled", "xen-init-dom0")
LOADER = "lib64/ld-linux-x86-64.so.2"
LIBRARIES = "usr/lib/x86_64-linux-gnu"
# The C library itself loads it, when a thread is to end.
LOADED_LATER = ("libgcc_s.so.1",)

# A fully virtualized guest's devices and firmware are a QEMU's, in dom0.
DEVICE_MODEL = "usr/libexec/xen-qemu-system-i386"
DEVICE_MODEL_DATA = ("usr/share/qemu", "usr/share/seabios")
# Of those folders, what a guest without a screen, disk or network loads.
DEVICE_MODEL_FILES = ("bios-256k.bin", "linuxboot_dma.bin", "linuxboot.bin", "en-us")


def toolstack_files(name: str, guest: str) -> dict[str, bytes]:
    """The files of dom0, by path, for a guest of a type of a known Xen."""
    tree = _tree(name, guest)
    folder = tree / f"usr/lib/xen-{name}"
    programs = [folder / "bin" / program for program in PROGRAMS]
    found = [*programs]
    if guest == "hvm":
        programs.append(tree / DEVICE_MODEL)
        found += [tree / DEVICE_MODEL, folder / "boot/hvmloader"]
        for data in DEVICE_MODEL_DATA:
            found += [
                path
                for path in sorted((tree / data).rglob("*"))
                if path.name in DEVICE_MODEL_FILES
            ]
    files = {str(path.relative_to(tree)): path.read_bytes() for path in found}
    for library, path in libraries_in(tree, programs, LOADED_LATER).items():
        files[f"{LIBRARIES}/{library}"] = path.read_bytes()
    files[LOADER] = files[f"{LIBRARIES}/{Path(LOADER).name}"]
    return files


def _tree(name: str, guest: str) -> Path:
    """The packages that hold them, unpacked over one another."""
    suites = RELEASES[name].suites
    # Its own dependencies are those of a system that is administered.
    debs = [apt_archive.fetch_deb(f"xen-utils-{name}", suites)]
    library = f"libxenmisc{name}" if guest == "pvh" else "qemu-system-xen"
    debs += apt_archive.fetch_with_dependencies(library, suites)
    digest = hashlib.sha256("".join(sorted(deb.name for deb in debs)).encode())
    tree = BUILD / "xen" / f"toolstack-{name}-{guest}-{digest.hexdigest()[:16]}"
    if not tree.exists():
        what = f"unpacking the toolstack of Xen {name}"
        apt_archive.unpack_over_one_another(debs, tree, what)
    return tree
