"""Stills drawn ahead: what stands beside a live picture as a notebook shows it first. They are files in data/stills.

A still is found by all that it shows, so a view that is anywhere else finds none and draws its own.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

from kdlab.core.files import PACKAGE

__all__ = ["FOLDER", "name", "still"]

FOLDER = PACKAGE / "data/stills"


def name(key: str, said: Sequence[str], *, path: bool = False) -> str:
    """Return a still's file name: the view's key, whether the path is shown, a checksum of every sentence behind it.

    The sentences carry the numbers: where a sweep changes, its old still is no longer found.

    >>> name("line|1", ["At beta = 1.00 all is well."])
    'line-1-c584c351.png'
    """
    plain = re.sub("[^a-z0-9]+", "-", key.lower()).strip("-")
    checksum = zlib.crc32("\n".join(said).encode())
    return f"{plain}{'-path' if path else ''}-{checksum:08x}.png"


def still(file_name: str) -> bytes | None:
    """Return the PNG of this name, or None where none was drawn ahead."""
    file = FOLDER / file_name
    return file.read_bytes() if file.is_file() else None
