"""Read what was recorded of a language model for notebook 05: sweeps, cuts into tokens, scores, samples. No torch.

The recording is one JSON file in kdlab/data/recorded, written by notebooks/record.py.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdlab.core.format import signed
from kdlab.lm.folder import recorded_folder
from kdlab.lm.next_token import NextTokenSweep

FILE, SCHEMA = "meeting.json", 1
END = "<|im_end|>"

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Cut:
    """A text in tokens: ``pieces`` as text (a part of a letter reads U+FFFD), their ``ids``; and, where it was scored,
    ``nats``: -log p of every token after the first ``given``, EOS among them where it was there.
    """

    pieces: tuple[str, ...]
    ids: tuple[int, ...]
    given: int = 0
    nats: tuple[float, ...] = ()

    @property
    def text(self) -> str:
        """The pieces, one after the other."""
        return "".join(self.pieces)

    @property
    def log_prob(self) -> float:
        """Log-probability of all that was scored, given the rest; nats."""
        return -float(np.sum(self.nats))


def opened(piece: str) -> str:
    """A token as it is shown: what cannot be seen gets a sign."""
    return "■ end" if piece == END else piece.replace(" ", "␣").replace("\n", "↵")


def cut_words(cuts: Sequence[Cut]) -> str:
    """How texts are cut into tokens. ValueError for no texts."""
    if not cuts:
        raise ValueError("No texts: give one or more cuts, such as those of read_recording().cuts.values().")
    return " ".join(
        f"{cut.text!r} is cut into {len(cut.pieces)} tokens: {' | '.join(map(opened, cut.pieces))}." for cut in cuts
    )


def cost_words(scored: Sequence[Cut]) -> str:
    """What each token of texts cost, in nats. ValueError for no texts, or one that was not scored."""
    if not scored or not all(one.nats for one in scored):
        raise ValueError("Nothing to draw: give one or more scored cuts, such as those of read_recording().scored.")
    said = ["What each token cost under p*, in nats."]
    for one in scored:
        tokens = zip(one.pieces[one.given :], one.nats, strict=True)
        parts = ", ".join(f"{opened(piece)} {nats:.1f}" for piece, nats in tokens)
        said.append(f"After {''.join(one.pieces[: one.given])!r}: {parts}; together log p* = {signed(one.log_prob)}.")
    return " ".join(said)


@dataclass(frozen=True)
class Recording:
    """A recorded p*.

    ``about`` says which: model, checksum, versions, date, seed. ``sweeps`` are sliders of tau by their prompts;
    ``cuts`` texts in tokens by their text; ``scored`` three sentences with what each token cost; ``ways`` one word cut
    in several ways. ``written`` are texts of p*, ``restricted_written`` of p* with its ``kept`` most used tokens
    only; ``mass`` is what these hold of a step of p*, on average, and what its first ``kept`` tokens would have held.
    ``sampler`` is what cutting to the likeliest tokens does to p*'s own steps, and what temperatures do to them.
    ``step`` is one step of both, ``own`` what p*'s texts cost under p* itself, ``cut_again`` what retokenising does.
    """

    about: dict[str, Any]
    sweeps: dict[str, NextTokenSweep]
    cuts: dict[str, Cut]
    scored: tuple[Cut, ...]
    ways: tuple[Cut, ...]
    written: tuple[str, ...]
    restricted_written: tuple[str, ...]
    sampler: dict[str, Any]
    kept: int
    mass: dict[str, float]
    step: dict[str, Any]
    own: dict[str, Any]
    cut_again: dict[str, Any]

    @property
    def shown(self) -> str:
        """One line that says what this is."""
        told, versions = self.about, self.about["versions"]
        what = f"{told['model']}, {told['vocabulary']:,} tokens, sha256 {told['sha256'][:12]}…; {told['date']}"
        return f"recorded: {what}, torch {versions['torch']}, transformers {versions['transformers']}, on a CPU"


def read_recording(name: str = "smollm2") -> Recording:
    """Return the recording called ``name``, from ``recorded/`` beside the notebook or in the package.

    Raises ValueError where there is none, or it is damaged or of another version.
    """
    paths = [place / name / FILE for place in (Path.cwd() / "recorded", recorded_folder())]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise ValueError(
            f"there is no recording {name!r}: looked for {' and '.join(map(str, paths))}; choose one of those here, "
            f"{', '.join(sorted(path.parent.name for path in recorded_folder().glob(f'*/{FILE}'))) or 'none'}"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise ValueError(f"it has schema {content['schema']!r}, and this kdlab reads {SCHEMA}")
        return _recording(content)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} cannot be read ({type(error).__name__}: {error}): get the repository's own copy of it again, "
            "or make it with `python notebooks/record.py smollm2`"
        ) from error


def _recording(content: dict[str, Any]) -> Recording:
    restricted, again = content["restricted"], content["restricted"]["cut_again"]
    return Recording(
        about=content["about"],
        sweeps={one["prompt"]: NextTokenSweep.of(one) for one in content["sweeps"]},
        cuts={one["text"]: _cut(one) for one in content["cuts"]},
        scored=tuple(map(_cut, content["scored"])),
        ways=tuple(map(_cut, content["cut_twice"]["ways"])),
        written=tuple(content["written"]),
        restricted_written=tuple(restricted["written"]),
        sampler=content["sampler"],
        kept=restricted["vocabulary"],
        mass=restricted["mass"],
        step=restricted["step"],
        own={name: value if name == "prompt" else np.asarray(value) for name, value in restricted["own"].items()},
        cut_again={**again, "before": _cut(again["before"]), "after": _cut(again["after"])},
    )


def _cut(one: dict[str, Any]) -> Cut:
    return Cut(tuple(one["pieces"]), tuple(one["ids"]), one.get("given", 0), tuple(one.get("nats", ())))
