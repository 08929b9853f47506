"""Make sweeps-*.npz: every sweep of the named scenes, as the package's data (`make sweeps`; minutes).

python scripts/make_sweeps.py            all of them
python scripts/make_sweeps.py line rare  only these scenes
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, get_args

import numpy as np

from kdlab.core.files import written_whole
from kdlab.core.sweep import beta_positions
from kdlab.mixtures.experiment import CHOICES, MEASURED, MixtureSweep, Settings, make_sweep
from kdlab.mixtures.scenes import NAMED, make_scene
from kdlab.mixtures.solver.em import Covariance

DATA = Path(__file__).resolve().parents[1] / "kdlab" / "data"


def settings_of(name: str) -> list[Settings]:
    """Every choice of K'' and family for a scene; on a line the families are the same."""
    families = ("diag",) if make_scene(name).truth.dim == 1 else get_args(Covariance)
    return [Settings(name, k, covariance) for k in CHOICES["n_components"] for covariance in families]


def arrays_of(sweep: MixtureSweep) -> dict[str, Any]:
    """What the package reads back: the students, where they switch, the direct student, and what was measured."""
    students = {name: getattr(sweep, f"student_{name}") for name in ("log_weights", "means", "covariances")}
    direct = {f"direct_{name}": getattr(sweep.direct, name) for name in students}
    return students | {"switched": sweep.switched} | direct | {name: getattr(sweep, name) for name in MEASURED}


def save(name: str, folder: Path) -> None:
    """Make every sweep of the scene and write its file, whole or not at all."""
    arrays: dict[str, Any] = {}
    for settings in settings_of(name):
        sweep = make_sweep(settings, beta_positions())
        print(f"{settings.key}: {int(sweep.switched.sum())} switches", flush=True)
        arrays |= {f"{settings.key}|{field}": value for field, value in arrays_of(sweep).items()}
    with written_whole(folder / f"sweeps-{name}.npz") as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def main() -> None:
    """Make the files of the scenes named, or of all."""
    parser = argparse.ArgumentParser(description="Make the committed sweeps again.")
    parser.add_argument("scenes", nargs="*", help=f"of {', '.join(NAMED)}; all where none is named")
    parser.add_argument("--out", type=Path, default=DATA, help="another folder than kdlab/data")
    asked = parser.parse_args()
    unknown = [name for name in asked.scenes if name not in NAMED]
    if unknown:
        parser.error(f"scene is {unknown[0]!r}: choose from {', '.join(NAMED)}")
    for name in asked.scenes or NAMED:
        save(name, asked.out)


if __name__ == "__main__":
    main()
