# SPDX-License-Identifier: GPL-2.0-or-later
"""What a subcommand of ./svm is."""

import argparse
from collections.abc import Callable
from typing import NamedTuple


class Command(NamedTuple):
    """A subcommand: its name, one line of help, its arguments, its action.

    `run` takes the parsed arguments and returns the exit status.
    """

    name: str
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
