"""Files that are there whole or not at all: written under another name, brought to the disk, then renamed."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["PACKAGE", "checksum", "notebooks_folder", "written_whole"]

PACKAGE = Path(__file__).resolve().parents[1]  # kdlab/ itself

_PIECE = 2**20


def notebooks_folder() -> Path:
    """Where the notebooks lie in a checkout: beside the package."""
    return PACKAGE.parent / "notebooks"


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; what the block writes there becomes ``path`` when it ends well.

    Where it does not (an error, a full disk, Ctrl-C) the temporary file goes and ``path`` stays what it was. A reboot
    in between leaves a temporary file at most, which nothing reads.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(
            error.errno,
            f"{path} cannot be written ({error.strerror}); nothing was left half-written. "
            "Make room or choose another folder, and give the same command again",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def checksum(path: Path) -> str:
    """The file's sha256, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
