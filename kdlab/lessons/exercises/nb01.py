"""Code of the exercises of notebook 01: what precision and recall measure, and what they leave out."""

import numpy as np

from kdlab.core.metrics import recall
from kdlab.lessons.kinds import Parts
from kdlab.mixtures.scenes import line, line_mixture


def my_precision(student, truth, rng):
    """E over x ~ student of log truth(x), estimated; nats."""
    x = student.sample(10_000, rng)
    return truth.log_prob(x).mean()


def _log_of_the_mean(student, truth, rng):
    return np.log(np.exp(truth.log_prob(student.sample(10_000, rng))).mean())


def my_divergence(student, truth):
    """KL(truth || student) from recall alone; nats."""
    entropy = -recall(truth, truth).value
    return -entropy - recall(student, truth).value


def _models(mean, deviation):
    """The four bumps on a line and one Gaussian: (student, truth)."""
    return line_mixture([1.0], [mean], [deviation]), line().truth


CODE = {
    "01.2": Parts(
        solution=my_precision,
        mistakes={
            "recall_instead": lambda student, truth, rng: student.log_prob(truth.sample(10_000, rng)).mean(),
            "scored_by_itself": lambda student, truth, rng: my_precision(student, student, rng),
            "log_of_the_mean": _log_of_the_mean,
            "truth_by_itself": lambda student, truth, rng: my_precision(truth, truth, rng),
            "wrong_sign": lambda student, truth, rng: -my_precision(student, truth, rng),
            "summed": lambda student, truth, rng: truth.log_prob(student.sample(10_000, rng)).sum(),
            "in_bits": lambda student, truth, rng: my_precision(student, truth, rng) / np.log(2),
        },
        cases={
            "a student with centre 1 and standard deviation 1.2": lambda: (
                *_models(1.0, 1.2),
                np.random.default_rng(0),
            ),
            "a student with centre −3 and standard deviation 0.8": lambda: (
                *_models(-3.0, 0.8),
                np.random.default_rng(1),
            ),
        },
    ),
    "01.3": Parts(
        solution=my_divergence,
        mistakes={
            "forgot_the_sign": lambda student, truth: -recall(truth, truth).value - recall(student, truth).value,
            "forgot_the_entropy": lambda student, truth: -recall(student, truth).value,
            "turned_around": lambda student, truth: my_divergence(truth, student),
            "upside_down": lambda student, truth: -my_divergence(student, truth),
        },
        cases={
            "a student with centre −1 and standard deviation 2": lambda: _models(-1.0, 2.0),
            "a student with centre 0 and standard deviation 3": lambda: _models(0.0, 3.0),
        },
    ),
}
