"""MixKD: mix two inputs, ask the teacher about the mixture, and a student of few names errs less beyond them.

K. J. Liang and six others, "MixKD: Towards Efficient Distillation of Large-scale Language Models", ICLR 2021, arXiv
2011.00593. Their claim: a student that also imitates its teacher on mixed pairs of examples has a smaller gap between
training and true error, and is better, above all with little data. In place of BERT on sentences stand networks of one
hidden layer that give the next letter of a name after two; embeddings are mixed, place by place. We could read its
abstract and how the text begins; the rest is our reading. `record` makes the students of `sweep` again, in a minute.
"""

import json
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kdlab.core.files import PACKAGE
from kdlab.core.format import signed
from kdlab.neighbours.comparison import Comparison, Fixed
from kdlab.ngrams.model import NGramChain
from kdlab.ngrams.names import first_names

FloatArray = NDArray[np.float64]
Batch = Callable[[], tuple[FloatArray, FloatArray]]

KINDS = ("plain", "labels", "mixed", "mixed answers", "random letters", "written by the teacher")
_BATCH, _RECORDED = 64, PACKAGE / "data/recorded/neighbours-mixup.json"
_TWO = [(26, 26), *((a, b) for a in (26, *range(26)) for b in range(26))]  # letters before; 26 before a name begins
_INPUTS = np.eye(27)[np.array(_TWO)].reshape(703, 54)


class Network(NamedTuple):
    """S networks: the sum of two embeddings ``embed`` (S, 54, H) and ``bias``, tanh, logits of 27 next symbols."""

    embed: FloatArray
    bias: FloatArray
    out: FloatArray
    out_bias: FloatArray

    def read(self, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Hidden layer (S, B, H) and odds (S, B, 27) for (S, B, 54): one-hot letters in two places, or mixtures."""
        hidden = np.tanh(inputs @ self.embed + self.bias)
        logits = hidden @ self.out + self.out_bias
        odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return hidden, odds / odds.sum(axis=-1, keepdims=True)

    def chains(self) -> list[NGramChain]:
        """The S networks as chains of order 2: the same odds, but no name ends before it begins."""
        tables = self.read(_INPUTS)[1]
        tables[:, 0, -1] = 0.0
        return [NGramChain(table, 2) for table in tables / tables.sum(axis=-1, keepdims=True)]


def train(batch: Batch, students: int, hidden: int, steps: int, rng: np.random.Generator) -> Network:
    """Fit S networks to ``batch()``, inputs (S, B, 54) and odds (S, B, 27), by Adam, from a rate of 0.02 down to 0."""
    shapes = {(54, hidden): 0.7, (1, hidden): 0.0, (hidden, 27): hidden**-0.5, (1, 27): 0.0}
    net = Network(*(scale * rng.standard_normal((students, *shape)) for shape, scale in shapes.items()))
    means, squares = ([np.zeros_like(part) for part in net] for _ in range(2))
    for t in range(1, steps + 1):
        inputs, target = batch()
        hidden_now, odds = net.read(inputs)
        up = (odds - target) / target.shape[1]
        down = up @ net.out.swapaxes(1, 2) * (1 - hidden_now**2)
        slopes = inputs.swapaxes(1, 2) @ down, down.sum(1, keepdims=True), hidden_now.swapaxes(1, 2) @ up
        for part, mean, square, slope in zip(net, means, squares, (*slopes, up.sum(1, keepdims=True)), strict=True):
            mean += 0.1 * (slope - mean)
            square += 0.001 * (slope**2 - square)
            part -= 0.02 * (1 - (t - 1) / steps) * mean / (1 - 0.9**t) / (np.sqrt(square / (1 - 0.999**t)) + 1e-8)
    return net


def make_world(rng: np.random.Generator) -> tuple[NGramChain, Network, NGramChain]:
    """A chain of order 2 of all names, p*; a network of 64 fitted to its rows, the teacher; and it as a chain."""
    truth = NGramChain.fit(*first_names(), order=2)
    teacher = train(lambda: (_INPUTS[i := _draw(truth.visits[None], 256, rng)], truth.table[i]), 1, 64, 1_500, rng)
    return truth, teacher, teacher.chains()[0]


class Students(NamedTuple):
    """S students, (S,) each, nats per name; ``seen`` and ``true``: KL(teacher || student) on their names, and on p*."""

    precision: FloatArray
    recall: FloatArray
    seen: FloatArray
    true: FloatArray


def learn(
    world: tuple[NGramChain, Network, NGramChain], kind: str, names: int, *, rng: np.random.Generator,
    share: float = 0.5, n: int = 8, steps: int = 1_500, hidden: int = 32,
) -> Students:  # fmt: skip
    """Train n students of one of KINDS, each on ``names`` of its own drawn from p*, the same for all kinds by one seed.

    Of all but the first two kinds a ``share`` of each batch is mixed in pairs with a uniform weight, or is any two
    letters, or what the teacher's names pass. ValueError for another kind, a share outside [0, 1], or no names.
    """
    if kind not in KINDS or not 0 <= share <= 1 or names < 1:
        raise ValueError(f"kind {kind!r}, share {share}, names {names}: choose of {KINDS}, from 0 to 1, and 1 or more")
    (truth, teacher, chain), (drawing, rng), run = world, rng.spawn(2), np.arange(n)[:, None]
    own = [NGramChain.fit(truth.sample(names, drawing), order=2, smoothing=0.0) for _ in range(n)]
    passed, extra = np.stack([each.visits for each in own]), round(share * _BATCH) * (kind not in KINDS[:2])
    answers = np.stack([each.table if kind == "labels" else chain.table for each in own])
    elsewhere = np.tile(np.ones(703) if kind == "random letters" else chain.visits, (n, 1))

    def batch() -> tuple[FloatArray, FloatArray]:
        rows = _draw(passed, _BATCH, rng)
        if kind in KINDS[4:]:
            rows[:, :extra] = _draw(elsewhere, extra, rng)
        inputs, target = _INPUTS[rows], answers[run, rows]
        if kind in KINDS[2:4]:
            mates, weight = _draw(passed, extra, rng), rng.random((n, extra, 1))
            inputs[:, :extra] += weight * (_INPUTS[mates] - inputs[:, :extra])
            target[:, :extra] += weight * (answers[run, mates] - target[:, :extra])
            if kind == "mixed":
                target[:, :extra] = teacher.read(inputs[:, :extra])[1]
        return inputs, target

    learned = train(batch, n, hidden, steps, rng).chains()
    kl = np.stack([(chain.table * np.log((chain.table + 1e-300) / (s.table + 1e-300))).sum(axis=1) for s in learned])
    P, R = np.array([(s.expected_log_prob(truth).value, truth.expected_log_prob(s).value) for s in learned]).T
    return Students(P, R, (kl * passed).sum(axis=1), kl @ truth.visits)


def record(names: int = 30) -> None:
    """Train what `sweep` shows, mixed students at 21 shares and the other kinds, and keep means of 16 as JSON."""
    world = make_world(np.random.default_rng(0))
    kept = {"names": names, "bounds": [world[0].most_likely()[1], -world[0].entropy]}
    for kind, share in [*((kind, 0.5) for kind in KINDS), *(("mixed", round(0.05 * i, 2)) for i in range(21))]:
        students = learn(world, kind, names, share=share, n=16, rng=np.random.default_rng(1))
        kept[f"{kind} {share}"] = [round(float(each.mean()), 4) for each in students]
    _RECORDED.write_text(json.dumps(kept, indent=1) + "\n", encoding="ascii")


def sweep() -> Comparison:
    """Students along the share of their examples that is mixed, as `record` left them, beside the others."""
    kept, shares = json.loads(_RECORDED.read_text(encoding="ascii")), np.round(np.linspace(0, 1, 21), 2)
    P, R, seen, true = np.array([kept[f"mixed {share}"] for share in shares]).T
    words = "{:.0%} mixed: precision {}, recall {} nats. KL from the teacher is {:.2f} nats on its names, {:.2f} on p*."
    rows, (low, high) = zip(shares, map(signed, P), map(signed, R), seen, true, strict=True), kept["bounds"]
    return Comparison(
        "mixup", f"A student of {kept['names']} names, its examples mixed", "share mixed", shares, P, R, float(P[0]),
        float(R[0]), low, high, {"on p*": true, "on its names": seen, "gap": true - seen},
        "KL(teacher ‖ student), nats", tuple(words.format(*row) for row in rows), (0.0, 0.5, 1.0), 0.0, own="MixKD",
        others=tuple(Fixed(kind, *kept[f"{kind} 0.5"][:2]) for kind in KINDS[3:])
    )  # fmt: skip


def _draw(weights: FloatArray, k: int, rng: np.random.Generator) -> NDArray[np.intp]:
    tops = weights.cumsum(axis=1) / weights.sum(axis=1, keepdims=True)
    return np.stack([np.searchsorted(top, rng.random(k), side="right") for top in tops]).clip(max=weights.shape[1] - 1)
