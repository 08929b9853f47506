"""What an instructor looks at the day before, for `kdlab doctor --workshop`; it starts JupyterLab and runs notebooks.

Each function looks at one thing; `found` names it, and makes of whatever goes wrong a line as well. Nothing is written
but in temporary folders.
"""

import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from kdlab import lm  # a front door: loads nothing until asked
from kdlab.cli.doctor import UNFORESEEN, Check, kernel_fault, looked
from kdlab.cli.server import NotStarted, is_there, jupyterlab
from kdlab.core import answers, machine
from kdlab.core.files import notebooks_folder

NOTEBOOKS = notebooks_folder()
SHOWN = (
    "00_start_here.ipynb",
    "01_precision_and_recall.ipynb",
    "02_teacher_entropy.ipynb",
    "07_read_the_trade_off.ipynb",
    "04_from_mixtures_to_text.ipynb",
    "03_why_it_happens.ipynb",
    "08_is_it_worth_it.ipynb",
)  # what the run sheets of INSTRUCTOR.md show; those of the shorter one first
BESIDES = ("05_meet_smollm2.ipynb", "06_distil_smollm2.ipynb", "your_own_world.ipynb", "measure_your_own.ipynb")
TIME = 45.0  # seconds that running the notebooks may take altogether
MEMORY = 300  # MB for one reader where it cannot be measured
PORT = 8888  # where JupyterLab looks first
DISK = 1_000  # MB that should be free
WHOLE = "get the whole repository again (git clone), or in this one: git checkout -- notebooks kdlab/data"

# What is looked at in vain where there are no notebooks at all.
NEED_NOTEBOOKS = (
    "a place for answers beside the notebooks", "room on the disk", "the static site, for when nothing runs",
    "JupyterLab starts and serves the notebooks", "the notebooks run, with no network",
)  # fmt: skip

# Run before a notebook's own cells: whoever asks for an address outside this machine is refused.
_OFFLINE = """import socket as _socket
_connect = _socket.socket.connect
def _refuse(self, address):
    if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise OSError(f"asked for the network: {address}")
    return _connect(self, address)
_socket.socket.connect = _refuse"""
# Run after them: the most memory that the kernel had, in MB. On Linux ru_maxrss would do for no kernel of a large
# process: a child keeps its parent's peak as its own, even when it has become another program. macOS counts bytes.
_PEAK = """import resource as _resource, sys as _sys
if _sys.platform == "linux":
    with open("/proc/self/status") as _status:
        print(next(int(_line.split()[1]) for _line in _status if _line.startswith("VmHWM:")) / 1e3)
else:
    print(_resource.getrusage(_resource.RUSAGE_SELF).ru_maxrss / (1e6 if _sys.platform == "darwin" else 1e3))"""


def found(people: int = 1) -> Iterator[Check]:
    """Look at one thing after another; ``people`` is how many readers share this machine. Takes up to a minute."""
    peaks: list[float] = []
    looks: dict[str, Callable[[], Check]] = {
        "the notebooks, with what they show": _notebooks,
        "every prepared sweep, of this version": _sweeps,
        "the recorded runs of 05 and 07": _recorded,
        "a place for answers beside the notebooks": _answers,
        "room on the disk": _disk,
        "the static site, for when nothing runs": _site,
        f"port {PORT}": _port,
        "JupyterLab starts and serves the notebooks": _serves,
        "the notebooks run, with no network": lambda: _run(peaks),
        "memory for those who share this machine": lambda: _memory(people, max(peaks, default=MEMORY)),
    }
    here = any((NOTEBOOKS / file).is_file() for file in SHOWN + BESIDES)
    for name, look in looks.items():
        if here or name not in NEED_NOTEBOOKS:
            yield looked(name, look, "missing", REMEDIES.get(look, UNFORESEEN))


def _notebooks() -> Check:
    if not any((NOTEBOOKS / file).is_file() for file in SHOWN + BESIDES):
        remedy = (
            "kdlab came without them: give this command in the folder that has them, or get the whole repository "
            "(git clone). What needs them is not looked at"
        )
        return Check("missing", f"none in {NOTEBOOKS}", remedy)
    trouble = {file: _fault(NOTEBOOKS / file) for file in sorted(SHOWN + BESIDES)}
    said = "; ".join(f"{file} {fault}" for file, fault in trouble.items() if fault)
    if said:
        return Check("missing", said, WHOLE)
    return Check("ok", f"{len(trouble)} in {NOTEBOOKS}")


def _fault(path: Path) -> str:
    """What is the matter with a notebook as a file; empty if nothing is."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        pictures = [out for cell in code for out in cell["outputs"] if "image/png" in out.get("data", {})]
        executed = all(cell["execution_count"] for cell in code)
    except FileNotFoundError:
        return "is not there"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"cannot be read ({type(error).__name__}: {error})"
    return "" if executed and pictures else "has lost what its cells showed"


def _sweeps() -> Check:
    from kdlab.mixtures import experiment, scenes

    choices = experiment.CHOICES["n_components"]
    for scene in scenes.NAMED:
        stored = {components: experiment.teacher_entropy(scene, components) for components in choices}
        fresh = experiment.teacher_entropy(scene, 1, positions=3)
        if abs(fresh.precision[-1] - stored[1].precision[-1]) > 1e-6:
            raise ValueError(f"{scene} holds other numbers than this version of kdlab computes")
    return Check("ok", f"{len(scenes.NAMED) * len(choices)} sweeps, each scene compared with a fresh fit")


def _recorded() -> Check:
    there = {path.parent.name for path in lm.recorded_folder().glob("*/results.json")}
    runs = sorted(there | {"cpu", "smoke"})
    for run in runs:
        lm.open_run(f"recorded/{run}")
    lm.read_recording()
    return Check("ok", f"{', '.join(runs)} and smollm2: without PyTorch, 05 and 07 show these")


REMEDIES = {_sweeps: f"run `make sweeps`, or {WHOLE}", _recorded: WHOLE}  # where these raise anything


def _answers() -> Check:
    folder = NOTEBOOKS / os.path.expanduser(os.environ.get("KDLAB_ANSWERS", ""))  # as a kernel there sees it
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        remedy = (
            "copy the repository to a folder of your own, or set KDLAB_ANSWERS to one before JupyterLab starts; "
            "else no guess is kept, and the end of 08 stays empty"
        )
        return Check("missing", f"{folder} cannot be written ({error.strerror})", remedy)
    if (folder / answers.FILE).is_file():
        remedy = f"move it away, or your class sees your guesses instead of the questions ({folder / answers.FILE})"
        return Check("optional", f"there are answers already, in {answers.FILE}", remedy)
    return Check("ok", f"{folder} can be written")


def _disk() -> Check:
    free = shutil.disk_usage(NOTEBOOKS).free / 1e6
    if free >= DISK:
        return Check("ok", f"{free / 1000:.0f} GB free")
    return Check("optional", f"{free:.0f} MB free", "make room: notebooks that cannot be saved say so at every save")


def _site() -> Check:
    index = NOTEBOOKS.parent / "site" / "index.html"
    if index.is_file():
        return Check("ok", f"open {index.with_name('00_start_here.html')} in a browser: it needs no server, no network")
    return Check("optional", "not built", "run `make site` while you have time, and open site/00_start_here.html once")


def _port() -> Check:
    remedy = "nothing to do: JupyterLab takes the next free one and prints its address; open that one"
    with socket.socket() as probe:
        busy = probe.connect_ex(("127.0.0.1", PORT)) == 0
    return Check("optional", "something listens there already", remedy) if busy else Check("ok", "free")


def _serves() -> Check:
    remedy = "run `make lab` and read what it prints; `make setup` installs everything again"
    start = time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as state, jupyterlab(NOTEBOOKS, Path(state)) as (address, token):
            pages = (f"{address}/lab", f"{address}/api/contents/{SHOWN[0]}")
            if not all(is_there(page, token) for page in pages):
                return Check("missing", "it starts, and does not serve its page or the first notebook", remedy)
    except NotStarted as error:
        return Check("missing", f"no answer; its last words: {error}", remedy)
    return Check("ok", f"within {time.monotonic() - start:.0f} s, on this machine only")


def _run(peaks: list[float]) -> Check:
    """Run every notebook of the run sheets; the memory that each took is added to ``peaks``, in MB."""
    took: list[str] = []
    start = time.monotonic()
    if fault := kernel_fault():
        return fault
    for number, file in enumerate(SHOWN):
        before = time.monotonic()
        try:
            trouble = _executed(NOTEBOOKS / file, TIME - (before - start), peaks)
        except TimeoutError:
            rest = ", ".join(one[:2] for one in sorted(SHOWN[number:]))
            told = f"{', '.join(took) or 'none'} within {TIME:.0f} s; no time was left for {rest}"
            remedy = "this machine is slow, or busy: run those by hand once, and allow for waiting in class"
            return Check("optional", told, remedy)
        if trouble:
            return Check("missing", f"{file}: {trouble}", f"open it and run all cells to see where; {WHOLE}")
        took.append(f"{file[:2]} in {time.monotonic() - before:.0f} s")
    return Check("ok", f"{', '.join(sorted(took))}, with connections to other machines refused")


def _executed(path: Path, seconds: float, peaks: list[float]) -> str:
    """Run one notebook in a temporary folder; what went wrong, in a line, or nothing. TimeoutError when time is up."""
    nbformat: Any = import_module("nbformat")
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    end = time.monotonic() + seconds
    notebook = nbformat.read(path, as_version=4)
    new_cell, measured = nbformat.v4.new_code_cell, sys.platform != "win32"
    notebook.cells = [new_cell(_OFFLINE), *notebook.cells, *([new_cell(_PEAK)] if measured else [])]
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout_func=lambda cell: max(end - time.monotonic(), 0.01),
            startup_timeout=max(1, int(seconds)),
            resources={"metadata": {"path": folder}},
        )
        try:
            client.execute(env={**os.environ, "KDLAB_ANSWERS": folder}, stderr=subprocess.DEVNULL)
        except CellExecutionError as error:
            return f"a cell raised {error.ename}: {error.evalue}"
        except DeadKernelError as error:
            return f"its kernel died ({error})"
        except RuntimeError as error:
            atexit.unregister(client._cleanup_kernel)  # there is nothing to clean, over which it would stumble
            if time.monotonic() > end - 1:
                raise TimeoutError from error
            return f"its kernel did not start ({error})"
    if measured:
        peaks.append(float(notebook.cells[-1].outputs[-1].text))
    return ""


def _memory(people: int, each: float) -> Check:
    free = machine.free_memory()
    if free is None:
        return Check("optional", "not known on this system", f"count {each:.0f} MB for each notebook that is open")
    room, cores = int(free / 1e6 // each), machine.cores()
    told = f"{free / 1e9:.1f} GB free, {each:.0f} MB for the largest notebook: room for {room} at once, {cores} cores"
    remedy = f"for {people} people: let each use a machine of their own, share one between two or three, or show only"
    return Check("ok" if room >= people else "missing", told, remedy)
