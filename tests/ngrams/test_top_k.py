"""The student that is shown k letters: its slopes against differences of its loss, written out prefix by prefix."""

import math
from typing import Any

import numpy as np
import pytest
from support.chains import random_chain, sparse_chain

from kdlab.ngrams.model import NGramChain
from kdlab.ngrams.objectives import compare_objectives
from kdlab.ngrams.top_k import practise, tail_mass

CASES = [("ab", 2, 1, 2, False), ("ab", 2, 1, 1, True), ("abc", 2, 1, 2, True), ("abc", 3, 1, 3, False),
         ("abc", 2, 2, 2, False), ("ab", 3, 2, 2, True)]  # fmt: skip


def passed(chain: NGramChain) -> dict[str, float]:
    """How often each prefix of up to eight letters is passed; 0.2^8 = 3e-6 of the mass goes on, for `quick` chains."""
    rows, found, at = dict(zip(chain.contexts, chain.table, strict=True)), {"": 1.0}, {"": 1.0}
    for _ in range(8):
        at = {
            prefix + letter: mass * odds
            for prefix, mass in at.items()
            for letter, odds in zip(chain.alphabet, rows[prefix[-chain.order :]], strict=False)
        }
        found |= at
    return found


def quick(seed: Any, order: int, alphabet: str) -> NGramChain:
    return random_chain(seed, order, alphabet, end=(0.8, 0.95))


def loss(own: np.ndarray, taught: np.ndarray, k: int, tail: bool) -> float:
    """The loss at one prefix, by hand: rows of probabilities."""
    best = sorted(range(len(taught)), key=lambda i: -taught[i])[:k]
    q, p = [own[i] for i in best], [taught[i] for i in best]
    if tail:
        q, p = [*q, 1 - sum(q)], [*p, 1 - sum(p)]
    q, p = [x / sum(q) for x in q], [x / sum(p) for x in p]
    return sum(a * math.log(a / b) for a, b in zip(q, p, strict=True) if b > 1e-12)


@pytest.mark.parametrize(("alphabet", "teacher", "order", "k", "tail"), CASES)
def test_an_update_goes_down_the_slope(alphabet: str, teacher: int, order: int, k: int, tail: bool) -> None:
    """Slopes from differences of 1e-5 are good to some 1e-9, visits to 1e-6; slopes are 1e-3 and more."""
    taught, student = quick([1, teacher], teacher, alphabet), quick([2, order], order, alphabet)
    visits, context = passed(student), student.contexts[-1]
    seen = [(mass, taught.next_letters(s)) for s, mass in visits.items() if s[-order:] == context]
    logits = np.log(student.next_letters(context))

    def mean(free: np.ndarray) -> float:
        own = np.exp(free) / np.exp(free).sum()
        return float(np.average([loss(own, p, k, tail) for _, p in seen], weights=[mass for mass, _ in seen]))

    steps = 1e-5 * np.eye(len(logits))
    slopes = np.array([(mean(logits + step) - mean(logits - step)) / 2e-5 for step in steps])
    moved = np.log(practise(student, taught, k, updates=1, tail=tail).next_letters(context)) - logits
    assert np.abs(slopes).max() > 1e-3
    np.testing.assert_allclose(moved - moved.mean(), -slopes + slopes.mean(), atol=1e-5)


@pytest.mark.parametrize("tail", [False, True])
def test_with_every_letter_shown_it_settles_where_reverse_kl_does(tail: bool) -> None:
    truth, taught = random_chain(1, 2, "abc"), random_chain(2, 2, "abc")
    best = compare_objectives(truth, taught, 1, 1.0)[-1].student
    found = practise(NGramChain.fit(truth, order=1), taught, k=4, updates=400, tail=tail)
    np.testing.assert_allclose(found.table, best.table, atol=1e-6)


def test_normalised_letters_say_nothing_of_the_others() -> None:
    """The teacher's own odds among its two likeliest, at any mass: nothing moves; with a tail it does."""
    taught = random_chain(3, 1, "abc")
    kept = np.argsort(np.argsort(-taught.table, axis=1), axis=1) < 2
    heavier = np.where(kept, taught.table, 3 * taught.table)
    student = NGramChain(heavier / heavier.sum(axis=1, keepdims=True), 1, "abc")
    np.testing.assert_allclose(practise(student, taught, 2, updates=5).table, student.table, atol=1e-12)
    mended = practise(student, taught, 2, updates=5, tail=True)
    assert tail_mass(taught, taught, 2) < tail_mass(mended, taught, 2) < tail_mass(student, taught, 2)


def test_tail_mass_is_that_of_all_prefixes() -> None:
    taught, student = quick(4, 2, "ab"), quick(5, 1, "ab")
    visits = passed(student)
    outside = {s: student.next_letters(s) @ (np.argsort(np.argsort(-taught.next_letters(s))) >= 2) for s in visits}
    by_hand = sum(mass * outside[s] for s, mass in visits.items()) / sum(visits.values())
    assert tail_mass(student, taught, 2) == pytest.approx(by_hand, abs=1e-5)
    assert tail_mass(student, taught, 3) == 0


@pytest.mark.parametrize("k", [0, -1, 2.0, True, "2"])
def test_k_is_a_whole_number_from_one(k: Any) -> None:
    with pytest.raises(ValueError, match=r"k is .*: show 1 letter or more, a whole number; try 5"):
        practise(random_chain(1, 1), random_chain(1, 2), k, updates=1)


def test_chains_that_do_not_match() -> None:
    for student, taught, said in (
        (random_chain(1, 1, "abc"), random_chain(1, 2), "alphabets are 'abc' and 'ab'"),
        (random_chain(1, 2), random_chain(1, 1), "order is 2 beside a teacher of order 1"),
        (random_chain(1, 1), sparse_chain(0, 2), "steps of the teacher have probability zero"),
    ):
        with pytest.raises(ValueError, match=said):
            practise(student, taught, 1, updates=1)
        with pytest.raises(ValueError, match=said):
            tail_mass(student, taught, 1)
