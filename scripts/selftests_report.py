# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel's selftests have shown: judged, compared with what is known.

docs/selftests-known.toml lists the tests that fail or are skipped for a reason of
their own; its head explains the entries.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

from errors import BadUsage
from nested_boot import BROKEN
from paths import CHECKOUT
from run_report import L1Report, table
from test_results import Result

KNOWN = CHECKOUT / "docs" / "selftests-known.toml"

SKIPPED = 4  # the status that kselftest gives this meaning
OUTCOMES = ("pass", "fail", "skip")
SHOWN = 150  # of a reason, in the table


class Outcome(NamedTuple):
    """How a test ended ('pass', 'fail' or 'skip'), and what it says of that."""

    outcome: str
    reason: str
    seconds: float


class Known(NamedTuple):
    """An entry of selftests-known.toml."""

    test: str
    outcome: str
    says: str
    reason: str
    evidence: str = ""
    npt: int | None = None


class Run(NamedTuple):
    """An entry of selftests-known.toml on how a test is run."""

    test: str
    why: str
    arguments: str = ""
    seconds: float = 0


class KnownOutcomes:
    """All of selftests-known.toml."""

    def __init__(self, entries: Sequence[Known], runs: Sequence[Run]):
        self.entries = entries
        self.runs = {run.test: run for run in runs}

    @classmethod
    def read(cls, path: Path = KNOWN) -> "KnownOutcomes":
        """Read the file; raises BadUsage for what its head does not allow."""
        try:
            data = tomllib.loads(path.read_text())
            known = [Known(**entry) for entry in data.pop("known", [])]
            runs = [Run(**entry) for entry in data.pop("run", [])]
            for entry in known:
                re.compile(entry.says)
        except (OSError, tomllib.TOMLDecodeError, TypeError, KeyError, re.error) as e:
            raise BadUsage(f"{path.name}: {e}") from e
        if data:
            raise BadUsage(f"{path.name}: unknown: {', '.join(data)}")
        for entry in known:
            if entry.outcome not in ("fail", "skip"):
                raise BadUsage(f"{path.name}: {entry.test}: outcome is fail or skip")
        return cls(known, runs)

    def arguments(self, test: str) -> str:
        """What the test is given on its command line."""
        return self.runs[test].arguments if test in self.runs else ""

    def seconds(self, test: str, usual: float) -> float:
        """How long the test may take, when others may take `usual`."""
        return max(usual, self.runs[test].seconds) if test in self.runs else usual

    def entry(self, test: str, outcome: Outcome, npt: int) -> Known | None:
        """Why the test ended so, if it is known; it has to say what is listed."""
        for entry in self.of(test, npt):
            if entry.outcome == outcome.outcome and re.search(
                entry.says, outcome.reason
            ):
                return entry
        return None

    def of(self, test: str, npt: int) -> list[Known]:
        """What is known of a test."""
        return [
            entry
            for entry in self.entries
            if fnmatch(test, entry.test) and entry.npt in (None, npt)
        ]


def judge(
    status: int, seconds: float, limit: float, output: str, kernel_log: str
) -> Outcome:
    """How a test ended that L1 has seen the end of."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    broken = next((x for x in kernel_log.splitlines() if BROKEN.search(x)), None)
    if broken:
        message = re.sub(r"^\[ *[\d.]+\] *", "", broken)
        return Outcome("fail", f"L1 kernel: {message}", seconds)
    if status == 0:
        return Outcome("pass", "", seconds)
    if status == SKIPPED:
        return Outcome("skip", _skip_reason(lines), seconds)
    if seconds >= limit:
        said = f", last: {lines[-1]}" if lines else ""
        return Outcome("fail", f"no end within {limit:g} s{said}", seconds)
    return Outcome("fail", f"{_fail_reason(lines)} (status {status})", seconds)


def _skip_reason(lines: list[str]) -> str:
    for line in reversed(lines):
        if found := re.match(r"(?:1\.\.0|ok \d+) # SKIP (?:- )?(.*)", line):
            return found[1]
        if found := re.match(r"(.*?),? skipping test$", line):
            return found[1]
    return lines[-1] if lines else "it does not say why"


def _fail_reason(lines: list[str]) -> str:
    """What failed, and why, in the words of the first assertion that failed."""
    if "==== Test Assertion Failure ====" in lines:
        block = lines[lines.index("==== Test Assertion Failure ====") + 1 :]
        # The condition, the process, the stack; then what the test says of it.
        says = [
            line
            for line in block[1:]
            if not re.match(r"pid=\d|\d+\s+0x|\(stack trace|sh: addr2line", line)
        ]
        return " - ".join([*block[:1], *says[:1]])
    wrong = [line for line in lines if line.startswith("not ok")]
    return (wrong or lines[-1:] or ["it says nothing"])[0]


class SelftestsReport(L1Report):
    """The outcomes, for the reader and for other programs."""

    def __init__(self, emulator: str, selftests: str, npt: int, strict: bool = False):
        super().__init__()
        self.emulator = emulator
        self.outcomes: dict[str, Outcome] = {}
        self._selftests = selftests
        self._npt = npt
        self._strict = strict
        self._known: dict[str, Known] = {}
        self._stale: list[str] = []
        self._outputs: dict[str, Path] = {}

    def add(
        self, test: str, outcome: Outcome, known: KnownOutcomes, output: Path
    ) -> None:
        """A test has ended; its output is in this file, if it came to write one."""
        self.outcomes[test] = outcome
        self._outputs[test] = output
        if entry := known.entry(test, outcome, self._npt):
            self._known[test] = entry
        elif known.of(test, self._npt) or outcome.outcome == "skip":
            self._stale.append(test)

    def problem(self) -> str | None:
        """What is wrong; None when each test passed or has a known reason."""
        if found := super().problem():
            return found
        failed = [
            test
            for test, outcome in self.outcomes.items()
            if outcome.outcome == "fail" and test not in self._known
        ]
        if failed:
            return f"{len(failed)} failed: {', '.join(failed)}"
        if self._strict and self._stale:
            return f"{KNOWN.name} does not fit: {', '.join(self._stale)}"
        if not self.outcomes:
            return "no test ran"
        return None

    def results(self) -> list[Result]:
        """The outcomes as other programs read them."""
        return [self._result(test) for test in self.outcomes]

    def _result(self, test: str) -> Result:
        outcome, reason, seconds = self.outcomes[test]
        known = self._known.get(test)
        if self._strict and test in self._stale:
            word = "failed"
            reason = reason or f"passes, other than {KNOWN.name} says"
        else:
            word = {"pass": "passed", "fail": "failed", "skip": "skipped"}[outcome]
        if word == "failed" and known:
            word = "known"
        if known:
            reason += f" ({known.reason})"
        output = self._outputs[test]
        details = output.read_text(errors="replace") if output.exists() else ""
        return Result("kvm-selftests", test, word, details, seconds, reason)

    def text(self) -> str:
        """The table for the reader; without the verdict."""
        rows = [*self.rows(), ("selftests", f"of Linux {self._selftests}")]
        lines = [table(rows)]
        for test, (outcome, reason, seconds) in self.outcomes.items():
            line = f"{outcome}  {seconds:6.1f} s  {test:34} {reason[:SHOWN]}".rstrip()
            lines.append(f"{line}\n")
            if test in self._known:
                lines.append(f"{'':16}known: {self._known[test].reason}\n")
            elif test in self._stale and outcome == "pass":
                lines.append(f"{'':16}passes, other than {KNOWN.name} says\n")
        return "".join(lines)

    def verdict(self) -> str:
        """The line that says it all."""
        counts = Counter(outcome.outcome for outcome in self.outcomes.values())
        counted = ", ".join(f"{counts[word]} {word}" for word in OUTCOMES)
        problem = self.problem()
        return f"verdict: {f'WRONG - {problem}' if problem else 'right'} - {counted}"

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "right": self.problem() is None,
            "emulator": self.emulator,
            "kernel": self.kernel,
            "selftests": self._selftests,
            "npt": self._npt,
            "cpus": self.cpus,
            "features_used": self.used,
            "tests": {
                test: {
                    "outcome": outcome,
                    "reason": reason,
                    "seconds": round(seconds, 1),
                    "known": self._known[test].reason if test in self._known else "",
                }
                for test, (outcome, reason, seconds) in self.outcomes.items()
            },
        }
