"""A module in the teacher: slopes against differences, ends against closed forms, and what rank does to the student."""

from typing import Any

import numpy as np
import pytest
from support.chains import names_chain, random_chain

from kdlab.neighbours.online_teacher import Recipe, World, _written, distil, gradients, world
from kdlab.ngrams.model import NGramChain
from kdlab.ngrams.objectives import compare_objectives

NAMES = world(names_chain(3))
SMALL = world(random_chain(1, 3, "abc"))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def normal(logits: np.ndarray) -> np.ndarray:
    return np.asarray(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))


def losses(one: World, recipe: Recipe, logs: np.ndarray, taught: np.ndarray, visits: np.ndarray) -> tuple[float, float]:
    """Written out, one context after the other."""
    student = module = 0.0
    for r, row in enumerate(one.rows):
        says, shown = np.exp(logs[row]), one.teacher.table[r]
        kl = float((says * (logs[row] - taught[r])).sum())
        student += visits[r] * kl - recipe.data * one.visits[r] * float(shown @ logs[row])
        module += one.visits[r] * (recipe.pull * kl - recipe.anchor * float(shown @ taught[r]))
    return student, module


def settled(one: World, pull: float) -> NGramChain:
    """A module without limits (our derivation): T' = (p + pull S) / (1 + pull), and log S is the mean of log T'."""
    student, weights = NGramChain.fit(one.truth, order=1).table, one.visits
    for _ in range(3_000):
        mixed = (one.teacher.table + pull * student[one.rows]) / (1 + pull)
        logs = np.zeros_like(student)
        with np.errstate(divide="ignore"):
            np.add.at(logs, one.rows, weights[:, None] * np.log(np.maximum(mixed, 1e-300)))
        logs /= np.bincount(one.rows, weights, len(student))[:, None]
        odds = np.exp(logs - logs.max(axis=1, keepdims=True))
        student = odds / odds.sum(axis=1, keepdims=True)
    student[0, -1] = 0.0
    return NGramChain(student, 1, one.truth.alphabet)


def test_the_students_context_is_the_last_letter() -> None:
    contexts, short = SMALL.teacher.contexts, NGramChain.fit(SMALL.truth, order=1).contexts
    assert [short[row] for row in SMALL.rows] == [context[-1:] for context in contexts]
    np.testing.assert_allclose(SMALL.visits @ SMALL.teacher.table, SMALL.truth.step_counts(1).sum(axis=0), rtol=1e-10)


@pytest.mark.parametrize("recipe", [Recipe(), Recipe(data=0.7, rank=2, pull=0.3, anchor=1.4), Recipe(rank=1, anchor=0)])
def test_slopes_against_differences(recipe: Recipe) -> None:
    draw, h = rng(4), 1e-6
    student, teacher = draw.normal(size=(4, 4)), draw.normal(size=(13, 4))
    visits = draw.uniform(0.1, 2, size=13)
    slope, pulled = gradients(SMALL, recipe, normal(student), normal(teacher), visits)
    for which, logits, found in ((0, student, slope), (1, teacher, pulled)):
        for at in np.ndindex(logits.shape):
            ends = []
            for step in (h, -h):
                moved = logits.copy()
                moved[at] += step
                both = (moved, teacher) if which == 0 else (student, moved)
                ends.append(losses(SMALL, recipe, normal(both[0]), normal(both[1]), visits)[which])
            assert found[at] == pytest.approx((ends[0] - ends[1]) / (2 * h), abs=1e-7)


@pytest.mark.parametrize("beta", [0.7, 1.0, 1.5])
def test_a_fixed_teacher_ends_in_the_closed_form(beta: float) -> None:
    """A sharper teacher's rarest letters are still on their way down after 800 steps: 0.2 nats of recall too many."""
    exact = compare_objectives(NAMES.truth, NAMES.teacher, 1, tau=1 / beta)[3]
    found = distil(NAMES, Recipe(beta=beta), rng=rng(), steps=800)
    assert found.precision == pytest.approx(exact.precision, abs=0.01)
    assert found.recall == pytest.approx(exact.recall, abs=0.01 if beta <= 1 else 0.2)


def test_on_its_own_prefixes_too() -> None:
    """Within the noise of 200 names a step, which the falling rate averages away."""
    exact = compare_objectives(NAMES.truth, NAMES.teacher, 1, tau=1)[4]
    found = distil(NAMES, Recipe(written=200), rng=rng())
    assert (found.precision, found.recall) == pytest.approx((exact.precision, exact.recall), abs=0.08)


def test_with_data_alone_it_is_the_projection() -> None:
    found, direct = distil(NAMES, Recipe(data=1e4), rng=rng()), NGramChain.fit(NAMES.truth, order=1)
    assert found.recall == pytest.approx(NAMES.truth.expected_log_prob(direct).value, abs=1e-3)


def test_what_the_student_writes() -> None:
    """40,000 names: counts within five standard errors of the exact visits (variance at most 3 visits here)."""
    chain = NGramChain.fit(SMALL.truth, order=1)
    counted = _written(SMALL, np.maximum(chain.log_table, -700.0), 40_000, rng(5))
    exact = chain.step_counts(2).sum(axis=1)
    assert (np.abs(counted - exact) < 5 * np.sqrt(3 * exact / 40_000) + 1e-12).all()


@pytest.mark.parametrize("pull", [0.3, 1.0, 3.0])
def test_a_full_module_ends_in_a_mixture_of_data_and_student(pull: float) -> None:
    exact = settled(SMALL, pull)
    found = distil(SMALL, Recipe(rank=4, pull=pull), rng=rng(), steps=3_000)
    np.testing.assert_allclose(found.student.table, exact.table, atol=2e-3)
    mixed = (SMALL.teacher.table + pull * found.student.table[SMALL.rows]) / (1 + pull)
    np.testing.assert_allclose(found.teacher.table, mixed, atol=5e-3)


def test_the_kl_is_its_definition() -> None:
    found, total = distil(SMALL, Recipe(rank=1), rng=rng(), steps=50), 0.0
    for visits, context in zip(SMALL.visits, SMALL.teacher.contexts, strict=True):
        says, told = found.student.next_letters(context), found.teacher.next_letters(context)
        total += visits * sum(s * np.log(s / t) for s, t in zip(says, told, strict=True) if s > 0)
    assert found.kl == pytest.approx(total, abs=1e-12)


def test_rank_changes_the_sign() -> None:
    """Beside the fixed teacher's student, 4 sharpens and 16 widens; the loss falls all the way."""
    fixed, four, sixteen = (distil(NAMES, Recipe(rank=r), rng=rng(1)) for r in (0, 4, 16))
    assert four.precision > fixed.precision + 2 and four.recall < fixed.recall - 0.5
    assert sixteen.precision < fixed.precision - 1 and sixteen.recall > fixed.recall + 0.3
    assert fixed.kl > 4 > 1.5 > four.kl > sixteen.kl
    assert four.teacher.entropy < NAMES.teacher.entropy < sixteen.teacher.entropy


def test_a_tempered_teacher_and_data_do_better_than_a_module_of_rank_4() -> None:
    four, plain = distil(NAMES, Recipe(rank=4), rng=rng(1)), distil(NAMES, Recipe(beta=2.0, data=1.0), rng=rng())
    assert plain.precision > four.precision - 0.6 and plain.recall > four.recall + 0.5


def test_a_teacher_that_ends_sooner_does_too() -> None:
    """One number on its logit of the end, nothing trained; the lucky starts of rank 1 do no better."""
    table = NAMES.teacher.table.copy()
    table[:, -1] *= np.exp(1.5)
    sooner = NGramChain(table / table.sum(axis=1, keepdims=True), 2)
    plain = compare_objectives(NAMES.truth, sooner, 1, 1.0)[3]
    for seed in (0, 1, 2):
        one = distil(NAMES, Recipe(rank=1), rng=rng(seed))
        assert not (one.precision > plain.precision and one.recall > plain.recall)
    assert (plain.precision, plain.recall) == pytest.approx((-10.18, -17.29), abs=0.01)


def test_without_data_module_and_student_agree_on_little() -> None:
    """The loss looks perfect, and recall is lost; see the notebook."""
    alone = distil(NAMES, Recipe(rank=4, anchor=0.0), rng=rng())
    assert alone.kl < 0.05 and alone.recall < -25
    assert alone.teacher.entropy < NAMES.teacher.entropy / 2


def test_randomness_is_handed_in() -> None:
    one, same, other = (distil(SMALL, Recipe(rank=1), rng=rng(seed), steps=20).precision for seed in (0, 0, 1))
    assert one == same != other


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"beta": 0.0}, r"beta is 0\.0: give"),
        ({"beta": float("nan")}, r"beta is nan: give"),
        ({"data": -1.0}, r"data is -1\.0: give"),
        ({"rank": -1}, r"rank is -1: give"),
        ({"rank": 1.5}, r"rank is 1\.5: give"),
        ({"written": 0.5}, r"written is 0\.5: give"),
        ({"pull": float("inf")}, r"pull is inf: give"),
        ({"anchor": -0.1}, r"anchor is -0\.1: give"),
    ],
)
def test_bad_recipes(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe(**wrong)


def test_bad_calls() -> None:
    with pytest.raises(ValueError, match=r"steps is 0: give a numpy Generator and one step or more"):
        distil(SMALL, Recipe(), rng=rng(), steps=0)
    with pytest.raises(ValueError, match=r"rng is None"):
        distil(SMALL, Recipe(), rng=None)  # type: ignore[arg-type]
    never = NGramChain([[1.0, 0.0, 0.0], [0.5, 0.0, 0.5], [0.5, 0.0, 0.5]], 1, "ab")
    with pytest.raises(ValueError, match=r"probability zero"):
        world(never)
