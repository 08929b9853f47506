"""One distillation run: its settings, its folder, and the results that can be read at any moment.

Nothing here needs torch, so that the results of a run read and draw anywhere. What a run does stands in
``kdlab.lm.pipeline.stages``, how it runs without a reader in ``kdlab.lm.headless``.
"""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from kdlab.core.files import PACKAGE
from kdlab.lm import syllables
from kdlab.lm.sizes import nearest, size_named

SOURCES = ("bundled", "random")  # ground truths that are neither folders nor on a hub
BUNDLED = "bundled"  # instructions that are in no file of the reader's
SMOLLM2, RANDOM = 49_152, syllables.MOST  # tokens in the vocabularies of the ground truths that have names here


@dataclass(frozen=True)
class Truncation:
    """Only the likeliest tokens of a step: ``top_k`` of them, or the fewest that together have ``top_p`` of the mass.

    Raises ValueError unless one of the two is given, for a ``top_k`` below 1, and a ``top_p`` that is no share.

    >>> str(Truncation(top_k=50)), Truncation.of("top-p .9")
    ('top-k-50', Truncation(top_k=None, top_p=0.9))
    """

    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if (self.top_k is None) == (self.top_p is None):
            raise ValueError(f"top_k is {self.top_k}, top_p is {self.top_p}: give one of the two")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k is {self.top_k}: choose 1 or more; a step needs a token to draw")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p}: choose a share of the mass above 0 and up to 1, such as 0.9")

    @classmethod
    def of(cls, name: str) -> Truncation:
        """Read "top-k-50" or "top-p-0.9"; a space may stand before the number, as in tables."""
        found = re.fullmatch(r"top-k[- ](\d+)|top-p[- ]([\d.]+(?:e-\d+)?)", name)
        if not found:
            raise ValueError(f"truncation is {name!r}: give one such as top-k-50 or top-p-0.9")
        return cls(top_k=int(found[1])) if found[1] else cls(top_p=float(found[2]))

    def __str__(self) -> str:
        return f"top-p-{self.top_p:g}" if self.top_k is None else f"top-k-{self.top_k}"

    @property
    def settings(self) -> dict[str, float]:
        """What was given, by its name, as JSON has it."""
        return {name: value for name, value in vars(self).items() if value is not None}


# Of students that hear the teacher at each token: by which divergence, and on whose texts (None: as `on` says).
OBJECTIVES = {
    "token-forward": ("forward", None),
    "token-reverse": ("reverse", None),
    "token-jsd": ("jsd", None),
    "on-policy": ("reverse", "student"),
}
SEQUENCE = "sequence"  # the student of the teacher's own texts at tau = 1: another name for that one


@dataclass(frozen=True)
class Stored:
    """What is kept of a teacher's answer: its ``top_k`` likeliest tokens, and whether the others' sum, the ``tail``.

    Raises ValueError for a ``top_k`` below 1.

    >>> Stored.of("top-100"), str(Stored(50, tail=False))
    (Stored(top_k=100, tail=True), 'top-50-without-tail')
    """

    top_k: int
    tail: bool = True

    def __post_init__(self) -> None:
        if self.top_k < 1:
            raise ValueError(f"top_k is {self.top_k}: keep 1 token or more")

    @classmethod
    def of(cls, name: str) -> Stored:
        """Read "top-100" or "top-100-without-tail"."""
        found = re.fullmatch(r"top-(\d+)(-without-tail)?", name)
        if not found:
            raise ValueError(f"stored is {name!r}: give one such as top-100 or top-100-without-tail")
        return cls(int(found[1]), found[2] is None)

    def __str__(self) -> str:
        return f"top-{self.top_k}{'' if self.tail else '-without-tail'}"


@dataclass(frozen=True)
class RunConfig:
    """All that a run is a function of; `RunConfig.of` makes one from a preset and settings.

    ``truth`` is "bundled", "random", a folder or a hub id; ``vocabulary`` keeps so many of its tokens (None: all).
    ``prompt`` is what all sequences continue, ``length`` counts its tokens too. ``teacher`` and ``student`` are rungs
    of `kdlab.lm.sizes`. ``shard`` is in sequences. ``corpus``: "recorded" takes the committed one where it fits,
    "sample" draws anew. ``keep``: of each model the "last" weights, or those after its "best" epoch on validation.
    ``threads``: 0 leaves it to torch, within what a container may use. ``truncations``: further settings of the teacher
    at tau = 1, such as "top-k-50" (see `Truncation`). ``prompts``, in place of a prompt: instructions that texts answer
    in turn; a file with one on each line, or "bundled" (see `read_instructions`). All answers have the room that the
    longest of them, as p* is asked it, leaves within ``length``. ``objectives``: further students that hear the
    teacher at each token, such as "token-reverse" and "on-policy" (see `OBJECTIVES`), on texts of "truth" or "teacher"
    (``on``), or their own; ``loss_tau`` tempers both sides of their loss, ``stored`` keeps a part of the teacher's
    answers, such as "top-100" (see `Stored`).

    Raises ValueError for settings that cannot work, before any work.
    """

    preset: str
    truth: str
    vocabulary: int | None
    prompt: str
    length: int
    teacher: str
    student: str
    taus: tuple[float, ...]
    seeds: int
    teacher_sequences: int
    teacher_epochs: int
    student_sequences: int
    student_epochs: int
    validation_sequences: int
    evaluation_sequences: int
    batch: int
    rate: float
    shard: int
    corpus: str = "sample"
    keep: str = "last"
    threads: int = 0
    truncations: tuple[str, ...] = ()
    prompts: str = ""
    objectives: tuple[str, ...] = ()
    on: str = "truth"
    loss_tau: float = 1.0
    stored: str = ""

    def __post_init__(self) -> None:
        size_named(self.teacher), size_named(self.student)
        for name in ("validation_sequences", "evaluation_sequences", "teacher_sequences", "student_sequences"):
            _at_least(2, name, getattr(self, name), "one sequence has no standard error and teaches nothing")
        for name in ("seeds", "teacher_epochs", "student_epochs", "batch", "shard"):
            _at_least(1, name, getattr(self, name), "there would be nothing to do")
        _at_least(2, "length", self.length, "it counts the prompt, which must leave room for a token")
        _at_least(0, "threads", self.threads, "0 leaves it to torch")
        if not 0 < self.rate < math.inf:
            raise ValueError(f"rate is {self.rate}: give a learning rate above zero, such as 0.002")
        if not self.taus or any(not 0 < tau < math.inf for tau in self.taus):
            raise ValueError(f"taus is {self.taus}: give one or more positive temperatures, such as 0.6,0.8,1.0")
        if len({f"{tau:g}" for tau in self.taus}) < len(self.taus):
            raise ValueError(
                f"taus is {self.taus}: the same temperature twice would make the same student twice; give each once"
            )
        names = [str(Truncation.of(one)) for one in self.truncations]
        if tuple(names) != self.truncations or len({*names}) < len(names):
            raise ValueError(
                f"truncations is {self.truncations}: the same one twice would make the same student twice; give each "
                "once, spelt as top-k-50 or top-p-0.9"
            )
        self._check_objectives()
        for name, choices in (
            ("corpus", ("recorded", "sample")), ("keep", ("best", "last")), ("on", ("truth", "teacher")),
        ):  # fmt: skip
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is {getattr(self, name)!r}: choose {' or '.join(choices)}")
        self._check_vocabulary()

    def _check_objectives(self) -> None:
        if not 0 < self.loss_tau < math.inf:
            raise ValueError(
                f"loss_tau is {self.loss_tau}: give a positive temperature; 1 leaves both sides as they are"
            )
        if self.stored and str(Stored.of(self.stored)) != self.stored:
            raise ValueError(f"stored is {self.stored!r}: write {Stored.of(self.stored)}")
        wrong = [one for one in self.objectives if one not in OBJECTIVES]
        if wrong or len({*self.objectives}) < len(self.objectives):
            raise ValueError(
                f"objectives is {self.objectives}: choose of {SEQUENCE}, {', '.join(OBJECTIVES)}, each once"
            )
        need = [one for one in self.objectives if OBJECTIVES[one][0] != "forward"]
        if need and self.stored and not Stored.of(self.stored).tail:
            raise ValueError(
                f"stored is {self.stored!r}, and {need[0]} needs the tail, else what a student says elsewhere would "
                "cost it nothing: keep the tail, or choose token-forward"
            )

    def _check_vocabulary(self) -> None:
        if not self.truth or not (self.prompt or self.prompts):
            raise ValueError("truth and prompt must not be empty: say which p*, and what its texts continue")
        if self.prompt and self.prompts:
            raise ValueError(
                f"prompt is {self.prompt!r} and prompts is {self.prompts!r}: give one of the two; texts continue a "
                "prompt, or answer instructions"
            )
        smollm2 = self.truth == "bundled" or self.truth.startswith("HuggingFaceTB/SmolLM2-")
        whole = SMOLLM2 if smollm2 else RANDOM if self.truth == "random" else 2**24  # a folder's own is not known yet
        if self.vocabulary is not None and not 3 <= self.vocabulary <= whole:
            raise ValueError(
                f"vocabulary is {self.vocabulary}: p* ({self.truth}) has at most {whole} tokens; "
                f"choose from 3 to {whole}, or all"
            )

    @classmethod
    def of(cls, preset: str, settings: Mapping[str, Any] | None = None) -> RunConfig:
        """Return a preset with some fields set; values are text as after ``--set``, or already of the field's type.

        A ``truth`` that is a folder is kept with its whole path, and so are ``prompts``: notebooks and processes of a
        run start elsewhere. A prompt that is set takes the place of the preset's instructions, and they of its prompt.
        Raises ValueError, with a near name where there is one, for an unknown preset or field, and for an ill-typed
        value.
        """
        if preset not in PRESETS:
            raise ValueError(
                f"preset is {preset!r}: choose one of {', '.join(PRESETS)} (nearest: {nearest(preset, PRESETS)})"
            )
        kinds = {field.name: str(field.type) for field in fields(cls) if field.name != "preset"}
        typed = {}
        for name, value in (settings or {}).items():
            if name not in kinds:
                meant = _meant(name, kinds)
                guess = f": did you mean {meant!r}?" if meant else "."
                raise ValueError(f"{name!r} is no setting of a run{guess} Choose one of {', '.join(kinds)}.")
            typed[name] = _typed(name, value, kinds[name])
        if SEQUENCE in typed.get("objectives", ()):
            typed["objectives"] = tuple(one for one in typed["objectives"] if one != SEQUENCE)
            typed["taus"] = tuple(sorted({*typed.get("taus", PRESETS[preset].taus), 1.0}))
        for one, other in (("prompt", "prompts"), ("prompts", "prompt")):
            if typed.get(one) and other not in typed:
                typed[other] = ""
        made = replace(PRESETS[preset], **typed)
        prompts = made.prompts if made.prompts in ("", BUNDLED) else os.path.realpath(os.path.expanduser(made.prompts))
        return replace(made, truth=whole_path(made.truth), prompts=prompts)

    @property
    def begun(self) -> str | list[str]:
        """What p*'s texts continue: the prompt, or a list of instructions. Raises ValueError as they are read."""
        return read_instructions(self.prompts) if self.prompts else self.prompt


def read_instructions(prompts: str) -> list[str]:
    """Return the instructions of a file, one from each line, in order; "bundled" are the sixty that come with kdlab.

    Lines without a word are left out. Raises ValueError where the file cannot be read, has no instruction, or has one
    twice.
    """
    path = PACKAGE / "data" / "instructions.txt" if prompts == BUNDLED else Path(prompts)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ValueError(
            f"prompts is {prompts!r}, and there is no text to be read ({error}): give a text file with one instruction "
            f"on each line, or {BUNDLED}"
        ) from error
    found = [line.strip() for line in lines if line.strip()]
    if not found:
        raise ValueError(
            f"prompts is {prompts!r}, a file without an instruction: write one on each line, or give {BUNDLED}"
        )
    twice = next((one for i, one in enumerate(found) if one in found[:i]), None)
    if twice is not None:
        raise ValueError(f"{twice!r} is twice in {prompts}: its answers would count twice; write each instruction once")
    return found


def whole_path(truth: str) -> str:
    """Return the path of a ``truth`` that is a folder, from the root on and without links; any other as it is."""
    folder = os.path.expanduser(truth)
    return os.path.realpath(folder) if truth not in SOURCES and os.path.isdir(folder) else truth


_RULES = {
    "str": "text",
    "int": "a whole number, such as 4",
    "float": "a number, such as 0.002",
    "int | None": "a whole number, or all",
    "tuple[float, ...]": "numbers with commas between them, such as 0.6,1.0",
    "tuple[str, ...]": "top-k-K (K is 1 or more), top-p-P (P is above 0, at most 1), some with commas between them, "
    "or none",
}


def _typed(name: str, value: Any, kind: str) -> Any:
    """Return ``value`` as the field's type; text is read, nothing else is converted but whole numbers to real ones."""
    try:
        if kind == "tuple[float, ...]":
            parts = value.split(",") if isinstance(value, str) else list(value)
            return tuple(sorted(_typed(name, part, "float") for part in parts))
        if kind == "tuple[str, ...]":
            parts = value.split(",") if isinstance(value, str) else list(value)
            if name == "objectives":
                return () if value == "none" else tuple(_text(part).strip() for part in parts)
            return () if value == "none" else tuple(sorted(str(Truncation.of(_text(part).strip())) for part in parts))
        if kind == "int | None":
            return None if value is None or value in ("all", "none") else _typed(name, value, "int")
        if isinstance(value, bool):
            raise TypeError
        if kind == "int":
            return value if isinstance(value, int) else int(_text(value))
        if kind == "float":
            return float(value) if isinstance(value, int | float) else float(_text(value))
        return _text(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {value!r}: give {_RULES[kind]}") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _at_least(least: int, name: str, value: int, why: str) -> None:
    if value < least:
        raise ValueError(f"{name} is {value}: choose {least} or more; {why}")


_ELSEWHERE = {  # what other trainers call it
    "lr": "rate", "learning_rate": "rate", "temperature": "taus", "temperatures": "taus", "epochs": "student_epochs",
    "num_train_epochs": "student_epochs", "batch_size": "batch", "per_device_train_batch_size": "batch",
    "max_length": "length", "max_seq_length": "length", "vocab_size": "vocabulary", "model": "truth",
    "top_k": "truncations", "top_p": "truncations",
}  # fmt: skip


def _meant(name: str, names: Mapping[str, Any]) -> str | None:
    """The setting that a name of another trainer, or a slip of the keys, stands for; None rather than a wild guess."""
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.7)
    return _ELSEWHERE.get(name, near[0] if near else None)


PRESETS = {
    preset.preset: preset
    for preset in (
        RunConfig(
            preset="smoke", truth="random", vocabulary=None, prompt="la ", length=16,
            teacher="tiny", student="tiny", taus=(0.6, 1.0), seeds=2,
            teacher_sequences=512, teacher_epochs=3, student_sequences=256, student_epochs=3,
            validation_sequences=64, evaluation_sequences=128, batch=32, rate=5e-3, shard=128, keep="best",
            threads=1, truncations=("top-k-50",),
        ),
        RunConfig(
            preset="cpu", truth="bundled", vocabulary=4096, prompt="One day, a little", length=32,
            teacher="2M", student="0.4M", taus=(0.6, 0.8, 0.9, 1.0), seeds=1,
            teacher_sequences=32_768, teacher_epochs=1, student_sequences=24_576, student_epochs=1,
            validation_sequences=1_024, evaluation_sequences=512, batch=64, rate=2e-3, shard=1_024,
            corpus="recorded",
        ),
        RunConfig(
            preset="gpu", truth="bundled", vocabulary=None, prompt="The", length=128,
            teacher="30M", student="10M", taus=(0.6, 0.7, 0.8, 0.875, 0.95, 1.0), seeds=3,
            teacher_sequences=131_072, teacher_epochs=1, student_sequences=98_304, student_epochs=1,
            validation_sequences=2_048, evaluation_sequences=2_048, batch=256, rate=1e-3, shard=4_096,
            truncations=("top-k-50", "top-p-0.9"),
        ),
        RunConfig(
            preset="objectives", truth="bundled", vocabulary=4096, prompt="One day, a little", length=32,
            teacher="2M", student="0.4M", taus=(0.8, 1.0), seeds=1,
            teacher_sequences=32_768, teacher_epochs=1, student_sequences=24_576, student_epochs=1,
            validation_sequences=1_024, evaluation_sequences=512, batch=64, rate=2e-3, shard=1_024,
            corpus="recorded", objectives=tuple(OBJECTIVES),
        ),
        RunConfig(
            preset="instruct", truth="bundled", vocabulary=4096, prompt="", prompts=BUNDLED, length=61,
            teacher="2M", student="0.4M", taus=(0.2, 0.4, 1.0), seeds=1,
            teacher_sequences=11_520, teacher_epochs=1, student_sequences=8_640, student_epochs=1,
            validation_sequences=480, evaluation_sequences=3_840, batch=16, rate=2e-3, shard=3_840,
            corpus="recorded",
        ),
        RunConfig(
            preset="gpu-instruct", truth="bundled", vocabulary=None, prompt="", prompts=BUNDLED, length=73,
            teacher="30M", student="10M", taus=(0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0), seeds=3,
            teacher_sequences=122_880, teacher_epochs=1, student_sequences=92_160, student_epochs=1,
            validation_sequences=1_920, evaluation_sequences=15_360, batch=256, rate=1e-3, shard=30_720,
        ),
        RunConfig(
            preset="paper", truth="HuggingFaceTB/SmolLM2-1.7B", vocabulary=None, prompt="The", length=512,
            teacher="360M", student="135M", taus=(0.8, 0.875, 0.95, 1.0), seeds=5,
            teacher_sequences=10_000_000, teacher_epochs=5, student_sequences=10_000_000, student_epochs=1,
            validation_sequences=100_000, evaluation_sequences=100_000, batch=256, rate=5e-4, shard=4_096,
        ),
    )
}  # fmt: skip


# Names of a run's models


def label(tau: float) -> str:
    """The name of the student distilled at ``tau``: what its files and its results are called."""
    return f"tau-{tau:g}"


def model_names(config: RunConfig) -> list[str]:
    """The models of one seed: teacher, direct student, distilled ones, those of truncated samples, and by token."""
    return ["teacher", "direct", *map(label, config.taus), *config.truncations, *config.objectives]
