# SPDX-License-Identifier: GPL-2.0-or-later
"""./svm selftests: how outcomes are judged, listed and recorded, without a machine."""

import json
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "scripts"))

import docs_command  # noqa: E402
import selftests_command  # noqa: E402
import selftests_document  # noqa: E402
from errors import BadUsage, WrongResult  # noqa: E402
from selftests_report import (  # noqa: E402
    Known,
    KnownOutcomes,
    Outcome,
    Run,
    SelftestsReport,
    judge,
)

ASSERTION = """\
Random seed: 0x6b8b4567
==== Test Assertion Failure ====
  x86_64/debug_regs.c:12: run->exit_reason == KVM_EXIT_DEBUG
  pid=166 tid=166 errno=4 - Interrupted system call
     1  0x0000000000402b0d: ?? ??:0
sh: addr2line: not found
  Unexpected exit reason: 8
"""


class JudgeTest(unittest.TestCase):
    def judge(self, status: int, output: str = "", seconds: float = 1, log: str = ""):
        return judge(status, seconds, 300, output, log)

    def test_pass(self):
        self.assertEqual(self.judge(0, "ok 1 a\n"), Outcome("pass", "", 1))

    def test_reasons_of_skips(self):
        for output, reason in (
            ("1..0 # SKIP - Requirement not met: x\n", "Requirement not met: x"),
            ("TAP version 13\nok 2 # SKIP no cookies\n", "no cookies"),
            ("x is not supported, skipping test\n", "x is not supported"),
            ("", "it does not say why"),
        ):
            self.assertEqual(self.judge(4, output), Outcome("skip", reason, 1))

    def test_assertion(self):
        outcome = self.judge(254, ASSERTION)
        self.assertEqual(outcome.outcome, "fail")
        self.assertEqual(
            outcome.reason,
            "x86_64/debug_regs.c:12: run->exit_reason == KVM_EXIT_DEBUG - "
            "Unexpected exit reason: 8 (status 254)",
        )

    def test_other_failures(self):
        self.assertIn("not ok 2 b", self.judge(1, "ok 1 a\nnot ok 2 b\n# c\n").reason)
        self.assertIn("(status 139)", self.judge(139, "Segmentation fault\n").reason)
        self.assertIn("it says nothing", self.judge(1).reason)

    def test_time_out(self):
        outcome = self.judge(143, "waiting\n", seconds=300.4)
        self.assertEqual(
            outcome[:2], ("fail", "no end within 300 s, last: waiting")
        )

    def test_kernel_that_complains(self):
        outcome = self.judge(0, log="[ 12.5] kvm: a\n[ 13.0] BUG: bad page\n")
        self.assertEqual(outcome[:2], ("fail", "L1 kernel: BUG: bad page"))


class KnownTest(unittest.TestCase):
    known = KnownOutcomes(
        [
            Known("a_*", "skip", "no .* here", "none"),
            Known("b", "fail", "line 5", "wrong", "seen", npt=0),
        ],
        [Run("b", "slow", arguments="-x 1", seconds=900)],
    )

    def report(self, *outcomes: tuple[str, str, str], npt=1, strict=False):
        report = SelftestsReport("emulator", "6.12", npt, strict)
        for name, outcome, reason in outcomes:
            path = Path("/nonexistent")
            report.add(name, Outcome(outcome, reason, 1), self.known, path)
        return report

    def test_entry(self):
        entry = self.known.entry
        self.assertIsNotNone(entry("a_1", Outcome("skip", "no x here", 1), 1))
        self.assertIsNone(entry("a_1", Outcome("skip", "other", 1), 1))
        self.assertIsNone(entry("a_1", Outcome("fail", "no x here", 1), 1))
        self.assertIsNotNone(entry("b", Outcome("fail", "line 5", 1), 0))
        self.assertIsNone(entry("b", Outcome("fail", "line 5", 1), 1))

    def test_how_it_runs(self):
        self.assertEqual(self.known.arguments("b"), "-x 1")
        self.assertEqual(self.known.seconds("b", 300), 900)
        self.assertEqual(self.known.arguments("c"), "")
        self.assertEqual(self.known.seconds("c", 5), 5)

    def test_verdicts(self):
        self.assertIsNone(self.report(("c", "pass", "")).problem())
        self.assertIsNone(self.report(("c", "skip", "why")).problem())
        self.assertIsNone(self.report(("b", "fail", "line 5"), npt=0).problem())
        self.assertIn("b", self.report(("b", "fail", "line 5")).problem())
        self.assertIn("b", self.report(("b", "fail", "line 6"), npt=0).problem())
        self.assertIn("no test", self.report().problem())

    def test_strict(self):
        for outcome in (
            ("c", "skip", "not listed"),
            ("a_1", "pass", ""),
            ("a_1", "skip", "another reason"),
        ):
            report = self.report(outcome, strict=True)
            self.assertIn("does not fit", report.problem())
            self.assertEqual(report.results()[0].outcome, "failed")
        report = self.report(("a_1", "skip", "no x here"), strict=True)
        self.assertIsNone(report.problem())

    def test_results(self):
        report = self.report(
            *(("a_1", "skip", "no x here"), ("b", "fail", "line 5"), ("c", "pass", "")),
            npt=0,
        )
        self.assertEqual(
            [(result.outcome, result.reason) for result in report.results()],
            [
                ("skipped", "no x here (none)"),
                ("known", "line 5 (wrong)"),
                ("passed", ""),
            ],
        )

    def test_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "known.toml")
            for text in (
                '[[known]]\ntest = "a"\n',
                '[[known]]\ntest="a"\noutcome="pass"\nsays=""\nreason="b"\n',
                '[[known]]\ntest="a"\noutcome="fail"\nsays="("\nreason="b"\n',
                '[[unknown]]\ntest = "a"\n',
                "known",
            ):
                path.write_text(text)
                with self.assertRaises(BadUsage, msg=text):
                    KnownOutcomes.read(path)

    def test_the_projects_own_file(self):
        known = KnownOutcomes.read()
        self.assertTrue(known.entries)
        for entry in known.entries:
            self.assertTrue(entry.says, f"{entry.test}: any reason would do")
            if entry.outcome == "fail":
                self.assertTrue(entry.evidence, f"{entry.test}: no evidence")


class CommandTest(unittest.TestCase):
    def test_names(self):
        known = ["svm_vmcall_test", "svm_int_ctl_test", "debug_regs"]
        chosen = selftests_command._chosen
        self.assertEqual(chosen(known, []), known)
        self.assertEqual(chosen(known, ["debug_regs", "svm_vmcall"]), known[::2])
        self.assertEqual(chosen(known, ["svm_*"]), known[:2])
        with self.assertRaisesRegex(BadUsage, "no test 'svm'"):
            chosen(known, ["svm"])

    def test_progress(self):
        progress = selftests_command._Progress(lambda line: None)
        progress.take("selftest start=a")
        self.assertEqual(progress.name, "a")
        progress.take("selftest end=a status=4")
        self.assertEqual((progress.name, progress.ended[0][:2]), ("", ("a", 4)))


class DocumentTest(unittest.TestCase):
    def test_recorded_runs_come_back(self):
        tests = {"b_test": ("pass", ""), "vmx_a": ("skip", "X86_FEATURE_VMX")}
        result = {
            "kernel": "6.12.1",
            "selftests": "6.12.1-1",
            "features_used": ["npt"],
            "tests": {
                name: {"outcome": outcome, "reason": reason}
                for name, (outcome, reason) in tests.items()
            },
        }
        with (
            tempfile.TemporaryDirectory() as folder,
            mock.patch.object(selftests_document, "RESULTS", Path(folder, "r.json")),
        ):
            for npt in (1, 0):
                selftests_document.record("ours", npt, result)
            recorded = json.loads(Path(folder, "r.json").read_text())
            text = selftests_document.document(
                docs_command._table, docs_command._table_of_words
            )
        self.assertEqual(sorted(recorded), ["ours npt=0", "ours npt=1"])
        self.assertEqual(recorded["ours npt=1"]["tests"]["b_test"], ["pass", ""])
        self.assertRegex(text, r"``b_test`` +pass +pass")
        self.assertIn("A test of Intel's VMX.", text)

    def test_named_tests_are_recorded_beside_the_others(self):
        def result(kernel: str, **tests: str) -> dict[str, object]:
            outcomes = {n: {"outcome": o, "reason": ""} for n, o in tests.items()}
            about = {"kernel": kernel, "selftests": "1", "features_used": []}
            return about | {"tests": outcomes}

        with (
            tempfile.TemporaryDirectory() as folder,
            mock.patch.object(selftests_document, "RESULTS", Path(folder, "r.json")),
        ):
            record = selftests_document.record
            record("ours", 1, result("6.12.1", a="pass", b="fail"))
            record("ours", 1, result("6.12.1", b="pass"), is_whole=False)
            recorded = json.loads(Path(folder, "r.json").read_text())["ours npt=1"]
            self.assertEqual(recorded["tests"], {"a": ["pass", ""], "b": ["pass", ""]})
            for qemu, kernel in (("ours", "6.12.2"), ("pristine", "6.12.1")):
                with self.subTest(qemu), self.assertRaises(WrongResult):
                    record(qemu, 1, result(kernel, b="pass"), is_whole=False)
            record("ours", 1, result("6.12.2", b="fail"))
            recorded = json.loads(Path(folder, "r.json").read_text())["ours npt=1"]
            self.assertEqual(recorded["tests"], {"b": ["fail", ""]})


if __name__ == "__main__":
    unittest.main()
