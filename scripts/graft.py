# SPDX-License-Identifier: GPL-2.0-or-later
"""Grafts the add-on into a copy of a source tree.

Where the tree's own files meet the add-on stands in seams, a small file each.
Everything is computed in memory first; if one seam does not match as it
expects, nothing is written.  A seam file (NAME.seam):

    # SPDX-License-Identifier: GPL-2.0-or-later
    # Comments that say why this seam exists.
    kind: own | call | row
    topic: lower-case-word            for ./svm diff --topic
    file: path/in/the/tree
    function: name                    own: one line for each; call: one; row: if any
    replaces: path/in/the/tree        a whole file that the add-on re-makes: the
                                      digest covers it too
    matches: 1                        how often each anchor or function is found
    versions: 10.0 11                 only for versions that start so (default: all)
    reviewed: 10.0.13 DIGEST          a line a version; ./svm seams review --accept
    --- anchor
    quoted tokens
    --- replace                       or before, or after
    text, exactly up to the next section

own fences the functions out of the tree and has no anchor; call changes what a
function does; row adds to a list, table or build file.  Anchor and action may
come several times.  White space and comments do not count in an anchor.  The
action's text moves sideways as the anchor does, as far as the anchor stands
further to the right in the tree than in the seam; after 'replace' nothing means
that the anchor goes, with its lines when it fills them.
"""

import errno
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from c_tokens import Extent, Tokens, digest, language
from errors import SetupFailed
from paths import CHECKOUT

SEAMS = CHECKOUT / "target-i386-svm" / "seams"


class AddOnFolder(NamedTuple):
    """A folder of the add-on and where it goes in the grafted tree."""

    source: Path
    destination: str
    without: tuple[str, ...] = ()


ADD_ON = (
    AddOnFolder(
        CHECKOUT / "target-i386-svm", "target/i386/svm", ("seams", "README.md")
    ),
    AddOnFolder(CHECKOUT / "hw", "hw/svm", ("README.md", "cost-models")),
    AddOnFolder(CHECKOUT / "tests" / "qtest", "tests/qtest/svm"),
)

# Two thirds of QEMU's source are firmware sources, of which no build of ours
# uses any; .pc is the packaging tool's copy of what Debian patched.
LEFT_OUT = ("roms", ".pc")

_MANIFEST = ".graft-manifest.json"


class GraftError(SetupFailed):
    """The seams do not fit the tree; `problems` has all that is wrong."""

    def __init__(self, problems: list[str]):
        self.problems = problems
        more = len(problems) - 1
        rest = f" (and {more} more; see ./svm seams)" if more else ""
        super().__init__(problems[0] + rest)


# --- The seam files -------------------------------------------------------------


@dataclass(frozen=True)
class Anchor:
    """Quoted tokens and what happens to them: replace, before or after."""

    quote: str
    action: str
    text: str
    line: int


@dataclass(frozen=True)
class Seam:
    """One seam file; the head of this module says what each field means."""

    path: Path
    why: str
    kind: str
    topic: str
    file: str
    functions: tuple[str, ...]
    replaces: tuple[str, ...]
    matches: int
    versions: tuple[str, ...]
    reviewed: dict[str, str]
    anchors: tuple[Anchor, ...]

    @property
    def name(self) -> str:
        """The seam's name: that of its file."""
        return self.path.stem

    @property
    def place(self) -> str:
        """The file and the functions, as messages name them."""
        return ":".join([self.file, ", ".join(self.functions)]).rstrip(":")

    def is_for(self, version: str) -> bool:
        """Whether this seam is meant for this version of the tree."""
        numbers = version.split(".")
        return not self.versions or any(
            numbers[: len(wanted)] == wanted
            for wanted in (start.split(".") for start in self.versions)
        )


_REPEATED_KEYS = ("function", "replaces", "reviewed")
_KEYS = ("kind", "topic", "file", "matches", "versions") + _REPEATED_KEYS
_SECTION = re.compile(r"---")
_SECTION_NAME = re.compile(r"--- (anchor|replace|before|after)\Z")


def read_seam(path: Path) -> Seam:
    """Read one seam file; what is wrong with it is a GraftError."""
    return _SeamReader(path).read()


def read_seams(folder: Path) -> list[Seam]:
    """Read all seams of a folder, sorted by name; all problems at once."""
    seams, problems = [], []
    for path in sorted(folder.glob("*")):
        if path.name.startswith(".") or path.name.endswith("~"):
            continue
        try:
            if path.suffix != ".seam":
                raise GraftError([f"{path}: not a seam (NAME.seam)"])
            seams.append(read_seam(path))
        except GraftError as error:
            problems += error.problems
    if problems:
        raise GraftError(problems)
    if not seams:
        raise GraftError([f"{folder}: no seam there"])
    return seams


class _SeamReader:
    def __init__(self, path: Path):
        self.path = path
        self.why: list[str] = []
        self.keys: dict[str, list[tuple[int, str]]] = {key: [] for key in _KEYS}
        self.sections: list[tuple[int, str, str]] = []

    def fail(self, line: int, problem: str) -> None:
        raise GraftError([f"{self.path.name}:{line}: {problem}"])

    def read(self) -> Seam:
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise GraftError([f"{self.path}: {error}"]) from error
        head = len(lines)
        for number, line in enumerate(lines):
            if _SECTION.match(line):
                head = number
                break
        for number, line in enumerate(lines[:head], 1):
            self.read_head_line(number, line)
        self.split_sections(lines, head)
        return self.seam()

    def read_head_line(self, number: int, line: str) -> None:
        if line.startswith("#"):
            comment = line.lstrip("#").strip()
            if comment and not comment.startswith("SPDX-"):
                self.why.append(comment)
        elif line.strip():
            key, colon, value = line.partition(":")
            if not colon or key not in self.keys:
                self.fail(number, f"unknown line '{line}' (known: {', '.join(_KEYS)})")
            if self.keys[key] and key not in _REPEATED_KEYS:
                self.fail(number, f"'{key}:' stands there twice")
            if not value.strip():
                self.fail(number, f"'{key}:' has no value")
            self.keys[key].append((number, value.strip()))

    def split_sections(self, lines: list[str], head: int) -> None:
        content: list[str] = []
        for number, line in enumerate(lines[head:], head + 1):
            if _SECTION.match(line):
                name = _SECTION_NAME.match(line)
                if not name:
                    self.fail(
                        number,
                        f"unknown section '{line}'"
                        " (known: --- anchor, --- replace, --- before, --- after)",
                    )
                content = []
                self.sections.append((number, name.group(1), content))
            else:
                content.append(line)

    def one(self, key: str, default: str | None = None) -> tuple[int, str]:
        if self.keys[key]:
            return self.keys[key][0]
        if default is None:
            self.fail(1, f"'{key}:' is missing")
        return 1, default

    def seam(self) -> Seam:
        if not self.why:
            self.fail(1, "no comment says why this seam exists")
        line, kind = self.one("kind")
        if kind not in ("own", "call", "row"):
            self.fail(line, f"unknown kind '{kind}' (known: own, call, row)")
        line, topic = self.one("topic")
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", topic):
            self.fail(line, f"topic '{topic}' is not lower-case words with hyphens")
        _line, file = self.one("file")
        for line, name in self.keys["file"] + self.keys["replaces"]:
            if name.startswith("/") or ".." in name.split("/"):
                self.fail(line, f"'{name}' is not a path inside the tree")
        line, matches = self.one("matches", "1")
        if not re.fullmatch(r"[1-9][0-9]*", matches):
            self.fail(line, f"matches '{matches}' is not a number above 0")
        functions = [name for _line, name in self.keys["function"]]
        if kind != "row" and not functions:
            self.fail(1, f"kind {kind} needs 'function:'")
        for line, name in self.keys["function"]:
            if kind != "own" and len(functions) > 1:
                self.fail(line, f"kind {kind} takes one 'function:'")
            if functions.count(name) > 1:
                self.fail(line, f"function '{name}' stands there twice")
        if functions and language(file) != "c":
            self.fail(1, f"'function:' needs a C file, and {file} is none")
        line, versions = self.one("versions", "")
        starts = versions.replace("|", " ").split()
        if not all(re.fullmatch(r"[0-9]+(\.[0-9]+)*", start) for start in starts):
            self.fail(line, f"versions '{versions}' are not starts of version numbers")
        return Seam(
            path=self.path,
            why=" ".join(self.why),
            kind=kind,
            topic=topic,
            file=file,
            functions=tuple(functions),
            replaces=tuple(name for _line, name in self.keys["replaces"]),
            matches=int(matches),
            versions=tuple(starts),
            reviewed=self.reviewed(),
            anchors=self.anchors(kind, file),
        )

    def reviewed(self) -> dict[str, str]:
        reviewed: dict[str, str] = {}
        for line, value in self.keys["reviewed"]:
            fields = re.fullmatch(r"([0-9]\S*)\s+([0-9a-f]{16})", value)
            if not fields:
                self.fail(line, f"reviewed '{value}' is not a version and a digest")
            if fields.group(1) in reviewed:
                self.fail(line, f"version {fields.group(1)} is reviewed twice")
            reviewed[fields.group(1)] = fields.group(2)
        return reviewed

    def anchors(self, kind: str, file: str) -> tuple[Anchor, ...]:
        if kind == "own":
            if self.sections:
                self.fail(self.sections[0][0], "kind own has no anchor")
            return ()
        if not self.sections:
            self.fail(1, f"kind {kind} needs '--- anchor'")
        anchors = []
        pending: tuple[int, str] | None = None
        for line, name, content in self.sections:
            text = "\n".join(content)
            if name == "anchor":
                if pending:
                    self.fail(pending[0], "an anchor without action")
                if not Tokens(text, language(file)).texts:
                    self.fail(line, "an anchor without a token")
                pending = (line, text)
            else:
                if not pending:
                    self.fail(line, f"'--- {name}' without an anchor before it")
                if name != "replace" and not text.strip():
                    self.fail(line, f"'--- {name}' without text")
                anchors.append(Anchor(pending[1], name, text, pending[0]))
                pending = None
        if pending:
            self.fail(pending[0], "an anchor without action")
        return tuple(anchors)


# --- What the seams do to the tree's text -----------------------------------------


class Edit(NamedTuple):
    """Replace text[start:end] of a file by other text, for this seam."""

    start: int
    end: int
    text: str
    seam: Seam


@dataclass
class Outcome:
    """How one seam fares on one tree.

    `context` is the code around it, which `digest` stands for: the functions
    that the seam names, or the lists around its anchors.
    """

    seam: Seam
    applies: bool = True
    found: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    digest: str | None = None
    context: str | None = None
    edits: list[Edit] = field(default_factory=list)

    @property
    def reviewed(self) -> bool:
        """Whether someone has looked at the code that is under the seam."""
        return self.digest in self.seam.reviewed.values()


class Unreviewed(NamedTuple):
    """A seam stands in code that nobody has reviewed for this version."""

    seam: str
    place: str
    version: str

    def __str__(self) -> str:
        return (
            f"seam {self.seam}: the code around it in {self.place} is not reviewed"
            f" for {self.version} (./svm seams review)"
        )


class SourceFile:
    """A file of the tree, read and tokenized once for all its seams."""

    def __init__(self, path: Path, name: str):
        self.name = name
        self.text = path.read_bytes().decode("utf-8", "surrogateescape")
        self.tokens = Tokens(self.text, language(name))

    def extents(self, seam: Seam) -> list[Extent]:
        """The functions that the seam names, or the lists around its anchors.

        This is what a reviewer reads and what the digest covers.
        """
        if seam.functions:
            return [
                extent
                for name in seam.functions
                for extent in self.tokens.definitions(name)
            ]
        around = {
            self.tokens.surroundings(match)
            for anchor in seam.anchors
            for match in self.tokens.find(_quoted(anchor, seam))
        }
        return sorted(around)


def _quoted(anchor: Anchor, seam: Seam) -> list[str]:
    return Tokens(anchor.quote, language(seam.file)).texts


def _short(quote: str) -> str:
    line = " ".join(quote.split())
    return line if len(line) <= 60 else line[:57] + "..."


def examine(tree: Path, seams: Iterable[Seam], version: str) -> list[Outcome]:
    """Try each seam on a tree without changing it."""
    files: dict[str, SourceFile] = {}
    outcomes = []
    for seam in seams:
        outcome = Outcome(seam, applies=seam.is_for(version))
        outcomes.append(outcome)
        if not outcome.applies:
            continue
        for name in (seam.file, *seam.replaces):
            try:
                if name not in files:
                    files[name] = SourceFile(tree / name, name)
            except OSError as error:
                problem = f"seam {seam.name}: {name}: {os.strerror(error.errno)}"
                outcome.problems.append(problem)
        if not outcome.problems:
            _examine_seam(files[seam.file], outcome)
        if not outcome.problems:
            _take_context(files, outcome)
    _find_overlaps(outcomes, files)
    return outcomes


def _examine_seam(file: SourceFile, outcome: Outcome) -> None:
    seam = outcome.seam
    if seam.kind == "own":
        for name in seam.functions:
            extents = file.tokens.definitions(name)
            outcome.found.append(len(extents))
            if len(extents) != seam.matches:
                outcome.problems.append(
                    f"seam {seam.name}: {seam.file}: function {name}: expected"
                    f" {_times(seam.matches, 'definition')}, found {len(extents)}"
                )
            for extent in extents:
                if file.tokens.conditionals_balanced(extent):
                    outcome.edits.append(_fence(file.tokens, extent, name, seam))
                else:
                    outcome.problems.append(
                        f"seam {seam.name}: {seam.file}: function {name} cannot be"
                        " fenced: an #if in it ends outside, or the other way round"
                    )
    else:
        for anchor in seam.anchors:
            _examine_anchor(file, anchor, outcome)


def _take_context(files: dict[str, SourceFile], outcome: Outcome) -> None:
    seam = outcome.seam
    places = [(files[seam.file].tokens, files[seam.file].extents(seam))]
    for name in seam.replaces:
        tokens = files[name].tokens
        places.append((tokens, [Extent(0, len(tokens) - 1)]))
    outcome.digest = digest(places)
    outcome.context = "\n\n".join(
        tokens.source(extent) for tokens, extents in places for extent in extents
    )


def _examine_anchor(file: SourceFile, anchor: Anchor, outcome: Outcome) -> None:
    seam = outcome.seam
    wanted = _quoted(anchor, seam)
    everywhere = file.tokens.find(wanted)
    matches = everywhere
    where = seam.file
    if seam.functions:
        name = seam.functions[0]
        where += f": function {name}"
        extents = file.tokens.definitions(name)
        if not extents:
            outcome.found.append(0)
            outcome.problems.append(
                f"seam {seam.name}: {where}: no such function"
                f" (anchor '{_short(anchor.quote)}')"
            )
            return
        matches = [
            match for extent in extents for match in file.tokens.find(wanted, extent)
        ]
    outcome.found.append(len(matches))
    if len(matches) != seam.matches:
        elsewhere = len(everywhere) - len(matches)
        aside = f" ({elsewhere} elsewhere in the file)" if elsewhere else ""
        outcome.problems.append(
            f"seam {seam.name}: {where}: anchor '{_short(anchor.quote)}':"
            f" expected {_times(seam.matches, 'match')}, found {len(matches)}{aside}"
        )
    for match in matches:
        outcome.edits.append(_anchor_edit(file, match, anchor, seam))


def _times(number: int, what: str) -> str:
    plural = what + ("es" if what.endswith("ch") else "s")
    return f"{number} {what if number == 1 else plural}"


def _find_overlaps(outcomes: list[Outcome], files: dict[str, SourceFile]) -> None:
    for name, file in files.items():
        edits = sorted(
            (
                (edit.start, edit.end, number, edit)
                for number, outcome in enumerate(outcomes)
                for edit in outcome.edits
                if outcome.seam.file == name
            ),
            key=lambda item: item[:3],
        )
        reach = -1
        last = None
        for start, end, number, edit in edits:
            collides = last is not None and (
                start < reach or (start == end == reach == last.start == last.end)
            )
            if collides:
                line = file.text.count("\n", 0, start) + 1
                outcomes[number].problems.append(
                    f"seam {edit.seam.name}: {edit.seam.place}: its edit at line"
                    f" {line} collides with that of seam {last.seam.name}"
                )
            if end > reach or last is None:
                reach, last = end, edit
            elif start == end == reach:
                last = edit


def _fence(tokens: Tokens, extent: Extent, name: str, seam: Seam) -> Edit:
    text = tokens.text
    start, end = tokens.starts[extent.first], tokens.ends[extent.last]
    open_line = "" if text[_line_start(text, start) : start].strip() == "" else "\n"
    start = _line_start(text, start) if not open_line else start
    fenced = text[start:end]
    rest_of_line = text[end:].split("\n", 1)[0].strip()
    edited = (
        f"{open_line}#if 0 /* qemu-svm: {name} is in the add-on */\n"
        f"{fenced}\n#endif" + ("\n" if rest_of_line else "")
    )
    return Edit(start, end, edited, seam)


def _line_start(text: str, position: int) -> int:
    return text.rfind("\n", 0, position) + 1


_TO_LINE_END = re.compile(
    r"(?:[ \t\r]|/\*(?:[^*]|\*(?!/))*\*/|//[^\n]*|\\(?=\r?\n))*(?:\n|\Z)"
)
_TO_LINE_END_GENERIC = re.compile(r"[ \t\r]*(?:\#[^\n]*)?(?:\n|\Z)")


def _anchor_edit(file: SourceFile, match: Extent, anchor: Anchor, seam: Seam) -> Edit:
    text = file.text
    start = file.tokens.starts[match.first]
    end = file.tokens.ends[match.last]
    line_start = _line_start(text, start)
    first_on_line = not text[line_start:start].strip()
    c_like = language(seam.file) != "generic"
    to_line_end = (_TO_LINE_END if c_like else _TO_LINE_END_GENERIC).match(text, end)
    inserted = _indented(anchor, _indentation(text[line_start:]), c_like)
    if anchor.action == "before":
        if first_on_line:
            return Edit(line_start, line_start, inserted + "\n", seam)
        return Edit(start, start, inserted.lstrip() + " ", seam)
    if anchor.action == "after":
        if to_line_end:
            after = to_line_end.end()
            newline = "" if text[:after].endswith("\n") else "\n"
            return Edit(after, after, newline + inserted + "\n", seam)
        return Edit(end, end, " " + inserted.lstrip(), seam)
    if not inserted.strip() and first_on_line:
        # What is taken away takes its line along, when nothing else is on it.
        blank = re.compile(r"[ \t\r]*\n").match(text, end)
        if blank:
            return Edit(line_start, blank.end(), "", seam)
    if inserted.startswith("#"):
        # A preprocessor line starts the replacement: it stays on the left.
        start = line_start if first_on_line else start
        return Edit(start, end, inserted, seam)
    return Edit(start, end, inserted.strip(), seam)


def _indentation(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


def _indented(anchor: Anchor, indentation: str, c_like: bool) -> str:
    """The action's text, moved sideways as the anchor is.

    The seam shows anchor and text as they stand to each other; in the tree the
    anchor may stand further to the right.  Preprocessor lines stay where they are.
    """
    quote = next(line for line in anchor.quote.splitlines() if line.strip())
    written = _indentation(quote)
    moved = []
    for line in anchor.text.split("\n"):
        own = _indentation(line)
        if not line.strip() or (c_like and line.startswith("#")):
            moved.append(line.rstrip())
        elif own.startswith(written):
            moved.append(indentation + line[len(written) :])
        else:
            missing = len(written) - len(own)
            moved.append(indentation[:-missing] + line.lstrip())
    return "\n".join(moved)


def edited_files(tree: Path, outcomes: Iterable[Outcome]) -> dict[str, bytes]:
    """The new contents of the files that the seams change."""
    edits: dict[str, list[Edit]] = {}
    for outcome in outcomes:
        if outcome.edits:
            edits.setdefault(outcome.seam.file, []).extend(outcome.edits)
    contents = {}
    for name, changes in edits.items():
        text = (tree / name).read_bytes().decode("utf-8", "surrogateescape")
        pieces, done = [], 0
        for start, end, new, _seam in sorted(changes, key=lambda edit: edit[:2]):
            pieces += [text[done:start], new]
            done = end
        pieces.append(text[done:])
        contents[name] = "".join(pieces).encode("utf-8", "surrogateescape")
    return contents


def add_on_files(add_on: Iterable[AddOnFolder]) -> dict[str, Path]:
    """The add-on's own files: where each goes in the tree, and where it is."""
    files: dict[str, Path] = {}
    for folder in add_on:
        for path in sorted(folder.source.rglob("*")):
            parts = path.relative_to(folder.source).parts
            hidden = any(
                part.startswith(".") or part == "__pycache__" for part in parts
            )
            if path.is_file() and not hidden and parts[0] not in folder.without:
                files["/".join((folder.destination, *parts))] = path
    return files


# --- Trees ------------------------------------------------------------------------


def grafted_files(
    pristine_tree: Path,
    version: str,
    strict_digests: bool = False,
    *,
    seams: Path = SEAMS,
    add_on: Iterable[AddOnFolder] = ADD_ON,
) -> tuple[dict[str, bytes], list[Unreviewed]]:
    """What a graft changes in a tree and adds to it, by name, and what it warns of.

    `strict_digests` and the warnings are as with graft().
    """
    outcomes = examine(pristine_tree, read_seams(seams), version)
    problems = [problem for outcome in outcomes for problem in outcome.problems]
    unreviewed = [
        Unreviewed(outcome.seam.name, outcome.seam.place, version)
        for outcome in outcomes
        if outcome.applies and not outcome.problems and not outcome.reviewed
    ]
    if strict_digests:
        problems += [str(warning) for warning in unreviewed]
    added = add_on_files(add_on)
    problems += [
        f"{source}: the tree has a file {name} of its own"
        for name, source in added.items()
        if os.path.lexists(pristine_tree / name)
    ]
    if problems:
        raise GraftError(problems)
    contents = edited_files(pristine_tree, outcomes)
    for name, source in added.items():
        contents[name] = source.read_bytes()
    return contents, unreviewed


def graft(
    pristine_tree: Path,
    target_tree: Path,
    version: str,
    strict_digests: bool = False,
    *,
    seams: Path = SEAMS,
    add_on: Iterable[AddOnFolder] = ADD_ON,
    left_out: tuple[str, ...] = LEFT_OUT,
) -> list[Unreviewed]:
    """Make or refresh the grafted copy of a tree.

    A refresh writes only what has changed, so that a build in between stays
    valid.  Returns the seams whose surroundings nobody has reviewed for this
    version; with `strict_digests` they are an error.  On an error the target
    tree is as it was.
    """
    contents, unreviewed = grafted_files(
        pristine_tree, version, strict_digests, seams=seams, add_on=add_on
    )
    added = add_on_files(add_on)
    if target_tree.exists():
        _write_tree(pristine_tree, target_tree, contents, added, left_out)
    else:
        # A copy that was interrupted must not pass for a whole one.
        partial = target_tree.with_name(target_tree.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            _write_manifest(partial / _MANIFEST, ())
            _write_tree(pristine_tree, partial, contents, added, left_out)
            partial.rename(target_tree)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    return unreviewed


def is_grafted(tree: Path) -> bool:
    """Whether a source tree is the work of graft()."""
    return (tree / _MANIFEST).exists()


def _write_tree(
    pristine: Path,
    target: Path,
    contents: dict[str, bytes],
    added: dict[str, Path],
    left_out: tuple[str, ...],
) -> None:
    manifest = target / _MANIFEST
    try:
        known = set(json.loads(manifest.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError) as error:
        raise SetupFailed(
            f"{target} is not a tree that a graft made ({manifest.name}); remove it"
        ) from error
    entries = dict(_entries(pristine, left_out))
    wanted = entries.keys() | contents.keys()
    # Until all is written the list has the old names too: what an interrupted
    # refresh leaves behind is still known to be ours.
    if known != wanted:
        _write_manifest(manifest, known | wanted)
    for name in sorted(known - wanted):
        _remove(target, name)
    for name, entry in entries.items():
        if name not in contents:
            _copy(entry, target / name)
    for name, content in contents.items():
        mode = (added.get(name) or pristine / name).stat().st_mode
        _write(target / name, content, mode)
    if known != wanted:
        _write_manifest(manifest, wanted)


def _write_manifest(manifest: Path, names: Iterable[str]) -> None:
    _write(manifest, (json.dumps(sorted(names), indent=0) + "\n").encode(), 0o644)


def _entries(
    tree: Path, left_out: tuple[str, ...], below: str = ""
) -> Iterator[tuple[str, os.DirEntry]]:
    with os.scandir(tree / below) as found:
        for entry in found:
            name = below + entry.name
            if name in left_out:
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(tree, left_out, name + "/")
            else:
                yield name, entry


def _copy(entry: os.DirEntry, copy: Path) -> None:
    """Bring one file over, unless the copy is the same already."""
    if entry.is_symlink():
        goal = os.readlink(entry.path)
        try:
            if os.readlink(copy) == goal:
                return
        except OSError:
            pass
        _make_folder(copy)
        copy.unlink(missing_ok=True)
        os.symlink(goal, copy)
        return
    source = entry.stat()
    try:
        there = os.lstat(copy)
    except FileNotFoundError:
        # The time comes along, so that the next refresh knows the copy by it.
        _make_folder(copy)
        shutil.copy2(entry.path, copy)
        return
    same_time = there.st_mtime_ns == source.st_mtime_ns
    if not same_time or there.st_size != source.st_size:
        # Now the time must be the present one, or ninja would not notice.
        _write(copy, Path(entry.path).read_bytes(), source.st_mode)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a file as a whole, unless it has this content."""
    try:
        there = os.lstat(path)
        if there.st_size == len(content) and path.read_bytes() == content:
            if (there.st_mode ^ mode) & 0o111:
                path.chmod(mode & 0o777)
            return
    except FileNotFoundError:
        _make_folder(path)
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(content)
        partial.chmod(mode & 0o777)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _make_folder(path: Path) -> None:
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True)


def _remove(target: Path, name: str) -> None:
    path = target / name
    path.unlink(missing_ok=True)
    for folder in path.parents:
        if folder == target:
            break
        try:
            folder.rmdir()
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                break
            raise
