"""Code of the exercises of notebook 07: did language do what the mixtures did?"""

import numpy as np

from kdlab.lessons.kinds import Parts


def my_per_token(nats, tokens):
    """From log-probabilities of texts to nats per token."""
    return nats.sum() / tokens.sum()


def my_step(warm, cold):
    """From two estimates to their difference, and its standard error."""
    (a, error_a), (b, error_b) = warm, cold
    return b - a, np.sqrt(error_a**2 + error_b**2)


CODE = {
    "07.1": Parts(
        solution=my_per_token,
        mistakes={
            "mean_of_ratios": lambda nats, tokens: (nats / tokens).mean(),
            "per_text": lambda nats, tokens: nats.mean(),
            "over_the_longest": lambda nats, tokens: nats.mean() / tokens.max(),
            "turned_over": lambda nats, tokens: tokens.sum() / nats.sum(),
        },
        cases={
            "a short text and a long one": lambda: (np.array([-9.0, -60.0]), np.array([2, 30])),
            "three texts": lambda: (np.array([-4.0, -30.0, -22.0]), np.array([1, 12, 9])),
            "five texts": lambda: (np.array([-50.0, -3.0, -12.5, -80.0, -7.0]), np.array([20, 1, 6, 31, 4])),
        },
    ),
    "07.2": Parts(
        solution=my_step,
        mistakes={
            "errors_added": lambda warm, cold: (cold[0] - warm[0], warm[1] + cold[1]),
            "errors_subtracted": lambda warm, cold: (cold[0] - warm[0], abs(cold[1] - warm[1])),
            "errors_averaged": lambda warm, cold: (cold[0] - warm[0], (warm[1] + cold[1]) / 2),
            "root_forgotten": lambda warm, cold: (cold[0] - warm[0], warm[1] ** 2 + cold[1] ** 2),
            "other_way": lambda warm, cold: my_step(cold, warm),
        },
        cases={
            "precision from −6.5 to −5.7": lambda: ((-6.5, 0.06), (-5.7, 0.08)),
            "recall from −4.9 to −5.0": lambda: ((-4.9, 0.05), (-5.0, 0.12)),
            "an exact start": lambda: ((-2.0, 0.0), (-2.5, 0.3)),
        },
    ),
}
