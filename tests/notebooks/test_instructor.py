"""The page for instructors: its minutes add up, what it names is there, and its numbers are computed again."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import nbformat
import numpy as np
import pytest
from support.printed import NUMBER, said, sweep
from support.sheets import BOLD, NOTEBOOKS, QUOTED, SHEETS, Row, rows, section, text

from kdlab import precision, recall
from kdlab.cli import commands as cli
from kdlab.cli import workshop
from kdlab.lessons import exercise
from kdlab.lm.report import summary as accounts
from kdlab.lm.report import tradeoff as findings
from kdlab.lm.report.tradeoff import Change
from kdlab.mixtures import experiment as experiments
from kdlab.mixtures import mechanism, scenes
from kdlab.mixtures import single as bells
from kdlab.mixtures.experiment import CHOICES
from kdlab.mixtures.scenes import line_mixture
from kdlab.ngrams.experiment import NGramSweep

ROOT = NOTEBOOKS.parent
INLINE = re.compile(r"\[([^\]]*)\]\(([^)]*)\)")
BY_NAME = re.compile(r"\[([^\]]*)\]\[(\w+)\]")
ALL = [(sheet, row) for sheet in SHEETS for row in rows(sheet)]
every_row = pytest.mark.parametrize(
    ("sheet", "row"), ALL, ids=[f"{sheet[:3].strip()}: {row.start}" for sheet, row in ALL]
)


def cells(name: str) -> list[Any]:
    return list(nbformat.read(NOTEBOOKS / name, as_version=4).cells)


def headings(name: str) -> list[str]:
    prose = "\n".join(cell.source for cell in cells(name) if cell.cell_type == "markdown")
    return re.findall(r"^## (.*)$", prose, flags=re.M)


# Minutes


@pytest.mark.parametrize("sheet", SHEETS)
def test_minutes_add_up_without_gap_or_overlap(sheet: str) -> None:
    found = rows(sheet)
    ends = [0, *(row.end for row in found)]
    assert [row.start for row in found] == ends[:-1] and ends[-1] == SHEETS[sheet]
    assert all(2 < row.end - row.start <= 10 for row in found)


def test_that_the_check_of_minutes_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    import sheets

    whole = text()
    for wrong in (whole.replace("| 14–20 |", "| 15–20 |"), whole.replace("| 57–60 |", "| 57–61 |")):
        assert wrong != whole
        monkeypatch.setattr(sheets, "text", lambda wrong=wrong: wrong)
        with pytest.raises(AssertionError):
            test_minutes_add_up_without_gap_or_overlap("60 minutes")


@every_row
def test_every_row_is_whole_and_short(sheet: str, row: Row) -> None:
    if row.show.startswith("Break"):
        assert not row.ask + row.expect + row.say and not row.parts
        return
    assert row.parts and row.ask.endswith(("?", ".")) and row.expect and row.say
    assert all(len(part.split()) <= 60 for part in (row.show, row.ask, row.expect, row.say))


def test_what_is_cut_saves_what_is_said() -> None:
    named = {"nine": 9, "seventeen": 17}
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


@every_row
def test_headings_are_in_the_notebooks(sheet: str, row: Row) -> None:
    for name, heading in row.parts:
        assert heading in headings(name), f"{name} has no section {heading!r}"


def test_headings_named_elsewhere_are_in_some_notebook() -> None:
    known = {heading for path in NOTEBOOKS.glob("*.ipynb") for heading in headings(path.name)}
    late = QUOTED.findall(section("When you are late") + section("When something fails"))
    assert len(late) > 5 and set(late) <= known


def test_exercises_are_there_and_in_the_notebook_of_the_row() -> None:
    found = 0
    for _, row in ALL:
        for name in re.findall(r"exercise (\d\d\.\d)", row.show):
            assert exercise(name).id == name and any(one.startswith(name[:2]) for one in row.notebooks)
            found += 1
    assert found == 3
    assert exercise(*re.findall(r"exercise (\d\d\.\d)", section("When you are late"))).id == "02.1"


def test_controls_are_on_the_page_and_go_where_the_sheet_says() -> None:
    page = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "kdlab").rglob("*.js"))
    moved = [(row, control) for _, row in ALL for control in BOLD.findall(row.show)]
    moved += [(None, one) for one in BOLD.findall(section("When you are late").split("time to spare")[1])]
    assert len(moved) > 12
    for row, (name, *values) in moved:
        assert re.search(rf'["`]{re.escape(name)}[",]', page, flags=re.I), name
        numbers = [float(value) for value in values if re.fullmatch(r"[\d.]+", value)]
        if name == "β":
            assert numbers and all(1 <= value <= 100 for value in numbers)
        elif name == "τ":
            taus = experiments.teacher_temperature().taus
            assert numbers and all(abs(taus - value).min() < 1e-9 for value in numbers)
        elif name == "K″":
            assert numbers and all(value in CHOICES["n_components"] for value in numbers)
        elif name == "Scene":
            assert values[0].strip("*") in CHOICES["scene"].values()
        else:
            assert name == "Reset" and row is not None and row.notebooks == ["01_precision_and_recall.ipynb"]


def test_what_it_quotes_from_a_notebook_is_an_option_there() -> None:
    from kdlab.lessons import predictions as questions

    options = {option for one in questions.QUESTIONS for option in one.options}
    both = "Both rise: a better teacher makes a better student"
    assert both in options and all(both in section(sheet) for sheet in SHEETS)
    asked = {one.text for one in questions.QUESTIONS}
    assert "You drag β from 1 to 100. What happens to the student?" in asked & {row.ask for _, row in ALL}


def test_commands_are_those_that_there_are() -> None:
    spans = re.findall(r"`([^`]+)`", text())
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for span in spans:
        if span.startswith("make "):
            assert re.search(rf"^{span[5:]}:", makefile, flags=re.M), span
    assert {span for span in spans if "doctor" in span} == {
        ".venv/bin/kdlab doctor --workshop", ".venv/bin/kdlab doctor --workshop 30", "kdlab doctor",
    }  # fmt: skip
    assert cli._people("30") == 30


def test_the_doctor_runs_what_the_sheets_show() -> None:
    shown = {name for _, row in ALL for name in row.notebooks}
    assert shown == set(workshop.SHOWN)
    assert {name for row in rows("60 minutes") for name in row.notebooks} == set(workshop.SHOWN[:4])


# Links


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_link_resolves() -> None:
    targets = [target for _, target in INLINE.findall(text())] + re.findall(r"^\[\w+\]: (.*)$", text(), flags=re.M)
    assert len(targets) > 30
    for target in targets:
        name, _, anchor = target.partition("#")
        assert (NOTEBOOKS / name).is_file(), target
        if anchor:
            known = re.findall(r"^## (.*)$", (NOTEBOOKS / name).read_text(encoding="utf-8"), flags=re.M)
            assert anchor in [slug(heading) for heading in known], target


def test_misconceptions_are_the_ones_that_the_links_lead_to() -> None:
    defined = dict(re.findall(r"^\[(\w+)\]: MISCONCEPTIONS\.md#(\d+)-", text(), flags=re.M))
    used = {name: words for words, name in BY_NAME.findall(text())}
    assert used.keys() == defined.keys() and len(used) > 7
    assert all(used[name] == f"misconception {defined[name]}" == f"misconception {name[1:]}" for name in used)


def test_the_readme_and_the_site_lead_here() -> None:
    assert "(notebooks/INSTRUCTOR.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_minutes_of_the_notebooks_are_those_of_the_readme() -> None:
    listed = re.findall(r"\| \[\d\d\]\((\w+\.ipynb)\) \| (\d+) \|", section("How long each notebook takes"))
    readme = re.findall(
        r"\]\(notebooks/(\w+\.ipynb)\) \|.*\| (\d+) \|", (ROOT / "README.md").read_text(encoding="utf-8")
    )
    assert listed == readme and len(listed) == 8


# Numbers: in the order in which a row asks, expects and says them


def numbers(row: Row) -> list[str]:
    told = " | ".join((row.ask, row.expect, row.say))
    return NUMBER.findall(BY_NAME.sub("", INLINE.sub("", told)))


def first() -> list[str]:
    one = sweep("line", 1)
    ends = [said(path[place]) for path in (one.precision, one.recall) for place in (0, -1)]
    assert (np.diff(one.precision) > 0).all() and (np.diff(one.recall) < 0).all()
    return ends


def covered() -> list[str]:
    found = {beta: sweep("line", 1).at(beta) for beta in (2, 5, 20)}
    counts = [int(position.covered.sum()) for position in found.values()]
    assert counts == [3, 2, 1]  # three, two, one
    return ["2", said(found[5].beta), said(found[20].beta)]


def bell() -> list[str]:
    truth = scenes.make_scene("line").truth
    centre, width = float(truth.mean[0]), float(truth.covariance[0, 0] ** 0.5)
    at = [bells.measure(truth, centre=centre, width=width * factor).recall for factor in (0.95, 1, 1.05)]
    assert at[1] == max(at)
    spikes = [bells.measure(truth, centre=-3.0, width=width).precision for width in (0.45, 0.1, 0.01)]
    assert spikes == sorted(spikes)  # narrower, and narrower still
    return [said(centre), said(width)]


def corner() -> list[str]:
    truth = scenes.make_scene("line").truth
    entropy = said(-recall(truth, truth).value)
    assert (
        said(-precision(truth, truth).value) == entropy == printed("01_precision_and_recall.ipynb", "entropy of p*:")[0]
    )
    return [entropy]


def missing_and_invented() -> list[str]:
    truth = scenes.make_scene("line").truth
    missing = line_mixture([4 / 9, 3 / 9, 2 / 9], [-3, -1, 1], [0.45] * 3)
    invented = line_mixture([0.36, 0.27, 0.18, 0.09, 0.1], [-3, -1, 1, 3, 6], [0.45] * 5)
    own = precision(truth, truth).value
    return [said(measure(one, truth).value - own) for one in (missing, invented) for measure in (precision, recall)]


def ring() -> list[str]:
    one = sweep("ring", 1)
    return [said(path[place]) for path in (one.precision, one.recall) for place in (0, -1)]


def dip() -> list[str]:
    at = sweep("ring", 1).at(5)
    assert at.precision < sweep("ring", 1).precision[0]
    return [said(at.beta), said(at.precision)]


def printed(name: str, words: str) -> list[str]:
    """The numbers of the line that a notebook prints with these words; nbval compares it when it runs."""
    lines = [line for cell in cells(name) if cell.cell_type == "code" for output in cell.outputs
             for line in output.get("text", "").splitlines()]  # fmt: skip
    (line,) = [line for line in lines if line.startswith(words)]
    return NUMBER.findall(line.replace(words, ""))


RING = "02_teacher_entropy.ipynb"


def usual() -> list[str]:
    rises = printed(RING, "precision ends higher than it began:")
    dips = printed(RING, "precision dips on the way, by over 0.01 nats:")
    return [*rises, *dips]


def falls() -> list[str]:
    assert printed(RING, "recall ends lower than it began:") == ["40", "40"]
    return ["40", "40"]


def hole() -> list[str]:
    one = sweep("falls", 1)
    lowest = int(one.precision.argmin())
    assert abs(one.betas[lowest] - 3.7) < 0.05  # where the sheet leaves the slider
    return [said(one.precision[0]), said(one.precision[lowest]), said(one.precision[-1])]


def as_large() -> list[str]:
    four = sweep("ring", 4)
    gains, of, *_ = printed(RING, "a student of four gains in")
    assert of == "40"  # forty draws
    return [said(four.precision[0]), said(four.precision[-1]), gains]


def released() -> list[str]:
    gain = printed(RING, "gain in precision:")
    (theirs, _) = printed(RING, "On the authors' points")
    assert abs(float(gain[0]) - 20) < 1 and abs(float(theirs) - 20) < 1  # twenty nats
    return [gain[0], theirs, gain[1]]


def heavier() -> list[str]:
    line, paper = scenes.make_scene("line"), scenes.make_scene("ring")
    best = mechanism.component_precisions(paper.teacher, paper.truth)
    assert best.argmax() == paper.teacher.weights.argmin()
    slopes = [mechanism.precision_slope(one.teacher, one.truth, 1) for one in (line, paper)]
    return [said(best.max()), "1", *(said(slope, 3) for slope in slopes)]


def forward() -> list[str]:
    from kdlab import fit_mixture

    two = line_mixture([0.6, 0.4], [-3.0, 3.0], [0.6, 0.6])
    widths = [float(fit_mixture(two.tempered(beta), 1).model.covariances[0, 0, 0] ** 0.5) for beta in (1, 30)]
    reverse = float(mechanism.reverse_student(two.tempered(30)).covariances[0, 0, 0] ** 0.5)
    assert said(reverse) == said(widths[1])
    return ["1", said(widths[0]), "30", said(widths[1])]


@lru_cache(maxsize=1)
def names() -> NGramSweep:
    return experiments.teacher_temperature()


def letters() -> list[str]:
    from kdlab.ngrams.names import LETTERS

    place = LETTERS.index("r")
    return [said(float(one.next_letters("ma")[place])) for one in (names().truth, names().at(1).student)]


def colder() -> list[str]:
    told = ["1"]
    for tau in (0.3, 1, 1.5):
        told += [f"{tau:g}", said(names().at(tau).precision), said(names().at(tau).recall)]
    return told


def whole_text() -> list[str]:
    before, whole, step = printed("04_from_mixtures_to_text.ipynb", "bc ")
    return [before, step, whole]


def plus_minus(one: Change) -> list[str]:
    return [said(one.value), said(one.error)]


def language() -> list[str]:
    results = accounts.open_run("recorded/cpu")
    cold, warm, direct = (findings.model_of(results, name) for name in ("tau-0.6", "tau-1", "direct"))
    assert cold and warm and direct and len(results["seeds"]) == 1
    path = [findings.change(results, warm, cold, what, "token") for what in ("precision", "recall")]
    apart = findings.change(results, warm, direct, "recall", "token")
    assert not findings.change(results, warm, direct, "precision", "token").seen and apart.seen
    return ["1", "0.6", *plus_minus(path[0]), *plus_minus(path[1]), *plus_minus(apart)]


def made_again(*which: str) -> list[str]:
    """By how much precision rises, or recall falls, in the run that was made a second time."""
    results = accounts.open_run("recorded/cpu-again")
    cold, warm = (findings.model_of(results, name) for name in ("tau-0.6", "tau-1"))
    assert cold and warm
    return [said(findings.change(results, warm, cold, what, "token").value).replace("+", "") for what in which]


def same_shape() -> list[str]:
    told = language()
    return [*told[:6], *made_again("precision"), *told[6:]]


def same_shape_and_again() -> list[str]:
    return [*language(), *made_again("precision", "recall")]


Part = str | Callable[[], list[str]]
SAID: dict[str, dict[int, list[Part]]] = {  # by the minute in which a row begins
    "60 minutes": {
        0: [], 5: [], 11: ["1", "100"], 14: [first], 20: [covered], 24: [bell], 32: [corner], 35: [ring],
        41: [dip, "1", usual, falls], 46: [hole], 52: [same_shape], 57: ["02", "04"],
    },
    "120 minutes": {
        0: [], 5: [], 11: [first], 20: [covered], 25: [bell], 34: [corner], 38: [missing_and_invented], 42: [ring],
        48: [dip, usual], 53: [as_large], 58: [hole], 65: [], 73: [released], 79: [heavier], 86: [forward],
        91: [letters], 95: [colder], 101: [whole_text], 105: [same_shape_and_again], 114: [], 117: [],
    },
}  # fmt: skip


@every_row
def test_numbers_of_a_row(sheet: str, row: Row) -> None:
    assert list(SAID[sheet]) == [one.start for one in rows(sheet)]
    parts = [[part] if isinstance(part, str) else part() for part in SAID[sheet][row.start]]
    assert numbers(row) == [number for part in parts for number in part]


def test_the_check_of_numbers_can_fail() -> None:
    (row,) = [row for row in rows("60 minutes") if row.start == 35]
    assert numbers(Row(row.start, row.end, row.show, row.ask, row.expect, row.say.replace("7.32", "7.23"))) != ring()


@every_row
def test_a_number_with_decimals_is_printed_in_the_notebook_of_its_row(sheet: str, row: Row) -> None:
    outputs = "".join(str(cell.get("outputs", "")) for name in row.notebooks for cell in cells(name))
    outputs = outputs.replace("-", "−")
    for number in numbers(row):
        assert "." not in number or number in outputs, number


def test_the_dots_for_the_board() -> None:
    told = section("When something fails").split("The four dots")[1]
    betas = (1, 2, 5, 20)
    found = [sweep("line", 1).at(beta) for beta in betas]
    dots = [said(value) for one in found for value in (one.recall, one.precision)]
    assert NUMBER.findall(told) == ["00", *dots, "1", "2", *(said(one.beta) for one in found[2:])]


def test_the_keys_lead_where_the_page_says() -> None:
    """Page Up is twelve steps, as the browser tests of the slider find."""
    one = sweep("line", 1)
    assert (one.index(3.7), one.index(5)) == (3 * 12 - 2, 3 * 12 + 6)
    assert "3.7 is Home, Page Up three times, and twice the left arrow" in " ".join(text().split())
    assert "5 is Home, Page Up three times, and six times the right arrow" in " ".join(text().split())


def test_no_other_number_stands_on_the_page() -> None:
    """Outside the sheets and the dots: counts of people, minutes, notebooks and settings, and nothing measured."""
    rest = text()
    for heading in SHEETS:
        rest = rest.replace(section(heading), "")
    rest = rest.split("The four dots")[0] + section("Questions that come")
    rest = re.sub(r"`[^`]*`|^\[\w+\]: .*$", "", BY_NAME.sub("", INLINE.sub("", rest)), flags=re.M)
    beta, exercise, licence = "3.7", "02.1", "4.0"
    assert [number for number in NUMBER.findall(rest) if "." in number] == [beta, exercise, licence]
    assert "%" not in rest and "percent" not in rest


# The dry run


@pytest.fixture
def dry_run(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("dry_run")


def seconds(each: float) -> dict[str, list[float]]:
    return {name: [each] * len(cells(name)) for name in workshop.SHOWN}


def test_every_row_leaves_time_to_answer(dry_run: Any) -> None:
    """At half a second for each cell, and with all that is read and said: people have a minute and a half at least."""
    for sheet in SHEETS:
        told, short = dry_run.table(sheet, seconds(0.5))
        assert short == 0
        left = [int(line.rsplit("|", 2)[1]) for line in told.splitlines() if re.match(r"\| \d", line)]
        assert len(left) == len(rows(sheet)) and min(left) >= 90


def test_the_dry_run_fails_on_cells_that_are_too_slow(dry_run: Any) -> None:
    told, short = dry_run.table("60 minutes", seconds(60.0))
    assert short > 0 and told.count("SHORT") == short


def test_cells_count_once_and_in_the_row_that_comes_to_them(dry_run: Any) -> None:
    for sheet in SHEETS:
        reached: dict[str, int] = {}
        read: set[tuple[str, str]] = set()
        whole = sum(dry_run.needs(row, seconds(1.0), reached, read)["cells"] for row in rows(sheet))
        assert whole == sum(reached.values()) > 0


def test_words_are_those_of_the_sections(dry_run: Any) -> None:
    openings = "## What is only usual", "So from end to end the trade", "While β is small"
    prose = [cell.source for cell in cells(RING) if cell.cell_type == "markdown" and cell.source.startswith(openings)]
    assert len(prose) == 3
    assert dry_run.words(RING, ["What is only usual"]) == len(" ".join(prose).split())
