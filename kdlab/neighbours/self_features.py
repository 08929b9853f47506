"""Self-feature regularisation (SFR): a network without a teacher, whose deep features supervise its shallow ones.

The work: Fan & Hou 2021, arXiv 2103.07350, WITHDRAWN by its authors ("Significant errors in experimental data"). Its
claim: deep features as targets for shallow ones (an EMD-l2 loss, many to one), with dynamic label smoothing at the
output, do without a teacher and perform better. Only the abstract could be read: the penalty is our reading.

Replaced: image networks by next-letter networks on few first names: two letters, one-hot, three tanh layers, softmax.
Each is a chain of order 2, so precision and recall under p* are exact, in nats per name.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdlab.core.metrics import precision, recall
from kdlab.ngrams.model import NGramChain
from kdlab.ngrams.names import LETTERS, first_names

FloatArray = NDArray[np.float64]
SIZES = (54, 32, 32, 32, 27)  # inputs, three layers of features, letters and the end
EVERY = 5  # steps from one look to the next
CONTEXTS = ("", *LETTERS, *(a + b for a in LETTERS for b in LETTERS))  # R = 703, as in a chain of order 2


@dataclass(frozen=True)
class Way:
    """How to train: the data's cross-entropy plus ``weight`` times the penalty sum_i mean (h_i - h_3)^2, i = 1, 2.

    h are features, the mean is over units, contexts weigh as often as they are passed. ``shuffled``: h_3 is another
    context's, drawn anew at each step. ``attached``: gradients run into h_3 too. ``smoothing`` of each target is equal
    odds. Raises ValueError for a weight below 0 and a smoothing outside [0, 1).
    """

    weight: float = 0.0
    shuffled: bool = False
    attached: bool = False
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight >= 0 and 0 <= self.smoothing < 1):
            raise ValueError(f"weight {self.weight}, smoothing {self.smoothing}: give one from 0, and one in [0, 1)")


WAYS = {
    "plain": Way(),
    "self": Way(1.0),
    "shuffled": Way(1.0, shuffled=True),
    "attached": Way(1.0, attached=True),
    "attached, shuffled": Way(1.0, attached=True, shuffled=True),
    "smoothing": Way(smoothing=0.1),
}


@dataclass(frozen=True)
class Runs:
    """S networks, looked at after K ``steps`` (K,): exact recall, and the mean log-probability of n / 4 held-out names.

    Both (K, S), nats per name. ``late``: the S networks at the end; ``early``: where ``held_out`` is best.
    """

    steps: NDArray[np.intp]
    recall: FloatArray
    held_out: FloatArray
    late: tuple[NGramChain, ...]
    early: tuple[NGramChain, ...]


def numbers(students: Sequence[NGramChain], truth: NGramChain) -> FloatArray:
    """(2, S): exact precision and exact recall of each student, nats per name."""
    return np.array([(precision(one, truth).value, recall(one, truth).value) for one in students]).T


def counts(names: Sequence[str]) -> FloatArray:
    """(R, 27): how often a name, on average, takes each step; rows as in CONTEXTS, the end last."""
    table, at = np.zeros((len(CONTEXTS), 27)), {context: i for i, context in enumerate(CONTEXTS)}
    for name in names:
        for t, symbol in enumerate([*map(LETTERS.index, name), 26]):
            table[at[name[max(0, t - 2) : t]], symbol] += 1 / len(names)
    return table


def train(n: int, way: Way, *, rng: np.random.Generator, seeds: int = 8, steps: int = 400) -> Runs:
    """Train ``seeds`` networks, each on its own ``n`` first names of p* (order 3), by ``steps`` of Adam. Needs PyTorch.

    The same ``rng`` gives every way the same names and first weights: compare in pairs. Raises ValueError for fewer
    than 4 names, no seed, no step and no rng.

    >>> plain = train(40, WAYS["plain"], rng=np.random.default_rng(0), seeds=2, steps=10)
    >>> plain.recall.shape, bool(plain.recall[-1].mean() > plain.recall[0].mean())
    ((3, 2), True)
    """
    if not isinstance(rng, np.random.Generator) or n < 4 or seeds < 1 or steps < 1:
        raise ValueError(f"rng {rng!r}, n {n}, seeds {seeds}, steps {steps}: give a Generator, 4 names, 1 of each")
    import torch

    truth = NGramChain.fit(*first_names(), order=3)
    drawn = [(counts(truth.sample(n, one)), counts(truth.sample(n // 4, one))) for one in rng.spawn(seeds)]
    shown, held = (torch.tensor(np.array(part), dtype=torch.float32) for part in zip(*drawn, strict=True))
    true, noise = torch.tensor(truth.step_counts(2)), torch.Generator().manual_seed(int(rng.integers(2**31)))
    codes = [[26, 26, *map(LETTERS.index, context)][-2:] for context in CONTEXTS]
    inputs, rows = torch.eye(27)[torch.tensor(codes)].flatten(1), torch.where(shown.sum((0, 2)) > 0)[0]
    layers = []
    for a, b in pairwise(SIZES):
        weight = torch.randn(seeds, a, b, generator=noise) / math.sqrt(min(a, 32))
        layers += [weight.requires_grad_(), torch.zeros(seeds, 1, b, requires_grad=True)]
    optimiser, looks, scores = torch.optim.Adam(layers, 0.005), [], []
    for k in range(steps + 1):
        if k % EVERY == 0:
            with torch.no_grad():
                looks.append(forward(layers, inputs)[-1])
            scores.append([(table * looks[-1]).sum((1, 2)).numpy() for table in (true, held)])
        optimiser.zero_grad()
        loss(way, forward(layers, inputs[rows]), shown[:, rows], noise).backward()
        optimiser.step()
    exact, unseen = np.array(scores, dtype=float).transpose(1, 0, 2)
    taken = [len(looks) - 1] * seeds, unseen.argmax(axis=0)
    late, early = (tuple(NGramChain(looks[k][s].double().exp().numpy(), 2) for s, k in enumerate(at)) for at in taken)
    return Runs(np.arange(len(looks)) * EVERY, exact, unseen, late, early)


def forward(layers: Sequence[Any], inputs: Any) -> list[Any]:
    """Tensors of S networks for ``inputs`` (N, 54): three of features (S, N, 32), and log-probabilities (S, N, 27)."""
    import torch

    found, hidden = [], inputs.expand(len(layers[0]), -1, -1)
    for weight, bias in zip(layers[:-2:2], layers[1:-2:2], strict=True):
        hidden = torch.tanh(hidden @ weight + bias)
        found.append(hidden)
    logits = hidden @ layers[-2] + layers[-1]
    never = 1000 * inputs[:, 26:27] * inputs[:, 53:]  # no name ends at its start
    return [*found, torch.log_softmax(torch.cat([logits[..., :26], logits[..., 26:] - never], 2), 2)]


def loss(way: Way, tensors: Sequence[Any], shown: Any, noise: Any) -> Any:
    """The loss, summed over S networks: ``tensors`` from `forward`, counts ``shown`` (S, N, 27)."""
    import torch

    *shallow, deep, logs = tensors
    passed, possible = shown.sum(2), torch.where(logs < -900, 0.0, logs).sum(2)
    total = -(1 - way.smoothing) * (shown * logs).sum() - way.smoothing / 27 * (passed * possible).sum()
    target = deep if way.attached else deep.detach()
    if way.shuffled:
        target = target[:, torch.randperm(target.shape[1], generator=noise)]
    return total + way.weight * sum((passed * ((h - target) ** 2).mean(2)).sum() for h in shallow)
