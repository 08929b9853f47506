"""Corpora on disk: what is read is what was written, and whatever is damaged is found and made again."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.torch_side import torch

from kdlab.core.files import checksum
from kdlab.lm.pipeline.corpus import Corpus, MixedRuns, Sequences, generator, joined

SPEC = {"prompt": [3, 4], "eos": 0, "seed": 7, "sequences": 15, "shard": 5}  # three shards


def shard(i: int, n: int = 5, width: int = 6) -> Sequences:
    rng = np.random.default_rng(i)
    lengths = rng.integers(3, width + 1, n).astype(np.uint16)
    ids = rng.integers(1, 60, (n, width)).astype(np.uint16)
    ids[np.arange(width) >= lengths[:, None]] = 0
    return Sequences(ids, lengths, prompt=2, eos=0)


def same(some: Sequences, others: Sequences) -> bool:
    return bool((some.ids == others.ids).all() and (some.lengths == others.lengths).all())


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """All three shards are there."""
    made = Corpus(tmp_path, SPEC)
    made.ensure(shard)
    return made


def test_what_is_read_is_what_was_written(corpus: Corpus, tmp_path: Path) -> None:
    read = Corpus(tmp_path, SPEC).read(12)
    assert same(read, joined([shard(0), shard(1), shard(2)])[:12])
    assert (read.prompt, read.eos) == (2, 0)
    assert read.n_tokens == int((read.lengths - 2).sum())
    assert not list(tmp_path.glob("*.tmp"))


def test_shards_of_the_same_corpus_are_the_same_bytes(tmp_path: Path) -> None:
    Corpus(tmp_path / "a", SPEC).ensure(shard)
    Corpus(tmp_path / "b", SPEC).ensure(shard)
    for name in ("shard-00000.npz", "shard-00001.npz", "manifest.jsonl"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("damage", ["gone", "flipped", "cut", "emptied"])
def test_a_damaged_shard_is_found_named_and_made_again(corpus: Corpus, damage: str) -> None:
    path, made, told = corpus.path(1), [], []
    whole = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        middle = len(whole) // 2
        flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        path.write_bytes({"flipped": flipped, "cut": whole[:middle], "emptied": b""}[damage])
    assert [name.split(":")[0] for name in corpus.damaged()] == ["shard-00001.npz"]
    with pytest.raises(ValueError, match="shard-00001.npz"):
        corpus.read(15)

    def remake(i: int) -> Sequences:
        made.append(i)
        return shard(i)

    corpus.ensure(remake, note=told.append)
    assert made == [1]
    assert [line.split(":")[0] for line in told] == ([] if damage == "gone" else ["shard-00001.npz"])
    assert path.read_bytes() == whole and corpus.damaged() == []


def test_a_line_that_a_crash_cut_short_costs_one_shard(corpus: Corpus, tmp_path: Path) -> None:
    told = tmp_path / "manifest.jsonl"
    told.write_bytes(told.read_bytes()[:-20])
    assert len(corpus.damaged()) == 1
    corpus.ensure(shard)
    assert corpus.damaged() == [] and same(corpus.read(15), joined([shard(i) for i in range(3)]))


def test_a_folder_of_other_settings_is_refused_by_field(tmp_path: Path) -> None:
    Corpus(tmp_path, SPEC)
    with pytest.raises(MixedRuns, match=r"seed was 7, now 8.*Choose another folder"):
        Corpus(tmp_path, SPEC | {"seed": 8})
    with pytest.raises(MixedRuns, match="tau was None, now 0.5"):
        Corpus(tmp_path, SPEC | {"tau": 0.5})


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = Corpus(tmp_path, SPEC)

    def full(file: object, **arrays: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="No space left on device.*nothing was left half-written"):
        corpus.ensure(shard)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spec.json"]


def test_a_file_that_is_no_shard_is_named(corpus: Corpus, tmp_path: Path) -> None:
    corpus.path(0).write_bytes(b"not a zip file")
    line = corpus.manifest()[0]
    line["sha256"] = checksum(corpus.path(0))  # even with the right checksum
    with (tmp_path / "manifest.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    with pytest.raises(ValueError, match="shard-00000.npz is no shard"):
        corpus.read(1)


def test_each_purpose_has_its_own_randomness() -> None:
    def draw(*names: str | int | float) -> list[float]:
        return list(torch.rand(4, generator=generator(*names)).tolist())  # type: ignore[arg-type]

    assert draw(0, "corpus", 1) == draw(0, "corpus", 1)
    others = [draw(0, "corpus", 2), draw(1, "corpus", 1), draw(0, "student", 1), draw(0, "corpus", 1, 0.5)]
    assert all(other != draw(0, "corpus", 1) for other in others)


def test_tensors_drop_the_padding_that_nobody_needs() -> None:
    padded = np.array([[3, 4, 5, 0, 0, 0], [3, 4, 0, 0, 0, 0]], np.uint16)
    sequences = Sequences(padded, np.array([4, 3], np.uint16), 2, 0)
    ids, lengths = sequences.tensors(torch.device("cpu"))
    assert ids.tolist() == [[3, 4, 5, 0], [3, 4, 0, 0]] and lengths.tolist() == [4, 3]
    assert sequences.texts(lambda row: " ".join(map(str, row))) == ["3 4 5 0", "3 4 0"]
