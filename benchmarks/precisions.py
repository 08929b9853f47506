"""What faster number formats change: SmolLM2-135M in float16, bfloat16 and TensorFloat-32 beside float32.

    python benchmarks/precisions.py      minutes on a CPU; needs `kdlab fetch smollm2`; writes precisions.json

48 texts of p*, of at most 128 tokens, written in float32 and read again in each format. *Divergence*: of the next
token's distribution from float32's, nats per token. *Apart*: log-probabilities of the texts, nats per token, over all
texts and of the text for which it is worst. TensorFloat-32 is imitated: both factors of every product are rounded to
ten bits after the point, as the units of a GPU do, and the sums stay float32.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import torch
from transformers import LlamaForCausalLM

from kdlab.core.files import written_whole
from kdlab.lm.pipeline.corpus import generator
from kdlab.lm.pipeline.sampling import sample
from kdlab.lm.pipeline.truth import load_truth

HERE = Path(__file__).resolve().parent
TEXTS, LENGTH, AT_ONCE = 48, 128, 8


def in_format(model: LlamaForCausalLM, dtype: torch.dtype) -> LlamaForCausalLM:
    """A copy whose weights have that format, as kdlab.lm.pipeline.sampling makes it on a GPU."""
    made = copy.deepcopy(model)
    for weight in made.parameters():
        weight.data = weight.data.to(dtype)
    return made


def in_tensor_float(model: LlamaForCausalLM) -> LlamaForCausalLM:
    """A copy whose products are rounded as TensorFloat-32 does."""
    made = copy.deepcopy(model)
    for module in made.modules():
        if isinstance(module, torch.nn.Linear):
            module.weight = torch.nn.Parameter(rounded(module.weight), requires_grad=False)
            module.register_forward_pre_hook(lambda module, given: (rounded(given[0]),))
    return made


def rounded(numbers: torch.Tensor) -> torch.Tensor:
    """Round float32 to ten bits after the point, ties to even."""
    bits = numbers.detach().contiguous().view(torch.int32)
    return ((bits + 0x0FFF + ((bits >> 13) & 1)) & ~0x1FFF).view(torch.float32)


@torch.inference_mode()
def logs(model: LlamaForCausalLM, ids: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """(tokens, V): log-probabilities at every counted place."""
    parts = [
        torch.log_softmax(model(some[:, :-1]).logits.float(), dim=-1)[places]
        for some, places in zip(ids.split(AT_ONCE), counted.split(AT_ONCE), strict=True)
    ]
    return torch.cat(parts)


def largest_activation(model: LlamaForCausalLM, ids: torch.Tensor) -> float:
    """What float16, which ends at 65,504, must hold."""
    seen: list[float] = []
    hooks = [
        layer.register_forward_hook(lambda layer, given, out: seen.append(float(out.abs().max())))
        for layer in model.model.layers
    ]
    with torch.inference_mode():
        model.model(ids)
    for hook in hooks:
        hook.remove()
    return max(seen)


def main() -> None:
    """Measure, print, save."""
    truth = load_truth("bundled")
    rng = generator(0, "precisions")
    texts = sample(truth.model, truth.encode("The"), TEXTS, length=LENGTH, eos=truth.eos, rng=rng)
    ids, lengths = texts.tensors(torch.device("cpu"))
    places = torch.arange(1, ids.shape[1])
    counted = (places >= texts.prompt) & (places < lengths[:, None])
    exact = logs(truth.model, ids, counted)
    own, which = ids[:, 1:][counted], torch.arange(TEXTS)[:, None].expand_as(counted)[counted]
    tokens = torch.zeros(TEXTS).index_add_(0, which, torch.ones(len(own)))
    found: dict[str, dict[str, float]] = {}
    ways: dict[str, Callable[[], LlamaForCausalLM]] = {
        "float16": lambda: in_format(truth.model, torch.float16),
        "bfloat16": lambda: in_format(truth.model, torch.bfloat16),
        "TensorFloat-32": lambda: in_tensor_float(truth.model),
    }
    for name, make in ways.items():
        other = logs(make(), ids, counted)
        moved = torch.zeros(TEXTS).index_add_(0, which, (other - exact).gather(1, own[:, None])[:, 0])
        found[name] = {
            "divergence": float((exact.exp() * (exact - other)).sum(dim=-1).mean()),
            "apart": float(moved.sum() / tokens.sum()),
            "apart, worst text": float((moved / tokens).abs().max()),
        }
        print(name, {key: f"{value:.1e}" for key, value in found[name].items()}, flush=True)
    about = {"largest activation": largest_activation(truth.model, ids[:AT_ONCE]), "tokens": len(own)}
    versions = {name: metadata.version(name) for name in ("torch", "transformers")}
    with written_whole(HERE / "precisions.json") as temporary:
        temporary.write_text(json.dumps(found | about | versions, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
