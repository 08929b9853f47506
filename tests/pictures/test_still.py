"""Stills drawn ahead: each is what a fresh drawing shows, each notebook's first pictures have one, others have none."""

import base64
import io
import re
import runpy
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from PIL import Image

from kdlab import mixtures, ngrams
from kdlab.core.files import PACKAGE, notebooks_folder
from kdlab.mixtures.view_single import STEP, SingleView
from kdlab.pictures.live import STILLS, LiveView, still
from kdlab.pictures.still import Still

NOTEBOOKS = sorted(notebooks_folder().glob("0[0-58]_*.ipynb"))
SHOWN = re.compile(r"\b(show|show_tries|by_hand|letters|pieces|costs)\(")
ASKED = {"question": "Where?", "options": ["here", "there"], "outcome": "there."}
# Of the pixels, how many may differ by more than 32 of 255. With the locked matplotlib, which brings its own fonts and
# rasteriser, none does; another processor may round the grey of an edge otherwise. One position further on the slider
# changes at least 1 in 420 by more.
FEW = 1 / 2000


def views() -> dict[str, Any]:
    """What scripts/make_stills.py draws, by name."""
    script = runpy.run_path(str(PACKAGE.parent / "scripts" / "make_stills.py"))
    return {view.still_name(): view for view in script["views"]()}


VIEWS = views()


def differing(one: bytes, other: bytes) -> float:
    """The share of pixels that are seen to differ; 1 where the sizes do."""
    first, second = (np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), int) for png in (one, other))
    return float((np.abs(first - second).max(axis=2) > 32).mean()) if first.shape == second.shape else 1.0


def picture(view: LiveView | Still) -> bytes:
    """The PNG that a notebook keeps of a view."""
    return base64.b64decode(view._repr_mimebundle_()[0]["image/png"])


def test_the_files_are_those_of_the_maker() -> None:
    assert {file.name for file in STILLS.iterdir()} == set(VIEWS), "run make stills"


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_that_opens_draws_nothing_and_shows_what_it_would_draw(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, view = still(name), VIEWS[name]
    assert kept is not None and len(kept) < 60_000
    assert differing(kept, view.drawn()) <= FEW, "run make stills, then make notebooks"
    monkeypatch.setattr(type(view), "drawn", lambda self: pytest.fail("drawn, though a still is there"))
    assert picture(view) == kept
    if getattr(view, "prediction", None):
        view.commit(view.prediction["options"][0])
        assert picture(view) == kept  # a guess changes no still


def test_the_position_beside_the_first_one_is_another_picture() -> None:
    """The comparison can fail, and where no still was drawn ahead one is drawn."""
    for name, view in views().items():
        if isinstance(view, SingleView):
            view.place(STEP, 1.0)
        elif isinstance(view, Still):
            view.words += " And more."
        else:
            sweep = view.sweep_shown
            knob = sweep.knob
            setattr(view, knob, float(sweep.positions[sweep.index(1.0) + 1]))
        assert still(view.still_name()) is None
        drawn = picture(view)
        if isinstance(view, LiveView):
            assert differing(still(name) or b"", drawn) > 4 * FEW


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_a_notebook_shows_first_is_a_still(path: Path) -> None:
    """The committed picture of each, byte for byte: no cell up to the live view waits for a drawing."""
    kept = [file.read_bytes() for file in STILLS.iterdir()]
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    outputs = [output for cell in cells if SHOWN.search(cell.source) for output in cell.outputs if "data" in output]
    pictures = [base64.b64decode(output.data["image/png"]) for output in outputs if "image/png" in output.data]
    assert pictures
    assert [png in kept for png in pictures] == [True] * len(pictures)


def test_anything_else_has_no_still() -> None:
    line = mixtures.teacher_entropy("line", 1)
    bell = mixtures.by_hand("line")
    bell.place(0.001, 1.0)  # says the same to two digits, and is not the same
    others: list[LiveView] = [
        bell,
        mixtures.by_hand("falls"),
        mixtures.show(line),  # with its path
        mixtures.show(mixtures.teacher_entropy("line", 1, positions=5), predict=ASKED),
        mixtures.show(mixtures.teacher_entropy("line", 2), predict=ASKED),
        ngrams.show(ngrams.teacher_temperature()),
        ngrams.show(ngrams.teacher_temperature(seed=1), predict=ASKED),
    ]
    assert [still(view.still_name()) for view in others] == [None] * len(others)
    assert still(mixtures.by_hand("line").still_name()) is not None
    assert still(mixtures.show(line, predict=ASKED).still_name()) is not None
