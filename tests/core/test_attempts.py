"""What k tries would bring, from draws that were made: beside exact fractions and all ways to choose among them."""

import math
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from kdlab.core.attempts import estimated_pass_at_k


def test_the_estimate_is_its_formula_without_bias() -> None:
    """Weighed by the odds of each count: 1 - (1 - s)^k exactly."""
    n, s = 12, Fraction(2, 7)
    for k in (1, 3, 11, 12):
        exact = [1 - Fraction(math.comb(n - c, k), math.comb(n, k)) for c in range(n + 1)]
        found = estimated_pass_at_k(n, np.arange(n + 1), k)
        np.testing.assert_allclose(found, [float(one) for one in exact], rtol=1e-13)
        odds = [math.comb(n, c) * s**c * (1 - s) ** (n - c) for c in range(n + 1)]
        assert sum(p * one for p, one in zip(odds, exact, strict=True)) == 1 - (1 - s) ** k
    assert estimated_pass_at_k(200, 13, 10) == pytest.approx(1 - math.comb(187, 10) / math.comb(200, 10), rel=1e-13)


@pytest.mark.parametrize("k", [1, 2, 3, 5, 7])
def test_summed_over_answers_it_counts_different_ones(k: int) -> None:
    """The mean over all choices of k among 7 draws, of which the last is not acceptable."""
    chosen = [len(set(some) - {"-"}) for some in combinations("aaabbc-", k)]
    assert np.sum(estimated_pass_at_k(7, [3, 2, 1], k)) == pytest.approx(np.mean(chosen), rel=1e-13)
    assert np.sum(estimated_pass_at_k(7, np.zeros(0, int), k)) == 0  # nothing was acceptable


@pytest.mark.parametrize(
    "asked",
    [(10, 3, 0), (10, 3, 11), (10, 11, 2), (10, -1, 2), (10, 3.0, 2), (10, [], 2), (0, 0, 1), (10, 3, [1])],
    ids=str,
)
def test_what_has_no_answer(asked: Any) -> None:
    with pytest.raises(ValueError, match="n, right and k are .*: of n draws 0 to n are right, and k is 1 to n"):
        estimated_pass_at_k(*asked)
