"""Measure the sweep of first names that notebook 04 opens with: writes kdlab/data/names_sweep.npz in a second.

Run it after a change to what a sweep of text holds, or to the chains behind it: a test measures it again and compares.
"""

from __future__ import annotations

import numpy as np

from kdlab import ngrams
from kdlab.core.files import written_whole
from kdlab.core.sweep import tau_positions
from kdlab.ngrams.experiment import STORED, measured


def main() -> None:
    """Measure and write."""
    truth = ngrams.NGramChain.fit(*ngrams.first_names(), order=3)
    teacher = ngrams.NGramChain.fit(truth, order=2)
    found = measured(truth, teacher, 1, tau_positions(), 0, lambda fraction: None)
    with written_whole(STORED) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **found)


if __name__ == "__main__":
    main()
