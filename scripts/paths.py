# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the project keeps things."""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent

# Everything that a build makes; ignored by git, removed by `./svm clean`.
BUILD = CHECKOUT / "build"

# Downloads, found again by the SHA-256 of their content, so that any checkout
# may use them.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "qemu-svm"
