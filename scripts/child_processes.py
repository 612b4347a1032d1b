# SPDX-License-Identifier: GPL-2.0-or-later
"""Run other programs so that none of them outlives ./svm.

Every child gets a process group of its own. When we are interrupted, or fail for
another reason, the whole group is ended: a build's compilers and a download's
helpers end with it.
"""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from errors import SetupFailed


def run(
    command: Sequence[str | Path],
    on_line: Callable[[str], None] | None = None,
    on_tick: Callable[[], None] | None = None,
    finish_when_interrupted: bool = False,
    **keywords,
) -> tuple[int, list[str]]:
    """Run a program to its end; return its status and its last 400 lines.

    Standard output and standard error are taken together. `on_line` gets every
    line when it comes, `on_tick` is called about five times a second. With
    `finish_when_interrupted` a Ctrl-C is obeyed only after the program has ended.
    """
    lines: list[str] = []

    def take(line: str) -> None:
        lines.append(line)
        del lines[:-400]
        if on_line:
            on_line(line)

    keywords |= {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    if not finish_when_interrupted:
        with child(command, **keywords) as process:
            _read_lines(process, take, on_tick)
            return process.wait(), lines

    process = _start(command, **keywords)
    interrupted = None
    while True:
        try:
            _read_lines(process, take, on_tick)
            status = process.wait()
            break
        except KeyboardInterrupt as error:
            interrupted = error
    if interrupted:
        raise interrupted
    return status, lines


def output_of(command: Sequence[str | Path], **keywords) -> str:
    """Standard output of a program, which must succeed."""
    keywords |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with child(command, **keywords) as process:
        output, complaints = process.communicate()
    if process.returncode != 0:
        last = (complaints.strip().splitlines() or ["no message"])[-1]
        raise SetupFailed(f"'{_shown(command)}' failed: {last}")
    return output


@contextmanager
def child(command: Sequence[str | Path], **keywords) -> Iterator[subprocess.Popen]:
    """A running program; it and its children are ended if the block fails."""
    process = _start(command, **keywords)
    try:
        yield process
    except BaseException:
        end(process)
        raise
    finally:
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()


def end(process: subprocess.Popen) -> None:
    """End a program started here and everything in its process group."""
    for how, seconds in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, how)
            process.wait(seconds)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    process.poll()


def _start(command: Sequence[str | Path], **keywords) -> subprocess.Popen:
    keywords.setdefault("stdin", subprocess.DEVNULL)
    environment = dict(keywords.pop("env", None) or os.environ, LC_ALL="C.UTF-8")
    try:
        return subprocess.Popen(
            [str(word) for word in command],
            start_new_session=True,
            env=environment,
            **keywords,
        )
    except FileNotFoundError as error:
        if error.filename != str(command[0]):
            raise
        raise SetupFailed(f"the program '{command[0]}' is not installed") from error


def _read_lines(
    process: subprocess.Popen,
    take: Callable[[str], None],
    on_tick: Callable[[], None] | None,
) -> None:
    ticked = 0.0
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            block = None
            if selector.select(0.2):
                block = os.read(process.stdout.fileno(), 65536)
                *whole, rest = (rest + block).split(b"\n")
                for line in whole:
                    take(line.decode(errors="replace"))
            if on_tick and time.monotonic() - ticked >= 0.2:
                ticked = time.monotonic()
                on_tick()
            if block == b"":
                break
    if rest:
        take(rest.decode(errors="replace"))


def _shown(command: Sequence[str | Path]) -> str:
    return " ".join(str(word) for word in command)
