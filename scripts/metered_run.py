# SPDX-License-Identifier: GPL-2.0-or-later
"""An emulator with a meter, and what it has counted when it ended.

For the commands whose L1 starts and stops it: docs/meter.rst.
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cost_model
import meter_report
from call_tree import Symbols
from errors import BadUsage
from meter_report import Counted

DEBUG_CONSOLE = 0xE9  # of tests/nested/kernel-symbols.c


def check_options(options: argparse.Namespace) -> None:
    """Refuse what makes no sense with --meter, --icount and --cost-model."""
    if options.meter and options.qemu == "pristine":
        raise BadUsage("--meter: unmodified QEMU has no meter")
    if options.cost_model:
        if not (options.meter and options.icount):
            raise BadUsage("--cost-model goes with --meter and --icount")
        cost_model.CostModel(cost_model.find(options.cost_model))
    if options.icount and options.smp != 1:
        raise BadUsage(
            "--icount counts the instructions of all CPUs together, which says "
            "nothing about one guest: use it with --smp 1"
        )


class Meter:
    """A meter that writes its files to a folder; without a folder there is none."""

    def __init__(
        self,
        folder: Path | None = None,
        model: str | None = None,
        call_graph: bool = False,
    ):
        # More for the emulator's command.
        self.words: list[str] = []
        self._counted = self._symbols = None
        if folder is None:
            return
        self._counted = folder / "counted.json"
        device = f"svm-meter,running=off,json={_escaped(self._counted)}"
        if call_graph:
            self._symbols = folder / "symbols"
            device += ",call-graph=on"
            chardev = f"file,id=symbols,path={_escaped(self._symbols)}"
            console = f"isa-debugcon,iobase={DEBUG_CONSOLE},chardev=symbols"
            self.words += ["-chardev", chardev, "-device", console]
        if model:
            device += f",cost-model={_escaped(cost_model.find(model))}"
        self.words += ["-device", device]

    def counted(self, label: str) -> Counted | None:
        """What it has counted as this."""
        return meter_report.read(self._counted, label) if self._counted else None

    def symbols(self) -> Symbols | None:
        """What L1 said of its kernel's functions, if there is a call graph."""
        if not self._symbols:
            return None
        return Symbols(self._symbols.read_text(errors="replace"))


@contextmanager
def metered(
    wanted: bool, model: str | None, call_graph: bool = False
) -> Iterator[Meter]:
    """A meter for an emulator's command, to be read before the block ends."""
    if not wanted:
        yield Meter()
        return
    with tempfile.TemporaryDirectory(prefix="svm-meter-") as folder:
        yield Meter(Path(folder), model, call_graph)


def _escaped(path: Path) -> str:
    # A comma separates properties, two of them stand for one.
    return str(path).replace(",", ",,")
