"""The scenes: a ground truth p*, a teacher p', and where there are any, the points that both students saw."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from kdlab.mixtures.fit import fit_mixture
from kdlab.mixtures.model import GaussianMixture

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scene:
    """A ground truth and a teacher, K* and K' components in D = 1 or 2 dimensions.

    ``points`` (N, D) are the data that the teacher and the direct student were fitted to; None means that
    both see the population. A scene of the reader's own is made by `kdlab.mixtures.own`.
    """

    name: str
    title: str
    truth: GaussianMixture
    teacher: GaussianMixture
    points: FloatArray | None = None

    @cached_property
    def bounds(self) -> dict[str, float]:
        """What recall and precision never exceed, nats: -H(p*) and max log p*."""
        recall = self.truth.expected_log_prob(self.truth).value
        return {"recall_bound": recall, "precision_bound": self.truth.mode_density()}


def line_mixture(weights: list[float], means: list[float], deviations: list[float]) -> GaussianMixture:
    """Build a mixture on a line from plain lists."""
    return GaussianMixture(weights, [[m] for m in means], [[[s**2]] for s in deviations])


def line() -> Scene:
    """Four modes on a line, lighter from left to right; the teacher knows p* exactly. Precision rises."""
    truth = line_mixture([0.4, 0.3, 0.2, 0.1], [-3.0, -1.0, 1.0, 3.0], [0.45] * 4)
    return Scene("line", "Four modes on a line", truth, truth)


def ring() -> Scene:
    """The paper's ring (section 3): eight equal modes, 100 points, a teacher of four components fitted to them.

    Which modes survive is sampling noise: the eight are equal, the teacher's four are not.
    """
    grid = [(x, y) for x in (-1.0, 0.0, 1.0) for y in (-1.0, 0.0, 1.0) if (x, y) != (0.0, 0.0)]
    truth = GaussianMixture(np.full(8, 1 / 8), grid, [0.025 * np.eye(2)] * 8)
    with (files("kdlab") / "data" / "ring.npz").open("rb") as file, np.load(file) as data:
        teacher = GaussianMixture(data["weights"], data["means"], data["covariances"])
        points = data["points"]
    return Scene("ring", "The paper's ring", truth, teacher, points)


def falls() -> Scene:
    """Three modes, the light one in the middle: it goes first, and precision falls before it rises."""
    truth = line_mixture([0.40, 0.12, 0.48], [-2.0, 0.0, 2.0], [0.375] * 3)
    return Scene("falls", "A hole in the middle", truth, truth)


def rare() -> Scene:
    """Four common modes and a rare one far away, the first that a selective teacher stops mentioning."""
    means = [(-1.6, 0.9), (-0.2, 1.5), (-1.2, -0.7), (0.5, 0.1), (2.4, -1.6)]
    deviations = [(0.40, 0.30), (0.35, 0.40), (0.30, 0.45), (0.40, 0.35), (0.25, 0.25)]
    covariances = [np.diag(np.square(pair)) for pair in deviations]
    truth = GaussianMixture([0.34, 0.28, 0.20, 0.15, 0.03], means, covariances)
    return Scene("rare", "A rare mode", truth, truth)


def random(seed: int) -> Scene:
    """Six modes in the plane from a seed, and the best teacher of five components."""
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.full(6, 3.0))
    means = rng.uniform(-2.2, 2.2, size=(6, 2))
    covariances = [np.diag(row**2) for row in rng.uniform(0.25, 0.6, size=(6, 2))]
    truth = GaussianMixture(weights, means, covariances)
    teacher = fit_mixture(truth, 5).model
    return Scene("random", "A random scene", truth, teacher)


NAMED: dict[str, Callable[[], Scene]] = {"line": line, "ring": ring, "falls": falls, "rare": rare}


def make_scene(name: str, seed: int = 0) -> Scene:
    """Return the scene called ``name``: "line", "ring", "falls", "rare", or "random" with its seed.

    Raises ValueError for any other name.
    """
    if name == "random":
        return random(seed)
    if name not in NAMED:
        raise ValueError(f"scene is {name!r}: choose one of {', '.join([*NAMED, 'random'])}")
    return NAMED[name]()
