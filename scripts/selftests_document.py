# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/selftests.rst: made of selftests-results.json and selftests-known.toml.

The former holds, for each emulator and each value of kvm-amd's npt, how the tests
ended in the latest run that was recorded (`./svm selftests --record`).
"""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from errors import WrongResult
from paths import CHECKOUT
from selftests_report import OUTCOMES, KnownOutcomes, Outcome

RESULTS = CHECKOUT / "docs" / "selftests-results.json"
DOCUMENT = CHECKOUT / "docs" / "selftests.rst"

# The runs that are recorded, in the order of the columns.
EMULATORS = {"ours": "ours", "pristine": "unmodified"}
RUNS = [(qemu, npt) for qemu in EMULATORS for npt in (1, 0)]

HEAD = """\
.. SPDX-License-Identifier: GPL-2.0-or-later

.. Made by ``./svm docs`` of selftests-results.json and selftests-known.toml.

The kernel's selftests of KVM
=============================

How the tests of ``tools/testing/selftests/kvm`` end, each alone in an L1 of two CPUs
and 4 GiB with Debian's kernel, on this emulator and on unmodified QEMU 10.0.13, with
nested paging (npt=1) and with shadow paging (npt=0): ``./svm selftests``, with
``--npt 0``, with ``--qemu pristine``. A reason in the second table that a test gives
is compared with what it says in each run.
"""


def record(qemu: str, npt: int, result: dict[str, Any], is_whole: bool = True) -> None:
    """Put the outcomes of a run in the place of the last one's.

    Those of a run that was not `is_whole` take the places of the same tests, if the
    kernels are the same.
    """
    recorded = _recorded()
    key = _key(qemu, npt)
    tests = {
        name: [test["outcome"], test["reason"]]
        for name, test in result["tests"].items()
    }
    run = {
        "kernel": result["kernel"],
        "selftests": result["selftests"],
        "kvm_amd_uses": result["features_used"],
    }
    if not is_whole:
        before = dict(recorded.get(key, {}))
        others = before.pop("tests", {})
        if before != run:
            raise WrongResult(
                f"not recorded: the last run of {key} had another kernel, or other "
                "features of it; record a run of all tests"
            )
        tests = others | tests
    recorded[key] = run | {"tests": dict(sorted(tests.items()))}
    # A line for each test: what has changed is to be seen.
    runs = []
    for key in sorted(recorded):
        run = dict(recorded[key])
        tests = run.pop("tests")
        lines = [f"  {json.dumps(n)}: {json.dumps(tests[n])}" for n in tests]
        head = "".join(f' "{k}": {json.dumps(v)},\n' for k, v in run.items())
        body = ",\n".join(lines)
        runs.append(f'"{key}": {{\n{head} "tests": {{\n{body}\n }}\n}}')
    RESULTS.write_text("{\n" + ",\n".join(runs) + "\n}\n")


def _key(qemu: str, npt: int) -> str:
    return f"{qemu} npt={npt}"


def _recorded() -> dict[str, Any]:
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def document(
    make_table: Callable[[str, list[str], list[list[str]]], str],
    make_table_of_words: Callable[[list[str], list[list[str]]], str],
) -> str:
    """The text of selftests.rst; the arguments make tables of rows."""
    recorded = _recorded()
    runs = [(q, n, recorded[_key(q, n)]) for q, n in RUNS if _key(q, n) in recorded]
    known = KnownOutcomes.read()
    names = sorted({name for _, _, run in runs for name in run["tests"]})
    return "\n".join(
        [
            HEAD,
            _counts(runs, known, make_table_of_words),
            _heading("Tests that ran"),
            _outcomes(runs, names, make_table_of_words),
            _heading("Reasons"),
            _reasons(runs, names, known, make_table),
        ]
    )


def _counts(runs, known: KnownOutcomes, make_table) -> str:
    rows = []
    for qemu, npt, run in runs:
        counts = Counter(outcome for outcome, _ in run["tests"].values())
        listed = sum(
            outcome == "fail"
            and known.entry(name, Outcome(outcome, reason, 0), npt) is not None
            for name, (outcome, reason) in run["tests"].items()
        )
        row = [f"{EMULATORS[qemu]}, npt={npt}"]
        row += [str(counts[outcome]) for outcome in OUTCOMES]
        rows.append([*row, str(listed), run["kernel"]])
    heads = ["run", *OUTCOMES, "of the failures known", "L1's kernel"]
    return make_table(heads, rows)


def _outcomes(runs, names: list[str], make_table) -> str:
    """A row for each test that is not skipped in all runs."""
    rows = []
    for name in names:
        outcomes = [run["tests"].get(name, ["-"])[0] for _, _, run in runs]
        if set(outcomes) - {"skip", "-"}:
            rows.append([f"``{name}``", *outcomes])
    heads = ["test", *(f"{EMULATORS[qemu]}, npt={npt}" for qemu, npt, _ in runs)]
    return make_table(heads, rows)


def _reasons(runs, names: list[str], known: KnownOutcomes, make_table) -> str:
    """Why a test is skipped, fails, or is not run as it stands; what is not known."""
    rows = []
    listed: dict[tuple[str, str], list[str]] = {}
    for name in names:
        for qemu, npt, run in runs:
            outcome, reason = run["tests"].get(name, ["pass", ""])
            if outcome == "pass":
                continue
            entry = known.entry(name, Outcome(outcome, reason, 0), npt)
            if entry:
                why = f"{entry.reason} {entry.evidence}".strip()
            elif qemu == "ours":
                why = f"Not known. The test says: {reason}"
            else:
                # What is wrong with unmodified QEMU is in conformance.rst.
                continue
            where = listed.setdefault((outcome, why), [])
            if name not in where:
                where.append(name)
    for (outcome, why), tests in listed.items():
        rows.append([", ".join(f"``{test}``" for test in tests), outcome, why])
    for run in known.runs.values():
        if run.arguments:
            why = f"Runs with ``{run.arguments}``: {run.why}."
            rows.append([f"``{run.test}``", "", why])
    return make_table("35 8 57", ["tests", "end", "why"], rows)


def _heading(title: str) -> str:
    return f"{title}\n{'-' * len(title)}\n"
