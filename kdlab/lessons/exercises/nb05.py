"""Code of the exercises of notebook 05: a real language model as p*."""

import numpy as np

from kdlab.lessons.kinds import Parts


def my_log_prob(logits, ids):
    """From the logits of every step, and the token that came."""
    log_sums = np.log(np.exp(logits).sum(axis=1))
    return sum(logits[t, ids[t]] - log_sums[t] for t in range(len(ids)))


def _text(seed, ids):
    return np.random.default_rng(seed).normal(0, 2, (len(ids), 6)).round(2), np.array(ids)


def my_choices(logits, tau):
    """exp of the entropy of softmax(logits / tau)."""
    p = np.exp(logits / tau)
    p = p / p.sum()
    return np.exp(-(p * np.log(p)).sum())


CODE = {
    "05.1": Parts(
        solution=my_log_prob,
        mistakes={
            "sum_of_logits": lambda logits, ids: logits[np.arange(len(ids)), ids].sum(),
            "likeliest": lambda logits, ids: my_log_prob(logits, logits.argmax(axis=1)),
            "without_the_end": lambda logits, ids: my_log_prob(logits[:-1], ids[:-1]),
            "per_token": lambda logits, ids: my_log_prob(logits, ids) / len(ids),
        },
        cases={
            "a text of one token, the end": lambda: _text(0, [5]),
            "a text of three tokens": lambda: _text(1, [2, 0, 5]),
            "a text of five tokens": lambda: _text(2, [1, 1, 4, 3, 5]),
        },
    ),
    "05.2": Parts(
        solution=my_choices,
        mistakes={
            "entropy_only": lambda logits, tau: np.log(my_choices(logits, tau)),
            "the_other_way": lambda logits, tau: my_choices(logits, 1 / tau),
            "tempered_the_result": lambda logits, tau: my_choices(logits, 1.0) ** tau,
            "from_the_likeliest": lambda logits, tau: np.exp(logits / tau).sum() / np.exp(logits / tau).max(),
        },
        cases={
            "three logits at τ = 0.5": lambda: (np.array([2.0, 1.0, -1.0]), 0.5),
            "four logits at τ = 1.5": lambda: (np.array([3.0, 2.5, 0.0, -2.0]), 1.5),
            "five logits at τ = 0.8": lambda: (np.array([1.0, 0.0, 0.5, -3.0, 2.0]), 0.8),
        },
    ),
}
