# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/conformance.rst: made of its sources, and true of the qtest programs' cases."""

import contextlib
import io
import sys
import tempfile
import unittest
from fnmatch import fnmatchcase
from pathlib import Path
from unittest import mock

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PROGRAMS = CHECKOUT / "build" / "build-ours" / "tests" / "qtest" / "svm"
sys.path.insert(0, str(CHECKOUT / "scripts"))

import docs_command  # noqa: E402
import pristine_report  # noqa: E402
import selftests_document  # noqa: E402
from command_line import main  # noqa: E402
from docs_command import Register  # noqa: E402
from errors import BadUsage  # noqa: E402

# The work list that the project began with; later rows follow it.
FIRST_ROWS = 51

ROWS = """\
[[part]]
title = "A part"
[[part.row]]
number = 1
rule = "a rule"
section = "2: 15.6"
pristine = ""
state = "right"
cases = ["a/*"]
[[part.row]]
number = 2
rule = "another rule,\\nlonger"
section = "2: 15.7"
pristine = "wrong"
state = "partly"
open = "much"
"""


def cases(option: str) -> set[str]:
    """The cases that the programs print with an option, as the rows name them."""
    sources = (CHECKOUT / "tests" / "qtest").glob("*-test.c")
    programs = [PROGRAMS / f"qtest-{source.stem}" for source in sources]
    found = pristine_report.cases_with_mark(programs, option)
    return {pristine_report.short_name(case) for case in found}


class CasesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.conformance = docs_command.read_rows(docs_command.ROWS.read_text())
        cls.cases = cases("-l")

    def named(self, patterns: tuple[str, ...], among: set[str]) -> set[str]:
        return {
            case for case in among for name in patterns if fnmatchcase(case, name)
        }

    def test_there_are_cases(self):
        self.assertGreater(len(self.cases), 100)

    def test_every_case_named_exists(self):
        for entry in (*self.conformance.rows(), *self.conformance.without_row):
            for pattern in entry.cases:
                with self.subTest(pattern):
                    named = self.named((pattern,), self.cases)
                    self.assertTrue(named, f"{pattern}: no such case")

    def test_every_fault_of_unmodified_qemu_has_its_row(self):
        entries = [*self.conformance.rows(), *self.conformance.without_row]
        patterns = tuple(pattern for entry in entries for pattern in entry.cases)
        faults = cases("--fails-on-pristine")
        self.assertTrue(faults)
        self.assertEqual(sorted(faults - self.named(patterns, faults)), [])

    def test_what_unmodified_qemu_gets_wrong_fails_on_it(self):
        faults = cases("--fails-on-pristine")
        for row in self.conformance.rows():
            # A row without cases says so by its state, a partly right one by `open`.
            if row.state == "right" and row.pristine:
                with self.subTest(row=row.number):
                    self.assertTrue(self.named(row.cases, faults), row.rule)
            elif not row.pristine:
                with self.subTest(row=row.number):
                    self.assertEqual(sorted(self.named(row.cases, faults)), [])

    def test_what_is_right_has_no_case_that_is_open(self):
        still_open = cases("--still-open")
        self.assertLessEqual(still_open, self.cases)
        for row in self.conformance.rows():
            if row.state == "right":
                with self.subTest(row=row.number):
                    self.assertEqual(sorted(self.named(row.cases, still_open)), [])


class PristineReportTest(unittest.TestCase):
    def report(self, **outcomes: str) -> tuple[str, list[str]]:
        cases = {f"/x86_64/svm/a/{name}": how for name, how in outcomes.items()}
        cases["/i386/svm/b/pae"] = "passed"
        conformance = docs_command.read_rows(ROWS)
        return pristine_report.table(conformance, cases, {"/x86_64/svm/a/bad"})

    def test_as_marked(self):
        text, surprises = self.report(bad="failed", good="passed")
        self.assertEqual(surprises, [])
        self.assertRegex(text, r"(?m)^ +1 +2 +1 +1  a rule$")
        self.assertRegex(text, r"(?m)^ +- +1 +0 +0  what unmodified")
        self.assertIn("fails 1 of 3 cases, exactly those marked", text)

    def test_surprises(self):
        text, surprises = self.report(bad="passed", good="failed")
        self.assertEqual(surprises, ["/x86_64/svm/a/bad", "/x86_64/svm/a/good"])
        self.assertIn("fails 1 of 3 cases, 2 not as marked", text)

    def test_names(self):
        name = pristine_report.short_name("/i386/svm/hostsave/page-not-set/no-paging")
        self.assertEqual(name, "hostsave/page-not-set")


class SourcesTest(unittest.TestCase):
    def test_document_is_what_its_sources_make(self):
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(main(["docs", "--check"]), 0, "type: ./svm docs")

    def test_no_row_of_the_work_list_was_lost(self):
        conformance = docs_command.read_rows(docs_command.ROWS.read_text())
        numbers = {row.number for row in conformance.rows()}
        self.assertLessEqual(set(range(1, FIRST_ROWS + 1)), numbers)

    def test_every_register_has_its_reference(self):
        text = docs_command.REGISTERS.read_text()
        registers = docs_command.read_registers(text)
        begun = text.count("\nSVM_SEGMENT(") + text.count("\nSVM_REGISTER(")
        self.assertEqual(len(registers), begun)
        for register in registers:
            with self.subTest(register=register.field):
                self.assertRegex(register.reference, r"^[23]: \w")


class GeneratorTest(unittest.TestCase):
    def refused(self, old: str, new: str) -> str:
        self.assertIn(old, ROWS)
        with self.assertRaises(BadUsage) as context:
            docs_command.read_rows(ROWS.replace(old, new))
        return str(context.exception)

    def test_registers(self):
        text = """\
        /* SVM_SEGMENT(no, 0x0, V, x, y, "z", NONE) */
        #define SVM_REGISTER(field, offset, bits, sets, live, load, reference, clean)
        SVM_SEGMENT(es, 0x400, GH, env->segs[R_ES],
                    load_segment, "2: 15.5.1", SEG)
        SVM_REGISTER(rflags, 0x570, 64, GN, f(env, 1), load, "3: VMLOAD, VMSAVE",
                     NONE)
        """
        self.assertEqual(
            docs_command.read_registers(text),
            [
                Register("es", 0x400, 0, "GH", "2: 15.5.1"),
                Register("rflags", 0x570, 64, "GN", "3: VMLOAD, VMSAVE"),
            ],
        )
        with self.assertRaisesRegex(BadUsage, "no set GV"):
            docs_command.read_registers(text.replace("GN", "GV"))

    def test_document(self):
        register = Register("g_pat", 0x668, 64, "GN", "2: 15.25.4")
        text = docs_command.document(docs_command.read_rows(ROWS), [register])
        self.assertIn("   * - 1\n     - a rule (2: 15.6)\n     - right\n", text)
        self.assertIn("     - another rule, longer (2: 15.7)\n", text)
        self.assertIn("     - partly\n     - Open: much.\n", text)
        self.assertIn("     - ``a/*``\n", text)
        self.assertRegex(text, r"\n``g_pat`` +668h +64 +guest, .*  2: 15.25.4\n=")

    def test_bad_rows(self):
        for old, new, message in (
            ('"right"', '"wrong"', "row 1: state 'wrong' is none of right, "),
            ('cases = ["a/*"]', "", "row 1: right, but no case"),
            ('"partly"', '"open"', "row 2: 'open' goes with"),
            ('open = "much"', "", "row 2: 'open' goes with"),
            ('open = "much"', 'opne = "much"', "opne"),
            ("number = 2", "number = 1", "row 1: there 2 times"),
            ("number = 2", "number = 3", "row 2: there 0 times"),
            ("number = 2", 'number = "2"', "row 2: the number is no number"),
            ('"2: 15.6"', '""', "row 1: no section"),
            ("[[part]]", "[[port]]", "conformance-rows.toml: "),
            ("[[part]]", "[[part]", "line 1"),
        ):
            with self.subTest(old=old, new=new):
                self.assertIn(message, self.refused(old, new))

    def test_check_does_not_write(self):
        with tempfile.TemporaryDirectory() as folder:
            document = Path(folder) / "conformance.rst"
            document.write_text("stale\n")
            other = Path(folder) / "selftests.rst"
            output = io.StringIO()
            with (
                mock.patch.object(docs_command, "DOCUMENT", document),
                mock.patch.object(selftests_document, "DOCUMENT", other),
                contextlib.redirect_stdout(output),
                contextlib.redirect_stderr(output),
            ):
                self.assertEqual(main(["docs", "--check"]), 1)
                self.assertEqual(document.read_text(), "stale\n")
                self.assertEqual(main(["docs"]), 0)
                self.assertEqual(main(["docs", "--check"]), 0)
            self.assertIn("not what `./svm docs` makes", output.getvalue())


if __name__ == "__main__":
    unittest.main()
