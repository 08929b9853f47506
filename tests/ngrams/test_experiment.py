"""The slider of tau over chains: exact against definitions, and the shape that notebook 04 tells of."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from kdlab.core.metrics import monte_carlo
from kdlab.ngrams.experiment import PREFIX, STORED, NGramSweep, measured, teacher_temperature
from kdlab.ngrams.model import NGramChain
from kdlab.ngrams.names import first_names

ORDERS = r"the orders of p\*, teacher and student are .*: whole numbers from 4 to 0"


def test_what_is_stored_is_what_is_measured(sweep: NGramSweep) -> None:
    """scripts/make_text.py wrote the file; 1e-9 is rounding, and invented names are the same to the letter."""
    told: list[float] = []
    again = measured(sweep.truth, sweep.teacher, 1, sweep.taus, 0, told.append)
    with np.load(STORED) as file:
        assert set(file) == set(again)
    for name, value in again.items():
        if name == "names":
            assert sweep.names == tuple(map(tuple, value.tolist()))
        else:
            np.testing.assert_allclose(getattr(sweep, name), value, rtol=0, atol=1e-9, err_msg=name)
    assert told == [(i + 1) / 61 for i in range(61)]


@pytest.mark.parametrize("tau", [0.3, 0.62, 1.0, 1.5])
def test_a_position_is_its_definition(sweep: NGramSweep, tau: float) -> None:
    """The chains made again, step by step; numbers against 20,000 samples within 4 standard errors.

    16 comparisons, each off by chance once in 16,000 times: a false alarm in one of 1,000 seeds, and the seed stays.
    """
    names, shares = first_names()
    truth = NGramChain.fit(names, shares, order=3)
    teacher = NGramChain.fit(truth, order=2).tempered(1 / tau)
    student = NGramChain.fit(teacher, order=1)
    moment, rng = sweep.at(tau), np.random.default_rng(5)
    for model, of, exact in [(student, truth, moment.precision), (truth, student, moment.recall)]:
        estimate = monte_carlo(model, of, n_samples=20_000, rng=rng)
        assert abs(estimate.value - exact) < 4 * estimate.standard_error
    np.testing.assert_allclose(moment.student.table, student.table, atol=1e-12)
    np.testing.assert_allclose(moment.teacher.table, teacher.table, atol=1e-12)
    drawn = teacher.sample(20_000, rng)
    letters = np.array([len(name) + 1 for name in drawn])
    nats, steps = -teacher.log_prob(drawn), letters.mean()
    slope = (nats - nats.sum() / letters.sum() * letters).std() / steps / math.sqrt(len(drawn))  # of a ratio of means
    assert abs(nats.sum() / letters.sum() - math.log(moment.choices)) < 4 * slope


def test_coverage_is_its_definition(sweep: NGramSweep) -> None:
    names, _ = first_names()
    for tau in (0.3, 0.8, 1.2):
        moment = sweep.at(tau)
        under_student, under_truth = moment.student.log_prob(names), sweep.truth.log_prob(names)
        covered = sum(a >= math.log(0.1) + b for a, b in zip(under_student, under_truth, strict=True))
        assert moment.covered == pytest.approx(covered / len(names), abs=1e-12)
        assert 0 < covered < len(names)


def test_below_one_precision_rises_and_recall_falls_and_above_one_there_is_no_trade(sweep: NGramSweep) -> None:
    """The paper's trade, exactly, at every step from tau = 1 down; asserted of these names and orders, not of all."""
    below, above = sweep.taus <= 1, sweep.taus >= 1
    assert (np.diff(sweep.precision) < 0).all()
    assert (np.diff(sweep.recall[below]) > 0).all()
    assert (np.diff(sweep.recall[above]) < 0).all()


def test_the_direct_student_is_the_one_of_tau_one(sweep: NGramSweep) -> None:
    """The teacher is p*'s projection, and projecting in two steps is projecting once."""
    at, direct = sweep.at(1.0), (sweep.direct_precision, sweep.direct_recall)
    assert (at.precision, at.recall) == pytest.approx(direct, abs=1e-9)


def test_both_bounds_hold(sweep: NGramSweep) -> None:
    assert (sweep.recall < sweep.recall_bound).all() and (sweep.precision < sweep.precision_bound).all()
    assert sweep.recall_bound == pytest.approx(sweep.truth.expected_log_prob(sweep.truth).value, abs=1e-12)
    assert sweep.precision_bound >= sweep.truth.log_prob(first_names()[0]).max() - 1e-12


def test_names_change_with_tau_and_not_by_chance(sweep: NGramSweep) -> None:
    """From one position to the next four in five names stay, with fresh random numbers hardly one would.

    From end to end they change; made again they are the same.
    """
    pairs = list(itertools.pairwise(sweep.names))
    stays = np.mean([one == other for before, after in pairs for one, other in zip(before, after, strict=True)])
    ends = np.mean([one == other for one, other in zip(sweep.names[0], sweep.names[-1], strict=True)])
    fresh = [sweep.at(tau).student.sample(12, np.random.default_rng(i)) for i, tau in enumerate(sweep.taus)]
    by_chance = np.mean([one == other for a, b in itertools.pairwise(fresh) for one, other in zip(a, b, strict=True)])
    assert stays > 0.75 and ends < 0.5 and by_chance < 0.1
    assert all(len(names) == 12 and all(names) for names in sweep.names)
    assert teacher_temperature(positions=2).names == (sweep.names[0], sweep.names[-1])
    assert teacher_temperature(positions=2, seed=1).names != teacher_temperature(positions=2).names


def test_next_letters_are_the_models_own(sweep: NGramSweep) -> None:
    np.testing.assert_array_equal(sweep.next_true, sweep.truth.next_letters(PREFIX))
    for i, tau in ((0, 0.3), (35, 1.0), (60, 1.5)):
        at = sweep.at(tau)
        np.testing.assert_allclose(sweep.next_taught[i], at.teacher.next_letters(PREFIX), rtol=0, atol=1e-12)
        np.testing.assert_allclose(sweep.next_learned[i], at.student.next_letters(PREFIX), rtol=0, atol=1e-12)


def test_the_sentence_says_the_numbers(sweep: NGramSweep) -> None:
    moment = sweep.at(0.5)
    assert moment.sentence == sweep.sentences[10]
    plain = moment.sentence.replace("\N{MINUS SIGN}", "-")
    assert plain == (
        f"At τ = 0.50 the teacher effectively chooses among {moment.choices:.2f} letters at each step. "
        f"The student covers {100 * moment.covered:.0f} % of the real names, with precision {moment.precision:.2f} "
        f"and recall {moment.recall:.2f} nats; the direct student has {sweep.direct_precision:.2f} and "
        f"{sweep.direct_recall:.2f}."
    )


@pytest.mark.parametrize("orders", [(2, 2, 2), (3, 1, 0), (2, 1, 1), (1, 0, 0)])
def test_other_orders_have_the_same_bounds(orders: tuple[int, int, int]) -> None:
    small = teacher_temperature(*orders, positions=4)
    assert np.isfinite([small.precision, small.recall, small.choices, small.covered]).all()
    assert (small.recall <= small.recall_bound + 1e-9).all() and (small.precision <= small.precision_bound).all()


@pytest.mark.parametrize(
    ("orders", "seed", "said"),
    [
        *((orders, 0, ORDERS) for orders in ((1, 2, 3), (5, 2, 1), (3, 2, -1), (3, 2, 1.0), (3, True, 1))),
        *(((3, 2, 1), seed, "seed is .*: give a whole number from 0") for seed in (-1, 0.5, True, "0")),
    ],
)
def test_orders_must_fall_and_a_seed_is_a_whole_number(orders: Any, seed: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        teacher_temperature(*orders, positions=2, seed=seed)


@pytest.mark.parametrize("tau", [0.29, 1.51, float("nan")])
def test_a_tau_off_the_slider_is_an_error(sweep: NGramSweep, tau: float) -> None:
    with pytest.raises(ValueError, match="the slider goes from 0.3 to 1.5"):
        sweep.at(tau)
