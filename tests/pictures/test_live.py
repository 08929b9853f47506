"""The question before the picture: a guess is committed once, kept for its question only, and never in the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kdlab.core import answers
from kdlab.mixtures import experiment as experiments
from kdlab.mixtures import view as widgets
from kdlab.mixtures.experiment import MixtureSweep


@pytest.fixture(scope="module")
def sweep() -> MixtureSweep:
    return experiments.teacher_entropy("line", 1, "diag", positions=5)


QUESTION = {"question": "And recall?", "options": ["rises", "falls"], "outcome": "It fell."}


def test_a_guess_is_committed_from_python_as_by_a_click(sweep: MixtureSweep) -> None:
    view = widgets.show(sweep, predict=QUESTION)
    assert view.prediction == {**QUESTION, "guess": None}
    with pytest.raises(ValueError, match=r"'soars' is not among the options: choose one of \['rises', 'falls'\]"):
        view.commit("soars")
    view.commit("falls")
    assert view.prediction["guess"] == "falls"


def test_no_question_no_guess(sweep: MixtureSweep) -> None:
    view = widgets.show(sweep)
    with pytest.raises(ValueError, match="has no question"):
        view.commit("falls")


@pytest.mark.parametrize(
    "predict", [{}, {"question": "?"}, {**QUESTION, "options": []}, {**QUESTION, "options": "falls"}]
)
def test_a_question_must_be_whole(sweep: MixtureSweep, predict: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"has no usable .*: give"):
        widgets.show(sweep, predict=predict)


# A prediction with an id is kept beside the notebook

KEPT = {**QUESTION, "id": "02.ring"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(answers, "_told", set())
    return tmp_path


def click(view: widgets.MixtureView, guess: str) -> None:
    """Commit a guess as a message from the page does."""
    view.set_state({"prediction": {**view.prediction, "guess": guess}})


@pytest.mark.parametrize("commit", [click, widgets.MixtureView.commit])
def test_a_guess_is_there_when_the_cell_runs_again(
    sweep: MixtureSweep, folder: Path, commit: Callable[..., None]
) -> None:
    commit(widgets.show(sweep, predict=KEPT), "rises")
    entry = {"question": "And recall?", "options": ["rises", "falls"], "guess": "rises"}
    assert answers.read() == {"prediction 02.ring": entry}
    again = widgets.show(sweep, predict=KEPT)
    assert again.prediction == {**KEPT, "guess": "rises"} and again.errors == []
    answers.forget()
    assert widgets.show(sweep, predict=KEPT).prediction["guess"] is None


def test_a_guess_is_for_one_question_and_its_options(sweep: MixtureSweep, folder: Path) -> None:
    widgets.show(sweep, predict=KEPT).commit("rises")
    for other in ({**KEPT, "id": "02.falls"}, QUESTION, {**KEPT, "options": ["rises", "falls", "stays"]}):
        assert widgets.show(sweep, predict=other).prediction["guess"] is None


@pytest.mark.parametrize(
    "entry", [{"options": ["rises", "falls"]}, {"options": ["rises", "falls"], "guess": ["x"]}, {}]
)
def test_an_entry_that_somebody_changed_covers_the_picture_again(
    sweep: MixtureSweep, folder: Path, entry: dict[str, Any]
) -> None:
    answers.record("prediction 02.ring", entry)
    assert widgets.show(sweep, predict=KEPT).prediction["guess"] is None


def test_nothing_is_written_without_an_id_or_without_a_guess(sweep: MixtureSweep, folder: Path) -> None:
    widgets.show(sweep, predict=QUESTION).commit("falls")
    shown = widgets.show(sweep, predict=KEPT)
    shown._repr_mimebundle_()
    shown.filmstrip([1, 5])
    assert list(folder.iterdir()) == []


def test_an_id_is_a_name(sweep: MixtureSweep) -> None:
    with pytest.raises(ValueError, match="The id of a prediction is 3: give it a name"):
        widgets.show(sweep, predict={**QUESTION, "id": 3})


def test_what_is_committed_to_git_does_not_depend_on_a_kept_guess(sweep: MixtureSweep, folder: Path) -> None:
    def still() -> dict[str, Any]:
        data, metadata = widgets.show(sweep, predict=KEPT)._repr_mimebundle_()
        return {"plain": data["text/plain"], "png": data["image/png"], "alt": metadata["image/png"]}

    without = still()
    widgets.show(sweep, predict=KEPT).commit("rises")
    assert still() == without
    (folder / "my_answers.json").write_text("broken", encoding="utf-8")
    assert still() == without


def test_a_broken_file_is_said_on_the_page_and_the_picture_goes_on(sweep: MixtureSweep, folder: Path) -> None:
    (folder / "my_answers.json").write_text("broken", encoding="utf-8")
    shown = widgets.show(sweep, predict=KEPT)
    assert shown.errors == [] and shown.prediction["guess"] is None
    click(shown, "falls")
    assert shown.prediction["guess"] == "falls"
    assert len(shown.errors) == 1 and "my_answers.json cannot be read" in shown.kernel_error
    assert (folder / "my_answers.json").read_text(encoding="utf-8") == "broken"
