# SPDX-License-Identifier: GPL-2.0-or-later
"""What the pages of reports are made of: HTML without a script, in one file."""

import json
import shlex
from collections.abc import Callable, Iterable
from html import escape
from typing import Any, NamedTuple

import svg_drawing
from figure_text import event_name, figure_text, share_text
from report_plots import Exit, exits_plot
from svg_drawing import SIDES

# In pixels, of a plot on a desktop, on a phone, and in a document such as a README.
WIDE, NARROW, PICTURE = 760, 340, 560
MODEL_MARK = '<span class="model">model</span>'

STYLE = """* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 51rem;
  background: var(--page); color: var(--text);
  font: 1rem/1.55 system-ui, sans-serif; overflow-wrap: break-word;
}
h1 { font-size: 1.75rem; line-height: 1.25; margin: 0 0 0.5rem; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 3.5rem 0 0.5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 0.25rem; }
p { margin: 0.5rem 0 1rem; max-width: 42rem; }
.faint { color: var(--faint); }
.before { color: var(--before); } .after { color: var(--after); }
.verdict { font-size: 1.2rem; font-weight: 600; margin: 1rem 0; }
.wrong { color: var(--wrong); }
.kernels { margin: 0 0 1rem; }
.kernels dt { float: left; clear: left; width: 4.5rem; font-weight: 600; }
.kernels dd { margin: 0 0 0 4.5rem; }
.tiles { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1.5rem 0; }
.tile {
  flex: 1 1 14rem; background: var(--box); border-radius: 0.5rem; padding: 1rem;
}
.tile p { margin: 0; }
.tile .large { font-size: 1.5rem; font-weight: 600; line-height: 1.5; }
.model {
  border: 1px solid currentcolor; border-radius: 0.25rem; color: var(--faint);
  font-size: 0.6875rem; font-weight: 600; letter-spacing: 0.04em; padding: 0 0.3em;
  text-transform: uppercase; vertical-align: 0.1em; white-space: nowrap;
}
.scroll { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--faint); padding-bottom: 0.5rem; }
th, td {
  padding: 0.2rem 0 0.2rem 1.25rem; text-align: right; vertical-align: baseline;
  border-bottom: 1px solid var(--line);
}
th:first-child, td:first-child { text-align: left; padding-left: 0; font-weight: 400; }
thead th { font-weight: 600; vertical-align: bottom; }
td { white-space: nowrap; }
td.words { white-space: normal; text-align: left; min-width: 14rem; }
tr.part th { padding-left: 1.25rem; color: var(--faint); }
tr.whole th { font-weight: 600; }
table[data-name="versions"] th { white-space: nowrap; }
@media (max-width: 32rem) {
  table { font-size: 0.875rem; }
  th, td { padding-left: 0.6rem; }
  tr.part th { padding-left: 0.75rem; }
  body { padding-left: 1rem; padding-right: 1rem; }
}
figure { margin: 1rem 0; }
figure svg { display: block; width: 100%; height: auto; }
figure svg text { font-family: system-ui, sans-serif; }
.narrow { display: none; }
@media (max-width: 42rem) {
  .wide { display: none; }
  .narrow { display: block; max-width: 28rem; }
}
details { margin: 0.5rem 0; }
details table { font-size: 0.875rem; }
summary { cursor: pointer; color: var(--faint); padding: 0.25rem 0; }
code { font: inherit; white-space: nowrap; }
pre {
  background: var(--box); border-radius: 0.5rem; padding: 0.75rem 1rem;
  margin: 0.5rem 0; overflow-x: auto; font: 0.8125rem/1.5 ui-monospace, monospace;
}
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  h2 { margin-top: 2rem; break-after: avoid; }
  figure, tr, .tile { break-inside: avoid; }
  .tile { border: 1px solid var(--line); }
  .scroll, pre { overflow: visible; }
  pre { white-space: pre-wrap; }
  .wide { display: block; }
  .narrow { display: none; }
}
"""


class Kernel(NamedTuple):
    """One of the two that are compared: what --before or --after says, and Linux's."""

    kernel: str
    version: str


def page(title: str, results: dict[str, Any], parts: Iterable[str]) -> str:
    """A whole page, with the results in it for programs."""
    # Nothing in it can end the element.
    data = json.dumps(results).replace("<", "\\u003c")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<style>
{svg_drawing.colours()}{STYLE}</style>
</head>
<body>
<main>
{"".join(parts)}</main>
<script type="application/json" id="figures">{data}</script>
</body>
</html>
"""


# The parts that every report has


def header(
    title: str,
    kernels: dict[str, Kernel],
    results: dict[str, Any],
    tiles: Iterable[str],
) -> str:
    """What is compared, the verdict, and the figures that say most."""
    names = "".join(
        f'<dt class="{side}">{side}</dt><dd>{escape(kernel.kernel)} '
        f'<span class="faint">(Linux {escape(kernel.version)})</span></dd>\n'
        for side, kernel in kernels.items()
    )
    verdict = results["verdict"]
    kind = "verdict" if results["right"] else "verdict wrong"
    return (
        f"<header>\n<h1>{escape(title)}</h1>\n"
        f'<dl class="kernels">\n{names}</dl>\n'
        + paragraph(verdict[0].upper() + verdict[1:], kind)
        + f'</header>\n<div class="tiles">\n{"".join(tiles)}</div>\n'
    )


def model(name: str, costs: list[dict[str, Any]], how: str) -> str:
    """A cost model: how it was used, and what it assumes."""
    rows = [
        f'<tr><th scope="row">{escape(event_name(row["cost"]))}</th>'
        f"<td>{figure_text(row['cycles'])}</td>"
        f'<td class="words">{escape(row["source"])}</td></tr>\n'
        for row in costs
    ]
    return (
        "<h3>The model</h3>\n"
        + paragraph(
            f"Cycles are those of a model, {name}, {how} No processor was measured. "
            "Caches, branches and the overlap of instructions are not modelled but by "
            "the cost of an instruction. Most costs are assumptions:"
        )
        + details(
            "The assumed costs", table(["event", "cycles", "source"], rows, "assumed")
        )
    )


def versions(
    kernels: dict[str, Kernel], results: dict[str, Any], *more: tuple[str, str]
) -> str:
    """Of all that took part; and the command that repeats it."""
    rows = [
        ("emulator", results["versions"]["emulator"]),
        ("qemu-svm", results["versions"]["qemu-svm"]),
        *(
            (f"kernel {side}", f"{kernel.kernel} (Linux {kernel.version})")
            for side, kernel in kernels.items()
        ),
        *more,
    ]
    cells = (
        f'<tr><th scope="row">{escape(name)}</th>'
        f'<td class="words">{escape(value)}</td></tr>\n'
        for name, value in rows
    )
    command = escape(shlex.join(results["command"]))
    return section(
        "Versions, and how to repeat it",
        '<div class="scroll">\n<table data-name="versions">\n<tbody>\n'
        f"{''.join(cells)}</tbody>\n</table>\n</div>\n",
        paragraph("The same once more, in a checkout of qemu-svm:"),
        f'<pre data-name="command">{command} --html FILE</pre>\n',
    )


# What the parts are made of


def section(title: str, *content: str, is_model: bool = False) -> str:
    """A part of the page under a heading of its own."""
    mark = f" {MODEL_MARK}" if is_model else ""
    return f"<section>\n<h2>{escape(title)}{mark}</h2>\n{''.join(content)}</section>\n"


def paragraph(text: str, kind: str = "") -> str:
    """Text, with a CSS class."""
    start = f'<p class="{kind}">' if kind else "<p>"
    # A line does not end behind the hyphen.
    text = escape(text).replace("-icount", "<code>-icount</code>")
    return f"{start}{text}</p>\n"


def details(summary: str, content: str) -> str:
    """What is folded away until a reader wants to see it."""
    return f"<details>\n<summary>{escape(summary)}</summary>\n{content}</details>\n"


def table_row(cells: Iterable[str], kind: str = "", mark: str = "") -> str:
    """A row; the first cell is its head, which may have a mark behind it."""
    name, *others = cells
    start = f'<tr class="{kind}">' if kind else "<tr>"
    figures = "".join(f"<td>{escape(cell)}</td>" for cell in others)
    return f'{start}<th scope="row">{escape(name)}{mark}</th>{figures}</tr>\n'


def table(heads: Iterable[str], rows: Iterable[str], name: str) -> str:
    """A table that scrolls in itself; tests know it by its name."""
    cells = "".join(_head(head) for head in heads)
    return (
        f'<div class="scroll">\n<table data-name="{escape(name)}">\n'
        f"<thead><tr>{cells}</tr></thead>\n<tbody>\n{''.join(rows)}</tbody>\n"
        "</table>\n</div>\n"
    )


def _head(text: str) -> str:
    kind = f' class="{text}"' if text in SIDES else ""
    return f'<th scope="col"{kind}>{escape(text)}</th>'


def tile(
    what: str,
    pair: list[float],
    more: str = "",
    is_model: bool = False,
    figure: Callable[[float], str] = figure_text,
    change: str | None = None,
) -> str:
    """A box with both kernels' figures, how they changed, and more in a last line."""
    mark = f" {MODEL_MARK}" if is_model else ""
    last = f'<p class="faint">{escape(more)}</p>' if more else ""
    change = change_text(*pair) if change is None else change
    return (
        f'<div class="tile"><p class="faint">{escape(what)}{mark}</p>'
        f'<p class="large"><span class="before">{figure(pair[0])}</span> → '
        f'<span class="after">{figure(pair[1])}</span></p>'
        f"<p>{escape(change)}</p>{last}</div>\n"
    )


def plot(draw: Callable[..., str], *arguments: Any) -> str:
    """A plot, drawn for a desktop and for a phone."""
    both = (
        f'<div class="{kind}">{draw(*arguments, width)}</div>\n'
        for kind, width in (("wide", WIDE), ("narrow", NARROW))
    )
    return f"<figure>\n{''.join(both)}</figure>\n"


def figures_of_plot(heads: Iterable[str], rows: Iterable[str], name: str) -> str:
    """The table that belongs to a plot."""
    return details("The figures", table(heads, rows, name))


def known_of_exits(rows: list[Exit]) -> list[str]:
    """What is known of what the host does after an exit: instructions, cycles."""
    return [
        key
        for key in ("instructions", "cycles")
        if any(side[key] is not None for row in rows for side in row[1:])
    ]


def exits(rows: list[Exit], name: str) -> str:
    """The plot of exits by code, and its figures."""
    known = known_of_exits(rows)
    heads = ["code", *SIDES]
    for key in known:
        what = "modelled cycles" if key == "cycles" else key
        heads += [f"{what} {side}" for side in SIDES]
    lines = []
    for row in rows:
        cells = [figure_text(side["count"]) for side in row[1:]]
        for key in known:
            cells += [
                "" if side[key] is None else f"{side[key]:,.0f}" for side in row[1:]
            ]
        lines.append(table_row([row.name, *cells]))
    return plot(exits_plot, rows) + figures_of_plot(heads, lines, name)


def pair_text(before: float, after: float) -> str:
    """Both kernels' figures."""
    return f"{figure_text(before)} → {figure_text(after)}"


def change_text(before: float, after: float) -> str:
    """In words, since more need not be worse."""
    if before == after or not before:
        return "the same" if before == after else ""
    how = "less" if after < before else "more"
    return f"{share_text(abs(before - after) / before)} {how}"


def spread_text(number: int, difference: str) -> str:
    """Whether runs of a kernel were equal; `difference` says what was not."""
    if number == 1:
        return "With one run of each, runs were not compared."
    if difference:
        return difference
    return (
        f"The {runs_text(number)} of a kernel were the same in every figure: no spread."
    )


def runs_text(number: int) -> str:
    """How many runs, in words."""
    return f"{number} run" if number == 1 else f"{number} runs"
