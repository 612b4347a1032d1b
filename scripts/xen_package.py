# SPDX-License-Identifier: GPL-2.0-or-later
"""Xen for L1: the hypervisor of Debian's package, never installed, or one's own."""

import gzip
import hashlib
import zlib
from pathlib import Path
from typing import NamedTuple

import apt_archive
from errors import BadUsage, SetupFailed
from paths import BUILD
from whole_file import write_whole


class Release(NamedTuple):
    """A version of Xen that Debian has: the suites, and their kernel."""

    suites: tuple[str, ...]
    kernel: str


RELEASES = {
    "4.17": Release(("bookworm", "bookworm-security"), "6.1"),
    "4.20": Release(("trixie", "trixie-security"), "6.12"),
}
NEWEST_RELEASE = "4.20"


def check_xen(name: str) -> None:
    """Refuse a Xen that is neither a known version nor a file."""
    if name not in RELEASES and not Path(name).is_file():
        raise BadUsage(
            f"unknown Xen '{name}': known are {', '.join(RELEASES)}, or give the path "
            "of a xen or xen.gz"
        )


def find_xen(name: str) -> Path:
    """The hypervisor as a boot loader starts it, uncompressed; fetched if need be."""
    check_xen(name)
    if name not in RELEASES:
        return _own_xen(Path(name))
    deb = apt_archive.fetch_deb(f"xen-hypervisor-{name}-amd64", RELEASES[name].suites)
    folder = BUILD / "xen" / deb.stem
    if not folder.exists():
        apt_archive.unpack_deb(deb, folder)
    compressed = folder / "boot" / f"xen-{name}-amd64.gz"
    if not compressed.exists():
        raise SetupFailed(f"{deb.name} holds no {compressed.name}")
    return _bootable(compressed, folder / "xen")


def default_kernel(name: str) -> str:
    """The kernel that Debian has beside a Xen; the newest one for one's own."""
    return RELEASES.get(name, RELEASES[NEWEST_RELEASE]).kernel


def _own_xen(path: Path) -> Path:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise BadUsage(f"cannot read {path}: {error.strerror}") from error
    return _bootable(path, BUILD / "xen" / f"own-{digest}" / "xen")


def _bootable(path: Path, image: Path) -> Path:
    """The image, made of a xen.gz or a xen."""
    if not image.exists():
        write_whole(image, _uncompressed(path.read_bytes(), path.name))
    return image


def _uncompressed(content: bytes, name: str) -> bytes:
    if content.startswith(b"\x1f\x8b"):
        try:
            content = gzip.decompress(content)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise BadUsage(f"{name} cannot be uncompressed: {error}") from error
    # The one for boot loaders is a 32-bit ELF file; xen-syms is a 64-bit one, and
    # xen.efi is none.
    if content[:5] != b"\x7fELF\1":
        raise BadUsage(f"{name} is no xen or xen.gz as a boot loader starts it")
    return content
