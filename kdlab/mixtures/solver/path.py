"""Students along the slider: one for each position of beta, so that a picture depends on the position only.

The likelihood of a student has several optima, and the best one changes along the slider. Each position
therefore starts from its own deterministic starts and from both neighbours' students, on a coarse grid;
the winner is settled on a fine one. Where the best student does not continue its neighbour's, the path
has a gap, and `Path.switched` says so.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kdlab.core.metrics import log_sum_exp
from kdlab.mixtures.fit import Grids, best_of, exact_projection
from kdlab.mixtures.model import GaussianMixture
from kdlab.mixtures.solver.em import (
    Cloud,
    Covariance,
    Family,
    Students,
    cloud_of,
    features_of,
    log_likelihood,
    run_em,
    stacked,
)
from kdlab.mixtures.solver.starts import grouped_starts, spread_starts

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
class Path(Students):
    """Students at P values of beta, in their own coordinates; component k keeps its identity along the path.

    ``switched`` (P,): the student does not continue the one before it.
    """

    switched: NDArray[np.bool_]


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
        students = Students.of([model for model in exact if model is not None])
        return _path(students, np.zeros(len(betas), dtype=bool))
    halvings = 0
    while True:
        grids = Grids.of(teacher, covariance, halvings)
        told = _half_of_the_rest(progress, halvings)
        students, switched = _solve(teacher, tempered, grids, n_components, told)
        if not grids.too_coarse_for(students):
            progress(1.0)
            return _path(students.out_of(grids.fine), switched)
        halvings += 1


def _half_of_the_rest(progress: Progress, halvings: int) -> Progress:
    """Progress on one grid: half of what is left, as the grid may prove too coarse and another follow."""
    return lambda fraction: progress(1 - 0.5**halvings * (1 - 0.5 * fraction))


def sampled_path(
    clouds: Sequence[FloatArray], n_components: int, covariance: Covariance, floor: float, progress: Progress = _unheard
) -> Path:
    """Fit students to points (N, D), one set per position, continuing along the slider in the same way.

    ``floor`` is the least variance of a component, in squared units of the points. ``switched`` marks visible jumps.
    """
    cross = covariance == "full"
    laid_out = [cloud_of(points, np.full(len(points), 1 / len(points)), cross=cross) for points in clouds]
    frame = laid_out[0]
    family = Family(covariance, floor / float(frame.scale[0]) ** 2)
    in_frame = [_in_frame(cloud, frame) for cloud in laid_out]
    begun = range(0, len(in_frame), _STRETCH)
    cold = {i: spread_starts(in_frame[i], family, n_components, _COLD).within(family) for i in begun}
    stack = replace(
        frame,
        points=np.stack([cloud.points for cloud in in_frame]),
        weights=np.stack([cloud.weights for cloud in in_frame]),
        features=np.stack([cloud.features for cloud in in_frame]),
    )
    search = _Search(stack, family, _ON_POINTS)
    students = search.along_the_slider(cold, progress)
    return _path(students.out_of(frame), search.jumps(students))


def common_samples(teacher: GaussianMixture, betas: FloatArray, n: int, rng: np.random.Generator) -> list[FloatArray]:
    """P sets of points (n, D), one per beta, from the same random numbers: what differs is beta alone."""
    uniform, normal = rng.random(n), rng.standard_normal((n, teacher.dim))
    clouds = []
    for beta in betas:
        edges = np.cumsum(teacher.tempered(float(beta)).weights)[:-1]
        which = np.searchsorted(edges, uniform, side="right")
        clouds.append(teacher.means[which] + np.einsum("nij,nj->ni", teacher.choleskys[which], normal))
    return clouds


def _in_frame(cloud: Cloud, frame: Cloud) -> Cloud:
    """The same points in another cloud's coordinates, so that one floor and one distance fit all."""
    points = cloud.points * cloud.scale + cloud.shift
    z = (points - frame.shift) / frame.scale
    features = features_of(z, frame.pairs)
    return replace(cloud, points=z, features=features, shift=frame.shift, scale=frame.scale)


def _path(students: Students, switched: NDArray[np.bool_]) -> Path:
    return Path(students.log_weights, students.means, students.covariances, switched)


def _solve(
    teacher: GaussianMixture, tempered: Sequence[GaussianMixture], grids: Grids, n_components: int, progress: Progress
) -> tuple[Students, NDArray[np.bool_]]:
    """Search on the coarse grid, settle on the fine one, and look at both where the path switches."""
    search = _Search(_weighted(grids.coarse, teacher, tempered), grids.family, _COARSE)
    grouped = [grouped_starts(target, grids.family, n_components, _COLD) for target in tempered]
    cold = {i: starts.into(grids.coarse).within(grids.family) for i, starts in enumerate(grouped)}
    found = search.along_the_slider(cold, lambda fraction: progress(0.6 * fraction))
    settle = _Search(_weighted(grids.fine, teacher, tempered), grids.family, _FINE)
    settled = settle.each(grids.refined(found), lambda fraction: progress(0.6 + 0.4 * fraction))
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
    ) -> Students:
        """Run EM from start s at position ``where[s]``, some together; return the ends."""
        effort = self.effort["tolerance"], max_iter or int(self.effort["max_iter"])
        ends = []
        for first in range(0, len(where), _TOGETHER):
            some = slice(first, first + _TOGETHER)
            ends.append(run_em(self.clouds[np.asarray(where[some])], self.family, starts[some], *effort).students)
            progress(min(1.0, (first + _TOGETHER) / len(where)))
        return stacked(ends)

    def scores(self, where: NDArray[np.intp], students: Students) -> FloatArray:
        """Nats per point of student s at position ``where[s]``."""
        parts = [slice(first, first + _SETTLED) for first in range(0, len(where), _SETTLED)]
        return np.concatenate([log_likelihood(self.clouds[where[some]], students[some]) for some in parts])

    def along_the_slider(self, cold: Mapping[int, Students], progress: Progress) -> Students:
        """The best student of each position, from its own starts (``cold``) and from its neighbours' students."""
        best, reached = self._from_own_starts(cold, lambda fraction: progress(0.7 * fraction))
        passes, quiet = int(self.effort["passes"]), 0
        for turn in range(passes):
            quiet = 0 if self._pass_along(best, reached, forward=turn % 2 == 0) else quiet + 1
            progress(0.7 + 0.3 * (turn + 1) / passes)
            if quiet == 2:
                break
        return _in_line(best)

    def _from_own_starts(self, cold: Mapping[int, Students], progress: Progress) -> tuple[Students, FloatArray]:
        """Run each position's own starts; positions without any carry on from the one before, all in step."""
        where = np.array(list(cold))
        owners = np.repeat(where, [len(starts) for starts in cold.values()])
        looked = self.run(owners, stacked(list(cold.values())), _LOOK, lambda done: progress(0.4 * done))
        scores = self.scores(owners, looked)
        guesses = looked[[np.flatnonzero(owners == i)[best_of(scores[owners == i], 1)[0]] for i in where]]
        best, reached = guesses[np.zeros(self.n_positions, dtype=int)], np.full(self.n_positions, np.nan)
        while where.size:
            guesses = best[where] = self.run(where, guesses)
            reached[where] = self.scores(where, guesses)
            progress(0.4 + 0.6 * float(np.isfinite(reached).mean()))
            onward = np.array([i + 1 < self.n_positions and i + 1 not in cold for i in where.tolist()])
            where, guesses = where[onward] + 1, guesses[onward]
        return best, reached

    def _pass_along(self, best: Students, reached: FloatArray, *, forward: bool) -> int:
        """Let all positions try their neighbours' students, stretches of ten in step; count those that changed."""
        step = 1 if forward else -1
        changed = 0
        for offset in range(_STRETCH)[::step]:
            where = np.arange(offset, self.n_positions, _STRETCH)
            changed += len(self._try_neighbours(where, step, best, reached))
        return changed

    def _try_neighbours(
        self, where: NDArray[np.intp], step: int, best: Students, reached: FloatArray
    ) -> NDArray[np.intp]:
        """Continue the students of ``where - step`` at ``where``; keep what is better (from the left: as good).

        Return where that was.
        """
        where = where[(where >= 0) & (where < len(best)) & (where - step >= 0) & (where - step < len(best))]
        if not where.size:
            return where
        theirs = best[where - step]
        mine = _aligned(best[where], theirs)
        best[where] = mine
        asked = np.array([self._worth_asking(i, step, reached) for i in where.tolist()], dtype=bool)
        asked &= ~_steady(mine, theirs)
        if not asked.any():
            return where[:0]
        where, mine = where[asked], mine[asked]
        ends = self.run(where, theirs[asked])
        scores = self.scores(where, ends)
        needed = -_TIE if step > 0 else _TIE  # equally good: continue from the left
        won = (scores - reached[where] >= needed) & ~_same(ends, mine)
        best[where[won]], reached[where[won]] = ends[won], scores[won]
        return where[won]

    def _worth_asking(self, i: int, step: int, reached: FloatArray) -> bool:
        """Say whether position ``i`` or its neighbour has changed, and so its likelihood, since this was asked last."""
        now = float(reached[i]), float(reached[i - step])
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
            ends.append(self.run(some, guesses.unpacked(packed[some] + alike[:, None] * moved_by)))
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
        ends = self.run(np.concatenate([unsteady, before]), stacked([students[before], students[unsteady]]))
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
        if not switched.any():
            return _in_line(students), switched
        best, reached = students[everywhere], log_likelihood(self.clouds, students)
        changed = ~everywhere
        for step in (1, -1):
            here = np.flatnonzero(switched) - (step < 0)
            for _ in range(_STRETCH):
                here = self._try_neighbours(here, step, best, reached)
                changed[here] = True
                here = here + step
        winners = _in_line(best)
        return winners, self.switches(winners, switched, changed)


def _in_line(line: Students) -> Students:
    """The same students, in which component k keeps its identity from position to position."""
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
