"""Strings over an alphabet as numbers, and back."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kdlab.ngrams._tables import context_rows

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


def encoded(strings: Sequence[str], alphabet: str, depth: int) -> tuple[IntArray, IntArray, IntArray]:
    """Rows (S,) and symbols (S,) of all steps of N strings, each closed by its end A; where each string starts (N,)."""
    _check_strings(strings, alphabet)
    lengths = np.array([len(string) + 1 for string in strings])
    starts = np.cumsum(lengths) - lengths
    codes = np.frombuffer("".join(f"{string}\0" for string in strings).encode("utf-32-le"), dtype=np.uint32)
    known = np.array([*map(ord, alphabet), 0], dtype=np.uint32)
    by_code = np.argsort(known)
    symbols = by_code[np.searchsorted(known[by_code], codes)]
    positions = np.arange(len(symbols)) - np.repeat(starts, lengths)
    return context_rows(symbols, positions, len(alphabet), depth), symbols, starts


def decoded(symbols: IntArray, alphabet: str) -> list[str]:
    """N strings from (N, T) symbols, the end A filling each row."""
    codes = np.array([*map(ord, alphabet), 0], dtype=np.uint32)[symbols]
    strings: list[str] = np.ascontiguousarray(codes).view(f"U{codes.shape[1]}")[:, 0].tolist()
    return strings


def check_alphabet(alphabet: str) -> None:
    """Raise ValueError for anything but a string of one or more different letters."""
    if not isinstance(alphabet, str) or not alphabet or len(set(alphabet)) < len(alphabet) or "\0" in alphabet:
        raise ValueError(f"alphabet is {alphabet!r}: give a string of one or more different letters, like 'abc'")


def _check_strings(strings: Sequence[str], alphabet: str) -> None:
    if isinstance(strings, str) or not isinstance(strings, Sequence | np.ndarray) or not len(strings):
        raise ValueError(f"strings are {strings!r}: give a list of one or more strings, like ['anna', 'otto']")
    for i, string in enumerate(strings):
        if not isinstance(string, str) or not string:
            raise ValueError(f"string {i} is {string!r}: a string of one or more letters is needed; leave it out")
        if outside := set(string).difference(alphabet):
            raise ValueError(
                f"string {i}, {string!r}, has {min(outside)!r} outside the alphabet {alphabet!r}: "
                "write it in small letters, or name the alphabet it is written in"
            )
