# SPDX-License-Identifier: GPL-2.0-or-later
"""What is written: QEMU's style for C, and rules of this project for the rest."""

import subprocess
import unittest
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent
CHECKPATCH = CHECKOUT / "build" / "qemu-pristine" / "scripts" / "checkpatch.pl"
FOLDERS = ("target-i386-svm", "hw", "kvm-change", "scripts", "tests")
# C in the kernel's style; the kernel's own program checks it (test_kvm_change.py).
KERNEL_STYLE = CHECKOUT / "kvm-change"
PYTHON_LINE = 88


def files(*suffixes: str) -> list[Path]:
    """The project's files with one of these suffixes."""
    found = [
        path
        for folder in FOLDERS
        for path in (CHECKOUT / folder).rglob("*")
        if path.suffix in suffixes
    ]
    return sorted(found)


class StyleTest(unittest.TestCase):
    def none_of(self, complaints: list[str]) -> None:
        if complaints:
            self.fail("\n" + "\n".join(complaints))

    def test_checkpatch(self):
        self.assertTrue(CHECKPATCH.exists(), "no QEMU source: ./svm build pristine")
        sources = files(".c", ".h", ".inc")
        self.assertTrue(sources)
        answer = subprocess.run(
            ["perl", CHECKPATCH, "--no-tree", "--terse", "--no-summary", "--file"]
            # Relative paths: the rules for tests are others.
            + [
                path.relative_to(CHECKOUT)
                for path in sources
                if KERNEL_STYLE not in path.parents
            ],
            cwd=CHECKOUT,
            text=True,
            capture_output=True,
        )
        complaints = [
            line
            for line in answer.stdout.splitlines()
            # Meant for patches to QEMU's own tree.
            if "MAINTAINERS need updating" not in line
        ]
        self.none_of(complaints + answer.stderr.splitlines())

    def test_python_is_python(self):
        sources = files(".py")
        self.assertTrue(sources)
        for path in sources:
            compile(path.read_bytes(), path, "exec")

    def test_shell_is_shell(self):
        for path in [CHECKOUT / "svm", CHECKOUT / ".ci" / "run", *files(".sh")]:
            subprocess.run(["sh", "-n", path], check=True)

    def test_lines(self):
        wrong = []
        for path in files(".py", ".c", ".h", ".inc", ".seam", ".sh", ".S"):
            limit = PYTHON_LINE if path.suffix == ".py" else 1000
            may_have_tabulators = path.suffix == ".S" or (
                path.suffix == ".h" and KERNEL_STYLE in path.parents
            )
            for number, line in enumerate(path.read_text().splitlines(), 1):
                place = f"{path.relative_to(CHECKOUT)}:{number}"
                if len(line) > limit:
                    wrong.append(f"{place}: longer than {limit}")
                if line != line.rstrip():
                    wrong.append(f"{place}: space at the end")
                if "\t" in line and not may_have_tabulators:
                    wrong.append(f"{place}: tabulator")
        self.none_of(wrong)

    def test_licence_is_named_on_top(self):
        wrong = [
            str(path.relative_to(CHECKOUT))
            for path in files(".py", ".c", ".h", ".inc", ".seam", ".sh", ".S")
            if "SPDX-License-Identifier: " not in path.read_text()[:1000]
        ]
        self.none_of(wrong)


if __name__ == "__main__":
    unittest.main()
