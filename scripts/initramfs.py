# SPDX-License-Identifier: GPL-2.0-or-later
"""The file system that L1 boots from: busybox, modules, our guest program, init.

Written as a newc cpio archive by Python itself: that needs no root for the device
nodes, and equal inputs give equal bytes.
"""

import hashlib
import os
import stat
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import apt_archive
import machine_packages
import x86_64_tools
from errors import SetupFailed
from kernel_package import L1Kernel
from paths import BUILD, CHECKOUT
from whole_file import write_whole

TESTS = CHECKOUT / "tests"
INIT = TESTS / "nested/l1-init.sh"
INIT_FUNCTIONS = TESTS / "nested/init-functions.sh"
HALT_LOOP = TESTS / "nested/kvm-halt-loop.c"
KERNEL_SYMBOLS = TESTS / "nested/kernel-symbols.c"
SOAK = TESTS / "soak/kvm-soak.c"
METER_PORTS = CHECKOUT / "hw/svm-meter-ports.h"
# What a program needs beside its C source.
MORE_SOURCES = {SOAK: (TESTS / "soak/soak-guest.S",)}
ONLY_64_BIT = (SOAK,)
PAGE = 4096
COMPILE = ("-static", "-O2", "-Wall", "-Werror", "-pthread")


class _Cpio:
    """A cpio archive in the "newc" format, with root as owner and no times."""

    def __init__(self):
        self._parts = []
        self._entries = 0

    def add(self, name: str, mode: int, content: bytes = b"", device=(0, 0)) -> None:
        self._entries += 1
        encoded = name.encode() + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (self._entries, mode, 0, 0, links, 0, len(content))
        fields += (0, 0, *device, len(encoded), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields)
        for part in (header + encoded, content):
            self._parts.append(part + bytes(-len(part) % 4))

    def folder(self, name: str) -> None:
        self.add(name, stat.S_IFDIR | 0o755)

    def file(self, name: str, content: bytes, mode: int = 0o644) -> None:
        self.add(name, stat.S_IFREG | mode, content)

    def link(self, name: str, target: str) -> None:
        self.add(name, stat.S_IFLNK | 0o777, target.encode())

    def device(self, name: str, major: int, minor: int) -> None:
        self.add(name, stat.S_IFCHR | 0o600, device=(major, minor))

    def bytes(self) -> bytes:
        self.add("TRAILER!!!", 0)
        content = b"".join(self._parts)
        # QEMU's microvm lets an initramfs end in the last page of memory, where its
        # firmware puts the ACPI tables; one of whole pages ends before that.
        return content + bytes(-len(content) % PAGE)


def make_initramfs(
    kernel: L1Kernel,
    init: Path = INIT,
    programs: Sequence[Path] = (HALT_LOOP, KERNEL_SYMBOLS, SOAK),
    files: Mapping[str, bytes] = MappingProxyType({}),
    purposes: Sequence[str] = ("kvm", "shell"),
) -> Path:
    """An initramfs for a kernel, from the cache when nothing in it changed.

    `programs` are C sources, each compiled to a static /bin/NAME; `files` are more
    files by path, executable if they are programs or in a folder called bin;
    `purposes` say which modules are needed.
    """
    arch = kernel.architecture
    contents = {"bin/busybox": busybox(arch).read_bytes(), **files}
    for source in programs:
        if arch == "amd64" or source not in ONLY_64_BIT:
            contents[f"bin/{source.stem}"] = _compiled(source, arch).read_bytes()
    content = pack(kernel, init.read_bytes(), contents, purposes)
    digest = hashlib.sha256(content).hexdigest()[:16]
    initramfs = BUILD / "initramfs" / f"{kernel.version}-{digest}.cpio"
    if not initramfs.exists():
        write_whole(initramfs, content)
    return initramfs


def with_folder(initramfs: Path, folder: Path, place: str, target: Path) -> None:
    """Write an initramfs that has the files of a folder too, at a place."""
    cpio = _Cpio()
    cpio.folder(place)
    for path in sorted(folder.rglob("*")):
        name = f"{place}/{path.relative_to(folder)}"
        if path.is_dir():
            cpio.folder(name)
        else:
            cpio.file(name, path.read_bytes(), path.stat().st_mode & 0o777)
    # The kernel unpacks one archive after the other.
    with target.open("wb") as file:
        file.write(initramfs.read_bytes())
        file.write(cpio.bytes())


def pack(
    kernel: L1Kernel, init: bytes, files: Mapping[str, bytes], purposes: Sequence[str]
) -> bytes:
    """The archive; equal inputs give equal bytes."""
    cpio = _Cpio()
    folders = {
        *("bin", "dev", "etc", "lib/modules", "mnt/host", "proc"),
        *("root", "sbin", "sys", "tmp", "usr/bin", "usr/sbin"),
        *(os.path.dirname(name) for name in files),
    }
    folders |= {str(parent) for name in folders for parent in Path(name).parents}
    for name in sorted(folders - {"", "."}):
        cpio.folder(name)
    # /dev/console has to be there before init can mount anything.
    cpio.device("dev/console", 5, 1)
    cpio.device("dev/null", 1, 3)
    cpio.link("bin/sh", "busybox")
    for name, content in sorted(files.items()):
        is_program = content.startswith(b"\x7fELF")
        is_program |= os.path.basename(os.path.dirname(name)) == "bin"
        cpio.file(name, content, 0o755 if is_program else 0o644)
    cpio.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
    cpio.file("etc/group", b"root:x:0:\n")
    cpio.file("init", init, 0o755)
    cpio.file("lib/init-functions.sh", INIT_FUNCTIONS.read_bytes())
    needed = set()
    for purpose in purposes:
        order = kernel.modules[purpose]
        needed.update(order)
        text = "".join(name + "\n" for name in order)
        cpio.file(f"lib/modules/{purpose}.order", text.encode())
    for name in sorted(needed):
        cpio.file(f"lib/modules/{name}", (kernel.folder / name).read_bytes())
    return cpio.bytes()


def busybox(arch: str) -> Path:
    """Debian's static busybox, unpacked once."""
    deb = Path(apt_archive.fetch_deb("busybox-static", "trixie", arch=arch))
    program = BUILD / "initramfs" / deb.name.replace(".deb", "") / "busybox"
    if not program.exists():
        with tempfile.TemporaryDirectory() as temporary:
            apt_archive.unpack_deb(deb, Path(temporary))
            for place in ("usr/bin", "bin"):
                found = Path(temporary, place, "busybox")
                if found.is_file() and not found.is_symlink():
                    write_whole(program, found.read_bytes())
    if not program.exists():
        raise SetupFailed(f"{deb.name} holds no busybox")
    return program


def _compiled(source: Path, arch: str) -> Path:
    """A static program, compiled when its source or the compiler changed."""
    if arch == "i386":
        machine_packages.ensure_i386_compiler()
    compiler = x86_64_tools.path("gcc", arch)
    sources = [source, *MORE_SOURCES.get(source, ())]
    inputs = hashlib.sha256()
    for path in (*sources, METER_PORTS, *sorted(TESTS.glob("*/*.h"))):
        inputs.update(path.read_bytes())
    inputs.update(repr((COMPILE, compiler, os.stat(compiler).st_mtime_ns)).encode())
    program = BUILD / "initramfs" / f"{source.stem}-{inputs.hexdigest()[:16]}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        scratch = program.with_name(f"{program.name}.{os.getpid()}")
        command = [compiler, *COMPILE, "-o", str(scratch), *map(str, sources)]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            scratch.unlink(missing_ok=True)
            lines = done.stderr.strip().splitlines() or ["no message"]
            error = next((line for line in lines if "error" in line), lines[0])
            raise SetupFailed(f"cannot compile {source.name}: {error}")
        scratch.rename(program)
    return program
