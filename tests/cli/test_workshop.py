"""What the doctor says the day before a workshop: whatever is missing is named, and nothing is a traceback."""

from __future__ import annotations

import json
import re
import shutil
import socket
import sys
import tempfile
from collections import namedtuple
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from support.lab import write_notebook

from kdlab.cli import commands as cli
from kdlab.cli import workshop
from kdlab.cli.doctor import Check
from kdlab.core import answers
from kdlab.mixtures import experiment as experiments

FILES = sorted(workshop.SHOWN + workshop.BESIDES)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of one's own, with the committed notebooks."""
    own = tmp_path / "notebooks"
    own.mkdir()
    for file in FILES:
        shutil.copy(workshop.NOTEBOOKS / file, own)
    monkeypatch.setattr(workshop, "NOTEBOOKS", own)
    monkeypatch.delenv("KDLAB_ANSWERS", raising=False)
    return own


def test_the_committed_notebooks_are_all_there(folder: Path) -> None:
    assert FILES == sorted(
        path.name for path in (cli.Path(workshop.__file__).parent.parent / "notebooks").glob("*.ipynb")
    )
    assert workshop._notebooks() == Check("the notebooks, with what they show", "ok", f"8 in {folder}")


def emptied(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, path)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (Path.unlink, "02_teacher_entropy.ipynb is not there"),
        (emptied, "02_teacher_entropy.ipynb has lost what its cells showed"),
        (
            lambda path: path.write_text("{", encoding="utf-8"),
            "02_teacher_entropy.ipynb cannot be read (JSONDecodeError",
        ),
        (lambda path: path.write_text("[]", encoding="utf-8"), "02_teacher_entropy.ipynb cannot be read (TypeError"),
        (lambda path: path.write_bytes(b"\xff"), "02_teacher_entropy.ipynb cannot be read (UnicodeDecodeError"),
    ],
)
def test_a_notebook_that_is_not_whole(folder: Path, spoil: Any, says: str) -> None:
    spoil(folder / "02_teacher_entropy.ipynb")
    found = workshop._notebooks()
    assert found.status == "missing" and found.found.startswith(says) and "git clone" in found.remedy


def test_sweeps_of_this_version_and_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    good = workshop._sweeps()
    assert (good.status, good.found) == ("ok", "20 sweeps, each scene compared with a fresh fit")
    load = experiments._load

    def other(settings: experiments.Settings) -> experiments.MixtureSweep:
        sweep = load(settings)
        if settings.scene == "falls":
            object.__setattr__(sweep, "precision", sweep.precision + 1e-3)
        return sweep

    monkeypatch.setattr(experiments, "_load", other)
    found = workshop._sweeps()
    assert found.status == "missing" and "falls holds other numbers than this version" in found.found
    assert "make sweeps" in found.remedy


def test_a_sweep_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "sweeps-line.npz").write_bytes(b"PK\x03\x04 broken off")
    monkeypatch.setattr(experiments, "files", lambda package: tmp_path)
    found = workshop._sweeps()
    assert found.status == "missing" and re.match(r"\w+: ", found.found)


def test_recorded_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert workshop._recorded().status == "ok"
    monkeypatch.chdir(tmp_path)  # from anywhere
    assert workshop._recorded().status == "ok"
    from kdlab.lm.report import summary as accounts

    monkeypatch.setattr(accounts, "recorded_folder", lambda: tmp_path)
    found = workshop._recorded()
    assert found.status == "missing" and "recorded/cpu" in found.found


def test_a_folder_that_cannot_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert workshop._answers() == Check("a place for answers beside the notebooks", "ok", f"{folder} can be written")
    before = sorted(folder.iterdir())

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise PermissionError(13, "Permission denied")

    # File modes would not stop every user that runs tests.
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    found = workshop._answers()
    assert found.status == "missing" and f"{folder} cannot be written (Permission denied)" == found.found
    assert "KDLAB_ANSWERS" in found.remedy and sorted(folder.iterdir()) == before


def test_answers_may_be_kept_elsewhere(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDLAB_ANSWERS", str(tmp_path / "not there"))
    assert workshop._answers().status == "missing"
    monkeypatch.setenv("KDLAB_ANSWERS", str(tmp_path))
    assert workshop._answers().found == f"{tmp_path} can be written"


def test_answers_of_the_instructor_would_be_seen(folder: Path) -> None:
    answers.record("prediction 00.line", {"guess": "x"}, folder)
    found = workshop._answers()
    assert found.status == "optional" and str(folder / answers.FILE) in found.remedy


def test_little_room_on_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    for free, status in ((5e9, "ok"), (4e6, "optional")):
        monkeypatch.setattr(shutil, "disk_usage", lambda path, free=free: usage(1e10, 0, free))
        assert workshop._disk().status == status
    assert workshop._disk().found == "4 MB free"


def test_the_site_is_built_or_not(folder: Path) -> None:
    found = workshop._site()
    assert (found.status, found.found) == ("optional", "not built") and "make site" in found.remedy
    site = folder.parent / "site"
    site.mkdir()
    (site / "index.html").write_text("<p>", encoding="utf-8")
    assert workshop._site().status == "ok" and str(site / "00_start_here.html") in workshop._site().found


def test_a_port_in_use_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        monkeypatch.setattr(workshop, "PORT", other.getsockname()[1])
        other.listen()
        found = workshop._port()
    assert found.status == "optional" and "next free one" in found.remedy
    assert workshop._port().status == "ok"


def test_memory_is_for_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda self: "MemTotal: 9 kB\nMemAvailable:    3000000 kB\n")
    for people, status in ((1, "ok"), (10, "ok"), (11, "missing")):
        found = workshop._memory(people, 300.0)
        assert found.status == status and "room for 10 at once" in found.found
    assert "for 11 people" in found.remedy

    def nothing(self: Path) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", nothing)
    assert workshop._memory(1, 300.0).status == "optional"


# Notebooks that run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("1 / 0", "a cell raised ZeroDivisionError: division by zero"),
        ("import socket; socket.create_connection(('192.0.2.1', 80), timeout=2)", "asked for the network"),
        ("import os; os._exit(3)", "its kernel died"),
    ],
)
def test_a_notebook_that_does_not_run(folder: Path, monkeypatch: pytest.MonkeyPatch, source: str, says: str) -> None:
    monkeypatch.setattr(workshop, "SHOWN", ("00_a.ipynb",))
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    write_notebook(folder / "00_a.ipynb", source)
    found = workshop._run([])
    assert found.status == "missing" and found.found.startswith("00_a.ipynb: ") and says in found.found


@pytest.mark.slow
def test_a_machine_that_is_too_slow_is_told_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workshop, "SHOWN", ("00_a.ipynb", "01_b.ipynb"))
    monkeypatch.setattr(workshop, "TIME", 4.0)
    write_notebook(folder / "00_a.ipynb", "import time; time.sleep(60)")
    found = workshop._run([])
    assert found.status == "optional" and "none within 4 s; no time was left for 00, 01" in found.found


# JupyterLab


@pytest.mark.slow
def test_jupyterlab_starts_and_is_gone_again(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as state, workshop._server(Path(state)) as (process, address, token):
        assert process.poll() is None
    assert process.poll() is not None and not workshop._get(f"{address}/api/status", token)


@pytest.mark.slow
def test_a_jupyterlab_that_does_not_start(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workshop, "NOTEBOOKS", folder / "not there")
    found = workshop._serves()
    assert found.status == "missing" and "its last words" in found.found and "make lab" in found.remedy


# The command


def quick(monkeypatch: pytest.MonkeyPatch, *found: Check) -> None:
    monkeypatch.setattr(cli, "NEEDED", [])
    monkeypatch.setattr(cli, "WANTED", [])
    monkeypatch.setattr(workshop, "found", lambda people: iter(found))


def test_the_exit_status_and_the_last_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    well = Check("a", "ok", "b")
    for third, status, says in (
        ("optional", 0, "Everything that a workshop needs is here."),
        ("missing", 1, "Missing for the workshop: 1."),
    ):
        quick(monkeypatch, well, Check("c", third, "d", "do this"))  # type: ignore[arg-type]
        assert cli.main(["doctor", "--workshop"]) == status
        lines = capsys.readouterr().out.splitlines()
        assert lines[1:4] == ["ok       a: b", f"{third:<9}c: d", "         -> do this"]
        assert lines[4].startswith(says)


def test_whatever_goes_wrong_is_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*args: Any) -> Check:
        raise RuntimeError("the roof is off")

    looks = [
        name
        for name in vars(workshop)
        if name
        in ("_notebooks", "_sweeps", "_recorded", "_answers", "_disk", "_site", "_port", "_serves", "_run", "_memory")
    ]
    assert len(looks) == 10
    for name in looks:
        monkeypatch.setattr(workshop, name, broken)
    monkeypatch.setattr(cli, "NEEDED", [])
    monkeypatch.setattr(cli, "WANTED", [])
    assert cli.main(["doctor", "--workshop", "3"]) == 1
    out = capsys.readouterr().out
    assert out.count("RuntimeError: the roof is off") == 10 and "Missing for the workshop: 10." in out
    assert all(re.match("ok |missing |optional | +-> |What|Missing", line) for line in out.splitlines())


@pytest.mark.parametrize("people", ["0", "-1", "many", "1.5"])
def test_people_are_counted(capsys: pytest.CaptureFixture[str], people: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["doctor", f"--workshop={people}"])
    assert "is no number of people" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="memory is not measured there")
def test_a_kernel_has_the_memory_of_itself_alone(tmp_path: Path) -> None:
    """Not that of a larger process that started it, whose peak a child inherits on Linux."""
    held = np.ones(75_000_000)  # 600 MB
    write_notebook(tmp_path / "one.ipynb", "1 + 1")
    peaks: list[float] = []
    assert workshop._executed(tmp_path / "one.ipynb", 60.0, peaks) == ""
    assert held.nbytes == 600e6 and len(peaks) == 1 and 20 < peaks[0] < 300


@pytest.mark.slow
def test_all_is_well_for_a_workshop_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(workshop, "SHOWN", ("00_start_here.ipynb",))
    before = sorted(workshop.NOTEBOOKS.glob("*.[ij]*"))
    assert cli.main(["doctor", "--workshop", "2"]) == 0
    out = capsys.readouterr().out
    assert "missing" not in out and "Everything that a workshop needs is here." in out
    assert all(re.match("ok |optional | +-> |What|Everything", line) for line in out.splitlines())
    assert re.search(r"ok +JupyterLab starts and serves the notebooks: within \d+ s", out)
    assert re.search(r"ok +the notebooks run, with no network: 00 in \d+ s, with connections .* refused", out)
    memory = re.search(r"(\d+) MB for the largest notebook", out)
    assert memory and 40 < int(memory[1]) < 1500
    assert sorted(workshop.NOTEBOOKS.glob("*.[ij]*")) == before


def test_what_the_sheets_show_trains_nothing() -> None:
    """So that PyTorch is never needed in class."""
    for file in workshop.SHOWN:
        cells = json.loads((workshop.NOTEBOOKS / file).read_text(encoding="utf-8"))["cells"]
        assert not any("kdlab.lm import stages" in "".join(cell["source"]) for cell in cells)
