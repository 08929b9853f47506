"""The ground truth p* of a run, a language model: the bundled SmolLM2-135M, a random one, a folder, or from a hub."""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from logging import ERROR, getLogger
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoTokenizer, LlamaForCausalLM
from transformers.utils import logging

from kdlab.core.files import checksum
from kdlab.lm.pipeline import fetch as smollm2
from kdlab.lm.pipeline.fetch import WeightsError
from kdlab.lm.pipeline.model import new_model, restricted
from kdlab.lm.sizes import size_named
from kdlab.lm.syllables import Syllables

SOURCES = ("bundled", "random")  # besides folders and hub ids

# The random model. Layers loud enough that a token is more than an echo of the one before, a last norm that leaves
# about 2 nats of choice, an end that is likelier than most: found by trying, and held to by a test.
_SEED, _VOCABULARY, _LOUDER, _SHARPER, _END = 5, 64, 1.3, 2.6, 1.5


@dataclass(frozen=True)
class Truth:
    """A p*: a Llama (evaluation mode, float32, frozen), its tokenizer, the token that ends a text, and its history.

    ``provenance`` goes into results.json: what the model is, with the checksum of what it was read from.
    """

    name: str
    model: Any
    tokenizer: Any
    eos: int
    provenance: dict[str, Any]

    @property
    def vocabulary(self) -> int:
        """How many tokens there are; ids are below it."""
        return int(self.model.config.vocab_size)

    def encode(self, text: str) -> list[int]:
        """Return the ids of ``text``, none added; ValueError naming the first piece outside the vocabulary."""
        ids = [int(i) for i in self.tokenizer.encode(text, add_special_tokens=False)]
        for i in ids:
            if i >= self.vocabulary:
                raise ValueError(
                    f"{self.tokenizer.decode([i])!r} in {text!r} is token {i}, outside the first {self.vocabulary} "
                    f"tokens that are kept of {self.name}: choose other words, or a larger vocabulary"
                )
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ``ids``, without special tokens such as the end."""
        return str(self.tokenizer.decode([int(i) for i in ids], skip_special_tokens=True))

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """Return the text of each token by itself, special ones included; part of a character is shown as U+FFFD."""
        return [str(self.tokenizer.decode([int(i)])) for i in ids]


def load_truth(source: str, *, vocabulary: int | None = None, eos: int | None = None) -> Truth:
    """Load a p* on the CPU.

    source: "bundled" (SmolLM2-135M-Instruct, once ``kdlab fetch smollm2`` has been here), "random" (a tiny Llama
        with fixed weights, no files; it writes syllables), a folder with config.json and model.safetensors, or the id
        of a model on a hub, somebody/model. Llamas only.
    vocabulary: keep the first so many tokens (sizes.restricted): each step is then exactly p* given that the next
        token is one of them. "random" is made with so many (64). Default: all.
    eos: the token that ends a text. Default: the model's own.

    Raises WeightsError for weights that are not there or not a whole Llama, saying what to do, and ValueError for a
    source that is none of these, a vocabulary larger than the model's, or an end outside of it.
    """
    if source == "random":
        if eos not in (None, 0):
            raise ValueError(f"eos is {eos}: the random model ends a text with token 0")
        return _random(_VOCABULARY if vocabulary is None else vocabulary)
    model, tokenizer, provenance = _loaded(source)
    ends = model.config.eos_token_id if eos is None else eos
    whole, kept = model.config.vocab_size, model.config.vocab_size if vocabulary is None else vocabulary
    if not isinstance(ends, int):
        raise ValueError(f"{source} ends a text with any of {ends}: choose one of them as eos")
    if not 0 <= ends < kept:
        raise ValueError(f"eos is {ends}, outside the {kept} tokens that are kept: no text could end")
    model = restricted(model, kept).requires_grad_(False).eval()
    provenance |= {"vocabulary": kept, "vocabulary_of_the_whole": whole, "eos": ends}
    return Truth(provenance["source"], model, tokenizer, ends, provenance)


def _loaded(source: str) -> tuple[LlamaForCausalLM, Any, dict[str, Any]]:
    """Return model, tokenizer and the provenance of a source that has files."""
    if source == "bundled":
        trouble = smollm2.fault()
        if trouble is not None:
            raise WeightsError(
                f"the bundled SmolLM2-135M is not usable in {smollm2.checkpoint()} ({trouble}): run "
                "`kdlab fetch smollm2` (about a minute)"
            )
        record = {"source": "bundled"} | smollm2.provenance()
        return *_from_files(source, smollm2.checkpoint()), record
    folder = Path(source).expanduser()
    if source and folder.is_dir():
        model, tokenizer = _from_files(source, folder)
        sums = {path.name: checksum(path) for path in sorted(folder.glob("*.safetensors"))}
        return model, tokenizer, {"source": folder.resolve().name, "sha256": sums}
    if source.count("/") != 1 or source.startswith((".", "~", "/")):
        near = difflib.get_close_matches(source, SOURCES, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(
            f"p* from {source!r}{hint}: choose 'bundled', 'random', a folder that exists, or the id of a model on a "
            "hub, somebody/model"
        )
    model, tokenizer = _from_files(source, None)
    return model, tokenizer, {"source": source, "revision": getattr(model.config, "_commit_hash", None)}


def _from_files(source: str, folder: Path | None) -> tuple[LlamaForCausalLM, Any]:
    """Let transformers read a folder, or the hub where there is none: safetensors only, every weight in its place."""
    place: dict[str, Any] = {
        "pretrained_model_name_or_path": source if folder is None else str(folder),
        "local_files_only": folder is not None,
    }
    try:
        with _quiet():
            config = AutoConfig.from_pretrained(**place)
            if config.model_type != "llama":
                raise WeightsError(f"{source} is a {config.model_type}, and p* is a Llama here: choose another")
            model, report = LlamaForCausalLM.from_pretrained(
                config=config, dtype=torch.float32, use_safetensors=True, output_loading_info=True, **place
            )
            tokenizer = AutoTokenizer.from_pretrained(**place)
    except (OSError, ValueError, SafetensorError) as error:
        raise WeightsError(_unreadable(source, folder, error)) from error
    wrong = {key: sorted(report[key]) for key in ("missing_keys", "unexpected_keys", "mismatched_keys") if report[key]}
    if wrong:
        raise WeightsError(f"the weights of {source} do not fit its config.json: {wrong}")
    return model, tokenizer


def _unreadable(source: str, folder: Path | None, error: Exception) -> str:
    reason = str(error).strip().splitlines()[0]
    if folder is not None:
        return (
            f"{folder} could not be read as a model ({reason}). It needs config.json, model.safetensors and the "
            "tokenizer's files, as save_pretrained writes them"
        )
    return (
        f"{source} could not be had from the model hub ({reason}). Without a network: on a machine that has one, load "
        "it with transformers, save model and tokenizer with save_pretrained, copy that folder here and give its path "
        "instead; or use 'bundled', which `kdlab fetch smollm2` gets from the package index"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars of transformers meanwhile: a small model loads in a blink, and notebooks keep all output.

    Nor a line for every try to reach a hub: where all of them fail, one error says so.
    """
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    hub = getLogger("huggingface_hub")
    before = hub.level
    hub.setLevel(ERROR)
    try:
        yield
    finally:
        hub.setLevel(before)
        if shown:
            logging.enable_progress_bar()


def _random(vocabulary: int) -> Truth:
    """A tiny Llama whose weights numpy draws, as its generator gives the same numbers on every machine."""
    tokenizer, eos = Syllables(vocabulary), 0
    model = new_model(size_named("tiny"), vocabulary, eos=eos, rng=torch.Generator().manual_seed(0))
    rng = np.random.default_rng(_SEED)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 2:
                deviation = (1.0 if name == "model.embed_tokens.weight" else _LOUDER) / weight.shape[1] ** 0.5
                drawn = rng.standard_normal(tuple(weight.shape), dtype=np.float32)
                weight.copy_(torch.from_numpy(drawn * np.float32(deviation)))
        model.model.norm.weight.fill_(_SHARPER)
        model.lm_head.weight[eos] *= _END
    provenance = {
        "source": "random",
        "model": "a tiny Llama with fixed random weights: no language",
        "seed": _SEED,
        "vocabulary": vocabulary,
        "vocabulary_of_the_whole": vocabulary,
        "eos": eos,
    }
    return Truth("random", model.requires_grad_(False), tokenizer, eos, provenance)
