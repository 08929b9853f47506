"""Runs without a reader: the notebooks 05 to 07 through papermill, their progress, and a report whatever happens.

The notebooks do the work, in kernels of their own; here are the lock, the checks before any work, a line per stage,
the executed notebooks and an HTML page of each. Under torchrun the first process does so; the others run the same
stages in step with its kernel.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from kdlab.core.files import written_whole
from kdlab.lm import experiment as runs
from kdlab.lm import folder as progress
from kdlab.lm.experiment import RunConfig

__all__ = ["NOTEBOOKS", "Failed", "notebooks", "parameters", "run"]

NOTEBOOKS = ("05_*.ipynb", "06_*.ipynb", "07_*.ipynb")
_TYPES = {"str": str, "dict": dict, "int": int, "float": float, "bool": bool, "list": list}
_EVERY = 0.5  # seconds between two looks at the progress of a run
_QUIET = 60.0  # seconds between two lines of one stage, where lines cannot be overwritten

_LATER = 1.0  # seconds that a kill of all processes may reach this one after a kernel
_terminated = threading.Event()  # a polite kill has come

Say = Callable[[str], None]


class Failed(RuntimeError):
    """A run that stopped; the message says where, and what to do."""


def run(preset: str, out: Path, settings: Mapping[str, Any], *, yes: bool = False, plain: bool = False) -> None:
    """Run a preset into the folder ``out``, or go on with it there; prints progress, then the table of results.

    ``plain`` runs the stages in this process, without notebooks; ``yes`` takes a long run's estimate as agreed to.
    Raises ValueError for settings that cannot work or a folder of another run, `runs.Busy` where another command is
    at work in it, `Failed` where a notebook fails or nobody agreed.
    """
    config, out = RunConfig.of(preset, settings), out.absolute()
    if int(os.environ.get("RANK", "0")) > 0:
        _follow(preset, out, settings)
        return
    with _terminated_like_interrupted():
        if config.preset == "paper" and not (out / "corpus").exists():
            _agreed(config, yes)
        _look_ahead(config)  # before the folder, so that what cannot work leaves none that refuses what can
        _work(config, preset, out, settings, plain=plain)
    print(runs.table(runs.read_results(out)), flush=True)


def _work(config: RunConfig, preset: str, out: Path, settings: Mapping[str, Any], *, plain: bool) -> None:
    """Hold the folder, and do what is not done."""
    with runs.held(out, "command"):
        runs.begin(out, config)
        with _told(out):
            if plain:
                _follow(preset, out, settings)
            else:
                _notebooks(out, {"RUN": str(out), "PRESET": preset, "SETTINGS": dict(settings)})


def _follow(preset: str, out: Path, settings: Mapping[str, Any]) -> None:
    """All stages in this process."""
    from kdlab.lm.pipeline import stages

    stages.everything(stages.opened(out, preset, settings))


def _look_ahead(config: RunConfig) -> None:
    """Say before any work what is wrong with p*, its prompt or a GPU's compiler; smoke as it is has no such parts."""
    usual = runs.PRESETS[config.preset]
    if config.truth == "random" and all(
        getattr(config, name) == getattr(usual, name) for name in ("truth", "vocabulary", "prompt", "length")
    ):
        return
    if config.truth == "bundled":
        from kdlab.lm.pipeline.fetch import fault

        trouble = fault()
        if trouble:
            raise ValueError(f"the weights of p* are not here ({trouble}): run `kdlab fetch smollm2` first")
    from kdlab.lm.pipeline.gpu import fault as no_compiler
    from kdlab.lm.pipeline.run import prompt_ids
    from kdlab.lm.pipeline.truth import SOURCES, load_truth

    if trouble := no_compiler():
        raise ValueError(trouble)

    if config.truth not in SOURCES:
        print(f"p*: {config.truth} …", flush=True)  # a hub may take minutes, or the better part of one to be given up
    prompt_ids(config, load_truth(config.truth, vocabulary=config.vocabulary))


def _agreed(config: RunConfig, yes: bool) -> None:
    """Print what a run would take, and ask."""
    from kdlab.lm.pipeline.estimate import estimate

    print(estimate(config), flush=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failed("nobody is there to agree to that: add --yes to start it")
    if input("Start it? [y/N] ").strip().lower() not in ("y", "yes"):
        raise Failed("not started")


# The notebooks


def notebooks() -> list[Path]:
    """The notebooks of a run, in order, as far as they are there. Raises Failed where there are none."""
    folder = runs.recorded_folder().parent
    found = [path for pattern in NOTEBOOKS for path in sorted(folder.glob(pattern))]
    if not found:
        raise Failed(
            f"no notebook 05 to 07 in {folder}: install kdlab from a clone of its repository, pip install -e ."
        )
    return found


def parameters(notebook: Path, offered: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the offered parameters that a notebook has.

    papermill only warns where it does not know a parameter, and checks no types. Raises Failed where the notebook has
    no RUN, or declares another type.
    """
    papermill: Any = import_module("papermill")
    declared = papermill.inspect_notebook(str(notebook))
    if "RUN" not in declared:
        raise Failed(f"{notebook.name} has no parameter RUN: its cell tagged 'parameters' must have one")
    taken = {name: value for name, value in offered.items() if name in declared}
    for name, value in taken.items():
        wanted = str(declared[name]["inferred_type_name"])
        if wanted != "None" and not isinstance(value, _TYPES.get(wanted.split("[")[0], object)):
            raise Failed(f"{notebook.name}: {name} is {value!r}, declared as {wanted}")
    return taken


def _notebooks(out: Path, offered: Mapping[str, Any]) -> None:
    """Execute every notebook into ``out``; whatever happens, what was executed is left there, and a page of it."""
    papermill: Any = import_module("papermill")
    dead: type[Exception] = import_module("nbclient.exceptions").DeadKernelError
    jobs = [(path, parameters(path, offered)) for path in notebooks()]
    for path, own in jobs:
        done = out / path.name
        print(f"{path.stem} …", flush=True)
        try:
            papermill.execute_notebook(
                str(path),
                str(done),
                parameters=own,
                kernel_name="python3",
                cwd=str(out),
                progress_bar=False,
                log_output=False,
                autosave_cell_every=1,
                extra_arguments=["--log-level=CRITICAL"],  # of the kernel: what it says to nobody
            )
        except papermill.PapermillExecutionError as error:
            raise Failed(
                f"{path.name} stopped in cell {error.cell_index}: {error.ename}: {error.evalue}\n"
                f"The executed notebook is {done}; the same command goes on from what is done"
            ) from error
        except dead as error:
            _interrupted_after_all()
            raise Failed(
                f"{path.name} stopped: its kernel died, perhaps for lack of memory; the same command goes on from what "
                "is done"
            ) from error
        finally:
            _page(done)


def _page(notebook: Path) -> None:
    """Write an HTML page beside an executed notebook, if there is one."""
    if not notebook.is_file():
        return
    exporter: Any = import_module("nbconvert").HTMLExporter()
    try:
        page, _ = exporter.from_filename(str(notebook))
        with written_whole(notebook.with_suffix(".html")) as temporary:
            temporary.write_text(page, encoding="utf-8")
    except (OSError, ValueError) as error:
        print(f"no page of {notebook.name}: {error}", file=sys.stderr)


# Progress


@contextmanager
def _told(out: Path) -> Iterator[None]:
    """Print the progress that others write into the folder, while the block runs."""
    over = threading.Event()
    start = progress.read(out)[1]
    teller = threading.Thread(target=_tell, args=(out, start, over, sys.stdout.isatty()), daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join(timeout=10)


def _tell(out: Path, start: int, over: threading.Event, overwrite: bool) -> None:
    last, when = "", 0.0
    while True:
        ending = over.wait(_EVERY)
        lines, start = progress.read(out, start)
        for line in lines:
            if line.rank:
                continue
            whole = bool(line.note) or line.fraction >= 1.0
            text = progress.sentence(line)
            if overwrite:
                print(f"\r{text:<78}", end="\n" if whole else "", flush=True)
            elif whole or line.stage == last and time.monotonic() - when > _QUIET:
                print(text, flush=True)
                when = time.monotonic()
            if line.stage != last:
                last, when = line.stage, time.monotonic()
        if ending:
            return


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Let a polite kill (a cluster's, torchrun's) end a run as Ctrl-C does: with its notebook and page written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: Any) -> None:
        _terminated.set()
        raise KeyboardInterrupt

    _terminated.clear()
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupted_after_all() -> None:
    """Raise KeyboardInterrupt where a kernel died of the same kill as we: it went to all processes, in any order."""
    if not _terminated.is_set():
        time.sleep(_LATER)  # our own part of it raises here
    if _terminated.is_set():
        raise KeyboardInterrupt


def settings_from(pairs: list[str]) -> dict[str, str]:
    """Return ``["name=value", ...]`` as a mapping; ValueError where there is no name, or one comes twice."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"--set {pair!r}: write it as name=value, such as --set seeds=3")
        if name.strip() in found:
            raise ValueError(f"--set {name.strip()} is given twice: {json.dumps(found[name.strip()])} and {value!r}")
        found[name.strip()] = value.strip()
    return found
