"""Chains fitted to strings and to chains: the recursion in words, every string, the identities of M-projections."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chains import Enumeration, names_chain, orders, random_chain, seeds, steady

from kdlab import precision, recall
from kdlab.ngrams.model import NGramChain

TWO = ["ab", "b"]

# Fitting strings


def interpolated(strings: list[str], weights: list[float], prefix: str, order: int, alphabet: str) -> np.ndarray:
    """The documented recursion, in words: symbols with a start sign, dictionaries, no arrays of contexts."""

    def followed_by(context: str) -> np.ndarray:
        counts = np.zeros(len(alphabet) + 1)
        for string, weight in zip(strings, weights, strict=True):
            for i in range(len(string) + 1):
                if ("^" + string[:i]).endswith(context):
                    counts[(alphabet + "$").index((string + "$")[i])] += weight
        return counts

    def row(context: str) -> np.ndarray:
        if context == "":
            counts = followed_by("")
            length = counts[:-1].sum() / counts[-1]
            own = np.append(counts[:-1] / counts[:-1].sum() * (1 - 1 / length), 1 / length)
            return 0.9 * own + 0.1 / len(own)
        shorter = row(context[1:])
        if context == "^":
            shorter = np.append(shorter[:-1] / shorter[:-1].sum(), 0.0)
        counts = followed_by(context)
        return 0.9 * counts / counts.sum() + 0.1 * shorter if counts.sum() else shorter

    context = "^" + prefix if len(prefix) < order else prefix[len(prefix) - order :]
    if order == 0 and prefix == "":
        return np.append(row("")[:-1] / row("")[:-1].sum(), 0.0)
    return row(context)


@pytest.mark.parametrize("order", range(5))
def test_the_smoothing_is_the_one_that_is_written_down(order: int) -> None:
    strings, weights = ["ab", "abba", "b", "cab", "abcab"], [3.0, 1.0, 2.0, 0.5, 0.25]
    chain = NGramChain.fit(strings, weights, order, alphabet="abcd")
    for prefix in ["", "a", "b", "d", "ab", "da", "cab", "abb", "dda", "abca", "dddd", "cabba"]:
        expected = interpolated(strings, weights, prefix, order, "abcd")
        np.testing.assert_allclose(chain.next_letters(prefix), expected, rtol=1e-13, err_msg=prefix)


@pytest.mark.parametrize("order", range(5))
def test_every_string_has_positive_probability(order: int) -> None:
    chain = NGramChain.fit(["a"], order=order, alphabet="ab")
    assert np.isfinite(chain.log_prob(["a", "b", "bbbb", "babab", "a" * 30])).all()
    every = Enumeration(chain, 12)
    assert np.isfinite(every.logs).all()


@pytest.mark.parametrize("order", range(5))
def test_only_ratios_of_weights_matter(order: int) -> None:
    """Repeated strings count together, one without weight not at all."""
    strings, weights = ["ab", "abba", "b"], np.array([3.0, 1.0, 2.0])
    plain = NGramChain.fit(strings, weights, order, alphabet="abz")
    for factor in (1e-300, 0.1, 7.0, 5e307):
        scaled = NGramChain.fit(strings, weights * factor, order, alphabet="abz")
        np.testing.assert_allclose(scaled.table, plain.table, rtol=1e-13)
    listed = [*["ab"] * 3, "abba", "b", "b", "zzz"]
    repeated = NGramChain.fit(listed, [1, 1, 1, 1, 1, 1, 0], order, alphabet="abz")
    np.testing.assert_allclose(repeated.table, plain.table, rtol=1e-13)


def test_without_smoothing_a_full_order_gives_the_shares_back() -> None:
    strings, weights = ["ab", "abba", "bab"], np.array([0.5, 0.3, 0.2])
    chain = NGramChain.fit(strings, weights, 4, alphabet="ab", smoothing=0.0)
    np.testing.assert_allclose(np.exp(chain.log_prob(strings)), weights, rtol=1e-14)


# Fitting chains: the M-projection


@steady
@given(seeds, orders)
def test_an_order_as_high_as_the_source_s_returns_the_source(seed: int, order: int) -> None:
    chain = random_chain(seed, order)
    for higher in range(order, 5):
        assert NGramChain.fit(chain, order=higher) is chain


@pytest.mark.parametrize("order", range(4))
def test_projections_against_every_string(order: int) -> None:
    """The unsmoothed fit to all 32,766 strings with their probabilities; 0.15^13 of the mass is left over."""
    source = random_chain([11, order], 4, end=(0.85, 0.95))
    every = Enumeration(source, 14)
    counted = NGramChain.fit(every.strings, every.mass, order, alphabet="ab", smoothing=0.0)
    np.testing.assert_allclose(NGramChain.fit(source, order=order).table, counted.table, rtol=0, atol=1e-9)


@steady
@given(seeds, st.integers(1, 4), st.integers(0, 3), st.floats(0.05, 3.0))
def test_projections_are_the_maximum(seed: int, source_order: int, order: int, size: float) -> None:
    """No table of that order does better: neither a perturbed projection nor any other; 1e-12 is rounding."""
    source = random_chain(seed, source_order, "abc")
    best = NGramChain.fit(source, order=order)
    top = recall(best, source).value
    rng = np.random.default_rng([seed, 2])
    noise = rng.normal(scale=size, size=best.table.shape)
    if best.order == 0:
        noise[1:], noise[0] = noise[1], noise[1]
    table = best.table * np.exp(noise)
    if best.order == 0:
        table[0, :-1] = table[1, :-1]
    perturbed = NGramChain(table / table.sum(axis=1, keepdims=True), best.order, "abc")
    assert recall(perturbed, source).value <= top + 1e-12
    assert recall(random_chain([seed, 3], best.order, "abc"), source).value <= top + 1e-12
    assert top <= -source.entropy + 1e-12


@steady
@given(seeds, st.integers(1, 4), st.integers(0, 3))
def test_kl_adds_up_along_the_projection(seed: int, source_order: int, order: int) -> None:
    """KL(p || q) = KL(p || s) + KL(s || q) for every q of the order of p's projection s: expected counts are equal."""
    source = random_chain(seed, source_order, "abc")
    student = NGramChain.fit(source, order=order)
    other = random_chain([seed, 4], student.order, "abc")
    away = -source.entropy - source.expected_log_prob(other).value
    first = -source.entropy - source.expected_log_prob(student).value
    second = -student.entropy - student.expected_log_prob(other).value
    assert away == pytest.approx(first + second, abs=1e-10)
    assert recall(student, source).value == pytest.approx(-student.entropy, abs=1e-11)


@steady
@given(seeds, st.integers(2, 4))
def test_projecting_in_steps_is_projecting_at_once(seed: int, source_order: int) -> None:
    """So the direct student is the tau = 1 student where the teacher is p*'s projection."""
    truth = random_chain(seed, source_order, "abc")
    for teacher_order in range(1, source_order):
        for order in range(teacher_order):
            direct = NGramChain.fit(truth, order=order)
            distilled = NGramChain.fit(NGramChain.fit(truth, order=teacher_order).tempered(1.0), order=order)
            np.testing.assert_allclose(distilled.table, direct.table, rtol=0, atol=1e-13)


def test_a_context_never_visited_gets_equal_odds_and_is_never_asked_for() -> None:
    """Of ac, ad, bc no string shows dd or a run that begins with c; whatever leads there is impossible already."""
    source = NGramChain.fit(["ac", "ad", "bc"], [0.3, 0.3, 0.4], 2, alphabet="abcd", smoothing=0.0)
    student = NGramChain.fit(NGramChain.fit(source, order=1).tempered(math.inf), order=0)
    assert not np.isnan(student.log_table).any()
    student = NGramChain.fit(source.tempered(math.inf), order=1)  # of a, c, d: b was lost
    np.testing.assert_allclose(student.next_letters("b"), [0.2] * 5)
    np.testing.assert_array_equal(student.log_prob(["bc", "bb"]), [-math.inf] * 2)
    assert source.expected_log_prob(student).value == -math.inf
    assert math.isfinite(student.expected_log_prob(source).value)


def test_visits_too_rare_for_exact_odds_are_an_error_not_a_wrong_number() -> None:
    chain = random_chain(12, 2, end=(0.7, 0.8))
    with pytest.raises(ValueError, match=r"steps of this chain are expected less than 1e-290.*temper it less sharply"):
        NGramChain.fit(chain.tempered(2_000), order=1)
    assert NGramChain.fit(chain.tempered(math.inf), order=1).order == 1


def test_the_trade_off_on_the_names() -> None:
    """p* order 3, teacher 2, student 1: below tau = 1 precision for recall; above it both fall; recall peaks at 1."""
    truth = names_chain(3)
    teacher = NGramChain.fit(truth, order=2)
    students = {tau: NGramChain.fit(teacher.tempered(1 / tau), order=1) for tau in (0.3, 0.6, 0.9, 1.0, 1.1, 1.5)}
    precisions = {tau: round(precision(student, truth).value, 2) for tau, student in students.items()}
    recalls = {tau: round(recall(student, truth).value, 3) for tau, student in students.items()}
    assert precisions == {0.3: -15.0, 0.6: -18.93, 0.9: -22.25, 1.0: -23.38, 1.1: -24.52, 1.5: -29.37}
    assert recalls == {0.3: -20.364, 0.6: -15.94, 0.9: -15.353, 1.0: -15.333, 1.1: -15.348, 1.5: -15.576}
    assert max(recalls, key=lambda tau: recalls[tau]) == 1.0
    assert truth.most_likely()[0] == "john"
    assert all(value <= truth.most_likely()[1] for value in precisions.values())


# Errors at the edge


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (TWO, {"weights": [1.0]}, r"weights have shape \(1,\) beside 2 strings: give one weight per string"),
        (TWO, {"weights": [[1.0, 1.0]]}, r"weights have shape \(1, 2\) beside 2 strings"),
        (TWO, {"weights": [1.0, -0.5]}, r"weight 1 is -0\.5: make each finite and not negative"),
        (TWO, {"weights": [math.nan, 1.0]}, "weight 0 is nan: "),
        (TWO, {"weights": [1.0, math.inf]}, "weight 1 is inf: "),
        (TWO, {"weights": [0.0, 0.0]}, r"weights are \[0\. 0\.\]: give at least one above zero"),
        *(
            (TWO, {"smoothing": share}, f"smoothing is {share}: a share of each row, from 0 to 1")
            for share in (-0.1, 1.1, math.nan)
        ),
        *(
            (random_chain(0, 2), own, r"given beside a chain: .*write NGramChain\.fit\(chain, order=1\)")
            for own in ({"weights": [1.0]}, {"alphabet": "ab"}, {"smoothing": 0.1})
        ),
    ],
)
def test_what_cannot_be_fitted(source: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NGramChain.fit(source, order=1, **options)
