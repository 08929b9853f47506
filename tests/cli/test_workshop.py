"""What the doctor says the day before a workshop: whatever is missing is named, and nothing is a traceback."""

import json
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import nbformat
import numpy as np
import pytest
from support.lab import write_notebook

from kdlab.cli import doctor, main, server, workshop
from kdlab.cli.doctor import Check
from kdlab.core import answers, files
from kdlab.core.files import notebooks_folder
from kdlab.lm.report import summary
from kdlab.mixtures import experiment

FILES = sorted(workshop.SHOWN + workshop.BESIDES)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A repository of one's own, with the committed notebooks."""
    own = tmp_path / "notebooks"
    own.mkdir()
    for file in FILES:
        shutil.copy(workshop.NOTEBOOKS / file, own)
    monkeypatch.setattr(workshop, "NOTEBOOKS", own)
    monkeypatch.delenv("KDLAB_ANSWERS", raising=False)
    return own


def test_the_committed_notebooks_are_all_there(folder):
    assert sorted(path.name for path in notebooks_folder().glob("*.ipynb")) == FILES
    assert workshop._notebooks() == Check("ok", f"11 in {folder}")


def emptied(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, path)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (Path.unlink, "is not there"),
        (emptied, "has lost what its cells showed"),
        (lambda path: path.write_bytes(b"{"), "cannot be read (JSONDecodeError"),
        (lambda path: path.write_bytes(b"[]"), "cannot be read (TypeError"),
        (lambda path: path.write_bytes(b"\xff"), "cannot be read (UnicodeDecodeError"),
    ],
)
def test_a_notebook_that_is_not_whole(folder, spoil, says):
    spoil(folder / "02_teacher_entropy.ipynb")
    found = workshop._notebooks()
    assert found.status == "missing" and found.found.startswith(f"02_teacher_entropy.ipynb {says}")
    assert "git clone" in found.remedy


def test_a_wheel_has_no_notebooks_and_that_is_one_complaint(tmp_path, monkeypatch):
    """Unless it is asked where they are."""
    monkeypatch.setattr(workshop, "NOTEBOOKS", tmp_path / "notebooks")
    monkeypatch.setattr(workshop, "_sweeps", lambda: Check("ok", "4"))
    missing = [check for check in workshop.found() if check.status == "missing"]
    assert [check.found for check in missing] == [f"none in {tmp_path / 'notebooks'}"]
    assert "git clone" in missing[0].remedy and "git checkout" not in missing[0].remedy
    monkeypatch.setattr(files, "PACKAGE", tmp_path / "site-packages" / "kdlab")
    monkeypatch.chdir(tmp_path)
    assert notebooks_folder() == tmp_path / "site-packages" / "notebooks"
    (tmp_path / FILES[0]).touch()
    assert notebooks_folder() == tmp_path


def named(start: str) -> Check:
    """The line whose name begins so, once those before it have been looked at."""
    return next(check for check in workshop.found() if check.name.startswith(start))


def test_sweeps_of_this_version_and_of_another(monkeypatch):
    good = workshop._sweeps()
    assert (good.status, good.found) == ("ok", "20 sweeps, each scene compared with a fresh fit")
    load = experiment._load

    def other(settings: Any) -> Any:
        sweep = load(settings)
        if settings.scene == "falls":
            object.__setattr__(sweep, "precision", sweep.precision + 1e-3)
        return sweep

    monkeypatch.setattr(experiment, "_load", other)  # one that cannot be read at all is in test_doctor
    found = named("every prepared sweep")
    assert found.status == "missing" and "falls holds other numbers than this version" in found.found
    assert "make sweeps" in found.remedy


def test_recorded_runs(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # from anywhere
    assert workshop._recorded().status == "ok"
    monkeypatch.setattr(summary, "recorded_folder", lambda: tmp_path)
    found = named("the recorded runs")
    assert found.status == "missing" and "recorded/cpu" in found.found and "git clone" in found.remedy


def test_a_folder_that_cannot_be_written(folder, monkeypatch):
    assert workshop._answers() == Check("ok", f"{folder} can be written")
    before = sorted(folder.iterdir())
    # File modes would not stop every user that runs tests.
    monkeypatch.setattr(tempfile, "TemporaryFile", Mock(side_effect=PermissionError(13, "Permission denied")))
    found = workshop._answers()
    assert (found.status, found.found) == ("missing", f"{folder} cannot be written (Permission denied)")
    assert "KDLAB_ANSWERS" in found.remedy and sorted(folder.iterdir()) == before


def test_answers_may_be_kept_elsewhere_and_those_of_the_instructor_would_be_seen(folder, tmp_path, monkeypatch):
    answers.record("prediction 00.line", {"guess": "x"}, folder)
    found = workshop._answers()
    assert found.status == "optional" and str(folder / answers.FILE) in found.remedy
    monkeypatch.setenv("KDLAB_ANSWERS", str(tmp_path / "not there"))
    assert workshop._answers().status == "missing"
    monkeypatch.setenv("KDLAB_ANSWERS", str(tmp_path))
    assert workshop._answers().found == f"{tmp_path} can be written"


def test_little_room_on_the_disk(folder, monkeypatch):
    for free, status in ((5e9, "ok"), (4e6, "optional")):
        monkeypatch.setattr(shutil, "disk_usage", Mock(return_value=SimpleNamespace(free=free)))
        assert workshop._disk().status == status
    assert workshop._disk().found == "4 MB free"


def test_the_site_is_built_or_not(folder):
    found = workshop._site()
    assert (found.status, found.found) == ("optional", "not built") and "make site" in found.remedy
    site = folder.parent / "site"
    site.mkdir()
    (site / "index.html").write_text("<p>", encoding="utf-8")
    assert workshop._site().status == "ok" and str(site / "00_start_here.html") in workshop._site().found


def test_a_port_in_use_is_no_fault(monkeypatch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        monkeypatch.setattr(workshop, "PORT", other.getsockname()[1])
        other.listen()
        found = workshop._port()
    assert found.status == "optional" and "next free one" in found.remedy
    assert workshop._port().status == "ok"


def test_memory_is_for_so_many(monkeypatch):
    monkeypatch.setattr(workshop.machine, "free_memory", lambda: 3_072_000_000)
    for people, status in ((1, "ok"), (10, "ok"), (11, "missing")):
        found = workshop._memory(people, 300.0)
        assert found.status == status and "room for 10 at once" in found.found
    assert "for 11 people" in found.remedy
    monkeypatch.setattr(workshop.machine, "free_memory", lambda: None)
    assert workshop._memory(1, 300.0).status == "optional"


# Notebooks that run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "says"),
    [
        (
            "import socket; socket.create_connection(('192.0.2.1', 80), timeout=2)",
            "00_a.ipynb: a cell raised OSError: asked for the network: ('192.0.2.1', 80)",
        ),
        ("import os; os._exit(3)", "00_a.ipynb: its kernel died"),
    ],
)
def test_a_notebook_that_does_not_run(folder, monkeypatch, source, says):
    monkeypatch.setattr(workshop, "SHOWN", ("00_a.ipynb",))
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    write_notebook(folder / "00_a.ipynb", source)
    found = workshop._run([])
    assert found.status == "missing" and found.found.startswith(says)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [{"base_url": "/x/"}, {"certfile": "/no/where"}, {"sock": "/no/where"}, {"preferred_dir": "/usr"}]
)
def test_jupyterlab_starts_whatever_this_machine_s_configuration_says(folder, tmp_path, monkeypatch, settings):
    (tmp_path / "jupyter_server_config.json").write_text(json.dumps({"ServerApp": settings}))
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(tmp_path))
    assert workshop._serves().status == "ok"


@pytest.mark.slow
def test_a_kernel_that_does_not_come(folder, tmp_path, monkeypatch):
    kernel = tmp_path / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(json.dumps({"argv": ["sh", "-c", "exec sleep 30"], "display_name": "x", "language": "x"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert "starts sh, not this Python" in workshop._run([]).found
    monkeypatch.setattr(workshop, "kernel_fault", lambda: None)
    monkeypatch.setattr(workshop, "TIME", 2.0)
    assert "no time was left for 00, 01" in workshop._run([]).found
    kernel.write_text(json.dumps({"argv": ["false"], "display_name": "x", "language": "x"}))
    monkeypatch.setattr(workshop, "TIME", 45.0)
    assert workshop._run([]).found.startswith("00_start_here.ipynb: its kernel did not start (Kernel died")


@pytest.mark.slow
def test_a_machine_that_is_too_slow_is_told_so(folder, monkeypatch):
    monkeypatch.setattr(workshop, "SHOWN", ("00_a.ipynb", "01_b.ipynb"))
    monkeypatch.setattr(workshop, "TIME", 1.0)
    write_notebook(folder / "00_a.ipynb", "import time; time.sleep(60)")
    found = workshop._run([])
    assert found.status == "optional" and "none within 1 s; no time was left for 00, 01" in found.found


def test_a_jupyterlab_that_does_not_start(monkeypatch):
    monkeypatch.setattr(workshop, "jupyterlab", Mock(side_effect=server.NotStarted("broken on purpose")))
    found = workshop._serves()
    assert found.status == "missing" and "make lab" in found.remedy
    assert found.found == "no answer; its last words: broken on purpose"


# The command


def quick(monkeypatch: pytest.MonkeyPatch, *found: Check) -> None:
    monkeypatch.setattr(doctor, "NEEDED", {})
    monkeypatch.setattr(doctor, "WANTED", {})
    if found:
        monkeypatch.setattr(workshop, "found", lambda people: iter(found))


def test_the_exit_status_and_the_last_line(monkeypatch, capsys):
    well = Check("ok", "b", name="a")
    for third, status, says in (
        ("optional", 0, "Everything that a workshop needs is here."),
        ("missing", 1, "Missing for the workshop: 1."),
    ):
        quick(monkeypatch, well, Check(third, "d", "do this", "c"))  # type: ignore[arg-type]
        assert main(["doctor", "--workshop"]) == status
        lines = capsys.readouterr().out.splitlines()
        assert lines[1:4] == ["ok       a: b", f"{third:<9}c: d", "         -> do this"]
        assert lines[4].startswith(says)


def test_whatever_goes_wrong_is_a_line(monkeypatch, capsys):
    looks = ("notebooks", "sweeps", "recorded", "answers", "disk", "site", "port", "serves", "run", "memory")
    for name in looks:
        monkeypatch.setattr(workshop, f"_{name}", Mock(side_effect=RuntimeError("the roof is off")))
    quick(monkeypatch)
    assert main(["doctor", "--workshop", "3"]) == 1
    out = capsys.readouterr().out
    assert out.count("RuntimeError: the roof is off") == 10 and "Missing for the workshop: 10." in out
    assert all(re.match("ok |missing |optional | +-> |What|Missing", line) for line in out.splitlines())


@pytest.mark.slow
def test_all_is_well_for_a_workshop_here(monkeypatch, capsys):
    """And JupyterLab is gone afterwards; a kernel's memory is its own, not that of a larger process that started it."""
    held, served = np.ones(75_000_000), []  # 600 MB; on Linux a child inherits its parent's peak

    @contextmanager
    def jupyterlab(*args: Any) -> Iterator[tuple[str, str]]:
        with server.jupyterlab(*args) as where:
            served.append(where)
            yield where

    monkeypatch.setattr(workshop, "jupyterlab", jupyterlab)
    monkeypatch.setattr(workshop, "SHOWN", ("00_start_here.ipynb",))
    before = sorted(workshop.NOTEBOOKS.glob("*.[ij]*"))
    assert main(["doctor", "--workshop", "2"]) == 0
    out = capsys.readouterr().out
    assert "missing" not in out and "Everything that a workshop needs is here." in out
    assert all(re.match("ok |optional | +-> |What|Everything", line) for line in out.splitlines())
    assert re.search(r"ok +JupyterLab starts and serves the notebooks: within \d+ s", out)
    assert re.search(r"ok +the notebooks run, with no network: 00 in \d+ s, with connections .* refused", out)
    memory = re.search(r"(\d+) MB for the largest notebook", out)
    assert memory and 40 < int(memory[1]) < held.nbytes / 1.2e6
    assert sorted(workshop.NOTEBOOKS.glob("*.[ij]*")) == before
    ((address, token),) = served
    assert not server.is_there(f"{address}/api/status", token)


def test_what_the_sheets_show_needs_no_pytorch():
    """Though what they do not show does."""
    asks = [file for file in FILES if "kdlab.lm.pipeline" in (workshop.NOTEBOOKS / file).read_text(encoding="utf-8")]
    assert asks == ["05_meet_smollm2.ipynb", "06_distil_smollm2.ipynb", "measure_your_own.ipynb"]
    assert not set(asks) & set(workshop.SHOWN)
