"""Online knowledge distillation (OKD): a small module in the teacher learns along with the student.

The work: Rao, Liu, Lin, Ding, Li, Tao & Zhang 2024, arXiv 2409.12512. Its claim: small modules in the teacher, trained
together with the student, make on-policy sampling unnecessary, reach or exceed the leading methods and take up to four
times less time. Only its abstract could be read: the losses are our reading, formulas our derivation.

Replaced: language models by chains over first names, tables of logits trained by Adam on exact gradients. The module
adds a matrix of low rank to the teacher's logits. The student S minimises KL(S || T'), the module the data's
cross-entropy plus ``pull`` KL(S || T'); each takes the other as given. All numbers are nats per name.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdlab.core.metrics import log_sum_exp, precision, recall
from kdlab.ngrams.model import NGramChain
from kdlab.ngrams.names import first_names
from kdlab.ngrams.objectives import check_chains

FloatArray = NDArray[np.float64]
Pair = tuple[FloatArray, FloatArray]


@dataclass(frozen=True)
class World:
    """p*, and as its teacher p*'s projection onto order 2: a table (R, A + 1) that is also what endless data show.

    ``visits`` (R,): how often a name of p* passes each context; ``rows`` (R,): which context of the student that is.
    """

    truth: NGramChain
    teacher: NGramChain
    visits: FloatArray
    rows: NDArray[np.intp]


@dataclass(frozen=True)
class Recipe:
    """How to distil. Raises ValueError for a number below 0, a beta of 0 and a count that is not whole.

    ``beta`` tempers the frozen teacher; ``data`` weighs the data's cross-entropy in the student's loss; ``written`` is
    how many names the student writes at each step to learn on (0: it learns on the data's prefixes). The module:
    ``rank`` (0: none), and in its loss the weights ``pull`` of KL(S || T') and ``anchor`` of the data's cross-entropy.
    """

    beta: float = 1.0
    data: float = 0.0
    written: int = 0
    rank: int = 0
    pull: float = 1.0
    anchor: float = 1.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            whole = isinstance(value, int | np.integer) or name not in ("written", "rank")
            if not (math.isfinite(value) and value >= 0 and whole and (value > 0 or name != "beta")):
                raise ValueError(f"{name} is {value!r}: give a finite number from 0 (beta: above; counts: whole)")


@dataclass(frozen=True)
class Outcome:
    """A student, the teacher it ended with, the student's two numbers, and KL(S || T') on the data's prefixes: nats."""

    student: NGramChain
    teacher: NGramChain
    precision: float
    recall: float
    kl: float


def world(truth: NGramChain | None = None) -> World:
    """The world of a p*, the names' chain of order 3 unless given. Raises ValueError for a teacher's step of odds zero.

    >>> round(recall(world().teacher, world().truth).value, 2)
    -11.91
    """
    truth = NGramChain.fit(*first_names(), order=3) if truth is None else truth
    teacher, n = NGramChain.fit(truth, order=2), len(truth.alphabet)
    check_chains(truth, teacher, 1)
    at = np.arange(len(teacher.table))
    return World(truth, teacher, truth.step_counts(2).sum(axis=1), np.where(at <= n, at, 1 + (at - 1) % n))


def distil(world: World, recipe: Recipe, *, rng: np.random.Generator, steps: int = 400, rate: float = 0.05) -> Outcome:
    """Train the student, which begins as p*'s projection, and the module, which begins as zero, by ``steps`` of Adam.

    ``rng`` draws the module's start and what the student writes. Raises ValueError for no rng or less than one step.

    >>> bool(distil(world(), Recipe(rank=16), rng=np.random.default_rng(0), steps=50).kl < 1.5)  # a fixed teacher: 4.6
    True
    """
    if not isinstance(rng, np.random.Generator) or steps < 1:
        raise ValueError(f"rng is {rng!r}, steps is {steps}: give a numpy Generator and one step or more")
    frozen = _normal(recipe.beta * np.maximum(world.teacher.log_table, -700.0))  # no name ends at its start: -inf
    student = np.maximum(NGramChain.fit(world.truth, order=1).log_table, -700.0)
    left = rng.normal(size=(len(frozen), recipe.rank)) / math.sqrt(max(recipe.rank, 1))
    right, taught = np.zeros((frozen.shape[1], recipe.rank)), frozen
    kept: list[list[Any]] = [[0.0, 0.0, 0] for _ in range(3)]
    for k in range(steps):
        speed, logs = rate * (1 - k / steps), _normal(student)
        visits = _written(world, logs, recipe.written, rng) if recipe.written else world.visits
        slope, pulled = gradients(world, recipe, logs, taught, visits)
        student = student - speed * _adam(kept[0], slope)
        if recipe.rank:
            left, right = left - speed * _adam(kept[1], pulled @ right), right - speed * _adam(kept[2], pulled.T @ left)
            taught = _normal(frozen + left @ right.T)
    final, apart = _chain(world, _normal(student), 1), _normal(student)[world.rows] - taught
    kl = world.visits @ (final.table[world.rows] * apart).sum(axis=1)
    p, r = precision(final, world.truth).value, recall(final, world.truth).value
    return Outcome(final, _chain(world, taught, 2), p, r, float(kl))


def gradients(world: World, recipe: Recipe, logs: FloatArray, taught: FloatArray, visits: FloatArray) -> Pair:
    """Slopes of the student's loss in its logits (A + 1, A + 1), and of the module's in the teacher's (R, A + 1).

    ``logs``, ``taught``: log-probabilities; ``visits`` (R,) weigh the student's KL, all else is weighed by p*'s.
    """
    says, told, shown, apart = np.exp(logs)[world.rows], np.exp(taught), world.teacher.table, logs[world.rows] - taught
    each = visits[:, None] * says * (apart - (says * apart).sum(axis=1, keepdims=True))
    each += recipe.data * world.visits[:, None] * (says - shown)
    slope, n = each[: len(logs)].copy(), len(logs) - 1  # contexts: none, one letter, two letters
    slope[1:] += each[len(logs) :].reshape(n, n, n + 1).sum(axis=0)
    return slope, world.visits[:, None] * (recipe.anchor * (told - shown) + recipe.pull * (told - says))


def _normal(logits: FloatArray) -> FloatArray:
    return logits - log_sum_exp(logits)[:, None]


def _chain(world: World, logs: FloatArray, order: int) -> NGramChain:
    table = np.exp(logs)
    table[0, -1] = 0.0
    return NGramChain(table, order, world.truth.alphabet)


def _written(world: World, logs: FloatArray, n: int, rng: np.random.Generator) -> FloatArray:
    """(R,): how often a name that the student writes passes each context, from ``n`` of them."""
    place, student = {context: i for i, context in enumerate(world.teacher.contexts)}, _chain(world, logs, 1)
    passed = [place[name[max(0, t - 2) : t]] for name in student.sample(n, rng) for t in range(len(name) + 1)]
    return np.bincount(passed, minlength=len(place)) / n


def _adam(state: list[Any], slope: FloatArray) -> FloatArray:
    """The direction of Adam (Kingma & Ba 2015, arXiv 1412.6980); ``state`` (two moments, a count) moves on."""
    state[:] = 0.9 * state[0] + 0.1 * slope, 0.999 * state[1] + 0.001 * slope**2, state[2] + 1
    return np.asarray(state[0] / (1 - 0.9 ** state[2]) / (np.sqrt(state[1] / (1 - 0.999 ** state[2])) + 1e-8))
