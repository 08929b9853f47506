"""One distillation run: its settings, its folder, and the results that can be read at any moment.

Nothing here needs torch, so that the results of a run read and draw anywhere. What a run does stands in
``kdlab.lm.pipeline.stages``, how it runs without a reader in ``kdlab.lm.headless``.
"""

from __future__ import annotations

import difflib
import itertools
import json
import math
import os
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from kdlab.core.files import notebooks_folder, written_whole
from kdlab.core.format import signed
from kdlab.lm import syllables
from kdlab.lm.sizes import size_named

__all__ = [
    "PRESETS",
    "Busy",
    "RunConfig",
    "begin",
    "held",
    "label",
    "model_names",
    "read_results",
    "recorded_folder",
    "side_by_side",
    "table",
]

SCHEMA = 1  # of results.json and run.json
FREE = ("seeds", "threads")  # may change when a run goes on: neither changes what is there already
SMOLLM2, RANDOM = 49_152, syllables.MOST  # tokens in the vocabularies of the ground truths that have names here
PACKAGES = ("kdlab", "numpy", "torch", "transformers")
REMEDY = "run `kdlab run --preset smoke --out runs/smoke` for a small one"


@dataclass(frozen=True)
class RunConfig:
    """All that a run is a function of; `RunConfig.of` makes one from a preset and settings.

    ``truth`` is "bundled", "random", a folder or a hub id; ``vocabulary`` keeps its first tokens only (None: all).
    ``prompt`` is what all sequences continue, ``length`` counts its tokens too. ``teacher`` and ``student`` are rungs
    of `kdlab.lm.sizes`. ``shard`` is in sequences. ``corpus``: "recorded" takes the committed one where it fits,
    "sample" draws anew. ``keep``: of each model the weights after its "best" epoch on validation texts, or the "last".
    ``threads``: 0 leaves it to torch.

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
    keep: str = "best"
    threads: int = 0

    def __post_init__(self) -> None:
        size_named(self.teacher), size_named(self.student)
        for name in ("validation_sequences", "evaluation_sequences", "teacher_sequences", "student_sequences"):
            _at_least(2, name, getattr(self, name), "one sequence has no standard error and teaches nothing")
        for name in ("seeds", "teacher_epochs", "student_epochs", "batch", "shard"):
            _at_least(1, name, getattr(self, name), "there would be nothing to do")
        _at_least(2, "length", self.length, "it counts the prompt, which must leave room for a token")
        _at_least(0, "threads", self.threads, "0 leaves it to torch")
        if not 0 < self.rate < math.inf:
            raise ValueError(f"rate is {self.rate}: a learning rate is a positive number, such as 0.002")
        if not self.taus or any(not 0 < tau < math.inf for tau in self.taus):
            raise ValueError(f"taus is {self.taus}: give one or more positive temperatures, such as 0.6,0.8,1.0")
        if len({f"{tau:g}" for tau in self.taus}) < len(self.taus):
            raise ValueError(f"taus is {self.taus}: the same temperature twice would make the same student twice")
        if self.corpus not in ("recorded", "sample"):
            raise ValueError(f"corpus is {self.corpus!r}: choose recorded or sample")
        if self.keep not in ("best", "last"):
            raise ValueError(f"keep is {self.keep!r}: choose best or last")
        self._check_vocabulary()

    def _check_vocabulary(self) -> None:
        if not self.truth or not self.prompt:
            raise ValueError("truth and prompt must not be empty: say which p*, and what its texts continue")
        smollm2 = self.truth == "bundled" or self.truth.startswith("HuggingFaceTB/SmolLM2-")
        whole = SMOLLM2 if smollm2 else RANDOM if self.truth == "random" else 2**16
        if self.vocabulary is not None and not 3 <= self.vocabulary <= whole:
            raise ValueError(
                f"vocabulary is {self.vocabulary}: p* ({self.truth}) has at most {whole} tokens; "
                f"choose from 3 to {whole}, or all"
            )

    @classmethod
    def of(cls, preset: str, settings: Mapping[str, Any] | None = None) -> RunConfig:
        """Return a preset with some fields set; values are text as after ``--set``, or already of the field's type.

        Raises ValueError, with a near name where there is one, for an unknown preset or field, and for an ill-typed
        value.
        """
        if preset not in PRESETS:
            near = _nearest(preset, PRESETS)
            raise ValueError(f"preset {preset!r} is none of {', '.join(PRESETS)} (nearest: {near})")
        kinds = {field.name: str(field.type) for field in fields(cls) if field.name != "preset"}
        typed = {}
        for name, value in (settings or {}).items():
            if name not in kinds:
                meant = _meant(name, kinds)
                guess = f": did you mean {meant!r}?" if meant else "."
                raise ValueError(f"{name!r} is no setting of a run{guess} There are {', '.join(kinds)}.")
            typed[name] = _typed(name, value, kinds[name])
        return replace(PRESETS[preset], **typed)


_RULES = {
    "str": "text",
    "int": "a whole number, such as 4",
    "float": "a number, such as 0.002",
    "int | None": "a whole number, or all",
    "tuple[float, ...]": "numbers with commas between them, such as 0.6,1.0",
}


def _typed(name: str, value: Any, kind: str) -> Any:
    """Return ``value`` as the field's type; text is read, nothing else is converted but whole numbers to real ones."""
    try:
        if kind == "tuple[float, ...]":
            parts = value.split(",") if isinstance(value, str) else list(value)
            return tuple(sorted(_typed(name, part, "float") for part in parts))
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
        raise ValueError(f"{name} is {value!r}: it must be {_RULES[kind]}") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _at_least(least: int, name: str, value: int, why: str) -> None:
    if value < least:
        raise ValueError(f"{name} is {value}: choose {least} or more; {why}")


_ELSEWHERE = {  # what other trainers call it
    "lr": "rate",
    "learning_rate": "rate",
    "temperature": "taus",
    "temperatures": "taus",
    "epochs": "student_epochs",
    "num_train_epochs": "student_epochs",
    "batch_size": "batch",
    "per_device_train_batch_size": "batch",
    "max_length": "length",
    "max_seq_length": "length",
    "vocab_size": "vocabulary",
    "model": "truth",
}


def _meant(name: str, names: Mapping[str, Any]) -> str | None:
    """The setting that a name of another trainer, or a slip of the keys, stands for; None rather than a wild guess."""
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.7)
    return _ELSEWHERE.get(name, near[0] if near else None)


def _nearest(name: str, names: Mapping[str, Any]) -> str:
    return difflib.get_close_matches(str(name), names, n=1, cutoff=0.0)[0]


PRESETS = {
    preset.preset: preset
    for preset in (
        RunConfig(
            preset="smoke", truth="random", vocabulary=None, prompt="la ", length=16,
            teacher="tiny", student="tiny", taus=(0.6, 1.0), seeds=2,
            teacher_sequences=512, teacher_epochs=3, student_sequences=256, student_epochs=3,
            validation_sequences=64, evaluation_sequences=128, batch=32, rate=5e-3, shard=128, threads=1,
        ),
        RunConfig(
            preset="cpu", truth="bundled", vocabulary=4096, prompt="One day, a little", length=32,
            teacher="2M", student="0.4M", taus=(0.6, 0.8, 0.9, 1.0), seeds=1,
            teacher_sequences=12_288, teacher_epochs=2, student_sequences=6_144, student_epochs=4,
            validation_sequences=1_024, evaluation_sequences=512, batch=64, rate=2e-3, shard=1_024,
            corpus="recorded",
        ),
        RunConfig(
            preset="gpu", truth="bundled", vocabulary=None, prompt="The", length=128,
            teacher="30M", student="10M", taus=(0.6, 0.7, 0.8, 0.875, 0.95, 1.0), seeds=3,
            teacher_sequences=65_536, teacher_epochs=3, student_sequences=32_768, student_epochs=3,
            validation_sequences=2_048, evaluation_sequences=2_048, batch=256, rate=1e-3, shard=4_096,
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
    """The models of one seed: the teacher, the direct student, the distilled ones."""
    return ["teacher", "direct", *map(label, config.taus)]


# The folder


class Busy(RuntimeError):
    """Another process is at work in a run's folder."""


def begin(folder: Path, config: RunConfig) -> None:
    """Make the folder of a run, or go on in it.

    Raises ValueError where it was made with other settings, naming them, or holds something else. ``seeds`` and
    ``threads`` may change.
    """
    now = json.loads(json.dumps(asdict(config)))
    told = {"schema": SCHEMA, "config": now, "versions": [versions()]}
    path = folder / "run.json"
    if path.is_file():
        before = _read_json(path)
        _same_settings(folder, before["config"], now)
        others = [entry for entry in before["versions"] if entry != versions()]
        told["versions"] = [*others, versions()]
        if told == before:
            return
    elif folder.exists() and (not folder.is_dir() or any(not file.name.startswith(".") for file in folder.iterdir())):
        raise ValueError(f"{folder} is there, and is no run's folder: choose another")
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def _same_settings(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    names = sorted((before.keys() | now.keys()) - set(FREE))
    other = [name for name in names if before.get(name) != now.get(name)]
    if other:
        raise ValueError(
            f"{folder} holds a run with other settings: "
            + "; ".join(f"{name} was {before.get(name)!r}, now {now.get(name)!r}" for name in other)
            + ". Choose another folder, or delete that one."
        )


def versions() -> dict[str, str]:
    """Versions of what a run's numbers depend on, as far as it is installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


@contextmanager
def held(folder: Path, name: str, *, wait: float = 0.0) -> Iterator[None]:
    """Hold ``folder`` for one process: the system gives the lock back when that process ends, however it ends.

    Raises `Busy` where another has it for longer than ``wait`` seconds. ``name`` tells a command's lock from that of
    the notebook that it runs. The same process may hold it twice.
    """
    filelock: Any = import_module("filelock")
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / f".{name}.lock", is_singleton=True)
    try:
        lock.acquire(timeout=wait)
    except filelock.Timeout:
        raise Busy(f"another process is at work in {folder}: wait for it, stop it, or choose another folder") from None
    try:
        yield
    finally:
        lock.release()


def recorded_folder() -> Path:
    """Where recorded runs lie: beside the notebooks."""
    return notebooks_folder() / "recorded"


# Results


def read_results(folder: Path | str) -> dict[str, Any]:
    """Return what a run has found so far; finished or not.

    Raises ValueError where there is no run, nothing yet, or results of another version of kdlab.
    """
    path = Path(folder) / "results.json"
    if not path.is_file():
        raise ValueError(f"{path} is not there; {_no_results(Path(folder))}")
    results = _read_json(path)
    if results.get("schema") != SCHEMA:
        raise ValueError(
            f"{path} has schema {results.get('schema')!r}, and this kdlab reads {SCHEMA}: use the kdlab that wrote it"
        )
    return results


def _no_results(folder: Path) -> str:
    """What to do where a folder has no results."""
    if (folder / "run.json").is_file():
        return (
            "the run there has nothing to show yet: wait a little, or, if nothing is running there, give the run's "
            "command again"
        )
    beside = recorded_folder().parent / folder
    if (beside / "results.json").is_file():
        return f"the run that came with the notebooks is {os.path.relpath(beside)}"
    return f"there is no run there: {REMEDY}"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read ({error}): delete it and give the run's command again") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no results but {type(content).__name__}: delete it and run again")
    return content


def table(results: Mapping[str, Any], per: str = "token", *, where: bool = True) -> str:
    """Return a run's numbers as text: precision and recall of every model, in nats per "token" or per "sequence".

    ``where=False`` leaves out the device and the day, so that the same numbers are the same text.
    """
    config, done = results["config"], results["seeds"]
    lines = [
        about(results) + (f"; {results['device']}, {results['date']}" if where else ""),
        f"{f'nats per {per}':<18}{'precision':>22}{'recall':>22}",
    ]
    ceiling = results["truth"].get("negative_entropy")
    if ceiling:
        both = _number(ceiling[per])
        lines.append(f"{'p* itself':<18}{both:>22}{both:>22}   minus its entropy: the ceiling of recall")
    for model in results["models"]:
        name = model["name"] if model["tau"] is None or model["name"] == "teacher" else f"tau {model['tau']:g}"
        lines.append(f"{name:<18}{_number(model['precision'][per]):>22}{_number(model['recall'][per]):>22}")
    lines.append("± one standard error over sequences" + ("" if len(done) < 2 else "; in brackets, over seeds"))
    lines.append(f"seeds finished: {len(done)} of {config['seeds']}")
    lines += [f"not scored yet: {'; '.join(results['missing'])}"] if results["missing"] else []
    return "\n".join(lines)


def side_by_side(results: Mapping[str, Any], n: int = 4, width: int = 34, columns: int = 3) -> str:
    """Return ``n`` samples of p* and of every model as text, in columns ``width`` letters wide."""
    taus = {model["name"]: model["tau"] for model in results["models"] if model["role"] == "distilled"}
    named = {"truth": "p*", **{name: f"student at tau {tau:g}" for name, tau in taus.items()}}
    cells = [
        [[named.get(name, name), "-" * (width - 2)], *(textwrap.wrap(text, width - 2) or [""] for text in texts[:n])]
        for name, texts in results["texts"].items()
    ]
    lines: list[str] = []
    for first in range(0, len(cells), columns):
        for row in zip(*cells[first : first + columns], strict=False):
            for parts in itertools.zip_longest(*row, fillvalue=""):
                lines.append("".join(f"{part:<{width}}" for part in parts).rstrip())
            lines.append("")
    return "\n".join(lines).rstrip()


def about(results: Mapping[str, Any]) -> str:
    """One line that says which run this is: ground truth, sizes, lengths."""
    config = results["config"]
    vocabulary = "" if config["vocabulary"] is None else f" with {config['vocabulary']:,} tokens"
    return (
        f"{config['preset']}: p* {config['truth']}{vocabulary}, teacher {config['teacher']}, students "
        f"{config['student']}, at most {config['length']} tokens from {config['prompt']!r} on"
    )


def _number(estimate: Mapping[str, Any]) -> str:
    over_seeds = estimate.get("over_seeds")
    brackets = "" if over_seeds is None else f" ({over_seeds:.2f})"
    return f"{signed(estimate['value'])} ± {estimate['over_sequences']:.2f}{brackets}"
