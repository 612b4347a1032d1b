# SPDX-License-Identifier: GPL-2.0-or-later
"""The VMM that L1 starts: qemu-system-x86_64 with the libraries it needs, in a folder.

L1 has no C library of its own, so the program is started by the dynamic loader that
is packed with it:

    lib/ld-linux-x86-64.so.2 --library-path lib ./qemu-system-x86_64 ...
"""

import hashlib
import os
import platform
import re
import shutil
import tempfile
from pathlib import Path

import apt_archive
import child_processes
import emulator
from errors import SetupFailed
from paths import BUILD
from program_libraries import libraries_in
from progress import say

OURS, DEBIANS = "ours", "debian"
KINDS = (OURS, DEBIANS)

PROGRAM = "qemu-system-x86_64"
LOADER = "ld-linux-x86-64.so.2"
PACKAGE = "qemu-system-x86"
SUITE = "trixie"


def default_kind() -> str:
    """Our own build, where it is a program for L1's processor."""
    if platform.machine() == "x86_64":
        return OURS
    say(f"the VMM in L1 is Debian's {PACKAGE}: what is built here is not for x86-64")
    return DEBIANS


def make_vmm(kind: str) -> Path:
    """The folder with the program in it, made when something in it changed."""
    if kind == DEBIANS:
        return _debians()
    program = emulator.emulator("ours")
    libraries = _libraries_of_this_machine(program)
    digest = hashlib.sha256()
    for file in (program, *libraries.values()):
        stat = file.stat()
        digest.update(f"{file} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    folder = BUILD / "vmm" / f"ours-{digest.hexdigest()[:16]}"
    if not folder.exists():
        for old in folder.parent.glob("ours-*"):
            shutil.rmtree(old)
        _pack(folder, program, libraries)
    return folder


def _libraries_of_this_machine(program: Path) -> dict[str, Path]:
    """What the dynamic loader would load for a program, by name."""
    found = {}
    for line in child_processes.output_of(["ldd", program]).splitlines():
        # "NAME => PATH (ADDRESS)", for the loader itself only "PATH (ADDRESS)".
        if match := re.search(r"(/\S+) \(0x", line):
            found[os.path.basename(line.split()[0])] = Path(match[1])
        elif "not found" in line:
            raise SetupFailed(f"a library of {program} is missing: {line.strip()}")
    if LOADER not in found:
        raise SetupFailed(f"{program} is no program for x86-64 with shared libraries")
    return found


def _debians() -> Path:
    debs = apt_archive.fetch_with_dependencies(PACKAGE, SUITE)
    digest = hashlib.sha256("".join(sorted(deb.name for deb in debs)).encode())
    folder = BUILD / "vmm" / f"debian-{digest.hexdigest()[:16]}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            tree = Path(temporary, "tree")
            what = f"unpacking Debian's {PACKAGE}"
            apt_archive.unpack_over_one_another(debs, tree, what)
            program = tree / "usr/bin" / PROGRAM
            _pack(folder, program, libraries_in(tree, [program]))
    return folder


def _pack(folder: Path, program: Path, libraries: dict[str, Path]) -> None:
    """Put a program and its libraries into a folder, all at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="new-", dir=folder.parent))
    try:
        (scratch / "lib").mkdir()
        for name, path in libraries.items():
            shutil.copyfile(path, scratch / "lib" / name)
            (scratch / "lib" / name).chmod(0o755)
        shutil.copyfile(program, scratch / PROGRAM)
        (scratch / PROGRAM).chmod(0o755)
        if platform.machine() == "x86_64":
            # L1 reads it through a slow file system, and nobody debugs it there.
            child_processes.output_of(["strip", scratch / PROGRAM])
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
