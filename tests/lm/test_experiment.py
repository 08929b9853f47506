"""Runs without torch: settings, folders, progress, and results that read and draw anywhere."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from support.lab import write_notebook

from kdlab.cli import main
from kdlab.lm import experiment as runs
from kdlab.lm import folder as progress
from kdlab.lm import headless
from kdlab.lm import plots as plots_runs
from kdlab.lm.experiment import PRESETS, RunConfig
from kdlab.lm.folder import Line

ROOT = Path(__file__).resolve().parents[2]


def estimate(value: float, error: float = 0.05, over_seeds: float | None = None) -> dict[str, Any]:
    return {
        "value": value,
        "over_sequences": error,
        "over_seeds": over_seeds,
        "by_seed": [value],
        "n_sequences": 100,
    }


def both(value: float, over_seeds: float | None = None) -> dict[str, Any]:
    return {"token": estimate(value, 0.05, over_seeds), "sequence": estimate(20 * value, 1.0, over_seeds)}


def model(name: str, role: str, tau: float | None, at: tuple[float, float], seeds: float | None) -> dict[str, Any]:
    precision, recall = at
    own = {"precision": both(precision, seeds), "recall": both(recall, seeds)}
    return {"name": name, "role": role, "tau": tau, "seeds": [0], **own}


def results(over_seeds: float | None = None) -> dict[str, Any]:
    """What a run may have found, by hand."""
    return {
        "schema": runs.SCHEMA,
        "config": asdict(RunConfig.of("cpu", {"taus": (0.6, 1.0), "seeds": 2})),
        "seeds": [0] if over_seeds is None else [0, 1],
        "missing": ["seed 1: tau-0.6, tau-1"] if over_seeds is None else [],
        "device": "CPU",
        "date": "2025-01-01",
        "truth": {"name": "bundled", "negative_entropy": both(-2.83)},
        "curves": {"0": {"teacher": {"steps": [1, 2], "losses": [5.0, 4.0], "validation": [4.5]}}},
        "models": [
            model("teacher", "teacher", 1.0, (-6.12, -4.55), over_seeds),
            model("direct", "direct", None, (-6.14, -4.58), over_seeds),
            model("tau-0.6", "distilled", 0.6, (-3.73, -6.51), over_seeds),
            model("tau-1", "distilled", 1.0, (-6.51, -4.93), over_seeds),
        ],
        "texts": {"truth": ["One day, a little girl"] * 5, "direct": ["One day, a little " + "dog " * 12] * 5},
        "lost": [],
        "map": {},
    }


def written(folder: Path, content: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


# Settings


def test_the_presets_of_the_issue() -> None:
    assert list(PRESETS) == ["smoke", "cpu", "gpu", "paper"]
    cpu, paper = PRESETS["cpu"], PRESETS["paper"]
    assert (cpu.vocabulary, cpu.length, cpu.prompt, cpu.taus) == (4096, 32, "One day, a little", (0.6, 0.8, 0.9, 1.0))
    assert (paper.truth, paper.teacher, paper.student) == ("HuggingFaceTB/SmolLM2-1.7B", "360M", "135M")
    assert (paper.teacher_epochs, paper.student_epochs, paper.seeds, paper.batch, paper.rate) == (5, 1, 5, 256, 5e-4)
    assert all(RunConfig.of(name) == preset for name, preset in PRESETS.items())


def test_settings_as_text_and_as_values_are_the_same() -> None:
    text = {"taus": "1.0, 0.6", "seeds": "3", "rate": "1e-3", "vocabulary": "all", "corpus": "sample", "student": "2M"}
    values = {"taus": [0.6, 1], "seeds": 3, "rate": 0.001, "vocabulary": None, "corpus": "sample", "student": "2M"}
    made = RunConfig.of("cpu", text)
    assert made == RunConfig.of("cpu", values)
    assert (made.taus, made.seeds, made.rate, made.vocabulary) == ((0.6, 1.0), 3, 0.001, None)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"keep": "first"}, "keep is 'first': choose best or last"),
        ({"seed": "3"}, "'seed' is no setting of a run: did you mean 'seeds'"),
        ({"preset": "gpu"}, "'preset' is no setting of a run. There are truth, "),
        ({"lr": "0.1"}, "'lr' is no setting of a run: did you mean 'rate'?"),
        ({"temperature": "0.1"}, "did you mean 'taus'?"),
        ({"num_train_epochs": "1"}, "did you mean 'student_epochs'?"),
        ({"batch_size": "1"}, "did you mean 'batch'?"),
        ({"lengths": "9"}, "did you mean 'length'?"),
        ({"weight_decay": "0.1"}, "'weight_decay' is no setting of a run. There are truth, "),
        ({"seeds": "three"}, "seeds is 'three': it must be a whole number"),
        ({"seeds": "2.5"}, "whole number"),
        ({"seeds": True}, "whole number"),
        ({"taus": "0.6;1"}, "taus is '0.6;1': it must be numbers with commas"),
        ({"rate": "fast"}, "a number"),
        ({"prompt": 3}, "prompt is 3: it must be text"),
        ({"taus": "0,1"}, "positive temperatures"),
        ({"taus": "nan"}, "positive temperatures"),
        ({"taus": []}, "positive temperatures"),
        ({"taus": "1,1.0"}, "same temperature twice"),
        ({"vocabulary": "50000"}, "vocabulary is 50000: p* (bundled) has at most 49152"),
        ({"truth": "random", "vocabulary": "5000"}, "vocabulary is 5000"),
        ({"teacher": "3M"}, "size '3M' is not a rung of the family"),
        ({"student_sequences": "1"}, "student_sequences is 1: choose 2 or more"),
        ({"seeds": 0}, "seeds is 0: choose 1 or more"),
        ({"length": 1}, "length is 1"),
        ({"threads": -1}, "threads is -1"),
        ({"rate": "inf"}, "rate is inf"),
        ({"corpus": "new"}, "corpus is 'new'"),
        ({"prompt": ""}, "must not be empty"),
    ],
)
def test_settings_that_cannot_work_fail_before_any_work(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as caught:
        RunConfig.of("cpu", settings)
    assert said in str(caught.value)


def test_an_unknown_preset_gets_the_nearest_name() -> None:
    with pytest.raises(ValueError, match=r"'smok' is none of .* \(nearest: smoke\)"):
        RunConfig.of("smok")


def test_settings_of_the_command_line() -> None:
    assert headless.settings_from(["seeds=3", "prompt=a = b"]) == {"seeds": "3", "prompt": "a = b"}
    for wrong in (["seeds"], ["=3"], ["seeds=3", "seeds=4"]):
        with pytest.raises(ValueError, match="--set"):
            headless.settings_from(wrong)


# The folder


def test_a_folder_refuses_another_run(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    runs.begin(folder, RunConfig.of("smoke"))
    before = (folder / "run.json").read_bytes()
    runs.begin(folder, RunConfig.of("smoke"))
    assert (folder / "run.json").read_bytes() == before
    with pytest.raises(ValueError, match=r"batch was 32, now 16; length was 16, now 12"):
        runs.begin(folder, RunConfig.of("smoke", {"length": 12, "batch": 16}))
    assert (folder / "run.json").read_bytes() == before
    runs.begin(folder, RunConfig.of("smoke", {"seeds": 5, "threads": 2}))
    assert json.loads((folder / "run.json").read_text())["config"]["seeds"] == 5


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match="no run's folder"):
        runs.begin(tmp_path, RunConfig.of("smoke"))
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ValueError, match="cannot be read"):
        runs.begin(tmp_path, RunConfig.of("smoke"))


def test_other_versions_are_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.begin(tmp_path / "run", RunConfig.of("smoke"))
    monkeypatch.setattr(runs, "versions", lambda: {"torch": "99"})
    runs.begin(tmp_path / "run", RunConfig.of("smoke"))
    told = json.loads((tmp_path / "run" / "run.json").read_text())["versions"]
    assert len(told) == 2 and told[-1] == {"torch": "99"}


HOLD = """
import sys, time
from pathlib import Path
from kdlab.lm import experiment as runs
with runs.held(Path(sys.argv[1]), "command"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_run_in_a_folder_is_refused_until_the_first_is_dead(tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("filelock")
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout and other.stdout.readline() == "held\n"
        started = time.perf_counter()
        assert main(["run", "--preset", "smoke", "--out", str(tmp_path)]) == 1
        assert time.perf_counter() - started < 5
        assert "another process is at work in" in capsys.readouterr().err
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert (tmp_path / ".command.lock").exists()
        with runs.held(tmp_path, "command"), runs.held(tmp_path, "command"):
            pass
    finally:
        other.kill()
        other.communicate()


# Progress


def test_progress_reads_what_is_whole_and_goes_on_from_there(tmp_path: Path) -> None:
    assert progress.read(tmp_path) == ([], 0)
    shown: list[Line] = []
    log = progress.Log(tmp_path, shown.append)
    log.tell(Line("a", 0.5, tokens=10, seconds=2.0))
    first, place = progress.read(tmp_path)
    with (tmp_path / progress.FILE).open("a") as file:
        file.write('{"stage": "a", "fra')
    assert progress.read(tmp_path, place) == ([], place)
    again = progress.Log(tmp_path, shown.append)  # after a crash: what it cut short stays by itself
    again.tell(Line("b", 1.0))
    assert progress.read(tmp_path, place)[0] == [Line("b", 1.0)]
    assert first == [Line("a", 0.5, tokens=10, seconds=2.0)] and shown == [*first, Line("b", 1.0)]


def test_processes_side_by_side_add_tokens_and_not_time() -> None:
    lines = [Line("a", 0.5, 10, 2.0), Line("a", 1.0, 30, 4.0, rank=1), Line("a", 1.0, 10, 1.0), Line("b", 1.0)]
    assert progress.totals(lines) == [{"stage": "a", "tokens": 50, "seconds": 4.0, "tokens_per_second": 12}]


def test_a_line_says_how_fast_and_how_long_still(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = iter([0.0, 100.0, 150.0])
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    shown: list[Line] = []
    stage = progress.Log(tmp_path, shown.append).stage("write")
    stage.skip(0.5)  # at 100 s half is done, and not by us
    stage.step(0.75, 5000)  # 50 s for a quarter
    assert (shown[0].rate, shown[0].left, shown[0].seconds) == (100.0, 50.0, 50.0)
    assert progress.sentence(shown[0]).split() == ["write", "75", "%", "100", "tokens/s", "50", "s", "left"]


# Results


def test_results_that_cannot_be_read_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="there is no run there"):
        runs.read_results(tmp_path)
    runs.begin(tmp_path / "new", RunConfig.of("smoke"))
    with pytest.raises(ValueError, match="nothing to show yet: .* if nothing is running there, give the run's command"):
        runs.read_results(tmp_path / "new")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="the run that came with the notebooks is .*notebooks/recorded/cpu$"):
        runs.read_results("recorded/cpu")
    with pytest.raises(ValueError, match="schema 99"):
        runs.read_results(written(tmp_path / "future", {**results(), "schema": 99}))
    (tmp_path / "future" / "results.json").write_text('{"schema": 1')
    with pytest.raises(ValueError, match="cannot be read"):
        runs.read_results(tmp_path / "future")
    assert main(["results", str(tmp_path)]) == 1


def test_the_table_has_every_number_and_what_is_missing() -> None:
    lines = runs.table(results()).splitlines()
    assert "p* bundled with 4,096 tokens" in lines[0] and lines[0].endswith("; CPU, 2025-01-01")
    assert lines[2].split()[:5] == ["p*", "itself", "−2.83", "±", "0.05"]
    assert lines[5].split() == ["tau", "0.6", "−3.73", "±", "0.05", "−6.51", "±", "0.05"]
    assert lines[-2:] == ["seeds finished: 1 of 2", "not scored yet: seed 1: tau-0.6, tau-1"]
    several = runs.table(results(0.31), "sequence", where=False)
    assert "−74.60 ± 1.00 (0.31)" in several and "not scored" not in several and "2025" not in several


def test_samples_stand_side_by_side() -> None:
    lines = runs.side_by_side(results(), n=2, width=30).splitlines()
    assert lines[0].split() == ["p*", "direct"]
    assert lines[3] == "One day, a little girl        One day, a little dog dog"
    assert max(map(len, lines)) < 60 and len([line for line in lines if line.startswith("One day")]) == 2


def test_results_need_no_torch(tmp_path: Path) -> None:
    """On Binder there is none: a module that is None in sys.modules cannot be imported."""
    code = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = None; from kdlab.cli import main; "
        "import kdlab.lm.headless, kdlab.lm.folder; sys.exit(main(['results', sys.argv[1]]))"
    )
    folder = written(tmp_path, results())
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "−3.73" in done.stdout and (folder / "precision_recall.svg").is_file()


# Pictures


@pytest.mark.parametrize(("over_seeds", "length"), [(None, 0.05), (0.31, 0.31), (0.01, 0.05)])
def test_the_figure_puts_everyone_where_they_are(over_seeds: float | None, length: float) -> None:
    made = plots_runs.precision_recall(results(over_seeds))
    axes = made.axes[0]
    centres = {
        tuple(np.round(bar.lines[0].get_xydata()[0], 3)): bar
        for bar in axes.containers
        if bar.has_xerr and bar.has_yerr
    }
    assert set(centres) == {(-4.55, -6.12), (-4.58, -6.14), (-6.51, -3.73), (-4.93, -6.51)}
    across = centres[-6.51, -3.73].lines[2][0].get_segments()[0]
    np.testing.assert_allclose(across[:, 0], [-6.51 - length, -6.51 + length])
    path = next(line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_color() == "#D55E00")
    np.testing.assert_allclose(path.get_xydata(), [[-4.93, -6.51], [-6.51, -3.73]])
    assert any(np.allclose(line.get_xdata(), -2.83) for line in axes.lines)
    words = {text.get_text() for text in axes.texts} | {text.get_text() for text in made.texts}
    assert {"τ = 0.6", "τ = 1", "direct", "teacher"} <= words
    note = "one standard error, the larger of two" if over_seeds else "over sequences (one seed)"
    assert any(note in word for word in words)
    made.draw_without_rendering()
    assert all(0 <= text.get_window_extent().x0 and text.get_window_extent().x1 <= made.bbox.x1 for text in made.texts)
    assert "tau-0.6: precision −3.73, recall −6.51" in made.words


def test_the_same_figure_is_the_same_file(tmp_path: Path) -> None:
    some, others = ([p.read_bytes() for p in plots_runs.save(results(), tmp_path / name)] for name in ("a", "b"))
    assert some[0] == others[0] and some[0].startswith(b"\x89PNG")


def test_words_of_the_losses_say_where_each_was_lowest() -> None:
    curve = {"steps": [1, 2], "losses": [6.0, 4.5], "validation": [5.5, 5.25, 6.125]}
    words = plots_runs.loss_curves({**results(), "curves": {"0": {"tau-0.6": curve}}}).words
    assert "tau-0.6 ends at 4.50" in words
    assert "On texts of p*, after the last pass: tau-0.6 6.12 (lowest 5.25 after pass 2)." in words


def test_names_at_the_ends_of_losses_are_apart_and_in_their_order() -> None:
    ends = {"direct": 4.5, "tau-0.6": 4.502, "tau-0.8": 4.501, "teacher": 4.0}
    curves = {name: {"steps": [1], "losses": [6.0], "validation": [6.0, end]} for name, end in ends.items()}
    made = plots_runs.loss_curves({**results(), "curves": {"0": curves}})
    made.draw_without_rendering()
    names = sorted(made.axes[1].texts, key=lambda text: text.get_window_extent().y0)
    assert [name.get_text() for name in names] == ["teacher", "direct", "τ = 0.8", "τ = 0.6"]
    boxes = [name.get_window_extent() for name in names]
    assert not any(some.overlaps(other) for some, other in itertools.combinations(boxes, 2))
    axes, whole = made.axes[1], made.bbox
    assert all(box.x0 > axes.transData.transform((2, 4))[0] and box.x1 < whole.x1 for box in boxes)


def test_pictures_of_a_run_that_has_just_begun() -> None:
    empty = {**results(), "models": [], "seeds": [], "curves": {}, "truth": {"name": "bundled"}}
    assert "image/png" in plots_runs.precision_recall(empty)._repr_mimebundle_()[0]
    assert "image/png" in plots_runs.loss_curves(empty)._repr_mimebundle_()[0]
    assert "teacher ends at 4.00" in plots_runs.loss_curves(results()).words


# Notebooks


def notebook(path: Path, parameters: str, body: str = "print(RUN)") -> Path:
    write_notebook(path, parameters, body)
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
    with pytest.raises(headless.Failed, match="RUN is 'x', declared as int"):
        headless.parameters(notebook(tmp_path / "c.ipynb", "RUN: int = 3"), offered)


def test_every_notebook_of_a_run_takes_its_parameters() -> None:
    offered = {"RUN": "x", "PRESET": "smoke", "SETTINGS": {}}
    for path in headless.notebooks():
        assert headless.parameters(path, offered)["RUN"] == "x"


@pytest.mark.slow
def test_a_notebook_that_fails_is_left_with_its_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = notebook(tmp_path / "06_broken.ipynb", 'RUN: str = "x"', "print('so far', RUN)\n1 / 0")
    monkeypatch.setattr(headless, "notebooks", lambda: [broken])
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(headless.Failed, match="06_broken.ipynb stopped in cell .* ZeroDivisionError"):
        headless._notebooks(out, {"RUN": str(out)})
    assert f"so far {out}" in (out / "06_broken.ipynb").read_text()
    assert "ZeroDivisionError" in (out / "06_broken.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("asked", [False, True])
def test_a_kernel_that_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, asked: bool) -> None:
    """By a kill of all processes it is as if interrupted, whichever of them it reaches first; otherwise it is said."""
    kill = "import os, signal\n" + ("os.kill(os.getppid(), signal.SIGTERM)\n" if asked else "")
    dying = notebook(tmp_path / "06_dying.ipynb", 'RUN: str = "x"', kill + "os.kill(os.getpid(), signal.SIGKILL)")
    monkeypatch.setattr(headless, "notebooks", lambda: [dying])
    out = tmp_path / "out"
    out.mkdir()
    with (
        pytest.raises(KeyboardInterrupt if asked else headless.Failed) as caught,
        headless._terminated_like_interrupted(),
    ):
        headless._notebooks(out, {"RUN": str(out)})
    assert asked or "06_dying.ipynb stopped: its kernel died" in str(caught.value)
    assert capsys.readouterr().out == "06_dying …\n" and (out / "06_dying.html").is_file()


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


def test_what_cannot_work_leaves_no_folder_and_what_takes_long_is_said_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def absent(config: RunConfig) -> None:
        said.append("look")
        raise ValueError("p* is not here")

    monkeypatch.setattr(headless, "_look_ahead", absent)
    monkeypatch.setattr(headless, "_agreed", lambda config, yes: said.append("estimate"))
    with pytest.raises(ValueError, match="p. is not here"):
        headless.run("paper", tmp_path / "run", {}, yes=True)
    assert said == ["estimate", "look"] and not (tmp_path / "run").exists()


def test_other_ranks_do_not_touch_the_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    followed: list[Any] = []
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(headless, "_follow", lambda *given: followed.append(given))
    headless.run("smoke", tmp_path / "run", {"seeds": "1"})
    assert followed == [("smoke", tmp_path / "run", {"seeds": "1"})] and not (tmp_path / "run").exists()
