"""What students along the slider are worth: precision, recall, KL(p'_beta || p'') and coverage at each position.

Precision and recall are the ones of `kdlab.core.metrics`, right to 1e-6 nats; here the log-density of p*, which
never changes, is tabulated once for a whole slider instead of once for each student.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from kdlab.core.metrics import log_sum_exp, recall
from kdlab.mixtures._quadrature import BLOCK, Field, TooManyNodes, error_of, expect_gaussian
from kdlab.mixtures.fit import narrowest_cut, node_cloud
from kdlab.mixtures.model import GaussianMixture
from kdlab.mixtures.solver.em import cloud_of, log_densities

__all__ = ["COVERED_DENSITY", "COVERED_SHARE", "Judge", "cross_entropies", "divergences"]

FloatArray = NDArray[np.float64]

COVERED_DENSITY = 0.1  # c: a point of p* is covered where p''(x) >= c p*(x)
COVERED_SHARE = 0.5  # of a mode's mass that must be covered for the mode to count as covered

_TOLERANCE = 5e-7  # nats; the promise is 1e-6
_FINENESS = (5, 7, 11, 16, 32)  # nodes per standard deviation of p*, tried in turn, for recall
_TABLES = (5, 10)  # the same for precision
_RADIUS = 7.5  # standard deviations of p* that its own grid covers


class Judge:
    """Scores students against one ground truth p*, a mixture in one or two dimensions.

    ``reach`` is a mixture (the widest student, say) whose neighbourhood the table of log p* must hold.
    """

    def __init__(self, truth: GaussianMixture, reach: GaussianMixture) -> None:
        self.truth, self._reach = truth, _box(reach, _RADIUS)
        self._cut = cut = narrowest_cut(truth)
        self._tables: list[Field | None] = []
        self._grids = [_TruthGrid(truth, cut / _FINENESS[0])]
        # An edge of the covered region that falls between two nodes counts for one of them: finely, on a line.
        self._steps = _TruthGrid(truth, cut / 200) if truth.dim == 1 else self._grids[0]

    def precision(self, student: GaussianMixture) -> float:
        """E_{x ~ student} [ log p*(x) ], nats."""
        weights = student.weights
        kept = np.flatnonzero(weights > 0).tolist()
        return float(sum(weights[k] * self._under(student, k, len(kept) * float(weights[k])) for k in kept))

    def _under(self, student: GaussianMixture, k: int, share: float) -> float:
        """Mean of log p* under component ``k``: from the table, or by a grid of the component's own."""
        tolerance = _TOLERANCE / share
        for level in range(len(_TABLES)):
            table = self._table(level)
            value = None if table is None else table.mean_under(student.means[k], student.covariances[k], tolerance)
            if value is not None:
                return value
        truth = self.truth.log_prob
        return expect_gaussian(truth, student.means[k], student.choleskys[k], tolerance=tolerance)[0]

    def _table(self, level: int) -> Field | None:
        """The table of log p* with ``_TABLES[level]`` nodes per deviation, made when first asked for."""
        if level == len(self._tables):
            try:
                table: Field | None = Field(self.truth.log_prob, *self._reach, self._cut / _TABLES[level])
            except TooManyNodes:
                table = None
            self._tables.append(table)
        return self._tables[level]

    def recall(self, student: GaussianMixture) -> float:
        """E_{x ~ p*} [ log student(x) ], nats."""
        if student.n_components > 1:
            for level, fineness in enumerate(_FINENESS):
                if level == len(self._grids):
                    self._grids.append(_TruthGrid(self.truth, self._cut / fineness))
                value = self._grids[level].mean_of(student)
                if value is not None:
                    return value
        return recall(student, self.truth).value

    def coverage(self, student: GaussianMixture) -> FloatArray:
        """(K*,): the share of each mode's mass where student(x) >= 0.1 p*(x), from 0 to 1."""
        return self._steps.coverage(student)


class _TruthGrid:
    """p* on a uniform grid: nodes, their mass, and which component each node's mass belongs to.

    Only nodes within 7.5 standard deviations of some component are kept; ``near`` says where they lie in the grid.
    """

    def __init__(self, truth: GaussianMixture, spacing: float) -> None:
        low, high = _box(truth, _RADIUS)
        counts = [BLOCK * math.ceil((b - a) / spacing / BLOCK) for a, b in zip(low, high, strict=True)]
        axes = [a + spacing * (np.arange(n) + 0.3) for a, n in zip(low, counts, strict=True)]
        nodes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, truth.dim)
        rows = truth.component_log_probs(nodes).T
        peaks = truth.component_log_probs(truth.means).diagonal()
        self.near = np.flatnonzero((rows >= peaks[:, None] - 0.5 * _RADIUS**2).any(axis=0))
        joint = rows[:, self.near] + truth.log_weights[:, None]
        self.log_density = log_sum_exp(joint, axis=0)
        self.mass = np.exp(self.log_density) * spacing**truth.dim
        members = np.exp(joint) * spacing**truth.dim
        self.shares = members / members.sum(axis=1, keepdims=True)
        self.cloud = cloud_of(nodes[self.near], self.mass, cross=True)
        self.counts = counts
        self._latest: tuple[GaussianMixture | None, FloatArray] = (None, self.mass)

    def _scores(self, student: GaussianMixture) -> FloatArray:
        """The student's log-density at the nodes; recall and coverage ask for it one after the other."""
        if self._latest[0] is not student:
            self._latest = student, log_densities(self.cloud, student)
        return self._latest[1]

    def mean_of(self, student: GaussianMixture) -> float | None:
        products = np.zeros(math.prod(self.counts))
        products[self.near] = self.mass * self._scores(student)
        products = products.reshape(self.counts)
        return float(products.sum()) if error_of(products, _TOLERANCE) <= _TOLERANCE else None

    def coverage(self, student: GaussianMixture) -> FloatArray:
        covered = self._scores(student) >= math.log(COVERED_DENSITY) + self.log_density
        return np.asarray(self.shares @ covered)


def divergences(tempered: list[GaussianMixture], students: list[GaussianMixture]) -> FloatArray:
    """(P,) KL(tempered || student) in nats, to about 1e-6, on one grid for all; components stay in place."""
    own, under_student = _on_one_grid(tempered, students)
    return np.maximum(own - under_student, 0.0)


def cross_entropies(tempered: list[GaussianMixture], students: list[GaussianMixture]) -> FloatArray:
    """(P,) -E_{x ~ tempered} [ log student(x) ] in nats, to about 1e-6, on one grid for all."""
    return -_on_one_grid(tempered, students)[1]


def _on_one_grid(tempered: list[GaussianMixture], students: list[GaussianMixture]) -> tuple[FloatArray, FloatArray]:
    """(P,) twice: the mean of the tempered teacher's own log-density, and of its student's."""
    nodes = node_cloud(tempered[0], 0.45 * narrowest_cut(tempered[0]), 5.5, cross=False)
    grid = nodes.points * nodes.scale + nodes.shift
    rows = tempered[0].component_log_probs(grid).T
    own, under_student = np.empty(len(tempered)), np.empty(len(tempered))
    for i, (teacher, student) in enumerate(zip(tempered, students, strict=True)):
        log_density = log_sum_exp(rows + teacher.log_weights[:, None], axis=0)
        mass = np.exp(log_density)
        mass /= mass.sum()
        own[i], under_student[i] = mass @ log_density, mass @ student.log_prob(grid)
    return own, under_student


def _box(model: GaussianMixture, radius: float) -> tuple[FloatArray, FloatArray]:
    reach = radius * np.sqrt(np.diagonal(model.covariances, axis1=1, axis2=2))
    return (model.means - reach).min(axis=0), (model.means + reach).max(axis=0)
