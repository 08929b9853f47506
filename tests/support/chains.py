"""Chains of letters to try things on: random ones, sparse ones, and those of the real first names."""

from functools import cache
from typing import Any

import numpy as np

from kdlab.ngrams.model import NGramChain
from kdlab.ngrams.names import first_names


def random_chain(seed: Any, order: int, alphabet: str = "ab", end: tuple[float, float] = (0.2, 0.6)) -> NGramChain:
    """Rows from a Dirichlet distribution; after the first letter the end has a probability between these two."""
    rng, n = np.random.default_rng(seed), len(alphabet)
    n_rows = sum(n**k for k in range(max(order, 1) + 1))
    ends = np.concatenate([[0.0], rng.uniform(*end, size=n_rows - 1)])
    table = np.column_stack([rng.dirichlet(np.ones(n), size=n_rows) * (1 - ends[:, None]), ends])
    if order == 0:
        table[1:] = table[1]
        table[0, :-1] = table[1, :-1] / table[1, :-1].sum()
    return NGramChain(table, order, alphabet)


def sparse_chain(seed: Any, order: int) -> NGramChain:
    """The same with about a third of the odds zero, and strings that end by the fifth letter or so."""
    rng, full = np.random.default_rng([seed, 1]), random_chain(seed, order, end=(0.5, 0.9))
    table = full.table * (rng.uniform(size=full.table.shape) < 0.65)
    table[1:, -1] = full.table[1:, -1]
    table[0, 0] += 1e-3
    if order == 0:
        table[1:] = table[1]
    return NGramChain(table / table.sum(axis=1, keepdims=True), order, "ab")


@cache
def names_chain(order: int) -> NGramChain:
    """The chain of all first names, fitted once for each order."""
    return NGramChain.fit(*first_names(), order=order)


class Enumeration:
    """Every string up to a length, and its log-probability, from the rows by name: no index arithmetic is shared."""

    def __init__(self, chain: NGramChain, longest: int) -> None:
        rows = {context: i for i, context in enumerate(chain.contexts)}
        depth, table = max(chain.order, 1), chain.log_table
        self.strings: list[str] = []
        logs = []
        prefixes, scores = [""], np.zeros(1)
        for length in range(longest + 1):
            at = np.array([rows[prefix if length < depth else prefix[-depth:]] for prefix in prefixes])
            if length:
                self.strings += prefixes
                logs.append(scores + table[at, -1])
            prefixes = [prefix + letter for prefix in prefixes for letter in chain.alphabet]
            scores = (scores[:, None] + table[at, :-1]).ravel()
        self.logs = np.concatenate(logs)
        self.left_over = float(np.exp(scores).sum())  # the mass of all longer strings

    @property
    def mass(self) -> np.ndarray:
        return np.exp(self.logs)
