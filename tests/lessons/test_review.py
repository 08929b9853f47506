"""The end of notebook 08: what was predicted, beside what happened, whatever the file of answers holds."""

import re
from pathlib import Path
from typing import Any

import pytest
from support.fake_results import fake_results

from kdlab import mixtures
from kdlab.core import answers
from kdlab.lessons import card
from kdlab.lessons.predictions import QUESTIONS, predict, question
from kdlab.lessons.review import Row, review

IDS = [one.id for one in QUESTIONS]


def guess(name: str, option: int, **changed: Any) -> None:
    """Keep a guess as a view does."""
    asked = question(name)
    entry = {"question": asked.text, "options": list(asked.options), "guess": asked.options[option]}
    answers.record(asked.key, {**entry, **changed})


def row(name: str, results: Any = None) -> Row:
    return review(results).rows[IDS.index(name)]


def test_without_a_guess_nothing_is_given_away(folder: Path) -> None:
    found = review(fake_results())
    assert [one.question.id for one in found.rows] == IDS
    for one in found.rows:
        assert one.guess is None and one.came_true is None and one.happened == ""
        assert one.guessed == f"You made no guess here: notebook {one.question.id[:2]}, “{one.question.section}”, asks."
    assert found.summary == f"You have made none of the {len(IDS)} guesses yet."
    html = found._repr_mimebundle_()["text/html"]
    for outcome in (one.outcome for one in QUESTIONS):
        assert outcome.partition(".")[0] not in str(found) + html
    assert list(folder.iterdir()) == []


def test_a_guess_that_a_view_kept_stands_beside_what_happened() -> None:
    sweep = mixtures.teacher_entropy("line", 1, "diag", positions=5)
    for option, true in ((0, True), (2, False)):
        view = mixtures.show(sweep, predict=predict("00.line"))
        view.commit(question("00.line").options[option])
        found = row("00.line")
        assert found.came_true is true and found.guessed == question("00.line").options[option]
        right, wrong = "As you guessed: {}.", "Otherwise: {}. See notebook 00, “First guess, then look”."
        assert found.happened == (right if true else wrong).format("precision rises, recall falls")


def test_what_happened_in_07_is_the_runs() -> None:
    guess("07.direct", 1)
    assert row("07.direct", fake_results(direct=(-6.0, -4.5))).happened.startswith("As you guessed: the direct")
    assert row("07.direct", fake_results(direct=(-7.0, -4.5))).happened.startswith("Otherwise: the direct student's")
    assert row("07.direct", fake_results({}, direct=None)).happened.startswith("None of the options says quite this")


def test_guesses_that_are_no_option_any_more_and_other_entries_are_passed_over() -> None:
    for none in ("Something else", 3, ["x"], None):
        guess("00.line", 0, guess=none)
        assert row("00.line").guess is None
    for key, entry in (
        ("prediction 00.line", {}),
        ("exercise 00.1", {"answer": "x"}),
        ("prediction 99.x", {"guess": "y"}),
    ):
        answers.record(key, entry)
    for name, option in (("02.ring", 1), ("02.falls", 0)):  # the second of which did not come true
        guess(name, option)
    assert review().summary == f"You made 2 of {len(IDS)} guesses; 1 of them came true."


def test_a_broken_file_is_said_and_stays(folder: Path) -> None:
    (folder / answers.FILE).write_text("broken", encoding="utf-8")
    found = review()
    assert "could not be read" in found.summary and "my_answers.json" in found.summary
    assert found.summary in str(found)
    assert (folder / answers.FILE).read_text(encoding="utf-8") == "broken"


def test_another_folder_and_the_one_that_the_environment_names(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guess("00.line", 0)
    (folder / "elsewhere").mkdir()
    assert review(folder=folder / "elsewhere").rows[0].guess is None
    monkeypatch.setenv("KDLAB_ANSWERS", str(folder / "elsewhere"))
    assert review().rows[0].guess is None and review(folder=folder).rows[0].guess is not None
    guess("00.line", 1)
    assert (folder / "elsewhere" / answers.FILE).is_file() and review().rows[0].came_true is False


def test_the_page_is_a_table_with_every_cell_and_no_script() -> None:
    guess("02.ring", 1)
    found = review()
    page = found._repr_mimebundle_()["text/html"]
    assert page.startswith(card.STYLE) and "<script" not in page
    assert re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', page) == ["The question", "You guessed", "What happened"]
    assert page.count("<tr>") == len(IDS) + 1 and page.count("</td>") == 3 * len(IDS)
    assert f">{found.summary}</caption>" in page
    assert card.inline(row("02.ring").happened) in page
