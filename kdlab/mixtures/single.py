"""One Gaussian on a line, a bell, and what it is worth as a student: for notebook 01. Pure; nothing here draws."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kdlab.core.format import deviation, short
from kdlab.core.metrics import precision, recall
from kdlab.mixtures.model import GaussianMixture
from kdlab.mixtures.scenes import line_mixture

__all__ = ["Measured", "frontier", "measure"]


@dataclass(frozen=True)
class Measured:
    """A student N(centre, width^2) and what it is worth under a truth; all but the first two in nats, all exact."""

    centre: float
    width: float
    precision: float
    recall: float
    precision_bound: float
    recall_bound: float

    @property
    def sentence(self) -> str:
        """What the picture shows, in words and numbers."""
        return (
            f"Centre {short(self.centre)}, width {deviation(self.width)}: "
            f"precision {short(self.precision)} nats ({self.below('precision')} below its bound), "
            f"recall {short(self.recall)} nats ({self.below('recall')} below its bound)."
        )

    def below(self, name: str) -> str:
        """How far "precision" or "recall" is from its bound, as text: under 1 nat with three decimals, else two."""
        apart = float(getattr(self, f"{name}_bound") - getattr(self, name))
        if apart >= 0.9995:
            return short(apart)
        return f"{apart:.3f}" if apart >= 0.0005 else "less than 0.001"


def measure(truth: GaussianMixture, centre: float, width: float) -> Measured:
    """Score the student N(centre, width^2) under a truth on a line: exact, to 1e-6 nats (Cha & Cho 2025, section 3).

    Raises ValueError for a width that is not above zero, or a centre that is not finite.
    """
    return _measured(truth, centre, width, (truth.mode_density(), recall(truth, truth).value))


def _measured(truth: GaussianMixture, centre: float, width: float, bounds: tuple[float, float]) -> Measured:
    if not (math.isfinite(width) and width > 0):
        raise ValueError(f"width is {width}: a Gaussian's standard deviation is above zero; try 1.0")
    student = line_mixture([1.0], [centre], [width])
    return Measured(centre, width, precision(student, truth).value, recall(student, truth).value, *bounds)


def frontier(truth: GaussianMixture, centres: Sequence[float], widths: Sequence[float]) -> tuple[Measured, ...]:
    """Return the bells of a grid that no other bell of it beats in both numbers, from the best recall to the worst."""
    bounds = truth.mode_density(), recall(truth, truth).value  # recall of the truth itself is minus its entropy
    tried = [_measured(truth, float(c), float(w), bounds) for c in centres for w in widths]
    kept: list[Measured] = []
    for bell in sorted(tried, key=lambda one: (-one.recall, -one.precision)):
        if not kept or bell.precision > kept[-1].precision:
            kept.append(bell)
    return tuple(kept)
