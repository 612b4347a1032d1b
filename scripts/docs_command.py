# SPDX-License-Identifier: GPL-2.0-or-later
"""./svm docs: make docs/conformance.rst of the rows and the table of registers.

And docs/selftests.rst, see selftests_document.py. The rows are
docs/conformance-rows.toml, whose head explains them; the table is
target-i386-svm/svm-registers.h.inc.
"""

import argparse
import textwrap
import tomllib
from collections import Counter
from typing import NamedTuple

import selftests_document
from c_tokens import Tokens
from errors import BadUsage
from paths import CHECKOUT
from progress import say

ROWS = CHECKOUT / "docs" / "conformance-rows.toml"
REGISTERS = CHECKOUT / "target-i386-svm" / "svm-registers.h.inc"
DOCUMENT = CHECKOUT / "docs" / "conformance.rst"

# What conformance.rst says of each state, in this order.
STATES = {
    "right": "as the manual says, and the cases show it",
    "done": "as the manual says, without a case of its own",
    "partly": "the row says what is missing",
    "open": "as in unmodified QEMU",
    "later": "as in unmodified QEMU, and left to a later stage of the project",
}

# The letters of svm-registers.h.inc.
SETS = {
    "V": "VMSAVE, VMLOAD",
    "G": "guest",
    "GN": "guest, with nested paging",
    "GL": "guest, with LBR virtualization",
    "GS": "guest, with SPEC_CTRL virtualization",
    "H": "host",
    "GH": "guest and host",
}

HEAD = """\
.. SPDX-License-Identifier: GPL-2.0-or-later

.. Made by ``./svm docs`` of conformance-rows.toml and svm-registers.h.inc.

Conformance
===========

Where unmodified QEMU (10.0.13) departs from the AMD64 manual on SVM, and what the
add-on does. "2:" and "3:" are the manual's volumes. Comments and test messages name the
rows by their numbers. The cases are qtest cases, without ``/x86_64/svm/``. No AMD
machine was used: where the manual is silent a note says whose reading was followed,
KVM's (Linux 6.12), that of Bochs 3.0, or ours. Features one by one: features.rst.
"""

REGISTERS_HEAD = """\
The registers
-------------

What moves each register between processor and memory, and where the manual says so: the
table of which the code is made. *guest*: VMRUN loads it from the VMCB, #VMEXIT stores
it; *host*: VMRUN saves it to the host save area, #VMEXIT reloads it. VMRUN writes no
byte of the host save area that VMSAVE writes.
"""


class Row(NamedTuple):
    """One row of conformance.rst; conformance-rows.toml explains the fields."""

    number: int
    rule: str
    section: str
    pristine: str
    state: str
    open: str = ""
    cases: tuple[str, ...] = ()
    note: str = ""


class Part(NamedTuple):
    """A heading of conformance.rst and the rows below it."""

    title: str
    rows: list[Row]


class WithoutRow(NamedTuple):
    """Cases that fail on unmodified QEMU for a reason that no row gives."""

    cases: tuple[str, ...]
    why: str


class Register(NamedTuple):
    """A row of svm-registers.h.inc; `bits` is 0 for a segment."""

    field: str
    offset: int
    bits: int
    sets: str
    reference: str


class Conformance(NamedTuple):
    """All of conformance-rows.toml."""

    parts: list[Part]
    without_row: list[WithoutRow]

    def rows(self) -> list[Row]:
        """The rows of all parts."""
        return [row for part in self.parts for row in part.rows]


def read_rows(text: str) -> Conformance:
    """Read conformance-rows.toml; raise BadUsage for what its head does not allow."""
    try:
        data = tomllib.loads(text)
        conformance = Conformance(
            [
                Part(part["title"], [_made_of(Row, row) for row in part["row"]])
                for part in data.pop("part")
            ],
            [_made_of(WithoutRow, entry) for entry in data.pop("without_row", [])],
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise BadUsage(f"{ROWS.name}: {error}") from error
    if data:
        raise BadUsage(f"{ROWS.name}: unknown: {', '.join(data)}")
    for row in conformance.rows():
        if complaint := _complaint(row):
            raise BadUsage(f"{ROWS.name}: row {row.number}: {complaint}")
    numbers = Counter(row.number for row in conformance.rows())
    for number in range(1, max(numbers) + 1):
        if numbers[number] != 1:
            raise BadUsage(f"{ROWS.name}: row {number}: there {numbers[number]} times")
    return conformance


def _made_of(kind: type, entry: dict):
    values = {
        key: " ".join(value.split()) if isinstance(value, str) else value
        for key, value in entry.items()
    }
    if "cases" in values:
        values["cases"] = tuple(values["cases"])
    return kind(**values)


def _complaint(row: Row) -> str:
    if not isinstance(row.number, int):
        return "the number is no number"
    if row.state not in STATES:
        return f"state '{row.state}' is none of {', '.join(STATES)}"
    if bool(row.open) != (row.state == "partly"):
        return "'open' goes with the state partly, and only with it"
    if row.state == "right" and not row.cases:
        return "right, but no case shows it"
    if row.state == "done" and row.cases:
        return "done means without a case; right is with one"
    if not row.section:
        return "no section of the manual"
    return ""


def read_registers(text: str) -> list[Register]:
    """The rows of svm-registers.h.inc, in its order."""
    tokens = Tokens(text)
    registers = []
    for place, word in enumerate(tokens.texts):
        if word not in ("SVM_SEGMENT", "SVM_REGISTER") or tokens.directives[place]:
            continue
        values = _arguments(tokens.texts, place + 1)
        bits = values.pop(2) if word == "SVM_REGISTER" else "0"
        field, offset, sets, _live, _load, reference, _clean = values
        if sets not in SETS:
            raise BadUsage(f"{REGISTERS.name}: {field}: no set {sets}")
        reference = reference.strip('"')
        registers.append(Register(field, int(offset, 16), int(bits), sets, reference))
    return registers


def _arguments(words: list[str], bracket: int) -> list[str]:
    """The arguments of a macro, given its opening bracket."""
    arguments = [""]
    depth = 1
    for word in words[bracket + 1 :]:
        depth += (word in "([{") - (word in ")]}")
        if depth == 0:
            break
        if word == "," and depth == 1:
            arguments.append("")
        else:
            arguments[-1] += word
    return arguments


def document(conformance: Conformance, registers: list[Register]) -> str:
    """The text of conformance.rst."""
    states = [[f"*{state}*", meaning] for state, meaning in STATES.items()]
    blocks = [HEAD, _table_of_words(["now", "the add-on does"], states)]
    heads = ["row", "rule", "unmodified QEMU", "now", "cases, notes"]
    for part in conformance.parts:
        rows = [_row_cells(row) for row in part.rows]
        blocks += [_heading(part.title), _table("4 30 24 7 35", heads, rows)]
    if conformance.without_row:
        rows = [[_cases(entry), entry.why] for entry in conformance.without_row]
        blocks += [
            _heading("Other faults of unmodified QEMU"),
            _table("50 50", ["cases", "what they show"], rows),
        ]
    heads = ["register", "offset", "bits", "moved as", "manual"]
    rows = [
        [
            f"``{register.field}``",
            f"{register.offset:03X}h",
            str(register.bits or "segment"),
            SETS[register.sets],
            register.reference,
        ]
        for register in registers
    ]
    return "\n".join([*blocks, REGISTERS_HEAD, _table_of_words(heads, rows)])


def _row_cells(row: Row) -> list[str]:
    remarks = [_cases(row)] if row.cases else []
    if row.open:
        remarks.append(f"Open: {row.open}.")
    if row.note:
        remarks.append(row.note)
    return [
        str(row.number),
        f"{row.rule} ({row.section})",
        row.pristine or "right",
        row.state,
        "\n\n".join(remarks),
    ]


def _cases(entry: Row | WithoutRow) -> str:
    return ", ".join(f"``{case}``" for case in entry.cases)


def _heading(title: str) -> str:
    return f"{title}\n{'-' * len(title)}\n"


def _table(widths: str, heads: list[str], rows: list[list[str]]) -> str:
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in [heads, *rows]:
        for place, cell in enumerate(row):
            text = [
                line
                for paragraph in cell.split("\n\n")
                for line in (*_wrapped(paragraph), "")
            ]
            text[0] = ("   * -" if place == 0 else "     -") + text[0][6:]
            lines += text[:-1]
    return "\n".join(lines) + "\n"


def _table_of_words(heads: list[str], rows: list[list[str]]) -> str:
    """A table whose cells are too short to be broken into lines."""
    widths = [max(map(len, column)) for column in zip(heads, *rows)]
    line = ["=" * width for width in widths]
    return "".join(
        "  ".join(map(str.ljust, cells, widths)).rstrip() + "\n"
        for cells in (line, heads, line, *rows, line)
    )


def _wrapped(paragraph: str) -> list[str]:
    margin = " " * 7
    return textwrap.wrap(
        paragraph,
        width=88,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ./svm docs."""
    parser.add_argument(
        "--check", action="store_true", help="only say whether it is up to date"
    )


def run(options: argparse.Namespace) -> int:
    """Write the documents, count the rows; with --check 1 if one is out of date."""
    conformance = read_rows(ROWS.read_text())
    documents = {
        DOCUMENT: document(conformance, read_registers(REGISTERS.read_text())),
        selftests_document.DOCUMENT: selftests_document.document(
            _table, _table_of_words
        ),
    }
    for path, text in documents.items():
        name = f"docs/{path.name}"
        if path.exists() and path.read_text() == text:
            say(f"{name} is up to date")
        elif options.check:
            say(f"{name} is not what `./svm docs` makes")
            return 1
        else:
            path.write_text(text)
            say(f"made {name}")
    counts = Counter(row.state for row in conformance.rows())
    print("rows: " + ", ".join(f"{counts[state]} {state}" for state in STATES))
    return 0
