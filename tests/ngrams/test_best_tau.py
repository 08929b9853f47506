"""The best tau for k draws: slopes against differences, peaks against a sweep four times as dense."""

import math
from typing import Any

import numpy as np
import pytest
from support.chains import names_chain, random_chain, sparse_chain

from kdlab.ngrams.attempts import expected_distinct, pass_at_k
from kdlab.ngrams.best_tau import AttemptSweep, attempts_over_tau, student_and_slopes
from kdlab.ngrams.model import NGramChain
from kdlab.ngrams.names import first_names

NAMES = first_names()[0]
TAUS = np.geomspace(0.1, 1.5, 61)
TEACHER = NGramChain.fit(names_chain(3), order=2)


def log_table(teacher: NGramChain, order: int, tau: float) -> np.ndarray:
    logs = NGramChain.fit(teacher.tempered(1 / tau), order=order).log_table
    return np.where(np.isneginf(logs), 0.0, logs)


def difference(teacher: NGramChain, order: int, tau: float) -> np.ndarray:
    """Four points at a thousandth of tau: off by some h^4, and by rounding over h."""
    h = tau / 1_000
    near, far = (log_table(teacher, order, tau + s * h) - log_table(teacher, order, tau - s * h) for s in (1, 2))
    return np.asarray((8 * near - far) / (12 * h))


@pytest.mark.parametrize("tau", [0.3, 1.0, 2.0])
@pytest.mark.parametrize(("teacher", "order"), [(1, 1), (2, 1), (3, 1), (3, 2), (4, 3)])
def test_slopes_against_differences(teacher: int, order: int, tau: float) -> None:
    for chain in (random_chain([1, teacher], teacher, "abc"), sparse_chain([2, teacher], teacher)):
        student, slopes = student_and_slopes(chain, order, tau)
        np.testing.assert_array_equal(student.table, NGramChain.fit(chain.tempered(1 / tau), order=order).table)
        np.testing.assert_allclose(slopes, difference(chain, order, tau), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("tau", [0.1, 0.5, 1.2])
def test_slopes_of_the_names(tau: float) -> None:
    """The system of equations and the steps (a chain of order 3 has too many contexts for the former)."""
    _, slopes = student_and_slopes(TEACHER, 1, tau)
    np.testing.assert_allclose(slopes, difference(TEACHER, 1, tau), rtol=1e-8, atol=1e-7)
    if tau == 0.5:
        _, slopes = student_and_slopes(names_chain(3), 2, tau)
        np.testing.assert_allclose(slopes, difference(names_chain(3), 2, tau), rtol=1e-7, atol=1e-6)


@pytest.mark.parametrize("beginning", ["", "ma"])
def test_a_sweep_is_its_definition(beginning: str) -> None:
    ks, taus = [1, 2, 30, 10**5], [0.3, 0.6, 1.1]
    sweep = attempts_over_tau(TEACHER, 1, NAMES, ks, taus, beginning)
    for i, tau in enumerate(taus):
        student = NGramChain.fit(TEACHER.tempered(1 / tau), order=1)
        np.testing.assert_array_equal(sweep.students[i].table, student.table)
        np.testing.assert_allclose(sweep.distinct[i], expected_distinct(student, NAMES, ks, beginning), rtol=1e-14)
        np.testing.assert_allclose(sweep.passed[i], pass_at_k(student, NAMES, ks, beginning), rtol=1e-14)
    h = 1e-4
    around = attempts_over_tau(TEACHER, 1, NAMES, ks, [0.6 + s * h for s in (-2, -1, 1, 2)], beginning).distinct
    slope = (8 * (around[2] - around[1]) - (around[3] - around[0])) / (12 * h)
    np.testing.assert_allclose(sweep.slopes[1], slope, rtol=1e-8)


@pytest.fixture(scope="module")
def dense() -> AttemptSweep:
    """Peaks to 1e-6, and 40 numbers of draws from 1 to three million."""
    ks = np.unique(np.round(np.geomspace(1, 3e6, 45)))
    return attempts_over_tau(TEACHER, 1, NAMES, ks, np.geomspace(0.1, 1.5, 241))


@pytest.mark.parametrize("taus", [TAUS, TAUS[::2], np.linspace(0.1, 1.5, 71), np.linspace(0.3, 1.5, 61)])
def test_the_best_tau_is_as_good_as_its_error_says(dense: AttemptSweep, taus: np.ndarray) -> None:
    true = dense.best()
    best = attempts_over_tau(TEACHER, 1, NAMES, dense.draws, taus).best()
    seen = best.inside
    assert true.errors.max() < 1e-6 and seen.sum() > 30
    assert (true.taus[~seen] <= taus[0]).all() and (best.taus[~seen] == taus[0]).all()
    assert (np.abs(best.taus - true.taus)[seen] <= best.errors[seen] + true.errors[seen]).all()
    assert best.errors.max() < 4e-4
    np.testing.assert_allclose(best.distinct[seen], true.distinct[seen], rtol=2e-5)


def test_the_more_draws_the_hotter_the_best_teacher(dense: AttemptSweep) -> None:
    """One answer is best drawn as cold as can be; beyond 110,000 draws the best tau lies above 1."""
    best = dense.best()
    assert (np.diff(best.taus) >= 0).all()
    np.testing.assert_array_equal(best.inside, dense.draws > 2)
    assert (best.taus[dense.draws <= 2] == 0.1).all()
    ks = [3, 10, 100, 1_000, 10_000, 100_000, 110_000, 120_000, 1_000_000]
    few = attempts_over_tau(TEACHER, 1, NAMES, ks, TAUS).best()
    assert np.round(few.taus, 3).tolist() == [0.116, 0.222, 0.388, 0.621, 0.811, 0.99, 0.998, 1.005, 1.154]
    assert few.errors.max() < 5e-5


def test_cubics_are_found_exactly() -> None:
    """Peaks at 0.35, between positions, and at 1, on one; a line falls from the left end."""
    taus = np.array([0.1, 0.4, 0.8, 1.0, 1.3])
    at = taus[:, None] - np.array([0.35, 1.0])
    values = np.column_stack([2 - at**2 + at[:, :1] ** 3 / 9 * [1, 0], 1 - taus])
    slopes = np.column_stack([-2 * at + at[:, :1] ** 2 / 3 * [1, 0], -np.ones(5)])
    best = AttemptSweep(taus, np.array([1.0, 2.0, 3.0]), (), values, slopes, values).best()
    np.testing.assert_allclose(best.taus, [0.35, 1.0, 0.1], rtol=1e-14)
    np.testing.assert_allclose(best.distinct, [2, 2, 0.9], rtol=1e-14)
    assert best.inside.tolist() == [True, True, False] and best.errors.max() < 1e-13


def test_where_more_tries_bring_nothing_more_the_line_is_flat() -> None:
    """A single answer, asked for a million times: slopes are 0, or so small that products of two of them are 0."""
    found = attempts_over_tau(TEACHER, 1, ["a"], [10**3, 10**6], np.geomspace(0.1, 1.5, 21)).best()
    assert np.isfinite(found.taus).all() and np.isfinite(found.errors).all()
    np.testing.assert_allclose(found.distinct, 1, atol=1e-9)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        *(
            ({"taus": taus}, "taus are .*: give three or more")
            for taus in ([], [1, 2], [1, 1, 2], [0, 1, 2], [1, 2, math.nan], 1.0)
        ),
        *(({"order": order}, "order is .* beside a teacher of order 2") for order in (0, 3, True, 1.0)),
        ({"k": 0}, "k is 0: a whole number"),
        ({"accepted": []}, r"accepted is \[\]"),
        ({"beginning": "bb"}, "beginning is 'bb': none of 1 acceptable"),
    ],
)
def test_bad_sweeps(options: dict[str, Any], said: str) -> None:
    usual = {"order": 1, "accepted": ["a"], "k": 3, "taus": [0.5, 1, 2]}
    with pytest.raises(ValueError, match=said):
        attempts_over_tau(random_chain(0, 2), **(usual | options))
