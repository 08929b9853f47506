"""What students along the slider are worth: precision, recall, KL(p'_beta || p'') and coverage at each position.

Precision and recall are the ones of `kdlab.core.metrics`, right to 1e-6 nats; here the log-density of p*, which
never changes, is tabulated once for a whole slider instead of once for each student.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kdlab.core.metrics import recall
from kdlab.mixtures._lines import expect_log_prob
from kdlab.mixtures._quadrature import BLOCK, MAX_NODES, Field, TooManyNodes, errors_of
from kdlab.mixtures.fit import narrowest_cut, node_cloud
from kdlab.mixtures.model import GaussianMixture
from kdlab.mixtures.solver.em import Students, cloud_of, log_densities

__all__ = ["COVERED_DENSITY", "COVERED_SHARE", "Judge", "cross_entropies", "divergences"]

FloatArray = NDArray[np.float64]

COVERED_DENSITY = 0.1  # c: a point of p* is covered where p''(x) >= c p*(x)
COVERED_SHARE = 0.5  # of a mode's mass that must be covered for the mode to count as covered

_TOLERANCE = 5e-7  # nats; the promise is 1e-6
_FEW = 8  # components, also of students one by one, for which no second table is worth making
_FINENESS = (4, 5, 7, 11, 16, 32)  # nodes per standard deviation of p*, tried in turn, for recall
_TABLES = (3.5, 5, 10)  # the same for precision
_RADIUS = 6.5  # standard deviations of p* that its own grid covers
_REACH = 7.5  # standard deviations of the students that a table of log p* covers
_SPACING = {1: 0.3, 2: 0.6}  # of the teacher's narrowest deviation, from node to node where KL is summed
_SEEN = 0.5  # of the nodes' spacing: a grid may miss a narrower component
_STEP_NODES = 1_000_000  # at most, where p* on a line is laid out for coverage
_TOGETHER = 8  # students scored at once: what they need stays in the cache


class Judge:
    """Scores students against one ground truth p*, a mixture in one or two dimensions.

    ``reach`` is a mixture (the widest student, say), or students, whose neighbourhood the table of log p* must hold.
    """

    def __init__(self, truth: GaussianMixture, reach: GaussianMixture | Students) -> None:
        self.truth, self._reach = truth, _box(reach, _REACH)
        self._cut = cut = narrowest_cut(truth)
        self._tables: list[Field | None] = []
        self._alone = 0  # components so far that no table served
        self._grids = [_TruthGrid(truth, cut / _FINENESS[0])]
        # An edge of the covered region that falls between two nodes counts for one of them: finely, on a line.
        self._steps = (
            self._grids[0] if truth.dim > 1 else _TruthGrid(truth, max(cut / 200, _extent(truth) / _STEP_NODES))
        )

    def precision(self, student: GaussianMixture) -> float:
        """E_{x ~ student} [ log p*(x) ], nats."""
        return float(self.precisions(Students.of([student]))[0])

    def recall(self, student: GaussianMixture) -> float:
        """E_{x ~ p*} [ log student(x) ], nats."""
        return float(self.recalls_and_coverages(Students.of([student]))[0][0])

    def precisions(self, students: Students) -> FloatArray:
        """(P,) precisions; components of all students are averaged over one table."""
        by_student = np.exp(students.log_weights)
        kept = by_student.ravel() > 0
        spent = (by_student * (by_student > 0).sum(axis=1, keepdims=True)).ravel()  # each component errs as much
        tolerances = _TOLERANCE / np.maximum(spent, 1e-300)
        values = np.where(kept, np.nan, 0.0)
        means, covariances = np.concatenate(students.means), np.concatenate(students.covariances)
        for level in range(len(_TABLES)):
            left = np.flatnonzero(np.isnan(values))
            worth = left.size > 0 and (level == 0 or left.size + self._alone > _FEW)
            table = self._table(level) if worth else None
            if table is not None:
                values[left] = table.means_under(means[left], covariances[left], tolerances[left])
        for m in np.flatnonzero(np.isnan(values)):  # by a grid of the component's own
            self._alone += 1
            root = np.linalg.cholesky(covariances[m])
            values[m] = expect_log_prob(self.truth, means[m], root, tolerance=float(tolerances[m]))[0]
        return np.asarray((by_student * values.reshape(by_student.shape)).sum(axis=1))

    def _table(self, level: int) -> Field | None:
        """The table of log p* with ``_TABLES[level]`` nodes per deviation, made when first asked for."""
        if level == len(self._tables):
            try:
                table: Field | None = Field(self.truth.log_prob, *self._reach, self._cut / _TABLES[level])
            except TooManyNodes:
                table = None
            self._tables.append(table)
        return self._tables[level]

    def recalls_and_coverages(self, students: Students) -> tuple[FloatArray, FloatArray]:
        """(P,) recalls, and (P, K*) coverages: the share of each mode's mass where student(x) >= 0.1 p*(x)."""
        recalls, coverages = self._grids[0].measured(students)
        if self._steps is not self._grids[0]:  # in the plane one grid, and the same log-densities, serve both
            coverages = self._steps.measured(students)[1]
        for i in np.flatnonzero(np.isnan(recalls) | (students.log_weights.shape[1] == 1)).tolist():
            recalls[i] = self._finer_recall(students.model(i))
        return recalls, coverages

    def _finer_recall(self, student: GaussianMixture) -> float:
        """Recall on grids finer than the first, or by the rule of the ground floor; in closed form for one Gaussian."""
        for level in range(1, len(_FINENESS) if student.n_components > 1 else 1):
            if level == len(self._grids):
                try:
                    self._grids.append(_TruthGrid(self.truth, self._cut / _FINENESS[level]))
                except TooManyNodes:
                    break
            value = self._grids[level].measured(Students.of([student]))[0][0]
            if not np.isnan(value):
                return float(value)
        return recall(student, self.truth).value


class _TruthGrid:
    """p* on a uniform grid: nodes, their mass, and which component each node's mass belongs to. Raises TooManyNodes.

    Only nodes within 6.5 standard deviations of some component are kept. Nodes that `folded` would lay over each
    other stand side by side; ``first`` says where each such row of them begins.
    """

    def __init__(self, truth: GaussianMixture, spacing: float) -> None:
        low, high = _box(truth, _RADIUS)
        counts = [BLOCK * math.ceil((b - a) / spacing / BLOCK) for a, b in zip(low, high, strict=True)]
        if math.prod(counts) > MAX_NODES:
            raise TooManyNodes(
                f"p* would be laid out on {math.prod(counts):.3g} nodes, {MAX_NODES} are allowed: the widths of its "
                "components differ too much for coverage; use kdlab.precision and kdlab.recall, which need none"
            )
        self.spacing = spacing
        axes = [a + spacing * (np.arange(n) + 0.3) for a, n in zip(low, counts, strict=True)]
        nodes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, truth.dim)
        places = BLOCK ** np.arange(truth.dim)[::-1] @ (np.indices(counts).reshape(truth.dim, -1) % BLOCK)
        joint = truth.component_log_probs(nodes)
        peaks = truth.component_log_probs(truth.means).diagonal()
        near = np.flatnonzero((joint >= peaks - 0.5 * _RADIUS**2).any(axis=1))
        near = near[np.argsort(places[near], kind="stable")]
        self.first = np.searchsorted(places[near], np.arange(BLOCK**truth.dim))
        members = np.exp(joint[near].T + truth.log_weights[:, None]) * spacing**truth.dim
        self.mass = members.sum(axis=0)
        self.log_density = np.log(self.mass) - truth.dim * math.log(spacing)
        self.shares = members / members.sum(axis=1, keepdims=True)
        self.cloud = cloud_of(nodes[near], self.mass, cross=True)

    def measured(self, students: Students) -> tuple[FloatArray, FloatArray]:
        """(P,) recalls, NaN where the grid is too coarse for a student, and (P, K*) coverages."""
        edge = math.log(COVERED_DENSITY) + self.log_density
        sums, coverages = [], []
        for first in range(0, len(students), _TOGETHER):
            scores = log_densities(self.cloud, students[first : first + _TOGETHER].into(self.cloud))
            coverages.append((scores >= edge) @ self.shares.T)
            scores *= self.mass
            sums.append(np.add.reduceat(scores, self.first, axis=1))
        folded = np.concatenate(sums).reshape(len(students), *[BLOCK] * self.cloud.dim)
        good = (errors_of(folded, np.full(len(students), _TOLERANCE)) <= _TOLERANCE) & _seen_by(self.spacing, students)
        recalls = np.where(good, folded.reshape(len(students), -1).sum(axis=1), np.nan)
        return recalls, np.concatenate(coverages)


def divergences(tempered: Sequence[GaussianMixture], students: Students) -> FloatArray:
    """(P,) KL(tempered || student) in nats, to about 1e-5, on one grid for all; components stay in place."""
    own, under_student = _on_one_grid(tempered, students)
    return np.maximum(own - under_student, 0.0)


def cross_entropies(tempered: Sequence[GaussianMixture], students: Sequence[GaussianMixture]) -> FloatArray:
    """(P,) -E_{x ~ tempered} [ log student(x) ] in nats, to about 1e-5, on one grid for all."""
    return -_on_one_grid(tempered, Students.of(students))[1]


def _on_one_grid(tempered: Sequence[GaussianMixture], students: Students) -> tuple[FloatArray, FloatArray]:
    """(P,) twice: the mean of the tempered teacher's own log-density, and of its student's."""
    teacher = tempered[0]
    spacing = _SPACING[teacher.dim] * narrowest_cut(teacher)
    nodes = node_cloud(teacher, spacing, 5.5, cross=True)
    rows = teacher.component_log_probs(nodes.points * nodes.scale + nodes.shift).T
    tops = rows.max(axis=0)  # the teachers have the same components: one product of matrices for all
    mass = np.maximum(np.stack([one.weights for one in tempered]) @ np.exp(rows - tops), 1e-300)
    own = np.log(mass) + tops
    mass *= np.exp(tops - tops.max())
    mass /= mass.sum(axis=1, keepdims=True)
    under_student = log_densities(nodes, students.into(nodes), exact=True)
    means = (mass * own).sum(axis=1), (mass * under_student).sum(axis=1)
    for i in np.flatnonzero(~_seen_by(spacing, students)).tolist():
        for mean, of in zip(means, (tempered[i], students.model(i)), strict=True):
            mean[i] = tempered[i].expected_log_prob(of).value
    return means


def _seen_by(spacing: float, students: Students) -> NDArray[np.bool_]:
    """(P,): which students have no component that could hide between nodes this far apart."""
    widths = np.sqrt(np.linalg.eigvalsh(students.covariances)[..., 0])
    return np.asarray((np.where(np.isfinite(students.log_weights), widths, np.inf) >= _SEEN * spacing).all(axis=1))


def _extent(truth: GaussianMixture) -> float:
    """The longest side of the box that holds the truth."""
    low, high = _box(truth, _RADIUS)
    return float((high - low).max())


def _box(models: GaussianMixture | Students, radius: float) -> tuple[FloatArray, FloatArray]:
    """The least and the largest coordinates within ``radius`` standard deviations of any component."""
    reach = radius * np.sqrt(np.diagonal(models.covariances, axis1=-2, axis2=-1))
    ahead = tuple(range(models.means.ndim - 1))
    return (models.means - reach).min(axis=ahead), (models.means + reach).max(axis=ahead)
