# SPDX-License-Identifier: GPL-2.0-or-later
"""The compiler and its tools for what runs inside the emulated machine."""

import platform
import shutil

from errors import SetupFailed

# Of their names, on a machine of another architecture.
PREFIX = "" if platform.machine() == "x86_64" else "x86_64-linux-gnu-"


def path(tool: str, arch: str = "amd64") -> str:
    """Where a tool is, e.g. gcc; raises SetupFailed if it is not installed."""
    name = (PREFIX if arch == "amd64" else "i686-linux-gnu-") + tool
    found = shutil.which(name)
    if found is None:
        raise SetupFailed(f"no {name}: run `./svm env`")
    return found
