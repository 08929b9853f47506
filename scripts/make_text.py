"""Measure the sweeps of first names that notebooks 04 and 08 open with: writes kdlab/data in some seconds.

Run it after a change to what a sweep of text holds, or to the chains behind it: tests measure them again and compare.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kdlab import ngrams
from kdlab.core.files import written_whole
from kdlab.core.sweep import tau_positions
from kdlab.ngrams import experiment, tries


def save(path: Path, found: dict[str, Any]) -> None:
    """Write one sweep, whole or not at all."""
    with written_whole(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **found)


def main() -> None:
    """Measure and write."""
    truth = ngrams.NGramChain.fit(*ngrams.first_names(), order=3)
    teacher = ngrams.NGramChain.fit(truth, order=2)
    save(experiment.STORED, experiment.measured(truth, teacher, 1, tau_positions(), 0, lambda fraction: None))
    save(tries.STORED, tries.measured(ngrams.teacher_temperature()))


if __name__ == "__main__":
    main()
