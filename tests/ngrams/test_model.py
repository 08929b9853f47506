"""N-gram chains against every string of a tiny alphabet, against sampling, and against identities they must keep."""

import math
import re
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chains import Enumeration, names_chain, orders, random_chain, seeds, sparse_chain, steady

from kdlab import precision, recall
from kdlab.core.metrics import monte_carlo
from kdlab.ngrams.model import NGramChain, _picked

RNG = np.random.default_rng(0)
GOOD = [[0.5, 0.5, 0], [0.2, 0.3, 0.5], [0.2, 0.3, 0.5]]


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
    """Shares of the 30 first strings in 50,000 draws, each within 5 standard errors (6e-7 each)."""
    chain = random_chain([3, order], order, end=(0.4, 0.6))
    drawn = chain.sample(50_000, np.random.default_rng(4))
    assert min(map(len, drawn)) == 1
    every = Enumeration(chain, 4)
    counts = dict.fromkeys(every.strings, 0)
    for string in drawn:
        counts[string] = counts.get(string, 0) + 1
    for string, p in zip(every.strings, every.mass, strict=True):
        assert abs(counts[string] / 50_000 - p) <= 5 * math.sqrt(p * (1 - p) / 50_000), string


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


@steady
@given(seeds, orders, orders)
def test_minus_infinity_only_where_it_is_true(seed: int, order: int, of_order: int) -> None:
    """Exactly when some string has p > 0 and q = 0, among all up to 9 letters: with order 4 at most 31 contexts.

    Nothing is NaN, and what is finite lies within what the left-over strings can cost.
    """
    chain, of = sparse_chain(seed, order), sparse_chain([seed, 5], of_order)
    every, scores = Enumeration(chain, 9), Enumeration(of, 9)
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


def test_any_other_model_is_scored_by_sampling() -> None:
    """A fake model that says minus the length: the mean length is known exactly."""
    of: Any = SimpleNamespace(log_prob=lambda strings: -np.array([len(s) for s in strings], dtype=float))
    chain = random_chain(1, 2)
    estimate = chain.expected_log_prob(of, np.random.default_rng(0))
    assert estimate.n_samples == 200_000
    assert abs(estimate.value + chain.visits.sum() - 1) <= 5 * estimate.standard_error


@pytest.mark.slow
def test_order_four_works() -> None:
    """475,255 contexts. Against 20,000 samples at 4 standard errors (two looks: 0.013 %)."""
    truth = names_chain(4)
    student = NGramChain.fit(truth.tempered(2.0), order=3)
    for model, of in ((truth, student), (student, truth)):
        sampled = monte_carlo(model, of, n_samples=20_000, rng=np.random.default_rng(14))
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


# Tempering


def test_tempering_by_hand() -> None:
    """.9^2 : .1^2 = 81 : 1 in each row by itself."""
    chain = NGramChain([[0.9, 0.1, 0], [0.1, 0, 0.9], [0.2, 0.4, 0.4]], 1, "ab")
    squared = [[81 / 82, 1 / 82, 0], [1 / 82, 0, 81 / 82], [1 / 9, 4 / 9, 4 / 9]]
    np.testing.assert_allclose(chain.tempered(2).table, squared)
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


# Frozen, validated, errors at the edge


def test_a_chain_is_frozen() -> None:
    chain = random_chain(0, 1)
    with pytest.raises(AttributeError, match="'order'.*frozen"):
        chain.order = 2
    for array in (chain.log_table, chain.table, chain.visits):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0
    assert repr(chain) == "NGramChain(order 1 over 'ab', 3 contexts)"


@pytest.mark.parametrize(
    ("table", "order", "message"),
    [
        (GOOD, 2, r"table has shape \(3, 3\): order 2 over 2 letters needs \(7, 3\)"),
        ([0.5, 0.5], 1, r"table has shape \(2,\).*needs \(3, 3\)"),
        (
            [[0.5, 0.6, 0], *GOOD[1:]],
            1,
            r"row 0 of the table is \[0\.5 0\.6 0\. \], sum 1\.1: probabilities that sum to one.*divide each row",
        ),
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
        with pytest.raises(
            ValueError, match="order is .*: choose how many letters the next one depends on, 0 to 4"
        ) as raised:
            make()
        assert repr(order) in str(raised.value)


def test_an_order_may_be_a_numpy_integer() -> None:
    assert NGramChain.fit(["ab"], order=np.int64(2)).order == 2


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        *((partial(NGramChain.tempered, beta=b), f"beta is {b}: .*try 1") for b in (-1, -1e-9, -math.inf, math.nan)),
        *((partial(NGramChain.sample, n=n, rng=RNG), f"n is {n}: ask for 1 string or more") for n in (0, -2)),
        *(
            (partial(NGramChain.sample, n=3, rng=rng), rf"rng is {re.escape(repr(rng))}: .*default_rng\(seed\)")
            for rng in (None, 3, np.random.RandomState(0))
        ),
        (
            partial(NGramChain.expected_log_prob, of=random_chain(0, 1, "abc")),
            "alphabets are 'ab' and 'abc': give both chains the same letters",
        ),
        (
            partial(NGramChain.expected_log_prob, of=SimpleNamespace(log_prob=len)),  # no chain
            r"rng is None.*default_rng\(seed\)",
        ),
    ],
    ids=count(),
)
def test_what_no_chain_can_do(ask: Callable[[NGramChain], Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ask(random_chain(0, 1))


def test_single_precision_rows_are_divided_by_their_sum() -> None:
    """A table in float32 sums to one only to 1e-7; lengths and log-probabilities are exact all the same."""
    rough = NGramChain(np.array([[0.7, 0.3, 0.0], [0.1, 0.6, 0.3], [0.3, 0.3, 0.4]], np.float32), 1, "ab")
    np.testing.assert_allclose(rough.table.sum(axis=1), 1.0, rtol=0, atol=1e-15)
    with pytest.raises(ValueError, match="table hold 1 masked values of 9"):
        NGramChain(np.ma.array(rough.table, mask=np.eye(1, 9).reshape(3, 3)), 1, "ab")
