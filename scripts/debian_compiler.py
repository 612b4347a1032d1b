# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's C compiler for a guest: its programs, and the libraries that they need.

They are taken out of packages, which are not installed, for an initramfs. There is no
gcc, which would only call them, and no C library to link with.
"""

import hashlib
from pathlib import Path

import apt_archive
from paths import BUILD
from program_libraries import libraries_in

SUITE = "trixie"
RELEASE = 14
PACKAGES = (f"cpp-{RELEASE}-x86-64-linux-gnu", "binutils-x86-64-linux-gnu")
PROGRAMS = (
    f"usr/libexec/gcc/x86_64-linux-gnu/{RELEASE}/cc1",
    "usr/bin/x86_64-linux-gnu-as",
    "usr/bin/x86_64-linux-gnu-ld",
)
LOADER = "ld-linux-x86-64.so.2"


def compiler_files() -> dict[str, bytes]:
    """The files of a guest, by path; the programs are in /bin."""
    tree = _tree()
    programs = [tree / program for program in PROGRAMS]
    files = {f"bin/{program.name}": program.read_bytes() for program in programs}
    for library, path in libraries_in(tree, programs).items():
        folder = "lib64" if library == LOADER else "usr/lib/x86_64-linux-gnu"
        files[f"{folder}/{library}"] = path.read_bytes()
    return files


def _tree() -> Path:
    """The packages that hold them, unpacked over one another."""
    debs = {
        deb.name: deb
        for package in PACKAGES
        for deb in apt_archive.fetch_with_dependencies(package, SUITE)
    }
    digest = hashlib.sha256("".join(sorted(debs)).encode())
    tree = BUILD / "compiler" / digest.hexdigest()[:16]
    if not tree.exists():
        what = "unpacking Debian's C compiler"
        apt_archive.unpack_over_one_another(debs.values(), tree, what)
    return tree
