"""Visits, step counts and the likeliest string of chains: against every string, other solvers, and by hand."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from support.chains import Enumeration, names_chain, random_chain

from kdlab.ngrams import _tables
from kdlab.ngrams.model import NGramChain

# How often a context is passed


@pytest.mark.parametrize("end", [(0.2, 0.6), (0.005, 0.2)])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_letter_by_letter_and_by_equations_are_one(
    order: int, end: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few contexts are solved as a system of equations, many are summed letter by letter: the same visits.

    Mean lengths up to a hundred: the recursion leaves 1e-14 letters out, solving rounds a few thousand sums.
    """
    for seed, alphabet in itertools.product(range(10), ("ab", "abc")):
        solved = random_chain([seed, order], order, alphabet, end)
        assert solved.visits.size  # worked out before the limits are moved
        with monkeypatch.context() as patch:
            patch.setattr(_tables, "_TINY", 0)
            patch.setattr(_tables, "_PATIENCE", 100_000)
            summed = NGramChain(solved.table, order, alphabet)
            np.testing.assert_allclose(summed.visits, solved.visits, rtol=1e-10, atol=1e-13)


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


def test_a_context_that_cannot_be_reached_does_not_count() -> None:
    """After c only c, for ever; but c never comes: visits, expectations and samples are those of the rest."""
    looped = NGramChain([[0.5, 0.5, 0, 0], [0, 0.5, 0, 0.5], [0.5, 0, 0, 0.5], [0, 0, 1, 0]], 1, "abc")
    plain = NGramChain([[0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5]], 1, "ab")
    assert looped.visits[3] == 0.0
    assert looped.entropy == pytest.approx(plain.entropy, abs=1e-12)
    never = NGramChain([[0.5, 0.5, 0, 0], [0, 0.5, 0, 0.5], [0.5, 0, 0, 0.5], [1, 0, 0, 0]], 1, "abc")
    assert looped.expected_log_prob(never).value == pytest.approx(-plain.entropy, abs=1e-12)


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
    if end == 0:
        with pytest.raises(ValueError, match="10000 letters has not ended: this chain is caught in a loop"):
            loop.sample(20, np.random.default_rng(0))


def test_strings_that_practically_never_end_in_a_large_chain() -> None:
    chain = names_chain(3)
    table = chain.table.copy()
    row = chain.contexts.index("aaa")
    table[row] = 0.0
    table[row, [0, -1]] = 1 - 1e-6, 1e-6
    with pytest.raises(ValueError, match=r"practically never end \(.*more than 1000 letters to come, at even odds\)"):
        _ = NGramChain(table, 3).visits


# How often a step is taken


@pytest.mark.parametrize("own", range(5))
@pytest.mark.parametrize("order", range(1, 5))
def test_step_counts_against_every_prefix(own: int, order: int) -> None:
    """Every prefix of up to 11 letters of two; longer ones have less than 0.4^11 = 4e-5 of the mass."""
    chain = random_chain([60, own], own, end=(0.6, 0.8))
    depth, rows = max(own, 1), dict(zip(chain.contexts, chain.table, strict=True))
    contexts = random_chain(0, order).contexts
    counts, prefixes = {context: np.zeros(3) for context in contexts}, {"": 1.0}
    for _ in range(12):
        longer = {}
        for prefix, mass in prefixes.items():
            steps = mass * rows[prefix[-depth:]]
            counts[prefix[-order:]] += steps
            longer |= {prefix + letter: odds for letter, odds in zip("ab", steps[:-1], strict=True)}
        prefixes = longer
    found = chain.step_counts(order)
    np.testing.assert_allclose(found, [counts[context] for context in contexts], rtol=0, atol=1e-4)
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


# The most likely string


@pytest.mark.parametrize("order", range(5))
def test_the_most_likely_string_is_the_most_likely(order: int) -> None:
    for seed in range(10):
        chain = random_chain([seed, order], order, end=(0.1, 0.5))
        every = Enumeration(chain, 10)
        string, score = chain.most_likely()
        assert score == pytest.approx(every.logs.max(), abs=1e-12)
        assert string == every.strings[int(every.logs.argmax())]
        assert score == pytest.approx(chain.log_prob([string])[0], abs=1e-12)


def test_no_string_at_all() -> None:
    with pytest.raises(ValueError, match="no string of this chain ever ends"):
        NGramChain([[0.5, 0.5, 0], [0, 1, 0], [1, 0, 0]], 1, "ab").most_likely()
