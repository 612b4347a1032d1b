# SPDX-License-Identifier: GPL-2.0-or-later
"""The libraries that x86-64 programs of unpacked Debian packages need."""

import re
from collections.abc import Sequence
from pathlib import Path

import child_processes
from errors import SetupFailed


def libraries_in(
    tree: Path, programs: Sequence[Path], loaded_later: Sequence[str] = ()
) -> dict[str, Path]:
    """Their paths by the names that are asked for, whatever this machine is.

    `loaded_later` are more, that no program names but that are loaded when needed.
    """
    # The loader's own folders first; others have libraries with the same names.
    folders = [tree / "lib/x86_64-linux-gnu", tree / "usr/lib/x86_64-linux-gnu"]
    folders += sorted({file.parent for file in tree.rglob("*.so*")})
    folders += [tree / "lib64", tree / "usr/lib64"]
    found: dict[str, Path] = {}
    left = list(programs)
    names = list(loaded_later)
    while left:
        dynamic = child_processes.output_of(["readelf", "--dynamic", left.pop()])
        names += re.findall(r"\(NEEDED\).*\[(\S+)\]", dynamic)
        while names:
            name = names.pop()
            if name in found:
                continue
            places = [folder / name for folder in folders if (folder / name).is_file()]
            if not places:
                raise SetupFailed(f"no package of {tree.name} brings {name}")
            found[name] = places[0]
            left.append(places[0])
    return found
