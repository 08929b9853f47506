"""A run small enough for a test, and what two runs must have in common to be the same."""

import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.torch_side import torch  # noqa: F401 - skips where it is not installed

from kdlab.cli import main
from kdlab.lm.folder import Line, read_results
from kdlab.lm.pipeline import stages
from kdlab.lm.pipeline.stages import Run

# The smoke preset, smaller: a second of work.
SMALL = {
    "seeds": 1, "teacher_sequences": 96, "teacher_epochs": 2, "student_sequences": 64, "student_epochs": 2,
    "validation_sequences": 32, "evaluation_sequences": 64, "shard": 32, "batch": 16, "threads": 1,
}  # fmt: skip


def complete(folder: Path, show: Callable[[Line], None] = lambda line: None, **others: Any) -> Run:
    """Run all stages."""
    run = stages.opened(folder, "smoke", SMALL | others, show)
    stages.everything(run)
    run.lock.close()
    return run


def forked(work: Callable[..., Any], *arguments: Any) -> Any:
    """Start a process that has all that is loaded here, torch above all."""
    process = multiprocessing.get_context("fork").Process(target=work, args=arguments)
    process.start()
    return process


def command(folder: Path, said: Path, environment: dict[str, str], *flags: str) -> None:
    """Be `kdlab run` with the small settings, and write what it says into a file."""
    os.environ.update(environment)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with said.open("w") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        sys.stdout = sys.stderr = file
        settings = [f"--set={name}={value}" for name, value in SMALL.items()]
        code = main(["run", "--preset", "smoke", "--out", str(folder), *flags, *settings])
    os._exit(code)


def made(folder: Path) -> dict[str, bytes]:
    """All that a run makes in folders of its own, as bytes; but not what holds times, or lines in the order of work."""
    files = [path for path in folder.rglob("*/*") if path.is_file() and not path.name.startswith(".")]
    kept = [path for path in files if path.name not in ("trained.json", "manifest.jsonl", "checkpoint.safetensors")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept}


def numbers(folder: Path) -> dict[str, Any]:
    """The results without times, day and machine, and losses without the seconds that they took."""
    content = read_results(folder)
    for curves in content["curves"].values():
        for curve in curves.values():
            curve.pop("seconds")
    return {name: content[name] for name in content.keys() - {"stages", "date", "device", "processes", "config"}}


def assert_the_same(folder: Path, run: Run) -> None:
    """Both runs made the same bytes and say the same, and no file is left half-written."""
    for temporary in folder.rglob("*.tmp") if folder.name == "killed" else ():
        temporary.unlink()  # what a kill in the middle of a write leaves; nothing reads it
    mine, whole = made(folder), made(run.folder)
    assert mine.keys() == whole.keys()
    assert [name for name in mine if mine[name] != whole[name]] == []
    assert numbers(folder) == numbers(run.folder)
    assert not list(folder.rglob("*.tmp"))
