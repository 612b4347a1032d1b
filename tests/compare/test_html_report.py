# SPDX-License-Identifier: GPL-2.0-or-later
"""The report of ./svm compare without a browser: what stands in the page."""

import contextlib
import copy
import io
import json
import re
import subprocess
import sys
import tempfile
import unittest
import unittest.mock
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT / "scripts"), str(CHECKOUT / "tests" / "compare")]

import command_line  # noqa: E402
import compare_command  # noqa: E402
import html_report  # noqa: E402
import machine_packages  # noqa: E402
import made_results  # noqa: E402
import report_plots  # noqa: E402
import svg_drawing  # noqa: E402
from figure_text import event_name, figure_text  # noqa: E402
from made_results import results  # noqa: E402
from page_content import Page, missing_figures  # noqa: E402

SIDES = ("before", "after")


class FiguresTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.results = results()
        cls.text = html_report.page(cls.results)
        cls.page = Page(cls.text)

    def test_each_row_stands_in_the_table(self):
        self.assertEqual(missing_figures(self.page, self.results), [])
        rows = {row[0]: row[1:] for row in self.page.tables["all"]}
        self.assertEqual(rows["instructions"], ["2,876", "2,484", "392"])
        self.assertEqual(rows["STAR"], ["2", "0", "2"])
        self.assertEqual(rows["VMSAVE, host save page"], ["0", "1", "-1"])
        # What happens once in 500 times is not nothing.
        self.assertEqual(rows["#VMEXIT NPF"], ["0.002", "0.002", "0"])

    def test_a_figure_that_is_missing_or_another_one_is_noticed(self):
        others = copy.deepcopy(self.results)
        others["rows"][0]["after"] += 1
        others["rows"].append({"name": "more", "before": 1, "after": 2})
        self.assertEqual(
            missing_figures(self.page, others),
            ["('instructions', '2,876', '2,485')", "('more', '1', '2')"],
        )

    def test_the_verdict_is_that_of_the_command(self):
        self.assertIn("392 instructions fewer (13.6%)", self.page.verdict)
        self.assertEqual(
            self.page.verdict.lower(), self.results["verdict"].lower()
        )

    def test_the_model_stands_beside_what_is_published(self):
        rows = {row[0]: row[1:] for row in self.page.tables["published"]}
        self.assertEqual(rows["cycles before"], ["5,352", "4,600", "+16%"])
        self.assertEqual(rows["cycles after"], ["3,365", "2,800", "+20%"])
        self.assertEqual(rows["saved"], ["37.1%", "39%", "-1.9 points"])
        # 11 and 1 writes, of 101 cycles each.
        shares = (11 * 101 / 5352, 101 / 3365)
        for side, share, published in zip(SIDES, shares, ("21.3%", "1.25%")):
            row = rows[f"WRMSR in vcpu put {side}"]
            self.assertEqual(row[:2], [f"{share:.1%}", published])

    def test_each_plot_has_its_figures_in_a_table(self):
        costs = {row[0]: row[1:3] for row in self.page.tables["costs"]}
        names = [set(self.results[side]["costs"]) for side in SIDES]
        for name in names[0] | names[1]:
            pair = [self.results[side]["costs"].get(name, 0) for side in SIDES]
            shown = [figure_text(round(value)) for value in pair]
            self.assertEqual(costs[event_name(name)], shown)
        spans = {row[0]: row[1:] for row in self.page.tables["spans"]}
        self.assertEqual(spans["2,816 to 2,943"], ["984", "0"])
        self.assertEqual(spans["spans"], ["1,000", "1,000"])
        exits = {row[0]: row[1:] for row in self.page.tables["exits"]}
        self.assertEqual(exits["INTR"], ["0.02", "0.02"])
        sensitivity = {row[0]: row[1:] for row in self.page.tables["sensitivity"]}
        for row in self.results["sensitivity"]:
            self.assertEqual(
                sensitivity[event_name(row["cost"])],
                [f"{row['saved_if_half']:.1%}", f"{row['saved_if_twice']:.1%}"],
            )

    def test_functions_are_there_as_a_tree(self):
        tree = self.page.texts["functions-before"].splitlines()
        line = next(line for line in tree if "svm_vcpu_put" in line)
        share = 1240 / self.results["before"]["functions"]["cycles"]
        self.assertEqual(
            line.split(),
            [f"{share:.2%}", "1,240.0", "-", "11.00", "svm_vcpu_put", "[kvm_amd]"],
        )
        self.assertIn("svm_vcpu_load [kvm_amd]", self.page.texts["functions-after"])

    def test_marks_have_tooltips(self):
        share = 1240 / self.results["before"]["functions"]["cycles"]
        self.assertIn(
            f"svm_vcpu_put [kvm_amd]\n1,240 modelled cycles, {share:.1%} of all\n"
            "620 instructions\n0 RDMSR, 11 WRMSR",
            self.page.tooltips,
        )
        self.assertIn("2,816 to 2,943 instructions: 984 of 1,000", self.page.tooltips)
        self.assertTrue(
            any(
                text.startswith("WRMSR, before: 1,100 modelled cycles")
                for text in self.page.tooltips
            )
        )

    def test_the_page_holds_the_results(self):
        self.assertEqual(self.page.figures, self.results)

    def test_it_says_how_it_was_measured(self):
        self.assertIn("counted 1,000 KVM_RUNs", self.text)
        self.assertIn("were the same in every figure: no spread", self.text)
        versions = dict(self.page.tables["versions"])
        self.assertIn("QEMU emulator version 10.0.13", versions["emulator"])
        self.assertEqual(versions["kernel after"], "5.10-after (Linux 5.10.0-99-amd64)")
        assumed = {row[0]: row[1:] for row in self.page.tables["assumed"]}
        for entry in self.results["assumed_costs"]:
            shown = [figure_text(entry["cycles"]), entry["source"]]
            self.assertEqual(assumed[event_name(entry["cost"])], shown)
        self.assertEqual(self.page.texts["command"], "./svm compare --html FILE")


class SelfContainedTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = html_report.page(results())
        cls.page = Page(cls.text)

    def test_nothing_is_fetched_and_nothing_runs(self):
        for pattern in (r"https?:", r"\bsrc=", r"href", r"url\(", "@import", "<link"):
            self.assertIsNone(re.search(pattern, self.text), pattern)
        scripts = [has for tag, has in self.page.attributes if tag == "script"]
        self.assertEqual(scripts, [{"type": "application/json", "id": "figures"}])
        for tag, has in self.page.attributes:
            self.assertFalse([name for name in has if name.startswith("on")], tag)

    def test_ids_are_unique(self):
        ids = [has["id"] for _tag, has in self.page.attributes if "id" in has]
        self.assertEqual(ids, ["figures"])

    def test_it_is_readable_light_dark_printed_and_on_a_phone(self):
        self.assertIn("@media (prefers-color-scheme: dark)", self.text)
        self.assertIn("color-scheme: light dark", self.text)
        self.assertIn("@media print", self.text)
        self.assertIn('name="viewport" content="width=device-width', self.text)

    def test_plots_have_the_colours_of_the_page_only(self):
        body = self.text.partition("<body>")[2].partition("<script")[0]
        self.assertEqual(re.findall("#[0-9a-f]{6}", body), [])
        for name in set(re.findall(r"var\(--([a-z]+)\)", body)):
            # Light, dark, printed.
            self.assertEqual(self.text.count(f"--{name}: #"), 3, name)

    def test_each_plot_is_there_for_desktop_and_phone_and_named(self):
        plots = [has for tag, has in self.page.attributes if tag == "svg"]
        widths = [plot["viewbox"].split()[2] for plot in plots]
        self.assertEqual(widths, ["760", "340"] * 6)
        self.assertTrue(all(plot["aria-label"] for plot in plots))

    def test_the_same_results_make_the_same_page(self):
        program = (
            "import sys, json; sys.path.insert(0, sys.argv[1]); import html_report; "
            "sys.stdout.write(html_report.page(json.load(sys.stdin)))"
        )
        done = subprocess.run(
            [sys.executable, "-B", "-c", program, CHECKOUT / "scripts"],
            input=json.dumps(results()),
            capture_output=True,
            text=True,
        )
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.stdout, self.text)


class PictureTest(unittest.TestCase):
    def test_it_stands_on_its_own(self):
        text = html_report.picture(results())
        root = ElementTree.fromstring(text)
        self.assertEqual(root.tag, "{http://www.w3.org/2000/svg}svg")
        self.assertIn("prefers-color-scheme: dark", text)
        self.assertIn(">5,566 modelled cycles</text>", text)
        self.assertEqual(text.count("http"), 1)
        # It has a ground of its own.
        self.assertEqual(root[1].get("style"), "fill: var(--page)")
        self.assertEqual(root[1].get("width"), root.get("width"))


class ExampleTest(unittest.TestCase):
    """docs/example-report.html; docs/compare.rst says how it is made."""

    def test_it_shows_what_it_holds_and_fetches_nothing(self):
        text = (CHECKOUT / "docs" / "example-report.html").read_text()
        page = Page(text)
        self.assertEqual(missing_figures(page, page.figures), [])
        self.assertTrue(page.figures["right"] and page.figures["is_the_change"])
        self.assertEqual(
            set(page.headings), set(Page(html_report.page(results())).headings)
        )
        self.assertIsNone(re.search(r"https?:|\bsrc=|href|url\(", text))

    def test_the_picture_is_of_the_same_run(self):
        folder = CHECKOUT / "docs"
        figures = Page((folder / "example-report.html").read_text()).figures
        picture = (folder / "example-report.svg").read_text()
        for side in SIDES:
            cycles = figure_text(round(sum(figures[side]["costs"].values())))
            self.assertIn(f">{cycles} modelled cycles</text>", picture)


class NamesTest(unittest.TestCase):
    def test_names_are_text(self):
        found = results()
        evil = "<b>&\"'</script><!--"
        found["before"]["kernel"] = evil
        found["before"]["functions"]["name"] = evil
        found["before"]["exits"][0]["name"] = evil
        found["rows"][0]["name"] = evil
        found["assumed_costs"][0]["source"] = evil
        found["versions"]["emulator"] = evil
        found["verdict"] = evil
        found["problem"] = evil
        found["command"].append(evil)
        text = html_report.page(found)
        page = Page(text)
        self.assertNotIn("<b>", text)
        self.assertEqual(page.figures, found)
        self.assertEqual(missing_figures(page, found), [])
        self.assertEqual(dict(page.tables["versions"])["emulator"], evil)
        self.assertEqual(page.verdict, evil)
        self.assertTrue(any(evil in tooltip for tooltip in page.tooltips))
        self.assertIn(evil, page.texts["functions-before"])

    def test_mathematics_is_no_language_of_names(self):
        found = results()
        found["before"]["kernel"] = "$x^2$"
        self.assertIn("$x^2$", html_report.page(found))

    def test_long_names_do_not_widen_a_plot(self):
        name = "/home/somebody/" + "linux" * 40
        text = svg_drawing.shortened(name, 150)
        self.assertTrue(text.endswith("…"))
        self.assertLessEqual(svg_drawing.text_width(text), 150)
        self.assertEqual(svg_drawing.shortened(name, 5), "")


class MissingPartsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.all = set(Page(html_report.page(results())).headings)

    def headings(self, found: dict[str, Any]) -> set[str]:
        page = Page(html_report.page(found))
        self.assertEqual(missing_figures(page, found), [])
        return set(page.headings)

    def test_without_a_model(self):
        found = results(with_model=False)
        self.assertEqual(
            self.all - self.headings(found),
            {
                "Beside what is published",
                "Where the cycles go",
                "How much depends on the assumptions",
            },
        )
        for side in SIDES:
            found[side]["functions"]["cycles"] = None
        self.assertNotIn('class="model"', html_report.page(found))

    def test_without_functions(self):
        found = results(with_functions=False)
        self.assertEqual(self.all - self.headings(found), {"By function"})
        found["after"]["functions"] = made_results.functions("after")
        self.assertEqual(self.all - self.headings(found), set())

    def test_without_spans(self):
        found = results()
        found["after"]["host_spans"] = None
        self.assertEqual(
            self.all - self.headings(found), {"From an exit to the next VMRUN"}
        )

    def test_without_exits(self):
        found = results()
        for side in SIDES:
            found[side]["exits"] = []
        self.assertEqual(self.all - self.headings(found), {"Exits by code"})

    def test_what_exits_cost_is_shown_where_it_is_known(self):
        found = results()
        for side in SIDES:
            for number, entry in enumerate(found[side]["exits"]):
                entry |= {"instructions": 1000.6, "cycles": 2000 * 400**number}
        text = html_report.page(found)
        heads, *rows = Page(text).tables["exits"]
        self.assertEqual(heads[3:5], ["instructions before", "instructions after"])
        self.assertEqual(heads[5], "modelled cycles before")
        # Most cycles in all first, not most exits.
        self.assertEqual([row[0] for row in rows], ["NPF", "INTR", "HLT"])
        self.assertIn(">1 × 2,000 cycles</text>", text)
        self.assertEqual(rows[2][3:], ["1,001", "1,001", "2,000", "2,000"])

    def test_other_kernels(self):
        comparison = made_results.comparison()
        comparison.is_the_change = False
        found = json.loads(json.dumps(comparison.as_dict()))
        self.assertIsNone(found["published"])
        headings = self.headings(found)
        self.assertIn("5.10-before and 5.10-after", headings)
        self.assertNotIn("Beside what is published", headings)

    def test_a_kernel_beside_itself(self):
        comparison = made_results.comparison()
        comparison.after = comparison.before
        comparison.is_the_change = False
        page = Page(html_report.page(json.loads(json.dumps(comparison.as_dict()))))
        self.assertEqual(page.verdict, "No difference in any KVM_RUN")

    def test_what_is_wrong_is_said(self):
        comparison = made_results.comparison()
        comparison.after.counted_runs[1].ticks = {"median": "1"}
        text = html_report.page(json.loads(json.dumps(comparison.as_dict())))
        self.assertIn("WRONG - 5.10-after: runs differ in: instructions", text)
        self.assertIn("of the same kernel there differed: instructions.", text)


class FlameGraphTest(unittest.TestCase):
    def frames(self, least: float) -> list[report_plots.Frame]:
        return list(report_plots.frames(made_results.functions("before"), True, least))

    def test_functions_are_within_their_callers(self):
        found = self.frames(0)
        by_name = {frame.node["name"]: frame for frame in found}
        caller, callee = by_name["svm_vcpu_run"], by_name["svm_vcpu_enter_exit"]
        self.assertEqual(callee.depth, caller.depth + 1)
        self.assertEqual(callee.start, caller.start)
        for frame in found:
            for child in frame.node["children"]:
                place = by_name[child["name"]]
                self.assertGreaterEqual(place.start, frame.start)
                self.assertLessEqual(
                    place.start + child["cycles"], frame.start + frame.node["cycles"]
                )

    def test_small_ones_are_together(self):
        names = [frame.node["name"] for frame in self.frames(20)]
        self.assertEqual([n for n in names if "small" in n], [])
        others = [frame for frame in self.frames(20) if frame.merged]
        self.assertEqual([frame.merged for frame in others], [6])
        self.assertEqual(others[0].node["cycles"], 14 + 13 + 12 + 11 + 10 + 9)

    def test_those_that_access_msrs_themselves(self):
        by_name = {frame.node["name"]: frame.node for frame in self.frames(0)}
        for name, does in (
            ("svm_vcpu_put", True),
            ("kvm_arch_vcpu_put", False),
            ("svm_vcpu_run", False),
        ):
            self.assertEqual(report_plots.accesses_itself(by_name[name]), does, name)


class LayoutTest(unittest.TestCase):
    def test_labels_keep_their_distance(self):
        places = svg_drawing.apart([10, 12, 14, 60, 98, 99], 15, 100)
        self.assertEqual(places, [10, 25, 40, 60, 85, 100])

    def test_small_costs_are_together(self):
        found = results()
        parts = {part.name: part for part in report_plots.cost_parts(found, 0.02)}
        self.assertEqual(parts["others"].before, 50 + 50 + 3 * 15)
        everything = [part.name for part in report_plots.cost_parts(found)]
        self.assertNotIn("others", everything)
        self.assertEqual(everything[0], "WRMSR")


class CommandTest(unittest.TestCase):
    def svm(self, *arguments: str | Path) -> tuple[int, str, str]:
        done = subprocess.run(
            [CHECKOUT / "svm", "compare", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout, done.stderr

    def test_a_report_of_stored_results(self):
        with tempfile.TemporaryDirectory() as folder:
            stored, report = Path(folder, "stored.json"), Path(folder, "report.html")
            found = results()
            stored.write_text(json.dumps(found))
            status, output, _ = self.svm("--from-json", stored, "--html", report)
            self.assertEqual((status, output), (0, f"verdict: {found['verdict']}\n"))
            self.assertEqual(report.read_text(), html_report.page(found))
            picture = Path(folder, "picture.svg")
            self.assertEqual(self.svm("--from-json", stored, "--svg", picture)[0], 0)
            self.assertEqual(picture.read_text(), html_report.picture(found))
            for key, value, status in (("differ", False, 5), ("right", False, 1)):
                stored.write_text(json.dumps(found | {key: value}))
                self.assertEqual(
                    self.svm("--from-json", stored, "--html", report)[0], status
                )

    def test_misuse(self):
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder, "report.html")
            text, old = Path(folder, "text"), Path(folder, "old.json")
            text.write_text("no JSON")
            for name, form in (("empty", 1), ("empty-workloads", "workloads 2")):
                empty = Path(folder, name)
                empty.write_text(json.dumps({"form": form, "workloads": []}))
                self.assertIn(
                    "make it anew",
                    self.svm("--from-json", empty, "--html", report)[2],
                )
            old.write_text('{"right": true, "rows": []}')
            for arguments, message in (
                (("--html", "/no/such/folder/x"), "--html /no/such/folder/x: no such"),
                (("--html", folder), f"--html {folder}: is a folder"),
                (("--svg", "/no/such/folder/x"), "--svg /no/such/folder/x: no such"),
                (("--svg", report, "--cost-model", "none"), "without a cost model"),
                (("--from-json", old), "goes with --html or --svg, nothing else"),
                (
                    ("--from-json", old, "--html", report, "--runs", "3"),
                    "goes with --html or --svg, nothing else",
                ),
                (("--from-json", "/none", "--html", report), "No such file"),
                (("--from-json", text, "--html", report), "no JSON"),
                (("--from-json", old, "--html", report), "make it anew"),
            ):
                with self.subTest(arguments):
                    status, output, said = self.svm(*arguments)
                    self.assertEqual((status, output), (2, ""))
                    self.assertIn(message, said)
                    self.assertFalse(report.exists())

    def test_a_folder_that_is_missing_is_noticed_first(self):
        nothing = unittest.mock.Mock(side_effect=AssertionError("too early"))
        said = io.StringIO()
        with (
            unittest.mock.patch.object(machine_packages, "_ensure", nothing),
            unittest.mock.patch.object(compare_command, "find_kernel", nothing),
            unittest.mock.patch.object(compare_command.run_command, "boot", nothing),
            contextlib.redirect_stderr(said),
        ):
            status = command_line.main(["compare", "--html", "/no/such/folder/x"])
        self.assertEqual(status, 2)
        self.assertIn("--html /no/such/folder/x: no such folder", said.getvalue())

    def test_the_command_to_repeat_it(self):
        for arguments, words in (
            ([], []),
            (["--before", "5.10-before", "--html", "x", "--json", "y"], []),
            (["--before", "6.1", "--npt", "0"], ["--before", "6.1", "--npt", "0"]),
            (["--append", "a b"], ["--append", "a b"]),
        ):
            options = command_line._parse(["compare", *arguments])
            self.assertEqual(compare_command._chosen(options), words)


if __name__ == "__main__":
    unittest.main()
