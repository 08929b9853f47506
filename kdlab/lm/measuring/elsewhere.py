"""Log-probabilities from elsewhere: of models behind an interface, or from another trainer's logs, as JSON Lines.

    {"model": "mine", "id": "truth/0", "nats": -41.7}                     what a model gives a text of p*
    {"model": "mine", "text": "...", "nats": -38.2, "ended": true}        a text that it wrote itself

A text of p* may be given by its words in place of its id (texts/truth.jsonl has both). "tokens", where they are given,
are kept; "nats" of a model's own text may be left out, and is then not known. "prompt" counts from 0.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdlab.lm.measuring.opening import Measurement
from kdlab.lm.measuring.reading import words_of
from kdlab.lm.measuring.wording import Wording, read_as
from kdlab.lm.pipeline.scoring import Scores, score


@dataclass(frozen=True)
class Elsewhere:
    """What a file says of one model: scores "recall", and "precision" and "own" where it has texts of its own."""

    scores: dict[str, Scores]
    words: Wording


def read(run: Measurement) -> dict[str, Elsewhere]:
    """Return what the file says of each model in it; p* reads their own texts here. Raises as `given` does."""
    found = {}
    for name, (nats, own) in given(run).items():
        scores = {"recall": Scores(nats, np.ones(len(nats), np.int64), _groups(run, np.arange(len(nats))))}
        found[name] = Elsewhere(scores | _own(run, own), _words(own))
    return found


def given(run: Measurement) -> dict[str, tuple[NDArray[np.float64], list[dict[str, Any]]]]:
    """Return, of each model in the file, what it gives p*'s texts (N,) and the lines of its own.

    Needs p*'s texts. Raises ValueError for a line that cannot be, and for a model that lacks some of them.
    """
    truth = words_of(run, "truth")
    by_model: dict[str, list[dict[str, Any]]] = {}
    for one in lines(Path(run.config.scores), taken=tuple(run.models)):
        by_model.setdefault(one["model"], []).append(one)
    return {name: _given(name, rows, truth) for name, rows in by_model.items()}


def lines(path: Path, taken: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the file's lines. Raises ValueError where one has no model, no text, or no number; ``taken``: names."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ValueError(f"scores is {str(path)!r}, and there is nothing to read ({error}): give a file") from error
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            fault, one = _checked(line, taken)
            if fault:
                raise ValueError(f"{path}, line {number}: {fault}. Give lines as kdlab.lm.measuring.elsewhere has them")
            found.append(one)
    if not found:
        raise ValueError(f"{path} has no line: give one for each text")
    return found


def _checked(line: str, taken: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """What is wrong with a line, if anything, and what it says."""
    try:
        one = json.loads(line)
    except ValueError as error:
        return f"no JSON ({error})", {}
    if not isinstance(one, dict) or not isinstance(one.get("model"), str) or not one["model"]:
        return 'no "model"', {}
    if one["model"] in taken:
        return f'"model" is {one["model"]!r}, which is measured here', {}
    if (
        not isinstance(one.get("id", ""), str)
        or not isinstance(one.get("text", ""), str)
        or not {"id", "text"} & one.keys()
    ):
        return 'neither "text" nor "id" says which text', {}
    nats = one.get("nats")
    if nats is not None and (isinstance(nats, bool) or not isinstance(nats, int | float) or not math.isfinite(nats)):
        return f'"nats" is {nats!r}, and no finite number', {}
    if nats is not None and nats > 1e-6:
        return f'"nats" is {nats!r}, above 0: log-probabilities are 0 or less (a loss has the other sign)', {}
    for name, least in (("tokens", 1), ("prompt", 0)):
        if not (isinstance(one.get(name, least), int) and one.get(name, least) >= least):
            return f'"{name}" is {one[name]!r}, and no whole number from {least} on', {}
    return "", one


def _given(
    name: str, rows: Sequence[dict[str, Any]], truth: Wording
) -> tuple[NDArray[np.float64], list[dict[str, Any]]]:
    """What one model gives p*'s texts, and the lines of its own texts."""
    places: dict[str, list[int]] = {f"truth/{i}": [i] for i in range(len(truth.texts))}
    for i, text in enumerate(truth.texts):
        places.setdefault("=" + text, []).append(i)
    nats: dict[int, float] = {}
    own = []
    for row in rows:
        where = places.get(row["id"]) if "id" in row else places.get("=" + row["text"])
        if where is None and "text" not in row:
            raise ValueError(f"{name}: id {row['id']!r} is no text of p*: give one of those in texts/truth.jsonl")
        if where is None:
            own.append(row)
        elif row.get("nats") is None:
            raise ValueError(
                f"{name}: a text of p* ({row.get('id', row.get('text'))!r}) has no nats: give what it gets"
            )
        else:
            nats |= dict.fromkeys(where, float(row["nats"]))
    missing = [i for i in range(len(truth.texts)) if i not in nats]
    if missing:
        raise ValueError(
            f"{name}: {len(missing)} of p*'s {len(truth.texts)} texts have no score (the first: truth/{missing[0]}): "
            "recall is a mean over all of them, so score each text of texts/truth.jsonl"
        )
    if len(own) < 4:
        raise ValueError(f"{name}: {len(own)} texts of its own: precision is a mean over them, so give 4 or more")
    return np.array([nats[i] for i in range(len(truth.texts))]), own


def _words(own: Sequence[Mapping[str, Any]]) -> Wording:
    ended = np.array([bool(one.get("ended", True)) for one in own])
    return Wording([one["text"] for one in own], ended, np.ones(len(own), bool))


def _own(run: Measurement, own: Sequence[Mapping[str, Any]]) -> dict[str, Scores]:
    """What p* gives a model's own texts, and what it gives them itself, where all have that."""
    truth, begun = run.loaded("truth"), run.models["truth"].begun
    turns = np.array([one.get("prompt", i % len(begun)) for i, one in enumerate(own)])
    if (turns >= len(begun)).any():
        raise ValueError(f'"prompt" is {int(turns.max())}, of {len(begun)} prompts: give numbers from 0 on')
    words = _words(own)
    texts = read_as(truth, [begun[turn] for turn in turns], words)
    found = score(truth.model, texts)
    scores = {"precision": Scores(found.nats, found.tokens, _groups(run, turns))}
    nats = [one.get("nats") for one in own]
    if all(one is not None for one in nats):
        counted = all("tokens" in one for one in own)
        tokens = np.array([one["tokens"] if counted else 0 for one in own])  # 0: nobody knows
        scores["own"] = Scores(np.array(nats, float), tokens, _groups(run, turns))
    return scores


def _groups(run: Measurement, turns: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Which texts continue the same prompt, where there are several."""
    n = len(run.models["truth"].begun)
    return np.unique(turns % n, return_inverse=True)[1] if n > 1 else None
