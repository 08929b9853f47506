"""Students along the slider: one for each position of beta, so that a picture depends on the position only.

The likelihood of a student has several optima, and the best one changes along the slider. Each position
therefore starts from its own deterministic starts and from both neighbours' students, on a coarse grid;
the winner is settled on a fine one. Where the best student does not continue its neighbour's, the path
has a gap, and `Path.switched` says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kdlab.em import Cloud, Covariance, Family, Students, cloud_of, log_likelihood, run_em, stacked
from kdlab.fits import Grids, best_of, exact_projection, moved
from kdlab.mixtures import GaussianMixture
from kdlab.starts import grouped_starts, spread_starts

__all__ = ["Path", "positions", "sampled_path", "solve_path"]

FloatArray = NDArray[np.float64]
Progress = Callable[[float], None]

N_POSITIONS = 121
HIGHEST_BETA = 100.0

_TIE = 1e-6  # nats: students closer than this are equally good; the one that continues the path is kept
_SAME = 0.02  # in log-weights, standardised means and log standard deviations
_COLD = 4  # deterministic starts per position
_COLD_EVERY = 10  # positions, where students are fitted to points; their neighbours carry on between
_STEP = 0.1  # in weights, standardised means and log standard deviations: less is no jump to the eye
_LIGHT = math.log(1e-4)  # weight below which a component is too faint to show a switch
_LOOK = 8  # EM steps after which the best of a position's own starts goes on alone
_COARSE = {"tolerance": 1e-3, "max_iter": 40, "sweeps": 4}
_FINE = {"tolerance": 1e-5, "max_iter": 60, "sweeps": 4}
_ON_POINTS = {"tolerance": 1e-3, "max_iter": 20, "sweeps": 2}
_JUMP = 0.5  # like _STEP, for students fitted to points


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


def positions(n: int = N_POSITIONS) -> FloatArray:
    """(n,) values of beta, logarithmic from 1 to 100."""
    if n < 2:
        raise ValueError(f"positions is {n}: a slider has 2 or more; {N_POSITIONS} is usual")
    return np.geomspace(1.0, HIGHEST_BETA, n)


def solve_path(
    teacher: GaussianMixture,
    n_components: int,
    covariance: Covariance,
    betas: FloatArray,
    progress: Progress = lambda fraction: None,
) -> Path:
    """Project the teacher, tempered by each of ``betas`` (P,), onto students of K'' components.

    No sampling. Where one component or the teacher itself is the answer there is no EM and no switch.
    """
    tempered = [teacher.tempered(beta) for beta in betas]
    exact = [exact_projection(target, n_components, covariance) for target in tempered]
    if exact[0] is not None:
        progress(1.0)
        return _path([model for model in exact if model is not None], np.zeros(len(betas), dtype=bool))
    halvings = 0
    while True:
        grids = Grids.of(teacher, covariance, halvings)
        told = _half_of_the_rest(progress, halvings)
        students, switched = _solve(tempered, grids, n_components, told)
        if not grids.too_coarse_for(students):
            progress(1.0)
            return _path([students.model(i, grids.fine) for i in range(len(betas))], switched)
        halvings += 1


def _half_of_the_rest(progress: Progress, halvings: int) -> Progress:
    """Progress on one grid: half of what is left, as the grid may prove too coarse and another follow."""
    return lambda fraction: progress(1 - 0.5**halvings * (1 - 0.5 * fraction))


def sampled_path(
    clouds: Sequence[FloatArray], n_components: int, covariance: Covariance, floor: float, progress: Progress
) -> Path:
    """Fit students to points (N, D), one set per position, continuing along the slider in the same way.

    ``floor`` is the least variance of a component, in squared units of the points. ``switched`` marks visible jumps.
    """
    cross = covariance == "full"
    laid_out = [cloud_of(points, np.full(len(points), 1 / len(points)), cross=cross) for points in clouds]
    frame = laid_out[0]
    in_frame = [_in_frame(cloud, frame) for cloud in laid_out]
    family = Family(covariance, floor / frame.scale**2)
    search = _Search(in_frame, family, _ON_POINTS)
    cold = (
        list(spread_starts(cloud, family, n_components, _COLD)) if i % _COLD_EVERY == 0 else []
        for i, cloud in enumerate(in_frame)
    )
    students = search.along_the_slider(cold, progress)
    return _path([students.model(i, frame) for i in range(len(clouds))], search.jumps(students))


def _in_frame(cloud: Cloud, frame: Cloud) -> Cloud:
    """The same points in another cloud's coordinates, so that one floor and one distance fit all."""
    points = cloud.points * cloud.scale + cloud.shift
    z = (points - frame.shift) / frame.scale
    features = np.stack([np.ones(len(z)), *z.T, *(z[:, i] * z[:, j] for i, j in frame.pairs)])
    return replace(cloud, points=z, features=features, shift=frame.shift, scale=frame.scale)


def _path(models: Sequence[GaussianMixture], switched: NDArray[np.bool_]) -> Path:
    return Path(
        np.stack([model.log_weights for model in models]),
        np.stack([model.means for model in models]),
        np.stack([model.covariances for model in models]),
        switched,
    )


def _solve(
    tempered: Sequence[GaussianMixture], grids: Grids, n_components: int, progress: Progress
) -> tuple[Students, NDArray[np.bool_]]:
    """Search on the coarse grid, settle on the fine one, and look at both where the path switches."""
    coarse = _weighted(grids.coarse, tempered)
    fine = _weighted(grids.fine, tempered)
    search = _Search(coarse, grids.family, _COARSE)
    cold = [list(grouped_starts(target, grids.family, n_components, _COLD)) for target in tempered]
    found = search.along_the_slider(cold, lambda fraction: progress(0.6 * fraction))
    settle = _Search(fine, grids.family, _FINE)
    settled = settle.each(moved(found, grids.coarse, grids.fine), lambda fraction: progress(0.6 + 0.4 * fraction))
    return settle.at_switches(settled)


def _weighted(cloud: Cloud, tempered: Sequence[GaussianMixture]) -> list[Cloud]:
    """The teacher's grid with each tempered teacher's weights on it."""
    points = cloud.points * cloud.scale + cloud.shift
    rows = tempered[0].component_log_probs(points).T
    untempered = _log_mix(rows, tempered[0].log_weights)
    cells = cloud.weights * np.exp(-untempered)
    return [replace(cloud, weights=cells * np.exp(_log_mix(rows, t.log_weights))) for t in tempered]


def _log_mix(rows: FloatArray, log_weights: FloatArray) -> FloatArray:
    joint = rows + log_weights[:, None]
    top = joint.max(axis=0)
    return np.asarray(top + np.log(np.exp(joint - top).sum(axis=0)))


class _Search:
    """EM along the slider: one cloud per position, all in the same coordinates."""

    def __init__(self, clouds: Sequence[Cloud], family: Family, effort: dict[str, float]) -> None:
        self.clouds, self.family, self.effort = clouds, family, effort

    def run(self, i: int, starts: Students, max_iter: int | None = None) -> tuple[Students, FloatArray]:
        """Run EM at position ``i``; return the ends and their nats per point."""
        runs = run_em(
            self.clouds[i],
            self.family,
            starts,
            tolerance=self.effort["tolerance"],
            max_iter=max_iter or int(self.effort["max_iter"]),
        )
        return runs.students, runs.log_likelihood

    def along_the_slider(self, cold: Iterable[Sequence[GaussianMixture]], progress: Progress) -> Students:
        """The best student of each position, from its own starts and from its neighbours' students."""
        n = len(self.clouds)
        best: list[Students] = []
        reached: list[float] = []
        for i, starts in enumerate(cold):
            if starts:
                ends, scores = self.run(i, Students.of(starts, self.clouds[i], self.family), max_iter=_LOOK)
                ends, scores = self.run(i, ends[best_of(scores, 1)])
            else:
                ends, scores = self.run(i, best[i - 1])
            best.append(ends)
            reached.append(float(scores[0]))
            progress(0.7 * (i + 1) / n)
        sweeps = int(self.effort["sweeps"])
        for sweep in range(sweeps):
            forward = sweep % 2 == 0
            order = range(1, n) if forward else range(n - 2, -1, -1)
            changed = sum(self._try_neighbour(i, i - 1 if forward else i + 1, best, reached) for i in order)
            progress(0.7 + 0.3 * (sweep + 1) / sweeps)
            if sweep >= 1 and not changed:
                break
        return stacked(best)

    def _try_neighbour(self, i: int, neighbour: int, best: list[Students], reached: list[float]) -> bool:
        """Continue the neighbour's student to position ``i``; keep it if it is better (from the left: as good)."""
        best[i] = _aligned(best[i], best[neighbour])
        if _steady(best[i], best[neighbour]):
            return False
        ends, scores = self.run(i, best[neighbour])
        gain = float(scores[0]) - reached[i]
        needed = -_TIE if neighbour < i else _TIE  # equally good: continue from the left
        if gain < needed or _same(ends, best[i]):
            return False
        best[i], reached[i] = ends, float(scores[0])
        return True

    def each(self, guesses: Students, progress: Progress) -> Students:
        """Settle every position's student, from its guess and what settling moved its neighbour by."""
        ends: list[Students] = []
        for i in range(len(self.clouds)):
            guess = guesses[[i]]
            if i and _steady(guesses[[i - 1]], guess):
                moved_by = ends[-1].packed() - guesses[[i - 1]].packed()
                guess = guess.unpacked(guess.packed() + moved_by)
            ends.append(self.run(i, guess)[0])
            progress((i + 1) / len(self.clouds))
        return stacked(ends)

    def switches(self, students: Students) -> NDArray[np.bool_]:
        """(P,): at i, continuing i - 1 does not lead to i's student, or continuing i does not lead back."""
        switched = np.zeros(len(self.clouds), dtype=bool)
        for i in range(1, len(self.clouds)):
            if not _steady(students[[i - 1]], students[[i]], faint=False):
                there, _ = self.run(i, students[[i - 1]])
                back, _ = self.run(i - 1, students[[i]])
                switched[i] = not (_same(there, students[[i]]) and _same(back, students[[i - 1]]))
        return switched

    def jumps(self, students: Students) -> NDArray[np.bool_]:
        """(P,): where a step is seen as a jump. On points the target itself moves in small jumps."""
        pairs = ((students[[i - 1]], students[[i]]) for i in range(1, len(self.clouds)))
        jumped = [not _steady(one, other, _JUMP, faint=False) for one, other in pairs]
        return np.array([False, *jumped])

    def at_switches(self, students: Students) -> tuple[Students, NDArray[np.bool_]]:
        """Let the students on both sides of each switch compete around it; return who won, and the switches."""
        switched = self.switches(students)
        best = [students[[i]] for i in range(len(self.clouds))]
        reached = [float(log_likelihood(c, s, c.weights)[0]) for c, s in zip(self.clouds, best, strict=True)]
        changed = False
        for i in np.flatnonzero(switched).tolist():
            for order, step in ((range(i, len(best)), -1), (range(i - 1, -1, -1), 1)):
                for j in order:
                    if not self._try_neighbour(j, j + step, best, reached):
                        break
                    changed = True
        for i in range(1, len(best)):
            best[i] = _aligned(best[i], best[i - 1])
        winners = stacked(best)
        return winners, self.switches(winners) if changed else switched


def _same(one: Students, other: Students) -> bool:
    """Say whether two students agree, whatever the order of their components, faint ones (below 1e-4) aside."""
    one = _aligned(one, other)
    return bool(_apart(one, other)[:, _seen(one, other)].max() <= _SAME)


def _steady(one: Students, other: Students, step: float = _STEP, *, faint: bool = True) -> bool:
    """Say whether two students, component by component, are too close for a switch to lie between them."""
    weights = np.abs(np.exp(one.log_weights) - np.exp(other.log_weights))
    shapes = _apart(one, other)[1:]
    return bool(max(weights.max(), (shapes if faint else shapes[:, _seen(one, other)]).max()) <= step)


def _apart(one: Students, other: Students) -> FloatArray:
    """(1 + 2 D + ..., K): how far each packed parameter of each component differs."""
    return np.abs(one.packed() - other.packed()).reshape(-1, one.log_weights.shape[1])


def _seen(one: Students, other: Students) -> NDArray[np.bool_]:
    return np.asarray((one.log_weights[0] > _LIGHT) | (other.log_weights[0] > _LIGHT))


def _aligned(student: Students, reference: Students) -> Students:
    """Reorder the components of one student (1, K) to lie close to another's: closest pairs first."""
    apart = student.means[0][:, None] - reference.means[0][None]
    scales = [np.log(np.diagonal(s.covariances[0], axis1=1, axis2=2)) for s in (student, reference)]
    shapes = scales[0][:, None] - scales[1][None]
    cost = (apart**2).sum(axis=-1) + 0.25 * (shapes**2).sum(axis=-1)
    order = np.empty(len(cost), dtype=np.intp)
    for _ in order:
        row, column = np.unravel_index(int(np.argmin(cost)), cost.shape)
        order[column] = row
        cost[row, :] = cost[:, column] = np.inf
    return student[:, order]
