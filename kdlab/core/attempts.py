"""What k tries would bring, estimated from n draws that were made: for any world, from counts alone."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def estimated_pass_at_k(n: int, right: ArrayLike, k: int) -> float | FloatArray:
    """Estimate pass@k from n draws, ``right`` of them acceptable: 1 - C(n - right, k) / C(n, k), without bias.

    The estimator of Chen et al. 2021 (arXiv 2107.03374); ``right`` may be an array. For the counts of the different
    acceptable answers among the n draws, its sum estimates without bias how many different ones k draws would bring.
    Raises ValueError unless all are whole, with 1 <= k <= n and 0 <= right <= n.
    """
    counts = np.asarray(right)
    whole = all(np.asarray(one).dtype.kind in "iu" for one in (n, right, k)) and np.ndim(n) == np.ndim(k) == 0
    if not whole or not 1 <= k <= n or (counts < 0).any() or (counts > n).any():
        raise ValueError(
            f"n, right and k are {n!r}, {right!r} and {k!r}: of n draws 0 to n are right, and k is 1 to n; "
            "give whole numbers like 200, 13 and 10"
        )
    with np.errstate(divide="ignore"):
        all_wrong = np.log1p(-np.minimum(counts[..., None] / (n - np.arange(k)), 1.0)).sum(axis=-1)
    found = -np.expm1(all_wrong)
    return np.asarray(found) if counts.ndim else float(found)
