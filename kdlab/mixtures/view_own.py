"""A world that the reader draws: notebook your_own_world's live picture, and the page own.html of the site.

The page computes everything itself (mixtures/own_worker.js, in a worker): teacher, student, the path over beta, precision
and recall, with no kernel on the path. Python hears of the world when the hand rests, and is the truth: `view.sweep()`
is what `mixtures.teacher_entropy` makes of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import traitlets

from kdlab.mixtures.experiment import MixtureSweep, teacher_entropy
from kdlab.mixtures.model import GaussianMixture
from kdlab.mixtures.scenes import NAMED, Scene, make_scene
from kdlab.pictures.live import LiveView, front_end, still_name

REACH = {"line": 5.0, "ring": 2.0, "falls": 4.0, "rare": 3.6, "random": 3.6}  # of the space shown, to each side
SCRIPTS = (
    "pictures/plane.js", "mixtures/measure.js", "mixtures/fit.js", "mixtures/own_worker.js", "mixtures/world.js",
    "mixtures/share.js", "mixtures/own_space.js", "mixtures/challenges.js", "mixtures/view_own.js",
)  # fmt: skip


def modes_of(mixture: GaussianMixture) -> list[dict[str, Any]]:
    """A mixture's components as the page has them: {at, widths, tilt, weight}, as mixtures/world.js says."""
    modes = []
    for weight, mean, covariance in zip(mixture.weights, mixture.means, mixture.covariances, strict=True):
        variances, axes = np.linalg.eigh(covariance)
        upright = mixture.dim == 1 or covariance[0, 1] == 0
        widths = np.sqrt(np.diagonal(covariance) if upright else variances[::-1])
        tilt = 0.0 if upright else math.atan2(*axes[::-1, 1])
        modes.append({"at": mean.tolist(), "widths": widths.tolist(), "tilt": tilt, "weight": float(weight)})
    return modes


def mixture_of(modes: list[dict[str, Any]]) -> GaussianMixture:
    """The same back: the modes of a world as a mixture."""
    weights = np.array([mode["weight"] for mode in modes], float)
    covariances = []
    for mode in modes:
        c, s = math.cos(mode["tilt"]), math.sin(mode["tilt"])
        turn = np.array([[c, -s], [s, c]]) if len(mode["widths"]) == 2 else np.eye(1)
        covariances.append((turn * np.square(mode["widths"])) @ turn.T)
    return GaussianMixture(weights / weights.sum(), [mode["at"] for mode in modes], covariances)


def world_of(scene: Scene, n_components: int = 1, covariance: str = "diag") -> dict[str, Any]:
    """A scene as a world of the page."""
    known = scene.teacher is scene.truth
    return {
        "dim": scene.truth.dim,
        "reach": REACH.get(scene.name, 4.0),
        "modes": modes_of(scene.truth),
        "teacher": {"kind": "truth"} if known else {"kind": "edited", "modes": modes_of(scene.teacher)},
        "n": n_components,
        "family": covariance,
        "beta": 1.0,
    }
