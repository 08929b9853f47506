"""Answers in k draws: every tuple of draws, exact decimals, sampling, and identities that must hold."""

import itertools
import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chains import Enumeration, names_chain, orders, random_chain, seeds, sparse_chain, steady

from kdlab.core.attempts import estimated_pass_at_k
from kdlab.ngrams.attempts import expected_distinct, likely_strings, pass_at_k
from kdlab.ngrams.model import NGramChain
from kdlab.ngrams.names import first_names, real_names

COIN = NGramChain([[0.7, 0.3, 0], [0, 0.4, 0.6], [0, 0, 1]], 1, "ab")  # a .42, ab .28, b .3
NAMES = first_names()[0]


def student(tau: float) -> NGramChain:
    return NGramChain.fit(NGramChain.fit(names_chain(3), order=2).tempered(1 / tau), order=1)


# Against slower ways


@pytest.mark.parametrize("order", [0, 1, 2])
def test_every_tuple_of_draws(order: int) -> None:
    """Of strings of up to three letters; the longer ones are one more outcome, which is never acceptable."""
    every = Enumeration(random_chain([1, order], order), 3)
    chances = dict(zip([*every.strings, "longer"], [*every.mass, every.left_over], strict=True))
    accepted = set(every.strings[1::2])
    for k in (1, 2, 3):
        distinct = right = 0.0
        for draws in itertools.product(chances, repeat=k):
            chance = math.prod(chances[draw] for draw in draws)
            distinct += chance * len(accepted.intersection(draws))
            right += chance * (not accepted.isdisjoint(draws))
        chain = random_chain([1, order], order)
        assert expected_distinct(chain, accepted, k) == pytest.approx(distinct, rel=1e-13)
        assert pass_at_k(chain, accepted, k) == pytest.approx(right, rel=1e-13)


@pytest.mark.parametrize("q", [1e-300, 3e-160, 1e-17, 2e-9, 1e-6, 0.3, 1 - 1e-9])
def test_digits_against_exact_decimals(q: float) -> None:
    """Rounding log q to a double alone moves 1e-300 by up to 6e-14 of itself."""
    chain = NGramChain([[1 - q, q, 0], [0, 0, 1], [0, 0, 1]], 1, "ab")
    ks = [1, 2, 1_000, 10**6, 10**9, 10**15]
    with localcontext() as context:
        context.prec = 700
        exact = [float(1 - (1 - Decimal(q)) ** k) for k in ks]
    for ask in (expected_distinct, pass_at_k):
        np.testing.assert_allclose(ask(chain, ["b"], ks), exact, rtol=1e-13, atol=0)


def test_samples_of_the_names() -> None:
    """300 times 400 draws at tau = .4, looked at after 100 and 400, within 4 standard errors (4 looks: 3e-4)."""
    chain, real = student(0.4), real_names()
    drawn = np.reshape(chain.sample(300 * 400, np.random.default_rng(1)), (300, 400))
    for k in (100, 400):
        found = np.array([len(real.intersection(row[:k].tolist())) for row in drawn])
        assert abs(found.mean() - expected_distinct(chain, real, k)) < 4 * found.std() / math.sqrt(300)
    right = np.array([name in real for name in drawn[:, :2].ravel().tolist()]).reshape(-1, 2).any(axis=1)
    assert abs(right.mean() - pass_at_k(chain, real, 2)) < 4 * right.std() / math.sqrt(300)


@pytest.mark.parametrize(
    ("tau", "said"),
    [
        (0.2, [0.340, 0.855, 1.87, 3.58, 7.80, 14.0, 22.5, 33.3, 53.4, 126]),
        (0.7, [0.107, 0.320, 1.05, 3.00, 8.75, 20.8, 49.0, 98.8, 198, 603]),
        (1.2, [0.070, 0.209, 0.693, 2.03, 6.33, 16.4, 41.0, 87.4, 186, 629]),
    ],
)
def test_how_many_real_names(tau: float, said: list[float]) -> None:
    """Computed before this module was there, to three digits."""
    ks = [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 100_000]
    np.testing.assert_allclose(expected_distinct(student(tau), NAMES, ks), said, rtol=6e-3)


# Identities


@steady
@given(seeds, orders, st.integers(1, 10**7))
def test_identities(seed: int, order: int, k: int) -> None:
    """One draw brings the accepted mass; more bring more, each less than the last, never more than there are."""
    chain = sparse_chain(seed, order)
    accepted = Enumeration(chain, 4).strings[seed % 3 :: 3]
    mass = np.exp(chain.log_prob(accepted))
    few = np.asarray(expected_distinct(chain, accepted, np.arange(1, 40)))
    assert few[0] == pytest.approx(mass.sum(), rel=1e-13, abs=1e-300)
    assert (np.diff(few) >= -1e-14).all() and (np.diff(few, 2) <= 1e-14).all()
    many, right = expected_distinct(chain, accepted, k), pass_at_k(chain, accepted, k)
    assert right - 1e-14 <= many <= min(len(accepted), k * mass.sum()) * (1 + 1e-13)
    assert 0 <= right <= 1


def test_repeats_count_once_and_shapes_follow_k() -> None:
    for accepted in (["a", "b", "a"], {"a", "b"}, np.array(["b", "a"])):
        assert expected_distinct(COIN, accepted, 1) == pytest.approx(0.72)
    assert isinstance(pass_at_k(COIN, ["a"], np.int64(2)), float) and isinstance(
        expected_distinct(COIN, ["a"], 1e6), float
    )
    assert np.shape(expected_distinct(COIN, ["a"], [1])) == np.shape(pass_at_k(COIN, ["a"], (5,))) == (1,)
    assert expected_distinct(COIN, ["aa"], [1, 10**30]).tolist() == [0.0, 0.0]
    assert expected_distinct(COIN, ["a", "ab", "b"], 10**30) == 3.0


def test_a_certain_answer_comes_at_once() -> None:
    chain = NGramChain([[1, 0, 0], [0, 0, 1], [0, 0, 1]], 1, "ab")
    assert expected_distinct(chain, ["a", "b"], [1, 7]).tolist() == pass_at_k(chain, ["a"], [1, 7]).tolist() == [1, 1]


# A question with several right answers


@pytest.mark.parametrize("beginning", ["a", "ba", "abab"])
@pytest.mark.parametrize("order", [0, 1, 3])
def test_a_beginning_conditions_the_student(order: int, beginning: str) -> None:
    """Bayes over all strings of up to 12 letters; at most 0.15^9 of what begins so is left. Some answers do not fit."""
    chain = random_chain([2, order], order, end=(0.85, 0.95))
    every = Enumeration(chain, 12)
    fits = np.array([string.startswith(beginning) for string in every.strings])
    counts = fits & (np.arange(len(fits)) % 3 > 0)
    counts[every.strings.index(beginning)] = True  # to stop at once is an answer too
    accepted = [string for string, one in zip(every.strings, counts | ~fits, strict=True) if one]
    odds = every.mass[counts] / every.mass[fits].sum()
    found = expected_distinct(chain, accepted, [1, 5], beginning)
    np.testing.assert_allclose(found, [odds.sum(), (1 - (1 - odds) ** 5).sum()], rtol=1e-7)
    np.testing.assert_allclose(pass_at_k(chain, accepted, 5, beginning), 1 - (1 - odds.sum()) ** 5, rtol=1e-7)


# Likely strings


@pytest.mark.parametrize("order", range(5))
def test_likely_strings_against_every_string(order: int) -> None:
    """Those of up to 12 letters; whatever else is listed is as likely. The last level is the likeliest string's own."""
    for chain in (random_chain([3, order], order), sparse_chain([3, order], order)):
        every = Enumeration(chain, 12)
        for level in every.logs.max() - np.array([6.0, 2.0, 1e-12]):
            expected = [string for string, log in zip(every.strings, every.logs, strict=True) if log >= level]
            found = likely_strings(chain, level)
            assert [string for string in found if len(string) <= 12] == expected
            assert chain.log_prob(found).min() >= level - 1e-12


def test_the_likely_names() -> None:
    """Of 200,000 draws of p* no likely one is missed."""
    truth = names_chain(3)
    found = set(likely_strings(truth, -12.0))
    assert len(found) == 11_606 and {"john", "mary"} < found
    drawn = list(set(truth.sample(200_000, np.random.default_rng(2))))
    assert {name for name, log in zip(drawn, truth.log_prob(drawn), strict=True) if log >= -12} <= found
    assert min(truth.log_prob(sorted(found))) >= -12 - 1e-12


# What practitioners compute


def test_the_estimate_finds_the_exact_one() -> None:
    """1,000 times 50 draws; 4 standard errors."""
    chain, accepted = random_chain(4, 1), ["a", "bb", "abb"]
    right = np.isin(chain.sample(50_000, np.random.default_rng(3)), accepted).reshape(1_000, 50).sum(axis=1)
    found = np.asarray(estimated_pass_at_k(50, right, 5))
    assert abs(found.mean() - pass_at_k(chain, accepted, 5)) < 4 * found.std() / math.sqrt(1_000)


# Errors at the edge

K = "k is .*: a whole number of draws, 1 or more, is needed"


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        *(
            (lambda k=k: expected_distinct(COIN, ["a"], k), K)
            for k in (0, -3, 1.5, math.nan, math.inf, True, "3", None, [], [1, 0], [[1]], -(10**30))
        ),
        (lambda: pass_at_k(COIN, ["a"], np.ma.array([1, 2], mask=[0, 1])), "k hold 1 masked values of 2"),
        *(
            (lambda some=some: pass_at_k(COIN, some, 1), "accepted is .*: give one or more acceptable strings")
            for some in ([], set(), "ab", None, 3)
        ),
        (lambda: expected_distinct(COIN, ["a", ""], 1), "string 1 is '': a string of one or more letters"),
        (lambda: expected_distinct(COIN, ["a", "ac"], 1), "string 1, 'ac', has 'c' outside the alphabet 'ab'"),
        (lambda: expected_distinct(COIN, ["a"], 1, "é"), "string 0, 'é', has 'é' outside the alphabet 'ab'"),
        (lambda: expected_distinct(COIN, ["a", "ab"], 1, "b"), "beginning is 'b': none of 2 acceptable strings has it"),
        (lambda: expected_distinct(COIN, ["a", "ab"], 1, None), "beginning is None: give the letters"),  # type: ignore[arg-type]
        (lambda: likely_strings(COIN, -0.5), r"level is -0\.5: no string is that likely; 'a' has -0\.8675"),
        (lambda: likely_strings(COIN, math.nan), "level is nan: no string"),
        (lambda: likely_strings(random_chain(0, 1), -math.inf), "level is -inf: more than 1,000,000 strings"),
        (lambda: likely_strings(names_chain(1), -22.0), "level is -22.0: more than 1,000,000 strings are that likely"),
    ],
    ids=itertools.count(),
)
def test_what_has_no_answer(ask: Callable[[], Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ask()
