"""The same samples in practitioners' units: k-nearest-neighbour precision and recall, the Vendi score, openings.

A text is a point: the mean over its tokens of p*'s last hidden states. Written here, with scipy's distances: the code
that came with the first (Kynkaanniemi et al. 2019) wants TensorFlow 1.12 and Python 3.6, that of its use on language
models (Le Bronnec et al. 2024) Python below 3.12 and numpy 1.24.4. prdc 0.2 installs, and says that a text is outside
of texts that it equals (findings/prdc_rejects_repeated_points.sh). No PyTorch.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigvalsh
from scipy.spatial.distance import cdist

from kdlab.core.attempts import estimated_pass_at_k
from kdlab.core.format import signed
from kdlab.lm.report.attempts import opening, tries_of
from kdlab.lm.report.changes import Change, Results, aligned, larger_error, models, shown

NEIGHBOURS, TEXTS = 3, 64  # a ball reaches to which neighbour; among how many texts openings are counted
FEWEST = 16  # texts, below which nothing is compared
WHATS = ("precision", "recall", "vendi", "openings")
_SLACK = 1e-5  # of a distance: the states of equal texts that are read in other company differ in the last digits

FloatArray = NDArray[np.float64]


# Measures


def nearest(real: ArrayLike, written: ArrayLike, k: int = NEIGHBOURS) -> tuple[float, float]:
    """k-nearest-neighbour precision and recall of points (M, D) that a model wrote beside real ones (N, D): two shares.

    Around each real point lies a ball that reaches to its k-th nearest other real point. Precision is the share of
    written points in one or more of these balls, rim included; recall is the same with the two exchanged. Raises
    ValueError unless 1 <= k < N and k < M, and for points of two widths or that are no finite numbers.
    """
    p, q = np.asarray(real, float), np.asarray(written, float)
    if p.ndim != 2 or q.ndim != 2 or p.shape[1] != q.shape[1]:
        raise ValueError(f"points have shapes {p.shape} and {q.shape}: give (N, D) and (M, D), a row for each text")
    if not (np.isfinite(p).all() and np.isfinite(q).all()):
        raise ValueError("points hold nan or inf, which are nobody's neighbours: leave such rows out")
    if not 1 <= k < min(len(p), len(q)):
        raise ValueError(f"k is {k}, of {len(p)} and {len(q)} points: choose 1 or more, and fewer than either has")
    return _nearest(cdist(p, p), cdist(q, q), cdist(p, q), k)


def _nearest(within: FloatArray, own: FloatArray, across: FloatArray, k: int) -> tuple[float, float]:
    """As `nearest`, of distances: among real points, among written ones, and from real (rows) to written ones."""
    slack = _SLACK * across.mean()
    reach, own_reach = (np.partition(one, k, axis=1)[:, k] + slack for one in (within, own))  # 0 is the point itself
    return float((across <= reach[:, None]).any(axis=0).mean()), float((across <= own_reach).any(axis=1).mean())


def cosines(points: ArrayLike) -> FloatArray:
    """(N, N): the cosine of the angle between each two of N points (N, D), none of which is 0."""
    rows = np.asarray(points, float)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows @ rows.T)


def vendi(alike: ArrayLike) -> float:
    """The Vendi score (Friedman and Dieng 2023): how many things N things are worth, from 1 (all equal) to N.

    ``alike`` (N, N) says how alike each two are: symmetric, without negative eigenvalues, 1 on the diagonal, such as
    `cosines`. The score is the exponential of the entropy of the eigenvalues of alike / N. ValueError for another shape
    or diagonal.
    """
    matrix = np.asarray(alike, float)
    if matrix.ndim != 2 or len(matrix) != len(matrix.T) or not np.allclose(np.diag(matrix), 1.0):
        raise ValueError(
            f"the likenesses have shape {matrix.shape}: give a square with 1 on its diagonal, each like itself"
        )
    shares = eigvalsh(matrix / len(matrix))
    shares = shares[shares > 1e-12]  # 0 log 0 is 0
    return float(np.exp(-(shares * np.log(shares)).sum()))


# One model


def openings_of(n: int) -> int:
    """Among how many of n texts openings are counted."""
    return min(TEXTS, n // 3)


def compared(
    real: FloatArray, written: FloatArray, answers: Sequence[str], k: int = NEIGHBOURS
) -> dict[str, list[float]]:
    """Each of `WHATS` with its standard error, for N texts of a model beside as many of p*; states (N, D), answers N.

    "vendi" is of the model's `cosines`, "openings" how many different first words (see `opening`) are expected of 64 of
    its texts, or of a third where there are fewer. None of the four is a mean over texts: a text's ball hangs on the
    others, and texts drawn twice, as a bootstrap draws them, are neighbours at no distance, and nothing new. So texts
    are split into halves, several times. Halves are independent: half of the difference between what they say has the
    error of the whole, as far as that falls with the root of N.
    """
    alike, words = cosines(written), np.array([opening(text) for text in answers])
    within, own, across = cdist(real, real), cdist(written, written), cdist(real, written)

    def of(rows: NDArray[np.int64]) -> list[float]:
        square = np.ix_(rows, rows)
        near = _nearest(within[square], own[square], across[square], k)
        return [*near, vendi(alike[square]), _different(words[rows], openings_of(len(words)))]

    return _by_halves(WHATS, len(written), of)


def openings(answers: Sequence[str]) -> dict[str, list[float]]:
    """The unit "openings" of `compared`, which needs no states."""
    words = np.array([opening(text) for text in answers])
    return _by_halves(("openings",), len(answers), lambda rows: [_different(words[rows], openings_of(len(words)))])


def _different(words: NDArray[np.str_], of: int) -> float:
    """How many different ones are expected among ``of`` of them."""
    counts = [*Counter(words.tolist()).values()]
    return float(np.sum(estimated_pass_at_k(len(words), counts, of)))


def _by_halves(names: Sequence[str], n: int, of: Callable[[NDArray[np.int64]], list[float]]) -> dict[str, list[float]]:
    """What ``of`` gives of all n rows, each number with its error, as halves tell it."""
    rows = np.arange(n)
    halves = [(rows >> bit) % 2 == 0 for bit in range(n.bit_length() - 1)]  # every other text, every other pair, ...
    even = [half for half in halves if abs(half.mean() - 0.5) < 0.1]
    apart = [np.subtract(of(rows[half]), of(rows[~half])) for half in even]
    found = zip(names, of(rows), np.sqrt(np.mean(np.square(apart), axis=0)) / 2, strict=True)
    return {what: [round(value, 5), round(float(error), 5)] for what, value, error in found}


# Reading


def unit_of(results: Results, name: str, what: str) -> Change | None:
    """One of `WHATS` of a model, over its trainings; "truth" is p*, other texts of it. None where it was not measured.

    The error is over texts or over trainings, whichever is larger: all trainings are compared with the same texts.
    Raises ValueError for another unit.
    """
    if what not in WHATS:
        raise ValueError(f"what is {what!r}: choose one of {', '.join(WHATS)}")
    by_seed = results.get("units", {}).get("models", {}).get(name)
    if not by_seed:
        return None
    values, errors = np.array([one[what] for one in by_seed], float).T
    over_seeds = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return Change(float(values.mean()), float(max(errors.mean(), over_seeds)))


def units_table(results: Results) -> str:
    """A line for p* and each model: nats per token, and practitioners' units of the same samples, each with its error.

    Where instructions were answered, pass@k and different answers (see `attempts`) stand in place of openings.
    """
    found = [one for one in models(results) if unit_of(results, one["name"], "vendi")]
    if not found:
        return (
            "This run has no practitioners' units: it is from before there were any, or has too few scored texts yet."
        )
    ceiling = results["truth"]["negative_entropy"]
    columns = _columns(results)
    rows = [("nats per token", "precision", "recall", *columns)]
    for one in [{"name": "truth", "precision": ceiling, "recall": ceiling}, *found]:
        nats = [one[what]["token"] for what in ("precision", "recall")]
        cells = [f"{signed(number['value'])} ± {larger_error(number):.2f}" for number in nats]
        units = [given(one["name"]) for given in columns.values()]
        cells += [f"{unit.value:.2f} ± {unit.error:.2f}" if unit else "" for unit in units]
        rows.append(("p*" if one["name"] == "truth" else shown(one["name"]), *cells))
    return aligned((14, 14, 14, *[max(12, len(name) + 1) for name in columns]), rows)


def _columns(results: Results) -> dict[str, Callable[[str], Change | None]]:
    """What the columns in practitioners' units are called, and what gives a model's number for each."""

    def unit(what: str) -> Callable[[str], Change | None]:
        return lambda name: unit_of(results, name, what)

    def of_tries(what: str, row: int) -> Callable[[str], Change | None]:
        return lambda name: None if (one := tries_of(results, name, what)) is None else one.mean(row)

    columns = {"k-NN prec.": unit("precision"), "k-NN recall": unit("recall"), "Vendi": unit("vendi")}
    tries = results.get("attempts", {}).get("tries", ())
    if not tries:
        return columns | {f"openings of {openings_of(results['units']['texts'])}": unit("openings")}
    few = min(1, len(tries) - 1)
    return columns | {
        f"pass@{tries[few]}": of_tries("any", few),
        f"different of {tries[-1]}": of_tries("different", len(tries) - 1),
    }


def together(by_seed: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What `compared` found of each model for each seed, put together; each has ``texts`` and ``models``."""
    if not by_seed:
        return {}
    names = by_seed[0]["models"]
    return {"texts": by_seed[0]["texts"], "models": {name: [one["models"][name] for one in by_seed] for name in names}}
