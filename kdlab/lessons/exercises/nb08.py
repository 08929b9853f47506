"""Code of the exercises of notebook 08: is the trade worth it?"""

from functools import cache
from math import comb

import numpy as np

from kdlab.lessons.kinds import Parts
from kdlab.ngrams.best_tau import attempts_over_tau
from kdlab.ngrams.experiment import teacher_temperature
from kdlab.ngrams.names import first_names


def my_next(q, k):
    """From the probabilities of the accepted answers, and the tries so far."""
    return (q * (1 - q) ** k).sum()


def _so_far(q, k):
    return (1 - (1 - q) ** k).sum()


def my_pass_at_k(n, c, k):
    """Of n tries c were right; of k drawn from them, one at least."""
    return 1 - comb(n - c, k) / comb(n, k)


def my_choice(taus, draws, found, value, price):
    """The place where the answers are worth most more than the tries."""
    gain = value * found - price * draws
    i, j = np.unravel_index(gain.argmax(), gain.shape)
    return taus[i], draws[j]


def _places(taus, draws, found, value, price):
    tau, k = my_choice(taus, draws, found, value, price)
    return np.flatnonzero(taus == tau)[0], np.flatnonzero(draws == k)[0]


def _given_tau(i, taus, draws, found, value, price):
    return my_choice(taus[[i]], draws, found[[i]], value, price)


def _to_break_even(taus, draws, found, value, price):
    j = np.flatnonzero(value * found.max(axis=0) >= price * draws)[-1]
    return taus[found[:, j].argmax()], draws[j]


@cache
def _table():
    """The table of the notebook: students of order 1 taught at these values of tau, and asked so often."""
    taus = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.2]
    draws = [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 100_000]
    return attempts_over_tau(teacher_temperature().teacher, 1, first_names()[0], draws, taus)


def _worth(value, price):
    return _table().taus.copy(), _table().draws.copy(), _table().distinct.copy(), value, price


CODE = {
    "08.1": Parts(
        solution=my_next,
        mistakes={
            "never_again": lambda q, k: q.sum(),
            "so_far": _so_far,
            "on_average": lambda q, k: _so_far(q, k) / k,
            "missing": lambda q, k: ((1 - q) ** k).sum(),
            "first_right_one": lambda q, k: q.sum() * (1 - q.sum()) ** k,
            "one_try_less": lambda q, k: my_next(q, k - 1),
        },
        cases={
            "two answers after two tries": lambda: (np.array([0.5, 0.25]), 2),
            "three answers after ten tries": lambda: (np.array([0.3, 0.05, 0.001]), 10),
            "four answers after five hundred tries": lambda: (np.array([0.02, 0.004, 0.004, 0.0001]), 500),
        },
    ),
    "08.2": Parts(
        solution=my_pass_at_k,
        mistakes={
            "plugged_in": lambda n, c, k: 1 - (1 - c / n) ** k,
            "one_try": lambda n, c, k: c / n,
            "added_up": lambda n, c, k: min(1, k * c / n),
            "all_wrong": lambda n, c, k: comb(n - c, k) / comb(n, k),
            "all_right": lambda n, c, k: comb(c, k) / comb(n, k),
        },
        cases={
            "twenty tries, two right, and k = 5": lambda: (20, 2, 5),
            "ten tries, three right, and k = 5": lambda: (10, 3, 5),
            "six tries, four right, and k = 3": lambda: (6, 4, 3),
        },
    ),
    "08.3": Parts(
        solution=my_choice,
        mistakes={
            "price_forgotten": lambda taus, draws, found, value, price: my_choice(taus, draws, found, value, 0),
            "per_try": lambda taus, draws, found, value, price: my_choice(taus, draws, found / draws, value, 0),
            "to_break_even": _to_break_even,
            "best_for_one": lambda taus, draws, found, *worth: _given_tau(
                found[:, 0].argmax(), taus, draws, found, *worth
            ),
            "best_for_most": lambda taus, draws, found, *worth: _given_tau(
                found[:, -1].argmax(), taus, draws, found, *worth
            ),
            "places": _places,
        },
        cases={
            "answers worth 2 and tries at 0.2": lambda: _worth(2, 0.2),
            "answers worth 1 and tries at 0.02": lambda: _worth(1, 0.02),
            "answers worth 10 and tries at 0.05": lambda: _worth(10, 0.05),
        },
    ),
}
