# SPDX-License-Identifier: GPL-2.0-or-later
"""A report on everyday guests, made of what ./svm compare --guest linux --json holds.

One HTML file, as html_page has them; docs/compare.rst says what is in it.
"""

from collections.abc import Iterable

import html_page
import report_plots
import svg_drawing
import workload_plots
from compare_workloads import SHARES
from figure_text import figure_text
from html_page import (
    Kernel,
    details,
    figures_of_plot,
    paragraph,
    plot,
    section,
    spread_text,
    table,
    table_row,
    tile,
)
from svg_drawing import SIDES
from workload_plots import Results, shares_of_accesses, small_share_text


def page(results: Results) -> str:
    """The whole report."""
    kernels = {side: Kernel(**results["kernels"][side]) for side in SIDES}
    what = "the change of KVM saves"
    if not results["is_the_change"]:
        names = [kernel.kernel for kernel in kernels.values()]
        what = "{} takes, and {}".format(*names)
    title = f"What {what}: everyday guests"
    parts = [
        html_page.header(title, kernels, results, _tiles(results)),
        _times(results),
        _switches(results),
        *(_workload(results, workload) for workload in results["workloads"]),
        _how_it_was_measured(results),
        html_page.versions(
            kernels, results, ("guest's kernel", f"Linux {results['guest_kernel']}")
        ),
    ]
    return html_page.page(title, results, parts)


def picture(results: Results) -> str:
    """The plot of world switches as an SVG file; there has to be a model."""
    return svg_drawing.picture(workload_plots.switches_plot(results, html_page.PICTURE))


def _milliseconds(workload: Results) -> list[float]:
    return [round(1000 * workload[side]["seconds"], 1) for side in SIDES]


def _tiles(results: Results) -> Iterable[str]:
    for workload in results["workloads"]:
        yield tile(
            f"{workload['workload']}, milliseconds",
            _milliseconds(workload),
            figure=lambda value: f"{value:,.1f}",
            change=f"{small_share_text(workload['saved'])} saved",
            is_model=bool(results["cost_model"]),
        )


def _times(results: Results) -> str:
    rows = []
    for workload in results["workloads"]:
        cells = [f"{value:,.1f}" for value in _milliseconds(workload)]
        name = workload["workload"]
        rows.append(table_row([name, *cells, small_share_text(workload["saved"])]))
    return section(
        "What is saved of the time",
        paragraph(
            "Of the time in milliseconds that a guest takes for the same work under "
            "both kernels, by the guest's own clock; for boot, by that of its host."
        ),
        plot(workload_plots.saved_plot, results),
        figures_of_plot(["", *SIDES, "saved"], rows, "times"),
        is_model=bool(results["cost_model"]),
    )


def _switches(results: Results) -> str:
    if not results["cost_model"]:
        return ""
    rows = []
    for workload in results["workloads"]:
        for side in SIDES:
            shares = workload[side]["shares"]
            cells = (sum(shares.values()), shares_of_accesses(shares))
            name = f"{workload['workload']}, {side}"
            rows.append(table_row([name, *map(small_share_text, cells)]))
    return section(
        "What world switches take",
        paragraph(
            "VMRUN, #VMEXIT, VMSAVE, VMLOAD, STGI, CLGI, and RDMSR and WRMSR of the "
            "host, which are in full colour: their share of all modelled cycles, those "
            "of the host and of the guest together."
        ),
        plot(workload_plots.switches_plot, results),
        figures_of_plot(
            ["", "world switches", "RDMSR and WRMSR"], rows, "switches"
        ),
        is_model=True,
    )


def _workload(results: Results, workload: Results) -> str:
    rows = []
    shares = [name.strip() for name in SHARES]
    for row in workload["rows"]:
        figures = row["before"], row["after"], row["before"] - row["after"]
        text = small_share_text if row["name"] in shares else figure_text
        rows.append(table_row([row["name"], *map(text, figures)]))
    name = workload["workload"]
    content = [
        paragraph(f"{workload['about'][0].upper()}{workload['about'][1:]}."),
        details(
            "All figures", table(["", *SIDES, "saved"], rows, f"all-{name}")
        ),
    ]
    if exits := report_plots.exit_rows(workload["exits"]):
        content[1:1] = [
            paragraph(
                "Exits, and what the host takes from one to its next VMRUN on average. "
                "The code that takes most is first."
            ),
            html_page.exits(exits, f"exits-{name}"),
        ]
    return section(
        f"The workload {name}", *content, is_model=bool(results["cost_model"])
    )


def _how_it_was_measured(results: Results) -> str:
    wrong = f"The figures are not to be relied on: {results['problem']}."
    equal = spread_text(results["runs"], "" if results["right"] else wrong)
    content = [
        paragraph(
            "Both kernels were booted under QEMU's emulation of an AMD processor, with "
            "-icount, where time goes with the instructions. Under each a Linux guest, "
            "the same one, did the same work. The results of that were compared with "
            "what they have to be; QEMU's svm-meter counted what it took, from its "
            f"beginning to its end, with the programs of the host. {equal}"
        )
    ]
    if results["cost_model"]:
        how = (
            "on which all of this ran: every event takes what the model assumes, and "
            "the clocks of the host and of the guest count that."
        )
        content.append(
            html_page.model(results["cost_model"], results["assumed_costs"], how)
        )
    return section("How it was measured", *content)
