"""The numbers on the page for instructors, computed again: in the order in which a row asks, expects and says them."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from support.printed import NUMBER, said, sweep
from support.sheets import BY_NAME, INLINE, SHEETS, Row, cells, every_row, rows, section, text

from kdlab import lm, ngrams, precision, recall
from kdlab.mixtures import line_mixture, make_scene, mechanism, single
from kdlab.ngrams.tries import DRAWS, OPENING


def numbers(row: Row) -> list[str]:
    told = " | ".join((row.ask, row.expect, row.say))
    return NUMBER.findall(BY_NAME.sub("", INLINE.sub("", told)))


def ends(scene: str) -> list[str]:
    one = sweep(scene, 1)
    return [said(path[place]) for path in (one.precision, one.recall) for place in (0, -1)]


def first() -> list[str]:
    one = sweep("line", 1)
    assert (np.diff(one.precision) > 0).all() and (np.diff(one.recall) < 0).all()
    return ends("line")


def covered() -> list[str]:
    found = {beta: sweep("line", 1).at(beta) for beta in (2, 5, 20)}
    counts = [int(position.covered.sum()) for position in found.values()]
    assert counts == [3, 2, 1]  # three, two, one
    return ["2", said(found[5].beta), said(found[20].beta)]


def bell() -> list[str]:
    truth = make_scene("line").truth
    centre, width = float(truth.mean[0]), float(truth.covariance[0, 0] ** 0.5)
    at = [single.measure(truth, centre=centre, width=width * factor).recall for factor in (0.95, 1, 1.05)]
    assert at[1] == max(at)
    spikes = [single.measure(truth, centre=-3.0, width=width).precision for width in (0.45, 0.1, 0.01)]
    assert spikes == sorted(spikes)  # narrower, and narrower still
    return [said(centre), said(width)]


def corner() -> list[str]:
    truth = make_scene("line").truth
    entropy = said(-recall(truth, truth).value)
    told = printed("01_precision_and_recall.ipynb", "entropy of p*:")
    assert said(-precision(truth, truth).value) == entropy == told[0]
    return [entropy]


def missing_and_invented() -> list[str]:
    truth = make_scene("line").truth
    missing = line_mixture([4 / 9, 3 / 9, 2 / 9], [-3, -1, 1], [0.45] * 3)
    invented = line_mixture([0.36, 0.27, 0.18, 0.09, 0.1], [-3, -1, 1, 3, 6], [0.45] * 5)
    own = precision(truth, truth).value
    return [said(measure(one, truth).value - own) for one in (missing, invented) for measure in (precision, recall)]


def ring() -> list[str]:
    return ends("ring")


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
    lines = ("precision ends higher than it began:", "precision dips on the way, by over 0.01 nats:")
    return [number for line in lines for number in printed(RING, line)]


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
    line, paper = make_scene("line"), make_scene("ring")
    best = mechanism.component_precisions(paper.teacher, paper.truth)
    assert best.argmax() == paper.teacher.weights.argmin()
    slopes = [mechanism.precision_slope(one.teacher, one.truth, 1) for one in (line, paper)]
    return [said(best.max()), "1", *(said(slope, 3) for slope in slopes)]


names = lru_cache(maxsize=1)(ngrams.teacher_temperature)


def letters() -> list[str]:
    place = ngrams.LETTERS.index("r")
    return [said(float(one.next_letters("ma")[place])) for one in (names().truth, names().at(1).student)]


def colder() -> list[str]:
    told = ["1"]
    for tau in (0.3, 1, 1.5):
        told += [f"{tau:g}", said(names().at(tau).precision), said(names().at(tau).recall)]
    return told


def plus_minus(one: Any) -> list[str]:
    return [said(one.value), said(one.error)]


def language() -> list[str]:
    results = lm.open_run("recorded/cpu")
    cold, warm, direct = (lm.report.model_of(results, name) for name in ("tau-0.6", "tau-1", "direct"))
    assert cold and warm and direct and len(results["seeds"]) == 3
    path = [lm.report.change(results, warm, cold, what, "token") for what in ("precision", "recall")]
    apart = lm.report.change(results, warm, direct, "recall", "token")
    assert not lm.report.change(results, warm, direct, "precision", "token").seen and apart.seen
    return ["1", "0.6", *plus_minus(path[0]), *plus_minus(path[1]), *plus_minus(apart)]


@lru_cache(maxsize=1)
def tries() -> ngrams.TriesSweep:
    return ngrams.tries_over_tau(names())


def brings() -> list[str]:
    """In three thousand tries, and then the best at the end of the slider; the rest of the row is in words."""
    one = tries().asking(3_000)
    found = {tau: one.at(tau).distinct for tau in (0.7, 1, 0.4)}
    assert max(found.values()) == one.distinct[:, one.column].max() and not one.inside[0]
    return [*(word for tau, count in found.items() for word in (f"{tau:g}", said(count, 1))), *best(1_000_000)]


def best(*draws: int) -> list[str]:
    return [said(tries().asking(k).at(1).best_tau) for k in draws]


@lru_cache(maxsize=1)
def own_knob() -> list[str]:
    taus, student, draws = np.geomspace(0.1, 1.5, 61)[12:42], names().at(1).student, [1_000, 10]
    real = ngrams.first_names()[0]
    cold = np.array([ngrams.expected_distinct(student.tempered(1 / tau), real, draws) for tau in taus])
    assert (0 < cold.argmax(axis=0)).all() and (cold.argmax(axis=0) < len(taus) - 1).all()
    taught = [tries().distinct[:, tries().asking(k).column].max() for k in draws]
    return [said(value) for pair in zip(cold.max(axis=0), taught, strict=True) for value in pair]


Part = str | Callable[[], list[str]]
SAID: dict[str, dict[int, list[Part]]] = {  # by the minute in which a row begins
    "60 minutes": {
        0: [], 5: [], 11: ["1", "100"], 14: [first], 20: [covered], 24: [bell], 32: [corner], 35: [ring],
        41: [dip, "1", usual, falls], 46: [hole], 52: [language], 57: ["02", "04"],
    },
    "120 minutes": {
        0: [], 5: [], 11: [first], 20: [covered], 25: [bell], 34: [corner], 38: [missing_and_invented], 42: [ring],
        48: [dip, usual], 53: [as_large], 58: [hole], 65: [], 73: [released], 79: [heavier], 86: [letters],
        90: [colder], 96: [language], 105: ["1", "3,000", brings], 112: ["1", own_knob], 116: [],
    },
    "30 minutes": {
        0: [], 4: ["1", "100", first], 10: [hole], 15: ["1", "3,000", brings],
        21: [lambda: best(10, 100, 1_000, 10_000, 100_000)], 24: ["1", own_knob], 27: ["1"],
    },
}  # fmt: skip


@every_row
def test_numbers_of_a_row(sheet: str, row: Row) -> None:
    """They are those computed here, and one with decimals is printed in a notebook of the row."""
    assert list(SAID[sheet]) == [one.start for one in rows(sheet)]
    parts = [[part] if isinstance(part, str) else part() for part in SAID[sheet][row.start]]
    assert numbers(row) == [number for part in parts for number in part]
    outputs = "".join(str(cell.get("outputs", "")) for name in row.notebooks for cell in cells(name)).replace("-", "−")
    for number in numbers(row):
        assert "." not in number or number in outputs, number


def test_the_dots_for_the_board() -> None:
    told = section("When something fails").split("The four dots")[1]
    betas = (1, 2, 5, 20)
    found = [sweep("line", 1).at(beta) for beta in betas]
    dots = [said(value) for one in found for value in (one.recall, one.precision)]
    draws = [10**power for power in range(1, 7)]
    curve = [word for k, tau in zip(draws, best(*draws), strict=True) for word in (tau, f"{k:,}")]
    assert NUMBER.findall(told) == ["00", *dots, "1", "2", *(said(one.beta) for one in found[2:]), "08", *curve]


def test_the_keys_lead_where_the_page_says() -> None:
    """Page Up is twelve steps, as the browser tests of the slider find."""
    one = sweep("line", 1)
    assert (one.index(3.7), one.index(5)) == (3 * 12 - 2, 3 * 12 + 6)
    assert "3.7 is Home, Page Up three times, and twice the left arrow" in " ".join(text().split())
    assert "5 is Home, Page Up three times, and six times the right arrow" in " ".join(text().split())
    draws = DRAWS.tolist()
    assert draws.index(3_000) == draws.index(OPENING) + 4 * 6 + 1 and f"at {OPENING}: Page Up is six steps" in text()
    assert "3,000 is Page Up four times and the right arrow" in text() and (draws[0], draws[-1]) == (1, 1_000_000)


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
