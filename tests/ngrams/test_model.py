"""N-gram chains against every string of a tiny alphabet, against sampling, and against identities they must keep."""

from __future__ import annotations

import importlib.util
import io
import math
import tarfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.chains import names_chain, random_chain, sparse_chain

import kdlab.ngrams._tables
from kdlab import precision, recall
from kdlab.core.metrics import monte_carlo
from kdlab.ngrams.model import NGramChain, _picked
from kdlab.ngrams.names import first_names

steady = settings(derandomize=True, deadline=None, max_examples=60)
seeds = st.integers(0, 2**32 - 1)
orders = st.integers(0, 4)
DATA = Path(kdlab.__file__).parent / "data"


class Enumeration:
    """Every string up to a length, and its log-probability, from the rows by name: no index arithmetic is shared."""

    def __init__(self, chain: NGramChain, longest: int) -> None:
        rows = {context: i for i, context in enumerate(chain.contexts)}
        depth, table = max(chain.order, 1), chain.log_table
        self.strings: list[str] = []
        logs = []
        prefixes, scores = [""], np.zeros(1)
        for length in range(longest + 1):
            at = np.array([rows[prefix if length < depth else prefix[-depth:]] for prefix in prefixes])
            if length:
                self.strings += prefixes
                logs.append(scores + table[at, -1])
            prefixes = [prefix + letter for prefix in prefixes for letter in chain.alphabet]
            scores = (scores[:, None] + table[at, :-1]).ravel()
        self.logs = np.concatenate(logs)
        self.left_over = float(np.exp(scores).sum())  # the mass of all longer strings

    @property
    def mass(self) -> np.ndarray:
        return np.exp(self.logs)


# Strings and their probabilities


@pytest.mark.parametrize("alphabet", ["ab", "abc"])
@pytest.mark.parametrize("order", range(5))
def test_probabilities_against_every_string(order: int, alphabet: str) -> None:
    """Rounding of at most a dozen logarithms; and the strings enumerated and the ones left over make one."""
    chain = random_chain([1, order], order, alphabet)
    every = Enumeration(chain, 9)
    np.testing.assert_allclose(chain.log_prob(every.strings), every.logs, rtol=0, atol=1e-12)
    assert every.mass.sum() + every.left_over == pytest.approx(1.0, abs=1e-12)
    assert 0 < every.left_over <= 0.8**9


def test_one_string_by_hand() -> None:
    """Order 1: start, a after the start, b after a, the end after b."""
    table = [[0.7, 0.3, 0], [0.1, 0.5, 0.4], [0.2, 0.2, 0.6]]
    chain = NGramChain(table, 1, "ab")
    assert chain.contexts == ["", "a", "b"]
    assert chain.log_prob(["ab"])[0] == pytest.approx(math.log(0.7 * 0.5 * 0.6), abs=1e-15)
    np.testing.assert_allclose(chain.next_letters("ba"), [0.1, 0.5, 0.4], rtol=1e-14)
    np.testing.assert_allclose(chain.next_letters(""), [0.7, 0.3, 0], rtol=1e-14)


@pytest.mark.parametrize("order", range(5))
def test_next_letters_are_the_rows_by_name(order: int) -> None:
    """A prefix shorter than the order is known whole, a longer one by its last letters; order 0 knows that it began."""
    chain = random_chain([2, order], order, "abc")
    rows = dict(zip(chain.contexts, chain.table, strict=True))
    for prefix in ["", "a", "ca", "bca", "abca", "ccabca"]:
        known = prefix if len(prefix) < max(order, 1) else prefix[-max(order, 1) :]
        np.testing.assert_array_equal(chain.next_letters(prefix), rows[known])
        assert chain.next_letters(prefix).shape == (4,)


def test_a_chain_over_one_letter() -> None:
    """Lengths are geometric: 1 / 0.25 = 4 on average, so four coin tosses; the first letter is certain."""
    chain = NGramChain([[1.0, 0.0], [0.75, 0.25]], 1, "a")
    assert chain.log_prob(["aaa"])[0] == pytest.approx(math.log(0.75**2 * 0.25))
    assert chain.visits.sum() - 1 == pytest.approx(4.0)
    assert chain.entropy == pytest.approx(4 * -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))


@pytest.mark.parametrize("order", [0, 1, 3])
def test_samples_have_the_probabilities(order: int) -> None:
    """Shares of the 30 first strings in 200,000 draws, each within 5 standard errors (6e-7 each)."""
    chain = random_chain([3, order], order, end=(0.4, 0.6))
    drawn = chain.sample(200_000, np.random.default_rng(4))
    assert min(map(len, drawn)) == 1
    every = Enumeration(chain, 4)
    counts = dict.fromkeys(every.strings, 0)
    for string in drawn:
        counts[string] = counts.get(string, 0) + 1
    for string, p in zip(every.strings, every.mass, strict=True):
        assert abs(counts[string] / 200_000 - p) <= 5 * math.sqrt(p * (1 - p) / 200_000), string


def test_samples_never_take_a_step_of_probability_zero() -> None:
    for seed in range(20):
        chain = sparse_chain(seed, seed % 4)
        assert np.isfinite(chain.log_prob(chain.sample(5_000, np.random.default_rng(seed)))).all()


def test_uniform_numbers_at_the_edges_pick_no_impossible_letter() -> None:
    """0, the largest number below 1, and sums that round to less than 1."""
    table = np.array([[0.0, 0.3, 0.0, 0.7, 0.0], [0.1, 0.2, 0.3, 0.1, 0.3]])
    almost = np.nextafter(1.0, 0.0)
    picks = _picked(table, np.array([0, 0, 0, 1, 1]), np.array([0.0, 0.3, almost, 0.0, almost]))
    np.testing.assert_array_equal(picks, [1, 3, 3, 0, 4])
    tenths = np.full((1, 11), 0.1)
    tenths[0, -1] = 0.0
    assert _picked(tenths, np.array([0]), np.array([almost]))[0] == 9


def test_the_same_random_numbers_give_the_same_names_almost() -> None:
    """tau = 1 against 1.01: few of 300 strings change; another seed changes nearly all."""
    chain = names_chain(1)
    one, again = (chain.sample(300, np.random.default_rng(5)) for _ in range(2))
    assert one == again
    close = chain.tempered(1 / 1.01).sample(300, np.random.default_rng(5))
    other = chain.sample(300, np.random.default_rng(6))
    assert sum(a != b for a, b in zip(one, close, strict=True)) < 60
    assert sum(a != b for a, b in zip(one, other, strict=True)) > 290


@pytest.mark.parametrize("order", range(5))
def test_the_most_likely_string_is_the_most_likely(order: int) -> None:
    for seed in range(10):
        chain = random_chain([seed, order], order, end=(0.1, 0.5))
        every = Enumeration(chain, 10)
        string, score = chain.most_likely()
        assert score == pytest.approx(every.logs.max(), abs=1e-12)
        assert string == every.strings[int(every.logs.argmax())]
        assert score == pytest.approx(chain.log_prob([string])[0], abs=1e-12)


# Exact expectations


def test_expectations_between_all_orders_against_every_string() -> None:
    """Two letters, all 131,070 strings up to 16: of the longer ones at most 0.15^15 = 4.4e-13 is left over.

    A string of that mass costs at most its 16 steps and some more, each at most the costliest step: below 1e-9.
    """
    chains = [random_chain([7, order], order, end=(0.85, 0.95)) for order in range(5)]
    listed = [Enumeration(chain, 16) for chain in chains]
    for chain, every in zip(chains, listed, strict=True):
        costliest = max(float(-of.log_table[np.isfinite(of.log_table)].min()) for of in chains)
        assert every.left_over * 25 * costliest < 1e-9
        for of, scores in zip(chains, listed, strict=True):
            estimate = chain.expected_log_prob(of)
            assert (estimate.standard_error, estimate.n_samples) == (0.0, None)
            assert estimate.value == pytest.approx(every.mass @ scores.logs, abs=1e-9), (chain, of)
        assert chain.entropy == pytest.approx(-(every.mass @ every.logs), abs=1e-9)


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_expectations_of_tempered_chains_over_three_letters(beta: float) -> None:
    """Strings up to 9 of three letters; flattened odds of the end are at least 0.6 and leave 0.4^8 = 7e-4 at most.

    So the sum over the strings falls short by at most that mass times 20 costliest steps; the exact one is between.
    """
    for one in range(5):
        chain = random_chain([8, one], one, "abc", end=(0.9, 0.97)).tempered(beta)
        of = random_chain([9, one], 4 - one, "abc", end=(0.9, 0.97))
        every, scores = Enumeration(chain, 9), Enumeration(of, 9)
        summed, costliest = every.mass @ scores.logs, -of.log_table[np.isfinite(of.log_table)].min()
        exact = chain.expected_log_prob(of).value
        assert summed - 20 * costliest * every.left_over - 1e-12 <= exact <= summed + 1e-12


@pytest.mark.parametrize("order", [2, 3])
def test_summing_and_solving_agree_where_strings_are_long(order: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mean lengths up to a hundred: the recursion leaves 1e-14 letters out, solving rounds a few thousand sums."""
    for seed in range(10):
        visits = []
        for patience in (100_000, 0):
            monkeypatch.setattr(kdlab.ngrams._tables, "_PATIENCE", patience)
            visits.append(random_chain(seed, order, "abc", (0.005, 0.2)).visits)
        np.testing.assert_allclose(*visits, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("length", [50.0, 1_000.0, 9_000.0])
def test_strings_of_any_length(length: float) -> None:
    """Order 0 with the end at 1 / length: the mean length is 1 + (1 - e) / e = length, the entropy follows from it."""
    e = 1 / length
    letters = np.array([0.5, 0.3, 0.2])
    table = [[*letters, 0.0], *[[*(letters * (1 - e)), e]] * 3]
    chain = NGramChain(table, 0, "abc")
    assert chain.visits.sum() - 1 == pytest.approx(length, rel=1e-10)
    per_letter = -(letters * np.log(letters)).sum()
    expected = length * per_letter - (length - 1) * math.log(1 - e) - math.log(e)
    assert chain.entropy == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("order", range(5))
def test_visits_by_hand_and_by_sampling(order: int) -> None:
    """Prefixes as often as strings begin so; runs of letters as often as they occur, within 5 standard errors."""
    chain = random_chain([10, order], order, end=(0.3, 0.5))
    drawn, depth = chain.sample(50_000, np.random.default_rng(1)), max(order, 1)
    for context, expected in zip(chain.contexts, chain.visits, strict=True):
        if len(context) < depth:
            seen = np.array([string.startswith(context) for string in drawn], dtype=float)
        else:
            seen = np.array([sum(s.startswith(context, i) for i in range(len(s))) for s in drawn], dtype=float)
        error = max(seen.std(), 1e-3) / math.sqrt(len(drawn))
        assert abs(seen.mean() - expected) <= 5 * error, context


@steady
@given(seeds, orders, orders)
def test_minus_infinity_only_where_it_is_true(seed: int, order: int, of_order: int) -> None:
    """Exactly when some string has p > 0 and q = 0, among all up to 9 letters: with order 4 at most 31 contexts.

    Nothing is NaN, and what is finite lies within what the left-over strings can cost.
    """
    chain, of = sparse_chain(seed, order), sparse_chain([seed, 5], of_order)
    every, scores = Enumeration(chain, 11), Enumeration(of, 11)
    drawable = np.isfinite(every.logs)
    value = chain.expected_log_prob(of).value
    impossible = bool(np.isneginf(scores.logs[drawable]).any())
    assert (value == -math.inf) == impossible
    if not impossible:
        summed = every.mass[drawable] @ scores.logs[drawable]
        costliest = -of.log_table[np.isfinite(of.log_table)].min()
        assert summed - 25 * costliest * every.left_over - 1e-12 <= value <= summed + 1e-12


def test_a_string_that_cannot_be_has_log_probability_minus_infinity() -> None:
    chain = NGramChain([[1, 0, 0], [0, 0.5, 0.5], [0, 0, 1]], 1, "ab")
    np.testing.assert_array_equal(chain.log_prob(["b", "aa", "bb"]), [-math.inf] * 3)
    np.testing.assert_allclose(chain.log_prob(["a", "ab"]), np.log([0.5, 0.5]))
    assert chain.entropy == pytest.approx(math.log(2))
    anything = random_chain(0, 2)
    assert anything.expected_log_prob(chain).value == -math.inf
    assert math.isfinite(chain.expected_log_prob(anything).value)


def test_a_context_that_cannot_be_reached_does_not_count() -> None:
    """After c only c, for ever; but c never comes: visits, expectations and samples are those of the rest."""
    looped = NGramChain([[0.5, 0.5, 0, 0], [0, 0.5, 0, 0.5], [0.5, 0, 0, 0.5], [0, 0, 1, 0]], 1, "abc")
    plain = NGramChain([[0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5]], 1, "ab")
    assert looped.visits[3] == 0.0
    assert looped.entropy == pytest.approx(plain.entropy, abs=1e-12)
    never = NGramChain([[0.5, 0.5, 0, 0], [0, 0.5, 0, 0.5], [0.5, 0, 0, 0.5], [1, 0, 0, 0]], 1, "abc")
    assert looped.expected_log_prob(never).value == pytest.approx(-plain.entropy, abs=1e-12)


def test_any_other_model_is_scored_by_sampling() -> None:
    """A fake model that says minus the length: the mean length is known exactly."""
    of: Any = SimpleNamespace(log_prob=lambda strings: -np.array([len(s) for s in strings], dtype=float))
    chain = random_chain(1, 2)
    estimate = chain.expected_log_prob(of, np.random.default_rng(0))
    assert estimate.n_samples == 200_000
    assert abs(estimate.value + chain.visits.sum() - 1) <= 5 * estimate.standard_error


# Tempering


def test_tempering_by_hand() -> None:
    """.9^2 : .1^2 = 81 : 1 in each row by itself."""
    chain = NGramChain([[0.9, 0.1, 0], [0.1, 0, 0.9], [0.2, 0.4, 0.4]], 1, "ab").tempered(2)
    np.testing.assert_allclose(chain.table, [[81 / 82, 1 / 82, 0], [1 / 82, 0, 81 / 82], [1 / 9, 4 / 9, 4 / 9]])


def test_beta_one_zero_and_infinity() -> None:
    chain = NGramChain([[0.9, 0.1, 0], [0.1, 0, 0.9], [0.2, 0.4, 0.4]], 1, "ab")
    np.testing.assert_allclose(chain.tempered(1).table, chain.table, rtol=1e-15)
    np.testing.assert_allclose(chain.tempered(0).table, [[0.5, 0.5, 0], [0.5, 0, 0.5], [1 / 3] * 3])
    np.testing.assert_array_equal(chain.tempered(math.inf).table, [[1, 0, 0], [0, 0, 1], [0, 0.5, 0.5]])


@pytest.mark.parametrize(("relative", "shares"), [(1e-13, True), (1e-11, False)])
def test_ties_are_judged_to_1e_12_relative(relative: float, shares: bool) -> None:
    chain = NGramChain([[0.5, 0.5, 0], [0.5, 0.5 * (1 - relative), 0.5 * relative], [0, 0, 1]], 1, "ab")
    assert (chain.tempered(math.inf).table[1, 1] > 0) == shares


def test_the_end_never_comes_first_at_any_beta() -> None:
    """At order 0 the end may be the likeliest step of all; at beta = inf every string is then one letter."""
    chain = NGramChain([[2 / 3, 1 / 3, 0], *[[0.2, 0.1, 0.7]] * 2], 0, "ab")
    for beta in (0.0, 0.5, 3.0, 1e3, math.inf):
        assert chain.tempered(beta).table[0, -1] == 0.0
    assert chain.tempered(math.inf).sample(3, np.random.default_rng(0)) == ["a"] * 3


@steady
@given(seeds, orders, st.floats(0.01, 20.0), st.floats(0.01, 20.0))
def test_tempering_composes(seed: int, order: int, one: float, other: float) -> None:
    """Log-odds reach 400 * 20 here, so 13 digits leave 1e-9."""
    chain = random_chain(seed, order)
    twice, once = chain.tempered(one).tempered(other), chain.tempered(one * other)
    possible = np.isfinite(chain.log_table)
    np.testing.assert_allclose(twice.log_table[possible], once.log_table[possible], rtol=1e-12, atol=1e-9)
    assert np.isneginf(twice.log_table[~possible]).all()


@steady
@given(seeds, orders, st.one_of(st.floats(0.0, 1e308), st.just(math.inf)))
def test_no_beta_overflows(seed: int, order: int, beta: float) -> None:
    """Warnings are errors here."""
    for chain in (random_chain(seed, order), sparse_chain(seed, order)):
        tempered = chain.tempered(beta)
        assert not np.isnan(tempered.log_table).any()
        assert tempered.log_table.max() <= 1e-12
        np.testing.assert_allclose(tempered.table.sum(axis=1), 1.0, atol=1e-12)
        assert not np.isnan(tempered.log_prob(["a", "abba"])).any()


def test_tempering_per_step_is_not_tempering_strings() -> None:
    """Strings ac, ad, bc with .3, .3, .4. Squared as strings .265, .265, .471; squared per step .346, .346, .308."""
    strings = ["ac", "ad", "bc"]
    chain = NGramChain.fit(strings, [0.3, 0.3, 0.4], 1, alphabet="abcd", smoothing=0.0)
    np.testing.assert_allclose(np.exp(chain.log_prob(strings)), [0.3, 0.3, 0.4], rtol=1e-14)
    globally = np.exp(2 * chain.log_prob(strings))
    np.testing.assert_allclose(globally / globally.sum(), [9 / 34, 9 / 34, 16 / 34], rtol=1e-13)
    np.testing.assert_allclose(np.exp(chain.tempered(2).log_prob(strings)), [9 / 26, 9 / 26, 8 / 26], rtol=1e-13)
    assert chain.most_likely()[0] == "bc"
    assert chain.tempered(2).most_likely()[0] == "ac"


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
    """The unsmoothed fit to all 131,070 strings with their probabilities; 0.15^15 of the mass is left over."""
    source = random_chain([11, order], 4, end=(0.85, 0.95))
    every = Enumeration(source, 16)
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


@pytest.mark.parametrize("order", [1, 2, 3])
def test_letter_by_letter_and_by_equations_are_one(order: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few contexts are solved as a system of equations, many are summed letter by letter: the same visits."""
    for seed in range(5):
        chains = [random_chain([seed, order], order), random_chain([seed, order, 1], order, "abc")]
        solved = [chain.visits for chain in chains]
        with monkeypatch.context() as patch:
            patch.setattr(kdlab.ngrams._tables, "_TINY", 0)
            again = [NGramChain(chain.table, order, chain.alphabet) for chain in chains]
            for one, other in zip(again, solved, strict=True):
                np.testing.assert_allclose(one.visits, other, rtol=0, atol=1e-12)


# The names


def test_exact_numbers_agree_with_sampled_ones_on_the_names() -> None:
    """Twelve looks at 4 standard errors (6.3e-5 each): with fresh seeds, a false alarm in 0.08 % of runs."""
    truth = names_chain(3)
    teacher = NGramChain.fit(truth, order=2)
    for i, tau in enumerate([0.3, 0.6, 1.0, 1.5]):
        said = teacher.tempered(1 / tau)
        student = NGramChain.fit(said, order=1)
        for j, (model, of) in enumerate([(student, truth), (truth, student), (said, truth)]):
            sampled = monte_carlo(model, of, n_samples=50_000, rng=np.random.default_rng([13, i, j]))
            exact = model.expected_log_prob(of).value
            assert abs(exact - sampled.value) <= 4 * sampled.standard_error, (tau, j, exact, sampled)


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
    direct = NGramChain.fit(truth, order=1)
    np.testing.assert_allclose(students[1.0].table, direct.table, rtol=0, atol=1e-13)
    assert truth.most_likely()[0] == "john"
    assert all(value <= truth.most_likely()[1] for value in precisions.values())


def test_the_whole_of_a_large_chain_against_solving_equations() -> None:
    """Order 2 of the names, 703 contexts: against numpy's solver, on a matrix made from the names of the rows."""
    chain = names_chain(2).tempered(1 / 1.5)
    contexts = chain.contexts
    row = {context: i for i, context in enumerate(contexts)}
    steps = np.zeros((len(row), len(row)))
    for i, context in enumerate(contexts):
        for letter, p in zip(chain.alphabet, chain.table[i], strict=False):
            steps[i, row[(context + letter)[-2:]]] += p
    start = np.eye(len(row))[0]
    visits = np.linalg.solve(np.eye(len(row)) - steps.T, start)
    np.testing.assert_allclose(chain.visits, visits, rtol=1e-11, atol=1e-14)


@pytest.mark.slow
def test_order_four_works() -> None:
    """475,255 contexts. Against 100,000 samples at 4 standard errors (two looks: 0.013 %)."""
    truth = names_chain(4)
    student = NGramChain.fit(truth.tempered(2.0), order=3)
    for model, of in ((truth, student), (student, truth)):
        sampled = monte_carlo(model, of, n_samples=100_000, rng=np.random.default_rng(14))
        assert abs(model.expected_log_prob(of).value - sampled.value) <= 4 * sampled.standard_error


def test_a_position_of_the_slider_is_quick() -> None:
    """Measured: 2 to 3 ms for precision and recall; the fastest of 20, as other work on the machine only adds."""
    truth = names_chain(3)
    teacher = NGramChain.fit(truth, order=2)
    times = []
    for i in range(20):
        student = NGramChain.fit(teacher.tempered(1.1 + i / 100), order=1)
        start = time.perf_counter()
        precision(student, truth)
        recall(student, truth)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.010


# The file of names, and how it was made


def make_names() -> Any:
    spec = importlib.util.spec_from_file_location("make_names", DATA.parents[1] / "scripts" / "make_names.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_names_are_the_census() -> None:
    """MARY 2.629 % of women and 0.009 % of men; JAMES 3.318 % of men and 0.010 % of women, as the files say."""
    names, weights = first_names()
    assert len(names) == len(set(names)) == len(weights) == 5163
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert names[:3] == ["james", "john", "robert"]
    people = dict(zip(names, np.round(weights * 179_992).astype(int).tolist(), strict=True))
    assert (people["mary"], people["james"], sum(people.values())) == (2629 + 9, 3318 + 10, 179_992)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz") for name in names)
    assert (DATA / "first_names.csv").stat().st_size < 200_000


def test_the_file_is_what_its_script_writes(tmp_path: Path) -> None:
    names, weights = first_names()
    pairs = list(zip(names, np.round(weights * 179_992).astype(int).tolist(), strict=True))
    make_names().write(sorted(pairs, key=lambda pair: (-pair[1], pair[0])), tmp_path / "names.csv")
    assert (tmp_path / "names.csv").read_bytes() == (DATA / "first_names.csv").read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["names.csv"]


MEN, WOMEN = "JO             0.318  0.318      1\nAL             0.010  0.328      2\n", "JO  1.002  1.002  1\n"


def test_men_and_women_are_added_up(tmp_path: Path) -> None:
    module, folder = make_names(), tmp_path / "names-0.3.0" / "names"
    folder.mkdir(parents=True)
    (folder / "dist.male.first").write_text(MEN)
    (folder / "dist.female.first").write_text(WOMEN)
    with tarfile.open(tmp_path / "names.tar.gz", "w:gz") as archive:
        for name, text in [("dist.male.first", MEN), ("dist.female.first", WOMEN)]:
            member = tarfile.TarInfo(f"names-0.3.0/names/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    for source in (tmp_path / "names-0.3.0", tmp_path / "names.tar.gz"):
        assert module.merge(module.read_files(source)) == [("jo", 1320), ("al", 10)]
    (folder / "dist.female.first").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no dist\.female\.first: give the source of names 0\.3\.0"):
        module.read_files(folder)


@pytest.mark.parametrize("line", ["JO 0.31 0.318 1", "O'NEIL  0.318  0.318  1", "jo  0.318 1 1", ""])
def test_lines_that_are_no_census(line: str) -> None:
    with pytest.raises(ValueError, match="line is .*: a name from A to Z"):
        make_names().merge([line + "\n"])


# Frozen, validated, errors at the edge


def test_a_chain_is_frozen() -> None:
    chain = random_chain(0, 1)
    with pytest.raises(AttributeError, match="'order'.*frozen"):
        chain.order = 2
    for array in (chain.log_table, chain.table, chain.visits):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0
    assert repr(chain) == "NGramChain(order 1 over 'ab', 3 contexts)"


GOOD = [[0.5, 0.5, 0], [0.2, 0.3, 0.5], [0.2, 0.3, 0.5]]


@pytest.mark.parametrize(
    ("table", "order", "message"),
    [
        (GOOD, 2, r"table has shape \(3, 3\): order 2 over 2 letters needs \(7, 3\)"),
        ([0.5, 0.5], 1, r"table has shape \(2,\).*needs \(3, 3\)"),
        ([[0.5, 0.6, 0], *GOOD[1:]], 1, r"row 0 of the table is \[0\.5 0\.6 0\. \]: probabilities that sum to one"),
        ([GOOD[0], [0.2, -0.3, 1.1], GOOD[2]], 1, r"row 1 of the table is \[ 0\.2 -0\.3  1\.1\]"),
        ([GOOD[0], GOOD[1], [math.nan, 0.5, 0.5]], 1, r"row 2 of the table is \[nan 0\.5 0\.5\]"),
        ([GOOD[0], GOOD[1], [math.inf, 0.5, 0.5]], 1, r"row 2 of the table is \[inf 0\.5 0\.5\]"),
        ([[0.5, 0.4, 0.1], *GOOD[1:]], 1, r"the end has probability 0\.1 in row 0: .*at least one letter"),
        ([GOOD[0], GOOD[1], [0.3, 0.2, 0.5]], 0, r"rows 1 and up of the table differ: at order 0"),
    ],
)
def test_bad_tables(table: Any, order: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NGramChain(table, order, "ab")


@pytest.mark.parametrize("order", [-1, 5, 1.5, 2.0, "2", None, True])
def test_bad_orders(order: Any) -> None:
    for make in (
        lambda: NGramChain.fit(["ab"], order=order),
        lambda: NGramChain.fit(random_chain(0, 2), order=order),
        lambda: NGramChain(GOOD, order, "ab"),
    ):
        with pytest.raises(ValueError, match="order is .*: the next letter looks at the last 0, 1, 2, 3 ") as raised:
            make()
        assert repr(order) in str(raised.value)


def test_an_order_may_be_a_numpy_integer() -> None:
    assert NGramChain.fit(["ab"], order=np.int64(2)).order == 2


@pytest.mark.parametrize("alphabet", ["", "aba", "a\0", None, ["a", "b"]])
def test_bad_alphabets(alphabet: Any) -> None:
    with pytest.raises(ValueError, match="alphabet is .*: a string of one or more different letters") as raised:
        NGramChain(GOOD, 1, alphabet)
    assert repr(alphabet) in str(raised.value)


@pytest.mark.parametrize(
    ("strings", "message"),
    [
        ([], r"strings are \[\]: a list of one or more strings is needed, like \['anna', 'otto'\]"),
        ("anna", r"strings are 'anna': a list"),
        (7, r"strings are 7: a list"),
        (["ab", ""], r"string 1 is '': a string of one or more letters is needed; leave it out"),
        (["ab", None], r"string 1 is None: "),
        (["ab", "bAb"], r"string 1, 'bAb', has 'A' outside the alphabet 'ab': write it in small letters, or name"),
        (["a\0b"], r"string 0, 'a\\x00b', has '\\x00' outside the alphabet"),
        (["aéb"], r"string 0, 'aéb', has 'é' outside the alphabet"),
    ],
)
def test_bad_strings(strings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        random_chain(0, 1).log_prob(strings)
    with pytest.raises(ValueError, match=message):
        NGramChain.fit(strings, order=1, alphabet="ab")


def test_a_bad_prefix() -> None:
    with pytest.raises(ValueError, match="'ax', has 'x' outside the alphabet 'ab'"):
        random_chain(0, 2).next_letters("ax")


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], r"weights have shape \(1,\) beside 2 strings: one weight per string"),
        ([[1.0, 1.0]], r"weights have shape \(1, 2\) beside 2 strings"),
        ([1.0, -0.5], r"weight 1 is -0\.5: each must be finite and not negative"),
        ([math.nan, 1.0], "weight 0 is nan: "),
        ([1.0, math.inf], "weight 1 is inf: "),
        ([0.0, 0.0], r"weights are \[0\. 0\.\]: at least one must be above zero"),
    ],
)
def test_bad_weights(weights: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NGramChain.fit(["ab", "b"], weights, 1)


@pytest.mark.parametrize("smoothing", [-0.1, 1.1, math.nan])
def test_bad_smoothing(smoothing: float) -> None:
    with pytest.raises(ValueError, match=f"smoothing is {smoothing}: a share of each row, from 0 to 1"):
        NGramChain.fit(["ab"], order=1, smoothing=smoothing)


@pytest.mark.parametrize("extra", [{"weights": [1.0]}, {"alphabet": "ab"}, {"smoothing": 0.1}])
def test_a_chain_brings_its_own_weights_and_letters(extra: Any) -> None:
    with pytest.raises(ValueError, match=r"given beside a chain: .*write NGramChain\.fit\(chain, order=1\)"):
        NGramChain.fit(random_chain(0, 2), order=1, **extra)


@pytest.mark.parametrize("beta", [-1, -1e-9, -math.inf, math.nan])
def test_bad_beta(beta: float) -> None:
    with pytest.raises(ValueError, match=f"beta is {beta}: .*try 1"):
        random_chain(0, 1).tempered(beta)


@pytest.mark.parametrize("rng", [None, 3, np.random.RandomState(0)])
def test_sampling_needs_a_generator(rng: Any) -> None:
    with pytest.raises(ValueError, match=r"rng is .*default_rng\(seed\)") as raised:
        random_chain(0, 1).sample(3, rng)
    assert repr(rng) in str(raised.value)


@pytest.mark.parametrize("n", [0, -2])
def test_sampling_needs_at_least_one_string(n: int) -> None:
    with pytest.raises(ValueError, match=f"n is {n}: at least 1 string"):
        random_chain(0, 1).sample(n, np.random.default_rng(0))


def test_two_chains_must_write_in_the_same_letters() -> None:
    with pytest.raises(ValueError, match="alphabets are 'ab' and 'abc': both chains must write in the same letters"):
        random_chain(0, 1).expected_log_prob(random_chain(0, 1, "abc"))


def test_a_model_that_is_no_chain_needs_an_rng() -> None:
    with pytest.raises(ValueError, match=r"rng is None.*default_rng\(seed\)"):
        random_chain(0, 1).expected_log_prob(SimpleNamespace(log_prob=len))  # type: ignore[arg-type]


@pytest.mark.parametrize("end", [0.0, 1e-6])
def test_strings_that_practically_never_end(end: float) -> None:
    loop = NGramChain([[0.5, 0.5, 0], [0, 1 - end, end], [1 - end, 0, end]], 1, "ab")
    message = r"practically never end \(.*10000 letters to come, on average\).*less sharply"
    for ask in (
        lambda: loop.visits,
        lambda: loop.entropy,
        lambda: loop.expected_log_prob(random_chain(0, 1)),
        lambda: NGramChain.fit(loop, order=0),
    ):
        with pytest.raises(ValueError, match=message):
            ask()
    with pytest.raises(ValueError, match="10000 letters has not ended: this chain is caught in a loop"):
        loop.sample(20, np.random.default_rng(0))


def test_no_string_at_all() -> None:
    with pytest.raises(ValueError, match="no string of this chain ever ends"):
        NGramChain([[0.5, 0.5, 0], [0, 1, 0], [1, 0, 0]], 1, "ab").most_likely()


def test_strings_that_practically_never_end_in_a_large_chain() -> None:
    chain = names_chain(3)
    table = chain.table.copy()
    row = chain.contexts.index("aaa")
    table[row] = 0.0
    table[row, [0, -1]] = 1 - 1e-6, 1e-6
    with pytest.raises(ValueError, match=r"practically never end \(.*more than 1000 letters to come, at even odds\)"):
        _ = NGramChain(table, 3).visits


# Steps counted


@pytest.mark.parametrize("own", range(5))
@pytest.mark.parametrize("order", [1, 2, 4])
def test_step_counts_against_every_prefix(own: int, order: int) -> None:
    """Every prefix of up to 13 letters of two; longer ones have less than 0.4^13 = 7e-6 of the mass."""
    chain = random_chain([60, own], own, end=(0.6, 0.8))
    depth, rows = max(own, 1), dict(zip(chain.contexts, chain.table, strict=True))
    contexts = random_chain(0, order).contexts
    counts, prefixes = {context: np.zeros(3) for context in contexts}, {"": 1.0}
    for _ in range(14):
        longer = {}
        for prefix, mass in prefixes.items():
            steps = mass * rows[prefix[-depth:]]
            counts[prefix[-order:]] += steps
            longer |= {prefix + letter: odds for letter, odds in zip("ab", steps[:-1], strict=True)}
        prefixes = longer
    found = chain.step_counts(order)
    np.testing.assert_allclose(found, [counts[context] for context in contexts], rtol=0, atol=2e-5)
    assert found[:, -1].sum() == pytest.approx(1.0, abs=1e-12)  # every string ends once
    if order == depth:
        np.testing.assert_allclose(found.sum(axis=1), chain.visits, atol=1e-14)


def test_step_counts_are_no_handle_on_the_chain() -> None:
    chain = random_chain(61, 1)
    chain.step_counts(1)[:] = 0
    assert chain.step_counts(1).sum() == pytest.approx(chain.visits.sum())


@pytest.mark.parametrize("order", [0, 5, -1, 1.0, True])
def test_step_counts_of_an_impossible_order(order: Any) -> None:
    with pytest.raises(ValueError, match=f"order is {order}"):
        random_chain(62, 1).step_counts(order)
