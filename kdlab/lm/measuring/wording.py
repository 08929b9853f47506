"""Texts as texts: what a model wrote, in words; and those words in another model's tokens.

A model gives probabilities to sequences of tokens, and most texts have several such spellings. What is read here is
the one that the reader's own tokenizer makes. Its probability is that of the text, less its other spellings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdlab.lm.pipeline.corpus import Sequences, ids_type
from kdlab.lm.pipeline.truth import Truth


@dataclass(frozen=True)
class Wording:
    """N texts without what they continue, in turn; ``ended`` (N,): by itself; ``spelt`` (N,): as the writer would read.

    ``bytes`` (N,) counts each in UTF-8.
    """

    texts: list[str]
    ended: NDArray[np.bool_]
    spelt: NDArray[np.bool_]

    @property
    def bytes(self) -> NDArray[np.int64]:
        """(N,): how long each is in UTF-8; one that says nothing counts as one byte, its end."""
        return np.array([max(1, len(text.encode())) for text in self.texts])


def wording(writer: Truth, begun: Sequence[Sequence[int]], sequences: Sequences) -> Wording:
    """Return what ``sequences`` say, which continue each of ``begun`` in turn."""
    before = [writer.decode(one) for one in begun]
    texts, ended, spelt = [], [], []
    for i, (row, length) in enumerate(zip(sequences.ids, sequences.lengths, strict=True)):
        given, start = begun[i % len(begun)], before[i % len(begun)]
        ids = row[len(given) : length].tolist()
        ended.append(ids[-1] in writer.ends)
        ids = ids[:-1] if ended[-1] else ids
        whole = writer.decode([*given, *ids])
        texts.append(whole[len(start) :] if whole.startswith(start) else writer.decode(ids))
        spelt.append(_comes_back(writer, given, start, texts[-1], ids))
    return Wording(texts, np.array(ended), np.array(spelt))


def read_as(reader: Truth, begun: Sequence[Sequence[int]], words: Wording) -> Sequences:
    """Return the texts in the reader's tokens, each after what the reader is given; ended ones with the reader's end.

    Where no tokens after these say the text, as in tokenizers that put a space before what they read, both are spelt
    together, and a token that reaches over the end of what was given counts with the text.
    """
    before = [reader.decode(one) for one in begun]
    rows, given = [], []
    for i, (text, ended) in enumerate(zip(words.texts, words.ended, strict=True)):
        first, ids = _spelt(reader, begun[i % len(begun)], before[i % len(begun)], text)
        rows.append([*first, *ids, *([reader.eos] if ended else [])])
        given.append(len(first))
    return _sequences(reader, rows, given)


def moved(reader: Truth, begun: Sequence[Sequence[int]], ends: Sequence[int], sequences: Sequences) -> Sequences:
    """Return sequences of a writer with the same tokens and other ``ends``, after what the reader is given."""
    rows, given = [], []
    starts = np.broadcast_to(np.asarray(sequences.prompt), len(sequences))
    for i, (row, start, length) in enumerate(zip(sequences.ids, starts, sequences.lengths, strict=True)):
        ids = row[start:length].tolist()
        if ids and ids[-1] in ends and ids[-1] not in reader.ends:
            ids[-1] = reader.eos
        first = begun[i % len(begun)]
        rows.append([*first, *ids])
        given.append(len(first))
    return _sequences(reader, rows, given)


def tokens_told(model: Truth) -> str:
    """A checksum of a tokenizer: models with the same one share their tokens."""
    tokenizer = model.tokenizer
    pieces = sorted(tokenizer.get_vocab().items()) if hasattr(tokenizer, "get_vocab") else model.pieces(range(64))
    said = json.dumps([pieces, list(model.kept)], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _comes_back(writer: Truth, given: Sequence[int], before: str, text: str, ids: list[int]) -> bool:
    try:
        return _spelt(writer, given, before, text)[1] == ids
    except ValueError:  # another spelling, with a token that was cut from the vocabulary
        return False


def _spelt(reader: Truth, given: Sequence[int], before: str, text: str) -> tuple[list[int], list[int]]:
    """What the reader is given, and the text after it, in its tokens."""
    given = list(given)
    whole = reader.begun(before + text)
    if whole[: len(given)] == given:
        return given, whole[len(given) :]
    ids = reader.encode(text)
    if reader.decode([*given, *ids]) == before + text:
        return given, ids
    same = next((i for i, (a, b) in enumerate(zip(given, whole, strict=False)) if a != b), len(whole))
    return (whole[:same], whole[same:]) if same else (given, ids)


def _sequences(reader: Truth, rows: Sequence[Sequence[int]], given: Sequence[int]) -> Sequences:
    lengths = np.array([len(row) for row in rows], np.uint16)
    ids: Any = np.full((len(rows), int(lengths.max())), reader.eos, ids_type(reader.vocabulary))
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
    return Sequences(ids, lengths, np.array(given, np.int64), reader.eos)
