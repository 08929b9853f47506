"""Files that are there whole or not at all, and folders that one process works in at a time.

A file is written under another name, brought to the disk, then renamed. A folder is held with a lock file, which the
system releases when the process ends, however it ends.
"""

import hashlib
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]  # kdlab/ itself

_ADVICE = "Make room or choose another folder, and give the same command again"


def notebooks_folder() -> Path:
    """Where the notebooks lie: beside the package in a checkout; else, after a wheel, here or in ./notebooks."""
    places = (PACKAGE.parent / "notebooks", Path.cwd() / "notebooks", Path.cwd())
    return next((place for place in places if (place / "00_start_here.ipynb").is_file()), places[0])


def home() -> Path | None:
    """The user's home folder; None where HOME is not set and the system does not know the user: so in containers."""
    folder = os.path.expanduser("~")
    return Path(folder) if os.path.isabs(folder) else None


@contextmanager
def _explained(path: Path, then: str = "") -> Iterator[None]:
    """Let an OSError of the block say which file or folder, why, and what to do."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise OSError(error.errno, f"{path} cannot be written ({why}){then or f'. {_ADVICE}'}") from error


@contextmanager
def written_whole(path: Path, *, advice: str = _ADVICE) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; what the block writes there becomes ``path`` when it ends well.

    Where it does not (an error, a full disk, Ctrl-C) the temporary file goes and ``path`` stays what it was. A reboot
    in between leaves a temporary file at most, which nothing reads. The folder is made where it is missing. An OSError
    says which file, why, and ``advice``, what to do.
    """
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.tmp")
    with _explained(path, f"; nothing was left half-written. {advice}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            with suppress(OSError):  # what went wrong first is the one to tell
                temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Any, **how: Any) -> None:
    """Write a file of JSON, whole or not at all; ``how`` is what json.dumps takes."""
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(content, **how) + "\n", encoding="utf-8")


def read_object(path: Path) -> dict[str, Any]:
    """Return the object in a file of JSON; empty where it is missing, damaged, or JSON of another kind."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def add_line(path: Path, content: Any) -> None:
    """Add one line of JSON to a file, in one write: several processes may, and a line that a crash cut short stays.

    An OSError says which file, why, and what to do.
    """
    with _explained(path), path.open("a+b", buffering=0) as file:
        whole = not file.tell() or (file.seek(-1, os.SEEK_END) >= 0 and file.read(1) == b"\n")
        file.write((b"" if whole else b"\n") + json.dumps(content).encode() + b"\n")
        os.fsync(file.fileno())


def read_lines(path: Path) -> list[Any]:
    """Return what `add_line` added, nothing where there is no file; a line that a crash cut short is passed over."""
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n") if path.is_file() else []:
        with suppress(json.JSONDecodeError):
            found.append(json.loads(line))
    return found


class Busy(RuntimeError):
    """Another process is at work in a folder."""


@contextmanager
def held(folder: Path, name: str, *, wait: float = 0.0) -> Iterator[None]:
    """Hold ``folder`` for this process while the block runs; the folder is made where it is missing.

    Raises `Busy` where another process has it for longer than ``wait`` seconds; math.inf waits until it is free. Locks
    of different ``name`` do not mind each other. The same process may hold a folder twice. An OSError says why the
    folder cannot be written, and what to do. Needs filelock, which comes with the language models (the extra "lm").
    """
    import filelock

    with _explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / f".{name}.lock", is_singleton=True)
        try:
            lock.acquire(timeout=wait)
        except filelock.Timeout:
            raise Busy(
                f"another process is at work in {folder}: wait for it, stop it, or choose another folder"
            ) from None
    try:
        yield
    finally:
        lock.release()


def checksum(path: Path) -> str:
    """The file's sha256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
