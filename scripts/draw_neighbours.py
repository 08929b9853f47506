"""Draw the planes of all neighbours that have a knob: writes notebooks/figures/neighbours.png (some ten seconds).

python scripts/draw_neighbours.py
"""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np

from kdlab import neighbours
from kdlab.core.files import written_whole
from kdlab.neighbours.comparison import Comparison
from kdlab.neighbours.plots import gallery
from kdlab.pictures.figure import png

PLACE = Path(__file__).resolve().parents[1] / "notebooks" / "figures" / "neighbours.png"


def comparisons() -> list[Comparison]:
    """The comparison of every neighbour that has one, in the order of their names."""
    offered = [getattr(neighbours, name) for name in neighbours.__all__]
    modules = [one for one in offered if inspect.ismodule(one)]
    sweeps = [module.sweep for module in modules if hasattr(module, "sweep")]
    return [one(np.random.default_rng(0)) if "rng" in inspect.signature(one).parameters else one() for one in sweeps]


if __name__ == "__main__":
    with written_whole(PLACE) as temporary:
        temporary.write_bytes(png(gallery(comparisons())))
    print(PLACE)
