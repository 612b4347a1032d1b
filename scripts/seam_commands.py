# SPDX-License-Identifier: GPL-2.0-or-later
"""`./svm seams`, `./svm seams review` and `./svm diff`.

They look at a pristine source tree and at the seams; neither needs a build.  The
seams are those with QEMU, or with --kvm those of the change of KVM (kvm_change.py).
"""

import argparse
import difflib
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import graft
from command import Command
from errors import BadUsage, SetupFailed
from paths import BUILD
from progress import say

# Where a version that was reviewed earlier may still be had.
_SUITES = ("trixie", "trixie-security", "sid")

# What --qemu means: a kind of scripts/emulator.py.
_TREES = {"ours": "pristine", "newest": "newest-pristine"}


def _add_tree_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--qemu",
        choices=tuple(_TREES),
        default="ours",
        help="the QEMU that we build on (default), or the newest of Debian sid",
    )
    parser.add_argument(
        "--kvm",
        choices=("5.10", "6.1"),
        help="not QEMU's seams but those that make the change of KVM in Linux 5.10, "
        "or undo it in 6.1 (kvm-change/)",
    )
    parser.add_argument(
        "--tree",
        type=Path,
        metavar="DIR",
        help="a pristine source tree to look at instead",
    )


class _Subject(NamedTuple):
    """What seams are looked at, and what they are grafted into."""

    name: str
    folder: Path
    add_on: tuple[graft.AddOnFolder, ...]
    source_tree: Callable[[], Path]
    version: Callable[[Path], str | None]
    # The pristine source of a version that was reviewed earlier; or why there is none.
    tree_of: Callable[[str], Path | str]


def _subject(options: argparse.Namespace) -> _Subject:
    if options.kvm:
        if options.qemu != "ours":
            raise BadUsage("--kvm looks at the kernel's source, not at --qemu")
        import kvm_change

        change = kvm_change.CHANGES[options.kvm]
        return _Subject(
            "Linux",
            change.seams,
            change.add_on,
            lambda: kvm_change.source_tree(change.series),
            kvm_change.tree_version,
            kvm_change.tree_of,
        )

    def source_tree() -> Path:
        import emulator

        return emulator.source_tree(_TREES[options.qemu])

    return _Subject("QEMU", graft.SEAMS, graft.ADD_ON, source_tree, _version, _tree_of)


def _tree(options: argparse.Namespace, subject: _Subject) -> tuple[Path, str]:
    """The pristine tree that the options mean, and its version."""
    tree = options.tree or subject.source_tree()
    version = subject.version(tree)
    if version is None:
        raise BadUsage(f"{tree} is not a source tree of {subject.name}")
    return tree, version


def _version(tree: Path) -> str | None:
    try:
        return (tree / "VERSION").read_text(encoding="utf-8").strip()
    except OSError:
        return None


# --- ./svm seams ------------------------------------------------------------------


def _add_seams_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        nargs="?",
        choices=("list", "review"),
        default="list",
        help="list: check all seams and print a table (default); "
        "review: show the code around seams that nobody has reviewed yet",
    )
    parser.add_argument(
        "--seam",
        action="append",
        default=[],
        metavar="NAME",
        help="only this seam (may be given several times)",
    )
    _add_tree_arguments(parser)
    parser.add_argument("--json", action="store_true", help="list: print JSON")
    parser.add_argument(
        "--strict", action="store_true", help="list: unreviewed code is a failure too"
    )
    parser.add_argument(
        "--accept",
        action="store_true",
        help="review: note in the seam files that the code is reviewed",
    )


def _run_seams(options: argparse.Namespace) -> int:
    if options.accept and options.action != "review":
        raise BadUsage("--accept belongs to ./svm seams review")
    subject = _subject(options)
    try:
        seams = graft.read_seams(subject.folder)
    except graft.GraftError as error:
        _print_problems(error.problems)
        return 1
    unknown = set(options.seam) - {seam.name for seam in seams}
    if unknown:
        raise BadUsage(f"no seam {sorted(unknown)[0]} in {subject.folder}")
    tree, version = _tree(options, subject)
    # All are examined, so that a collision with one not named is found too.
    outcomes = [
        outcome
        for outcome in graft.examine(tree, seams, version)
        if not options.seam or outcome.seam.name in options.seam
    ]
    if options.action == "review":
        return _review(outcomes, subject, version, options.accept)
    if options.json:
        print(json.dumps(_as_json(outcomes, version), indent=2))
    else:
        _print_table(outcomes, f"{subject.name} {version}")
    _print_problems(problem for outcome in outcomes for problem in outcome.problems)
    failed = any(
        outcome.problems or (options.strict and _is_unreviewed(outcome))
        for outcome in outcomes
    )
    return 1 if failed else 0


def _print_problems(problems: Iterable[str]) -> None:
    sys.stdout.flush()
    for problem in problems:
        say(problem)


def _is_unreviewed(outcome: graft.Outcome) -> bool:
    return outcome.applies and not outcome.problems and not outcome.reviewed


def _state(outcome: graft.Outcome) -> str:
    if not outcome.applies:
        return "not for this version"
    if outcome.problems:
        return "FAILS"
    return "reviewed" if outcome.reviewed else "NOT REVIEWED"


def _expected(outcome: graft.Outcome) -> int:
    seam = outcome.seam
    return seam.matches * (len(seam.anchors) or len(seam.functions))


def _print_table(outcomes: list[graft.Outcome], tree: str) -> None:
    rows = [("SEAM", "KIND", "TOPIC", "MATCHES", "CODE", "WHERE")]
    for outcome in outcomes:
        seam = outcome.seam
        matches = f"{sum(outcome.found)}/{_expected(outcome)}"
        rows.append(
            (
                seam.name,
                seam.kind,
                seam.topic,
                matches if outcome.applies else "-",
                _state(outcome),
                seam.place,
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths))
        print("  ".join(cells).rstrip())
    failing = sum(bool(outcome.problems) for outcome in outcomes)
    unreviewed = sum(map(_is_unreviewed, outcomes))
    print(
        f"{len(outcomes)} seams on {tree}:"
        f" {failing} failing, {unreviewed} not reviewed"
    )


def _as_json(outcomes: list[graft.Outcome], version: str) -> dict:
    return {
        "version": version,
        "seams": [
            {
                "name": outcome.seam.name,
                "why": outcome.seam.why,
                "kind": outcome.seam.kind,
                "topic": outcome.seam.topic,
                "file": outcome.seam.file,
                "functions": outcome.seam.functions,
                "applies": outcome.applies,
                "expected": _expected(outcome),
                "found": sum(outcome.found),
                "digest": outcome.digest,
                "reviewed": outcome.reviewed,
                "problems": outcome.problems,
            }
            for outcome in outcomes
        ],
    }


# --- ./svm seams review -----------------------------------------------------------


def _review(
    outcomes: list[graft.Outcome], subject: _Subject, version: str, accept: bool
) -> int:
    failing = [problem for outcome in outcomes for problem in outcome.problems]
    unreviewed = [outcome for outcome in outcomes if _is_unreviewed(outcome)]
    trees: dict[str, Path | str] = {}
    for outcome in unreviewed:
        _show(outcome, subject, version, trees)
        if accept:
            _accept(outcome, version)
            print(f"accepted for {version}: {outcome.digest}")
        print()
    left = 0 if accept else len(unreviewed)
    print(
        f"{len(unreviewed)} seams shown, {left} left to review for"
        f" {subject.name} {version}"
    )
    _print_problems(failing)
    return 1 if failing else 0


def _show(
    outcome: graft.Outcome,
    subject: _Subject,
    version: str,
    trees: dict[str, Path | str],
) -> None:
    """Print what has changed around a seam since it was reviewed last."""
    seam = outcome.seam
    print(f"=== {seam.name} ({seam.kind}, {seam.topic}): {seam.place}")
    print(textwrap.indent(textwrap.fill(seam.why, 76), "    "))
    new = outcome.context
    if not seam.reviewed:
        print(f"    Never reviewed; {version} has:")
        _print_source(new)
        return
    last = list(seam.reviewed)[-1]
    if last not in trees:
        trees[last] = subject.tree_of(last)
    tree = trees[last]
    if isinstance(tree, str):
        print(f"    Reviewed for {last}, whose source is not at hand ({tree});")
        print(f"    {version} has:")
        _print_source(new)
        return
    old = graft.examine(tree, [seam], last)[0]
    if old.digest != seam.reviewed[last]:
        print(f"    The seam was changed since: in {last} it now covers other code.")
    for line in difflib.unified_diff(
        (old.context or "").splitlines(),
        new.splitlines(),
        f"{seam.place} ({last})",
        f"{seam.place} ({version})",
        lineterm="",
    ):
        _print_source(line)


def _print_source(text: str) -> None:
    print(text.encode("utf-8", "replace").decode("utf-8"))


def _tree_of(version: str) -> Path | str:
    """The pristine source of a version; or why there is none."""
    for found in sorted(BUILD.glob("*/VERSION")):
        tree = found.parent
        if _version(tree) == version and not graft.is_grafted(tree):
            return tree
    try:
        import apt_archive

        source = apt_archive.newest_source("qemu", _SUITES, f"1:{version}+")
        if not re.match(rf"1:{re.escape(version)}[-+]", source.version):
            return "the mirror no longer has it"
        tree = BUILD / f"qemu-{version}"
        apt_archive.unpack_source(apt_archive.fetch_source(source), tree)
        return tree
    except SetupFailed as error:
        return str(error)


def _accept(outcome: graft.Outcome, version: str) -> None:
    """Note the digest in the seam's file, as the last of its reviewed lines."""
    path = outcome.seam.path
    lines = path.read_text(encoding="utf-8").splitlines()
    head = next(
        (number for number, line in enumerate(lines) if line.startswith("---")),
        len(lines),
    )
    kept = [
        line
        for line in lines[:head]
        if not re.match(rf"reviewed:\s*{re.escape(version)}\s", line)
    ]
    while kept and not kept[-1].strip():
        kept.pop()
    kept.append(f"reviewed: {version} {outcome.digest}")
    text = "\n".join(kept + lines[head:]) + "\n"
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


# --- ./svm diff -------------------------------------------------------------------


def _add_diff_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--topic", metavar="T", help="only the seams of this topic")
    parser.add_argument(
        "--all", action="store_true", help="the add-on's own new files too"
    )
    _add_tree_arguments(parser)


def _run_diff(options: argparse.Namespace) -> int:
    subject = _subject(options)
    seams = graft.read_seams(subject.folder)
    topics = sorted({seam.topic for seam in seams})
    if options.topic is not None:
        if options.topic not in topics:
            raise BadUsage(f"no topic {options.topic} (there are: {', '.join(topics)})")
        seams = [seam for seam in seams if seam.topic == options.topic]
    tree, version = _tree(options, subject)
    outcomes = graft.examine(tree, seams, version)
    problems = [problem for outcome in outcomes for problem in outcome.problems]
    if problems:
        raise graft.GraftError(problems)
    for name, content in sorted(graft.edited_files(tree, outcomes).items()):
        _write_diff(name, (tree / name).read_bytes(), content)
    if options.all:
        for name, path in sorted(graft.add_on_files(subject.add_on).items()):
            _write_diff(name, None, path.read_bytes())
    return 0


def _write_diff(name: str, old: bytes | None, new: bytes) -> None:
    for line in difflib.unified_diff(
        _lines(old or b""),
        _lines(new),
        f"a/{name}" if old is not None else "/dev/null",
        f"b/{name}",
    ):
        end = "" if line.endswith("\n") else "\n\\ No newline at end of file\n"
        sys.stdout.buffer.write((line + end).encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def _lines(content: bytes) -> list[str]:
    # Not splitlines(): a form feed does not end a line for patch.
    return re.findall(r"[^\n]*\n|[^\n]+\Z", content.decode("utf-8", "surrogateescape"))


COMMANDS = [
    Command(
        "seams",
        "list, check and review the places where QEMU meets the add-on",
        _add_seams_arguments,
        _run_seams,
    ),
    Command(
        "diff",
        "print what the add-on changes in QEMU's files, as a patch",
        _add_diff_arguments,
        _run_diff,
    ),
]
