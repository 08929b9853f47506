"""A run that is open in this process: its settings, its p* (the large model taken for the truth), and its folder.

    run.json, progress.jsonl, results.json     the settings, what was done and how fast, what was found
    corpus/train, validation, evaluation       texts of p*, in shards
    seed-0/teacher, direct, tau-0.6, ...       models: weights, and trained.json with the loss curve
    seed-0/tempered/tau-0.6, ...               what the teacher wrote at each temperature, for students
    seed-0/truncated/top-k-50, ...             what it wrote at tau = 1 with its likeliest tokens only, for students
    seed-0/samples/teacher, direct, ...        what each model wrote, to be judged
    seed-0/scores/teacher.npz, ...             those texts under p* (precision), p*'s texts under each model (recall)
    seed-0/attempts.json                       of instructions: acceptable and different answers of several tries
    seed-0/states.json                         p*'s hidden states of texts: a map of them, and practitioners' units
    scores/truth.npz                           p*'s texts under p* itself: the ceiling of recall

They come in the order in which `stages` makes them, which is nearly the order above.
"""

import hashlib
import shutil
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from kdlab.core.files import read_object, written_whole
from kdlab.lm.experiment import RunConfig, Truncation, label, model_names
from kdlab.lm.folder import Log
from kdlab.lm.pipeline import distributed as ranks
from kdlab.lm.pipeline.corpus import Corpus, MixedRuns, Prompts, Sequences
from kdlab.lm.pipeline.scoring import Scores
from kdlab.lm.pipeline.truth import Truth, load_truth


def truth_of(config: RunConfig) -> Truth:
    """Load the ground truth of a run, with the tokens of what it continues."""
    return load_truth(config.truth, vocabulary=config.vocabulary, prompt=config.begun)


def prompt_ids(config: RunConfig, truth: Truth) -> Prompts:
    """Return the ids of the prompt, or of each instruction as p* is asked it.

    Raises ValueError where one leaves no room or would not be evaluated.
    """
    begun = config.begun
    if not isinstance(begun, str) and config.evaluation_sequences < len(begun):
        raise ValueError(
            f"evaluation_sequences is {config.evaluation_sequences}, and there are {len(begun)} instructions: choose "
            "as many or more, so that each is answered"
        )
    texts = {begun: begun} if isinstance(begun, str) else {one: truth.asked(one) for one in begun}
    each = {one: truth.begun(text) for one, text in texts.items()}
    for one, ids in each.items():
        if not ids:
            raise ValueError(f"the prompt {one!r} has no token of {truth.name}: choose words that it knows")
        if len(ids) >= config.length:
            raise ValueError(
                f"length is {config.length}, and the prompt {one!r} takes {len(ids)} tokens of it: "
                "choose a greater length or a shorter prompt"
            )
    return each[begun] if isinstance(begun, str) else list(each.values())


@dataclass
class Run:
    """A run that is open in this process: settings, folder, where progress is told, and p*."""

    config: RunConfig
    folder: Path
    log: Log
    lock: ExitStack = field(default_factory=ExitStack)

    @cached_property
    def truth(self) -> Truth:
        """The ground truth, on this process's device."""
        truth = truth_of(self.config)
        truth.model.to(ranks.device())
        return truth

    @cached_property
    def begun(self) -> str | list[str]:
        """The prompt, or the instructions."""
        return self.config.begun

    @cached_property
    def prompt(self) -> Prompts:
        """Ids of the prompt, or of each instruction."""
        return prompt_ids(self.config, self.truth)

    def models(self, seed: int) -> dict[str, Path]:
        """The folders of one seed's models, by name."""
        return {name: self.folder / f"seed-{seed}" / name for name in model_names(self.config)}

    def corpus(self, part: str) -> Corpus:
        """The corpus of p* for "train", "validation" or "evaluation"."""
        counts = {
            "train": max(self.config.teacher_sequences, self.config.student_sequences),
            "validation": self.config.validation_sequences,
            "evaluation": self.config.evaluation_sequences,
        }
        spec = self._spec("p*", part, 0, 1.0, counts[part], self._truth_weights)
        return Corpus(self.folder / "corpus" / part, spec)

    def texts(self, part: str, n: int | None = None) -> Sequences:
        """The first ``n`` texts of p* for "train", "validation" or "evaluation"; all of them by default."""
        there = self.corpus(part)
        return there.read(n or there.spec["sequences"])

    def tempered(self, seed: int, tau: float) -> Corpus:
        """What the teacher of that seed writes at ``tau``, for students."""
        n = self.config.student_sequences
        return self._written(seed, "teacher", "tempered", label(tau), tau, n)

    def truncated(self, seed: int, name: str) -> Corpus:
        """What the teacher of that seed writes at tau = 1 cut to ``name``, such as "top-k-50", for that student."""
        n = self.config.student_sequences
        return self._written(seed, "teacher", "truncated", name, 1.0, n, truncation=Truncation.of(name).settings)

    def samples(self, seed: int, name: str) -> Corpus:
        """What a model writes, to be evaluated."""
        return self._written(seed, name, "samples", name, 1.0, self.config.evaluation_sequences)

    def _written(self, seed: int, model: str, purpose: str, name: str, tau: float, n: int, **others: Any) -> Corpus:
        """A corpus of one of our models, with ``others`` in its spec; what older weights of it wrote goes."""
        folder = self.folder / f"seed-{seed}" / purpose / name
        spec = self._spec(model, purpose, seed, tau, n, self.trained(seed, model)["sha256"]) | others
        try:
            return Corpus(folder, spec)
        except MixedRuns:
            shutil.rmtree(folder, ignore_errors=True)
            return Corpus(folder, spec)

    def trained(self, seed: int, name: str) -> dict[str, Any]:
        """What was recorded of a model when it was trained: checksums and curve; empty if it was not, or is damaged."""
        about = read_object(self.models(seed)[name] / "trained.json")
        return about if {"sha256", "data", "curve"} <= about.keys() else {}

    def _spec(self, model: str, purpose: str, seed: int, tau: float, n: int, weights: str) -> dict[str, Any]:
        """All that shards are a function of."""
        return {
            "model": model,
            "weights": weights,
            "purpose": purpose,
            "seed": seed,
            "tau": tau,
            "sequences": n,
            "shard": self.config.shard,
            "length": self.config.length,
            "vocabulary": self.truth.vocabulary,
            "prompt": self.prompt,
            "eos": self.truth.ends[0] if len(self.truth.ends) == 1 else list(self.truth.ends),
        }

    @cached_property
    def _truth_weights(self) -> str:
        """Which p* this is, whatever it is called: the first half of a checksum of its embedding."""
        weights = self.truth.model.get_input_embeddings().weight.detach().cpu().contiguous().numpy()
        return hashlib.sha256(weights.tobytes()).hexdigest()[:32]


def scores_path(run: Run, seed: int, name: str) -> Path:
    """Where a model's scores lie; p*'s own belong to no seed."""
    return run.folder / ("scores" if name == "truth" else f"seed-{seed}/scores") / f"{name}.npz"


def attempts_path(run: Run, seed: int) -> Path:
    """Where it lies what comes of asking each model of a seed several times."""
    return run.folder / f"seed-{seed}" / "attempts.json"


def states_path(run: Run, seed: int) -> Path:
    """Where it lies what p*'s hidden states say of the texts of a seed's models."""
    return run.folder / f"seed-{seed}" / "states.json"


def digest(*texts: Sequences) -> str:
    """A checksum of token sequences."""
    found = hashlib.sha256()
    for some in texts:
        found.update(np.ascontiguousarray(some.lengths).tobytes())
        found.update(np.ascontiguousarray(some.ids).tobytes())
    return found.hexdigest()


def write_scores(path: Path, of: str, found: Mapping[str, Scores]) -> None:
    """Keep scores by their names, such as "precision" and "recall"; ``of`` says of which texts and weights."""
    arrays = {
        f"{what}_{name}": own for what, one in found.items() for name, own in vars(one).items() if own is not None
    }
    with written_whole(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, of=np.array(of), **arrays)


def read_scores(
    path: Path, of: str | None = None, names: tuple[str, ...] = ("precision", "recall")
) -> dict[str, Scores] | None:
    """Return a model's scores of these names; None where they are missing, damaged or not of ``of``."""
    try:
        with np.load(path, allow_pickle=False) as data:
            if of is not None and str(data["of"]) != of:
                return None
            arrays = {name: data[name] for name in data.files}
            return {
                what: Scores(
                    arrays[f"{what}_nats"],
                    arrays[f"{what}_tokens"],
                    arrays.get(f"{what}_groups"),
                    arrays.get(f"{what}_states"),
                )
                for what in names
            }
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
