"""Students along the slider: one for each position of beta, so that a picture depends on the position only.

The likelihood of a student has several optima, and the best one changes along the slider. Each position
therefore starts from its own deterministic starts and from both neighbours' students, on a coarse grid;
the winner is settled on a fine one. Where the best student does not continue its neighbour's, the path
has a gap, and `Path.switched` says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kdlab.core.metrics import log_sum_exp
from kdlab.mixtures.fit import Grids, best_of, exact_projection, moved
from kdlab.mixtures.model import GaussianMixture
from kdlab.mixtures.solver.em import (
    Cloud,
    Covariance,
    Family,
    Students,
    cloud_of,
    log_likelihood,
    run_em,
    stacked,
)
from kdlab.mixtures.solver.starts import grouped_starts, spread_starts

__all__ = ["Path", "sampled_path", "solve_path"]

FloatArray = NDArray[np.float64]
Progress = Callable[[float], None]


def _unheard(fraction: float) -> None:
    """Nobody asked for progress."""


_TIE = 1e-6  # nats: students closer than this are equally good; the one that continues the path is kept
_SAME = 0.02  # in log-weights, standardised means and log standard deviations
_COLD = 4  # deterministic starts per position
_STRETCH = 10  # positions that are walked through one after the other; all stretches advance in step
_STEP = 0.1  # in weights, standardised means and log standard deviations: less is no jump to the eye
_LIGHT = math.log(1e-4)  # weight below which a component is too faint to show a switch
_LOOK = 8  # EM steps after which the best of a position's own starts goes on alone
_COARSE = {"tolerance": 1e-3, "max_iter": 40, "passes": 12}
_FINE = {"tolerance": 1e-5, "max_iter": 60}
_ON_POINTS = {"tolerance": 1e-3, "max_iter": 20, "passes": 6}
_JUMP = 0.5  # like _STEP, for students fitted to points
_TOGETHER = 128  # runs of EM at once: enough to spare overhead, few enough for progress to be told
_SETTLED = 32  # positions settled at once: what the last ones moved by is a good guess for the next


@dataclass(frozen=True)
class Path:
    """Students at P values of beta. ``switched`` (P,): the student does not continue the one before it.

    ``log_weights`` (P, K), ``means`` (P, K, D), ``covariances`` (P, K, D, D); component k keeps its
    identity along the path.
    """

    log_weights: FloatArray
    means: FloatArray
    covariances: FloatArray
    switched: NDArray[np.bool_]

    def model(self, i: int) -> GaussianMixture:
        """The student at position ``i``."""
        return GaussianMixture.from_log_weights(self.log_weights[i], self.means[i], self.covariances[i])


def solve_path(
    teacher: GaussianMixture,
    n_components: int,
    covariance: Covariance,
    betas: FloatArray,
    progress: Progress = _unheard,
) -> Path:
    """Project the teacher, tempered by each of ``betas`` (P,), onto students of K'' components.

    No sampling. Where one component or the teacher itself is the answer there is no EM and no switch.
    """
    tempered = [teacher.tempered(beta) for beta in betas]
    exact = [exact_projection(target, n_components, covariance) for target in tempered]
    if exact[0] is not None:
        progress(1.0)
        return _path_of([model for model in exact if model is not None])
    halvings = 0
    while True:
        grids = Grids.of(teacher, covariance, halvings)
        told = _half_of_the_rest(progress, halvings)
        students, switched = _solve(teacher, tempered, grids, n_components, told)
        if not grids.too_coarse_for(students):
            progress(1.0)
            return _path(students, grids.fine, switched)
        halvings += 1


def _half_of_the_rest(progress: Progress, halvings: int) -> Progress:
    """Progress on one grid: half of what is left, as the grid may prove too coarse and another follow."""
    return lambda fraction: progress(1 - 0.5**halvings * (1 - 0.5 * fraction))


def sampled_path(
    clouds: Sequence[FloatArray],
    n_components: int,
    covariance: Covariance,
    floor: float,
    progress: Progress = _unheard,
) -> Path:
    """Fit students to points (N, D), one set per position, continuing along the slider in the same way.

    ``floor`` is the least variance of a component, in squared units of the points. ``switched`` marks visible jumps.
    """
    cross = covariance == "full"
    laid_out = [cloud_of(points, np.full(len(points), 1 / len(points)), cross=cross) for points in clouds]
    frame = laid_out[0]
    family = Family(covariance, floor / frame.scale**2)
    in_frame = [_in_frame(cloud, frame) for cloud in laid_out]
    cold = [
        list(spread_starts(cloud, family, n_components, _COLD)) if i % _STRETCH == 0 else []
        for i, cloud in enumerate(in_frame)
    ]
    stack = replace(
        frame,
        points=np.stack([cloud.points for cloud in in_frame]),
        weights=np.stack([cloud.weights for cloud in in_frame]),
        features=np.stack([cloud.features for cloud in in_frame]),
    )
    search = _Search(stack, family, _ON_POINTS)
    students = search.along_the_slider(cold, progress)
    return _path(students, frame, search.jumps(students))


def _in_frame(cloud: Cloud, frame: Cloud) -> Cloud:
    """The same points in another cloud's coordinates, so that one floor and one distance fit all."""
    points = cloud.points * cloud.scale + cloud.shift
    z = (points - frame.shift) / frame.scale
    features = np.stack([np.ones(len(z)), *z.T, *(z[:, i] * z[:, j] for i, j in frame.pairs)])
    return replace(cloud, points=z, features=features, shift=frame.shift, scale=frame.scale)


def _path(students: Students, cloud: Cloud, switched: NDArray[np.bool_]) -> Path:
    """Bring students, one per position, back to the coordinates of the cloud's points."""
    means = students.means * cloud.scale + cloud.shift
    return Path(students.log_weights, means, students.covariances * cloud.scale**2, switched)


def _path_of(models: Sequence[GaussianMixture]) -> Path:
    return Path(
        np.stack([model.log_weights for model in models]),
        np.stack([model.means for model in models]),
        np.stack([model.covariances for model in models]),
        np.zeros(len(models), dtype=bool),
    )


def _solve(
    teacher: GaussianMixture,
    tempered: Sequence[GaussianMixture],
    grids: Grids,
    n_components: int,
    progress: Progress,
) -> tuple[Students, NDArray[np.bool_]]:
    """Search on the coarse grid, settle on the fine one, and look at both where the path switches."""
    search = _Search(_weighted(grids.coarse, teacher, tempered), grids.family, _COARSE)
    cold = [list(grouped_starts(target, grids.family, n_components, _COLD)) for target in tempered]
    found = search.along_the_slider(cold, lambda fraction: progress(0.6 * fraction))
    settle = _Search(_weighted(grids.fine, teacher, tempered), grids.family, _FINE)
    settled = settle.each(moved(found, grids.coarse, grids.fine), lambda fraction: progress(0.6 + 0.4 * fraction))
    return settle.at_switches(settled)


def _weighted(cloud: Cloud, teacher: GaussianMixture, tempered: Sequence[GaussianMixture]) -> Cloud:
    """A stack: the teacher's grid with each tempered teacher's weights on it."""
    rows = teacher.component_log_probs(cloud.points * cloud.scale + cloud.shift).T
    cells = cloud.weights * np.exp(-log_sum_exp(rows + teacher.log_weights[:, None], axis=0))
    log_densities = [log_sum_exp(rows + one.log_weights[:, None], axis=0) for one in tempered]
    return replace(cloud, weights=cells * np.exp(log_densities))


class _Search:
    """EM along the slider: a stack of clouds, one per position, all in the same coordinates."""

    def __init__(self, clouds: Cloud, family: Family, effort: dict[str, float]) -> None:
        self.clouds, self.family, self.effort = clouds, family, effort
        self.n_positions = len(clouds.weights)
        self._asked: dict[tuple[int, int], tuple[float, float]] = {}

    def run(
        self,
        where: Sequence[int] | NDArray[np.intp],
        starts: Students,
        max_iter: int | None = None,
        progress: Progress = _unheard,
    ) -> tuple[Students, FloatArray]:
        """Run EM from start s at position ``where[s]``, some together; return the ends and their nats per point."""
        effort = self.effort["tolerance"], max_iter or int(self.effort["max_iter"])
        ends, scores = [], []
        for first in range(0, len(where), _TOGETHER):
            some = slice(first, first + _TOGETHER)
            runs = run_em(self.clouds[np.asarray(where[some])], self.family, starts[some], *effort)
            ends.append(runs.students)
            scores.append(runs.log_likelihood)
            progress(min(1.0, (first + _TOGETHER) / len(where)))
        return stacked(ends), np.concatenate(scores)

    def along_the_slider(self, cold: Sequence[Sequence[GaussianMixture]], progress: Progress) -> Students:
        """The best student of each position, from its own starts and from its neighbours' students."""
        best, reached = self._from_own_starts(cold, lambda fraction: progress(0.7 * fraction))
        passes, quiet = int(self.effort["passes"]), 0
        for turn in range(passes):
            quiet = 0 if self._pass_along(best, reached, forward=turn % 2 == 0) else quiet + 1
            progress(0.7 + 0.3 * (turn + 1) / passes)
            if quiet == 2:
                break
        return _in_line(best)

    def _from_own_starts(
        self, cold: Sequence[Sequence[GaussianMixture]], progress: Progress
    ) -> tuple[list[Students], list[float]]:
        """Run each position's own starts; positions without any carry on from the one before, all in step."""
        where = np.array([i for i, starts in enumerate(cold) if starts])
        owners = np.repeat(where, [len(cold[i]) for i in where])
        starts = Students.of([start for own in cold for start in own], self.clouds, self.family)
        looked, scores = self.run(owners, starts, _LOOK, lambda fraction: progress(0.4 * fraction))
        guesses = looked[[np.flatnonzero(owners == i)[best_of(scores[owners == i], 1)[0]] for i in where]]
        best: dict[int, Students] = {}
        reached: dict[int, float] = {}
        while where.size:
            ends, scores = self.run(where, guesses)
            best |= {int(i): ends[[s]] for s, i in enumerate(where)}
            reached |= dict(zip(where.tolist(), scores.tolist(), strict=True))
            progress(0.4 + 0.6 * len(best) / len(cold))
            onward = [s for s, i in enumerate(where) if i + 1 < len(cold) and not cold[i + 1]]
            where, guesses = where[onward] + 1, ends[onward]
        return [best[i] for i in range(len(cold))], [reached[i] for i in range(len(cold))]

    def _pass_along(self, best: list[Students], reached: list[float], *, forward: bool) -> int:
        """Let all positions try their neighbours' students, stretches of ten in step; count those that changed."""
        step = 1 if forward else -1
        changed = 0
        for offset in range(_STRETCH)[::step]:
            where = range(offset, self.n_positions, _STRETCH)
            told = [i for i in where if 0 <= i - step < self.n_positions]
            changed += len(self._try_neighbours(told, step, best, reached))
        return changed

    def _try_neighbours(self, where: list[int], step: int, best: list[Students], reached: list[float]) -> list[int]:
        """Continue the students of ``where - step`` at ``where``; keep what is better (from the left: as good).

        Return where that was.
        """
        if not where:
            return []
        theirs = stacked([best[i - step] for i in where])
        mine = _aligned(stacked([best[i] for i in where]), theirs)
        for s, i in enumerate(where):
            best[i] = mine[[s]]
        apart = ~_steady(mine, theirs)
        asked = [s for s, i in enumerate(where) if self._worth_asking(i, step, reached) and apart[s]]
        if not asked:
            return []
        ends, scores = self.run([where[s] for s in asked], theirs[asked])
        other = ~_same(ends, mine[asked])
        needed = -_TIE if step > 0 else _TIE  # equally good: continue from the left
        changed = []
        for s, i in enumerate(where[s] for s in asked):
            if scores[s] - reached[i] >= needed and other[s]:
                best[i], reached[i] = ends[[s]], float(scores[s])
                changed.append(i)
        return changed

    def _worth_asking(self, i: int, step: int, reached: list[float]) -> bool:
        """Say whether position ``i`` or its neighbour has changed, and so its likelihood, since this was asked last."""
        now = reached[i], reached[i - step]
        before, self._asked[i, step] = self._asked.get((i, step)), now
        return before != now

    def each(self, guesses: Students, progress: Progress) -> Students:
        """Settle every position's student, some together, from its guess and what settling moved the last ones by."""
        packed, stretch = guesses.packed(), np.cumsum([False, *~_steady(guesses[:-1], guesses[1:])])
        ends: list[Students] = []
        moved_by = np.zeros_like(packed[0])
        for first in range(0, self.n_positions, _SETTLED):
            some = np.arange(first, min(first + _SETTLED, self.n_positions))
            alike = stretch[some] == stretch[max(0, first - 1)]
            ends.append(self.run(some, guesses.unpacked(packed[some] + alike[:, None] * moved_by))[0])
            moved_by = ends[-1].packed()[-1] - packed[some[-1]]
            progress((some[-1] + 1) / self.n_positions)
        return stacked(ends)

    def switches(self, students: Students, switched: NDArray[np.bool_], new: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(P,): at i, continuing i - 1 does not lead to i's student, or continuing i does not lead back.

        Only steps to or from a student that is ``new`` are looked at; of the others ``switched`` tells already.
        """
        fresh = new[1:] | new[:-1]
        unsteady = 1 + np.flatnonzero(fresh & ~_steady(students[:-1], students[1:], faint=False))
        switched = switched & ~np.append(False, fresh)
        if not unsteady.size:
            return switched
        before = unsteady - 1
        ends, _ = self.run(np.concatenate([unsteady, before]), stacked([students[before], students[unsteady]]))
        there, back = ends[: len(unsteady)], ends[len(unsteady) :]
        switched[unsteady] = ~(_same(there, students[unsteady]) & _same(back, students[before]))
        return switched

    def jumps(self, students: Students) -> NDArray[np.bool_]:
        """(P,): where a step is seen as a jump. On points the target itself moves in small jumps."""
        return np.array([False, *~_steady(students[:-1], students[1:], _JUMP, faint=False)])

    def at_switches(self, students: Students) -> tuple[Students, NDArray[np.bool_]]:
        """Let the students on both sides of each switch compete around it; return who won, and the switches."""
        everywhere = np.ones(len(students), dtype=bool)
        switched = self.switches(students, ~everywhere, everywhere)
        best = [students[[i]] for i in range(len(students))]
        reached = log_likelihood(self.clouds, students).tolist()
        changed = ~everywhere
        for step in (1, -1):
            here = np.flatnonzero(switched) - (step < 0)
            for _ in range(_STRETCH):
                won = self._try_neighbours([i for i in here.tolist() if 0 <= i < len(best)], step, best, reached)
                changed[won] = True
                here = np.array(won, dtype=int) + step
        winners = _in_line(best)
        return winners, self.switches(winners, switched, changed)


def _in_line(best: list[Students]) -> Students:
    """One batch, in which component k keeps its identity from position to position."""
    line = stacked(best)
    orders = _orders(line[1:], line[:-1])
    kept = [np.arange(line.log_weights.shape[1])]
    for order in orders:
        kept.append(order[kept[-1]])
    return _reordered(line, np.array(kept))


# How far students are from each other: each of S from its partner


def _same(some: Students, others: Students) -> NDArray[np.bool_]:
    """(S,): they agree, whatever the order of their components, faint ones (below 1e-4) aside."""
    some = _aligned(some, others)
    return np.asarray((_apart(some, others) * _seen(some, others)).max(axis=(1, 2)) <= _SAME)


def _steady(some: Students, others: Students, step: float = _STEP, *, faint: bool = True) -> NDArray[np.bool_]:
    """(S,): component by component, they are too close for a switch to lie between them."""
    weights = np.abs(np.exp(some.log_weights) - np.exp(others.log_weights))
    shapes = _apart(some, others)[:, 1:] * (True if faint else _seen(some, others))
    return np.asarray(np.maximum(weights.max(axis=1), shapes.max(axis=(1, 2))) <= step)


def _apart(some: Students, others: Students) -> FloatArray:
    """(S, 1 + 2 D + ..., K): how far each packed parameter of each component differs."""
    s, k = some.log_weights.shape
    return np.abs(some.packed() - others.packed()).reshape(s, -1, k)


def _seen(some: Students, others: Students) -> NDArray[np.bool_]:
    """(S, 1, K): components that either of the two gives a weight above 1e-4."""
    return np.asarray(np.maximum(some.log_weights, others.log_weights) > _LIGHT)[:, None]


def _aligned(some: Students, others: Students) -> Students:
    """Reorder each student's components to lie close to its partner's."""
    return _reordered(some, _orders(some, others))


def _reordered(students: Students, orders: NDArray[np.intp]) -> Students:
    """Put component ``orders[s, k]`` of student s in place k."""
    return students[np.arange(len(students))[:, None], orders]


def _orders(some: Students, others: Students) -> NDArray[np.intp]:
    """(S, K): for each component of the partner the student's own that lies closest, closest pairs first."""
    apart = some.means[:, :, None] - others.means[:, None]
    scales = [np.log(np.diagonal(students.covariances, axis1=-2, axis2=-1)) for students in (some, others)]
    shapes = scales[0][:, :, None] - scales[1][:, None]
    cost = (apart**2).sum(axis=-1) + 0.25 * (shapes**2).sum(axis=-1)
    s, k, _ = cost.shape
    each, orders = np.arange(s), np.empty((s, k), dtype=np.intp)
    for _ in range(k):
        rows, columns = np.unravel_index(cost.reshape(s, -1).argmin(axis=1), (k, k))
        orders[each, columns] = rows
        cost[each, rows], cost[each, :, columns] = np.inf, np.inf
    return orders
