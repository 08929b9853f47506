"""Tiny random causal models of many kinds, tokenizers of our own, and log-probabilities computed plainly."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from support.repository import ROOT
from support.torch_side import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from transformers import models as kinds

_SHAPE = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 256, "bos_token_id": None, "eos_token_id": 0,
    "pad_token_id": 0,
}  # fmt: skip
_PLAIN = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 32, "eos_token_id": 0}

# Each is what it is here for: windows of four tokens, capped or scaled logits, positions of many sorts, no attention.
KINDS: dict[str, Callable[[int], Any]] = {
    "llama": lambda n: kinds.llama.LlamaConfig(vocab_size=n, **_SHAPE),
    "llama, tied": lambda n: kinds.llama.LlamaConfig(vocab_size=n, **_SHAPE, tie_word_embeddings=True),
    "mistral": lambda n: kinds.mistral.MistralConfig(vocab_size=n, **_SHAPE, sliding_window=4),
    "qwen2": lambda n: kinds.qwen2.Qwen2Config(vocab_size=n, **_SHAPE),
    "qwen3": lambda n: kinds.qwen3.Qwen3Config(vocab_size=n, **_SHAPE, head_dim=8),
    "gemma2": lambda n: kinds.gemma2.Gemma2Config(vocab_size=n, **_SHAPE, head_dim=8, sliding_window=4),
    "gemma3": lambda n: kinds.gemma3.Gemma3TextConfig(vocab_size=n, **_SHAPE, head_dim=8, sliding_window=4),
    "gpt2": lambda n: kinds.gpt2.GPT2Config(
        vocab_size=n, n_embd=32, n_layer=2, n_head=4, n_positions=256, bos_token_id=0, eos_token_id=0
    ),
    "pythia": lambda n: kinds.gpt_neox.GPTNeoXConfig(vocab_size=n, intermediate_size=64, **_PLAIN),
    "phi": lambda n: kinds.phi.PhiConfig(vocab_size=n, **_SHAPE | {"num_key_value_heads": 4}),
    "granite": lambda n: kinds.granite.GraniteConfig(vocab_size=n, **_SHAPE, logits_scaling=4.0),
    "bloom": lambda n: kinds.bloom.BloomConfig(vocab_size=n, hidden_size=32, n_layer=2, n_head=4, eos_token_id=0),
    "mamba": lambda n: kinds.mamba.MambaConfig(vocab_size=n, hidden_size=32, num_hidden_layers=2, eos_token_id=0),
}


@cache
def tokenizer(size: int = 300, first: bool = False, of: str = "README.md") -> Any:
    """A byte-level tokenizer of ``size`` tokens, learned from a file of ours; ``first``: it puts <s> before a text."""
    own = Tokenizer(models.BPE())
    own.pre_tokenizer, own.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    special = ["<end>", *(["<s>"] if first else [])]
    letters = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=special, initial_alphabet=letters, show_progress=False
    )
    own.train_from_iterator([(ROOT / of).read_text(encoding="utf-8")], trainer)
    if first:
        own.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=own, eos_token="<end>", bos_token="<s>" if first else None)


def make(kind: str, vocabulary: int, seed: int = 0, louder: float = 8.0) -> Any:
    """A model whose weights are loud enough that its logits differ by nats."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(KINDS[kind](vocabulary))
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() >= 2:
                weight.mul_(louder)
    return model.eval()


def save(folder: Path, kind: str, tokens: Any, seed: int = 0, **how: Any) -> str:
    """Save a model and its tokenizer as save_pretrained does; return the folder as text."""
    model = make(kind, len(tokens), seed)
    model.to(how.pop("dtype", torch.float32)).save_pretrained(folder, **how)
    tokens.save_pretrained(folder)
    return str(folder)


def plainly(model: Any, ids: Sequence[int], given: int, tau: float = 1.0) -> float:
    """The log-probability of all but the first ``given`` ids: one forward pass, nothing clever."""
    with torch.no_grad():
        logits = model(torch.tensor([list(ids)])).logits[0].double() / tau
    steps = torch.log_softmax(logits, dim=-1)
    return float(sum(steps[i - 1, ids[i]] for i in range(given, len(ids))))
