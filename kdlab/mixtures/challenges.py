"""What there is to find by drawing a world: five challenges, and how far a world is from each. Pure; nothing draws.

The page measures the same (mixtures/challenges.js); here the numbers are those of a MixtureSweep.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kdlab.core.sweep import expect
from kdlab.mixtures.experiment import MixtureSweep

__all__ = ["CHALLENGES", "Challenge", "Standing"]

_SURVIVES_AT = 20.0  # beta
_RARE = 0.05  # of p*'s mass, at most
_MOVED = 0.1  # of p*'s standard deviation: how far one world's modes are at least from the other's

Measure = Callable[..., "float | str"]


@dataclass(frozen=True)
class Standing:
    """How a world stands to a challenge: whether it is done, and a sentence that says how far off it is."""

    done: bool
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Challenge:
    """Something to find. ``what`` is measured, ``wanted`` of it is enough: at least, or where ``most``, at most."""

    name: str
    title: str
    task: str
    what: str
    wanted: float
    measure: Measure
    most: bool = False
    unit: str = " nats"

    def check(self, sweep: MixtureSweep, *others: MixtureSweep) -> Standing:
        """Say how far a world is from it; "twins" takes two of them. TypeError for what is no sweep."""
        found = self.measure(*(expect(one, MixtureSweep, "view.sweep") for one in (sweep, *others)))
        if isinstance(found, str):
            return Standing(False, found)
        done = found <= self.wanted if self.most else found >= self.wanted
        limit = "at most" if self.most else "at least"
        text = f"{self.what} {found:.3f}{self.unit}; {limit} {self.wanted:.3f} is wanted.{' Done.' if done else ''}"
        return Standing(bool(done), text.replace("-", "\N{MINUS SIGN}"))


def _falls(sweep: MixtureSweep) -> float | str:
    return float((np.maximum.accumulate(sweep.precision) - sweep.precision).max())


def _less(sweep: MixtureSweep) -> float | str:
    gains = np.minimum(sweep.precision - sweep.precision[0], sweep.recall - sweep.recall[0])
    return float(gains.max())


def _better(sweep: MixtureSweep) -> float | str:
    if sweep.settings.n_components != 1:
        return "The student has to have one component: set K″ to 1."
    if sweep.scene.teacher is sweep.scene.truth:
        return (
            "The teacher knows p*: edit it by hand. One that is fitted has p*'s mean and widths, "
            "and so has its only student."
        )
    return float(sweep.precision[0] - sweep.direct_precision)


def _rare(sweep: MixtureSweep) -> float | str:
    rare = sweep.scene.truth.weights <= _RARE
    if not rare.any():
        return f"No mode is rare: make one lighter than {100 * _RARE:g} %."
    return float(sweep.coverage[sweep.index(_SURVIVES_AT)][rare].max())


def _twins(sweep: MixtureSweep, twin: MixtureSweep | None = None) -> float | str:
    if twin is None:
        return "Remember a world first; then draw another one."
    one, other = sweep.scene.truth, twin.scene.truth
    if one.means.shape != other.means.shape:
        return "Both worlds need as many modes, and as many dimensions."
    if len(one.means) == 1:
        return "With one mode there is no path: both worlds need two modes at least."
    away = np.linalg.norm(one.means[:, None] - other.means, axis=2).min(axis=1)
    if away.max() < _MOVED * np.sqrt(np.trace(one.covariance)):
        return "Remembered. Now move its modes: this is hardly another world yet."
    apart = [np.abs(getattr(sweep, name) - getattr(twin, name)).max() for name in ("precision", "recall")]
    return float(max(apart))


CHALLENGES = {
    one.name: one
    for one in (
        Challenge(
            "falls",
            "Precision that falls",
            "Make precision fall somewhere on the way from β = 1 to 100.",
            "The largest fall along the slider is",
            0.1,
            _falls,
        ),
        Challenge(
            "less",
            "Told less, and better for it",
            "Find a teacher whose student gains in precision and in recall as β rises.",
            "At the best β above 1 the smaller of the two gains is",
            0.05,
            _less,
        ),
        Challenge(
            "better",
            "A better teacher than p*",
            "With K″ = 1, find a teacher whose student, at β = 1, is more precise than the student of p* itself.",
            "Its student's lead in precision is",
            0.1,
            _better,
        ),
        Challenge(
            "rare",
            "A rare mode that survives",
            "Set β to 20 and look: let a mode lighter than 5 % still be covered there.",
            "The share of the rare mode that is covered at β = 20 is",
            0.5,
            _rare,
            unit="",
        ),
        Challenge(
            "twins",
            "Two worlds with one path",
            "Find two different worlds whose students walk the same path in the plane. Arrow keys move modes exactly.",
            "Where the two paths are farthest apart it is",
            0.001,
            _twins,
            most=True,
        ),
    )
}
