# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests have in common whose cases are machines to boot, a Meson test each.

    PROGRAM --list            each case, and 'quick' or 'all'
    PROGRAM CASE [--qemu ...] run one; 0 right, 77 what it boots is missing
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "scripts"))

SKIPPED = 77


def main(
    purpose: str,
    cases: Iterable[Any],
    quick: Collection[Any],
    run: Callable[[Any, str], int],
) -> int:
    """List the cases, which have a name, or run the one that is asked for."""
    parser = argparse.ArgumentParser(description=purpose.partition("\n")[0])
    parser.add_argument("case", nargs="?", help="a name of --list")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--qemu", default="ours", help="as of `./svm run`")
    options = parser.parse_args()
    if options.list:
        for case in cases:
            print(case.name, "quick" if case in quick else "all")
        return 0
    case = next((case for case in cases if case.name == options.case), None)
    if case is None:
        parser.error(f"unknown case {options.case}")
    return run(case, options.qemu)


def boot(
    find: Callable[[], object],
    command: list[str],
    facts: Callable[[dict[str, Any]], Iterable[tuple[str, Any, Any]]],
) -> int:
    """Run `./svm COMMAND`; that it was right is its status.

    `find` fetches what is booted. `facts` are what the result says of the machine, as
    names with the value seen and the one due: that the run was the one asked for.
    """
    from apt_archive import NoNetwork

    try:
        find()
    except NoNetwork as error:
        print(f"skipped: {error}")
        return SKIPPED
    with tempfile.TemporaryDirectory() as temporary:
        result_file = Path(temporary, "result.json")
        program = [CHECKOUT / "svm", *command, "--json", result_file]
        status = subprocess.run(program).returncode
        if status:
            print(f"FAIL: ./svm {command[0]} ended with status {status}")
            return 1
        result = json.loads(result_file.read_text())
    wrong = [fact for fact in facts(result) if fact[1] != fact[2]]
    for what, seen, due in wrong:
        print(f"FAIL: {what}: {seen} instead of {due}")
    return 1 if wrong else 0


def nested_paging(result: dict[str, Any]) -> bool:
    """Whether kvm-amd used it."""
    return result["kvm_amd_parameters"]["npt"] in ("Y", "1")
