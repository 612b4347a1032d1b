# SPDX-License-Identifier: GPL-2.0-or-later
"""./svm build, path, env and clean."""

import argparse
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import apt_archive
import emulator
import machine_packages
from command import Command
from errors import BadUsage, SvmError
from paths import BUILD, CACHE, CHECKOUT
from progress import Step, say

_BUILT_FOR_USERS = ("ours", "pristine", "newest")


def _add_build_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = "; ".join(f"{k}: {emulator.KINDS[k].purpose}" for k in _BUILT_FOR_USERS)
    parser.add_argument(
        "kind", nargs="?", choices=_BUILT_FOR_USERS, default="ours", help=kinds
    )
    parser.add_argument(
        "--sanitizers",
        action="store_true",
        help="build ours with checks of its own memory accesses, in another folder",
    )


def _run_build(options: argparse.Namespace) -> int:
    kind = options.kind
    if options.sanitizers:
        if kind != "ours":
            raise BadUsage("--sanitizers goes with ours only")
        kind = "sanitizers"
    path = emulator.emulator(kind)
    say(f"{kind} is QEMU {emulator.source_version(kind)}, built: {path}")
    return 0


def _add_path_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = "; ".join(f"{kind.name}: {kind.purpose}" for kind in _built_kinds())
    parser.add_argument(
        "kind", choices=[kind.name for kind in _built_kinds()], help=kinds
    )


def _run_path(options: argparse.Namespace) -> int:
    print(emulator.emulator(options.kind))
    return 0


def _add_no_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def _run_env(_options: argparse.Namespace) -> int:
    for title, rows in (
        ("This machine", _machine_rows()),
        ("Packages", _package_rows()),
        ("Emulators", _emulator_rows()),
        ("Downloads", _download_rows()),
    ):
        print(title)
        for name, found in rows:
            print(f"  {name:24} {found}")
    return 0


def _machine_rows() -> Iterator[tuple[str, str]]:
    release = Path("/etc/os-release").read_text().splitlines()
    names = [line for line in release if line.startswith("PRETTY_NAME=")]
    yield "release", names[0].partition("=")[2].strip('"') if names else "unknown"
    yield "architecture", apt_archive.architecture()
    yield "cores", str(len(os.sched_getaffinity(0)))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    yield "memory", f"{memory / 2**30:.1f} GiB"
    yield "free disk space", f"{shutil.disk_usage(CHECKOUT).free / 1e9:.1f} GB"
    try:
        yield "Debian mirror", apt_archive.mirror()
    except SvmError as error:
        yield "Debian mirror", f"none: {error}"


def _package_rows() -> Iterator[tuple[str, str]]:
    versions = machine_packages.installed_versions()
    missing = machine_packages.missing()
    for package in machine_packages.needed():
        found = versions.get(package.name, "not installed")
        if package in missing:
            found += ", would be installed"
            if package.at_least:
                found += f" (at least {package.at_least})"
        yield package.name, f"{found:36} for {package.purpose}"


def _emulator_rows() -> Iterator[tuple[str, str]]:
    for kind in _built_kinds():
        program = emulator.build_folder(kind.name) / "qemu-system-x86_64"
        version = emulator.source_version(kind.name)
        source = f"QEMU {version}" if version else "source would be downloaded"
        built = f"built: {program}" if program.exists() else "would be built"
        yield kind.name, f"{source}, {built}"


def _download_rows() -> Iterator[tuple[str, str]]:
    files = sorted(CACHE.glob("sha256/*/*"), key=lambda path: path.name)
    total = sum(path.stat().st_size for path in files)
    yield "kept in", f"{CACHE} ({total / 1e6:.0f} MB)"
    for path in files:
        yield "", f"{path.name} ({path.stat().st_size / 1e6:.1f} MB)"
    for mark in sorted(apt_archive.APT.glob("*/refreshed")):
        day = time.localtime(mark.stat().st_mtime)
        yield (
            f"lists of {mark.parent.name}",
            f"fetched {time.strftime('%Y-%m-%d %H:%M', day)}",
        )


def _built_kinds() -> list[emulator.Kind]:
    return [kind for kind in emulator.KINDS.values() if kind.name != "newest-pristine"]


def _add_clean_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--downloads", action="store_true", help="remove the downloads as well"
    )


def _run_clean(options: argparse.Namespace) -> int:
    folders = [BUILD, CACHE] if options.downloads else [BUILD]
    with emulator.locked():
        for folder in folders:
            if folder.exists():
                with Step(f"removing {folder}"):
                    shutil.rmtree(folder)
    return 0


COMMANDS = [
    Command("build", "", _add_build_arguments, _run_build),
    Command("path", "", _add_path_arguments, _run_path),
    Command("env", "", _add_no_arguments, _run_env),
    Command("clean", "", _add_clean_arguments, _run_clean),
]
