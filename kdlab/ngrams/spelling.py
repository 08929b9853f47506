"""One name, letter by letter: the odds of every step under p*, teacher and student, and the picture of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from kdlab.ngrams.model import NGramChain
from kdlab.pictures.still import Still

if TYPE_CHECKING:
    from kdlab.pictures.figure import Picture

__all__ = ["chance", "letters", "odds", "steps", "two_digits"]


def letters(truth: NGramChain, teacher: NGramChain, student: NGramChain, name: str) -> Still:
    """Show one name being written: a row for each step, with bars of the next letter under all three chains.

    The letter that comes next is marked, its probabilities stand at the right; multiplied down they are the name's.
    Made for names of 3 to 6 letters. Raises ValueError for letters outside the alphabet, or chains of two alphabets.
    """
    chains = {"truth": truth, "teacher": teacher, "distilled": student}
    alphabets = [chain.alphabet for chain in chains.values()]
    if len(set(alphabets)) > 1:
        raise ValueError(f"alphabets are {alphabets}: three equal ones are needed")
    words = _words(chains, name)

    def draw() -> Picture:
        from kdlab.ngrams.plots_spelling import spelling  # here: the first slider must not wait for matplotlib

        return spelling(chains, name, words)

    return Still(f"letters|{name}", words, draw)


def _words(chains: Mapping[str, NGramChain], name: str) -> str:
    """What the picture says: every step's three probabilities, and their products."""
    said = [f"The name {name} written letter by letter; next-letter probabilities under p*, p′ and p″."]
    whole = ", ".join(two_digits(chance(chain, name)) for chain in chains.values())
    for prefix, coming in steps(name):
        each = ", ".join(two_digits(odds(chain, prefix, coming)) for chain in chains.values())
        said.append(f"{f'After {prefix}' if prefix else 'First'}, {coming}: {each}.")
    return " ".join([*said, f"Multiplied: {whole}."])


def steps(name: str) -> list[tuple[str, str]]:
    """What is written so far and what comes next, a letter or "end", at every step."""
    return [(name[:k], (*name, "end")[k]) for k in range(len(name) + 1)]


def odds(chain: NGramChain, prefix: str, coming: str) -> float:
    """The probability of one step."""
    return float(chain.next_letters(prefix)[-1 if coming == "end" else chain.alphabet.index(coming)])


def chance(chain: NGramChain, name: str) -> float:
    """The probability of the whole name."""
    return float(np.exp(chain.log_prob([name])[0]))


def two_digits(p: float) -> str:
    """Write a probability with two digits that count: 0.013 %, 1.3 %, 42 %."""
    return f"{float(f'{100 * p:.2g}'):.15g} %" if p >= 1e-8 else f"{100 * p:.0e} %"
