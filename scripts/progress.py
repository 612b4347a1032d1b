# SPDX-License-Identifier: GPL-2.0-or-later
"""Progress of long steps, on standard error: what, how far, how long."""

import sys
import time


class Step:
    """One long step; use as a context manager.

    On a terminal the line is rewritten in place; elsewhere a line is printed at
    the start, at most one every ten seconds while it goes on, and one at the end.
    A step within another one says nothing.
    """

    _open = 0

    def __init__(self, what: str):
        self.what = what
        self._terminal = sys.stderr.isatty()
        self._started = time.monotonic()
        self._last = 0.0

    def __enter__(self) -> "Step":
        Step._open += 1
        self._is_inner = Step._open > 1
        self._print("")
        return self

    def update(self, how_far: str) -> None:
        """Say how far the step has come, e.g. '812 of 2601 files'."""
        now = time.monotonic()
        if now - self._last >= (0.2 if self._terminal else 10):
            self._print(how_far)

    def __exit__(self, kind, _error, _trace) -> None:
        Step._open -= 1
        seconds = time.monotonic() - self._started
        end = "done" if kind is None else "failed"
        self._print(f"{end} after {seconds:.1f} s")
        if self._terminal and not self._is_inner:
            sys.stderr.write("\n")
        sys.stderr.flush()

    def _print(self, how_far: str) -> None:
        self._last = time.monotonic()
        if self._is_inner:
            return
        line = f"svm: {self.what}" + (f": {how_far}" if how_far else "")
        if self._terminal:
            sys.stderr.write(f"\r\033[K{line}")
        else:
            sys.stderr.write(line + "\n")
        sys.stderr.flush()


def say(message: str) -> None:
    """Print one line about something noteworthy, e.g. a fall-back."""
    sys.stderr.write(f"svm: {message}\n")
    sys.stderr.flush()
