"""The pages beside the notebooks: every number on them is computed again, every code name evaluated.

A number on a page that is not in the list here, or differs from it in a printed digit, fails. The page of what others
found has none: numbers are in the cells that it speaks of.
"""

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.printed import NUMBER, said, sweep
from support.repository import BOOKS, NOTEBOOKS, cells, every_book, prose, text

from kdlab import GaussianMixture, fit_mixture, lm, ngrams, precision, recall
from kdlab.mixtures import judge, plots
from kdlab.mixtures.scenes import line_mixture
from kdlab.ngrams import experiment as ngram_experiment

PAGES = ("SYMBOLS.md", "MISCONCEPTIONS.md")
LINK = re.compile(r"\[[^\]]*\]\(([^)]*)\)")


def numbers(words: str) -> list[str]:
    """Every number that a reader sees in prose: links and code do not count."""
    return NUMBER.findall(re.sub(r"`[^`]*`", "", LINK.sub("", words)))


# The numbers of each misconception, in the order in which they are read.


def falling() -> list[str]:
    one, four = sweep("falls", 1), sweep("ring", 4)
    lowest = int(one.precision.argmin())
    lost = one.precision[0] - one.precision[lowest]
    measured = [said(one.precision[0]), "1", said(one.precision[lowest]), said(one.betas[lowest]), said(lost)]
    return ["1", "100", *measured, "4", said(four.precision[-1]), said(four.precision[0])]


def corner() -> list[str]:
    truth, one = sweep("line", 1).scene.truth, sweep("line", 1)
    own = precision(truth, truth).value
    assert own == pytest.approx(one.recall_bound, abs=1e-9)
    return [said(own), said(one.precision_bound - own), said(one.precision_bound)]


def spike() -> list[str]:
    one = sweep("line", 1)
    truth = one.scene.truth
    narrow = line_mixture([1.0], [float(truth.means[truth.weights.argmax(), 0])], [0.1])
    high, low = precision(narrow, truth).value, recall(narrow, truth).value
    return ["0.1", said(high), said(one.precision_bound - high), said(low), said(one.recall_bound - low)]


def entropies() -> list[str]:
    teachers = [sweep("ring", 1).scene.teacher.tempered(beta) for beta in (1, 2)]
    log_volumes = np.linalg.slogdet(teachers[0].covariances)[1]
    assert teachers[1].weights @ log_volumes > teachers[0].weights @ log_volumes  # wider ones gain weight
    return ["1", "2"] + [said(one.weight_entropy) for one in teachers] + [said(-own(one)) for one in teachers]


def own(model: GaussianMixture) -> float:
    return model.expected_log_prob(model).value


def better_teacher() -> list[str]:
    one = sweep("line", 1)
    truth, start, late = one.scene.truth, one.at(1), one.at(20)
    teachers = [recall(position.teacher, truth).value for position in (start, late)]
    assert one.scene.teacher is truth
    assert late.precision > start.precision and late.recall < start.recall
    return [
        "1", said(start.precision), said(start.recall), said(late.beta), *map(said, teachers), said(late.precision),
        said(late.recall),
    ]  # fmt: skip


def covering() -> list[str]:
    rare, hole = sweep("rare", 1).at(1), sweep("falls", 1).at(5)
    assert rare.teacher.weights[-1] == rare.teacher.weights.min() and not rare.covered[-1] and hole.covered[1]
    return ["1", said(rare.coverage[-1]), said(hole.beta), said(hole.teacher.weights[1], 4), said(hole.coverage[1])]


def forward() -> list[str]:
    start, end = sweep("line", 1).at(1), sweep("line", 1).at(100)
    modes = str(len(start.covered))
    return [str(start.covered.sum()), modes, "1", str(end.covered.sum()), modes, "100", said(end.kl)]


def same_student() -> list[str]:
    one, two = sweep("ring", 1), sweep("ring", 2)
    assert said(one.direct_precision) == said(one.precision[0])
    assert one.direct_precision == pytest.approx(one.precision[0], abs=1e-9)
    for k in (1, 2, 3, 4):
        assert sweep("line", k).precision[0] == pytest.approx(sweep("line", k).direct_precision, abs=1e-3)
        assert sweep("line", k).recall[0] == pytest.approx(sweep("line", k).direct_recall, abs=1e-3)
    return ["1", said(one.precision[0]), "2", said(two.precision[0]), said(two.direct_precision)]


def tokens() -> list[str]:
    strings, beta = {"ac": 0.3, "ad": 0.3, "bc": 0.4}, 2
    whole = np.array(list(strings.values())) ** beta
    whole /= whole.sum()
    by_letter = [letterwise(strings, string, beta) for string in strings]
    assert sum(by_letter) == pytest.approx(1)
    assert max(strings, key=lambda string: strings[string]) == "bc" and min(by_letter) == by_letter[2]
    given = [said(p, 1) for p in strings.values()]
    return ["1", "1", *given, "2", *(said(p, 3) for p in (*whole, *by_letter))]


def letterwise(strings: dict[str, float], string: str, beta: float) -> float:
    """The probability of a string when the distribution of each next letter is raised to beta and normalised."""
    chance = 1.0
    for t, letter in enumerate(string):
        following: dict[str, float] = {}
        for other, p in strings.items():
            if other[:t] == string[:t]:
                following[other[t]] = following.get(other[t], 0.0) + p
        total = sum(following.values())
        powers = {other: (p / total) ** beta for other, p in following.items()}
        chance *= powers[letter] / sum(powers.values())
    return chance


def training_points() -> list[str]:
    eight = sweep("ring", 8)
    points = eight.scene.points
    assert points is not None
    on_points = float(eight.direct.log_prob(points).mean())
    assert on_points > eight.recall_bound > eight.direct_recall
    return ["8", str(len(points)), said(on_points), said(eight.direct_recall), said(eight.recall_bound)]


def which_truth() -> list[str]:
    assert 4e8 < math.exp(20) < 5.5e8  # half a billion, to one digit
    scene, direct = sweep("ring", 1).scene, sweep("ring", 1).direct
    selective = scene.teacher.tempered(100)
    distilled = fit_mixture(selective, 1).model
    told = []
    for scorer in (selective, scene.truth):
        before, after = precision(direct, scorer).value, precision(distilled, scorer).value
        told += [said(before), said(after), said(after - before, 1)]
    return ["1", "100", *told]


def larger() -> list[str]:
    gains = [sweep("ring", k).precision[-1] - sweep("ring", k).precision[0] for k in (1, 2, 3, 4)]
    return ["1", "100"] + [word for k, gain in enumerate(gains, 1) for word in (said(gain), str(k))]


def other_runs() -> list[str]:
    toy, real = (lm.open_run(f"recorded/{name}") for name in ("smoke", "cpu"))
    assert (toy["config"]["student_epochs"], real["config"]["student_epochs"], len(real["seeds"])) == (3, 1, 3)
    student = lm.report.model_of(toy, "tau-0.6")
    assert student is not None
    one, other = student["precision"]["token"]["by_seed"]
    apart = {model["name"]: float(np.ptp(model["precision"]["token"]["by_seed"])) for model in real["models"]}
    widest = lm.report.model_of(real, max(apart, key=lambda name: apart[name]))
    assert widest is not None
    errors = [
        found["precision"]["token"]["over_sequences"] * math.sqrt(len(found["seeds"])) for found in (student, widest)
    ]
    return ["0.6", *map(said, (one, other, abs(one - other), errors[0], max(apart.values()), errors[1]))]


def samplers() -> list[str]:
    told = lm.read_recording().sampler
    cut, plain, texts = told["cuts"][0], told["entropies"][-1][0], str(told["texts"])
    assert cut["name"] == "top-k 50" and told["taus"][-1] == 1
    values = said(100 * cut["mass"][0], 1), said(cut["entropy"][0]), said(plain), said(cut["tau"][0])
    return ["50", texts, *values, str(told["texts"] - cut["inside"]), texts]


def names_found(tau: float, k: int) -> float:
    """How many different real names to expect in k tries of the student taught at tau."""
    return float(ngrams.expected_distinct(ngrams.teacher_temperature().at(tau).student, ngrams.first_names()[0], k))


def best_point() -> list[str]:
    draws = [10, 1_000, 1_000_000]
    tries = ngrams.tries_over_tau(ngrams.teacher_temperature())
    told = [word for k in draws for word in (f"{k:,}", said(tries.asking(k).at(1).best_tau))]
    few, many = ([said(names_found(tau, k), digits) for tau in (0.3, 1)] for k, digits in ((10, 2), (10_000, 0)))
    return [*told, "1", "0.3", *few, "10", *many, "10,000"]


def passing() -> list[str]:
    real, sweep = ngrams.first_names()[0], ngrams.teacher_temperature()
    students = [sweep.at(tau).student for tau in (0.3, 1)]
    right = np.exp([one.log_prob(real) for one in students]).sum(axis=1)
    once = [said(1 - (1 - p) ** 10, 3) for p in right]
    letters = sorted({name[0] for name in real})
    means = np.array([[ngrams.pass_at_k(one, real, [1, 100], letter) for letter in letters] for one in students])
    of_one, of_many = ([said(mean, 3) for mean in column] for column in means.mean(axis=1).T)
    found = [said(names_found(tau, 1_000), 1) for tau in (0.3, 1)]
    return ["10", "0.3", once[0], "1", once[1], "1,000", *found, str(len(letters)), *of_one, "100", *of_many]


MISCONCEPTIONS: list[Callable[[], list[str]]] = [
    falling, corner, spike, entropies, better_teacher, covering, forward, same_student, tokens, training_points,
    which_truth, larger, other_runs, samplers, best_point, passing,
]  # fmt: skip


def sections() -> list[str]:
    """The misconceptions, without their headings; each begins with its number."""
    parts = re.split(r"^## (\d+)\. .*$", text("notebooks/MISCONCEPTIONS.md"), flags=re.M)
    assert [int(number) for number in parts[1::2]] == list(range(1, len(MISCONCEPTIONS) + 1))
    assert numbers(parts[0]) == []
    return parts[2::2]


@pytest.mark.parametrize("index", range(len(MISCONCEPTIONS)), ids=[one.__name__ for one in MISCONCEPTIONS])
def test_a_misconception_has_its_numbers_and_both_parts(index: int) -> None:
    said_there = sections()[index].replace("CC BY 4.0", "")
    assert numbers(said_there) == MISCONCEPTIONS[index]()
    assert said_there.count("**Why it is tempting.**") == said_there.count("**What is true.**") == 1


def test_the_check_of_numbers_can_fail() -> None:
    one = sweep("falls", 1)
    wrong = sections()[0].replace(said(one.precision[0]), said(one.precision[0] + 0.01))
    assert numbers(wrong) != falling()
    assert numbers(sections()[0] + " It loses 7 nats.") != falling()


# Symbols


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    table = text("notebooks/SYMBOLS.md").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


TABLES = ("Three models", "One knob", "Two numbers", "How a student is made, and shown")


def scope() -> dict[str, Any]:
    """What the page's own code block defines."""
    (block,) = re.findall(r"```python\n(.*?)```", text("notebooks/SYMBOLS.md"), flags=re.S)
    names: dict[str, Any] = {}
    exec(block, names)
    return names


def test_every_code_name_of_the_symbols_can_be_evaluated() -> None:
    names = scope()
    symbols = [row for heading in TABLES for row in rows(heading)]
    assert [row for row in symbols if len(row) != 5 or "`" in "".join(row[:3] + row[4:])] == []  # no code elsewhere
    spans = [span for row in symbols for span in re.findall(r"`([^`]+)`", row[3])]
    assert len(spans) > 30
    for span in spans:
        assert eval(span, dict(names)) is not None, span


def test_what_the_code_gives_is_what_the_page_says() -> None:
    """The formulas of the page in words, against the code beside them, by another route where there is one."""
    names = scope()
    get = lambda code: eval(code, dict(names))  # noqa: E731
    teacher, student, truth, one, at = (get(x) for x in ("teacher", "student", "truth", "sweep", "position"))
    powers = teacher.weights**5
    assert get("teacher.tempered(5).weights") == pytest.approx(powers / powers.sum())
    assert at.effective_components == pytest.approx(math.exp(at.weight_entropy))
    assert at.weight_entropy == pytest.approx(-(at.teacher.weights * np.log(at.teacher.weights)).sum())
    assert one.recall_bound == pytest.approx(own(truth))
    assert get("truth.mode_density()") == pytest.approx(one.precision_bound)
    assert (at.precision, at.recall) == pytest.approx((precision(student, truth).value, recall(student, truth).value))
    draw = np.random.default_rng(0)
    for code, p, q in [
        ("position.kl", at.teacher, student),
        ("sweep.recall_bound - position.recall", truth, student),
        ("student.expected_log_prob(student).value - position.precision", student, truth),
    ]:
        x = p.sample(100_000, draw)
        losses = p.log_prob(x) - q.log_prob(x)
        error = losses.std() / math.sqrt(len(losses))
        assert get(code) == pytest.approx(losses.mean(), abs=5 * error), code  # missed once in a million
    assert get("mixtures.mechanism.pair_terms(teacher, student).shares").sum(axis=1) == pytest.approx(teacher.weights)
    assert isinstance(get("mixtures.fit.exact_projection(teacher, 1, 'diag')"), GaussianMixture)


def test_numbers_of_the_symbols() -> None:
    one = scope()["sweep"]
    told = "\n".join(" | ".join(row[:3]) for heading in TABLES for row in rows(heading))
    told = told.replace("p^(1/τ)", "").replace("1/β", "")
    covered = (judge.COVERED_DENSITY, ngram_experiment.COVERED_DENSITY, judge.COVERED_SHARE)
    sum_of_weights, least_entropy, exact = "1", "0", f"{precision(one.direct, one.scene.truth).standard_error:g}"
    assert numbers(told) == [
        sum_of_weights, f"{one.betas[0]:g}", f"{one.betas[-1]:g}", least_entropy, said(math.e),
        *(said(share, 1) for share in covered), exact, str(len(one.betas)),
    ]  # fmt: skip


def test_colours_and_lines_are_those_of_the_pictures() -> None:
    words = {"-": ("solid", "hairline"), ":": ("dotted",), "--": ("dashed",), "-.": ("dash-dotted",)}
    markers = {"o": ("round", "dots"), "s": ("square",), "^": ("triangle",), "v": ("on its tip",), "": ("none",)}
    table = rows("Colours and lines")
    assert [row[0] for row in table] == [role.label for role in plots.STYLE.values()]
    for (_, colour, line, marker), role in zip(table, plots.STYLE.values(), strict=True):
        assert f"`{role.colour}`" in colour
        assert any(word in line for word in words[role.line]), line
        assert any(word in marker for word in markers[role.marker]), marker


# What others found

WORKS = """2402.10693 2404.02657 2502.08606 2508.09654 2509.01649 2510.20817 2603.07079 2605.23857 2606.00306 2606.26091
2608.14728 2608.29846""".split()
PAPER = "2505.13111"


def test_each_work_of_others_is_linked_once_and_the_page_says_what_was_read() -> None:
    page = text("notebooks/OTHERS.md")
    linked = [target.removeprefix("https://arxiv.org/abs/") for target in LINK.findall(page) if "arxiv.org" in target]
    assert sorted(linked) == sorted([PAPER, *WORKS])
    assert re.findall(r"\[arXiv ([\d.]+)\]", page) == linked
    entries = re.findall(r"^\*\*.*?(?=^\*\*|^## |\Z)", page, flags=re.M | re.S)
    assert len(entries) == len(WORKS)
    for entry in entries:
        head, *parts = re.split(r"^- \*(\w+)", entry, flags=re.M)
        assert parts[::2] == ["Says", "Beside", "Read"] and len(LINK.findall(head)) == 1, entry
    assert numbers(re.sub(r"\b(ICML|ACL|COLING) 20\d\d", "", page.replace("CC BY 4.0", ""))) == []


# Links


@every_book
def test_every_notebook_links_to_both_pages(path: Any) -> None:
    assert set(PAGES) <= {target.split("#")[0] for target in LINK.findall(prose(path))}


@pytest.mark.parametrize("heading", TABLES)
def test_a_symbol_is_met_in_the_notebook_that_the_page_names(heading: str) -> None:
    """Only for what is written with plain letters: formulas are typeset otherwise in a notebook."""
    for symbol, _, _, _, first in rows(heading):
        found = re.match(r"\[(\d\d)\]\((.*)\)$", first)
        plain = re.fullmatch(r"[a-zβτ-]+( [a-z]+)?|p[*′″]", symbol)
        if not found or not plain or not (NOTEBOOKS / found[2]).is_file():
            continue
        book = "\n".join(cell.source + str(cell.get("outputs", "")) for cell in cells(NOTEBOOKS / found[2]))
        assert symbol in book.lower(), f"{symbol} is not in {found[2]}"


# The README's table of notebooks


def test_the_readme_says_how_long_each_notebook_takes() -> None:
    readme = text("README.md")
    listed = dict(re.findall(r"\| \[\w+\]\(notebooks/(\w+\.ipynb)\) \| .* \| (\d+) \|", readme))
    assert sorted(listed) == [path.name for path in BOOKS]
    for name, minutes in listed.items():
        opening = cells(NOTEBOOKS / name)[0].source
        (own,) = re.findall(r"\*\*Time\*\*\s+about (\w+) minutes", opening)
        assert int({"ten": 10, "twenty": 20}.get(own, own)) == int(minutes), name
    assert {f"notebooks/{name}" for name in PAGES} <= set(LINK.findall(readme))
