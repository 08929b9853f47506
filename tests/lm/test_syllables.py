"""Syllables: a text can be read in one way only."""

import numpy as np
import pytest

from kdlab.lm.syllables import MOST, Syllables


@pytest.mark.parametrize("vocabulary", [3, 64, 72, 73, 500, MOST])
def test_round_trips(vocabulary):
    tokenizer, rng = Syllables(vocabulary), np.random.default_rng(0)
    for length in (0, 1, 2, 30, 300):
        ids = rng.integers(vocabulary, size=length).tolist()
        assert tokenizer.encode(tokenizer.decode(ids)) == ids
    every = list(range(vocabulary))
    assert tokenizer.encode(tokenizer.decode(every)) == every


def test_a_consonant_before_a_vowel_begins_the_next_syllable():
    tokenizer = Syllables(MOST)

    def pieces(text):
        return [tokenizer.decode([i]) for i in tokenizer.encode(text)]

    assert pieces("bana") == ["ba", "na"]
    assert pieces("banba nan<end>") == ["ban", "ba", " ", "nan", "<end>"]


def test_the_end_can_be_left_out():
    tokenizer = Syllables(64)
    assert tokenizer.decode([2, 1, 3, 0], skip_special_tokens=True) == "ba da"
    assert tokenizer.decode([2, 1, 3, 0]) == "ba da<end>"


@pytest.mark.parametrize(
    ("text", "piece"),
    [("bax", "'x'"), ("ban", "'ban'"), ("Ba", "'B'"), ("ba1", "'1'"), ("a", "'a'"), ("ba\n", r"'\\n'")],
)
def test_what_is_no_syllable_is_named(text, piece):
    with pytest.raises(ValueError, match=f"^{piece} in .* is none of the 64 pieces .* write with ba da fa"):
        Syllables(64).encode(text)


@pytest.mark.parametrize("vocabulary", [0, 2, MOST + 1])
def test_tables_that_cannot_be(vocabulary):
    with pytest.raises(ValueError, match=f"vocabulary is {vocabulary}: .* from 3 to {MOST}"):
        Syllables(vocabulary)
