"""The target domain: both numbers against draws and sums over names, the student against a count by hand, the claim."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from kdlab.neighbours import target_domain as domain
from kdlab.neighbours.target_domain import World, draw, measure, student, summed, taught
from kdlab.ngrams.model import NGramChain
from kdlab.ngrams.names import LETTERS, first_names

TRUTH = NGramChain.fit(*first_names(), order=3)
SYMBOLS = LETTERS + "."
CONTEXTS = TRUTH.contexts


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    return [draw(one) for one in rng().spawn(12)]


def numbers(worlds: list[World], kind: str, share: float, order: int = 2, of: str = "target") -> np.ndarray:
    return np.array([measure(taught(world, kind, share, order), of) for world in worlds])


def surely_more(one: np.ndarray, other: np.ndarray | float) -> bool:
    """Above three standard errors of the mean difference; over twelve draws, chance does that once in 165 times."""
    gap = one - other
    return bool(gap.mean() > 3 * gap.std(ddof=1) / math.sqrt(len(gap)))


def some_rows(seed: int = 1) -> np.ndarray:
    rows = rng(seed).dirichlet(np.full(27, 0.5), size=703)
    rows[0, -1] = 0.0
    return rows / rows.sum(axis=1, keepdims=True)


def row_of(context: str) -> int:
    """Where a table with rows "", a to z, aa to zz has the last two letters of a context."""
    letters = [LETTERS.index(letter) for letter in context[-2:]]
    return {0: lambda: 0, 1: lambda: 1 + letters[0], 2: lambda: 27 + 26 * letters[0] + letters[1]}[len(letters)]()


@pytest.mark.parametrize("of", ["target", "source"])
def test_both_numbers_and_accuracy_against_a_sum_over_names(of: str) -> None:
    rows, sums, total = some_rows(), np.zeros(3), 0.0
    seen: Counter[str] = Counter()
    for name, people in zip(*first_names(), strict=True):
        if ("o" in name) == (of == "target"):
            seen.update({name[:t]: people for t in range(len(name) + 1)})
    for text, weight in seen.items():
        p, q = TRUTH.next_letters(text), rows[row_of(text)]
        at = p > 0
        sums += weight * np.array([q[at] @ np.log(p[at]), p[at] @ np.log(q[at]), 0.0])
        total += weight
    got = measure(rows, of)
    assert (got.precision, got.recall) == pytest.approx(tuple(sums[:2] / total), rel=1e-10)


def test_both_numbers_against_draws() -> None:
    """20,000 cut names: four standard errors."""
    names, people = first_names()
    share = np.array([n * ("o" in name) * (len(name) + 1) for name, n in zip(names, people, strict=True)])
    rows, random = some_rows(), rng(3)
    found: dict[str, list[float]] = defaultdict(list)
    for name in random.choice(names, 20_000, p=share / share.sum()):
        text = name[: random.integers(len(name) + 1)]
        p, q = TRUTH.next_letters(text), rows[row_of(text)]
        found["precision"].append(math.log(p[random.choice(27, p=q)]))
        true = random.choice(27, p=p)
        found["recall"].append(math.log(q[true]))
        found["accuracy"].append(float(true == q.argmax()))
    for name, exact in measure(rows)._asdict().items():
        scores = np.array(found[name])
        assert abs(scores.mean() - exact) < 4 * scores.std() / math.sqrt(len(scores))


def test_bounds_are_those_of_p_star() -> None:
    names, people = first_names()
    best, own, total = 0.0, 0.0, 0.0
    for name, n in zip(names, people, strict=True):
        for text in (name[:t] for t in range(len(name) + 1) if "o" in name):
            p = TRUTH.next_letters(text)
            best, own, total = best + n * math.log(p.max()), own + n * p[p > 0] @ np.log(p[p > 0]), total + n
    assert domain._domain("target")[3] == pytest.approx((best / total, own / total), rel=1e-10)
    nearest = domain._domain("target")[1] + 1e-12  # the best table of two letters
    recall = measure(nearest / nearest.sum(axis=1, keepdims=True)).recall
    assert recall < own / total and all(measure(some_rows(seed)).recall < recall for seed in range(5))


def test_a_student_is_counted_by_hand() -> None:
    texts = ["ab", "abb", "b"]
    labels = [(text[:t], text[t : t + 1] or ".") for text in texts for t in range(len(text) + 1)]
    counts = np.zeros((703, 27))
    for text, label in labels:
        counts[row_of(text), SYMBOLS.index(label)] += 1
    rows = student(counts)

    def expected(text: str, label: str) -> float:
        p = 1 / 27
        for k in range(3):
            same = [y for s, y in labels if (k == 0 or s[-k:] == text[-k:])]
            p = 0.9 * same.count(label) / len(same) + 0.1 * p if same else p
        return p

    for text in ("ab", "bb", "cb", "zz"):
        np.testing.assert_allclose(rows[row_of(text)], [expected(text, label) for label in SYMBOLS], rtol=1e-12)
    np.testing.assert_array_equal(rows[row_of("zz")], rows[row_of("yx")])
    np.testing.assert_allclose(rows.sum(axis=1), 1.0)
    np.testing.assert_array_equal(student(counts, order=1)[row_of("ab")], student(counts, order=1)[row_of("cb")])


def test_texts_are_labelled_by_the_teacher(worlds: list[World]) -> None:
    """Label by label: every context of every text has its teacher's row, in the row of its last two letters."""
    for teacher, texts in worlds[:3]:
        for some in texts.values():
            labels = np.zeros((703, 27))
            for text in some:
                for row in text:
                    labels[row_of(CONTEXTS[row])] += teacher[row]
            np.testing.assert_allclose(summed(teacher, some), labels, rtol=1e-12)
            assert labels[0].sum() == pytest.approx(len(some))  # each text has one beginning
            assert labels[0, -1] == 0


def test_kinds_of_texts(worlds: list[World]) -> None:
    o = [i for i, context in enumerate(CONTEXTS) if "o" in context]
    for _, texts in worlds:
        with_o = {kind: sum(bool(np.isin(text, o).any()) for text in some) for kind, some in texts.items()}
        assert with_o["source"] == with_o["more"] == with_o["upsampled"] == len(texts["upsampled"]) == 10
        assert with_o["shown"] == len(texts["shown"]) == 50
        assert with_o["true target"] == len(texts["true target"]) == 500 and len(texts["mistakes"]) == 50
        assert sorted(map(len, texts["random letters"])) == sorted(map(len, texts["more"]))
        assert with_o["generated"] > 300


def test_a_share_replaces_texts(worlds: list[World]) -> None:
    world = worlds[0]
    teacher, texts = world
    plain = student(summed(teacher, texts["source"] + texts["more"]))
    for kind in domain.KINDS:
        np.testing.assert_allclose(taught(world, kind, 0.0), plain, rtol=1e-12)
    mixed = student(summed(teacher, texts["source"] + texts["more"][375:] + texts["generated"][:375]))
    np.testing.assert_allclose(taught(world, "generated", 0.75), mixed, rtol=1e-12)
    again = student(
        summed(teacher, texts["source"] + texts["more"][25:] + 2 * texts["upsampled"] + texts["upsampled"][:5])
    )
    np.testing.assert_allclose(taught(world, "upsampled", 0.05), again, rtol=1e-12)


def test_the_student_loses_most_outside_its_domain(worlds: list[World]) -> None:
    inside, outside = (numbers(worlds, "generated", 0.0, of=of) for of in ("source", "target"))
    for column in range(3):
        assert surely_more(inside[:, column], outside[:, column])


def test_generated_texts_win_much_of_it_back_and_random_letters_a_part(worlds: list[World]) -> None:
    plain, made, random = (
        numbers(worlds, *of) for of in (("generated", 0.0), ("generated", 0.5), ("random letters", 0.5))
    )
    for column, least in enumerate((0.1, 0.1, 0.02)):
        assert surely_more(made[:, column], plain[:, column] + least)
        assert surely_more(made[:, column], random[:, column])
    gained = (random - plain).mean(axis=0) / (made - plain).mean(axis=0)
    assert 0.45 < gained[0] < 0.65 and 0.55 < gained[1] < 0.8


def test_few_generated_texts_do_most_and_random_letters_need_many(worlds: list[World]) -> None:
    plain, *few = (
        numbers(worlds, kind, share)[:, 1] for kind, share in (("more", 0), *((k, 0.1) for k in domain.KINDS))
    )
    _, *all_ = (numbers(worlds, kind, share)[:, 1] for kind, share in (("more", 0), *((k, 1.0) for k in domain.KINDS)))
    assert (few[0] - plain).mean() > 0.5 * (all_[0] - plain).mean()
    assert (few[1] - plain).mean() < 0.4 * (all_[1] - plain).mean()
    assert surely_more(few[0], few[1] + 0.03)


def test_upsampling_does_nothing_and_mistakes_harm(worlds: list[World]) -> None:
    plain = numbers(worlds, "upsampled", 0.0)
    for kind in ("upsampled", "mistakes"):
        assert abs((numbers(worlds, kind, 0.1) - plain)[:, 1].mean()) < 0.02
        for column in (0, 1):
            assert surely_more(plain[:, column], numbers(worlds, kind, 1.0)[:, column] + 0.03)


def test_a_teacher_that_never_saw_the_target_has_nothing_to_tell() -> None:
    blind = [draw(one, knows_target=False) for one in rng().spawn(12)]
    gain = numbers(blind, "generated", 0.5) - numbers(blind, "generated", 0.0)
    assert abs(gain[:, 0].mean()) < 0.05 and abs(gain[:, 1].mean()) < 0.05


def test_it_stops_where_the_source_is_like_the_target() -> None:
    """A fifth of the source has an o: a sixth of the gain is left."""
    alike = [draw(one, alike=100) for one in rng().spawn(12)]
    gain = numbers(alike, "generated", 0.5) - numbers(alike, "generated", 0.0)
    assert 0.0 < gain[:, 1].mean() < 0.05


def test_a_student_of_one_letter_tells_random_letters_apart(worlds: list[World]) -> None:
    plain, made, random = (
        numbers(worlds, *of, order=1)[:, 1] for of in (("generated", 0.0), ("generated", 0.5), ("random letters", 0.5))
    )
    assert (random - plain).mean() < 0.6 * (made - plain).mean()


def test_the_sweep_is_what_measure_says() -> None:
    sweep = domain.sweep(rng(5), seeds=2)
    labels = [draw(one) for one in rng(5).spawn(2)]
    assert sweep.recall[10] == pytest.approx(numbers(labels, "generated", 0.5)[:, 1].mean(), rel=1e-12)
    assert (sweep.direct_precision, sweep.direct_recall) == (sweep.precision[0], sweep.recall[0])
    assert list(sweep.curves) == list(domain.KINDS)
    assert (sweep.recall < sweep.recall_bound).all() and (sweep.precision < sweep.precision_bound).all()


def test_what_cannot_be_is_refused(worlds: list[World]) -> None:
    with pytest.raises(ValueError, match="domain is 'elsewhere': choose target or source"):
        measure(some_rows(), "elsewhere")
    for alike in (0, 501):
        with pytest.raises(ValueError, match=f"alike is {alike}: choose 1 to 500"):
            draw(rng(), alike=alike)
    for kind, share in (("made up", 0.5), ("generated", 1.5), ("generated", -0.1), ("generated", math.nan)):
        with pytest.raises(ValueError, match="choose one of source, more, .*, and a share from 0 to 1"):
            taught(worlds[0], kind, share)
