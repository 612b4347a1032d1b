# SPDX-License-Identifier: GPL-2.0-or-later
"""The reports of ./svm compare in headless Chromium: what a reader gets to see."""

import html
import json
import os
import re
import struct
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT / "scripts"), str(CHECKOUT / "tests" / "compare")]

import child_processes  # noqa: E402
import html_report  # noqa: E402
import html_workload_report  # noqa: E402
import made_results  # noqa: E402
from page_content import Page, missing_figures  # noqa: E402

SECONDS = 60
DESKTOP, PHONE = 1100, 390
LIGHT, DARK = "1", "0"

# A page around another one, which it lays out with a width of its own, as no window of
# Chromium is as narrow as a phone. It says what came of it.
LOOK = """<!DOCTYPE html>
<body>
<iframe width="%(width)d" height="800" srcdoc="%(page)s"></iframe>
<pre id="seen"></pre>
<script>
addEventListener("load", () => {
  const seen = document.querySelector("iframe").contentDocument;
  const root = seen.documentElement;
  const shown = (element) => element.getClientRects().length > 0;
  const texts = [...seen.querySelectorAll("svg text")].filter(shown);
  const style = (element) => root.ownerDocument.defaultView.getComputedStyle(element);
  document.getElementById("seen").textContent = JSON.stringify({
    width: root.clientWidth,
    scrolls: root.scrollWidth,
    text: seen.body.innerText,
    plots: [...seen.querySelectorAll("svg")].filter(shown).map(
      (plot) => plot.getBoundingClientRect().width / plot.viewBox.baseVal.width),
    cut: texts.filter((text) => {
      const inner = text.getBoundingClientRect();
      const outer = text.closest("svg").getBoundingClientRect();
      return inner.left < outer.left - 1 || inner.right > outer.right + 1;
    }).map((text) => text.textContent),
    page: style(seen.body).backgroundColor,
    colours: [...new Set([seen.body, ...texts].map(
      (text) => text === seen.body ? style(text).color : style(text).fill))],
  });
});
</script>
"""


def chromium(page: Path, *arguments: str) -> tuple[str, list[str]]:
    """Open a page; what Chromium prints, and what went to the console."""
    with tempfile.TemporaryDirectory() as home:
        command = [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu"),
            *("--disable-quic", "--no-first-run", "--disable-background-networking"),
            *("--disable-component-update", "--disable-sync", "--hide-scrollbars"),
            *("--enable-logging=stderr", "--v=0", f"--user-data-dir={home}/profile"),
            # A page that still loads is looked at all the same.
            f"--timeout={1000 * SECONDS}",
            *arguments,
            page.as_uri(),
        ]
        status, lines = _run(command, home)
    if status:
        raise AssertionError(f"chromium: status {status}: {lines}")
    logged = r"\[[0-9:/.]+:[A-Z]+:.*"
    output = "\n".join(line for line in lines if not re.match(logged, line))
    return output, [line for line in lines if ":CONSOLE" in line]


def _run(command: list[str], home: str) -> tuple[int, list[str]]:
    lines: list[str] = []
    status, _last = child_processes.run(
        command, on_line=lines.append, env=os.environ | {"HOME": home}
    )
    return status, lines


def luminance(text: str) -> float:
    """Of a CSS colour, 0 to 1."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (int(digits) / 255 for digits in re.findall(r"\d+", text)[:3])
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """As WCAG has it, 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


class BrowserTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.results = made_results.results()
        cls.report = html_report.page(cls.results)
        cls.path = cls.folder / "report.html"
        cls.path.write_text(cls.report)

    def look(self, page: str, width: int, scheme: str = LIGHT) -> dict[str, Any]:
        """What a reader sees of a page in a window of this width."""
        path = self.folder / "look.html"
        path.write_text(LOOK % {"width": width, "page": html.escape(page)})
        # Border and scroll bar of the frame belong to the page around it.
        output, console = chromium(
            path, f"--blink-settings=preferredColorScheme={scheme}", "--dump-dom"
        )
        seen = html.unescape(re.search(r'<pre id="seen">(.*?)</pre>', output, re.S)[1])
        return json.loads(seen) | {"console": console}

    def test_it_opens_and_shows_what_the_json_holds(self):
        output, console = chromium(self.path, "--dump-dom")
        self.assertEqual(console, [])
        page = Page(output[output.index("<!DOCTYPE") :])
        self.assertEqual(page.figures, self.results)
        self.assertEqual(missing_figures(page, page.figures), [])

    def test_the_reader_sees_it(self):
        seen = self.look(self.report, DESKTOP)
        lines = seen["text"].splitlines()
        self.assertEqual(seen["console"], [])
        self.assertIn("instructions\t2,876\t2,484\t392", lines)
        self.assertIn("cycles before\t5,352\t4,600\t+16%", lines)
        self.assertIn("STAR\t2\t0\t2", lines)
        # Not the results themselves, nor what is folded away.
        self.assertNotIn('"form"', seen["text"])
        self.assertNotIn("svm_vcpu_put [kvm_amd]", seen["text"])

    def test_nothing_moves_sideways_and_no_label_is_cut(self):
        for width in (DESKTOP, 700, PHONE, 320):
            with self.subTest(width):
                seen = self.look(self.report, width)
                self.assertEqual(seen["width"], width)
                self.assertLessEqual(seen["scrolls"], width)
                self.assertEqual(seen["cut"], [])
                # Two for the functions, one for each of the others; in legible size.
                self.assertEqual(len(seen["plots"]), 6)
                self.assertGreater(min(seen["plots"]), 0.8)
                self.assertLess(max(seen["plots"]), 1.4)

    def test_the_example_is_readable_on_a_phone(self):
        example = (CHECKOUT / "docs" / "example-report.html").read_text()
        seen = self.look(example, PHONE)
        self.assertEqual((seen["console"], seen["cut"]), ([], []))
        self.assertLessEqual(seen["scrolls"], PHONE)
        self.assertIn("the kernels differ", seen["text"].lower())

    def test_everyday_guests(self):
        found = made_results.workload_results()
        report = html_workload_report.page(found)
        for width in (DESKTOP, PHONE, 320):
            with self.subTest(width):
                seen = self.look(report, width)
                self.assertEqual((seen["console"], seen["cut"]), ([], []))
                self.assertLessEqual(seen["scrolls"], width)
                # What is saved, world switches, and the exits of two workloads.
                self.assertEqual(len(seen["plots"]), 4)
                self.assertIn(found["verdict"][1:], seen["text"])
                self.assertIn("2,000.0 → 2,010.0", seen["text"])

    def test_light_and_dark(self):
        for scheme in (LIGHT, DARK):
            with self.subTest(scheme):
                seen = self.look(self.report, DESKTOP, scheme)
                self.assertEqual(luminance(seen["page"]) > 0.5, scheme == LIGHT)
                for text in seen["colours"]:
                    # Labels in strong marks have the page's own colour.
                    if text != seen["page"]:
                        self.assertGreater(contrast(text, seen["page"]), 4.5, text)

    def test_a_picture_can_be_made(self):
        picture = self.folder / "report.png"
        for width, height in ((DESKTOP, 2000), (500, 2000)):
            chromium(
                self.path, f"--window-size={width},{height}", f"--screenshot={picture}"
            )
            data = picture.read_bytes()
            self.assertEqual(data[:8], b"\x89PNG\r\n\x1a\n")
            self.assertEqual(struct.unpack(">II", data[16:24]), (width, height))
            # An empty page has a few thousand bytes.
            self.assertGreater(len(data), 50_000)

    def test_these_checks_can_fail(self):
        broken = self.folder / "broken.html"
        broken.write_text("<!DOCTYPE html><script>nothing.here()</script>")
        self.assertIn("nothing is not defined", chromium(broken, "--dump-dom")[1][0])
        seen = self.look(
            '<body style="color: #777"><div style="width: 500px">x</div>'
            '<svg viewBox="0 0 100 20" width="100"><text x="90">cut</text></svg>',
            PHONE,
        )
        self.assertGreater(seen["scrolls"], PHONE)
        self.assertEqual(seen["cut"], ["cut"])
        self.assertLess(contrast("rgb(119, 119, 119)", "rgb(255, 255, 255)"), 4.5)


if __name__ == "__main__":
    unittest.main()
