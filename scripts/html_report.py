# SPDX-License-Identifier: GPL-2.0-or-later
"""A report in one HTML file, made of what ./svm compare --json holds and nothing else.

The page has no script and asks for nothing from any network; docs/compare.rst says
what is in it.
"""

from collections.abc import Iterable
from html import escape
from typing import Any

import call_tree
import html_page
import meter_report
import report_plots
import svg_drawing
from compare_report import BOTH
from figure_text import event_name, figure_text, saved_text, share_text
from html_page import (
    MODEL_MARK,
    change_text,
    details,
    figures_of_plot,
    pair_text,
    paragraph,
    plot,
    runs_text,
    section,
    spread_text,
    table,
    table_row,
    tile,
)
from report_plots import Results
from svg_drawing import SIDES

WALL_TIME = "exits per second"
# Of all that functions take: what is in their tree.
LEAST_SHARE = 0.002


def page(results: Results) -> str:
    """The whole report."""
    title = "What the change of KVM saves"
    if not results["is_the_change"]:
        title = "{} and {}".format(*(results[side]["kernel"] for side in SIDES))
    parts = [
        html_page.header(title, _kernels(results), results, _tiles(results)),
        _table_of_all(results),
        _published(results),
        _costs(results),
        _functions(results),
        _spans(results),
        _exits(results),
        _sensitivity(results),
        _how_it_was_measured(results),
        html_page.versions(_kernels(results), results),
    ]
    return html_page.page(title, results, parts)


def picture(results: Results) -> str:
    """The plot of modelled cycles as an SVG file; there has to be a model."""
    return svg_drawing.picture(report_plots.costs_plot(results, html_page.PICTURE))


def _kernels(results: Results) -> dict[str, html_page.Kernel]:
    return {
        side: html_page.Kernel(results[side]["kernel"], results[side]["version"])
        for side in SIDES
    }


def _is_modelled(row: dict[str, Any]) -> bool:
    return "modelled" in (row["part_of"] or row["name"])


def _has_model(results: Results) -> bool:
    return all(results[side]["costs"] for side in SIDES)


# The parts


def _tiles(results: Results) -> Iterable[str]:
    pair = [results[side]["instructions"] for side in SIDES]
    yield tile("Instructions of a KVM_RUN", pair)
    pair = [results[side]["modelled_cycles_in_function"] for side in SIDES]
    where = f"Cycles of {meter_report.FUNCTION}()"
    if None in pair:
        pair = [results[side]["modelled_cycles"] for side in SIDES]
        where = "Cycles of a KVM_RUN"
    if None not in pair:
        published = ""
        if found := results["published"]:
            published = (
                f"published: {pair_text(*found['cycles_in_function'].values())}, "
                f"{found['saved_in_function']:.0%} less"
            )
        yield tile(where, pair, published, is_model=True)
    pair = [
        sum(row[side] for row in results["rows"] if row["name"] in ("RDMSR", "WRMSR"))
        for side in SIDES
    ]
    yield tile("RDMSR and WRMSR of a KVM_RUN", pair)


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
        rows.append(table_row([row["name"].removesuffix(BOTH), *cells], kind, mark))
    return section(
        "For each KVM_RUN",
        paragraph(
            "A KVM_RUN is the whole system call: the program that runs the guest "
            "calls it, the guest runs until its next exit, and the call returns. The "
            f"function is {meter_report.FUNCTION}(), from its entry to its return."
        ),
        table(["", *SIDES, "saved"], rows, "all"),
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
        table_row(
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
        rows.append(table_row([name, share_text(found), f"{100 * theirs:.4g}%", error]))
    return section(
        "Beside what is published",
        paragraph(
            f"Published of the change are measurements on an {published['processor']} "
            f"processor, of {meter_report.FUNCTION}() alone. The model's figures "
            "are a prediction from what was counted: no cost of the model was fitted "
            "to them."
        ),
        table(["of the function", "model", "published", "error"], rows, "published"),
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
        rows.append(table_row([name, *map(figure_text, figures)], kind))
    return section(
        "Where the cycles go",
        paragraph(
            f"Modelled cycles of a KVM_RUN ({results['cost_model']}), from what was "
            "counted times what an event is assumed to cost. In full colour is what "
            "one of the kernels takes and the other does not; what is saved most is on "
            "top. It is the mean, which interrupts of L1's are in; the table above has "
            "the median."
        ),
        plot(report_plots.costs_plot, results),
        figures_of_plot(["event", *SIDES, "saved"], rows, "costs"),
        is_model=True,
    )


def _functions(results: Results) -> str:
    roots = [results[side]["functions"] for side in SIDES]
    if not any(roots):
        return ""
    by_cycles = all(root["cycles"] for root in roots if root)
    what = "modelled cycles" if by_cycles else "instructions"
    content = [
        paragraph(
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
            plot(report_plots.flame_plot, results, side),
            details(
                "The figures, as a tree",
                f'<pre data-name="functions-{side}">'
                f"{escape(call_tree.text(root, LEAST_SHARE))}</pre>\n",
            ),
        ]
    return section("By function", *content, is_model=by_cycles)


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
        rows.append(table_row([name, *figures]))
    for name in ("least", "most", "spans"):
        rows.append(table_row([name, *(f"{each[name]:,}" for each in spans)], "whole"))
    return section(
        "From an exit to the next VMRUN",
        paragraph(
            "Instructions of the host from each #VMEXIT to the next VMRUN, counted. "
            "Those that take more have an interrupt of L1's in them, or the program "
            "that runs the guest did more than to run it."
        ),
        plot(report_plots.spans_plot, results),
        figures_of_plot(["instructions", *SIDES], rows, "spans"),
    )


def _exits(results: Results) -> str:
    found = report_plots.exit_rows({side: results[side]["exits"] for side in SIDES})
    if not found:
        return ""
    more = ""
    if html_page.known_of_exits(found):
        more = (
            " Behind the bars is how often times what the host takes from such an "
            "exit to its next VMRUN, on average. The code that takes most is first."
        )
    return section(
        "Exits by code",
        paragraph(f"How many of each KVM_RUN, counted.{more}"),
        html_page.exits(found, "exits"),
        is_model="cycles" in html_page.known_of_exits(found),
    )


def _sensitivity(results: Results) -> str:
    if not results["sensitivity"] or not _has_model(results):
        return ""
    rows = [
        table_row(
            [
                event_name(row["cost"]),
                share_text(row["saved_if_half"]),
                share_text(row["saved_if_twice"]),
            ]
        )
        for row in results["sensitivity"]
    ]
    return section(
        "How much depends on the assumptions",
        paragraph(
            "The share of a KVM_RUN's modelled cycles that would be saved if one cost "
            "were half, or twice, as much; computed from what was counted. Costs that "
            "change nothing are left out."
        ),
        plot(report_plots.sensitivity_plot, results),
        figures_of_plot(["cost", "if half", "if twice"], rows, "sensitivity"),
        is_model=True,
    )


def _how_it_was_measured(results: Results) -> str:
    runs, exits = runs_text(results["runs"]), results["exits_in_each_run"]
    spread = sorted({name for side in SIDES for name in results[side]["spread"]})
    differ = f"Between runs of the same kernel there differed: {', '.join(spread)}."
    equal = spread_text(results["runs"], differ if spread else "")
    content = [
        paragraph(
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
            paragraph(
                "Exits per second are those of the emulator in wall time "
                f"({runs_text(results['timed_runs'])} of each, without -icount). They "
                "say nothing about a processor: a world switch takes an emulator far "
                "longer than what is compared here."
            )
        )
    if results["cost_model"]:
        how = (
            "on which each kernel ran once more: every event takes what the model "
            "assumes, and L1's own time stamps count that."
        )
        content.append(
            html_page.model(results["cost_model"], results["assumed_costs"], how)
        )
    return section("How it was measured", *content)
