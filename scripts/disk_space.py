# SPDX-License-Identifier: GPL-2.0-or-later
"""Say that the disk is too small before a long step, not in the middle of it."""

import shutil
from pathlib import Path

from errors import SetupFailed

MEGABYTE = 1_000_000


def require(folder: Path, needed: int, what: str) -> None:
    """Raise SetupFailed unless `needed` bytes are free where `folder` is."""
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SetupFailed(
            f"no disk space: {what} needs {needed // MEGABYTE} MB below {folder} and "
            f"{free // MEGABYTE} MB are free; free some, or move the checkout (or, for "
            "downloads, set XDG_CACHE_HOME)"
        )
