"""Limits of the precision-recall plane, for the static and the live picture: they hold all of a sweep and never move.

No drawing: a live picture can be sent, and its slider be there, before matplotlib is loaded.
"""

from collections.abc import Sequence

import numpy as np

from kdlab.core.sweep import PlaneSweep

Limits = tuple[float, float]
Margins = tuple[float, float]  # below and above what a plane holds, as shares of its length

CLOSE = (0.1, 0.08)
ROOMY = (0.13, 0.09)  # with room for a name below a point and beyond a bound


def plane_limits(sweep: PlaneSweep, margins: Margins) -> tuple[Limits, Limits]:
    """Limits (recall, precision), nats: both bounds, the direct student and every position inside, with a margin."""
    recall = [*sweep.recall, sweep.direct_recall, sweep.recall_bound]
    precision = [*sweep.precision, sweep.direct_precision, sweep.precision_bound]
    return with_margin(recall, margins), with_margin(precision, margins)


def with_margin(values: Sequence[float], margins: Margins) -> Limits:
    """Limits that hold the values, nats, with shares of their length (half a nat at least) below and above."""
    low, high = float(np.min(values)), float(np.max(values))
    length = max(high - low, 0.5)
    return low - margins[0] * length, high + margins[1] * length
