# SPDX-License-Identifier: GPL-2.0-or-later
"""`./svm flat` with test kernels that behave well and badly.

    flat_command_test.py [--qemu ours|pristine|PATH] [TEST...]
"""

import subprocess
import sys
import tempfile
import unittest
import unittest.mock
import xml.etree.ElementTree as ElementTree
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "scripts"))

import flat_command
import flat_kernel
import x86_64_tools

FOLDER = CHECKOUT / "tests" / "flat"
COMPILE = ("-m32", "-O1", "-Wall", "-Werror", "-ffreestanding", "-fno-pic", "-no-pie")
LINK = ("-nostdlib", "-static", "-Wl,--build-id=none,--no-warn-rwx-segments")

qemu = "ours"


def setUpModule():
    global kernels, folder
    temporary = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(temporary.cleanup)
    folder = Path(temporary.name)
    kernels = {}
    for name, options in {
        "plain": (),
        "suites": ("-DSUITES",),
        "deaf": ("-DDEAF",),
    }.items():
        kernels[name] = folder / f"{name}.flat"
        command = [x86_64_tools.path("gcc"), *COMPILE, *LINK, *options]
        command += ["-Wl,-n,-T", FOLDER / "test-kernel.ld", "-o", kernels[name]]
        subprocess.run([*command, FOLDER / "test-kernel.c"], check=True)


def flat(*arguments: str | Path) -> subprocess.CompletedProcess:
    """Run ./svm flat with the emulator under test."""
    command = [CHECKOUT / "svm", "flat", "--qemu", qemu, *arguments]
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class FlatTest(unittest.TestCase):
    """Helpers."""

    def results(self, done: subprocess.CompletedProcess) -> list[tuple[str, str]]:
        """Outcome and name of every result that was printed."""
        self.assertNotIn("Traceback", done.stderr)
        found = []
        for line in done.stdout.splitlines():
            outcome, _, rest = line.partition(" ")
            if outcome in ("passed", "failed", "skipped"):
                name = rest.strip().partition(": ")[2].partition(" - ")[0]
                found.append((outcome, name))
        return found

    def assert_error(self, done: subprocess.CompletedProcess, text: str):
        """Bad usage: one error line with this text in it, and status 2."""
        self.assertEqual(done.returncode, 2, done.stderr)
        errors = [x for x in done.stderr.splitlines() if x.startswith("svm: error: ")]
        self.assertEqual(len(errors), 1, done.stderr)
        self.assertIn(text, errors[0])

    def assert_fails(self, name: str, why: str, status: int = 1, *more: str):
        """A test of this name fails for this reason, alone and as one of a run."""
        for way in (("--append", name), ("--each", "--name", name)):
            with self.subTest(way=way):
                done = flat(kernels["plain"], *way, *more)
                self.assertIn(why, done.stdout)
                self.assertIn("failed", [x for x, _ in self.results(done)])
                self.assertEqual(done.returncode, status, done.stdout)


class Right(FlatTest):
    """Kernels that end as they should."""

    def test_all_in_one_machine(self):
        done = flat(kernels["plain"])
        self.assertEqual(
            self.results(done),
            [
                ("passed", "adds"),
                ("passed", "shifts bits"),
                ("skipped", "needs_more"),
                ("passed", "its end"),
            ],
        )
        self.assertEqual(done.stdout.splitlines()[-1], "3 passed, 0 failed, 1 skipped")
        self.assertEqual(done.returncode, 0)

    def test_each_by_the_names_of_checks(self):
        done = flat(kernels["plain"], "--each")
        self.assertEqual(
            self.results(done),
            [
                ("passed", "adds"),
                ("passed", "shifts_bits"),
                ("skipped", "needs_more"),
                ("passed", "all tests, its end"),
            ],
        )
        self.assertEqual(done.returncode, 0)

    def test_each_by_the_names_of_suites(self):
        done = flat(kernels["suites"], "--each")
        names = [name for _, name in self.results(done)]
        self.assertEqual(names[:3], ["adds", "shifts_bits", "needs_more"])
        self.assertEqual(done.returncode, 0)

    def test_names(self):
        done = flat(kernels["plain"], "--each", "--name", "shifts bits")
        self.assertEqual(self.results(done), [("passed", "shifts_bits")])
        self.assertEqual(done.returncode, 0)

    def test_64_bit_file(self):
        file = folder / "wide.elf"
        objcopy = [x86_64_tools.path("objcopy"), "-O", "elf64-x86-64"]
        subprocess.run([*objcopy, kernels["plain"], file], check=True)
        done = flat(file, "--append", "adds")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_files_of_results(self):
        tap, junit = folder / "results.tap", folder / "junit.xml"
        command = ["--append", "adds needs_more fails", "--tap", tap, "--junit", junit]
        flat(kernels["plain"], kernels["suites"], *command)
        lines = tap.read_text().splitlines()
        self.assertEqual(lines[1], "1..8")
        self.assertIn("ok 1 - plain.flat: adds", lines)
        self.assertIn("ok 2 - plain.flat: needs_more # SKIP", lines)
        self.assertIn("not ok 3 - plain.flat: fails", lines)
        done = flat(kernels["plain"], "--append", "adds", "--tap", "-")
        self.assertEqual(done.stdout.splitlines()[1], "1..2")
        suites = ElementTree.parse(junit).getroot()
        counts = [(s.get("tests"), s.get("failures"), s.get("skipped")) for s in suites]
        self.assertEqual(counts, [("4", "1", "1")] * 2)


class Wrong(FlatTest):
    """Whatever is wrong with a kernel is never taken for a pass."""

    def test_check_that_fails(self):
        self.assert_fails("fails", "fails")

    def test_failure_among_passes(self):
        done = flat(kernels["plain"], "--append", "adds fails")
        self.assertEqual(
            self.results(done)[:2], [("passed", "adds"), ("failed", "fails")]
        )
        self.assertEqual(done.returncode, 1)

    def test_hang(self):
        self.assert_fails("hangs", "no end within 3 s", 4, "--timeout", "3")

    def test_crash(self):
        self.assert_fails("crashes", "the machine was reset or switched off")

    def test_wrong_code(self):
        self.assert_fails("wrong_code", "left with code 5 (status 11)")

    def test_code_0_after_a_failure(self):
        self.assert_fails("fails_with_code_0", "checks failed, but it left with code 0")

    def test_no_summary(self):
        self.assert_fails("no_summary", "no SUMMARY (it left with code 0 after 'PASS:")

    def test_silence(self):
        self.assert_fails("silent", "no SUMMARY (it left with code 0, and nothing else")

    def test_wrong_count(self):
        self.assert_fails("wrong_count", "SUMMARY counts 2 tests, its output shows 1")

    def test_failure_in_the_middle_of_a_line(self):
        self.assert_fails("hidden_failure", "SUMMARY counts 1 tests")

    def test_all_skipped_is_no_success(self):
        done = flat(kernels["plain"], "--each", "--name", "needs_more")
        self.assertEqual(self.results(done), [("skipped", "needs_more")])
        self.assertEqual(done.returncode, 1)

    def test_unknown_name(self):
        done = flat(kernels["plain"], "--each", "--name", "no_such_test")
        self.assertEqual(self.results(done), [("failed", "no_such_test")])
        self.assertEqual(done.returncode, 1)

    def test_kernel_that_takes_no_names(self):
        done = flat(kernels["deaf"], "--each")
        self.assertIn("it takes no names of tests", done.stdout)
        self.assertEqual(done.returncode, 1)

    def test_too_much_output(self):
        with unittest.mock.patch.object(flat_kernel, "MOST_OUTPUT", 1 << 12):
            machine = [folder / "emulator"]
            machine[0].write_text("#!/bin/sh\nexec yes PASS: it\n")
            machine[0].chmod(0o755)
            log = folder / "log"
            run = flat_kernel.run_kernel(machine, kernels["plain"], "", 60, log)
        self.assertIn("prints without end", run.problem)

    def test_emulator_that_aborts(self):
        emulator = folder / "aborting"
        script = ("#!/bin/sh", "echo PASS: it", "echo ERROR:x >&2", "kill -ABRT $$")
        emulator.write_text("\n".join(script) + "\n")
        emulator.chmod(0o755)
        done = flat(kernels["plain"], "--qemu", emulator)
        self.assertIn("the emulator ended with signal 6: ERROR:x", done.stdout)
        self.assertEqual(done.returncode, 1)


class BadUsage(FlatTest):
    """Nothing runs for a command line that makes no sense."""

    def test_files(self):
        self.assert_error(flat("/nonexistent"), "No such file")
        self.assert_error(flat("/etc/passwd"), "no multiboot header")
        done = flat(kernels["plain"], kernels["plain"])
        self.assert_error(done, "two files have this name")

    def test_values(self):
        for arguments in (
            ("--timeout", "0"),
            ("--smp", "0"),
            ("--memory", "1T"),
            ("--name", "adds"),
            ("--each", "--name", " "),
            ("--tap", "/nonexistent/results.tap"),
            ("--junit", "/"),
            ("--qemu", "/nonexistent/qemu"),
            ("--cpu", "nonexistent"),
        ):
            with self.subTest(arguments=arguments):
                self.assert_error(flat(kernels["plain"], *arguments), "")

    def test_no_file(self):
        self.assert_error(flat(), "FILE")


class Judging(unittest.TestCase):
    """Rules that need no machine."""

    def judge(self, status: int, *lines: str) -> str:
        text = "\n".join(lines) + "\n"
        checks = [
            flat_kernel.Check(*match.groups())
            for match in map(flat_kernel.CHECK.fullmatch, lines)
            if match
        ]
        return flat_kernel.judge(status, text, checks)

    def test_statuses(self):
        right = ("PASS: a", "SUMMARY: 1 tests")
        self.assertEqual(self.judge(1, *right), "")
        for status in (0, 2, 3, 77, 255, -6, -11):
            self.assertNotEqual(self.judge(status, *right), "", status)
        skipped = ("SKIP: a", "SUMMARY: 1 tests, 1 skipped")
        self.assertEqual(self.judge(77, *skipped), "")
        self.assertEqual(self.judge(1, *skipped), "")
        failed = ("FAIL: a", "SUMMARY: 1 tests, 1 unexpected failures")
        self.assertEqual(self.judge(3, *failed), "")
        self.assertIn("code 0", self.judge(1, *failed))

    def test_expected_failures(self):
        lines = ("XFAIL: a", "SUMMARY: 1 tests, 1 expected failures")
        self.assertEqual(self.judge(1, *lines), "")
        self.assertEqual(flat_kernel.Check("XFAIL", "a").outcome, "passed")
        self.assertEqual(flat_kernel.Check("XPASS", "a").outcome, "failed")

    def test_counts(self):
        wrong = self.judge(1, "PASS: a", "SUMMARY: 1 tests, 1 skipped")
        self.assertIn("1 skipped, its output shows 0", wrong)
        self.assertIn("no check", self.judge(1, "SUMMARY: 0 tests"))

    def test_candidates(self):
        output = "PASS: a b\nPASS: a b\nFAIL: (x): y\nSKIP: c\nPASS: \n"
        self.assertEqual(flat_command.candidates(output), ["a_b", "c"])
        output += "Test suite: d\n"
        self.assertEqual(flat_command.candidates(output), ["d"])


if __name__ == "__main__":
    if "--qemu" in sys.argv:
        place = sys.argv.index("--qemu")
        qemu = sys.argv[place + 1]
        del sys.argv[place : place + 2]
    unittest.main(verbosity=2)
