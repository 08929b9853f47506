"""Any two models on the plane: the settings of `kdlab measure`.

Of each model texts are drawn and scored under p* (precision), and p*'s texts are scored under it (recall). The work is
in ``kdlab.lm.measuring``, the tables in ``kdlab.lm.report.measured``. Nothing here loads PyTorch.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kdlab.lm.experiment import BUNDLED, Truncation, whole_path

KIND = "measure"  # in run.json and results.json
ALSO = ("distinct", "knn", "vendi")
DTYPES = ("float32", "bfloat16", "float16")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,39}")


@dataclass(frozen=True)
class MeasureConfig:
    """What a measurement is a function of.

    ``truth`` and each of ``models`` (pairs of a name and a source): a folder, the id of a model on a hub, "bundled",
    "random", a run's folder (its p*), or a folder of one of its models (runs/smoke/seed-0/direct); of the run that came
    with kdlab, "recorded/cpu" and "recorded/cpu/direct". All write ``texts``
    texts after ``prompt`` (empty: after what the tokenizer puts first), or in answer to the instructions of
    ``prompts``, as `RunConfig` has them. ``length``: new tokens of a text, at most. ``tau`` tempers the models, and so
    does ``truncation`` what they write (never p*). ``scores``: a file of log-probabilities from elsewhere. ``also``:
    practitioners' units. Raises ValueError for settings that cannot work.
    """

    truth: str
    models: tuple[tuple[str, str], ...] = ()
    prompt: str = ""
    prompts: str = ""
    texts: int = 512
    length: int = 64
    tau: float = 1.0
    truncation: str = ""
    scores: str = ""
    also: tuple[str, ...] = ()
    dtype: str = "float32"
    seed: int = 0
    shard: int = 128

    def __post_init__(self) -> None:
        for name, least, why in (
            ("texts", 4, "fewer have no error worth the name"),
            ("length", 1, "a text needs room for a token"),
            ("shard", 1, "there would be nothing to do"),
        ):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}: choose {least} or more; {why}")
        if not 0 < self.tau < float("inf"):
            raise ValueError(f"tau is {self.tau}: give a positive temperature; 1 leaves the models as they are")
        if self.prompt and self.prompts:
            raise ValueError(f"prompt is {self.prompt!r} and prompts is {self.prompts!r}: give one of the two")
        if self.truncation and str(Truncation.of(self.truncation)) != self.truncation:
            raise ValueError(f"truncation is {self.truncation!r}: write {Truncation.of(self.truncation)}")
        for name, given, choices in (("also", self.also, ALSO), ("dtype", (self.dtype,), DTYPES)):
            if wrong := [one for one in given if one not in choices]:
                raise ValueError(f"{name} is {wrong[0]!r}: choose of {', '.join(choices)}")
        names = [name for name, _ in self.models]
        for name in names:
            if not _NAME.fullmatch(name) or name == "truth":
                raise ValueError(
                    f"a model is called {name!r}: choose a name of letters, digits, points and dashes, and not truth"
                )
        if len({name.casefold() for name in names}) < len(names):
            raise ValueError(f"models are called {', '.join(names)}: give each a name of its own")

    @classmethod
    def of(cls, truth: str, models: Mapping[str, str] | Sequence[tuple[str, str]], **settings: Any) -> MeasureConfig:
        """Return the settings with the whole paths of folders and files, as work may go on from another place."""
        pairs = models.items() if isinstance(models, Mapping) else models
        files = {"prompts": (BUNDLED, ""), "scores": ("",)}
        for name, plain in files.items():
            if settings.get(name, "") not in plain:
                settings[name] = os.path.realpath(os.path.expanduser(settings[name]))
        settings["also"] = tuple(dict.fromkeys(settings.get("also", ())))
        return cls(whole_path(truth), tuple((name, whole_path(source)) for name, source in pairs), **settings)


def pairs_from(given: Sequence[str]) -> list[tuple[str, str]]:
    """Return ``["name=model", ...]`` as pairs. Raises ValueError where there is no name or no model."""
    found = []
    for one in given:
        name, equals, source = one.partition("=")
        if not equals or not name.strip() or not source.strip():
            raise ValueError(f"--model {one!r}: write it as NAME=MODEL, such as --model mine=models/mine")
        found.append((name.strip(), source.strip()))
    return found
