"""The question before the picture: a guess is committed once, kept for its question only, and never in the way."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.fake_sweep import fake_sweep

from kdlab.core import answers
from kdlab.core.files import PACKAGE
from kdlab.mixtures.view import MixtureView, show
from kdlab.pictures.live import front_end, plain

SWEEP = fake_sweep()
QUESTION = {"question": "And recall?", "options": ["rises", "falls"], "outcome": "It fell."}
KEPT = {**QUESTION, "id": "02.ring"}  # with an id it is kept beside the notebook


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(answers, "_told", set())
    return tmp_path


def click(view: MixtureView, guess: str) -> None:
    """Commit a guess as a message from the page does."""
    view.set_state({"prediction": {**view.prediction, "guess": guess}})


def test_a_page_is_made_of_what_all_views_share_and_its_own_files() -> None:
    source = front_end("pictures/quiz.js")
    assert source.index("class Live") < source.index("class Quiz extends Live")
    with pytest.raises(FileNotFoundError):
        front_end("pictures/quizz.js")
    assert "/*" not in source and " // " not in source and "\n//" not in source
    assert plain([[1 / 3, 2]]) == [[0.33333, 2.0]] and plain(SWEEP.betas[:1], 1) == [1.0]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.js")), ids=lambda path: path.stem)
def test_comments_are_told_from_text_by_a_space_after_the_slashes(path: Path) -> None:
    """What `front_end` leaves out stands in no text of the code: before it, quotes are closed."""
    for line in re.sub(r"/\*(?s:.*?)\*/", "", path.read_text("utf-8")).splitlines():
        code, slashes, _ = line.partition(" // ")
        assert not slashes or all(code.count(quote) % 2 == 0 for quote in "\"'`"), line


@pytest.mark.parametrize("commit", [click, MixtureView.commit])
def test_a_guess_is_there_when_the_cell_runs_again(commit: Callable[..., None]) -> None:
    view = show(SWEEP, predict=KEPT)
    assert view.prediction == {**KEPT, "guess": None}
    commit(view, "rises")
    entry = {"question": "And recall?", "options": ["rises", "falls"], "guess": "rises"}
    assert answers.read() == {"prediction 02.ring": entry}
    again = show(SWEEP, predict=KEPT)
    assert again.prediction == view.prediction == {**KEPT, "guess": "rises"} and again.errors == []
    answers.forget()
    assert show(SWEEP, predict=KEPT).prediction["guess"] is None


def test_a_guess_that_cannot_be_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"'soars' is not among the options: choose one of \['rises', 'falls'\]"):
        show(SWEEP, predict=QUESTION).commit("soars")
    with pytest.raises(ValueError, match="has no question"):
        show(SWEEP).commit("falls")


@pytest.mark.parametrize(
    ("predict", "said"),
    [
        ({}, "has no usable question, options, outcome: give"),
        ({"question": "?"}, "has no usable options, outcome: give"),
        ({**QUESTION, "options": []}, "has no usable options: give"),
        ({**QUESTION, "options": "falls"}, "has no usable options: give"),
        ({**QUESTION, "id": 3}, "The id of a prediction is 3: give it a name"),
    ],
)
def test_a_question_must_be_whole_and_an_id_a_name(predict: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        show(SWEEP, predict=predict)


def test_a_guess_is_for_one_question_and_its_options() -> None:
    show(SWEEP, predict=KEPT).commit("rises")
    for other in ({**KEPT, "id": "02.falls"}, QUESTION, {**KEPT, "options": ["rises", "falls", "stays"]}):
        assert show(SWEEP, predict=other).prediction["guess"] is None
    for changed in ({"options": ["rises", "falls"]}, {"options": ["rises", "falls"], "guess": ["x"]}, {}):
        answers.record("prediction 02.ring", changed)
        assert show(SWEEP, predict=KEPT).prediction["guess"] is None


def test_nothing_is_written_without_an_id_or_without_a_guess(folder: Path) -> None:
    show(SWEEP, predict=QUESTION).commit("falls")
    shown = show(SWEEP, predict=KEPT)
    shown._repr_mimebundle_()
    shown.filmstrip([1, 5])
    assert list(folder.iterdir()) == []


def test_what_is_committed_to_git_does_not_depend_on_a_kept_guess(folder: Path) -> None:
    def kept() -> dict[str, Any]:
        data, metadata = show(SWEEP, predict=KEPT)._repr_mimebundle_()
        return {"plain": data["text/plain"], "png": data["image/png"], "alt": metadata["image/png"]}

    without = kept()
    show(SWEEP, predict=KEPT).commit("rises")
    assert kept() == without
    (folder / answers.FILE).write_text("broken", encoding="utf-8")
    assert kept() == without


def test_a_broken_file_is_said_on_the_page_and_the_picture_goes_on(folder: Path) -> None:
    (folder / answers.FILE).write_text("broken", encoding="utf-8")
    shown = show(SWEEP, predict=KEPT)
    assert shown.errors == [] and shown.prediction["guess"] is None
    click(shown, "falls")
    assert shown.prediction["guess"] == "falls"
    assert len(shown.errors) == 1 and "my_answers.json cannot be read" in shown.kernel_error
    assert (folder / answers.FILE).read_text(encoding="utf-8") == "broken"
