# SPDX-License-Identifier: GPL-2.0-or-later
"""./svm bench without an emulator: what is compared with what, and misuse."""

import contextlib
import io
import json
import sys
import tempfile
import unittest
import unittest.mock
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "scripts"))

import bench_command  # noqa: E402
import command_line  # noqa: E402
from bench_report import BenchReport, Measured, Side  # noqa: E402
from errors import WrongResult  # noqa: E402

# Ticks of three rounds; the machine becomes slower from round to round.
TICKS = {
    "pristine": (100, 200, 400),
    "ours": (50, 90, 220),
    "ours+meter": (51, 99, 220),
}


def report() -> BenchReport:
    """Three emulators, three rounds."""
    sides = []
    for name, ticks in TICKS.items():
        side = Side(name, f"QEMU, {name}")
        side.runs = [Measured(each, each - 1, 1e6 / each) for each in ticks]
        sides.append(side)
    return BenchReport("6.1.0", 1000, sides)


class ReportTest(unittest.TestCase):
    def test_ratios_are_of_the_same_round(self):
        found = {
            (ratio["of"], ratio["to"]): ratio for ratio in report().as_dict()["ratios"]
        }
        self.assertEqual(
            list(found),
            [
                ("ours", "pristine"),
                ("ours+meter", "pristine"),
                ("ours+meter", "ours"),
            ],
        )
        # Of the medians it would be 0.45.
        self.assertEqual(found["ours", "pristine"]["median"], 0.5)
        metered = found["ours+meter", "ours"]
        self.assertEqual((metered["median"], metered["least"]), (1.02, 1.0))
        self.assertEqual(metered["most"], 1.1)

    def test_text_has_all_figures(self):
        text = report().text()
        self.assertRegex(text, r"\nours +90 +11,111\n")
        self.assertIn("ours+meter / ours: 1.020 (1.000 to 1.100)\n", text)
        self.assertIn("pristine:               QEMU, pristine\n", text)
        self.assertIn("3 rounds of 1,000 exits", text)

    def test_a_round_that_is_missing_is_no_ratio(self):
        found = report()
        found.sides[0].runs.pop()
        with self.assertRaises(ValueError):
            found.text()


class CommandTest(unittest.TestCase):
    def bench(self, *arguments: str, problem: str | None = None):
        """The command with runs that nobody makes: who ran when, with what."""
        ran = []
        self.processors = set()

        def boot(options, report, devices):
            ran.append((options.qemu, *devices))
            self.processors.add((options.qemu, options.cpu))
            report.take("ticks median=100 p10=90")
            counted = f"right={options.exits} counted_right=1 counted_asked=1"
            report.take(f"exits {counted} seconds=0.5")
            report.load_failure = problem or ""

        out = io.StringIO()
        with (
            unittest.mock.patch.object(bench_command.run_command, "boot", boot),
            unittest.mock.patch.object(bench_command, "find_emulator", Path),
            unittest.mock.patch.object(bench_command, "emulator_version", str),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(out),
        ):
            status = command_line.main(["bench", *arguments])
        return status, ran, out.getvalue()

    def test_each_emulator_runs_in_each_round_and_is_first_in_turn(self):
        status, ran, _output = self.bench("--rounds", "2")
        self.assertEqual(status, 0)
        metered = ("ours", "-device", "svm-meter")
        first_round = [("pristine",), ("ours",), metered]
        second_round = [("ours",), metered, ("pristine",)]
        self.assertEqual(ran, first_round + second_round)

    def test_all_have_the_same_processor(self):
        for arguments, processors in (
            ([], {("pristine", "EPYC"), ("ours", "EPYC,svm-silicon=off")}),
            (["--cpu", "max"], {("pristine", "max"), ("ours", "max")}),
        ):
            self.bench("--rounds", "1", *arguments)
            self.assertEqual(self.processors, processors)

    def test_json(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "result.json")
            self.bench("--rounds", "1", "--json", str(path))
            found = json.loads(path.read_text())
        self.assertEqual(
            found["emulators"][0]["runs"],
            [{"ticks": 100, "least_ticks": 90, "exits_per_second": 100000.0}],
        )

    def test_a_wrong_run_has_no_time(self):
        status, _ran, output = self.bench(problem="no such module")
        self.assertEqual(status, WrongResult.status)
        self.assertIn("pristine: kvm-amd did not load", output)
        self.assertNotIn("ticks per exit", output)

    def test_misuse(self):
        for arguments, message in (
            (["--rounds", "0"], "--rounds 0: at least 1"),
            (["--exits", "5"], "--exits 5: at least 100"),
            (["--qemu", "ours"], "two emulators or more"),
            (["--qemu", "ours", "--qemu", "ours"], "each of them once"),
            (["--qemu", "ours", "--qemu", "pristine+meter"], "has no meter"),
            (["--qemu", "ours", "--qemu", "/bin/true+meter"], "has no meter"),
            (["--json", "/tmp"], "--json /tmp: is a folder"),
            (["--qemu", "ours", "--qemu", "/none"], "no such program"),
            (["--kernel", "5.9"], "unknown kernel '5.9'"),
            (["--json", "/no/such/folder/x"], "no such folder"),
            (["--npt", "2"], "--npt 2: it is 0 or 1"),
        ):
            with self.subTest(arguments):
                status, ran, output = self.bench(*arguments)
                self.assertEqual((status, ran), (2, []))
                self.assertIn(message, output)


if __name__ == "__main__":
    unittest.main()
