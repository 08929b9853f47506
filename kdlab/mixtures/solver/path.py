"""Students along the slider: one for each position of beta, so that a picture depends on the position only.

The likelihood of a student has several optima, and the best one changes along the slider. So every third
position is searched, on a coarse grid: from its own deterministic starts, and from both neighbours' students.
The winners are settled on a fine grid, and so are the positions between them: from where a curve through the
winners leads, or, where these do not continue each other, from both. Where the best student does not continue
its neighbour's, the path has a gap, and `Path.switched` says so.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kdlab.mixtures.fit import Grids, best_of, exact_projection
from kdlab.mixtures.model import GaussianMixture
from kdlab.mixtures.solver.distances import aligned, in_line, same, steady
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
from kdlab.mixtures.solver.starts import grouped_starts, halved_starts, spread_starts

FloatArray = NDArray[np.float64]
Progress = Callable[[float], None]


def _unheard(fraction: float) -> None:
    """Nobody asked for progress."""


_TIE = 1e-6  # nats: students closer than this are equally good; the one that continues the path is kept
_SEARCHED, _THOROUGH = 40, 8  # positions that are searched, and that have many starts, about; of fewer all
_GROUPED, _SPREAD = 10, 4  # such starts: groupings of the target, and spread over it
_LOOK, _FINALISTS = 8, 6  # EM steps of a first look at them, and how many go on after it
_BESIDE = 10  # positions beside a switch at which both sides compete
_GAP = 0.3  # between positions that are searched, as in `steady`: less is smooth enough to be led by a curve
_COARSE = {"tolerance": 1e-3, "max_iter": 40, "passes": 24}
_FINE = {"tolerance": 1e-4, "max_iter": 60}
_ON_POINTS = {"tolerance": 1e-3, "max_iter": 20, "passes": 24}
_STRETCH = 10  # positions of points from one with starts of its own to the next
_JUMP = 0.5  # as in `steady`, for students fitted to points
_TOGETHER = 128  # runs of EM at once: enough to spare overhead, few enough for progress to be told
_SETTLED = 32  # students scored at once


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
    if exact_projection(tempered[0], n_components, covariance) is not None:
        exact = [exact_projection(target, n_components, covariance) for target in tempered]
        progress(1.0)
        students = Students.of([model for model in exact if model is not None])
        return _path(students, np.zeros(len(betas), dtype=bool))
    known, halvings = None, 0
    while True:
        grids = Grids.of(teacher, covariance, halvings)
        told = _half_of_the_rest(progress, halvings)
        students, switched = _solve(teacher, tempered, grids, n_components, known, told)
        known = students.out_of(grids.fine)
        if not grids.too_coarse_for(students):
            progress(1.0)
            return _path(known, switched)
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
    cold = {i: spread_starts(in_frame[i], family, n_components, _SPREAD).within(family) for i in begun}
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
    teacher: GaussianMixture,
    tempered: Sequence[GaussianMixture],
    grids: Grids,
    n_components: int,
    known: Students | None,
    progress: Progress,
) -> tuple[Students, NDArray[np.bool_]]:
    """Settle all positions on the fine grid, and look at both sides where the path switches.

    They are settled from the ``known`` students of a grid that was too coarse, or else from a search.
    """
    settle = _Search(_weighted(grids.fine, teacher, tempered), grids.family, _FINE)
    if known is None:
        last = len(tempered) - 1
        searched = np.unique([*range(0, last, max(1, round(last / _SEARCHED))), last])
        thorough = max(1, round((len(searched) - 1) / _THOROUGH))
        there = [tempered[i] for i in searched]
        search = _Search(_weighted(grids.coarse, teacher, there), grids.family, _COARSE)
        cold = {
            j: _own_starts(search.clouds[j], target, grids, n_components, many=j % thorough == 0)
            for j, target in enumerate(there)
        }
        found = search.along_the_slider(cold, lambda fraction: progress(0.6 * fraction))
        settled = settle.everywhere(searched, grids.refined(found), lambda done: progress(0.6 + 0.4 * done))
    else:
        settled = settle.run(range(len(tempered)), known.into(grids.fine).within(grids.family), progress=progress)
    return settle.at_switches(settled)


def _own_starts(cloud: Cloud, target: GaussianMixture, grids: Grids, n_components: int, *, many: bool) -> Students:
    """Where the search of a position starts: at the cheapest grouping of its target, or at many places."""
    if not many:
        return grouped_starts(target, grids.family, n_components, 1).into(grids.coarse).within(grids.family)
    grouped = grouped_starts(target, grids.family, n_components, _GROUPED).into(grids.coarse)
    halved = halved_starts(target, grids.family, n_components).into(grids.coarse)
    spread = spread_starts(cloud, grids.family, n_components, _SPREAD)
    return stacked([grouped, halved, spread]).within(grids.family)


def _weighted(cloud: Cloud, teacher: GaussianMixture, tempered: Sequence[GaussianMixture]) -> Cloud:
    """A stack: the teacher's grid with each tempered teacher's weights on it."""
    rows = teacher.component_log_probs(cloud.points * cloud.scale + cloud.shift).T
    tops = rows.max(axis=0)  # the teachers have the same components: one product of matrices for all
    bells = np.exp(rows - tops)
    cells = cloud.weights / (teacher.weights @ bells)
    return replace(cloud, weights=np.stack([one.weights for one in tempered]) @ bells * cells)


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
        where, steps = np.tile(np.arange(self.n_positions), 2), np.repeat([1, -1], self.n_positions)
        passes = int(self.effort["passes"])
        for turn in range(passes):
            progress(0.7 + 0.3 * turn / passes)
            if not self._try_neighbours(where, steps, best, reached)[0].size:
                break
        return in_line(best)

    def _from_own_starts(self, cold: Mapping[int, Students], progress: Progress) -> tuple[Students, FloatArray]:
        """Run each position's own starts; positions without any carry on from the one before, all in step."""
        where = np.array(list(cold))
        owners = np.repeat(where, [len(starts) for starts in cold.values()])
        looked = self.run(owners, stacked(list(cold.values())), _LOOK, lambda done: progress(0.4 * done))
        foremost = self._foremost(owners, looked, _FINALISTS)
        owners = owners[foremost]
        ends = self.run(owners, looked[foremost])
        guesses = ends[self._foremost(owners, ends, 1)]
        best, reached = guesses[np.zeros(self.n_positions, dtype=int)], np.full(self.n_positions, np.nan)
        while True:
            best[where], reached[where] = guesses, self.scores(where, guesses)
            progress(0.4 + 0.6 * float(np.isfinite(reached).mean()))
            onward = np.array([i + 1 < self.n_positions and i + 1 not in cold for i in where.tolist()])
            if not onward.any():
                return best, reached
            where = where[onward] + 1
            guesses = self.run(where, guesses[onward])

    def _foremost(self, owners: NDArray[np.intp], students: Students, count: int) -> NDArray[np.intp]:
        """Which students are the ``count`` best of their position, position by position."""
        scores = self.scores(owners, students)
        theirs = [np.flatnonzero(owners == i) for i in np.unique(owners)]
        return np.concatenate([some[best_of(scores[some], count)] for some in theirs])

    def _try_neighbours(
        self, where: NDArray[np.intp], steps: NDArray[np.intp], best: Students, reached: FloatArray
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Continue the student of ``where - steps`` at ``where``; keep what is better (from the left: as good).

        Return where that was, and from which side.
        """
        inside = (np.minimum(where, where - steps) >= 0) & (np.maximum(where, where - steps) < len(best))
        where, steps = where[inside], steps[inside]
        if not where.size:
            return where, steps
        theirs = best[where - steps]
        asked = np.array(
            [self._worth_asking(*one, reached) for one in zip(where.tolist(), steps.tolist(), strict=True)]
        )
        asked &= ~steady(aligned(best[where], theirs), theirs)
        where, steps = where[asked], steps[asked]
        if not where.size:
            return where, steps
        ends = self.run(where, theirs[asked])
        scores, won = self.scores(where, ends), np.zeros(len(where), dtype=bool)
        for side, needed in ((1, -_TIE), (-1, _TIE)):  # equally good: continue from the left
            better = (steps == side) & (scores - reached[where] >= needed) & ~same(ends, best[where])
            best[where[better]], reached[where[better]] = ends[better], scores[better]
            won |= better
        return where[won], steps[won]

    def _worth_asking(self, i: int, step: int, reached: FloatArray) -> bool:
        """Say whether position ``i`` or its neighbour has changed, and so its likelihood, since this was asked last."""
        now = float(reached[i]), float(reached[i - step])
        before, self._asked[i, step] = self._asked.get((i, step)), now
        return before != now

    def everywhere(self, places: NDArray[np.intp], guesses: Students, progress: Progress) -> Students:
        """Settle the students at ``places`` (from the first position to the last), and those at each between two."""
        settled = in_line(self.run(places, guesses, progress=lambda done: progress(0.3 * done)))
        best = settled[np.zeros(self.n_positions, dtype=int)]
        best[places] = settled
        between = np.setdiff1d(np.arange(self.n_positions), places)
        if not between.size:
            return best
        after = np.searchsorted(places, between)
        smooth = steady(settled[:-1], settled[1:], _GAP)
        led = smooth[after - 1]
        starts = settled[after - 1]
        starts[led] = settled.unpacked(_curves(places, settled.packed(), smooth, between[led]))
        torn = between[~led]
        both = np.concatenate([between, torn])
        starts = stacked([starts, settled[after[~led]]])
        ends = self.run(both, starts, progress=lambda done: progress(0.3 + 0.7 * done))
        best[between], from_right = ends[: len(between)], ends[len(between) :]
        if torn.size:
            won = self.scores(torn, from_right) > self.scores(torn, best[torn]) + _TIE
            best[torn[won]] = from_right[won]
        return best

    def switches(self, students: Students, switched: NDArray[np.bool_], new: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(P,): at i, continuing i - 1 does not lead to i's student, or continuing i does not lead back.

        Only steps to or from a student that is ``new`` are looked at; of the others ``switched`` tells already.
        """
        fresh = new[1:] | new[:-1]
        unsteady = 1 + np.flatnonzero(fresh & ~steady(students[:-1], students[1:], faint=False))
        switched = switched & ~np.append(False, fresh)
        if not unsteady.size:
            return switched
        before = unsteady - 1
        ends = self.run(np.concatenate([unsteady, before]), stacked([students[before], students[unsteady]]))
        there, back = ends[: len(unsteady)], ends[len(unsteady) :]
        switched[unsteady] = ~(same(there, students[unsteady]) & same(back, students[before]))
        return switched

    def jumps(self, students: Students) -> NDArray[np.bool_]:
        """(P,): where a step is seen as a jump. On points the target itself moves in small jumps."""
        return np.array([False, *~steady(students[:-1], students[1:], _JUMP, faint=False)])

    def at_switches(self, students: Students) -> tuple[Students, NDArray[np.bool_]]:
        """Let the students on both sides of each switch compete around it; return who won, and the switches."""
        everywhere = np.ones(len(students), dtype=bool)
        switched = self.switches(students, ~everywhere, everywhere)
        if not switched.any():
            return in_line(students), switched
        best, reached = students[everywhere], log_likelihood(self.clouds, students)
        changed = ~everywhere
        here = np.flatnonzero(switched)
        here, steps = np.concatenate([here, here - 1]), np.repeat([1, -1], len(here))
        for _ in range(_BESIDE):
            here, steps = self._try_neighbours(here, steps, best, reached)
            changed[here] = True
            here = here + steps
        winners = in_line(best)
        return winners, self.switches(winners, switched, changed)


def _curves(
    places: NDArray[np.intp], packed: FloatArray, smooth: NDArray[np.bool_], between: NDArray[np.intp]
) -> FloatArray:
    """(B, M): packed students ``between`` the ``places`` of others (L, M), on cubics through them.

    The slope of a cubic at a place is the mean of the steps beside it, of those that are ``smooth`` (L - 1,).
    """
    gaps = np.diff(places)[:, None]
    steps = smooth[:, None] * np.diff(packed, axis=0) / gaps
    sides, slopes = np.zeros((len(places), 1)), np.zeros_like(packed)
    for end in (slice(None, -1), slice(1, None)):
        sides[end] += smooth[:, None]
        slopes[end] += steps
    slopes /= np.maximum(sides, 1)
    left = np.searchsorted(places, between) - 1
    share = (between - places[left])[:, None] / gaps[left]
    bend = (slopes[left] - steps[left]) * (1 - share) - (slopes[left + 1] - steps[left]) * share
    return np.asarray(packed[left] + gaps[left] * share * (steps[left] + (1 - share) * bend))
