"""Students of students: every string of a tiny alphabet, long sampled corpora, and what must stay as it is."""

import math
from typing import Any

import numpy as np
import pytest
from support.chains import Enumeration, names_chain, random_chain

from kdlab import precision, recall
from kdlab.ngrams.generations import successors
from kdlab.ngrams.model import NGramChain

TEACHER = NGramChain.fit(names_chain(3), order=2)


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("real", [0.0, 0.3, 1.0])
def test_every_generation_against_every_string(order: int, real: float) -> None:
    """The unsmoothed fit to all strings of up to 13 letters, weighed by the mixture; 0.2^12 of the mass is left."""
    truth, teacher = (random_chain([1, depth], depth, end=(0.85, 0.95)) for depth in (3, 2))
    every, n = Enumeration(truth, 13), 3
    weights = Enumeration(teacher.tempered(1 / 0.8), 13).mass
    for number, found in enumerate(successors(truth, teacher, order, 0.8, n=n, real=real), 1):
        student = NGramChain.fit(every.strings, weights, order, alphabet="ab", smoothing=0.0)
        assert found.number == number <= n
        np.testing.assert_allclose(found.student.table, student.table, rtol=0, atol=1e-6)
        assert found.precision == pytest.approx(precision(student, truth).value, abs=1e-5)
        assert found.recall == pytest.approx(recall(student, truth).value, abs=1e-5)
        weights = (1 - real) * Enumeration(student.tempered(1 / 0.8), 13).mass + real * every.mass


def test_long_corpora() -> None:
    """A generation made by hand from 200,000 names, three in ten of them from p*: each share within 5 standard errors.

    Looked at where a step is expected 100 times or more, 290 of them.
    """
    first, second = successors(names_chain(3), TEACHER, 1, 0.7, n=2, real=0.3)
    rng, n = np.random.default_rng(1), 200_000
    texts = names_chain(3).sample(n * 3 // 10, rng) + first.student.tempered(1 / 0.7).sample(n * 7 // 10, rng)
    fitted = NGramChain.fit(texts, order=1, smoothing=0.0)
    row = second.student.visits[:, None] * n
    seen = row * second.student.table >= 100
    p = second.student.table[seen]
    errors = np.sqrt(p * (1 - p) / np.broadcast_to(row, seen.shape)[seen])
    assert seen.sum() > 250
    assert (np.abs(fitted.table[seen] - p) < 5 * errors).all()


@pytest.mark.parametrize("real", [0.0, 0.1, 0.5])
def test_nothing_is_lost_at_tau_one(real: float) -> None:
    """The second student is of the first one's class, and p*'s projection has p*'s counts."""
    several = successors(names_chain(3), TEACHER, 1, 1.0, real=real)
    for one in several:
        np.testing.assert_allclose(one.student.table, several[0].student.table, rtol=0, atol=1e-13)
    assert len(several) == 5


def test_without_real_texts_each_generation_is_tempered_once_more() -> None:
    """So five generations at tau are the first student at tau^4."""
    first, *_, last = successors(names_chain(3), TEACHER, 1, 0.8)
    np.testing.assert_allclose(last.student.table, first.student.tempered(1 / 0.8**4).table, rtol=0, atol=1e-12)


def test_what_is_lost_by_generation() -> None:
    """Below 1 recall falls without end. With half of the texts real it stays at tau = .8, but not at .5."""
    lost = {
        (tau, real): [round(one.recall, 2) for one in successors(names_chain(3), TEACHER, 1, tau, real=real)]
        for tau, real in ((0.8, 0.0), (0.8, 0.1), (0.8, 0.5), (0.5, 0.5))
    }
    assert lost[0.8, 0.0] == [-15.43, -15.82, -16.65, -18.03, -20.10]
    assert lost[0.8, 0.1] == [-15.43, -15.67, -16.02, -16.38, -16.74]
    assert lost[0.8, 0.5] == [-15.43, -15.41, -15.41, -15.42, -15.42]
    assert lost[0.5, 0.5] == [-16.58, -15.94, -16.13, -16.42, -16.76]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        *(({"tau": tau}, "tau is .*: a positive temperature") for tau in (0, -1, math.inf, math.nan)),
        *(({"n": n}, "n is .*: ask for 1 generation or more") for n in (0, 1.5, True, "2")),
        *(({"real": real}, "real is .*: give the share") for real in (-0.1, 1.1, math.nan)),
        ({"order": 5}, "order is 5"),
        ({"teacher": random_chain(0, 2, "abc")}, "alphabets are"),
    ],
)
def test_bad_generations(options: dict[str, Any], said: str) -> None:
    usual: dict[str, Any] = {"truth": random_chain(1, 3), "teacher": random_chain(0, 2), "order": 1, "tau": 0.5}
    with pytest.raises(ValueError, match=said):
        successors(**(usual | options))
