"""Which teacher, if its student may be asked k times? Students along tau, and what k tries of each bring. No drawing.

Everything but the names that are shown is exact (`attempts`, `best_tau`). The student itself is sampled at 1: tau is
the teacher's. What the view of notebook 08 opens with is read from a file (kdlab/data/tries_sweep.npz).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from kdlab.core.files import PACKAGE
from kdlab.core.format import percent, several
from kdlab.core.sweep import PlaneSweep, expect
from kdlab.ngrams.best_tau import attempts_over_tau
from kdlab.ngrams.experiment import NGramSweep
from kdlab.ngrams.names import first_names, real_names

FloatArray = NDArray[np.float64]

STORED = PACKAGE / "data/tries_sweep.npz"  # what `measured` finds with the usual sweep; by scripts/make_text.py
_STRETCHES = ((10, 30, 1), (32, 80, 2), (84, 100, 4), (105, 150, 5))  # first, last, step
# (61,): nearly logarithmic, and each a whole hundredth.
TAUS = np.concatenate([np.arange(first, last + 1, step) for first, last, step in _STRETCHES]) / 100
# (58,): ten round numbers in each power of ten.
_ROUND = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
DRAWS = np.unique([int(m * 10**power) for power in range(6) for m in _ROUND] + [10**6])
OPENING = 10  # tries
_SHOWN = 45  # names drawn at each tau
_SAME = ("orders", "seed", "direct_precision", "direct_recall", "recall_bound", "precision_bound")  # as in NGramSweep
NEW, AGAIN, UNREAL = 1, 2, 0  # a real name that has not been said, a name that has, and one that is not real


@dataclass(frozen=True)
class Position:
    """One position of both sliders: numbers as in the sweep, nats for precision and recall."""

    tau: float
    k: int
    distinct: float
    passed: float
    best_tau: float
    precision: float
    recall: float
    names: tuple[str, ...]
    sentence: str


@dataclass(frozen=True)
class TriesSweep(PlaneSweep):
    """A slider's P positions of tau, and what K numbers of tries bring at each; ``k`` is how many are made now.

    ``real`` (P,) is the probability that one try says a real name, ``distinct`` (P, K) how many different ones to
    expect. ``best_taus`` (K,) lie between positions too; ``inside`` (K,) is False where the best is an end of the
    slider. ``names`` are the first ones drawn at each position, with the same random numbers.
    """

    knob: ClassVar[str] = "tau"

    orders: tuple[int, int, int]
    seed: int
    k: int
    taus: FloatArray
    draws: NDArray[np.int_]
    direct_precision: float
    direct_recall: float
    recall_bound: float
    precision_bound: float
    precision: FloatArray
    recall: FloatArray
    real: FloatArray
    distinct: FloatArray
    best_taus: FloatArray
    inside: NDArray[np.bool_]
    names: tuple[tuple[str, ...], ...]

    @property
    def title(self) -> str:
        """The question."""
        return "First names: which teacher, if you may ask its student k times?"

    @property
    def best_places(self) -> NDArray[np.int_]:
        """(K,): the position that brings the most."""
        return np.asarray(self.distinct.argmax(axis=0))

    @property
    def passed(self) -> FloatArray:
        """(P,): the probability of at least one real name in k tries."""
        return np.asarray(-np.expm1(self.k * np.log1p(-self.real)))

    @property
    def column(self) -> int:
        """Where ``k`` stands among ``draws``."""
        return int(np.flatnonzero(self.draws == self.k)[0])

    def asking(self, k: int) -> "TriesSweep":
        """Return the same sweep with the number of tries nearest to ``k``, as a ratio. ValueError off the slider."""
        low, high = int(self.draws[0]), int(self.draws[-1])
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or not low <= k <= high:
            raise ValueError(f"k is {k!r}: the slider goes from {low} to {high:,} tries; choose a whole number on it")
        return replace(self, k=int(self.draws[np.abs(np.log(self.draws / k)).argmin()]))

    def at(self, tau: float) -> Position:
        """Everything at the position nearest to ``tau``, for the number of tries now."""
        i, j = self.index(tau), self.column
        brings = float(self.distinct[i, j]), float(self.passed[i]), float(self.best_taus[j])
        place = float(self.precision[i]), float(self.recall[i])
        return Position(float(self.taus[i]), self.k, *brings, *place, self.names[i], self.sentence(i))

    def sentence(self, i: int) -> str:
        """What position ``i`` brings in k tries, in words and numbers."""
        j, one = self.column, self.index(1.0)
        times = "once" if self.k == 1 else f"{self.k:,} times"
        mean = f"{several(self.distinct[i, j])} different real names on average"
        said = f"Taught at τ = {self.taus[i]:.2f} and asked {times}, the student says {mean}"
        if self.k > 1 and self.passed[i] < 0.995:
            said += f", and at least one in {percent(self.passed[i])} of cases"
        best, edge = int(self.best_places[j]), "" if self.inside[j] else ", at the edge"
        if i != best:
            most, tau = several(self.distinct[best, j]), f"{self.best_taus[j]:.2f}"
            return f"{said}. The most is {most}, at τ = {tau}{edge}."
        plain = "" if i == one else f" Taught at τ = 1.00 it says {several(self.distinct[one, j])}."
        return f"{said}. No other teacher here brings more{edge and ': this is the edge'}.{plain}"


def tries_over_tau(sweep: NGramSweep, k: int = OPENING) -> TriesSweep:
    """Return what students of the sweep's teacher bring in 1 to 1,000,000 tries, at 61 values of tau from 0.1 to 1.5.

    ``sweep`` is what `teacher_temperature(...)` returns; its seed draws the names that are shown. ``k`` is the number
    of tries at first. Raises TypeError for another sweep, and ValueError for k off its slider, and for a student of
    order 0.

    >>> from kdlab.ngrams.experiment import teacher_temperature
    >>> tries = tries_over_tau(teacher_temperature(), k=3000)
    >>> round(float(tries.best_taus[tries.column]), 2), round(tries.at(0.7).distinct, 1)
    (0.7, 98.8)
    """
    expect(sweep, NGramSweep, "ngrams.teacher_temperature")
    if (*sweep.orders, sweep.seed) == (3, 2, 1, 0) and STORED.is_file():
        with np.load(STORED) as file:
            found: dict[str, Any] = dict(file)
    else:
        found = measured(sweep)
    found["names"] = tuple(map(tuple, found["names"].tolist()))
    same = {name: getattr(sweep, name) for name in _SAME}
    made = TriesSweep(k=OPENING, taus=TAUS, draws=DRAWS, **same, **found)
    return made.asking(k)


def measured(sweep: NGramSweep) -> dict[str, Any]:
    """Everything that is not the sweep's already, by name: arrays."""
    found = attempts_over_tau(sweep.teacher, sweep.orders[2], first_names()[0], DRAWS, TAUS)
    best = found.best()
    return {
        "precision": np.array([one.expected_log_prob(sweep.truth).value for one in found.students]),
        "recall": np.array([sweep.truth.expected_log_prob(one).value for one in found.students]),
        "real": found.passed[:, 0],
        "distinct": found.distinct,
        "best_taus": best.taus,
        "inside": best.inside,
        "names": np.array([one.sample(_SHOWN, np.random.default_rng([sweep.seed, 4])) for one in found.students]),
    }


def kinds(names: Sequence[str]) -> list[int]:
    """What each of the names drawn is: NEW, AGAIN or UNREAL."""
    real = real_names()
    return [AGAIN if name in names[:i] else NEW if name in real else UNREAL for i, name in enumerate(names)]
