"""Distillation calms stochastic gradients, and pulls to the teacher: the row of letters after an "m" by noisy SGD.

M. Safaryan, A. Peste and D. Alistarh, "Knowledge Distillation Performs Partial Variance Reduction", NeurIPS 2023, arXiv
2305.17581. Their claim: on linear models distillation is a form of variance reduction, partial and by how good the
teacher is; so the weight of its loss matters. In place of their linear classifiers of images stand the smallest linear
model that generates, one softmax row, and least squares. What we could read: the abstract and how the text begins; all
formulas here are our derivations. lam is the weight of the teacher, 1 - lam that of the letters.
"""

from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kdlab.core.format import signed
from kdlab.core.metrics import log_sum_exp
from kdlab.neighbours.comparison import Comparison, Fixed
from kdlab.ngrams.names import first_names

FloatArray = NDArray[np.float64]


def next_letters(after: str = "m", n: int = 6) -> tuple[str, FloatArray]:
    """The ``n`` commonest letters after one in `first_names`, "." being the end; shares (n,). ValueError for n < 2.

    >>> next_letters("m", 3)[0]
    'aie'
    """
    shares: Counter[str] = Counter()
    for name, share in zip(*first_names(), strict=True):
        shares.update({b: share * (name + ".").count(after + b) for b in {*name, "."} if after + b in name + "."})
    if not 2 <= n <= len(shares):
        raise ValueError(f"n is {n} and {len(shares)} letters follow {after!r}: ask for 2 or more of a letter like 'm'")
    letters, p = zip(*shares.most_common(n), strict=True)
    return "".join(letters), np.array(p) / sum(p)


def tempered(p: FloatArray, beta: float) -> FloatArray:
    """``p`` (A,) to the power ``beta``, normalised: a selective teacher above 1, equal odds at 0."""
    return np.asarray(p**beta / (p**beta).sum())


def precision_and_recall(truth: FloatArray, logits: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Exact precision and recall, both (...), in nats, of softmax rows with these ``logits`` (..., A)."""
    logs = logits - log_sum_exp(logits)[..., None]
    return np.asarray(np.exp(logs) @ np.log(truth)), np.asarray(logs @ truth)


def gradients(logits: FloatArray, teacher: FloatArray, lam: float) -> FloatArray:
    """(A, A): row y is the gradient in the student's ``logits`` (A,) of a step that draws letter y.

    That of (1 - lam) cross-entropy to the letter + lam cross-entropy to the teacher. It equals the plain gradient at
    the student less lam times the plain gradient at the teacher, both for letter y: a control variate.
    """
    return np.asarray(np.exp(logits - log_sum_exp(logits)) - (1 - lam) * np.eye(len(teacher)) - lam * teacher)


class Floor(NamedTuple):
    """KL(p* || student), nats, that SGD keeps: ``bias`` is the teacher's, ``noise`` the gradients'; both (L,)."""

    bias: FloatArray
    noise: FloatArray


def floor(truth: FloatArray, teacher: FloatArray, lams: ArrayLike, step: float) -> Floor:
    """Where SGD with a constant ``step`` settles; ``truth`` and ``teacher`` are (A,), ``lams`` (L,). Errors: `sgd`.

    The average student is m = (1 - lam) truth + lam teacher, exactly: else its logits would drift. Around it they vary
    with covariance S, where H S + S H - step H S H = step (1 - lam)^2 C, and H and C are the matrices diag(q) - q q' of
    m and truth: the first order in the step. With lam = 0, noise is about step (1 - sum of p^2) / 4.
    """
    bias, noise = [], []
    for lam in _checked(lams, step, 2.0):
        m = (1 - lam) * truth + lam * teacher
        values, vectors = np.linalg.eigh(np.diag(m) - np.outer(m, m))
        drawn = vectors.T @ (np.diag(truth) - np.outer(truth, truth)) @ vectors
        pull = values[:, None] + values - step * np.outer(values, values)
        pull[0, 0] = 1.0  # all logits alike: nothing moves them, and nothing pulls them back
        aside = (np.eye(len(m)) - m) @ vectors
        bias.append(truth @ np.log(truth / m))
        noise.append(0.5 * truth @ np.diag(aside @ (step * (1 - lam) ** 2 * drawn / pull) @ aside.T))
    return Floor(np.array(bias), np.array(noise))


class Runs(NamedTuple):
    """S runs of L students: logits (S, L, A), last and averaged over the second half; and means of P and R over it."""

    last: FloatArray
    averaged: FloatArray
    precision: FloatArray
    recall: FloatArray


def sgd(
    truth: FloatArray, teachers: ArrayLike, lams: ArrayLike, steps: FloatArray, *, runs: int, rng: np.random.Generator
) -> Runs:
    """Train L students on the same letters, in ``runs`` runs; all begin with equal odds, logits of 0.

    ``teachers`` are (L, A) or one for all, ``lams`` (L,), ``steps`` (n, L) or (n, 1): the step at each of n letters.
    Raises ValueError for lams outside [0, 1], steps outside (0, 2), and fewer than two letters or runs.
    """
    weights = _checked(lams, steps, 2.0)[:, None]
    if steps.ndim != 2 or len(steps) < 2 or runs < 2:
        raise ValueError(f"steps have shape {steps.shape} and runs is {runs}: give (n, 1) and at least two of each")
    letters = rng.choice(len(truth), p=truth, size=(len(steps), runs))
    logits, fixed = np.zeros((runs, len(weights), len(truth))), weights * np.asarray(teachers)
    averaged, scores, half = 0 * logits, np.zeros((2, *logits.shape[:2])), len(steps) // 2
    for t, letter in enumerate(letters):
        logits -= steps[t, :, None] * (np.exp(logits - log_sum_exp(logits)[..., None]) - fixed)
        logits[np.arange(runs), :, letter] += steps[t] * (1 - weights[:, 0])
        averaged += logits * (t >= half)
        scores += np.array(precision_and_recall(truth, logits)) * (t >= half)
    return Runs(logits, averaged / (len(steps) - half), *(scores / (len(steps) - half)))


def linear_floor(lams: ArrayLike, step: float, dim: int, excess: float) -> Floor:
    """The same for least squares, exactly: inputs N(0, I), labels with noise of variance 1, so that risk is in nats.

    ``excess`` D = |teacher - best|^2 / 2 in nats: bias lam^2 D, noise (1 - lam)^2 F with F = step dim / (2 (2 - step
    (dim + 2))). Best is lam = F / (F + D); harm begins at twice that. ValueError for steps from 2 / (dim + 2) on.
    """
    weights = _checked(lams, step, 2 / (dim + 2))
    return Floor(weights**2 * excess, (1 - weights) ** 2 * step * dim / (2 * (2 - step * (dim + 2))))


def sweep(rng: np.random.Generator, *, step: float = 0.5, letters: int = 3_000, runs: int = 64) -> Comparison:
    """Students along lam, settled, beside theory; teacher: the row tempered by 1.5; ``rng`` draws the letters."""
    lams, (_, p) = np.linspace(0, 1, 41), next_letters()
    teacher, top = tempered(p, 1.5), float(p @ np.log(p))
    ran, theory = sgd(p, teacher, lams, np.full((letters, 1), step), runs=runs, rng=rng), floor(p, teacher, lams, step)
    P, R = ran.precision.mean(axis=0), ran.recall.mean(axis=0)
    curves = {"measured": top - R, "teacher's mistake": theory.bias, "noise": theory.noise, "theory": sum(theory)}
    words = "Weight of the teacher {:.3g}: precision {}, recall {} nats. SGD loses {:.3f} nats; theory says {:.3f}."
    rows = zip(lams, map(signed, P), map(signed, R), top - R, curves["theory"], strict=True)
    taught = Fixed("teacher", *(float(each) for each in precision_and_recall(p, np.log(teacher))))
    title, ends = "The next letter after m, by noisy steps", (float(np.log(p.max())), top)
    return Comparison(
        "variance_reduction", title, "weight of the teacher", lams, P, R, float(P[0]), float(R[0]), *ends, curves,
        "KL(p* ‖ student), nats", tuple(words.format(*row) for row in rows), (0.0, 0.25, 0.5, 0.75, 1.0), 0.0,
        others=(taught,), plain="no teacher",
    )  # fmt: skip


def _checked(lams: ArrayLike, steps: ArrayLike, below: float) -> FloatArray:
    weights, low, high = np.atleast_1d(np.asarray(lams, dtype=float)), np.min(steps), np.max(steps)
    if not (weights.min() >= 0 and weights.max() <= 1 and low > 0 and high < below):
        rule = f"choose lams from 0 to 1 and steps above 0 and below {below:.3g}"
        raise ValueError(f"lams are {lams!r}, steps from {low} to {high}: {rule}")
    return weights
