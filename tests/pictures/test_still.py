"""Stills drawn ahead: each is what a fresh drawing shows, each notebook's first pictures have one, others have none."""

from __future__ import annotations

import base64
import importlib.util
import io
import re
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from PIL import Image

from kdlab.mixtures import experiment as experiments
from kdlab.mixtures import view as widgets
from kdlab.mixtures import view_single as hand
from kdlab.ngrams import view as text
from kdlab.ngrams.experiment import teacher_temperature
from kdlab.pictures.live import STILLS, still, still_name

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("0[0-4]_*.ipynb"))
SHOWN = re.compile(r"\b(show|by_hand)\(")
ASKED = {"question": "Where?", "options": ["here", "there"], "outcome": "there."}
# Of the pixels, how many may differ by more than 32 of 255. With the locked matplotlib, which brings its own fonts and
# rasteriser, none does; another processor may round the grey of an edge otherwise. One position further on the slider
# changes at least 1 in 420 by more (test_the_comparison_can_fail).
FEW = 1 / 2000


def maker() -> Any:
    spec = importlib.util.spec_from_file_location("make_stills", ROOT / "scripts" / "make_stills.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


VIEWS = {view.still_name(): view for view in maker().views()}


def differing(one: bytes, other: bytes) -> float:
    """The share of pixels that are seen to differ; 1 where the sizes do."""
    first, second = (np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), int) for png in (one, other))
    return float((np.abs(first - second).max(axis=2) > 32).mean()) if first.shape == second.shape else 1.0


def picture(view: Any) -> bytes:
    """The PNG that a notebook keeps of a view."""
    return base64.b64decode(view._repr_mimebundle_()[0]["image/png"])


@pytest.fixture
def no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(self: Any) -> bytes:
        raise AssertionError("drawn, though a still is there")

    for kind in (widgets.MixtureView, hand.SingleView, text.NGramView):
        monkeypatch.setattr(kind, "drawn", drawn)


def test_the_files_are_those_of_the_maker() -> None:
    assert {file.name for file in STILLS.iterdir()} == set(VIEWS), "run make stills"


@pytest.mark.parametrize("name", VIEWS)
def test_a_still_is_what_a_fresh_drawing_shows(name: str) -> None:
    kept = still(name)
    assert kept is not None and len(kept) < 60_000
    assert differing(kept, VIEWS[name].drawn()) <= FEW, "run make stills, then make notebooks"


@pytest.mark.parametrize("name", VIEWS)
def test_the_comparison_can_fail(name: str) -> None:
    """The position beside the first one is another picture, and would not pass for it."""
    (view,) = [view for view in maker().views() if view.still_name() == name]
    if isinstance(view, hand.SingleView):
        view.place(hand.STEP, 1.0)
    elif isinstance(view, text.NGramView):
        taus = view.sweep_shown.taus
        view.tau = float(taus[view.sweep_shown.index(1.0) + 1])
    else:
        view.beta = float(view.sweep_shown.betas[1])
    assert differing(still(name) or b"", view.drawn()) > 4 * FEW
    assert still(view.still_name()) is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_a_notebook_shows_first_is_a_still(path: Path) -> None:
    """The committed picture of each live view, byte for byte: no cell that shows one waits for a drawing."""
    kept = [file.read_bytes() for file in STILLS.iterdir()]
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    outputs = [output for cell in cells if SHOWN.search(cell.source) for output in cell.outputs if "data" in output]
    pictures = [base64.b64decode(output.data["image/png"]) for output in outputs if "image/png" in output.data]
    assert pictures
    assert [png in kept for png in pictures] == [True] * len(pictures)


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_as_it_opens_draws_nothing(name: str, no_drawing: None) -> None:
    assert picture(VIEWS[name]) == still(name)


def test_a_guess_changes_no_still(no_drawing: None) -> None:
    view = widgets.show(experiments.teacher_entropy("line", 1), predict=ASKED)
    before = picture(view)
    view.commit("here")
    assert picture(view) == before


def test_a_view_anywhere_else_draws_what_it_shows() -> None:
    line = experiments.teacher_entropy("line", 1)
    opening = still(widgets.show(line, predict=ASKED).still_name())
    with_path = widgets.show(line)
    moved = widgets.show(line, predict=ASKED)
    moved.beta = 100.0
    coarse = widgets.show(experiments.teacher_entropy("line", 1, positions=5), predict=ASKED)
    other = widgets.show(experiments.teacher_entropy("line", 2), predict=ASKED)
    for view in (with_path, moved, coarse, other):
        assert still(view.still_name()) is None
        assert picture(view) == view.drawn() != opening


def test_a_bell_elsewhere_and_text_elsewhere_are_drawn() -> None:
    bell = hand.by_hand("line")
    assert still(bell.still_name()) is not None
    bell.place(0.001, 1.0)  # says the same to two digits, and is not the same
    assert still(bell.still_name()) is None and picture(bell) == bell.drawn()
    assert still(hand.by_hand("falls").still_name()) is None
    sweep = teacher_temperature()
    assert still(text.show(sweep).still_name()) is None  # with its path
    assert still(text.show(teacher_temperature(seed=1), predict=ASKED).still_name()) is None


def test_a_name_tells_apart_all_that_is_shown() -> None:
    names = {
        still_name(key, said, path=path)
        for key in ("line|1", "line|2")
        for said in (["a", "b"], ["a", "c"], ["b", "b"])
        for path in (True, False)
    }
    assert len(names) == 12
    assert all(re.fullmatch(r"[a-z0-9-]+\.png", name) for name in names)
