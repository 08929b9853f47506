"""One name, letter by letter: the odds of every step under p*, teacher and student."""

from collections.abc import Mapping

import numpy as np

from kdlab.ngrams.model import NGramChain


def words_of(chains: Mapping[str, NGramChain], name: str) -> str:
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
