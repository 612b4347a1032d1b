# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels for L1: Debian's packages, downloaded and never installed, or one's own.

What a run needs of a kernel (its image, kvm-amd, a few modules for the shell and
all that these depend on) is taken out once and kept in build/kernels.  Debian's
packages bring no modules.dep, depmod writes it at installation; so dependencies
are read where depmod finds them too, in the modules themselves.
"""

import functools
import gzip
import hashlib
import json
import lzma
import os
import re
import shutil
import struct
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import apt_archive
from errors import BadUsage, SetupFailed
from paths import BUILD
from progress import Step

# The suites that carry each kernel; of several the newest version is taken.
SUITES = {
    "5.10": ("bullseye", "bullseye-security"),
    "6.1": ("bookworm", "bookworm-security"),
    "6.1-686-pae": ("bookworm",),
    "6.12": ("trixie", "trixie-security"),
    "newest": ("sid",),
}

# With kvm and kvm-amd built anew, without and with the change of kvm_change.py.
KVM_CHANGE = {
    f"{series}-{variant}": (series, variant)
    for series in ("5.10", "6.1")
    for variant in ("before", "after")
}

# All that --kernel knows by a name.
NAMES = (*SUITES, *KVM_CHANGE)

# Debian's architectures of the flavours of kernels; one's own kernels are amd64.
ARCHITECTURES = {"amd64": "amd64", "686-pae": "i386"}

VIRTIO = ("virtio_pci", "virtio_mmio")
# Modules by purpose; those they depend on come with them.
MODULES = {
    "kvm": ("kvm-amd",),
    "shell": (*VIRTIO, "virtio_console", "9pnet_virtio", "9p"),
    "disk": (*VIRTIO, "virtio_blk"),
    "network": (*VIRTIO, "virtio_net"),
    "dom0": ("xenfs", "xen-privcmd", "xen-evtchn", "xen-gntdev", "xen-gntalloc"),
}
BZ_IMAGE = "bzImage"
# A kernel without these is of no use here; others are built in, or not missed.
REQUIRED = MODULES["kvm"]


class L1Kernel(NamedTuple):
    """A kernel ready to boot; by purpose, file names of modules as they are loaded."""

    version: str
    folder: Path
    image: Path
    modules: dict[str, list[str]]
    architecture: str = "amd64"

    @property
    def bz_image(self) -> Path:
        """The same for boot loaders that know no other; a vmlinux has none."""
        return self.folder / BZ_IMAGE


# Reads a module's content; `path` tells how it is compressed.
class _Module(NamedTuple):
    path: str
    read: Callable[[], bytes]


def check_kernel(name: str, modules: str | None = None) -> None:
    """Refuse --kernel and --modules that name nothing."""
    if name in NAMES:
        if modules:
            raise BadUsage("--modules goes with a kernel of your own: --kernel PATH")
    elif not Path(name).exists():
        raise BadUsage(
            f"unknown kernel '{name}': known are {', '.join(NAMES)}, "
            "or give the path of a bzImage or of a kernel build tree"
        )
    elif modules and not Path(modules).is_dir():
        raise BadUsage(f"--modules {modules}: no such folder")


def architecture(name: str) -> str:
    """Debian's name of the architecture of what --kernel names."""
    return ARCHITECTURES[_flavour(name)] if name in SUITES else "amd64"


def _flavour(name: str) -> str:
    """Of a key of SUITES: "VERSION-FLAVOUR", or "VERSION" alone for amd64."""
    return name.partition("-")[2] or "amd64"


def find_kernel(name: str, modules: str | None = None) -> L1Kernel:
    """The kernel that --kernel and --modules name, fetched if need be."""
    check_kernel(name, modules)
    if name in SUITES:
        return _debian_kernel(name)
    if name in KVM_CHANGE:
        # It needs this module itself.
        import kvm_change

        series, variant = KVM_CHANGE[name]
        return _debian_kernel(series, kvm_change.modules(series, variant))
    return _own_kernel(Path(name), Path(modules) if modules else None)


def image_packages(name: str) -> dict[str, Path]:
    """The packages of a kernel of SUITES by name, fetched; its image is the first."""
    suites = SUITES[name]
    flavour, arch = _flavour(name), architecture(name)
    newest = f"linux-image-{flavour}"
    needed = apt_archive.dependencies(newest, suites, arch)
    form = re.compile(rf"linux-image-\d.*-{flavour}$")
    image = next(filter(form.match, needed), None)
    if image is None:
        raise SetupFailed(
            f"{newest} in {', '.join(suites)} names no kernel image package"
        )
    # Newer kernels come in parts.
    parts = re.compile(r"linux-(binary|modules)-\d")
    packages = [image]
    packages += filter(parts.match, apt_archive.dependencies(image, suites, arch))
    return {
        package: apt_archive.fetch_deb(package, suites, arch=arch)
        for package in packages
    }


def _debian_kernel(name: str, rebuilt: Sequence[Path] = ()) -> L1Kernel:
    """A kernel of SUITES; modules that were built anew take the places of its own."""
    debs = image_packages(name)
    digest = hashlib.sha256(
        repr([(package, deb.name) for package, deb in debs.items()]).encode()
    )
    digest.update(repr([MODULES, BZ_IMAGE]).encode())
    for module in rebuilt:
        digest.update(module.name.encode() + b"\0" + module.read_bytes())
    folder = BUILD / "kernels" / f"{name}-{digest.hexdigest()[:16]}"
    if not folder.exists():
        with (
            Step(f"unpacking {next(iter(debs))}"),
            tempfile.TemporaryDirectory(dir=_kernels()) as temporary,
        ):
            tars = [_open_deb(deb, Path(temporary)) for deb in debs.values()]
            image, modules, builtin = _contents(tars)
            for module in rebuilt:
                modules[_module_name(module.name)] = _Module(
                    module.name, module.read_bytes
                )
            _store(folder, image, modules, builtin)
            for tar in tars:
                tar.close()
    return _load(folder)._replace(architecture=architecture(name))


def _open_deb(deb: Path, temporary: Path) -> tarfile.TarFile:
    tar = temporary / (deb.name + ".tar")
    with tar.open("wb") as output:
        done = subprocess.run(
            ["dpkg-deb", "--fsys-tarfile", str(deb)],
            stdout=output,
            stderr=subprocess.PIPE,
        )
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip()
        raise SetupFailed(f"cannot unpack {deb.name}: {reason}")
    return tarfile.open(tar)


def _contents(tars: list[tarfile.TarFile]) -> tuple[bytes, dict[str, _Module], set]:
    """Image, modules by name, and names of built-in modules, of opened packages."""
    image = None
    modules = {}
    builtin = set()
    for tar in tars:
        for member in tar:
            if not member.isfile():
                continue
            name = os.path.basename(member.name)
            if name.startswith("vmlinuz"):
                image = tar.extractfile(member).read()
            elif name == "modules.builtin":
                builtin = _builtin(tar.extractfile(member).read().decode())
            elif re.search(r"\.ko(\.\w+)?$", name):
                read = functools.partial(_read_member, tar, member)
                modules[_module_name(name)] = _Module(member.name, read)
    if image is None:
        raise SetupFailed("the kernel package holds no vmlinuz")
    return image, modules, builtin


def _read_member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    return tar.extractfile(member).read()


def _own_kernel(path: Path, modules: Path | None) -> L1Kernel:
    image = _own_image(path)
    if modules is None:
        # Beside the image: a build tree, or a folder with modules in it.
        tree = path if path.is_dir() else path.resolve().parent
        if tree.parts[-3:] == ("arch", "x86", "boot"):
            tree = tree.parents[2]
        modules = tree
    found = {}
    for folder, _, names in os.walk(modules):
        for name in names:
            if re.search(r"\.ko(\.(xz|gz|zst))?$", name):
                file = Path(folder, name)
                found[_module_name(name)] = _Module(str(file), file.read_bytes)
    builtin = set()
    for file in [*modules.glob("modules.builtin"), *modules.glob("*/modules.builtin")]:
        builtin |= _builtin(file.read_text())
    for name in REQUIRED:
        if _module_name(name) not in found.keys() | builtin:
            raise BadUsage(
                f"no module {name} under {modules}: name its folder with --modules DIR"
            )
    # A digest of all content, so that a rebuilt kernel is a new one.
    scratch = Path(tempfile.mkdtemp(prefix="own-", dir=_kernels()))
    try:
        _store(scratch / "kernel", image.read_bytes(), found, builtin)
        digest = hashlib.sha256()
        for file in sorted((scratch / "kernel").iterdir()):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
        folder = BUILD / "kernels" / f"own-{digest.hexdigest()[:16]}"
        if not folder.exists():
            _rename(scratch / "kernel", folder)
    finally:
        shutil.rmtree(scratch)
    return _load(folder)


def _own_image(path: Path) -> Path:
    if path.is_file():
        return path
    for name in ("arch/x86/boot/bzImage", "bzImage", "vmlinuz"):
        if (path / name).is_file():
            return path / name
    images = sorted(path.glob("vmlinuz-*"))
    if len(images) == 1:
        return images[0]
    raise BadUsage(f"{path}: no bzImage in this folder")


def _kernels() -> Path:
    folder = BUILD / "kernels"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _image_version(image: bytes) -> str:
    """The version that an image names (Documentation/arch/x86/boot)."""
    if found := image.startswith(b"\x7fELF") and re.search(
        rb"Linux version (\S+) ", image
    ):
        return found[1].decode()
    if image[0x202:0x206] != b"HdrS":
        raise BadUsage("the kernel image is neither a bzImage nor a vmlinux")
    start = int.from_bytes(image[0x20E:0x210], "little") + 0x200
    return image[start : image.index(0, start)].decode().split()[0]


def _uncompressed(image: bytes) -> bytes | None:
    """The vmlinux inside a bzImage, if QEMU can start it and we can unpack it.

    Starting it by its PVH entry spares TCG the decompression, half of the time of
    a boot; the kernel is the same.
    """
    if _has_pvh_entry(image):
        return image
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    payload = image[(setup_sectors + 1) * 512 + offset :][:length]
    if payload.startswith(b"\xfd7zXZ\0"):
        vmlinux = lzma.LZMADecompressor().decompress(payload)
    elif payload.startswith(b"\x1f\x8b"):
        vmlinux = gzip.decompress(payload)
    elif payload.startswith(b"\x28\xb5\x2f\xfd") and shutil.which("zstd"):
        vmlinux = _zstd(payload[:-4])  # the build appends the size
    else:
        return None
    return vmlinux if _has_pvh_entry(vmlinux) else None


def _has_pvh_entry(elf: bytes) -> bool:
    """Whether an ELF note names the entry (XEN_ELFNOTE_PHYS32_ENTRY)."""
    if elf[:5] != b"\x7fELF\2":
        return False
    headers, size, count = (
        *struct.unpack_from("<Q", elf, 0x20),
        *struct.unpack_from("<HH", elf, 0x36),
    )
    for number in range(count):
        header = struct.unpack_from("<IIQQQQ", elf, headers + number * size)
        if header[0] == 4:  # PT_NOTE
            notes = elf[header[2] :][: header[5]]
            if b"\4\0\0\0\x08\0\0\0\x12\0\0\0Xen\0" in notes:
                return True
            if b"\4\0\0\0\x04\0\0\0\x12\0\0\0Xen\0" in notes:
                return True
    return False


def _zstd(content: bytes) -> bytes:
    done = subprocess.run(["zstd", "-dc"], input=content, stdout=subprocess.PIPE)
    if done.returncode:
        raise SetupFailed("zstd cannot unpack a part of the kernel")
    return done.stdout


def _module_name(path: str) -> str:
    return re.sub(r"\.ko(\.\w+)?$", "", os.path.basename(path)).replace("-", "_")


def _builtin(text: str) -> set[str]:
    return {_module_name(line) for line in text.splitlines()}


def _decompress(module: _Module) -> bytes:
    content = module.read()
    if module.path.endswith(".xz"):
        return lzma.decompress(content)
    if module.path.endswith(".gz"):
        return gzip.decompress(content)
    if module.path.endswith(".zst"):
        if not shutil.which("zstd"):
            raise SetupFailed("this kernel's modules need zstd: apt-get install zstd")
        return _zstd(content)
    return content


def _modinfo(content: bytes, key: str) -> str:
    """A field of a module's .modinfo section, '' when it is not there."""
    found = re.search(rb"\0" + key.encode() + rb"=([^\0]*)\0", content)
    return found[1].decode() if found else ""


def _store(
    folder: Path,
    image: bytes,
    modules: dict[str, _Module],
    builtin: set[str],
) -> None:
    """Write what a run needs to `folder`, all at once."""
    version = _image_version(image)
    scratch = Path(tempfile.mkdtemp(prefix="new-", dir=_kernels()))
    try:
        uncompressed = _uncompressed(image)
        image_name = "vmlinux" if uncompressed else BZ_IMAGE
        if uncompressed != image:
            (scratch / BZ_IMAGE).write_bytes(image)
        if uncompressed:
            (scratch / image_name).write_bytes(uncompressed)

        def add(name: str, order: list[str]) -> None:
            name = _module_name(name)
            if name not in modules:
                raise SetupFailed(f"kernel {version} has no module {name}")
            content = _decompress(modules[name])
            for needed in filter(None, _modinfo(content, "depends").split(",")):
                add(needed, order)
            made_for = _modinfo(content, "vermagic").split(" ")[0]
            if made_for != version:
                raise BadUsage(f"module {name} is for kernel {made_for}, not {version}")
            if f"{name}.ko" not in order:
                order.append(f"{name}.ko")
                (scratch / f"{name}.ko").write_bytes(content)

        orders = {purpose: [] for purpose in MODULES}
        for purpose, names in MODULES.items():
            for name in names:
                # Most kernels have some built in, and not all say so.
                is_required = name in REQUIRED and _module_name(name) not in builtin
                if is_required or _module_name(name) in modules:
                    add(name, orders[purpose])
        description = {"version": version, "image": image_name, "modules": orders}
        (scratch / "kernel.json").write_text(json.dumps(description, indent=1))
        _rename(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _rename(source: Path, target: Path) -> None:
    """Move a finished folder into place, unless another run was faster."""
    try:
        source.rename(target)
    except OSError:
        if not target.is_dir():
            raise


def _load(folder: Path) -> L1Kernel:
    description = json.loads((folder / "kernel.json").read_text())
    return L1Kernel(
        description["version"],
        folder,
        folder / description["image"],
        description["modules"],
    )
