"""A measurement that is open in this process: its settings, its models, and its folder.

    run.json, progress.jsonl, results.json       the settings, what was done and how fast, what was found
    report.html, precision_recall.png            the same to be read, once all is there
    texts/truth, texts/NAME                      what p* and each model wrote, in shards; NAME.jsonl: the texts in words
    scores/truth-of-NAME-00000.npz, ...          a shard of a model's texts under p*, p*'s under a model, and its own

Every model is loaded once before any work, so that what cannot be measured is said first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from kdlab.core.files import checksum, held, read_object
from kdlab.lm.experiment import RunConfig, Truncation, read_instructions
from kdlab.lm.folder import Line, Log, begin, read_results, recorded_folder, refuse_others
from kdlab.lm.measurement import KIND, MeasureConfig
from kdlab.lm.measuring.wording import tokens_told
from kdlab.lm.pipeline import distributed as ranks
from kdlab.lm.pipeline.corpus import Corpus, MixedRuns
from kdlab.lm.pipeline.model import new_model
from kdlab.lm.pipeline.run import truth_of
from kdlab.lm.pipeline.training import load_weights
from kdlab.lm.pipeline.truth import Truth, load_truth
from kdlab.lm.sizes import size_named


@dataclass
class Model:
    """One of the models: where it comes from, and what is known of it once it has been loaded."""

    name: str
    source: str
    begun: list[list[int]] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)


@dataclass
class Measurement:
    """A measurement that is open in this process. ``models``: p* ("truth") first."""

    config: MeasureConfig
    folder: Path
    log: Log
    models: dict[str, Model]
    lock: ExitStack = field(default_factory=ExitStack)
    held: tuple[str, Truth] | None = None
    worked: bool = False  # whether anything was read that was not there

    def loaded(self, name: str) -> Truth:
        """A model, on this process's device; the one before leaves the memory."""
        if self.held is None or self.held[0] != name:
            self.held = None
            model = load_any(self.models[name].source, self.config)
            model.model.to(ranks.device())
            self.held = name, model
        return self.held[1]

    def corpus(self, name: str) -> Corpus:
        """What a model writes; texts of other weights of it go."""
        model, config = self.models[name], self.config
        tau, cut = (1.0, "") if name == "truth" else (config.tau, config.truncation)
        spec = {
            "model": name,
            "weights": model.about["weights"],
            "purpose": "measured",
            "seed": config.seed,
            "tau": tau,
            "sequences": config.texts,
            "shard": config.shard,
            "length": max(map(len, model.begun)) + config.length,
            "prompt": model.begun[0] if len(model.begun) == 1 else model.begun,
            "eos": model.about["ends"],
        } | ({"truncation": Truncation.of(cut).settings} if cut else {})
        folder = self.folder / "texts" / name
        try:
            return Corpus(folder, spec)
        except MixedRuns:
            if ranks.first():
                for path in folder.iterdir():
                    path.unlink()
            ranks.wait()
            return Corpus(folder, spec)


def close(run: Measurement) -> None:
    """Give back the folder and the memory."""
    run.lock.close()
    run.held = None
    torch.cuda.empty_cache()


def opened(config: MeasureConfig, folder: Path, show: Callable[[Line], None]) -> Measurement:
    """Hold the folder, and look at every model before any work: what cannot be measured is said here."""
    place = folder.absolute()
    refuse_others(place, config, KIND)
    sources = {"truth": config.truth, **dict(config.models)}
    with ExitStack() as lock:
        if ranks.first():
            lock.enter_context(held(place, "work", wait=5.0))
        models = {name: Model(name, source) for name, source in sources.items()}
        run = Measurement(config, place, Log(place, show, ranks.rank()), models)
        for model in run.models.values():
            _look_at(run, model)
        _refuse_unreadable(run)
        if ranks.first():
            begin(place, config, KIND)
            for model in run.models.values():
                if note := model.about["note"]:
                    run.log.stage(model.name).note(note)
        ranks.wait()
        run.lock = lock.pop_all()
    return run


def load_any(source: str, config: MeasureConfig) -> Truth:
    """Load what `MeasureConfig` calls a source."""
    found = _of_a_run(source)
    if found is None:
        return load_truth(source, dtype=getattr(torch, config.dtype))
    told, weights = found
    settings = RunConfig.of(told["preset"], {name: value for name, value in told.items() if name != "preset"})
    truth = truth_of(settings)
    if weights is None:
        return truth
    if not weights.is_file():
        raise ValueError(f"{source}: {weights} is not there; give the folder of a model that the run has trained")
    name = weights.stem if weights.stem != "model" else weights.parent.name
    size = size_named(settings.teacher if name == "teacher" else settings.student)
    model = new_model(size, truth.vocabulary, eos=truth.ends, rng=torch.Generator().manual_seed(0))
    load_weights(model, weights).eval().requires_grad_(False)
    return replace(truth, name=name, model=model, provenance={"source": name, "sha256": checksum(weights)}, note="")


def _of_a_run(source: str) -> tuple[dict[str, Any], Path | None] | None:
    """The settings of the run that a source is of, and a model's weights (p*: None); None for any other source."""
    folder, parts = Path(source), source.split("/")
    if parts[0] == "recorded" and len(parts) in (2, 3) and not folder.exists():
        run = recorded_folder() / parts[1]
        if not (run / "results.json").is_file():
            known = ", ".join(
                sorted(path.parent.parent.name for path in recorded_folder().glob("*/weights/weights.json"))
            )
            raise ValueError(f"{source} is no run that came with kdlab: choose recorded/ and one of {known}")
        return read_results(run)["config"], run / "weights" / f"{parts[2]}.safetensors" if len(parts) == 3 else None
    run = folder.parent.parent if (folder / "trained.json").is_file() else folder
    if not (run / "run.json").is_file():
        return None
    told = read_object(run / "run.json")
    if told.get("kind", "run") != "run":
        raise ValueError(f"{source} is a measurement, and no model: give the folder of a run, or of a model")
    return told["config"], None if run == folder else folder / "model.safetensors"


def _look_at(run: Measurement, model: Model) -> None:
    """What is known of a model once it is loaded. Raises ValueError where its prompts cannot be what texts continue."""
    own, config = run.loaded(model.name), run.config
    texts = [own.asked(one) for one in read_instructions(config.prompts)] if config.prompts else [config.prompt]
    model.begun = [own.begun(text) or _nothing(own) for text in texts]
    if len(model.begun) > config.texts:
        raise ValueError(f"texts is {config.texts}, and there are {len(model.begun)} prompts: choose as many or more")
    longest, room = max(map(len, model.begun)), _positions(own.model)
    if longest + config.length > min(room, 2**16 - 1):
        raise ValueError(
            f"{model.name} ({model.source}) has {room} positions, and a prompt of {longest} tokens with "
            f"{config.length} new ones takes more: choose a smaller length or a shorter prompt"
        )
    embedding = own.model.get_input_embeddings().weight.detach().float().cpu().contiguous().numpy()
    told = json.dumps(own.provenance, sort_keys=True, default=str).encode() + embedding.tobytes()
    model.about = {
        "name": own.name,
        "source": model.source,
        "kind": own.model.config.model_type,
        "provenance": own.provenance,
        "note": own.note,
        "parameters": sum(weight.numel() for weight in own.model.parameters()),
        "vocabulary": own.vocabulary,
        "ends": own.ends[0] if len(own.ends) == 1 else list(own.ends),
        "tokens": tokens_told(own),
        "cut": bool(own.kept),
        "asked": [own.decode(ids) for ids in model.begun],
        "weights": hashlib.sha256(told).hexdigest()[:32],
        "stored_as": str(getattr(own.model.config, "dtype", "")).removeprefix("torch."),
    }


def _nothing(own: Truth) -> list[int]:
    """What a text continues that has no beginning: the tokenizer's first token, or, as GPT-2 has it, an end."""
    first = getattr(own.tokenizer, "bos_token_id", None)
    if first is not None and 0 <= int(first) < own.vocabulary and not own.kept:
        return [int(first)]
    return [own.eos]


def _positions(model: Any) -> int:
    shape = model.config.get_text_config()
    return int(getattr(shape, "max_position_embeddings", None) or 2**16)


def _refuse_unreadable(run: Measurement) -> None:
    """Raise ValueError where a model's texts would not be whole in p*'s tokens, or p*'s in the model's."""
    truth = run.models["truth"].about
    for model in list(run.models.values())[1:]:
        other = model.about["tokens"] != truth["tokens"]
        cut = [one for one in ("truth", model.name) if run.models[one].about["cut"]]
        if other and cut:
            raise ValueError(
                f"{model.name} ({model.source}) has other tokens than p*, and {cut[0]} is cut to "
                f"{run.models[cut[0]].about['vocabulary']} of its own, so that it cannot read every text: give whole "
                "models, or two of the same tokens"
            )
