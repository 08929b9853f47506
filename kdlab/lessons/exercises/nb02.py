"""Code of the exercises of notebook 02: what a more selective teacher does to its student."""

import numpy as np

from kdlab.lessons.kinds import Parts


def my_gaussian(weights, means, variances):
    """Mean and variance, along each axis, of a mixture."""
    mean = weights @ means
    variance = weights @ (variances + (means - mean) ** 2)
    return mean, variance


def _unweighted(weights, means, variances):
    return my_gaussian(np.full(len(weights), 1 / len(weights)), means, variances)


def _deviation(weights, means, variances):
    mean, variance = my_gaussian(weights, means, variances)
    return mean, np.sqrt(variance)


def _averaged_deviations(weights, means, variances):
    mean = weights @ means
    return mean, (weights @ np.sqrt(variances)) ** 2 + weights @ (means - mean) ** 2


CODE = {
    "02.2": Parts(
        solution=my_gaussian,
        mistakes={
            "forgot_the_spread": lambda weights, means, variances: (weights @ means, weights @ variances),
            "unweighted": _unweighted,
            "deviation": _deviation,
            "averaged_deviations": _averaged_deviations,
        },
        cases={
            "a teacher of two in one dimension": lambda: (
                np.array([0.75, 0.25]),
                np.array([[-1.0], [2.0]]),
                np.array([[0.25], [1.0]]),
            ),
            "a teacher of three in two dimensions": lambda: (
                np.array([0.5, 0.3, 0.2]),
                np.array([[-1.0, 0.0], [0.5, 1.5], [2.0, -1.0]]),
                np.array([[0.2, 0.4], [0.1, 0.9], [0.5, 0.3]]),
            ),
        },
    ),
}
