"""Code of the exercises of notebook 00: one slider."""

import numpy as np

from kdlab.lessons.kinds import Parts


def my_tempered(w, beta):
    """Weights to the power beta, normalised."""
    powers = w**beta
    return powers / powers.sum()


CODE = {
    "00.2": Parts(
        solution=my_tempered,
        mistakes={
            "not_normalised": lambda w, beta: w**beta,
            "multiplied": lambda w, beta: beta * w / (beta * w).sum(),
            "only_multiplied": lambda w, beta: w * beta,
            "softmax": lambda w, beta: np.exp(beta * w) / np.exp(beta * w).sum(),
            "temperature": lambda w, beta: my_tempered(w, 1 / beta),
        },
        cases={
            "w = 0.4, 0.3, 0.2, 0.1 and β = 2": lambda: (np.array([0.4, 0.3, 0.2, 0.1]), 2.0),
            "w = 0.6, 0.4 and β = 5": lambda: (np.array([0.6, 0.4]), 5.0),
        },
    ),
}
