# SPDX-License-Identifier: GPL-2.0-or-later
"""Set-up: reading apt's configuration, versions, offline re-use, counting results."""

import io
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from contextlib import redirect_stderr
from pathlib import Path
from unittest import mock

CHECKOUT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(CHECKOUT / "scripts"))

import apt_archive  # noqa: E402
import child_processes  # noqa: E402
import disk_space  # noqa: E402
import initramfs  # noqa: E402
import machine_packages  # noqa: E402
import test_command  # noqa: E402
from apt_archive import PackageFile, SourcePackage  # noqa: E402
from errors import BadUsage, SetupFailed  # noqa: E402
from kernel_package import L1Kernel  # noqa: E402

DEB822 = """\
# A comment
Types: deb deb-src
URIs: http://mirror.example/debian
# another one
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Enabled: no
URIs: http://old.example/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""

ONE_LINE = """\
# deb http://commented.example/debian bookworm main
deb cdrom:[Debian]/ bookworm main
deb [arch=amd64 signed-by=/etc/own.gpg trusted=yes] http://own.example/d bookworm main
deb-src http://mirror.example/debian bookworm main non-free # why
"""


class MirrorTest(unittest.TestCase):
    def entry_for(self, suite: str, entries: list) -> dict:
        with mock.patch.object(apt_archive, "_all_entries", lambda: iter(entries)):
            apt_archive._debian_entries.cache_clear()
            try:
                return apt_archive._entry_for(suite)
            finally:
                apt_archive._debian_entries.cache_clear()

    def test_deb822(self):
        entries = list(apt_archive._deb822_entries(DEB822))
        self.assertEqual(
            [entry["URIs"] for entry in entries],
            ["http://mirror.example/debian", "http://mirror.example/debian-security"],
        )
        self.assertIn("debian-archive", entries[0]["Signed-By"])

    def test_one_line(self):
        entries = list(apt_archive._one_line_entries(ONE_LINE))
        self.assertEqual(entries[-1]["Components"], "main non-free")
        own = next(entry for entry in entries if "own" in entry["URIs"])
        self.assertEqual((own["Signed-By"], own["Trusted"]), ("/etc/own.gpg", "yes"))
        self.assertFalse(any("commented" in entry["URIs"] for entry in entries))

    def test_security_suites_are_where_the_machine_has_its_own(self):
        entries = list(apt_archive._deb822_entries(DEB822))
        self.assertEqual(
            self.entry_for("bullseye-security", entries)["URIs"],
            "http://mirror.example/debian-security",
        )
        self.assertEqual(
            self.entry_for("sid", entries)["URIs"], "http://mirror.example/debian"
        )

    def test_security_suites_are_beside_the_main_ones_otherwise(self):
        entries = list(apt_archive._deb822_entries(DEB822))[:1]
        self.assertEqual(
            self.entry_for("bullseye-security", entries)["URIs"],
            "http://mirror.example/debian-security",
        )

    def test_other_vendors_suites_of_the_same_name_are_not_debian(self):
        other = {
            "URIs": "http://vendor.example/linux",
            "Suites": "trixie",
            "Components": "main",
        }
        debian = {
            "URIs": "http://mirror.example/debian/",
            "Suites": "trixie",
            "Components": "main",
        }
        found = self.entry_for("sid", [other, debian])
        self.assertEqual(found["URIs"], debian["URIs"])

    def test_no_debian_mirror_at_all(self):
        with self.assertRaisesRegex(SetupFailed, "no Debian mirror"):
            self.entry_for("sid", [])


def source(version: str) -> SourcePackage:
    """A source package of one file."""
    file = PackageFile(f"p_{version}.dsc", 4, "0" * 64)
    return SourcePackage("p", version, "trixie", (file,))


class VersionTest(unittest.TestCase):
    def newest(self, *versions: str, series: str | None = None) -> str:
        found = [source(version) for version in versions]
        with redirect_stderr(io.StringIO()) as self.messages:
            first = apt_archive._newest_first(found, "package p", "trixie", series)[0]
        return first.version

    def test_newest(self):
        found = self.newest("1:10.0.9-1", "1:10.0.13-1~b", "9")
        self.assertEqual(found, "1:10.0.13-1~b")

    def test_series(self):
        found = self.newest("1:10.0.9", "1:10.0.10", "1:11.1", series="1:10.0.")
        self.assertEqual(found, "1:10.0.10")

    def test_series_that_is_gone(self):
        self.assertEqual(self.newest("1:10.2.1", series="1:10.0."), "1:10.2.1")
        self.assertIn("no longer has package p 1:10.0.x", self.messages.getvalue())

    def test_none(self):
        with self.assertRaisesRegex(SetupFailed, "trixie has no package p"):
            self.newest()


class OfflineTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.cache = Path(folder.name)
        for name, value in (("CACHE", self.cache), ("APT", self.cache / "apt")):
            patch = mock.patch.object(apt_archive, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def fetch(self, *found: SourcePackage, gone: tuple[str, ...] = ()) -> list:
        def find():
            if not found:
                raise apt_archive.NoNetwork("the mirror cannot be reached")
            return found

        def download(package):
            if package.version in gone:
                raise apt_archive.Superseded("the mirror has no p")
            path = apt_archive._cached(package.files[0])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("dsc\n")

        with redirect_stderr(io.StringIO()) as self.messages:
            return apt_archive._fetch(["source", "p", "trixie"], find, download)

    def test_what_was_fetched_is_found_without_a_network(self):
        self.fetch(source("1"))
        self.assertEqual(SourcePackage(*self.fetch()), source("1"))
        self.assertIn("no network: using p 1, fetched before", self.messages.getvalue())

    def test_what_was_not_fetched_is_not(self):
        with self.assertRaises(apt_archive.NoNetwork):
            self.fetch()

    def test_a_version_that_the_mirror_only_lists(self):
        versions = (source("3"), source("2"), source("1"))
        found = SourcePackage(*self.fetch(*versions, gone=("3",)))
        self.assertEqual(found, versions[1])
        with self.assertRaisesRegex(SetupFailed, "lists p 3 in trixie"):
            self.fetch(*versions, gone=("1", "2", "3"))

    def test_a_note_without_its_file_is_not_enough(self):
        self.fetch(source("1"))
        apt_archive._cached(source("1").files[0]).unlink()
        with self.assertRaises(apt_archive.NoNetwork):
            self.fetch()

    def test_complaints_of_apt_become_one_line(self):
        apt = apt_archive._AptFolder("trixie", "source")
        for complaint, kind, text in (
            ("Temporary failure resolving 'm.example'", apt_archive.NoNetwork, "reach"),
            ("Could not connect to m:80", apt_archive.NoNetwork, "reached"),
            ("E: The repository 'http://m trixie' does not have a Release file.",
             apt_archive.NoSuite, "no suite trixie"),
            ("E: Failed to fetch http://m/p.dsc  404  Not Found",
             apt_archive.Superseded, "p.dsc"),
            ("E: write error - write (28: No space left on device)",
             SetupFailed, "no disk space"),
            ("W: GPG error: NO_PUBKEY 0123", SetupFailed, "debian-archive-keyring"),
        ):
            with self.subTest(complaint=complaint), mock.patch.object(
                apt_archive, "mirror", lambda: "http://m"
            ):
                line = complaint if complaint[1] == ":" else f"W: {complaint}"
                error = apt._failure(["Hit:1", line])
                self.assertIs(type(error), kind)
                self.assertIn(text, str(error))


class MachineTest(unittest.TestCase):
    def missing(self, versions: dict[str, str]) -> list[str]:
        with mock.patch.object(
            machine_packages, "installed_versions", lambda _packages: versions
        ):
            return [package.name for package in machine_packages.missing()]

    def test_missing_and_too_old_packages(self):
        versions = {package.name: "9999" for package in machine_packages.needed()}
        self.assertEqual(self.missing(versions), [])
        del versions["gcc"]
        versions["meson"] = "1.0.1-5"
        self.assertEqual(self.missing(versions), ["gcc", "meson"])
        versions["meson"] = "1.7.0-1~bpo12+1"
        self.assertEqual(self.missing(versions), ["gcc"])

    def test_disk_space(self):
        disk_space.require(CHECKOUT / "not" / "there", 1, "a byte")
        with self.assertRaisesRegex(SetupFailed, "no disk space: everything needs"):
            disk_space.require(CHECKOUT, 2**62, "everything")


class ChildProcessTest(unittest.TestCase):
    def test_lines_and_status(self):
        status, lines = child_processes.run(["sh", "-c", "echo a; echo b >&2; exit 7"])
        self.assertEqual((status, lines), (7, ["a", "b"]))

    def test_a_program_that_is_not_there(self):
        with self.assertRaisesRegex(SetupFailed, "'no-such-program' is not installed"):
            child_processes.run(["no-such-program"])

    def test_nothing_outlives_a_failure(self):
        def fail(line: str) -> None:
            self.grandchild = int(line)
            raise RuntimeError

        with self.assertRaises(RuntimeError):
            child_processes.run(["sh", "-c", "sleep 60 & echo $!; wait"], on_line=fail)
        for _ in range(100):
            if not is_running(self.grandchild):
                return
            time.sleep(0.05)
        self.fail("the child's child still runs")


def is_running(process: int) -> bool:
    """Whether a process is there and is more than a zombie."""
    try:
        state = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


class InitramfsTest(unittest.TestCase):
    def test_it_is_a_whole_number_of_pages(self):
        # See the comment in initramfs.py: where QEMU's microvm loads it.
        with tempfile.TemporaryDirectory() as folder:
            kernel = L1Kernel("6.1", Path(folder), Path(folder), {"kvm": []})
            for size in (0, 1, 3000, 4095, 4096):
                content = initramfs.pack(kernel, b"", {"file": bytes(size)}, ["kvm"])
                with self.subTest(size=size):
                    self.assertEqual(len(content) % 4096, 0)
                    self.assertIn(b"TRAILER!!!", content[-5000:])


class CommandLineTest(unittest.TestCase):
    def svm(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [CHECKOUT / "svm", *arguments], text=True, capture_output=True
        )

    def test_bad_usage_is_one_line(self):
        for arguments in ((), ("no-such-command",), ("path",), ("build", "nothing")):
            with self.subTest(arguments=arguments):
                answer = self.svm(*arguments)
                self.assertEqual((answer.returncode, answer.stdout), (2, ""))
                self.assertRegex(answer.stderr, r"^svm: error: .*\n$")

    def test_help_names_every_command(self):
        answer = self.svm("--help")
        self.assertEqual(answer.returncode, 0)
        for name in "run shell test build path seams diff env clean".split():
            self.assertTrue(re.search(rf"^    {name} ", answer.stdout, re.M), name)

    def test_interruption(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number=number):
                script = (
                    "import sys, types, command_line, child_processes\n"
                    "def run(options):\n"
                    "    child_processes.run(['sh', '-c', 'echo $$; exec sleep 60'],"
                    " on_line=lambda line: print(line, flush=True))\n"
                    "sys.modules['slow'] = types.SimpleNamespace("
                    "run=run, add_arguments=lambda parser: None)\n"
                    "command_line.COMMANDS['slow'] = ('slow', '')\n"
                    "sys.exit(command_line.main(['slow']))\n"
                )
                with subprocess.Popen(
                    ["/usr/bin/python3", "-B", "-c", script],
                    env=os.environ | {"PYTHONPATH": str(CHECKOUT / "scripts")},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                ) as process:
                    child = int(process.stdout.readline())
                    process.send_signal(number)
                    self.assertEqual(process.wait(20), 130)
                    self.assertEqual(process.stderr.read(), "\nsvm: interrupted\n")
                self.assertFalse(is_running(child))


class ResultsTest(unittest.TestCase):
    def outcomes(self, **entry) -> list[tuple[str, str]]:
        entry = {
            "name": "qemu-svm:qtest / p",
            "duration": 1.0,
            "returncode": 0,
            "result": "OK",
        } | entry
        return [(r.name, r.outcome) for r in test_command.results_of(entry)]

    def test_tap_counts_every_test(self):
        output = "1..3\nok 1 /a/b\n# why\nnot ok 2 - /a/c\nok 3 /a/d # SKIP no\n"
        self.assertEqual(
            self.outcomes(stdout=output, result="FAIL"),
            [("/a/b", "passed"), ("/a/c", "failed"), ("/a/d", "skipped")],
        )

    def test_known_failures_do_not_count_until_they_pass(self):
        output = "not ok 1 /a # TODO still open\nok 2 /b # TODO still open\n"
        self.assertEqual(
            self.outcomes(stdout=output, result="FAIL"),
            [("/a", "skipped"), ("/b", "failed")],
        )

    def test_a_program_that_dies_has_failed(self):
        self.assertEqual(
            self.outcomes(stdout="1..2\nok 1 /a\n", result="ERROR", returncode=-6),
            [("/a", "passed"), ("whole program", "failed")],
        )

    def test_a_program_without_tap_is_one_test(self):
        self.assertEqual(self.outcomes(stdout="fine"), [("p", "passed")])
        self.assertEqual(self.outcomes(result="TIMEOUT"), [("p", "failed")])
        self.assertEqual(self.outcomes(result="SKIP"), [("p", "skipped")])

    def test_nothing_passed_is_no_success(self):
        skipped = test_command.Result("p", "p", "skipped", "", 0)
        with mock.patch("builtins.print"):
            self.assertEqual(test_command._report([skipped]), 1)
            self.assertEqual(test_command._report([]), 1)
            passed = skipped._replace(outcome="passed")
            self.assertEqual(test_command._report([passed, skipped]), 0)

    def test_names(self):
        tests = [
            test_command.MesonTest("a", "qtest"),
            test_command.MesonTest("b", "nested-all"),
        ]
        self.assertEqual(test_command._choose(tests, [], False), tests[:1])
        self.assertEqual(test_command._choose(tests, [], True), tests)
        self.assertEqual(test_command._choose(tests, ["b"], False), tests[1:])
        self.assertEqual(test_command._choose(tests, ["qtest"], False), tests[:1])
        self.assertEqual(test_command._choose(tests, ["[ab]"], False), tests)
        with self.assertRaisesRegex(BadUsage, "no test 'c'"):
            test_command._choose(tests, ["c"], False)


if __name__ == "__main__":
    unittest.main()
