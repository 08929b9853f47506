"""The slider of tau: a teacher of text is sampled hotter or colder, and its student learns from that. No drawing.

Everything is exact: p* is a chain fitted to first names, the teacher its projection onto a lower order, the student the
projection of the tempered teacher onto a lower one still. The invented names are drawn with the same random numbers at
every position, so that what differs between two positions is tau alone. The sweep that notebook 04 opens with is
read from a file (kdlab/data/names_sweep.npz), so that its slider is there at once.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from kdlab.core.files import PACKAGE
from kdlab.core.format import signed
from kdlab.core.sweep import N_TAUS, PlaneSweep, tau_positions
from kdlab.ngrams._strings import encoded
from kdlab.ngrams.model import MAX_ORDER, NGramChain
from kdlab.ngrams.names import LETTERS, first_names

FloatArray = NDArray[np.float64]

STORED = PACKAGE / "data/names_sweep.npz"  # what `measured` finds with the usual settings; by scripts/make_text.py
PREFIX = "ma"  # of Mary, Margaret, Martha, Maria: what comes next hangs on both letters
COVERED_DENSITY = 0.1  # a real name is covered where p''(x) >= 0.1 p*(x)
_INVENTED = 12


@dataclass(frozen=True)
class Position:
    """One position of the slider: chains, names, and numbers in nats."""

    tau: float
    teacher: NGramChain
    student: NGramChain
    precision: float
    recall: float
    choices: float
    covered: float
    names: tuple[str, ...]
    sentence: str


@dataclass(frozen=True)
class NGramSweep(PlaneSweep):
    """A slider's P positions of tau and what there is to show at each of them. All log-probabilities in nats per name.

    ``choices`` (P,) is the effective number of letters that the tempered teacher chooses among: exp of its entropy per
    step. ``covered`` (P,) is the share of the real names, rare ones and common ones alike, that the student gives at
    least a tenth of their true probability. ``next_taught`` and ``next_learned`` (P, A + 1) are the probabilities of
    each letter, and of the end, after PREFIX, under teacher and student; ``next_true`` (A + 1,) those under p*.
    """

    knob: ClassVar[str] = "tau"

    orders: tuple[int, int, int]
    seed: int
    taus: FloatArray
    truth: NGramChain
    teacher: NGramChain
    direct_precision: float
    direct_recall: float
    precision: FloatArray
    recall: FloatArray
    choices: FloatArray
    covered: FloatArray
    names: tuple[tuple[str, ...], ...]
    recall_bound: float
    precision_bound: float
    next_taught: FloatArray
    next_learned: FloatArray

    @property
    def next_true(self) -> FloatArray:
        """(A + 1,): see above."""
        return self.truth.next_letters(PREFIX)

    @property
    def title(self) -> str:
        """The three orders, in words."""
        return "First names: p* of order {}, teacher of order {}, student of order {}".format(*self.orders)

    def at(self, tau: float) -> Position:
        """Everything at the position nearest to ``tau``."""
        i = self.index(tau)
        teacher = self.teacher.tempered(1 / float(self.taus[i]))
        shown: dict[str, Any] = {"names": self.names[i], "sentence": self.sentence(i)}
        shown |= {name: float(getattr(self, name)[i]) for name in ("precision", "recall", "choices", "covered")}
        return Position(float(self.taus[i]), teacher, NGramChain.fit(teacher, order=self.orders[2]), **shown)

    def sentence(self, i: int) -> str:
        """What position ``i`` shows, in words and numbers."""
        return (
            f"At τ = {self.taus[i]:.2f} the teacher effectively chooses among {self.choices[i]:.2f} letters at each "
            f"step. The student covers {100 * self.covered[i]:.0f} % of the real names, with "
            f"precision {signed(self.precision[i])} and recall {signed(self.recall[i])} nats; "
            f"the direct student has {signed(self.direct_precision)} and {signed(self.direct_recall)}."
        )


def teacher_temperature(
    truth: int = 3,
    teacher: int = 2,
    student: int = 1,
    *,
    seed: int = 0,
    positions: int = N_TAUS,
    progress: Callable[[float], None] | None = None,
) -> NGramSweep:
    """Return the sweep of text: students of a teacher whose every step is tempered by tau, 0.3 to 1.5.

    ``truth``, ``teacher`` and ``student`` are the orders of the three chains, 0 to 4; ``seed`` draws the invented
    names. ``progress`` is called with fractions up to 1. Raises ValueError for orders that do not fall from
    truth to student (equal ones are allowed), and for a seed that is no whole number from 0.

    >>> sweep = teacher_temperature(positions=7)
    >>> bool(sweep.at(0.5).precision > sweep.at(1.1).precision)
    True
    """
    orders, taus = _checked_orders(truth, teacher, student), tau_positions(positions)
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"seed is {seed!r}: give a whole number from 0")
    told = progress or (lambda fraction: None)
    p_star, taught = _world(*orders[:2])
    if (*orders, seed, positions) == (3, 2, 1, 0, N_TAUS) and STORED.is_file():
        with np.load(STORED) as file:
            found: dict[str, Any] = {name: value if value.ndim else float(value) for name, value in file.items()}
        told(1.0)
    else:
        found = measured(p_star, taught, orders[2], taus, int(seed), told)
    found["names"] = tuple(map(tuple, found["names"].tolist()))
    return NGramSweep(orders=orders, seed=int(seed), taus=taus, truth=p_star, teacher=taught, **found)


def _checked_orders(truth: int, teacher: int, student: int) -> tuple[int, int, int]:
    orders = (truth, teacher, student)
    whole = all(isinstance(order, int | np.integer) and not isinstance(order, bool) for order in orders)
    if not whole or not MAX_ORDER >= truth >= teacher >= student >= 0:
        raise ValueError(
            f"the orders of p*, teacher and student are {truth!r}, {teacher!r}, {student!r}: whole numbers from "
            f"{MAX_ORDER} to 0 are needed, none larger than the one before it; try 3, 2, 1"
        )
    return int(truth), int(teacher), int(student)


@lru_cache(maxsize=4)
def _world(truth: int, teacher: int) -> tuple[NGramChain, NGramChain]:
    """p* fitted to the names, and the teacher, its projection."""
    p_star = NGramChain.fit(*_names(), order=truth)
    return p_star, NGramChain.fit(p_star, order=teacher)


def measured(
    p_star: NGramChain, teacher: NGramChain, order: int, taus: FloatArray, seed: int, told: Callable[[float], None]
) -> dict[str, Any]:
    """Everything that a sweep holds beside its settings and chains, by name: arrays and numbers."""
    direct, places = NGramChain.fit(p_star, order=order), []
    true_scores = _scores(p_star)
    for i, tau in enumerate(taus):
        tempered = teacher.tempered(1 / float(tau))
        student = NGramChain.fit(tempered, order=order)
        places.append(
            {
                "precision": student.expected_log_prob(p_star).value,
                "recall": p_star.expected_log_prob(student).value,
                "choices": math.exp(tempered.entropy / float(tempered.visits.sum())),  # a step for the end, too
                "covered": float((_scores(student) >= math.log(COVERED_DENSITY) + true_scores).mean()),
                "names": student.sample(_INVENTED, np.random.default_rng([seed, 1])),
                "next_taught": tempered.next_letters(PREFIX),
                "next_learned": student.next_letters(PREFIX),
            }
        )
        told((i + 1) / len(taus))
    return {
        **{name: np.array([place[name] for place in places]) for name in places[0]},
        "direct_precision": direct.expected_log_prob(p_star).value,
        "direct_recall": p_star.expected_log_prob(direct).value,
        "recall_bound": -p_star.entropy,
        "precision_bound": p_star.most_likely()[1],
    }


def _scores(chain: NGramChain) -> FloatArray:
    """(N,) log-probabilities of the real names, which are laid out once for all chains of an order."""
    rows, symbols, starts = _steps(max(chain.order, 1))
    return np.asarray(np.add.reduceat(chain.log_table[rows, symbols], starts))


@lru_cache(maxsize=MAX_ORDER)
def _steps(depth: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    return encoded(_names()[0], LETTERS, depth)


@lru_cache(maxsize=1)
def _names() -> tuple[list[str], FloatArray]:
    return first_names()
