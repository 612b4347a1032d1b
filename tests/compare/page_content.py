# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands in a report's page, for the tests of the report."""

import json
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "scripts"))

from compare_report import BOTH  # noqa: E402
from figure_text import figure_text  # noqa: E402

EMPTY = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """Parses a page. Tables and texts are known by their `data-name`."""

    def __init__(self, text: str):
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.texts: dict[str, str] = {}
        self.headings: list[str] = []
        self.tooltips: list[str] = []
        self.figures: Any = None
        # Tags with the attributes that they have.
        self.attributes: list[tuple[str, dict[str, str]]] = []
        self.verdict = ""
        self._open: list[tuple[str, dict[str, str]]] = []
        self._name = ""
        self.feed(text)
        self.close()
        if self._open:
            raise ValueError(f"not closed: {self._open}")

    def handle_starttag(self, tag, attrs):
        attributes = {name: value or "" for name, value in attrs}
        self.attributes.append((tag, attributes))
        if tag in EMPTY:
            return
        self._open.append((tag, attributes))
        if tag == "table":
            self._name = attributes["data-name"]
            self.tables[self._name] = []
        elif tag == "tr":
            self.tables[self._name].append([])
        elif tag in ("th", "td"):
            self.tables[self._name][-1].append("")
        elif tag in ("h1", "h2"):
            self.headings.append("")
        elif tag == "title":
            self.tooltips.append("")

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in EMPTY:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        last, _attributes = self._open.pop()
        if last != tag:
            raise ValueError(f"<{last}> is closed by </{tag}>")
        if tag in ("th", "td"):
            row = self.tables[self._name][-1]
            row[-1] = row[-1].strip()

    def handle_data(self, data):
        tags = [tag for tag, _attributes in self._open]
        attributes = self._open[-1][1] if self._open else {}
        if attributes.get("class") == "model":
            return
        if "th" in tags or "td" in tags:
            self.tables[self._name][-1][-1] += data
        elif "h1" in tags or "h2" in tags:
            self.headings[-1] = (self.headings[-1] + data).strip()
        elif tags[-1:] == ["title"]:
            self.tooltips[-1] += data
        elif attributes.get("id") == "figures":
            self.figures = json.loads(data)
        elif "data-name" in attributes:
            self.texts[attributes["data-name"]] = data
        elif attributes.get("class", "").startswith("verdict"):
            self.verdict += data


def missing_figures(page: Page, results: dict[str, Any]) -> list[str]:
    """What the results have and the page does not show, or shows with other figures."""
    shown = {tuple(row[:3]) for row in page.tables["all"]}
    expected = []
    for row in results["rows"]:
        before, after = row["before"], row["after"]
        if before is None or after is None or not (before or after):
            continue
        cells = figure_text(before), figure_text(after)
        if row["name"].startswith("exits per second"):
            cells = f"{before:,.0f}", f"{after:,.0f}"
        expected.append((row["name"].removesuffix(BOTH), *cells))
    return [str(row) for row in expected if row not in shown]
