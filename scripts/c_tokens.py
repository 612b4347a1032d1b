# SPDX-License-Identifier: GPL-2.0-or-later
"""Source text as tokens with positions: matching, functions, digests.

White space and comments do not count, so an anchor survives re-indentation and
a digest changes only when the code does.  Three kinds of text are known:

- C (.c, .h, .inc, .S): preprocessor lines are tokens like all others, but their
  brackets do not nest with those of the code;
- .hx: C, in which HXCOMM lines are comments and SRST..ERST is plain words;
- everything else (meson.build, Kconfig, trace-events): '#' starts a comment.
"""

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple

_C_PIECES = r"""
  (?P<newline>   [ \t\r\f\v]*\n\s* )
| (?P<skip>      [ \t\r\f\v]+ | \\\r?\n
               | /\*.*?\*/ | //(?:\\\r?\n|[^\n])* )
| (?P<token>     (?:u8|[LuU])?"(?:\\.|[^"\\\n])*"
               | [LuU]?'(?:\\.|[^'\\\n])*'
               | [A-Za-z_$][\w$]*
               | \.?[0-9](?:[eEpP][+-]|[\w.])*
               | <<=|>>=|\.\.\.|->|\+\+|--|<<|>>|&&|\|\||\#\#|[-+*/%&|^<>=!]=
               | . )
"""
_C = re.compile(_C_PIECES, re.X | re.S)
_HX = re.compile(
    r"(?P<comment> ^HXCOMM[^\n]* ) |" + _C_PIECES, re.X | re.S | re.M
)
_HX_TEXT = re.compile(r"^SRST\b.*?(?:^ERST\b|\Z)", re.S | re.M)
_GENERIC = re.compile(
    r"""
  (?P<skip>  \s+ | \#[^\n]* )
| (?P<token> '''.*?''' | '(?:\\.|[^'\\\n])*' | "(?:\\.|[^"\\\n])*" | \w+ | . )
""",
    re.X | re.S,
)

_BRACKETS = {")": "(", "]": "[", "}": "{"}
_BLANK_LINE = re.compile(r"\n[ \t\r]*\n")
_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*\Z")

# What may stand with arguments before or behind a function's name without being
# the name: attributes and the macros that stand for them.
_ATTRIBUTE = re.compile(
    r"G_GNUC_|QEMU_|TSA_|coroutine_|(_Alignas|_Static_assert|typeof)\Z"
    r"|__(attribute|attribute__|declspec|typeof__|printf|scanf|acquires|releases"
    r"|must_hold|aligned|section|alloc_size|no_sanitize|nonnull)\Z"
)

_AGGREGATES = {"struct", "union", "enum", "typedef"}


class Extent(NamedTuple):
    """A run of tokens: the indexes of its first and of its last one."""

    first: int
    last: int


class Function(NamedTuple):
    """A function's definition, from its first specifier to its last brace."""

    name: str
    extent: Extent


def language(path: str) -> str:
    """Which tokenizer the file of this name needs: 'c', 'hx' or 'generic'."""
    if path.endswith(".hx"):
        return "hx"
    if path.endswith((".c", ".h", ".inc", ".S")):
        return "c"
    return "generic"


class Tokens:
    """The tokens of one text, as parallel lists.

    `texts`, `starts` and `ends` give each token and its place; `directives`
    says whether it belongs to a preprocessor line.
    """

    def __init__(self, text: str, kind: str = "c"):
        self.text = text
        self.texts: list[str] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.directives: list[bool] = []
        self._pairs: tuple[dict[int, int], list[int]] | None = None
        self._functions: list[Function] | None = None
        self._line_starts: list[int] | None = None
        if kind == "c":
            self._scan_c(_C, 0, len(text))
        elif kind == "hx":
            done = 0
            for block in _HX_TEXT.finditer(text):
                self._scan_c(_HX, done, block.start())
                for word in re.compile(r"\S+").finditer(
                    text, block.start(), block.end()
                ):
                    self._add(word.group(), word.start(), word.end(), False)
                done = block.end()
            self._scan_c(_HX, done, len(text))
        else:
            for piece in _GENERIC.finditer(text):
                if piece.lastgroup == "token":
                    self._add(piece.group(), piece.start(), piece.end(), False)

    def __len__(self) -> int:
        return len(self.texts)

    def _add(self, text: str, start: int, end: int, directive: bool) -> None:
        self.texts.append(text)
        self.starts.append(start)
        self.ends.append(end)
        self.directives.append(directive)

    def _scan_c(self, pattern: re.Pattern, start: int, end: int) -> None:
        texts, starts = self.texts, self.starts
        ends, directives = self.ends, self.directives
        line_begins = True
        directive = False
        for piece in pattern.finditer(self.text, start, end):
            group = piece.lastgroup
            if group == "token":
                token = piece.group()
                if line_begins:
                    directive = token == "#"
                    line_begins = False
                texts.append(token)
                starts.append(piece.start())
                ends.append(piece.end())
                directives.append(directive)
            elif group == "newline":
                line_begins = True
                directive = False

    def line(self, index: int) -> int:
        """The number of the line on which this token starts."""
        if self._line_starts is None:
            self._line_starts = [0] + [
                found.end() for found in re.finditer("\n", self.text)
            ]
        return bisect_right(self._line_starts, self.starts[index])

    def find(self, wanted: list[str], within: Extent | None = None) -> list[Extent]:
        """Where this sequence of tokens stands; matches do not overlap."""
        first, last = within or Extent(0, len(self.texts) - 1)
        found = []
        size = len(wanted)
        position = first
        while size and position + size - 1 <= last:
            try:
                position = self.texts.index(wanted[0], position, last - size + 2)
            except ValueError:
                break
            if self.texts[position : position + size] == wanted:
                found.append(Extent(position, position + size - 1))
                position += size
            else:
                position += 1
        return found

    def source(self, extent: Extent) -> str:
        """The text of these tokens with what stands between them."""
        return self.text[self.starts[extent.first] : self.ends[extent.last]]

    def brackets(self) -> tuple[dict[int, int], list[int]]:
        """For each opening bracket its closing one; for each token its parent.

        The parent is the innermost bracket that is open there (-1: none).  The
        branches of a conditional each start from what was open at its #if, so
        `#if A .. f(a) { #else f(b) { #endif .. }` has one closed brace.
        """
        if self._pairs is None:
            closes: dict[int, int] = {}
            parents = [-1] * len(self.texts)
            code: list[int] = []
            inside_directive: list[int] = []
            at_if: list[list[int]] = []
            was_directive = False
            for index, token in enumerate(self.texts):
                directive = self.directives[index]
                if directive and (token == "#" or not was_directive):
                    inside_directive = []
                    self._follow_conditional(index, code, at_if)
                was_directive = directive
                stack = inside_directive if directive else code
                if token in _BRACKETS:
                    # A bracket that fits none is macro trickery: leave it alone.
                    if stack and self.texts[stack[-1]] == _BRACKETS[token]:
                        closes[stack.pop()] = index
                parents[index] = stack[-1] if stack else -1
                if token in "([{":
                    stack.append(index)
            self._pairs = closes, parents
        return self._pairs

    def _follow_conditional(
        self, index: int, code: list[int], at_if: list[list[int]]
    ) -> None:
        word = self.texts[index + 1] if index + 1 < len(self.texts) else ""
        if word in ("if", "ifdef", "ifndef"):
            at_if.append(list(code))
        elif word in ("else", "elif") and at_if:
            code[:] = at_if[-1]
        elif word == "endif" and at_if:
            at_if.pop()

    def functions(self) -> list[Function]:
        """All function definitions of a C text, in order.

        A name that a macro makes, as in `HELPER(add)(..)`, counts as
        'HELPER(add)'.
        """
        if self._functions is None:
            self._functions = list(self._definitions())
        return self._functions

    def definitions(self, name: str) -> list[Extent]:
        """Where the function of this name is defined (twice under #ifdef)."""
        return [found.extent for found in self.functions() if found.name == name]

    def _definitions(self):
        texts = self.texts
        closes, _parents = self.brackets()
        start = name = last_group = None
        initializer = False
        index = 0
        while index < len(texts):
            token = texts[index]
            if self.directives[index]:
                if name is None:
                    start = None
            elif token in (";", "}"):
                start = name = last_group = None
                initializer = False
            elif token == "=":
                initializer = True
            elif token == "(" and index in closes:
                head = texts[index - 1] if index else ""
                end = closes[index]
                named = _IDENTIFIER.match(head) and not _ATTRIBUTE.match(head)
                if named and not initializer:
                    if name is None:
                        name = index - 1
                    elif last_group is not None and index - 1 > last_group + 1:
                        # What came before was a macro's use without semicolon:
                        # a type stands between it and this name.
                        start = self._skip_directives(last_group + 1)
                        name = index - 1
                    last_group = end
                elif last_group is not None and index == last_group + 1:
                    last_group = end  # HELPER(add)(arguments)
                index = end
            elif token == "{" and index in closes:
                if texts[index - 1].startswith('"'):
                    start = name = last_group = None  # extern "C" {
                else:
                    end = closes[index]
                    if name is not None and not initializer:
                        between = texts[last_group + 1 : index]
                        if not _AGGREGATES.intersection(between):
                            yield Function(self._name(name), Extent(start, end))
                            start = name = last_group = None
                    index = end
            elif start is None:
                start = index
            index += 1

    def _skip_directives(self, index: int) -> int:
        while self.directives[index]:
            index += 1
        return index

    def _name(self, index: int) -> str:
        closes, _parents = self.brackets()
        after = closes[index + 1] + 1
        if self.texts[after] == "(":
            return "".join(self.texts[index:after])
        return self.texts[index]

    def conditionals_balanced(self, extent: Extent) -> bool:
        """Whether every #if, #else and #endif in there has its partners too."""
        depth = 0
        for index in range(extent.first, extent.last):
            if self.directives[index] and self.texts[index] == "#":
                word = self.texts[index + 1]
                if word in ("if", "ifdef", "ifndef"):
                    depth += 1
                elif word == "endif":
                    depth -= 1
                if depth < 0 or (word in ("else", "elif") and depth == 0):
                    return False
        return depth == 0

    def surroundings(self, extent: Extent) -> Extent:
        """The list around these tokens: their innermost brackets with content.

        Outside of all brackets it is the paragraph, up to the blank lines.
        """
        closes, parents = self.brackets()
        opening = parents[extent.first]
        while opening >= 0 and closes.get(opening, -1) < extent.last:
            opening = parents[opening]
        if opening >= 0:
            return Extent(opening, closes[opening])
        begin, end = 0, len(self.text)
        for blank in _BLANK_LINE.finditer(self.text):
            if blank.end() <= self.starts[extent.first]:
                begin = blank.end()
            elif blank.start() >= self.ends[extent.last]:
                end = blank.start()
                break
        first, last = extent
        while first > 0 and self.starts[first - 1] >= begin:
            first -= 1
        while last + 1 < len(self.texts) and self.ends[last + 1] <= end:
            last += 1
        return Extent(first, last)


def digest(places: Iterable[tuple[Tokens, Iterable[Extent]]]) -> str:
    """A short digest of the code in these places, whatever its layout."""
    summary = hashlib.sha256()
    for tokens, extents in places:
        for first, last in extents:
            code = "\n".join(tokens.texts[first : last + 1]) + "\n\n"
            summary.update(code.encode("utf-8", "surrogateescape"))
    return summary.hexdigest()[:16]
