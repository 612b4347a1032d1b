# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's packages of the kernel's source: parts of one unpacked, and built."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import apt_archive
import child_processes
import x86_64_tools
from emulator import LOGS, build_environment, build_jobs
from errors import SetupFailed
from progress import Step


def unpack_source(deb: Path, scratch: Path, parts: Sequence[str]) -> Path:
    """Of linux-source-X.Y the named folders, and files that match; their folder."""
    name = deb.name.partition("_")[0]
    package = scratch / "package"
    apt_archive.unpack_deb(deb, package)
    tar = package / "usr/src" / f"{name}.tar.xz"
    if not tar.exists():
        raise SetupFailed(f"{deb.name} holds no {tar.name}")
    command = ["tar", "-x", "-f", tar, "-C", scratch, "--wildcards"]
    command += [f"{name}/{part}" for part in parts]
    with Step(f"unpacking {tar.name}"):
        status, lines = child_processes.run(command)
    if status:
        why = (lines or [f"status {status}"])[0]
        raise SetupFailed(f"cannot unpack {deb.name}: {why}")
    shutil.rmtree(package)
    return scratch / name


def make_command(source: Path) -> list[str | Path]:
    """`make` in a kernel's source, for x86 whatever this machine is."""
    prefix = x86_64_tools.PREFIX
    make = ["make", f"-j{build_jobs()}", "-C", source, "ARCH=x86"]
    return [*make, f"CROSS_COMPILE={prefix}", f"CC=ccache {prefix}gcc"]


def run_step(what: str, step: str, command: Sequence[str | Path]) -> list[str]:
    """Run a step of the build of `what`; the last lines of its output."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log_path = LOGS / f"{what.replace(' ', '-')}-{step}.log"
    with log_path.open("w") as log:
        status, lines = child_processes.run(
            command,
            on_line=lambda line: print(line, file=log),
            env=build_environment(),
        )
    if status:
        errors = [line for line in lines if "error" in line.lower()] or lines
        why = (errors or [f"status {status}"])[0]
        raise SetupFailed(f"cannot build the {what}: {why} (log: {log_path})")
    return lines
