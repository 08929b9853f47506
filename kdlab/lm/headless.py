"""A run without a reader: all its stages, printed as they go, and then the notebooks 05 to 07 executed over it.

The stages run in this process; under torchrun in several, in step. The notebooks, in kernels of their own, find
everything done: what they leave in the run's folder is the report, and an HTML page of each.
"""

import importlib.util
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any

from kdlab.core.files import home, notebooks_folder, written_whole
from kdlab.lm.experiment import PRESETS, SOURCES, RunConfig
from kdlab.lm.folder import Line, config_for, read_results, refuse_others, sentence
from kdlab.lm.report.summary import table

NOTEBOOKS = ("05_*.ipynb", "06_*.ipynb", "07_*.ipynb")
_QUIET = 60.0  # seconds between two lines of one stage, where lines cannot be overwritten
_STARTS = 600  # seconds that a kernel may take to start: a busy machine, a slow disk
_LATER = 1.0  # seconds that a kill of all processes may reach this one after a kernel
_EXECUTE = ("papermill", "nbconvert", "ipykernel")
_PLAIN = "--no-notebooks leaves them out"
_DIED = "its kernel died, perhaps for lack of memory"
_GOES_ON = "give the same command again, and it goes on from what is done"
_terminated = threading.Event()  # a polite kill has come


class Failed(RuntimeError):
    """A run that stopped; the message says where, and what to do."""


def run(preset: str, out: Path, settings: Mapping[str, Any], *, yes: bool = False, plain: bool = False) -> None:
    """Run a preset into the folder ``out``, or go on with it there; prints progress, then the table of results.

    ``plain`` leaves out the notebooks; ``yes`` takes a long run's estimate as agreed to. Where a stage fails, the
    notebooks are executed all the same, so that what is there can be read. Raises ValueError for settings that cannot
    work or a folder of another run, `kdlab.core.files.Busy` where another process is at work in it, `Failed` where a
    stage or a notebook fails, or nobody agreed.
    """
    out = out.absolute()
    config = config_for(out, preset, settings)
    if int(os.environ.get("RANK", "0")) > 0:
        _stages(preset, out, settings)
        return
    with _terminated_like_interrupted():
        refuse_others(out, config)
        if not plain:
            notebooks()  # wanted last, looked for first
        if config.preset == "paper" and not (out / "corpus").exists():
            _agreed(config, yes)
        _look_ahead(config)  # before the folder, so that what cannot work leaves none that refuses what can
        alone = os.environ.get("WORLD_SIZE", "1") == "1"
        failed = _stages(preset, out, settings, catch=alone and not plain)
        if not plain:
            for name in ("RANK", "WORLD_SIZE"):  # the other processes are done: a kernel must not wait for them
                os.environ.pop(name, None)
            own = {"RUN": str(out), "PRESET": preset, "SETTINGS": {**settings, "truth": config.truth}}
            _notebooks(out, own, failed)
    print(table(read_results(out)), flush=True)


def _stages(preset: str, out: Path, settings: Mapping[str, Any], *, catch: bool = False) -> Exception | None:
    """Run all stages that are not done, holding the folder; ``catch``: return what goes wrong in one."""
    from kdlab.lm.pipeline import stages

    run = stages.opened(out, preset, settings, printed())
    try:
        stages.everything(run)
    except Exception as error:
        if not catch:
            raise
        return error
    finally:
        stages.close(run)
    return None


def _look_ahead(config: RunConfig) -> None:
    """Say before any work what is wrong with p*, its prompt or a GPU's compiler; smoke as it is has no such parts."""
    parts = attrgetter("truth", "vocabulary", "prompt", "prompts", "length")
    if config.truth == "random" and parts(config) == parts(PRESETS[config.preset]):
        return
    if config.truth == "bundled":
        from kdlab.lm.pipeline.fetch import fault

        if trouble := fault():
            raise ValueError(f"the weights of p* are not here ({trouble}): run `kdlab fetch smollm2` first")
    from kdlab.lm.pipeline.gpu import fault as no_compiler
    from kdlab.lm.pipeline.run import prompt_ids, truth_of

    if trouble := no_compiler():
        raise ValueError(trouble)
    if config.truth not in SOURCES:
        hub = "" if os.path.isdir(config.truth) else ", from a model hub"  # which may take minutes
        print(f"p*: {config.truth}{hub} …", flush=True)
    prompt_ids(config, truth_of(config))


def _agreed(config: RunConfig, yes: bool) -> None:
    """Print what a run would take, and ask."""
    from kdlab.lm.pipeline.estimate import estimate

    print(estimate(config), flush=True)
    if not yes and not sys.stdin.isatty():
        raise Failed("nobody is there to agree to that: add --yes to start it")
    if not yes and input("Start it? [y/N] ").strip().lower() not in ("y", "yes"):
        raise Failed("not started: answer y to start it")


def printed() -> Callable[[Line], None]:
    """Return what prints progress: a line that is overwritten; in a file, a line for each stage and each minute."""
    overwrite, last, when = sys.stdout.isatty(), "", 0.0

    def show(line: Line) -> None:
        nonlocal last, when
        whole, text = bool(line.note) or line.fraction >= 1.0, sentence(line)
        if overwrite:
            print(f"\r{text:<78}", end="\n" if whole else "", flush=True)
        elif whole or line.stage == last and time.monotonic() - when > _QUIET:
            print(text, flush=True)
            when = time.monotonic()
        if line.stage != last:
            last, when = line.stage, time.monotonic()

    return show


# The notebooks


def notebooks() -> list[Path]:
    """The notebooks of a run, in order, as far as they are there.

    Raises Failed where there are none, or not what executes them.
    """
    absent = [name for name in _EXECUTE if importlib.util.find_spec(name) is None]
    if absent:
        raise Failed(f"no {', '.join(absent)} here to execute notebooks with: pip install {' '.join(absent)}; {_PLAIN}")
    if home() is None:
        raise Failed(f"this user has no home folder, and no kernel starts without: set HOME to one; {_PLAIN}")
    folder = notebooks_folder()
    found = [path for pattern in NOTEBOOKS for path in sorted(folder.glob(pattern))]
    if not found:
        raise Failed(
            f"no notebook 05 to 07 in {folder}: give the command in the folder that has them, or in a clone of "
            f"kdlab's repository; {_PLAIN}"
        )
    return found


def parameters(notebook: Path, offered: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the offered parameters that a notebook declares, as papermill only warns of others.

    Raises Failed where RUN is not among them: the notebook would show another run.
    """
    papermill: Any = import_module("papermill")
    declared = papermill.inspect_notebook(str(notebook))
    if "RUN" not in declared:
        raise Failed(f"{notebook.name} has no parameter RUN: set it in the cell tagged 'parameters'")
    return {name: value for name, value in offered.items() if name in declared}


def _notebooks(out: Path, offered: Mapping[str, Any], failed: Exception | None = None) -> None:
    """Execute every notebook into ``out``, and write a page of it; ``failed`` is what a stage raised before."""
    jobs = [(path, parameters(path, offered)) for path in notebooks()]
    for path, own in jobs:
        print(f"{path.stem} …", flush=True)
        try:
            _execute(path, out / path.name, own)
        except Failed:
            if failed is None:
                raise
        finally:
            _page(out / path.name)
    if failed is not None:
        told = f"stopped: {type(failed).__name__}: {failed}"
        raise Failed(f"{told}\nThe executed notebooks are in {out}; {_GOES_ON}") from failed


def _execute(notebook: Path, done: Path, own: Mapping[str, Any]) -> None:
    """Execute one notebook; whatever happens, what was executed is left in ``done``. Raises Failed where it stops."""
    papermill: Any = import_module("papermill")
    dead: type[Exception] = import_module("nbclient.exceptions").DeadKernelError
    absent: type[Exception] = import_module("jupyter_client.kernelspec").NoSuchKernel
    try:
        with _kernel_of_this_python():
            papermill.execute_notebook(
                str(notebook), str(done), parameters=own, kernel_name="python3", cwd=str(done.parent),
                progress_bar=False, log_output=False, autosave_cell_every=1, start_timeout=_STARTS,
                extra_arguments=["--log-level=CRITICAL"],  # of the kernel: what it says to nobody
            )  # fmt: skip
    except papermill.PapermillExecutionError as error:
        raise Failed(
            f"{notebook.name} stopped in cell In [{error.exec_count}]: {error.ename}: {error.evalue}\n"
            f"The executed notebook is {done}; {_GOES_ON}"
        ) from error
    except OSError as error:
        raise Failed(f"{notebook.name} stopped: {error}. Where the disk is full, make room; {_GOES_ON}") from error
    except dead as error:
        where = _say_where(done, _DIED)
        _interrupted_after_all()
        raise Failed(f"{notebook.name} stopped{where}: {_DIED}\nThe executed notebook is {done}; {_GOES_ON}") from error
    except (RuntimeError, absent) as error:
        _say_where(done, "its kernel did not start")
        raise Failed(
            f"{notebook.name} did not begin: its kernel did not start ({error}; it may take {_STARTS} s). "
            f"`kdlab doctor` says what is wrong with it; {_GOES_ON}"
        ) from error
    except KeyboardInterrupt:
        _say_where(done, "interrupted")
        raise


@contextmanager
def _kernel_of_this_python() -> Iterator[None]:
    """Let Jupyter find this environment's kernel before any other of the same name."""
    before = os.environ.get("JUPYTER_PATH")
    own = os.path.join(sys.prefix, "share", "jupyter")
    os.environ["JUPYTER_PATH"] = own + (os.pathsep + before if before else "")
    try:
        yield
    finally:
        del os.environ["JUPYTER_PATH"]
        os.environ |= {"JUPYTER_PATH": before} if before is not None else {}


def _say_where(done: Path, why: str) -> str:
    """Write into a notebook that broke off where it did, as papermill marks every cell as completed; return the place.

    What a cell raises, papermill itself writes there.
    """
    if not done.is_file():
        return ""
    nbformat: Any = import_module("nbformat")
    content = nbformat.read(done, as_version=4)
    marks = [cell.metadata.get("papermill", {}) for cell in content.cells]
    begun = [n for n, cell in enumerate(content.cells) if cell.cell_type == "code" and marks[n].get("start_time")]
    for mark in marks[begun[-1] + 1 if begun else 0 :]:
        mark["status"] = "pending"
    count = 1 + max((content.cells[n].execution_count or 0 for n in begun[:-1]), default=0)
    link = "before its first cell"
    if begun:
        cell, link = content.cells[begun[-1]], f"in [cell In [{count}]](#broken-off)"
        cell.execution_count = count
        marks[begun[-1]].update(status="failed", exception=True)
        cell.outputs.append(
            nbformat.v4.new_output("error", ename="BrokenOff", evalue=why, traceback=[f"Broken off here: {why}"])
        )
        content.cells.insert(begun[-1], nbformat.v4.new_markdown_cell('<a id="broken-off"></a>'))
    told = f"**Broken off {link}: {why}.** Cells below it have not run."
    content.cells.insert(0, nbformat.v4.new_markdown_cell(told))
    nbformat.write(content, done)
    return f" in cell In [{count}]" if begun else ""


def _page(notebook: Path) -> None:
    """Write an HTML page beside an executed notebook, if there is one."""
    if not notebook.is_file():
        return
    try:
        page: str = import_module("kdlab.lm.pages").page(notebook, [path.name for path in notebooks()])
        with written_whole(notebook.with_suffix(".html")) as temporary:
            temporary.write_text(page, encoding="utf-8")
    except (ImportError, OSError, ValueError) as error:
        print(f"no page of {notebook.name}: {error}", file=sys.stderr)


# Kills and settings


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Let a polite kill (a cluster's, torchrun's) end a run as Ctrl-C does."""

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
            raise ValueError(
                f"--set {name.strip()} is given twice, {json.dumps(found[name.strip()])} and {value!r}: give it once"
            )
        found[name.strip()] = value.strip()
    return found
