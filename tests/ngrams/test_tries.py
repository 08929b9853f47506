"""Sliders of tau and k: what is stored and sent is what the definitions give, and sentences say it."""

from typing import Any

import numpy as np
import pytest

from kdlab.core.format import percent
from kdlab.ngrams.attempts import expected_distinct, pass_at_k
from kdlab.ngrams.experiment import NGramSweep, teacher_temperature
from kdlab.ngrams.model import NGramChain
from kdlab.ngrams.names import first_names
from kdlab.ngrams.tries import AGAIN, DRAWS, NEW, STORED, TAUS, UNREAL, TriesSweep, kinds, measured, tries_over_tau

NAMES = first_names()[0]


def test_the_sliders_stand_on_round_numbers() -> None:
    assert len(TAUS) == 61 and (TAUS[0], TAUS[-1]) == (0.1, 1.5) and (np.diff(TAUS) > 0).all()
    assert {f"{tau:.2f}" for tau in TAUS} >= {"0.20", "0.30", "0.40", "0.50", "0.60", "0.70", "0.80", "1.00", "1.20"}
    np.testing.assert_array_equal(TAUS, np.round(TAUS, 2))
    assert np.diff(np.log(TAUS)).max() < 0.1  # nearly logarithmic
    assert len(DRAWS) == 58 and set(DRAWS) >= {m * 10**p for p in range(6) for m in (1, 3)} | {10**6}


def test_what_is_stored_is_what_is_measured(sweep: NGramSweep, tries: TriesSweep) -> None:
    """scripts/make_text.py wrote the file; names are the same to the letter."""
    again = measured(sweep)
    with np.load(STORED) as file:
        assert set(file) == set(again)
    assert tries.names == tuple(map(tuple, again.pop("names").tolist()))
    for name, value in again.items():
        np.testing.assert_allclose(getattr(tries, name), value, rtol=1e-9, err_msg=name)


@pytest.mark.parametrize(("tau", "k"), [(0.1, 1), (0.4, 100), (0.7, 3_000), (1.0, 10**6)])
def test_a_position_is_its_definition(sweep: NGramSweep, tries: TriesSweep, tau: float, k: int) -> None:
    student = NGramChain.fit(sweep.teacher.tempered(1 / tau), order=1)
    here = tries.asking(k).at(tau)
    assert (here.tau, here.k) == (tau, k)
    assert here.distinct == pytest.approx(expected_distinct(student, NAMES, k), rel=1e-9)
    assert here.passed == pytest.approx(pass_at_k(student, NAMES, k), rel=1e-9)
    assert here.precision == pytest.approx(student.expected_log_prob(sweep.truth).value, abs=1e-9)
    assert here.recall == pytest.approx(sweep.truth.expected_log_prob(student).value, abs=1e-9)
    assert list(here.names) == student.sample(45, np.random.default_rng([0, 4]))


def test_the_direct_student_is_the_one_taught_at_one(tries: TriesSweep) -> None:
    here = tries.at(1.0)
    assert (tries.direct_precision, tries.direct_recall) == pytest.approx((here.precision, here.recall), abs=1e-9)


def test_the_best_teacher_for_each_k(tries: TriesSweep) -> None:
    """Cold for few tries, at the edge for one; above 1 for very many. The places are those beside the best tau."""
    best = {k: round(float(tries.best_taus[tries.asking(k).column]), 2) for k in (1, 10, 100, 3_000, 10**5, 10**6)}
    assert best == {1: 0.1, 10: 0.22, 100: 0.39, 3_000: 0.7, 10**5: 0.99, 10**6: 1.15}
    np.testing.assert_array_equal(tries.inside, DRAWS > 2)
    assert (np.diff(tries.best_places) >= 0).all()
    step = np.diff(TAUS)[np.minimum(tries.best_places, 59)]
    assert (np.abs(TAUS[tries.best_places] - tries.best_taus) < step).all()


def test_sentences(tries: TriesSweep) -> None:
    many, few, one = tries.asking(3_000), tries.asking(100), tries.asking(1)
    start = "Taught at τ = {:.2f} and asked {}, the student says {} different real names on average"
    assert many.at(1.0).sentence == start.format(1, "3,000 times", "93.4") + ". The most is 98.8, at τ = 0.70."
    assert many.at(0.7).sentence == (
        start.format(0.7, "3,000 times", "98.8")
        + ". No other teacher here brings more. Taught at τ = 1.00 it says 93.4."
    )
    assert one.at(1.0).sentence == start.format(1, "once", "0.08") + ". The most is 0.80, at τ = 0.10, at the edge."
    assert one.at(0.1).sentence == (
        start.format(0.1, "once", "0.80")
        + ". No other teacher here brings more: this is the edge. Taught at τ = 1.00 it says 0.08."
    )
    here = tries.at(1.0)
    assert here.sentence == (
        start.format(1, "10 times", "0.81") + ", and at least one in 57 % of cases. The most is 1.90, at τ = 0.22."
    )
    assert (few.passed > 0.995).all() and percent(here.passed) == "57 %"
    assert (
        tries.asking(10**5)
        .at(1.0)
        .sentence.endswith("640 different real names on average. No other teacher here brings more.")
    )


def test_names_are_new_said_before_or_not_real() -> None:
    assert kinds(["mary", "xq", "mary", "xq", "anna"]) == [NEW, UNREAL, AGAIN, AGAIN, NEW]


def test_another_sweep_is_measured() -> None:
    """A student as large as its teacher, and other names."""
    made = tries_over_tau(teacher_temperature(2, 1, 1, seed=1, positions=3), k=70)
    assert made.orders == (2, 1, 1) and made.k == 80
    student = NGramChain.fit(NGramChain.fit(*first_names(), order=2), order=1)
    assert made.at(1.0).distinct == pytest.approx(expected_distinct(student, NAMES, made.k), rel=1e-9)
    assert list(made.at(1.0).names) == student.sample(45, np.random.default_rng([1, 4]))


@pytest.mark.parametrize("k", [0, 1_000_001, 2.5, True, "ten", None])
def test_k_off_the_slider(tries: TriesSweep, k: Any) -> None:
    with pytest.raises(ValueError, match=r"k is .*: the slider goes from 1 to 1,000,000 tries; choose a whole number"):
        tries.asking(k)


def test_other_bad_input(tries: TriesSweep) -> None:
    with pytest.raises(TypeError, match=r"TriesSweep is not a NGramSweep: pass what ngrams.teacher_temperature"):
        tries_over_tau(tries)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="order is 0 beside a teacher of order 1"):
        tries_over_tau(teacher_temperature(2, 1, 0, positions=3))
    with pytest.raises(ValueError, match="tau is 0.05: the slider goes from 0.1 to 1.5"):
        tries.at(0.05)
