# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that others find whole or not at all."""

import os
import tempfile
from pathlib import Path


def write_whole(target: Path, content: bytes) -> None:
    """Write a whole file or none; its folder is made if need be."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as scratch:
        try:
            scratch.write(content)
            scratch.flush()
            os.chmod(scratch.name, 0o644)
            os.rename(scratch.name, target)
        except BaseException:
            os.unlink(scratch.name)
            raise
