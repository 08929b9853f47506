"""Any causal language model that transformers loads, as far as this lab needs one: states, logits, the next token.

Of most models the logits are the output layer's product with the last states, so that states of many tokens can be
held, and logits made for a few at a time. Some do more after it: Gemma 2 caps its logits, Granite and Cohere scale
theirs. And most go on from the keys and values of what they have read; some hold another memory. So the shorter way
is taken where it gives the model's own logits, which is tried on a few tokens; else the model reads all of it again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, LlamaForCausalLM, PreTrainedModel

_NEAR = 1e-3  # of the spread of the logits: what float32, and sums in another order, may differ by
_SHARED = 4  # tokens in which the rows begin on which a way is tried


def vocabulary(model: PreTrainedModel) -> int:
    """How many tokens the model has logits for; ids are below it."""
    head: Any = model.get_output_embeddings()
    return int(head.weight.shape[0])


def splits(model: PreTrainedModel) -> bool:
    """Whether the logits are the output layer of the last states, and nothing more."""
    if isinstance(model, LlamaForCausalLM):
        return True
    if "_kdlab_splits" not in vars(model):
        output: Any = model.get_output_embeddings()
        vars(model)["_kdlab_splits"] = _alike(model, lambda ids: output(states(model, ids)))
    return bool(vars(model)["_kdlab_splits"])


def states(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """(B, L, hidden): the last hidden states, as the output layer gets them."""
    return torch.as_tensor(model.base_model(input_ids=ids, use_cache=False).last_hidden_state)


def read(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """(B, L, hidden): the last states; of a model that does not split, (B, L, V): its logits."""
    return states(model, ids) if splits(model) else _logits(model, ids)


def head(model: PreTrainedModel) -> Callable[[Tensor], Tensor]:
    """What makes logits (..., V) of what `read` gives."""
    output: Any = model.get_output_embeddings()
    return output if splits(model) else lambda logits: logits


def goes_on(model: PreTrainedModel) -> bool:
    """Whether the model goes on from its keys and values as if it had read all of it again."""
    if "_kdlab_goes_on" not in vars(model):
        vars(model)["_kdlab_goes_on"] = _alike(model, lambda ids: _step_by_step(model, ids))
    return bool(vars(model)["_kdlab_goes_on"])


@torch.inference_mode()
def looks_ahead(model: PreTrainedModel) -> bool:
    """Whether what comes later changes the logits of what came before: then it is no causal model."""
    own = _logits(model, _some_ids(model))[:, :_SHARED].float()
    return float((own[1:] - own[:1]).abs().max()) > _NEAR * float(own.std())


def _logits(model: PreTrainedModel, ids: Tensor) -> Tensor:
    return torch.as_tensor(model(input_ids=ids, use_cache=False).logits)


def _some_ids(model: PreTrainedModel) -> Tensor:
    """Three rows of ids that begin alike and end differently."""
    ids = torch.arange(3 * (_SHARED + 2), device=model.device).view(3, -1)
    ids[:, :_SHARED] = ids[0, :_SHARED]
    return ids % vocabulary(model)


@torch.inference_mode()
def _alike(model: PreTrainedModel, way: Callable[[Tensor], Tensor]) -> bool:
    """Whether ``way`` gives the model's own logits of some ids, or of their last rows and tokens."""
    ids = _some_ids(model)
    own = _logits(model, ids).float()
    try:
        found = way(ids).float()
    except Exception:  # of a way that a model does not have: in any way that transformers has
        return False
    near = (own[-found.shape[0] :, -found.shape[1] :] - found).abs() <= _NEAR * own.std()
    return bool(near.all())


def _step_by_step(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """The logits of the last two tokens of all rows but the first, as `Growing` gives them."""
    decoder, found = Growing(model, ids[0, :_SHARED].tolist()), []
    decoder.begin(len(ids))
    decoder.keep(torch.arange(len(ids), device=ids.device) > 0)
    for token in ids[1:, _SHARED:].T:
        decoder.advance(token)
        found.append(decoder.logits)
    return torch.stack(found, dim=1)


class Growing:
    """A model that goes on token by token from the keys and values of what it has read; they grow with it."""

    shrinks = True

    def __init__(self, model: PreTrainedModel, prompt: list[int]) -> None:
        self.prompt, self.device, self._model = prompt, model.device, model

    def begin(self, n: int) -> None:
        """Read the prompt, once for ``n`` sequences; ``logits`` (n, V) are those of the first token."""
        prompt = torch.tensor([self.prompt], device=self.device)
        self._memory = DynamicCache(config=self._model.config)
        self.logits = self._step(prompt).expand(n, -1)
        self._memory.batch_repeat_interleave(n)

    def keep(self, which: Tensor) -> None:
        """Let the other sequences go."""
        self._memory.batch_select_indices(which.nonzero()[:, 0])

    def advance(self, token: Tensor) -> None:
        """Read ``token`` (B,); ``logits`` (B, V) are then those of the next."""
        self.logits = self._step(token[:, None])

    def _step(self, ids: Tensor) -> Tensor:
        made: Any = self._model(input_ids=ids, past_key_values=self._memory, use_cache=True)
        return torch.as_tensor(made.logits[:, -1])


class Rereading:
    """A model that reads all of it again for each token: slow, and right for any."""

    shrinks = True

    def __init__(self, model: PreTrainedModel, prompt: list[int]) -> None:
        self.prompt, self.device, self._model = prompt, model.device, model

    def begin(self, n: int) -> None:
        """Read the prompt for ``n`` sequences; ``logits`` (n, V) are those of the first token."""
        self._ids = torch.tensor([self.prompt], device=self.device)
        self.logits = _logits(self._model, self._ids)[:, -1].expand(n, -1)
        self._ids = self._ids.expand(n, -1)

    def keep(self, which: Tensor) -> None:
        """Let the other sequences go."""
        self._ids = self._ids[which]

    def advance(self, token: Tensor) -> None:
        """Read ``token`` (B,); ``logits`` (B, V) are then those of the next."""
        self._ids = torch.cat([self._ids, token[:, None]], dim=1)
        self.logits = _logits(self._model, self._ids)[:, -1]
