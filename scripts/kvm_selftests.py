# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's own tests of KVM (tools/testing/selftests/kvm), fetched and built.

They come from Debian's package of the kernel's source, of the series that L1 runs by
default, and are linked statically: L1 has no libraries.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import apt_archive
import disk_space
import kernel_source
import machine_packages
import x86_64_tools
from emulator import locked
from errors import SetupFailed
from kernel_package import SUITES
from kernel_source import make_command, run_step, unpack_source
from paths import BUILD
from progress import Step

KERNEL = "6.12"
PACKAGE = f"linux-source-{KERNEL}"
TESTS = "tools/testing/selftests/kvm"
WHAT = "selftests"
# Of the source, what building the user's headers and the tests takes.
PARTS = ("Makefile", "Kbuild", "arch/x86", "include", "scripts", "tools", "usr")


class Selftests(NamedTuple):
    """Tests that have been built: programs and scripts, side by side in a folder."""

    version: str
    folder: Path
    names: list[str]


def build_selftests() -> Selftests:
    """The tests, fetched and built if need be."""
    machine_packages.ensure()
    deb = apt_archive.fetch_deb(PACKAGE, SUITES[KERNEL], arch="all")
    version = deb.name.split("_")[1]
    compiler = x86_64_tools.path("gcc")
    inputs = repr((deb.name, compiler, os.stat(compiler).st_mtime_ns))
    inputs += Path(__file__).read_text() + Path(kernel_source.__file__).read_text()
    digest = hashlib.sha256(inputs.encode()).hexdigest()[:16]
    folder = BUILD / "selftests" / f"{version}-{digest}"
    with locked():
        if not folder.exists():
            _make(deb, folder)
    names = json.loads((folder / "tests.json").read_text())
    return Selftests(version, folder / "programs", names)


def _make(deb: Path, target: Path) -> None:
    """Fill the folder, all at once; what only the build needs does not stay."""
    target.parent.mkdir(parents=True, exist_ok=True)
    disk_space.require(target.parent, 900 * disk_space.MEGABYTE, "the selftests")
    # Always the same: ccache looks at paths.
    scratch = target.parent / "build"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        source = unpack_source(deb, scratch, PARTS)
        with Step("building the kernel's selftests of KVM"):
            tests = _compile(source, scratch)
        result = scratch / "result"
        (result / "programs").mkdir(parents=True)
        for program in _programs(source, scratch / "output", tests):
            shutil.copy(program, result / "programs")
        for test in tests:
            if not (result / "programs" / test).exists():
                raise SetupFailed(f"{PACKAGE}: the build made no {test}")
        (result / "tests.json").write_text(json.dumps(tests))
        result.rename(target)
    finally:
        shutil.rmtree(scratch)


def _compile(source: Path, scratch: Path) -> list[str]:
    """Build the user's headers, then the tests; the names of the tests."""
    headers, output = scratch / "headers", scratch / "output"
    output.mkdir()
    command = [*make_command(source), f"O={headers}", "headers"]
    run_step(WHAT, "headers", command)
    make = [
        *(*make_command(source / TESTS), f"OUTPUT={output}"),
        f"KHDR_INCLUDES=-isystem {headers}/usr/include",
        # Used for linking too.
        "EXTRA_CFLAGS=-static -g0 -s",
    ]
    run_step(WHAT, "tests", make)
    command = [*make, "-s", "COLLECTION=kvm", "emit_tests"]
    lines = run_step(WHAT, "list", command)
    return [line.removeprefix("kvm:") for line in lines if line.startswith("kvm:")]


def _programs(source: Path, output: Path, tests: Sequence[str]) -> list[Path]:
    """What the build made, and the scripts that call some of it."""
    programs = [
        path
        for folder in (output, output / "x86_64")
        for path in folder.iterdir()
        if path.is_file() and os.access(path, os.X_OK)
    ]
    made = {path.name for path in programs}
    scripts = [test for test in tests if test not in made]
    found = (source / TESTS / "x86_64" / name for name in scripts)
    return [*programs, *filter(Path.exists, found)]
