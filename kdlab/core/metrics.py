"""Precision and recall of a generative model: how good is what it says, and how much of the truth does it cover?

Both are one expectation, read in two directions (Cha & Cho 2025, section 3). Models of all worlds offer four things::

    sample(n, rng)                    draw n rows
    log_prob(x)                       score them, in nats, one number per row
    tempered(beta)                    the same model, sharper (beta > 1) or flatter (beta < 1)
    expected_log_prob(of, rng=None)   E_{x ~ self} [ of.log_prob(x) ]: precision, and with the models swapped recall
"""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Estimate:
    """A number in nats, and how well it is known.

    Where it is exact (quadrature or a closed form) ``standard_error`` is 0.0 and ``n_samples`` None.
    """

    value: float
    standard_error: float = 0.0
    n_samples: int | None = None


class Model(Protocol):
    """What precision and recall need to know of a model."""

    def sample(self, n: int, rng: Any) -> Any:
        """Draw ``n`` rows."""

    def log_prob(self, x: Any) -> Any:
        """Score rows: (N, ...) to (N,), nats."""

    def expected_log_prob(self, of: Any, rng: Any = None) -> Estimate:
        """E_{x ~ self} [ of.log_prob(x) ], nats."""


def precision(student: Model, truth: Model, rng: Any = None) -> Estimate:
    """Return E_{x ~ student} [ log truth(x) ]: does the truth find likely what the student says?

    Never above max_x log truth(x). Nats. ``rng`` is needed only where the expectation is not exact.

    >>> from kdlab import GaussianMixture
    >>> truth = GaussianMixture([1.0], [[0.0]], [[[1.0]]])
    >>> student = GaussianMixture([1.0], [[0.0]], [[[0.25]]])
    >>> round(precision(student, truth).value, 4)
    -1.0439
    """
    return student.expected_log_prob(truth, rng)


def recall(student: Model, truth: Model, rng: Any = None) -> Estimate:
    """Return E_{x ~ truth} [ log student(x) ]: does the student find likely what the truth says?

    Never above minus the entropy of the truth. Nats. ``rng`` is needed only where it is not exact.

    >>> from kdlab import GaussianMixture
    >>> truth = GaussianMixture([1.0], [[0.0]], [[[1.0]]])
    >>> student = GaussianMixture([1.0], [[0.0]], [[[0.25]]])
    >>> round(recall(student, truth).value, 4)
    -2.2258
    """
    return truth.expected_log_prob(student, rng)


def monte_carlo(model: Model, of: Model, *, n_samples: int, rng: Any) -> Estimate:
    """Estimate E_{x ~ model} [ of.log_prob(x) ] from ``n_samples`` draws, in any dimension.

    The standard error is the sample standard deviation over the square root of ``n_samples``. Raises ValueError for a
    missing ``rng`` or fewer than two samples.
    """
    if rng is None:
        raise ValueError(
            "rng is None: sampling needs its randomness handed in; pass rng=numpy.random.default_rng(seed)"
        )
    if n_samples < 2:
        raise ValueError(f"n_samples is {n_samples}: a standard error needs at least 2; ask for 1000 or more")
    scores = np.asarray(of.log_prob(model.sample(n_samples, rng)), dtype=float)
    error = float(scores.std(ddof=1)) / math.sqrt(n_samples)
    return Estimate(float(scores.mean()), error, n_samples)


def log_sum_exp(values: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    """Return log(sum(exp(values))) along an axis, without overflow; -inf where every term is."""
    top = np.max(values, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    below = values - top
    np.exp(below, out=below)
    with np.errstate(divide="ignore"):
        total = np.log(below.sum(axis=axis))
    return np.asarray(total + np.squeeze(top, axis=axis))
