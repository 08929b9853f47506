"""What a student learns at each token from a teacher that is there: its distribution, by one of several divergences.

With T the teacher's odds of the next token, S the student's, and M their mean, in nats per token:

    forward    KL(T || S): cover what the teacher says (Hinton et al. 2015)
    reverse    KL(S || T): say what the teacher says (MiniLLM, Gu et al. 2024, at each token; no gradient through texts)
    jsd        (KL(T || M) + KL(S || M)) / 2 (GKD, Agarwal et al. 2024, at beta = 1/2; at most log 2)

Both are tempered by one tau. A teacher whose likeliest logits only were kept is read with one more outcome, "any other
token", so that a student that loses mass to others pays for it; without that, T is made whole over those k alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from kdlab.lm.experiment import Stored


@dataclass(frozen=True)
class Objective:
    """A ``divergence`` (forward, reverse, jsd), the ``tau`` of both sides, and what was ``stored`` of the teacher.

    Raises ValueError for a divergence or tau that cannot be, and for one that needs the tail that was not stored.
    """

    divergence: str
    tau: float = 1.0
    stored: Stored | None = None

    def __post_init__(self) -> None:
        if self.divergence not in DIVERGENCES:
            raise ValueError(f"divergence is {self.divergence!r}: choose one of {', '.join(DIVERGENCES)}")
        if not 0 < self.tau < math.inf:
            raise ValueError(f"tau of the loss is {self.tau}: give a positive temperature; 1 leaves both as they are")
        if self.stored is not None and not self.stored.tail and self.divergence != "forward":
            raise ValueError(
                f"divergence is {self.divergence!r}, and of the teacher only {self.stored} is kept: what the student "
                "says elsewhere would cost it nothing; keep the tail, or choose forward"
            )

    def of(self, student: Tensor, teacher: Tensor) -> Tensor:
        """(M,): nats at each token, of logits (M, V) each. Differentiable in the student's."""
        own, told = (torch.log_softmax(logits.float() / self.tau, dim=-1) for logits in (student, teacher))
        if self.stored is not None:
            own, told = _kept(own, told, self.stored)
        return DIVERGENCES[self.divergence](own, told)


def _kept(own: Tensor, told: Tensor, stored: Stored) -> tuple[Tensor, Tensor]:
    """Log-odds of the teacher's likeliest tokens (M, k); where there is a tail, (M, k + 1), of all others together."""
    most, which = told.topk(min(stored.top_k, told.shape[-1]), dim=-1)
    mine = own.gather(-1, which)
    if not stored.tail:
        return mine, torch.log_softmax(most, dim=-1)
    if stored.top_k >= told.shape[-1]:
        return mine, most  # there are no others
    return torch.cat([mine, _others(own, which)], dim=-1), torch.cat([most, _others(told, which)], dim=-1)


def _others(logs: Tensor, which: Tensor) -> Tensor:
    """(M, 1): the log-odds of all but some tokens together; summed, as 1 less the others would lose what is small."""
    return logs.scatter(-1, which, -math.inf).logsumexp(dim=-1, keepdim=True)


def _kl(of: Tensor, beside: Tensor) -> Tensor:
    return (of.exp() * (of - beside)).sum(dim=-1)


def _jsd(own: Tensor, told: Tensor) -> Tensor:
    mean = torch.logaddexp(own, told) - math.log(2)
    return (_kl(told, mean) + _kl(own, mean)) / 2


DIVERGENCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "forward": lambda own, told: _kl(told, own),
    "reverse": _kl,
    "jsd": _jsd,
}


def token_nats(student: Any, teacher: Any, ids: Tensor, counted: Tensor, objective: Objective, some: int) -> Tensor:
    """(): the nats of all counted tokens together; ids (B, L), counted (B, L) says which were not given and are there.

    A text that was cut has no token after its last one, so none is learned there. Logits of ``some`` tokens at a time.
    """
    scored = counted[:, 1:]
    own = student.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state[scored]
    with torch.no_grad():
        told = teacher.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state[scored]
    return torch.as_tensor(_Summed.apply(own, student.lm_head.weight, told, teacher.lm_head.weight, objective, some))


class _Summed(torch.autograd.Function):
    """Nats of all tokens, whose gradients are made along with them: logits of a few tokens only are ever held."""

    @staticmethod
    def forward(
        ctx: Any, own: Tensor, weight: Tensor, told: Tensor, taught: Tensor, objective: Objective, some: int
    ) -> Tensor:
        """Of states (M, H) and the output layers' weights (V, H) of both."""
        by_states, by_weights = torch.empty_like(own), torch.zeros_like(weight)
        total = own.new_zeros((), dtype=torch.float32)
        mine = weight.detach().requires_grad_()
        for first in range(0, len(own), some):
            rows = slice(first, first + some)
            states = own[rows].detach().requires_grad_()
            with torch.enable_grad():
                nats = objective.of(linear(states, mine), linear(told[rows], taught.detach())).sum()
                by_states[rows], more = torch.autograd.grad(nats, (states, mine))
            by_weights += more
            total += nats.detach()
        ctx.save_for_backward(by_states, by_weights)
        return total

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> tuple[Tensor, Tensor, None, None, None, None]:
        """Scale both gradients."""
        by_states, by_weights = ctx.saved_tensors
        return by_states * upstream[0], by_weights * upstream[0], None, None, None, None


def bytes_per_token(vocabulary: int, stored: Stored | None) -> int:
    """What a teacher's answer takes on disk: float16 values, and ids of two bytes, or four above 65,536 tokens."""
    if stored is None:
        return 2 * vocabulary
    return stored.top_k * (2 + (2 if vocabulary <= 2**16 else 4))
