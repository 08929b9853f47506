"""What models write, and what they give to each other's texts, on disk: what is there and whole is left alone.

Under torchrun every process calls the same, and takes its own shards.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kdlab.core.files import read_lines, written_whole
from kdlab.lm.measuring.opening import Measurement
from kdlab.lm.measuring.wording import Wording, moved, read_as, wording
from kdlab.lm.pipeline import distributed as ranks
from kdlab.lm.pipeline.corpus import Corpus, Sequences
from kdlab.lm.pipeline.run import read_scores, write_scores
from kdlab.lm.pipeline.scoring import Scores, score
from kdlab.lm.pipeline.stages import filled

STATES = 256  # texts of each model whose hidden states are compared, where that is asked for


# Writing


def written(run: Measurement, name: str) -> None:
    """Have a model's texts on disk, and in words."""
    filled(run.corpus(name), run.log.stage(f"{_shown(name)} writes"), lambda: run.loaded(name).model)
    path, n = run.folder / "texts" / f"{name}.jsonl", run.config.texts
    if ranks.first() and (_older(path, run.corpus(name)) or len(read_lines(path)) != n):
        begun = run.models[name].begun
        words = wording(run.loaded(name), begun, run.corpus(name).read(n))
        with written_whole(path) as temporary, temporary.open("w", encoding="utf-8") as file:
            for i, text in enumerate(words.texts):
                row = {"id": f"{name}/{i}", "prompt": i % len(begun), "text": text}
                row |= {"ended": bool(words.ended[i]), "spelt": bool(words.spelt[i])}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
    ranks.wait()


def _older(path: Path, corpus: Corpus) -> bool:
    """Whether a file is from before the texts' last shard."""
    return not path.is_file() or path.stat().st_mtime < (corpus.folder / "manifest.jsonl").stat().st_mtime


def words_of(run: Measurement, name: str) -> Wording:
    """What a model wrote, in words."""
    rows: Any = read_lines(run.folder / "texts" / f"{name}.jsonl")
    ended, spelt = (np.array([one[of] for one in rows], bool) for of in ("ended", "spelt"))
    return Wording([one["text"] for one in rows], ended, spelt)


def _shown(name: str) -> str:
    return "p*" if name == "truth" else name


# Reading


def both(run: Measurement, reader: str, writer: str) -> Scores:
    """What ``reader`` gives each text of ``writer``: shards that are not there yet are read, each process its own."""
    n, size = run.config.texts, run.config.shard
    stage, parts = run.log.stage(f"{_shown(reader)} reads {_shown(writer)}"), range(0, n, size)
    texts: Sequences | None = None
    tau = 1.0 if reader == "truth" else run.config.tau
    states = _states_wanted(run) if reader == "truth" else 0
    for i, first in enumerate(parts):
        path = score_path(run, reader, writer, i)
        of, wanted = _of(run, reader, writer, i, tau), max(0, min(size, n - first, states - first))
        if ranks.mine(i) and _lacks(path, of, wanted):
            texts = texts_for(run, reader, writer) if texts is None else texts
            some = texts[np.arange(first, min(first + size, n))]
            found = score(run.loaded(reader).model, some, tau, wanted)
            write_scores(path, of, {"nats": found})
            run.worked = True
            stage.step((i + 1) / len(parts), some.n_tokens)
        else:
            stage.skip((i + 1) / len(parts))
    ranks.wait()
    stage.done()
    return scores_of(run, reader, writer)


def _lacks(path: Path, of: str, states: int) -> bool:
    """Whether a shard's scores are not there, or of other texts or weights, or without so many states."""
    there = read_scores(path, of, ("nats",))
    kept = None if there is None else there["nats"].states
    return there is None or (states > 0 and (kept is None or len(kept) < states))


def _of(run: Measurement, reader: str, writer: str, shard: int, tau: float) -> str:
    """What a shard's scores are a function of."""
    told = run.corpus(writer).manifest()[shard]["sha256"]
    mine, theirs = run.models[reader].about, run.models[writer].about
    return json.dumps([told, mine["weights"], mine["tokens"], theirs["tokens"], tau, run.config.dtype])


def _states_wanted(run: Measurement) -> int:
    """Of how many texts p*'s hidden states are kept; of p*'s own twice as many as are compared."""
    return 2 * min(STATES, run.config.texts // 2) if {"knn", "vendi"} & set(run.config.also) else 0


def score_path(run: Measurement, reader: str, writer: str, shard: int) -> Path:
    """Where a shard's scores lie."""
    return run.folder / "scores" / f"{reader}-of-{writer}-{shard:05d}.npz"


def shares(run: Measurement, name: str) -> bool:
    """Whether a model has p*'s tokens."""
    return bool(run.models[name].about["tokens"] == run.models["truth"].about["tokens"])


def texts_for(run: Measurement, reader: str, writer: str) -> Sequences:
    """A writer's texts in a reader's tokens: the writer's own where they share them, else its words spelt anew."""
    own = run.corpus(writer).read(run.config.texts)
    if reader == writer:
        return own
    model, begun = run.loaded(reader), run.models[reader].begun
    if run.models[reader].about["tokens"] == run.models[writer].about["tokens"]:
        ends: Any = run.models[writer].about["ends"]
        return moved(model, begun, tuple(ends) if isinstance(ends, list) else (ends,), own)
    return read_as(model, begun, words_of(run, writer))


def scores_of(run: Measurement, reader: str, writer: str) -> Scores:
    """All shards of what a reader gives a writer's texts, which are there."""
    n = -(-run.config.texts // run.config.shard)
    found = [read_scores(score_path(run, reader, writer, i), None, ("nats",)) for i in range(n)]
    each: Sequence[Scores] = [one["nats"] for one in found if one is not None]
    if len(each) < n:
        raise ValueError(f"{score_path(run, reader, writer, 0).parent} lacks scores: give the same command again")
    prompts = len(run.models["truth"].begun)
    kept = [one.states for one in each if one.states is not None]
    return Scores(
        np.concatenate([one.nats for one in each]),
        np.concatenate([one.tokens for one in each]),
        np.arange(run.config.texts) % prompts if prompts > 1 else None,
        np.concatenate(kept) if kept else None,
    )


def in_bytes(scores: Scores, words: Wording) -> Scores:
    """The same nats, with a text's bytes in place of its tokens: `Scores.per_token` is then per byte."""
    return replace(scores, tokens=words.bytes)
