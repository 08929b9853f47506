"""The first names that the text of world 2 is made of, and the letters that they are written in."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from kdlab.core.files import PACKAGE

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def first_names() -> tuple[list[str], NDArray[np.float64]]:
    """Return 5,163 American first names in small letters, most common first, and their shares (N,), which sum to one.

    From the US Census of 1990, women and men half each; scripts/make_names.py says how.
    """
    lines = (PACKAGE / "data/first_names.csv").read_text(encoding="ascii").splitlines()[1:]
    names, people = zip(*(line.split(",") for line in lines), strict=True)
    counts = np.array(people, dtype=float)
    return list(names), counts / counts.sum()


@lru_cache(maxsize=1)
def real_names() -> frozenset[str]:
    """Return the names of `first_names`, to ask whether an invented one is among them."""
    return frozenset(first_names()[0])
