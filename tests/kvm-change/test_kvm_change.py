# SPDX-License-Identifier: GPL-2.0-or-later
"""The change of KVM, without a build: what its seams make of the source of 5.10."""

import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "scripts"))

import c_tokens
import graft
import kernel_package
import kvm_change
from errors import BadUsage, SetupFailed

CHANGE = kvm_change.CHANGES["5.10"]
SVM_C = "arch/x86/kvm/svm/svm.c"
SVM_H = "arch/x86/kvm/svm/svm.h"


def compiled(text: str) -> str:
    """C without what stands in `#if 0`, in both branches of all other conditions."""
    lines, depths = [], [False]
    for line in text.splitlines():
        words = line.strip().lstrip("# ").split()
        if line.lstrip().startswith("#") and words:
            if words[0] in ("if", "ifdef", "ifndef"):
                depths.append(depths[-1] or words[:2] == ["if", "0"])
            elif words[0] == "endif":
                depths.pop()
        if not depths[-1]:
            lines.append(line)
    return "\n".join(lines)


def function(text: str, name: str) -> str:
    """The one definition of a function."""
    tokens = c_tokens.Tokens(text)
    (extent,) = tokens.definitions(name)
    return tokens.source(extent)


def kernel_style(tree: Path, change: kvm_change.Change) -> str:
    """What the kernel's own program has to say of the files that a change adds."""
    files = graft.add_on_files(change.add_on).values()
    assert files
    done = subprocess.run(
        ["perl", tree / "scripts" / "checkpatch.pl", "--no-tree", "--terse"]
        + ["--no-summary", "--file", *files],
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr


class SeamsOnDebiansSource(unittest.TestCase):
    """What the seams make of the source that the mirror has now."""

    @classmethod
    def setUpClass(cls):
        cls.tree = kvm_change.source_tree(CHANGE.series)
        cls.version = kvm_change.tree_version(cls.tree)
        cls.grafted = kvm_change.grafted_files(CHANGE, cls.tree, cls.version)
        cls.svm_c = compiled(cls.grafted[SVM_C].decode())
        cls.svm_h = compiled(cls.grafted[SVM_H].decode())

    def test_the_files_are_these(self):
        added = "arch/x86/kvm/svm/host-state.h"
        self.assertEqual(set(self.grafted), {SVM_C, SVM_H, added})

    def test_every_seam_matches_and_is_reviewed(self):
        seams = graft.read_seams(CHANGE.seams)
        for outcome in graft.examine(self.tree, seams, self.version):
            with self.subTest(outcome.seam.name):
                self.assertTrue(outcome.applies)
                self.assertEqual(outcome.problems, [])
                self.assertTrue(outcome.reviewed)

    def assert_calls(self, name: str, call: str, without: str) -> None:
        """In this function there is one such call, and none of those."""
        before = function((self.tree / SVM_C).read_text(), name)
        after = function(self.svm_c, name)
        self.assertEqual(after.count(call), 1, after)
        for gone in without.split():
            with self.subTest(gone):
                self.assertRegex(before, rf"\b{gone}\b")
                self.assertNotRegex(after, rf"\b{gone}\b")

    def test_load(self):
        self.assert_calls(
            "svm_vcpu_load",
            "svm_save_host_state(svm, cpu);",
            "rdmsrl savesegment kvm_read_ldt host_save_user_msrs",
        )

    def test_run(self):
        self.assert_calls(
            "svm_vcpu_enter_exit",
            "svm_load_host_state(vcpu->cpu);",
            "native_wrmsrl loadsegment",
        )

    def test_put(self):
        self.assert_calls(
            "svm_vcpu_put",
            "svm_load_host_tsc_aux(svm);",
            "wrmsrl loadsegment load_gs_index kvm_load_ldt host_save_user_msrs",
        )

    def test_load_of_the_host_comes_next_after_the_guest(self):
        run = c_tokens.Tokens(function(self.svm_c, "svm_vcpu_enter_exit")).texts
        call = run.index("svm_load_host_state")
        start = run.index("__svm_vcpu_run")
        self.assertEqual(run.index(";", start) + 1, call)

    def test_nothing_else_uses_what_is_gone(self):
        names = ("host_user_msrs", "host_save_user_msrs", "NR_HOST_SAVE_USER_MSRS")
        for name, text in ((SVM_C, self.svm_c), (SVM_H, self.svm_h)):
            for gone in names:
                with self.subTest(f"{gone} in {name}"):
                    self.assertNotRegex(text, rf"\b{gone}\b")

    def test_what_vmsave_does_not_save_is_tsc_aux(self):
        ours = self.grafted["arch/x86/kvm/svm/host-state.h"].decode()
        accesses = re.findall(r"\b(?:rd|wr)msrl?\((\w+)", ours)
        self.assertEqual(accesses, ["MSR_TSC_AUX", "MSR_TSC_AUX"])

    def test_kernel_style(self):
        self.assertEqual(kernel_style(self.tree, CHANGE), "")


class OtherSources(unittest.TestCase):
    """A source that the seams are not for is refused, and nothing is changed."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.tree = Path(folder.name)
        pristine = kvm_change.source_tree(CHANGE.series)
        self.version = kvm_change.tree_version(pristine)
        for name in (SVM_C, SVM_H):
            (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(pristine / name, self.tree / name)

    def test_other_series(self):
        for version in ("6.1.1", "5.4.100", "5.100.1"):
            with self.subTest(version), self.assertRaises(SetupFailed) as caught:
                kvm_change.grafted_files(CHANGE, self.tree, version)
            self.assertEqual(
                str(caught.exception),
                f"the seams of kvm-change/made are for Linux 5.10, not for {version}",
            )

    def test_function_that_is_gone(self):
        path = self.tree / SVM_C
        path.write_text(path.read_text().replace("svm_vcpu_put(", "svm_put_vcpu("))
        with self.assertRaises(SetupFailed) as caught:
            kvm_change.grafted_files(CHANGE, self.tree, self.version)
        self.assertIn(f"{SVM_C}: function svm_vcpu_put", str(caught.exception))

    def test_more_matches_than_expected(self):
        path = self.tree / SVM_C
        lines = path.read_text().splitlines(keepends=True)
        (define,) = (line for line in lines if line.startswith("#define __ex("))
        path.write_text(define + "".join(lines))
        with self.assertRaises(SetupFailed) as caught:
            kvm_change.grafted_files(CHANGE, self.tree, self.version)
        self.assertIn("expected 1 match, found 2", str(caught.exception))

    def test_file_that_is_there_already(self):
        (self.tree / "arch/x86/kvm/svm/host-state.h").write_text("")
        with self.assertRaises(SetupFailed) as caught:
            kvm_change.grafted_files(CHANGE, self.tree, self.version)
        self.assertIn("host-state.h of its own", str(caught.exception))

    def test_no_kernel_source(self):
        self.assertIsNone(kvm_change.tree_version(self.tree))
        (self.tree / "Makefile").write_text("VERSION = 5\nall:\n\ttrue\n")
        self.assertIsNone(kvm_change.tree_version(self.tree))
        (self.tree / "Makefile").write_text(
            "VERSION = 5\nPATCHLEVEL = 10\nSUBLEVEL = 7\nEXTRAVERSION =\n"
        )
        self.assertEqual(kvm_change.tree_version(self.tree), "5.10.7")


class Packages(unittest.TestCase):
    """Image, source and headers have to be of one version."""

    def release(self, source: str, headers: str) -> str:
        """The release, for an image of 5.10.7-1."""

        def fetch(name: str, *_arguments, **_keywords) -> Path:
            version = source if name.startswith("linux-source") else headers
            return Path(f"{name}_{version}_amd64.deb")

        image = "linux-image-5.10.0-9-amd64"
        images = {image: Path(f"{image}_5.10.7-1_amd64.deb")}
        with (
            mock.patch.object(kvm_change, "image_packages", lambda _name: images),
            mock.patch.object(kvm_change.apt_archive, "fetch_deb", fetch),
        ):
            return kvm_change._packages("5.10")[0]

    def test_of_one_version(self):
        self.assertEqual(self.release("5.10.7-1", "5.10.7-1"), "5.10.0-9-amd64")

    def test_of_several_versions(self):
        with self.assertRaisesRegex(SetupFailed, "linux-source-5.10_5.10.8-1.* does n"):
            self.release("5.10.8-1", "5.10.7-1")
        with self.assertRaisesRegex(SetupFailed, "linux-headers-.*_5.10.6-1.* does no"):
            self.release("5.10.7-1", "5.10.6-1")


class Names(unittest.TestCase):
    """What --kernel takes."""

    def test_they_are_known(self):
        for name in kernel_package.KVM_CHANGE:
            kernel_package.check_kernel(name)
            self.assertEqual(kernel_package.architecture(name), "amd64")

    def test_modules_do_not_go_with_them(self):
        with self.assertRaisesRegex(BadUsage, "--modules goes with a kernel of your"):
            kernel_package.check_kernel("5.10-after", "/")

    def test_others_are_not(self):
        with self.assertRaisesRegex(BadUsage, "5.10-before, 5.10-after, 6.1-before"):
            kernel_package.check_kernel("5.10-between")

    def test_they_are_what_is_built(self):
        built = [
            (series, variant)
            for series in kvm_change.CHANGES
            for variant in kvm_change.VARIANTS
        ]
        self.assertEqual(list(kernel_package.KVM_CHANGE.values()), built)
        for change in kvm_change.CHANGES.values():
            self.assertIn(change.series, kernel_package.SUITES)
            self.assertIn(change.makes, kvm_change.VARIANTS)


if __name__ == "__main__":
    unittest.main()
