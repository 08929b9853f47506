"""What every room asks of an array that somebody hands in."""

import numpy as np
from numpy.typing import ArrayLike


def unmasked(values: ArrayLike, name: str) -> ArrayLike:
    """Return ``values``; raise ValueError where some are masked, which numpy would quietly bring back to life."""
    if np.ma.is_masked(values):
        hidden = int(np.ma.getmaskarray(np.ma.asarray(values)).sum())
        raise ValueError(
            f"{name} hold {hidden} masked values of {np.size(values)}: leave them out first (of rows with a mask, "
            "rows[~rows.mask.any(axis=1)].data), or fill them with .filled(...)"
        )
    return values
