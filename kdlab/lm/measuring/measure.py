"""`kdlab measure`: texts of p* and of each model, and what each gives to the other's.

One model is in memory at a time: p* writes; each model writes, and reads its own texts and p*'s; then p* reads theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kdlab.lm.folder import Line
from kdlab.lm.measurement import MeasureConfig
from kdlab.lm.measuring.elsewhere import given, lines
from kdlab.lm.measuring.gathering import finish, gather
from kdlab.lm.measuring.opening import close, opened
from kdlab.lm.measuring.reading import both, written


def measure(
    truth: str, models: Mapping[str, str] | Sequence[tuple[str, str]], *, out: Path | str, **settings: Any
) -> dict[str, Any]:
    """Measure models against a p*, in the folder ``out``, and return the results, as its results.json has them.

    ``settings`` are those of `MeasureConfig`. What is there already is left alone, so that the same call goes on where
    it stopped. Raises ValueError for settings that cannot work and for a folder that holds something else,
    WeightsError for a model that cannot be read, and `Busy` where another process has the folder.

    >>> from kdlab import lm                                                                          # doctest: +SKIP
    >>> lm.measure("gpt2", {"mine": "models/mine"}, prompt="Once upon a time", out="runs/mine")       # doctest: +SKIP
    """
    return everything(MeasureConfig.of(truth, models, **settings), Path(out))


def everything(config: MeasureConfig, folder: Path, show: Callable[[Line], None] = lambda line: None) -> dict[str, Any]:
    """Do what is not done yet, telling ``show`` how far it is, and return the results. Raises as `measure` does."""
    if config.scores:
        lines(Path(config.scores), taken=("truth", *dict(config.models)))  # what is wrong with them is said first
    run = opened(config, folder, show)
    try:
        written(run, "truth")
        if config.scores:
            given(run)  # nor is a model measured where the file lacks some of p*'s texts
        both(run, "truth", "truth")
        names = [name for name in run.models if name != "truth"]
        for name in names:
            written(run, name)
            both(run, name, name)
            both(run, name, "truth")
        for name in names:
            both(run, "truth", name)
            if run.worked:
                gather(run)
        return finish(run)
    finally:
        close(run)
