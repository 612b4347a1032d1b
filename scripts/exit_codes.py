# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of exit codes, for what counts them by number."""

import re
from pathlib import Path

from paths import BUILD, CHECKOUT

HEADERS = (
    BUILD / "qemu-pristine/target/i386/svm.h",
    CHECKOUT / "target-i386-svm/vmcb.h",
)


def names() -> dict[int, str]:
    """As QEMU's meter has them (exit-names.c), of headers that are there."""
    found = {0x40 + number: f"EXCEPTION_{number}" for number in range(32)}
    for number in range(16):
        for start, name in zip((0, 0x20), ("CR", "DR")):
            found[start + number] = f"{name}{number}_READ"
            found[start + 0x10 + number] = f"{name}{number}_WRITE"
        found[0x90 + number] = f"CR{number}_WRITE_TRAP"
    for header in filter(Path.exists, HEADERS):
        form = r"#define SVM_EXIT_(\w+)\s+(0x[0-9a-f]+)"
        for name, code in re.findall(form, header.read_text()):
            found.setdefault(int(code, 16), name)
    return found


def by_name(codes: dict[int, int]) -> dict[str, int]:
    """Counts by exit code as counts by name, the most frequent first."""
    known = names()
    found = {known.get(code, f"{code:#x}"): count for code, count in codes.items()}
    return dict(sorted(found.items(), key=lambda item: -item[1]))
