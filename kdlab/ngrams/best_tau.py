"""Which temperature of the teacher brings the most different acceptable answers in k draws? Exact slopes in tau.

A sweep holds, for students at some values of tau, how many answers k draws bring, and its derivative in tau; the best
tau is looked for between its positions too.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kdlab.ngrams._tables import by_length, gathered, reachable, visit_slopes
from kdlab.ngrams.attempts import adder, any_right, checked_draws, distinct
from kdlab.ngrams.model import NGramChain

FloatArray = NDArray[np.float64]


class Best(NamedTuple):
    """The best tau for each of K numbers of draws, and how many answers it brings; all (K,).

    ``errors`` bound how far ``taus`` are off (see `AttemptSweep.best`). Where ``inside`` is False the best is an end
    of the sweep, and tau beyond it may be better.
    """

    taus: FloatArray
    errors: FloatArray
    distinct: FloatArray
    inside: NDArray[np.bool_]


@dataclass(frozen=True)
class AttemptSweep:
    """Students at P values of tau, and what K numbers of draws bring: three arrays (P, K).

    ``distinct`` is `attempts.expected_distinct`, ``slopes`` its derivative in tau, ``passed`` `attempts.pass_at_k`.
    """

    taus: FloatArray
    draws: FloatArray
    students: tuple[NGramChain, ...]
    distinct: FloatArray
    slopes: FloatArray
    passed: FloatArray

    def best(self) -> Best:
        """The best tau for each number of draws, between positions as well.

        Between two positions runs the cubic with their values and slopes; the best is the highest of its peaks, or an
        end of the sweep. Its slope is off by at most h^3 / 125 times the fourth derivative, and so the peak by that
        over the curvature. The error is twice that, the fourth derivative taken from how third ones differ nearby: an
        estimate, which holds where positions are dense enough for it to be small.
        """
        taus, f = self.taus, self.distinct
        h = np.diff(taus)[:, None]
        up, down, rise = h * self.slopes[:-1], h * self.slopes[1:], np.diff(f, axis=0)
        a, b = up + down - 2 * rise, 3 * rise - 2 * up - down  # f + up t + b t^2 + a t^3, for t from 0 to 1
        turn = b * b - 3 * a * up
        peaks = (up > 0) & (down <= 0) & (turn > 0)  # a turn of 0 is a line so flat that its bends are no numbers
        root = np.sqrt(np.where(peaks, turn, 1.0))
        late = peaks & (b > 0)  # then root - b would lose all digits where up is small
        t = np.where(late, root + b, up) / np.where(late, -3 * a, np.where(peaks, root - b, 1.0))
        height = np.where(peaks, f[:-1] + t * (up + t * (b + t * a)), -np.inf)
        error = 2 * h * _fourth(a, h) / 125 / np.where(peaks, 2 * root, 1.0)  # curvature: -2 root, in units of t
        end = np.where(f[0] >= f[-1], 0, len(taus) - 1)
        i, k = height.argmax(axis=0), np.arange(f.shape[1])
        inside = height[i, k] > f[end, k]
        return Best(
            np.where(inside, taus[i] + h[i, 0] * t[i, k], taus[end]),
            np.where(inside, error[i, k], 0.0),
            np.where(inside, height[i, k], f[end, k]),
            inside,
        )


def _fourth(a: FloatArray, h: FloatArray) -> FloatArray:
    """(P - 1, K): the size of h^4 times the fourth derivative, from the largest of four jumps of 6 a / h^3 nearby."""
    jumps = np.abs(np.diff(6 * a / h**3, axis=0)) / (h[1:] + h[:-1]) * 2
    jumps = np.pad(jumps, ((2, 2), (0, 0)), mode="edge")
    return np.asarray(h**4 * np.max([jumps[j : len(jumps) - 3 + j] for j in range(4)], axis=0))


def attempts_over_tau(
    teacher: NGramChain, order: int, accepted: Collection[str], k: ArrayLike, taus: ArrayLike, beginning: str = ""
) -> AttemptSweep:
    """Return what students of ``order`` of the teacher, tempered by each tau, bring in k draws, and its slopes in tau.

    Slopes are exact: derivatives of every formula from the tempered rows to the sum over answers. Raises ValueError for
    fewer than three taus or ones that do not rise from above 0, for an order that is not 1 to the teacher's, and as
    `attempts.expected_distinct` and `NGramChain.fit` do.
    """
    draws, positions = checked_draws(k), np.asarray(taus, dtype=float)
    if positions.ndim != 1 or len(positions) < 3 or not (np.diff(positions, prepend=0.0) > 0).all():
        raise ValueError(f"taus are {taus!r}: give three or more that rise from above 0, like [0.3, 0.6, 0.9]")
    if isinstance(order, bool) or not isinstance(order, int | np.integer) or not 1 <= order <= teacher.order:
        raise ValueError(
            f"order is {order!r} beside a teacher of order {teacher.order}: choose from 1 to the teacher's"
        )
    summed = adder(accepted, beginning, teacher.alphabet, order)
    students, places = [], []
    for tau in positions:
        student, log_slopes = student_and_slopes(teacher, order, float(tau))
        odds = np.exp(np.minimum(summed(student.log_table), 0.0))
        students.append(student)
        places.append((distinct(odds, draws), _slopes(odds, summed(log_slopes), draws), any_right(odds, draws)))
    by_kind = (np.array(each) for each in zip(*places, strict=True))
    return AttemptSweep(positions, draws, tuple(students), *by_kind)


def _slopes(odds: FloatArray, log_slopes: FloatArray, draws: FloatArray) -> FloatArray:
    """(K,): the sum over answers of k (1 - q)^(k - 1) q times the slope of log q."""
    missed = np.log1p(-np.minimum(odds, 1 - 1e-16))
    return np.array([k * (np.exp((k - 1) * missed) * odds) @ log_slopes for k in draws])


def student_and_slopes(teacher: NGramChain, order: int, tau: float) -> tuple[NGramChain, FloatArray]:
    """The student of ``order`` of the teacher tempered by tau, and the slopes of its log-table in tau, of one shape.

    A tempered row p moves by p (E_p[log] - log) / tau^2, where log is the untempered row. So visits move, with them the
    expected counts C, and a student's log-probability by dC / C of the step less dC / C of its row. Steps of
    probability zero stay so, with slope 0.
    """
    tempered, n_letters = teacher.tempered(1 / tau), len(teacher.alphabet)
    student = NGramChain.fit(tempered, order=order)
    table, possible = tempered.table, np.isfinite(teacher.log_table)
    logs = np.where(possible, teacher.log_table, 0.0)
    moved = table * ((table * logs).sum(axis=1, keepdims=True) - logs) / tau**2
    tables, slopes, visits = (by_length(each, n_letters) for each in (table, moved, tempered.visits))
    reached = reachable(by_length(possible.astype(float), n_letters))
    changes = np.concatenate(visit_slopes(tables, slopes, visits, reached))
    each = (tempered.visits[:, None] * table, changes[:, None] * table + tempered.visits[:, None] * moved)
    count, slope = (np.concatenate(gathered(by_length(one, n_letters), order)) for one in each)
    rows = count.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return student, np.where(count > 0, slope / count - slope.sum(axis=1, keepdims=True) / rows, 0.0)
