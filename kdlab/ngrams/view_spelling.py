"""A name being written, letter by letter, as notebook 04 shows it before its slider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdlab.ngrams.model import NGramChain
from kdlab.ngrams.spelling import words_of
from kdlab.pictures.still import Still

if TYPE_CHECKING:
    from kdlab.pictures.figure import Picture


def letters(truth: NGramChain, teacher: NGramChain, student: NGramChain, name: str) -> Still:
    """Show one name being written: a row for each step, with bars of the next letter under all three chains.

    The letter that comes next is marked, its probabilities stand at the right; multiplied down they are the name's.
    Made for names of 3 to 6 letters. Raises ValueError for letters outside the alphabet, or chains of two alphabets.
    """
    chains = {"truth": truth, "teacher": teacher, "distilled": student}
    alphabets = [chain.alphabet for chain in chains.values()]
    if len(set(alphabets)) > 1:
        raise ValueError(f"alphabets are {alphabets}: give all three chains the same letters")
    words = words_of(chains, name)

    def draw() -> Picture:
        from kdlab.ngrams import plots_spelling  # here: the first slider must not wait for matplotlib

        return plots_spelling.spelling(chains, name, words)

    return Still(f"letters|{name}", words, draw)
