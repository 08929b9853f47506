"""What an instructor looks at the day before, for `kdlab doctor --workshop`; it starts JupyterLab and runs notebooks.

Each function looks at one thing and returns a Check; `found` makes of whatever goes wrong a line as well. Nothing is
written but in temporary folders.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from kdlab.cli.doctor import Check
from kdlab.core import answers
from kdlab.core.files import notebooks_folder

__all__ = ["NOTEBOOKS", "SHOWN", "found"]

NOTEBOOKS = notebooks_folder()
SHOWN = (
    "00_start_here.ipynb",
    "01_precision_and_recall.ipynb",
    "02_teacher_entropy.ipynb",
    "07_read_the_trade_off.ipynb",
    "04_from_mixtures_to_text.ipynb",
    "03_why_it_happens.ipynb",
)  # what the run sheets of INSTRUCTOR.md show; those of the shorter one first
BESIDES = ("05_meet_smollm2.ipynb", "06_distil_smollm2.ipynb")
TIME = 45.0  # seconds that running the notebooks may take altogether
START = 30.0  # seconds until JupyterLab must answer
MEMORY = 300  # MB for one reader where it cannot be measured
PORT = 8888  # where JupyterLab looks first
DISK = 1_000  # MB that should be free
WHOLE = "get the whole repository again (git clone), or in this one: git checkout -- notebooks"

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
    ran: list[float] = []
    looks: list[tuple[str, Callable[[], Check]]] = [
        ("the notebooks, with what they show", _notebooks),
        ("every prepared sweep, of this version", _sweeps),
        ("the recorded runs of 05 and 07", _recorded),
        ("a place for answers beside the notebooks", _answers),
        ("room on the disk", _disk),
        ("the static site, for when nothing runs", _site),
        (f"port {PORT}", _port),
        ("JupyterLab starts and serves the notebooks", _serves),
        ("the notebooks run, with no network", lambda: _run(ran)),
        ("memory for those who share this machine", lambda: _memory(people, max(ran, default=MEMORY))),
    ]
    for name, look in looks:
        try:
            yield look()
        except Exception as error:  # whatever went wrong is what the instructor should see
            yield Check(
                name, "missing", f"{type(error).__name__}: {error}", "this should not happen: tell us what it says"
            )


def _notebooks() -> Check:
    name = "the notebooks, with what they show"
    trouble = {file: _fault(NOTEBOOKS / file) for file in sorted(SHOWN + BESIDES)}
    said = "; ".join(f"{file} {fault}" for file, fault in trouble.items() if fault)
    if said:
        return Check(name, "missing", said, WHOLE)
    return Check(name, "ok", f"{len(trouble)} in {NOTEBOOKS}")


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
    from kdlab.mixtures import experiment as experiments
    from kdlab.mixtures import scenes

    name = "every prepared sweep, of this version"
    count = 0
    try:
        for scene in scenes.NAMED:
            for components in experiments.CHOICES["n_components"]:
                sweep = experiments.teacher_entropy(scene, components)
                count += 1
            fresh = experiments.teacher_entropy(scene, 1, positions=3)
            stored = experiments.teacher_entropy(scene, 1)
            if abs(fresh.precision[-1] - stored.precision[-1]) > 1e-6:
                raise ValueError(f"{scene} holds other numbers than this version of kdlab computes")
        assert sweep is not None
    except Exception as error:
        return Check(name, "missing", f"{type(error).__name__}: {error}", f"run `make sweeps`, or {WHOLE}")
    return Check(name, "ok", f"{count} sweeps, each scene compared with a fresh fit")


def _recorded() -> Check:
    from kdlab.lm import recording
    from kdlab.lm.experiment import recorded_folder
    from kdlab.lm.report import summary as accounts

    name = "the recorded runs of 05 and 07"
    try:
        there = {path.parent.name for path in recorded_folder().glob("*/results.json")}
        runs = sorted(there | {"cpu", "cpu-last", "smoke"})
        for run in runs:
            accounts.open_run(f"recorded/{run}")
        recording.read_recording()
    except Exception as error:
        return Check(name, "missing", f"{type(error).__name__}: {error}", WHOLE)
    return Check(name, "ok", f"{', '.join(runs)} and smollm2: without PyTorch, 05 and 07 show these")


def _answers() -> Check:
    name = "a place for answers beside the notebooks"
    folder = Path(os.environ.get("KDLAB_ANSWERS") or NOTEBOOKS).expanduser()
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        remedy = (
            "copy the repository to a folder of your own, or set KDLAB_ANSWERS to one before JupyterLab starts; "
            "else no guess is kept, and the end of 07 stays empty"
        )
        return Check(name, "missing", f"{folder} cannot be written ({error.strerror})", remedy)
    kept = (folder / answers.FILE).is_file()
    if kept:
        remedy = f"move it away, or your class sees your guesses instead of the questions ({folder / answers.FILE})"
        return Check(name, "optional", f"there are answers already, in {answers.FILE}", remedy)
    return Check(name, "ok", f"{folder} can be written")


def _disk() -> Check:
    name = "room on the disk"
    free = shutil.disk_usage(NOTEBOOKS).free / 1e6
    if free >= DISK:
        return Check(name, "ok", f"{free / 1000:.0f} GB free")
    return Check(
        name, "optional", f"{free:.0f} MB free", "make room: notebooks that cannot be saved say so at every save"
    )


def _site() -> Check:
    name = "the static site, for when nothing runs"
    index = NOTEBOOKS.parent / "site" / "index.html"
    if index.is_file():
        return Check(
            name, "ok", f"open {index.with_name('00_start_here.html')} in a browser: it needs no server, no network"
        )
    return Check(
        name, "optional", "not built", "run `make site` while you have time, and open site/00_start_here.html once"
    )


def _port() -> Check:
    name = f"port {PORT}"
    with socket.socket() as probe:
        busy = probe.connect_ex(("127.0.0.1", PORT)) == 0
    if busy:
        remedy = "nothing to do: JupyterLab takes the next free one and prints its address; open that one"
        return Check(name, "optional", "something listens there already", remedy)
    return Check(name, "ok", "free")


def _serves() -> Check:
    name = "JupyterLab starts and serves the notebooks"
    remedy = "run `make lab` and read what it prints; `make setup` installs everything again"
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as state, _server(Path(state)) as (process, address, token):
        while not _get(f"{address}/api/status", token):
            if process.poll() is not None or time.monotonic() - start > START:
                log = (Path(state) / "log").read_text("utf-8", errors="replace").strip().splitlines()
                return Check(name, "missing", f"no answer; its last words: {(log or ['none'])[-1]}", remedy)
            time.sleep(0.1)
        if not _get(f"{address}/lab", token) or not _get(f"{address}/api/contents/{SHOWN[0]}", token):
            return Check(name, "missing", "it starts, and does not serve its page or the first notebook", remedy)
    return Check(name, "ok", f"within {time.monotonic() - start:.0f} s, on this machine only")


@contextmanager
def _server(state: Path) -> Iterator[tuple[subprocess.Popen[bytes], str, str]]:
    """A JupyterLab with settings of its own and a token, gone at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    options = [
        "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={NOTEBOOKS}", f"--IdentityProvider.token={token}", "--ServerApp.open_browser=False",
        "--ServerApp.allow_root=True",
    ]  # fmt: skip
    places = (
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_DATA_DIR",
        "JUPYTER_RUNTIME_DIR",
        "JUPYTERLAB_WORKSPACES_DIR",
        "IPYTHONDIR",
    )
    own = {place: str(state / place.lower()) for place in places}
    with (state / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options], env={**os.environ, **own}, stdout=log, stderr=log
        )
        try:
            yield process, f"http://127.0.0.1:{port}", token
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _get(address: str, token: str) -> bool:
    """Say whether a page of this machine is there."""
    request = urllib.request.Request(address, headers={"Authorization": f"token {token}"})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as page:
            return bool(page.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _run(peaks: list[float]) -> Check:
    """Run every notebook of the run sheets; the memory that each took is added to ``peaks``, in MB."""
    name = "the notebooks run, with no network"
    took: list[str] = []
    start = time.monotonic()
    for number, file in enumerate(SHOWN):
        before = time.monotonic()
        try:
            trouble = _executed(NOTEBOOKS / file, TIME - (before - start), peaks)
        except TimeoutError:
            rest = ", ".join(one[:2] for one in sorted(SHOWN[number:]))
            told = f"{', '.join(took) or 'none'} within {TIME:.0f} s; no time was left for {rest}"
            remedy = "this machine is slow, or busy: run those by hand once, and allow for waiting in class"
            return Check(name, "optional", told, remedy)
        if trouble:
            return Check(name, "missing", f"{file}: {trouble}", f"open it and run all cells to see where; {WHOLE}")
        took.append(f"{file[:2]} in {time.monotonic() - before:.0f} s")
    return Check(name, "ok", f"{', '.join(sorted(took))}, with connections to other machines refused")


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
            resources={"metadata": {"path": folder}},
        )
        try:
            client.execute(env={**os.environ, "KDLAB_ANSWERS": folder}, stderr=subprocess.DEVNULL)
        except CellExecutionError as error:
            return f"a cell raised {error.ename}: {error.evalue}"
        except DeadKernelError as error:
            return f"its kernel died ({error})"
    if measured:
        peaks.append(float(notebook.cells[-1].outputs[-1].text))
    return ""


def _memory(people: int, each: float) -> Check:
    name = "memory for those who share this machine"
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")) / 1000
    except (OSError, StopIteration):
        return Check(
            name, "optional", "not known on this system", f"count {each:.0f} MB for each notebook that is open"
        )
    room, cores = int(free // each), os.cpu_count() or 1
    told = f"{free / 1000:.1f} GB free, {each:.0f} MB for the largest notebook: room for {room} at once, {cores} cores"
    if room < people:
        remedy = (
            f"for {people} people: let each use a machine of their own, share one between two or three, or show only"
        )
        return Check(name, "missing", told, remedy)
    return Check(name, "ok", told)
