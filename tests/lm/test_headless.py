"""Runs without a reader: what is done before, in which order, what is printed, and what a kill or a failure leaves."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from support.lab import write_notebook

from kdlab.cli import main
from kdlab.lm import headless
from kdlab.lm.experiment import RunConfig
from kdlab.lm.folder import Line

HOLD = """
import sys
from pathlib import Path
from kdlab.core.files import held
with held(Path(sys.argv[1]), "work"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_settings_of_the_command_line() -> None:
    assert headless.settings_from(["seeds=3", "prompt=a = b"]) == {"seeds": "3", "prompt": "a = b"}
    for wrong in (["seeds"], ["=3"], ["seeds=3", "seeds=4"]):
        with pytest.raises(ValueError, match="--set"):
            headless.settings_from(wrong)


def test_what_cannot_work_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And how long it would take is said first."""
    said: list[str] = []

    def absent(config: RunConfig) -> None:
        said.append("look")
        raise ValueError("p* is not here")

    monkeypatch.setattr(headless, "_look_ahead", absent)
    monkeypatch.setattr(headless, "_agreed", lambda config, yes: said.append("estimate"))
    with pytest.raises(ValueError, match="p. is not here"):
        headless.run("paper", tmp_path / "run", {}, yes=True)
    assert said == ["estimate", "look"] and not (tmp_path / "run").exists()


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a run does, in order; nothing is computed, and nothing executed."""
    stages: Any = pytest.importorskip("kdlab.lm.pipeline.stages", exc_type=ImportError)
    done: list[str] = []
    run = SimpleNamespace()
    monkeypatch.setattr(stages, "opened", lambda out, preset, settings, show: done.append(f"open {out.name}") or run)
    monkeypatch.setattr(stages, "everything", lambda run: done.append("work"))
    monkeypatch.setattr(stages, "close", lambda run: done.append("close"))
    monkeypatch.setattr(headless, "_execute", lambda notebook, done_, own: done.append(notebook.name[:2]))
    monkeypatch.setattr(headless, "_page", lambda notebook: None)
    monkeypatch.setattr(headless, "read_results", lambda out: {})
    monkeypatch.setattr(headless, "table", lambda results: "the table")
    return done


def test_the_folder_is_given_back_before_the_notebooks_open_it(steps: list[str], tmp_path: Path, capsys: Any) -> None:
    headless.run("smoke", tmp_path / "run", {})
    assert steps == ["open run", "work", "close", "05", "06", "07"]
    assert capsys.readouterr().out.splitlines()[-1] == "the table"
    steps.clear()
    headless.run("smoke", tmp_path / "run", {}, plain=True)
    assert steps == ["open run", "work", "close"]


def test_notebooks_are_told_the_folder_of_p_star_from_the_root_on(steps: Any, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "m" / "folder").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(headless, "_look_ahead", lambda config: None)
    given: list[Any] = []
    monkeypatch.setattr(headless, "_execute", lambda notebook, done, own: given.append(own))
    headless.run("smoke", Path("run"), {"truth": "m/folder"})
    assert given[1]["RUN"] == str(tmp_path / "run")
    assert given[1]["SETTINGS"] == {"truth": str(tmp_path / "m" / "folder")}


def test_what_is_wanted_last_is_looked_for_first(
    steps: list[str], tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    command = ["run", "--preset", "smoke", "--out", str(tmp_path / "run")]
    with monkeypatch.context() as patch:
        patch.setattr(headless, "_EXECUTE", ("no_such_package",))
        assert main(command) == 1
    with monkeypatch.context() as patch:
        patch.setattr(headless, "home", lambda: None)
        assert main(command) == 1
    monkeypatch.setattr(headless, "notebooks_folder", lambda: tmp_path)
    assert main(command) == 1
    said = capsys.readouterr().err.splitlines()
    parts = ("pip install no_such_package", "set HOME to one", f"no notebook 05 to 07 in {tmp_path}")
    assert len(said) == 3 and all(
        part in line and "--no-notebooks" in line for part, line in zip(parts, said, strict=True)
    )
    assert steps == [] and main([*command, "--no-notebooks"]) == 0


def test_a_stage_that_fails(steps: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """The notebooks are there all the same."""
    from kdlab.lm.pipeline import stages

    def fails(run: Any) -> None:
        raise RuntimeError("the GPU is full")

    def stops(notebook: Path, done: Path, own: Any) -> None:
        steps.append(notebook.name[:2])
        raise headless.Failed("a cell stopped")

    monkeypatch.setattr(stages, "everything", fails)
    monkeypatch.setattr(headless, "_execute", stops)
    assert main(["run", "--preset", "smoke", "--out", str(tmp_path / "run")]) == 1
    told = capsys.readouterr()
    assert steps == ["open run", "close", "05", "06", "07"] and "the table" not in told.out
    assert "kdlab run: stopped: RuntimeError: the GPU is full\nThe executed notebooks are in" in told.err
    assert "give the same command again, and it goes on from what is done" in told.err
    for plain in ({"plain": True}, {}):  # the first without notebooks; the second under torchrun
        with pytest.raises(RuntimeError, match="the GPU is full"):
            headless.run("smoke", tmp_path / "run", {}, **plain)
        monkeypatch.setenv("WORLD_SIZE", "2")


def test_a_disk_that_is_full_does_not_hide_what_a_stage_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*asked: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / "05.ipynb"))

    monkeypatch.setattr("papermill.execute_notebook", full)
    for failed, said in (
        (None, "05_.* stopped: .*No space.*05.ipynb.*make room"),
        (ValueError("why"), "ValueError: why"),
    ):
        with pytest.raises(headless.Failed, match=said):
            headless._notebooks(tmp_path, {"RUN": str(tmp_path)}, failed)


def test_other_processes(steps: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> None:
    """They work in step, and execute nothing."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    headless.run("smoke", tmp_path / "run", {"seeds": "1"})
    assert steps == ["open run", "work", "close"] and capsys.readouterr().out == ""
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setattr(headless, "_execute", lambda *given: steps.append(os.environ.get("WORLD_SIZE", "alone")))
    headless.run("smoke", tmp_path / "run", {"seeds": "1"})
    assert steps[-3:] == ["alone"] * 3


def test_where_another_process_works_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    stages: Any = pytest.importorskip("kdlab.lm.pipeline.stages", exc_type=ImportError)
    monkeypatch.setattr(stages, "_PATIENCE", 0.1)
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout and other.stdout.readline() == "held\n"
        assert main(["run", "--preset", "smoke", "--out", str(tmp_path)]) == 1
        assert "another process is at work in" in capsys.readouterr().err
        other.kill()


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_on_a_terminal_is_overwritten(terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    clock = iter([0.0, 1.0, 100.0, 100.0, 101.0, 102.0, 102.0, 103.0])
    monkeypatch.setattr(headless.time, "monotonic", lambda: next(clock))
    show = headless.printed()
    for line in (Line("a", 0.1), Line("a", 0.2), Line("a", 0.9), Line("a", 1.0), Line("b", 0.0, note="damaged")):
        show(line)
    out = capsys.readouterr().out
    if terminal:
        assert out.count("\r") == 5 and out.count("\n") == 2
    else:  # at once, after a second, after a minute and more, when it is over
        assert [line.split()[:2] for line in out.splitlines()] == [["a", "90"], ["a", "100"], ["b", "damaged"]]


def notebook(path: Path, parameters: str, *bodies: str) -> Path:
    write_notebook(path, parameters, *(bodies or ["print(RUN)"]))
    content = nbformat.read(path, as_version=4)
    content.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(content, path)
    return path


def test_parameters_are_those_that_a_notebook_declares(tmp_path: Path) -> None:
    offered = {"RUN": "x", "PRESET": "smoke", "SETTINGS": {}}
    one = notebook(tmp_path / "a.ipynb", 'RUN: str = "runs/smoke"\nSETTINGS: dict = {}')
    assert headless.parameters(one, offered) == {"RUN": "x", "SETTINGS": {}}
    with pytest.raises(headless.Failed, match="no parameter RUN"):
        headless.parameters(notebook(tmp_path / "b.ipynb", 'FOLDER: str = "x"'), offered)
    for path in headless.notebooks():
        assert headless.parameters(path, offered)["RUN"] == "x"


@pytest.mark.slow
def test_a_notebook_that_fails_is_left_with_its_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = notebook(tmp_path / "06_broken.ipynb", 'RUN: str = "x"', "print('so far', RUN)\n1 / 0")
    monkeypatch.setattr(headless, "notebooks", lambda: [broken])
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(headless.Failed, match="06_broken.ipynb stopped in cell In .3.: ZeroDivisionError"):
        headless._notebooks(out, {"RUN": str(out)})
    assert f"so far {out}" in (out / "06_broken.ipynb").read_text()
    assert "ZeroDivisionError" in (out / "06_broken.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("asked", [False, True])
def test_a_kernel_that_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, asked: bool) -> None:
    """By a kill of all processes it is as if interrupted, whichever of them it reaches first; otherwise it is said."""
    kill = "import os, signal\n" + ("os.kill(os.getppid(), signal.SIGTERM)\n" if asked else "")
    body = kill + "print('so far', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)"
    dying = notebook(tmp_path / "06_dying.ipynb", 'RUN: str = "x"', body, "print('never')")
    monkeypatch.setattr(headless, "notebooks", lambda: [dying])
    out = tmp_path / "out"
    out.mkdir()
    with (
        pytest.raises(KeyboardInterrupt if asked else headless.Failed) as caught,
        headless._terminated_like_interrupted(),
    ):
        headless._notebooks(out, {"RUN": str(out)})
    assert asked or "06_dying.ipynb stopped in cell In [3]: its kernel died" in str(caught.value)
    assert capsys.readouterr().out == "06_dying …\n"
    content = nbformat.read(out / "06_dying.ipynb", as_version=4)
    found = [
        (cell.source.split(" ")[0], cell.metadata.papermill.status)
        for cell in content.cells
        if "papermill" in cell.metadata
    ]
    assert found[2:] == [("import", "failed"), ("print('never')", "pending")]
    page = (out / "06_dying.html").read_text()
    assert re.search(r'Broken off in <a href="#broken-off">cell In \[3\]</a>: (its kernel died|interrupted)', page)
    assert (
        0 < page.index('id="broken-off"') < page.index("so far") < page.index("Broken off here") < page.index("never")
    )


@pytest.mark.slow
def test_a_kernel_of_this_python_that_starts_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another kernel of the same name is passed over; one that takes too long is a line, not a traceback."""
    other = tmp_path / "jupyter" / "kernels" / "python3"
    other.mkdir(parents=True)
    (other / "kernel.json").write_text('{"argv": ["/no/where/python"], "display_name": "x", "language": "python"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    one = notebook(tmp_path / "06_one.ipynb", 'RUN: str = "x"', "import sys\nprint(sys.executable)")
    monkeypatch.setattr(headless, "notebooks", lambda: [one])
    (tmp_path / "out").mkdir()
    headless._notebooks(tmp_path / "out", {"RUN": "x"})
    assert sys.executable in (tmp_path / "out" / "06_one.ipynb").read_text()
    assert os.environ["JUPYTER_PATH"] == str(tmp_path / "jupyter")
    assert headless._STARTS > 300
    monkeypatch.setattr(headless, "_STARTS", 1)
    monkeypatch.setattr(headless, "_kernel_of_this_python", nullcontext)
    late = {"argv": ["sh", "-c", "exec sleep 30"], "display_name": "x", "language": "python"}
    (other / "kernel.json").write_text(json.dumps(late))
    with pytest.raises(
        headless.Failed, match="06_one.ipynb did not begin: .* .Kernel didn't respond in 1 seconds; it may take 1 s"
    ):
        headless._notebooks(tmp_path / "out", {"RUN": "x"})


def test_a_kill_may_come_before_or_after_the_kernel_has_died(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headless, "_LATER", 0.2)
    with headless._terminated_like_interrupted():
        headless._interrupted_after_all()  # nobody asked: nothing is raised
        timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            headless._interrupted_after_all()
        with pytest.raises(KeyboardInterrupt):
            headless._interrupted_after_all()
        timer.join()
