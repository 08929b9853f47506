"""What the neighbours' notebooks ask: one exercise each, questions below the heading that they name, few cells."""

import re
from pathlib import Path
from typing import Any

import pytest
from support.repository import NEIGHBOURS, ROOT, cells, questions_asked

from kdlab import neighbours
from kdlab.lessons import exercise, exercises_of
from kdlab.lessons.kinds import Choice
from kdlab.lessons.predictions import NEIGHBOURS as QUESTIONS
from kdlab.lessons.predictions import predict

every_neighbour = pytest.mark.parametrize("path", NEIGHBOURS, ids=lambda path: path.stem)


@every_neighbour
def test_a_neighbour_has_a_module_a_page_and_a_place_in_the_readme(path: Path) -> None:
    module = (ROOT / "kdlab/neighbours" / f"{path.stem}.py").read_text(encoding="utf-8")
    assert len(module.splitlines()) <= 150 and path.stem in neighbours.__all__
    assert not re.search(r"^(import|from) (torch|scipy)", module, flags=re.M)
    assert len(cells(path)) <= 25
    page = (path.parent / "README.md").read_text(encoding="utf-8")
    assert f"]({path.name})" in page
    cited = re.findall(r"arxiv\.org/abs/(\d+\.\d+)", "".join(cell.source for cell in cells(path, "markdown")))
    assert cited[0] in page


@every_neighbour
def test_its_exercise_is_a_choice_with_wrong_answers_explained(path: Path) -> None:
    (one,) = exercises_of(path.stem)
    assert isinstance(one, Choice) and exercise(f"{path.stem}.1") is one
    assert len(one.options) >= 3 and all(len(why.split()) > 8 for why in one.wrong.values())
    shown = [cell.source for cell in cells(path, "code") if f'exercise("{one.id}")' in cell.source]
    assert len(shown) == 1
    assert one.check(one.answer).kind == "right"
    assert {one.check(option).kind for option in one.options if option != one.answer} == {"wrong"}


@every_neighbour
def test_its_questions_stand_below_their_headings(path: Path) -> None:
    assert questions_asked(path) == [(one.id, one.section) for one in QUESTIONS if one.id.startswith(f"{path.stem}.")]


@pytest.mark.parametrize("one", QUESTIONS, ids=[one.id for one in QUESTIONS])
def test_a_question_is_whole_and_its_answer_is_an_option(one: Any) -> None:
    assert len(set(one.options)) == len(one.options) >= 3 and one.text.endswith("?") and one.outcome.endswith(".")
    assert one.answer in one.options and predict(one.id)["outcome"] == one.outcome
    assert one.id.split(".")[0] in {path.stem for path in NEIGHBOURS}


def test_four_neighbours_at_least_have_a_live_picture() -> None:
    live = [path for path in NEIGHBOURS if any(re.search(r"\bshow\(", cell.source) for cell in cells(path, "code"))]
    assert len(NEIGHBOURS) == 8 and len(live) >= 4


NUMBER = re.compile(r"[+−-]?\d*\.\d+|[+−-]?\d+")


def read(text: str) -> list[tuple[float, int]]:
    """The numbers of a text, and how many decimals each has."""
    found = [number.replace("−", "-") for number in NUMBER.findall(text)]
    return [(float(number), len(number.partition(".")[2])) for number in found if "." in number]


@every_neighbour
def test_every_number_of_the_tying_page_is_printed_in_its_notebook(path: Path) -> None:
    page = (path.parent / "README.md").read_text(encoding="utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith("| [") and f"]({path.name})" in line]
    _, _, _, here, explains, _ = row.split("|")
    printed = [
        output.get("text", "") + output.get("data", {}).get("text/plain", "")
        for cell in cells(path, "code")
        for output in cell.outputs
    ]
    known = [value for value, _ in read(" ".join(printed))]
    for value, decimals in read(here + explains):
        near = [one for one in known if abs(one - value) <= 0.5000001 * 10.0**-decimals]
        assert near, f"{value} of the page is nowhere in {path.name}"
