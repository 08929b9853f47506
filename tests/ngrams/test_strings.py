"""Strings that no chain can read are errors that say why."""

from typing import Any

import pytest
from support.chains import random_chain

from kdlab.ngrams.model import NGramChain


@pytest.mark.parametrize(
    ("strings", "message"),
    [
        ([], r"strings are \[\]: give a list of one or more strings, like \['anna', 'otto'\]"),
        ("anna", r"strings are 'anna': give a list"),
        (7, r"strings are 7: give a list"),
        (["ab", ""], r"string 1 is '': a string of one or more letters is needed; leave it out"),
        (["ab", None], r"string 1 is None: "),
        (["ab", "bAb"], r"string 1, 'bAb', has 'A' outside the alphabet 'ab': write it in small letters, or name"),
        (["a\0b"], r"string 0, 'a\\x00b', has '\\x00' outside the alphabet"),
        (["aéb"], r"string 0, 'aéb', has 'é' outside the alphabet"),
    ],
)
def test_bad_strings(strings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        random_chain(0, 1).log_prob(strings)
    with pytest.raises(ValueError, match=message):
        NGramChain.fit(strings, order=1, alphabet="ab")


def test_a_bad_prefix() -> None:
    with pytest.raises(ValueError, match="'ax', has 'x' outside the alphabet 'ab'"):
        random_chain(0, 2).next_letters("ax")


@pytest.mark.parametrize("alphabet", ["", "aba", "a\0", None, ["a", "b"]])
def test_bad_alphabets(alphabet: Any) -> None:
    with pytest.raises(ValueError, match="alphabet is .*: give a string of one or more different letters") as raised:
        NGramChain([[1.0, 0.0], [0.5, 0.5]], 1, alphabet)
    assert repr(alphabet) in str(raised.value)


def test_an_empty_alphabet_is_not_the_usual_one() -> None:
    with pytest.raises(ValueError, match="alphabet is '': "):
        NGramChain.fit(["ab"], alphabet="")
