"""Texts as texts: what was written comes back, in the reader's tokens, after what the reader is given."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.any_models import save, tokenizer
from support.torch_side import torch  # noqa: F401 - skips where it is not installed

from kdlab.lm.measuring.wording import Wording, moved, read_as, tokens_told, wording
from kdlab.lm.pipeline.corpus import Sequences, generator
from kdlab.lm.pipeline.sampling import sample
from kdlab.lm.pipeline.truth import Truth, load_truth


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Truth, Truth]:
    """A model with 300 tokens, and one with 400 others that puts <s> first."""
    folder = tmp_path_factory.mktemp("two")
    one = save(folder / "one", "llama", tokenizer())
    return load_truth(one), load_truth(save(folder / "other", "gpt2", tokenizer(400, True, "notebooks/INSTRUCTOR.md")))


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=12), min_size=1, max_size=4), st.data())
def test_texts_come_back_from_the_reader_s_tokens(
    two: tuple[Truth, Truth], texts: list[str], data: st.DataObject
) -> None:
    """Whatever the texts: decoded, the reader's row is the prompt and the text; the end stands where there was one."""
    ended = np.array(data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts))))
    words = Wording(texts, ended, np.ones(len(texts), bool))
    for reader in two:
        begun = [reader.begun("Once upon"), reader.begun("A")]
        read = read_as(reader, begun, words)
        for i, (row, length, first) in enumerate(zip(read.ids, read.lengths, np.atleast_1d(read.prompt), strict=True)):
            ids = row[:length].tolist()
            assert reader.decode(ids) == reader.decode(begun[i % 2]) + texts[i]
            assert (ids[-1:] == [reader.eos]) == bool(ended[i]) or texts[i] == ""
            assert ids[:first] == begun[i % 2][:first] and first >= 1


def test_what_was_written_is_said(two: tuple[Truth, Truth]) -> None:
    one, _ = two
    begun = [one.begun("The"), one.begun("A small teacher")]
    drawn = sample(one.model, begun, 20, length=30, eos=one.ends, rng=generator(0))
    words = wording(one, begun, drawn)
    for i, (row, length) in enumerate(zip(drawn.ids, drawn.lengths, strict=True)):
        ids = row[len(begun[i % 2]) : length].tolist()
        ended = ids[-1] in one.ends
        assert words.ended[i] == ended
        assert words.texts[i] == one.decode(ids[:-1] if ended else ids)
        again = one.encode(one.decode(begun[i % 2]) + words.texts[i])
        assert words.spelt[i] == (again == [*begun[i % 2], *(ids[:-1] if ended else ids)])
    assert words.bytes.tolist() == [max(1, len(text.encode())) for text in words.texts]


def test_text_that_the_tokenizer_made_is_spelt_as_read(two: tuple[Truth, Truth]) -> None:
    one, _ = two
    begun = one.begun("The teacher")
    whole = one.encode("The teacher has an entropy, and the student follows")
    row = np.array([[*whole, one.eos]], np.uint16)
    words = wording(one, [begun], Sequences(row, np.array([len(row[0])], np.uint16), len(begun), one.eos))
    assert words.texts == [" has an entropy, and the student follows"] and words.spelt.all() and words.ended.all()
    split = [*begun, *(one.encode(letter)[0] for letter in " has"), one.eos]
    row = np.array([split], np.uint16)
    words = wording(one, [begun], Sequences(row, np.array([len(split)], np.uint16), len(begun), one.eos))
    assert words.texts == [" has"] and not words.spelt.any()


def test_what_is_given_stays_though_the_whole_would_be_spelt_otherwise(two: tuple[Truth, Truth]) -> None:
    """Texts were drawn after these very tokens: "teach" and "er", where "teacher" alone would be other ones."""
    one, _ = two
    begun, words = one.begun("teach"), Wording(["er"], np.array([False]), np.array([True]))
    assert one.encode("teacher")[: len(begun)] != begun
    read = read_as(one, [begun], words)
    assert read.ids[0][: read.lengths[0]].tolist() == [*begun, *one.encode("er")] and int(read.prompt[0]) == len(begun)


def test_the_same_tokens_stay_and_the_end_becomes_the_reader_s(two: tuple[Truth, Truth]) -> None:
    one, _ = two
    own = Sequences(np.array([[5, 6, 7, 9], [5, 6, 8, 8]], np.uint16), np.array([4, 4], np.uint16), 2, 9)
    found = moved(one, [[3]], (9,), own)
    assert found.ids.tolist() == [[3, 7, one.eos], [3, 8, 8]] and found.prompt.tolist() == [1, 1]


def test_who_shares_tokens(two: tuple[Truth, Truth]) -> None:
    one, other = two
    assert tokens_told(one) == tokens_told(one) != tokens_told(other)
    assert tokens_told(load_truth("random")) == tokens_told(load_truth("random")) != tokens_told(one)


def test_names_do_not_matter_to_who_shares_tokens(tmp_path: Path) -> None:
    kinds = [load_truth(save(tmp_path / kind, kind, tokenizer())) for kind in ("qwen2", "gpt2", "mamba")]
    assert len({tokens_told(one) for one in kinds}) == 1
