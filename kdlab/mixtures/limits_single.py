"""Limits of notebook 01's panels and its stretched axis of recall, for the static and the live picture. No drawing."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from kdlab.mixtures.limits import Floats
from kdlab.mixtures.model import GaussianMixture
from kdlab.mixtures.single import Measured
from kdlab.pictures.limits import Limits

__all__ = ["BEYOND", "STRETCH", "bend", "plane_limits", "recall_marks", "space_limits", "unbend"]

STRETCH = 0.3  # nats below the bound of recall where its axis turns from straight to logarithmic
_SHOWN = {"recall": 30.0, "precision": 7.0}  # nats below the bounds that the plane shows; what is worse is on its edge
_ROOM = 0.09  # of an axis, beyond its bound
BEYOND = _ROOM * _SHOWN["recall"]  # nats: the same room on an axis of recall that is not stretched


def space_limits(truth: GaussianMixture) -> tuple[Limits, Limits]:
    """Limits of place and density: all of p*, and the peak of a Gaussian as narrow as its narrowest component."""
    sd = np.sqrt(truth.covariances[:, 0, 0])
    reach = float(np.ceil((np.abs(truth.means[:, 0]) + 3 * sd).max()))
    highest = max(math.exp(truth.mode_density()), 1 / (math.sqrt(2 * math.pi) * float(sd.min())))
    return (-reach, reach), (0.0, 1.06 * highest)


def plane_limits(measured: Measured) -> tuple[Limits, Limits]:
    """Limits of recall and precision, nats: fixed, both bounds inside, and room beyond them for the bounds' names."""
    recall, precision = measured.recall_bound, measured.precision_bound
    beyond = float(unbend(-_ROOM * bend(recall - _SHOWN["recall"], recall), recall))
    return (recall - _SHOWN["recall"], beyond), (
        precision - _SHOWN["precision"],
        precision + _ROOM * _SHOWN["precision"],
    )


def bend(recall: ArrayLike, bound: float) -> Floats:
    """Where a recall stands on the stretched axis: 0 at its bound, below it the logarithm of how far; the same shape.

    Most bells are close to the bound, and a spike is very far: log(1 + distance / STRETCH) has room for both.
    """
    apart = np.asarray(recall, float) - bound
    places: Floats = np.sign(apart) * np.log1p(np.abs(apart) / STRETCH)
    return places


def unbend(place: ArrayLike, bound: float) -> Floats:
    """Undo `bend`: the recall, nats, that stands at a place of the stretched axis."""
    values = np.asarray(place, float)
    recalls: Floats = bound + np.sign(values) * STRETCH * np.expm1(np.abs(values))
    return recalls


def recall_marks(bound: float) -> tuple[float, ...]:
    """Round recalls, nats, to mark on the stretched axis from its left end to shortly below the bound."""
    round_ones = (-50.0, -30.0, -20.0, -10.0, -5.0, -3.0, -2.0, -1.0)
    return tuple(one for one in round_ones if bound - _SHOWN["recall"] <= one <= bound - 0.1)
