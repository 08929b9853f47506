"""The page for instructors: its minutes add up, and what it names is there; its numbers have a module of their own."""

import re

import dry_run
import pytest
from support import repository
from support.repository import BOOKS, NOTEBOOKS, ROOT
from support.sheets import BOLD, BY_NAME, QUOTED, ROWS, SHEETS, VALUE, Row, cells, every_row, rows, section, text

from kdlab import ngrams
from kdlab.cli import commands, workshop
from kdlab.lessons import exercise
from kdlab.lessons.predictions import QUESTIONS
from kdlab.mixtures.experiment import CHOICES
from kdlab.ngrams import tries


def headings(name: str) -> list[str]:
    return re.findall(r"^## (.*)$", repository.prose(NOTEBOOKS / name), flags=re.M)


# Minutes


@pytest.mark.parametrize("sheet", SHEETS)
def test_minutes_add_up_without_gap_or_overlap(sheet: str) -> None:
    found = rows(sheet)
    ends = [0, *(row.end for row in found)]
    assert [row.start for row in found] == ends[:-1] and ends[-1] == SHEETS[sheet]
    assert all(2 < row.end - row.start <= 10 for row in found)


@every_row
def test_every_row_is_whole_and_short_and_shows_what_is_there(sheet: str, row: Row) -> None:
    if row.show.startswith("Break"):
        assert not row.ask + row.expect + row.say and not row.parts
        return
    assert row.parts and row.ask.endswith(("?", ".")) and row.expect and row.say
    assert all(len(part.split()) <= 60 for part in (row.show, row.ask, row.expect, row.say))
    for name, heading in row.parts:
        assert heading in headings(name), f"{name} has no section {heading!r}"


def test_what_is_cut_saves_what_is_said() -> None:
    named = {"nine": 9, "fourteen": 14, "three": 3}
    for line in section("When you are late").splitlines():
        found = re.match(r"- \*\*(\d+ minutes):\*\* (.*) That saves (?:about )?(\w+) minutes\.", line)
        if not found:
            continue
        sheet, cut, minutes = found.groups()
        saved = 0
        for part in QUOTED.findall(cut):
            (row,) = [row for row in rows(sheet) if part in [heading for _, heading in row.parts]]
            saved += 2 if part == "Is the trade-off monotone?" else row.end - row.start
        if "invented" in cut:
            (row,) = [row for row in rows(sheet) if any("invented" in heading for _, heading in row.parts)]
            saved += row.end - row.start
        assert saved == named.pop(minutes)
    assert not named


# What it names


def test_headings_named_elsewhere_are_in_some_notebook() -> None:
    known = {heading for path in BOOKS for heading in headings(path.name)}
    late = QUOTED.findall(section("When you are late") + section("When something fails"))
    assert len(late) > 5 and set(late) <= known


def test_exercises_are_there_and_in_the_notebook_of_the_row() -> None:
    found = 0
    for _, row in ROWS:
        for name in re.findall(r"exercise (\d\d\.\d)", row.show):
            assert exercise(name).id == name and any(one.startswith(name[:2]) for one in row.notebooks)
            found += 1
    assert found == 3
    assert exercise(*re.findall(r"exercise (\d\d\.\d)", section("When you are late"))).id == "02.1"


def test_controls_are_on_the_page_and_go_where_the_sheet_says() -> None:
    page = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "kdlab").rglob("*.js"))
    moved = [(row, control) for _, row in ROWS for control in BOLD.findall(row.show)]
    moved += [(None, one) for one in BOLD.findall(section("When you are late").split("time to spare")[1])]
    assert len(moved) > 12
    for row, (name, *values) in moved:
        assert re.search(rf'["`]{re.escape(name)}[",]', page, flags=re.I), name
        numbers = [float(value.replace(",", "")) for value in values if re.fullmatch(VALUE, value)]
        if name == "β":
            assert numbers and all(1 <= value <= 100 for value in numbers)
        elif name == "τ":
            taus = ngrams.teacher_temperature().taus
            assert numbers and all(abs(taus - value).min() < 1e-9 for value in numbers)
        elif name == "k":
            assert numbers and set(numbers) <= set(tries.DRAWS.tolist())
        elif name == "K″":
            assert numbers and all(value in CHOICES["n_components"] for value in numbers)
        elif name == "Scene":
            assert values[0].strip("*") in CHOICES["scene"].values()
        else:
            assert name == "Reset" and row is not None and row.notebooks == ["01_precision_and_recall.ipynb"]


def test_what_it_quotes_from_a_notebook_is_an_option_there() -> None:
    options = {option for one in QUESTIONS for option in one.options}
    both = "Both rise: a better teacher makes a better student"
    assert both in options and all(both in section(sheet) for sheet in SHEETS)
    asked = {one.text for one in QUESTIONS}
    assert "You drag β from 1 to 100. What happens to the student?" in asked & {row.ask for _, row in ROWS}


def test_commands_are_those_that_there_are() -> None:
    spans = re.findall(r"`([^`]+)`", text())
    makefile = repository.text("Makefile")
    for span in spans:
        if span.startswith("make "):
            assert re.search(rf"^{span[5:]}:", makefile, flags=re.M), span
    assert {span for span in spans if "doctor" in span} == {
        ".venv/bin/kdlab doctor --workshop", ".venv/bin/kdlab doctor --workshop 30", "kdlab doctor",
    }  # fmt: skip
    assert commands._people("30") == 30


def test_the_doctor_runs_what_the_sheets_show() -> None:
    shown = {name for _, row in ROWS for name in row.notebooks}
    assert shown == set(workshop.SHOWN)
    assert {name for row in rows("60 minutes") for name in row.notebooks} == set(workshop.SHOWN[:4])


# Links


def test_misconceptions_are_the_ones_that_the_links_lead_to() -> None:
    defined = dict(re.findall(r"^\[(\w+)\]: MISCONCEPTIONS\.md#(\d+)-", text(), flags=re.M))
    used = {name: words for words, name in BY_NAME.findall(text())}
    assert used.keys() == defined.keys() and len(used) > 7
    assert all(used[name] == f"misconception {defined[name]}" == f"misconception {name[1:]}" for name in used)


def test_the_readme_leads_here_and_says_the_same_minutes() -> None:
    listed = re.findall(
        r"\| \[(?:\d\d|own|measure)\]\((\w+\.ipynb)\) \| (\d+) \|", section("How long each notebook takes")
    )
    readme = repository.text("README.md")
    assert listed == re.findall(r"\]\(notebooks/(\w+\.ipynb)\) \|.*\| (\d+) \|", readme) and len(listed) == 11
    assert "(notebooks/INSTRUCTOR.md)" in readme


# The dry run


def seconds(each: float) -> dict[str, list[float]]:
    return {name: [each] * len(cells(name)) for name in workshop.SHOWN}


def test_every_row_leaves_time_to_answer() -> None:
    """At half a second for each cell, and with all that is read and said: people have a minute and a half at least."""
    for sheet in SHEETS:
        told, short = dry_run.table(sheet, seconds(0.5))
        assert short == 0
        left = [int(line.rsplit("|", 2)[1]) for line in told.splitlines() if re.match(r"\| \d", line)]
        assert len(left) == len(rows(sheet)) and min(left) >= 90
    told, short = dry_run.table("60 minutes", seconds(60.0))  # cells that are too slow
    assert short > 0 and told.count("SHORT") == short


def test_cells_count_once_and_in_the_row_that_comes_to_them() -> None:
    for sheet in SHEETS:
        reached: dict[str, int] = {}
        read: set[tuple[str, str]] = set()
        whole = sum(dry_run.needs(row, seconds(1.0), reached, read)["cells"] for row in rows(sheet))
        assert whole == sum(reached.values()) > 0


def test_words_are_those_of_the_sections() -> None:
    ring, openings = "02_teacher_entropy.ipynb", ("## What is only usual", "So from end to end the trade", "While β is")
    prose = [cell.source for cell in cells(ring) if cell.cell_type == "markdown" and cell.source.startswith(openings)]
    assert len(prose) == 3
    assert dry_run.words(ring, ["What is only usual"]) == len(" ".join(prose).split())
