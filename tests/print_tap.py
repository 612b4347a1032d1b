# SPDX-License-Identifier: GPL-2.0-or-later
"""Run a file of unit tests and print TAP, so that every test counts by name.

Usage: print_tap.py FILE [VARIABLE=VALUE...]

The variables are those of the file's module, e.g. which emulator it tests.
"""

import importlib.util
import sys
import unittest
from pathlib import Path


class TapResult(unittest.TestResult):
    """Prints a line for every test that has ended."""

    def __init__(self):
        super().__init__()
        self._bad: list[str] = []

    def startTest(self, test):
        super().startTest(test)
        self._bad = []

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._bad.append(self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        if isinstance(test, unittest.TestCase):
            self._bad.append(self.errors[-1][1])
        else:
            # A class or module could not be set up: its tests do not start.
            self._print(f"not ok - {test.id()}", [self.errors[-1][1]])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self._bad.append((self.failures + self.errors)[-1][1])

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        print(f"ok - {test.id()} # SKIP {reason}", flush=True)
        self._bad = ["skipped"]

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self._bad.append("unexpected success\n")

    def stopTest(self, test):
        super().stopTest(test)
        if self._bad == ["skipped"]:
            return
        self._print(f"{'not ok' if self._bad else 'ok'} - {test.id()}", self._bad)

    def _print(self, line: str, details: list[str]) -> None:
        for detail in details:
            print("".join(f"# {text}\n" for text in detail.splitlines()), end="")
        print(line, flush=True)


def main(file: Path, variables: list[str]) -> int:
    """Run the tests of a file; 0 when there are some and all are right."""
    specification = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(specification)
    sys.modules[file.stem] = module
    specification.loader.exec_module(module)
    for name, _, value in (variable.partition("=") for variable in variables):
        setattr(module, name, value)
    tests = unittest.defaultTestLoader.loadTestsFromModule(module)
    print(f"1..{tests.countTestCases()}", flush=True)
    result = TapResult()
    tests.run(result)
    return 0 if result.testsRun and result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), sys.argv[2:]))
