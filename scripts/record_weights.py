"""Keep a run's models of seed 0, rounded to float16: writes kdlab/data/recorded/PRESET/weights (cpu: 8 MB).

python scripts/record_weights.py runs/cpu

`kdlab measure` reads them as recorded/PRESET and recorded/PRESET/NAME. weights.json holds their checksums, and what the
models scored before they were rounded.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from kdlab.core.files import checksum, write_json, written_whole
from kdlab.lm.folder import read_results, recorded_folder


def record(run: Path, folder: Path) -> Path:
    """Write the weights of ``run`` below ``folder``; return where what is told of them lies."""
    results = read_results(run)
    place, told = folder / results["config"]["preset"] / "weights", dict[str, Any]()
    for one in results["models"]:
        weights = load_file(run / "seed-0" / one["name"] / "model.safetensors")
        path = place / f"{one['name']}.safetensors"
        with written_whole(path) as temporary:
            save_file({part: values.half() for part, values in weights.items()}, temporary)
        path.chmod(0o644)
        numbers = {what: round(one[what]["token"]["by_seed"][0], 4) for what in ("precision", "recall")}
        told[one["name"]] = {"sha256": checksum(path), **numbers}
    about = {"dtype": "float16", "date": results["date"], "versions": results["versions"][-1], "models": told}
    write_json(place / "weights.json", about, indent=1)
    return place / "weights.json"


if __name__ == "__main__":
    print(record(Path(sys.argv[1]), recorded_folder()))
