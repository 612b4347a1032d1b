# SPDX-License-Identifier: GPL-2.0-or-later
"""A report in one HTML file, made of what ./svm compare --json holds and nothing else.

The page has no script and asks for nothing from any network; docs/compare.rst says
what is in it.
"""

import json
import shlex
from collections.abc import Iterable
from html import escape
from typing import Any

import call_tree
import meter_report
import report_plots
from compare_report import BOTH
from figure_text import event_name, figure_text, saved_text, share_text
from report_plots import SIDES, Results

# In pixels, of a plot on a desktop, on a phone, and in a document such as a README.
WIDE, NARROW, PICTURE = 760, 340, 560
MODEL_MARK = '<span class="model">model</span>'
WALL_TIME = "exits per second"
# Of all that functions take: what is in their tree.
LEAST_SHARE = 0.002

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


def page(results: Results) -> str:
    """The whole report."""
    title = "What the change of KVM saves"
    if not results["is_the_change"]:
        title = "{} and {}".format(*(results[side]["kernel"] for side in SIDES))
    parts = [
        _verdict(results, title),
        _table_of_all(results),
        _published(results),
        _costs(results),
        _functions(results),
        _spans(results),
        _exits(results),
        _sensitivity(results),
        _how_it_was_measured(results),
        _versions(results),
    ]
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
{report_plots.colours()}{STYLE}</style>
</head>
<body>
<main>
{"".join(parts)}</main>
<script type="application/json" id="figures">{data}</script>
</body>
</html>
"""


def picture(results: Results) -> str:
    """The plot of modelled cycles as an SVG file; there has to be a model."""
    return report_plots.picture(report_plots.costs_plot(results, PICTURE))


# What the parts are made of


def _section(title: str, *content: str, is_model: bool = False) -> str:
    mark = f" {MODEL_MARK}" if is_model else ""
    return f"<section>\n<h2>{escape(title)}{mark}</h2>\n{''.join(content)}</section>\n"


def _paragraph(text: str, kind: str = "") -> str:
    start = f'<p class="{kind}">' if kind else "<p>"
    # A line does not end behind the hyphen.
    text = escape(text).replace("-icount", "<code>-icount</code>")
    return f"{start}{text}</p>\n"


def _details(summary: str, content: str) -> str:
    return f"<details>\n<summary>{escape(summary)}</summary>\n{content}</details>\n"


def _row(cells: Iterable[str], kind: str = "", mark: str = "") -> str:
    name, *others = cells
    start = f'<tr class="{kind}">' if kind else "<tr>"
    figures = "".join(f"<td>{escape(cell)}</td>" for cell in others)
    return f'{start}<th scope="row">{escape(name)}{mark}</th>{figures}</tr>\n'


def _table(heads: Iterable[str], rows: Iterable[str], name: str) -> str:
    cells = "".join(_head(head) for head in heads)
    return (
        f'<div class="scroll">\n<table data-name="{name}">\n'
        f"<thead><tr>{cells}</tr></thead>\n<tbody>\n{''.join(rows)}</tbody>\n"
        "</table>\n</div>\n"
    )


def _head(text: str) -> str:
    kind = f' class="{text}"' if text in SIDES else ""
    return f'<th scope="col"{kind}>{escape(text)}</th>'


def _plot(draw, *arguments) -> str:
    drawn = (
        f'<div class="{kind}">{draw(*arguments, width)}</div>\n'
        for kind, width in (("wide", WIDE), ("narrow", NARROW))
    )
    return f"<figure>\n{''.join(drawn)}</figure>\n"


def _figures_of_plot(heads: Iterable[str], rows: Iterable[str], name: str) -> str:
    return _details("The figures", _table(heads, rows, name))


def _pair(before: float, after: float) -> str:
    return f"{figure_text(before)} → {figure_text(after)}"


def _change(before: float, after: float) -> str:
    """In words, since more need not be worse."""
    if before == after or not before:
        return "the same" if before == after else ""
    how = "less" if after < before else "more"
    return f"{share_text(abs(before - after) / before)} {how}"


def _is_modelled(row: dict[str, Any]) -> bool:
    return "modelled" in (row["part_of"] or row["name"])


def _has_model(results: Results) -> bool:
    return all(results[side]["costs"] for side in SIDES)


# The parts


def _verdict(results: Results, title: str) -> str:
    kernels = "".join(
        f'<dt class="{side}">{side}</dt><dd>{escape(results[side]["kernel"])} '
        f'<span class="faint">(Linux {escape(results[side]["version"])})</span></dd>\n'
        for side in SIDES
    )
    verdict = results["verdict"]
    kind = "verdict" if results["right"] else "verdict wrong"
    return (
        f"<header>\n<h1>{escape(title)}</h1>\n"
        f'<dl class="kernels">\n{kernels}</dl>\n'
        + _paragraph(verdict[0].upper() + verdict[1:], kind)
        + f'</header>\n<div class="tiles">\n{"".join(_tiles(results))}</div>\n'
    )


def _tiles(results: Results) -> Iterable[str]:
    pair = [results[side]["instructions"] for side in SIDES]
    yield _tile("Instructions of a KVM_RUN", pair)
    pair = [results[side]["modelled_cycles_in_function"] for side in SIDES]
    where = f"Cycles of {meter_report.FUNCTION}()"
    if None in pair:
        pair = [results[side]["modelled_cycles"] for side in SIDES]
        where = "Cycles of a KVM_RUN"
    if None not in pair:
        published = ""
        if found := results["published"]:
            published = (
                f"published: {_pair(*found['cycles_in_function'].values())}, "
                f"{found['saved_in_function']:.0%} less"
            )
        yield _tile(where, pair, published, is_model=True)
    pair = [
        sum(row[side] for row in results["rows"] if row["name"] in ("RDMSR", "WRMSR"))
        for side in SIDES
    ]
    yield _tile("RDMSR and WRMSR of a KVM_RUN", pair)


def _tile(
    what: str, pair: list[float], more: str = "", is_model: bool = False
) -> str:
    mark = f" {MODEL_MARK}" if is_model else ""
    last = f'<p class="faint">{escape(more)}</p>' if more else ""
    return (
        f'<div class="tile"><p class="faint">{escape(what)}{mark}</p>'
        f'<p class="large"><span class="before">{figure_text(pair[0])}</span> → '
        f'<span class="after">{figure_text(pair[1])}</span></p>'
        f"<p>{_change(*pair)}</p>{last}</div>\n"
    )


def _table_of_all(results: Results) -> str:
    rows = []
    group = None
    for row in results["rows"]:
        before, after = row["before"], row["after"]
        if before is None or after is None or not (before or after):
            continue
        if row["part_of"] not in (None, group):
            rows.append(_group(row["part_of"]))
        group = row["part_of"] or row["name"]
        cells = [figure_text(before), figure_text(after), saved_text(before, after)]
        if row["name"].startswith(WALL_TIME):
            cells = [f"{before:,.0f}", f"{after:,.0f}", ""]
        mark = f" {MODEL_MARK}" if _is_modelled(row) else ""
        kind = "part" if row["part_of"] else "whole"
        rows.append(_row([row["name"].removesuffix(BOTH), *cells], kind, mark))
    return _section(
        "For each KVM_RUN",
        _paragraph(
            "A KVM_RUN is the whole system call: the program that runs the guest "
            "calls it, the guest runs until its next exit, and the call returns. The "
            f"function is {meter_report.FUNCTION}(), from its entry to its return."
        ),
        _table(["", *SIDES, "saved"], rows, "all"),
    )


def _group(name: str) -> str:
    return (
        f'<tr class="whole"><th scope="rowgroup" colspan="4">{escape(name)}</th></tr>\n'
    )


def _published(results: Results) -> str:
    published = results["published"]
    cycles = [results[side]["modelled_cycles_in_function"] for side in SIDES]
    if not published or None in cycles:
        return ""
    rows = [
        _row(
            [
                f"cycles {side}",
                figure_text(found),
                figure_text(published["cycles_in_function"][side]),
                f"{found / published['cycles_in_function'][side] - 1:+.0%}",
            ]
        )
        for side, found in zip(SIDES, cycles)
    ]
    saved = (cycles[0] - cycles[1]) / cycles[0]
    shares = [("saved", saved, published["saved_in_function"])]
    for side in SIDES:
        share = results[side]["modelled_share_of_writes_at_vcpu_put"]
        if share is not None:
            theirs = published["share_of_writes_at_vcpu_put"][side]
            shares.append((f"WRMSR in vcpu put {side}", share, theirs))
    for name, found, theirs in shares:
        error = f"{100 * (found - theirs):+.1f} points"
        rows.append(_row([name, share_text(found), f"{100 * theirs:.4g}%", error]))
    return _section(
        "Beside what is published",
        _paragraph(
            f"Published of the change are measurements on an {published['processor']} "
            f"processor, of {meter_report.FUNCTION}() alone. The model's figures "
            "are a prediction from what was counted: no cost of the model was fitted "
            "to them."
        ),
        _table(["of the function", "model", "published", "error"], rows, "published"),
        is_model=True,
    )


def _costs(results: Results) -> str:
    if not _has_model(results):
        return ""
    parts = report_plots.cost_parts(results)
    sums = [sum(results[side]["costs"].values()) for side in SIDES]
    rows = []
    for name, before, after in (*parts, ("all", *sums)):
        figures = (round(value) for value in (before, after, before - after))
        kind = "whole" if name == "all" else ""
        rows.append(_row([name, *map(figure_text, figures)], kind))
    return _section(
        "Where the cycles go",
        _paragraph(
            f"Modelled cycles of a KVM_RUN ({results['cost_model']}), from what was "
            "counted times what an event is assumed to cost. In full colour is what "
            "one of the kernels takes and the other does not; what is saved most is on "
            "top. It is the mean, which interrupts of L1's are in; the table above has "
            "the median."
        ),
        _plot(report_plots.costs_plot, results),
        _figures_of_plot(["event", *SIDES, "saved"], rows, "costs"),
        is_model=True,
    )


def _functions(results: Results) -> str:
    roots = [results[side]["functions"] for side in SIDES]
    if not any(roots):
        return ""
    by_cycles = all(root["cycles"] for root in roots if root)
    what = "modelled cycles" if by_cycles else "instructions"
    content = [
        _paragraph(
            "Functions of L1's kernel below their callers; their width is their "
            f"{what} in a KVM_RUN with all that they call, on the same scale for both "
            "kernels. Those in full colour access MSRs themselves."
        )
    ]
    for side, root in zip(SIDES, roots):
        if not root:
            continue
        content += [
            f'<h3 class="{side}">{side}: {escape(results[side]["kernel"])}</h3>\n',
            _plot(report_plots.flame_plot, results, side),
            _details(
                "The figures, as a tree",
                f'<pre data-name="functions-{side}">'
                f"{escape(call_tree.text(root, LEAST_SHARE))}</pre>\n",
            ),
        ]
    return _section("By function", *content, is_model=by_cycles)


def _spans(results: Results) -> str:
    spans = [results[side]["host_spans"] for side in SIDES]
    if not all(each and each["histogram"] for each in spans):
        return ""
    rows = []
    counts = [
        {(b["from"], b["to"]): b["count"] for b in each["histogram"]} for each in spans
    ]
    for start, end in sorted(counts[0] | counts[1]):
        name = f"{start:,}" if start == end else f"{start:,} to {end:,}"
        figures = (f"{each.get((start, end), 0):,}" for each in counts)
        rows.append(_row([name, *figures]))
    for name in ("least", "most", "spans"):
        rows.append(_row([name, *(f"{each[name]:,}" for each in spans)], "whole"))
    return _section(
        "From an exit to the next VMRUN",
        _paragraph(
            "Instructions of the host from each #VMEXIT to the next VMRUN, counted. "
            "Those that take more have an interrupt of L1's in them, or the program "
            "that runs the guest did more than to run it."
        ),
        _plot(report_plots.spans_plot, results),
        _figures_of_plot(["instructions", *SIDES], rows, "spans"),
    )


def _exits(results: Results) -> str:
    found = report_plots.exit_rows(results)
    if not found:
        return ""
    rows = []
    keys = [
        key
        for key in ("instructions", "cycles")
        if any(side[key] is not None for row in found for side in row[1:])
    ]
    for row in found:
        cells = [figure_text(side["count"]) for side in row[1:]]
        for key in keys:
            cells += [
                "" if side[key] is None else f"{side[key]:,.0f}" for side in row[1:]
            ]
        rows.append(_row([row.name, *cells]))
    heads = ["code", *SIDES]
    for key in keys:
        what = "modelled cycles" if key == "cycles" else key
        heads += [f"{what} {side}" for side in SIDES]
    more = ""
    if keys:
        more = (
            " Behind the bars is how often times what the host takes from such an "
            "exit to its next VMRUN, on average. The code that takes most is first."
        )
    return _section(
        "Exits by code",
        _paragraph(f"How many of each KVM_RUN, counted.{more}"),
        _plot(report_plots.exits_plot, results),
        _figures_of_plot(heads, rows, "exits"),
        is_model="cycles" in keys,
    )


def _sensitivity(results: Results) -> str:
    if not results["sensitivity"] or not _has_model(results):
        return ""
    rows = [
        _row(
            [
                event_name(row["cost"]),
                share_text(row["saved_if_half"]),
                share_text(row["saved_if_twice"]),
            ]
        )
        for row in results["sensitivity"]
    ]
    return _section(
        "How much depends on the assumptions",
        _paragraph(
            "The share of a KVM_RUN's modelled cycles that would be saved if one cost "
            "were half, or twice, as much; computed from what was counted. Costs that "
            "change nothing are left out."
        ),
        _plot(report_plots.sensitivity_plot, results),
        _figures_of_plot(["cost", "if half", "if twice"], rows, "sensitivity"),
        is_model=True,
    )


def _how_it_was_measured(results: Results) -> str:
    runs, exits = _runs(results["runs"]), results["exits_in_each_run"]
    spread = sorted({name for side in SIDES for name in results[side]["spread"]})
    if results["runs"] == 1:
        equal = "With one run of each, runs were not compared."
    elif spread:
        equal = f"Between runs of the same kernel there differed: {', '.join(spread)}."
    else:
        equal = f"The {runs} of a kernel were the same in every figure: no spread."
    content = [
        _paragraph(
            "Each kernel was booted under QEMU's emulation of an AMD processor, with "
            "-icount, where time goes with the instructions. In "
            f"{'each of ' * (results['runs'] > 1)}{runs} QEMU's svm-meter counted "
            f"{exits:,} KVM_RUNs of a guest that halts in a loop: what it counted, "
            "divided by their number, are the figures above. Instructions, accesses to "
            "MSRs and exits are counted exactly; the instructions of a KVM_RUN are the "
            f"median. {equal}"
        )
    ]
    if results["timed_runs"]:
        content.append(
            _paragraph(
                "Exits per second are those of the emulator in wall time "
                f"({_runs(results['timed_runs'])} of each, without -icount). They say "
                "nothing about a processor: a world switch takes an emulator far "
                "longer than what is compared here."
            )
        )
    if results["cost_model"]:
        rows = [
            f'<tr><th scope="row">{escape(event_name(row["cost"]))}</th>'
            f"<td>{figure_text(row['cycles'])}</td>"
            f'<td class="words">{escape(row["source"])}</td></tr>\n'
            for row in results["assumed_costs"]
        ]
        costs = _table(["event", "cycles", "source"], rows, "assumed")
        content += [
            "<h3>The model</h3>\n",
            _paragraph(
                f"Cycles are those of a model, {results['cost_model']}, on which each "
                "kernel ran once more: every event takes what the model assumes, and "
                "L1's own time stamps count that. No processor was measured. Caches, "
                "branches and the overlap of instructions are not modelled but by the "
                "cost of an instruction. Most costs are assumptions:"
            ),
            _details("The assumed costs", costs),
        ]
    return _section("How it was measured", *content)


def _runs(number: int) -> str:
    return f"{number} run" if number == 1 else f"{number} runs"


def _versions(results: Results) -> str:
    rows = [
        ("emulator", results["versions"]["emulator"]),
        ("qemu-svm", results["versions"]["qemu-svm"]),
        *(
            (
                f"kernel {side}",
                f"{results[side]['kernel']} (Linux {results[side]['version']})",
            )
            for side in SIDES
        ),
    ]
    cells = (
        f'<tr><th scope="row">{escape(name)}</th>'
        f'<td class="words">{escape(value)}</td></tr>\n'
        for name, value in rows
    )
    command = escape(shlex.join(results["command"]))
    return _section(
        "Versions, and how to repeat it",
        '<div class="scroll">\n<table data-name="versions">\n<tbody>\n'
        f"{''.join(cells)}</tbody>\n</table>\n</div>\n",
        _paragraph("The same once more, in a checkout of qemu-svm:"),
        f'<pre data-name="command">{command} --html FILE</pre>\n',
    )
