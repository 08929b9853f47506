"""Mixtures to try things on: from a seed, or drawn by hypothesis."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from kdlab import GaussianMixture


def random_mixture(rng: np.random.Generator, n_components: int, dim: int, covariance: str = "full") -> GaussianMixture:
    """Means spread over a few units, standard deviations from 0.2 to 1, weights of any unevenness."""
    means = rng.uniform(-2.5, 2.5, size=(n_components, dim))
    deviations = rng.uniform(0.2, 1.0, size=(n_components, dim))
    covariances = [np.diag(row**2) for row in deviations]
    if covariance == "full":
        turns = [np.linalg.qr(rng.standard_normal((dim, dim)))[0] for _ in range(n_components)]
        covariances = [turn @ c @ turn.T for turn, c in zip(turns, covariances, strict=True)]
        covariances = [(c + c.T) / 2 for c in covariances]
    if covariance == "spherical":
        covariances = [np.eye(dim) * c[0, 0] for c in covariances]
    return GaussianMixture(rng.dirichlet(np.ones(n_components)), means, covariances)


@st.composite
def mixtures(draw: Any, dim: int = 1, min_components: int = 1, max_components: int = 4) -> GaussianMixture:
    """Diagonal mixtures: heaviest to lightest weight at most 100 to 1, standard deviations from 0.2 to 1.5."""
    k = draw(st.integers(min_components, max_components))
    numbers = lambda low, high, n: draw(st.lists(st.floats(low, high), min_size=n, max_size=n))  # noqa: E731
    weights = np.array(numbers(0.01, 1.0, k))
    means = np.reshape(numbers(-3.0, 3.0, k * dim), (k, dim))
    deviations = np.reshape(numbers(0.2, 1.5, k * dim), (k, dim))
    return GaussianMixture(weights / weights.sum(), means, [np.diag(row**2) for row in deviations])
