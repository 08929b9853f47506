"""Code of the exercises of notebook 04: is a language model a mixture too?"""

import numpy as np

from kdlab.lessons.kinds import Parts


def my_tempered(row, tau):
    """One row of a table, tempered."""
    raised = row ** (1 / tau)
    return raised / raised.sum()


def my_log_prob(steps):
    """From the probabilities of a name's steps, the end among them."""
    return np.log(steps).sum()


CODE = {
    "04.1": Parts(
        solution=my_tempered,
        mistakes={
            "the_other_way": lambda row, tau: my_tempered(row, 1 / tau),
            "not_normalised": lambda row, tau: row ** (1 / tau),
            "neither": lambda row, tau: row**tau,
            "divided": lambda row, tau: row / tau,
            "softmax_of_probabilities": lambda row, tau: np.exp(row / tau) / np.exp(row / tau).sum(),
        },
        cases={
            "two letters at τ = 0.5": lambda: (np.array([0.75, 0.25]), 0.5),
            "three letters at τ = 2": lambda: (np.array([0.7, 0.2, 0.1]), 2.0),
            "τ = 1, which changes nothing": lambda: (np.array([0.5, 0.3, 0.2]), 1.0),
        },
    ),
    "04.2": Parts(
        solution=my_log_prob,
        mistakes={
            "product": lambda steps: np.prod(steps),
            "without_the_end": lambda steps: np.log(steps[:-1]).sum(),
            "per_step": lambda steps: np.log(steps).mean(),
            "wrong_sign": lambda steps: -np.log(steps).sum(),
            "in_bits": lambda steps: np.log2(steps).sum(),
        },
        cases={
            "a name of one letter": lambda: (np.array([0.1, 0.5]),),
            "a name of three letters": lambda: (np.array([0.2, 0.5, 0.25, 0.4]),),
            "a name of four letters": lambda: (np.array([0.09, 0.41, 0.77, 0.3, 0.6]),),
        },
    ),
}
