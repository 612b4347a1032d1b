# SPDX-License-Identifier: GPL-2.0-or-later
"""The report of ./svm compare --guest linux: what stands in the page."""

import copy
import json
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT / "scripts"), str(CHECKOUT / "tests" / "compare")]

import html_workload_report  # noqa: E402
from figure_text import figure_text  # noqa: E402
from made_results import workload_results  # noqa: E402
from page_content import Page  # noqa: E402

SIDES = ("before", "after")


def missing_rows(page: Page, results: dict[str, Any]) -> list[str]:
    """Rows of the results that the page does not show, or with other figures."""
    missing = []
    for workload in results["workloads"]:
        name = workload["workload"]
        shown = {tuple(row[:3]) for row in page.tables[f"all-{name}"]}
        for row in workload["rows"]:
            figures = [row[side] for side in SIDES]
            cells = [figure_text(figure) for figure in figures]
            if row["name"] in ("share of world switches", "RDMSR and WRMSR"):
                cells = [f"{figure:.2%}" for figure in figures]
            if (row["name"], *cells) not in shown:
                missing.append(f"{name}: {row['name']}")
    return missing


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.results = workload_results()
        cls.text = html_workload_report.page(cls.results)
        cls.page = Page(cls.text)

    def test_each_figure_stands_in_a_table(self):
        self.assertEqual(missing_rows(self.page, self.results), [])
        rows = {row[0]: row[1:] for row in self.page.tables["all-disk"]}
        self.assertEqual(rows["WRMSR"], ["1,000", "0", "1,000"])
        self.assertEqual(
            rows["share of world switches"], ["20.00%", "11.11%", "8.89%"]
        )
        self.assertEqual(rows["RDMSR and WRMSR"], ["10.00%", "0.00%", "10.00%"])

    def test_a_figure_that_is_missing_or_another_one_is_noticed(self):
        others = copy.deepcopy(self.results)
        others["workloads"][0]["rows"][0]["after"] += 1
        others["workloads"][0]["rows"].append({"name": "more", "before": 1, "after": 2})
        self.assertEqual(
            missing_rows(self.page, others), ["disk: milliseconds", "disk: more"]
        )

    def test_the_plots_have_their_figures_in_tables(self):
        times = {row[0]: row[1:] for row in self.page.tables["times"]}
        self.assertEqual(times["disk"], ["1,000.0", "900.0", "10.00%"])
        self.assertEqual(times["boot"], ["2,000.0", "2,010.0", "-0.50%"])
        switches = {row[0]: row[1:] for row in self.page.tables["switches"]}
        self.assertEqual(switches["disk, before"], ["20.00%", "10.00%"])
        self.assertEqual(switches["disk, after"], ["11.11%", "0.00%"])
        exits = {row[0]: row[1:] for row in self.page.tables["exits-disk"]}
        self.assertEqual(
            exits["HLT"], ["1,000", "1,000", "450", "450", "650", "650"]
        )

    def test_what_is_too_small_to_be_seen_has_no_sign(self):
        found = copy.deepcopy(self.results)
        found["workloads"][0]["saved"] = -0.00001
        text = html_workload_report.page(found)
        self.assertIn("<p>0.00% saved</p>", text)

    def test_marks_have_tooltips(self):
        self.assertIn("disk: 10.00% of the time is saved", self.page.tooltips)
        self.assertIn(
            "disk, before: 20.00% of all cycles\nVMRUN 10.00%\nWRMSR 10.00%",
            self.page.tooltips,
        )
        self.assertIn(
            "#VMEXIT HLT, after: 1,000 × 650 cycles", self.page.tooltips
        )

    def test_what_costs_more_goes_to_the_other_side(self):
        root = ElementTree.fromstring(
            self.text[self.text.index("<svg") : self.text.index("</svg>") + 6]
        )
        line = min(
            float(re.match(r"M ([\d.]+)", path.get("d"))[1])
            for path in root.iter("path")
            if "var(--line)" in path.get("style", "")
        )
        sides = {}
        for group in root.iter("g"):
            if (title := group.find("title")) is None:
                continue
            numbers = re.findall(r"[ML] ([\d.]+) ", group.find("path").get("d"))
            name = title.text.partition(":")[0]
            sides[name] = sum(map(float, numbers)) / len(numbers) - line
        self.assertGreater(sides["disk"], 0)
        self.assertLess(sides["boot"], 0)

    def test_it_holds_the_results_and_says_how_to_repeat_them(self):
        self.assertEqual(self.page.figures, self.results)
        self.assertIn("What the change of KVM saves", self.page.headings[0])
        self.assertIn("disk 10.00%", self.page.verdict)
        versions = dict(self.page.tables["versions"])
        self.assertEqual(versions["kernel after"], "5.10-after (Linux 5.10.0)")
        self.assertEqual(versions["guest's kernel"], "Linux 6.1.0")
        self.assertEqual(
            self.page.texts["command"], "./svm compare --guest linux --html FILE"
        )
        assumed = {row[0]: row[1:] for row in self.page.tables["assumed"]}
        self.assertEqual(assumed["WRMSR"], ["100", "a test"])

    def test_it_fetches_nothing(self):
        self.assertIsNone(re.search(r"https?:|\bsrc=|href|url\(", self.text))
        scripts = [has for tag, has in self.page.attributes if tag == "script"]
        self.assertEqual([has["type"] for has in scripts], ["application/json"])

    def test_each_plot_is_there_for_desktop_and_phone_and_named(self):
        plots = [has for tag, has in self.page.attributes if tag == "svg"]
        widths = [plot["viewbox"].split()[2] for plot in plots]
        # What is saved, world switches, and the exits of two workloads.
        self.assertEqual(widths, ["760", "340"] * 4)
        self.assertTrue(all(plot["aria-label"] for plot in plots))

    def test_names_are_text(self):
        found = copy.deepcopy(self.results)
        evil = "<b>&\"'</script><!--"
        found["kernels"]["before"]["kernel"] = evil
        found["workloads"][0]["exits"]["before"][0]["name"] = evil
        found["workloads"][0]["rows"][0]["name"] = evil
        found["workloads"][0]["workload"] = evil
        found["assumed_costs"][0]["source"] = evil
        found["problem"] = found["verdict"] = evil
        found["guest_kernel"] = evil
        found["is_the_change"] = found["right"] = False
        text = html_workload_report.page(found)
        page = Page(text)
        self.assertNotIn("<b>", text)
        self.assertEqual(page.figures, found)
        self.assertEqual(page.verdict, evil)
        self.assertEqual(page.tables[f"all-{evil}"][1][0], evil)
        self.assertIn(f"The workload {evil}", page.headings)

    def test_without_a_model(self):
        text = html_workload_report.page(workload_results(with_model=False))
        page = Page(text)
        self.assertNotIn('class="model"', text)
        self.assertNotIn("switches", page.tables)
        self.assertEqual(
            set(self.page.headings) - set(page.headings), {"What world switches take"}
        )


class PictureTest(unittest.TestCase):
    def test_it_stands_on_its_own(self):
        text = html_workload_report.picture(workload_results())
        root = ElementTree.fromstring(text)
        self.assertEqual(root.tag, "{http://www.w3.org/2000/svg}svg")
        self.assertIn(">20.00%, MSRs 10.00%</text>", text)


class CommandTest(unittest.TestCase):
    def test_a_report_of_stored_results(self):
        with tempfile.TemporaryDirectory() as folder:
            stored, report, picture = (
                Path(folder, name) for name in ("stored", "report", "picture")
            )
            found = workload_results()
            stored.write_text(json.dumps(found))
            done = subprocess.run(
                [CHECKOUT / "svm", "compare", "--from-json", stored]
                + ["--html", report, "--svg", picture],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
            self.assertEqual(
                (done.returncode, done.stdout), (0, f"verdict: {found['verdict']}\n")
            )
            self.assertEqual(report.read_text(), html_workload_report.page(found))
            self.assertEqual(picture.read_text(), html_workload_report.picture(found))


if __name__ == "__main__":
    unittest.main()
