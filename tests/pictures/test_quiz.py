"""A picture behind a question: what is committed gives nothing away, and the gate opens in a real JupyterLab."""

import base64
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from support.axe import serious
from support.lab import Lab

from kdlab.core import answers
from kdlab.pictures.figure import Picture, draw_key, png
from kdlab.pictures.quiz import quiz

PREDICT = {"id": "07.test", "question": "Where?", "options": ["here", "there"], "outcome": "there."}


def pictures() -> tuple[Picture, Picture]:
    whole, before = Picture(6, 2), Picture(6, 2)
    whole.words, before.words = "Here, there and everywhere.", "Somewhere."
    draw_key(whole, 0.02, 0.5)
    return whole, before


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where a guess is kept


def test_a_page_gets_the_whole_picture_and_other_places_the_one_without_the_answer() -> None:
    whole, before = pictures()
    view = quiz(whole, before, predict=PREDICT)
    assert (base64.b64decode(view.picture), view.words, view.size) == (png(whole), whole.words, [576, 192])
    for guess in (None, "there"):
        assert view.prediction["guess"] == guess
        data, metadata = view._repr_mimebundle_()
        assert base64.b64decode(data["image/png"]) == png(before) != png(whole)
        assert data["text/plain"] == metadata["image/png"]["alt"] == before.words
        assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == view.model_id
        view.commit("there")


def test_anything_but_pictures_is_refused() -> None:
    with pytest.raises(TypeError, match="str is not a Picture"):
        quiz(pictures()[0], "before", predict=PREDICT)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no usable outcome"):
        quiz(*pictures(), predict={**PREDICT, "outcome": ""})


@pytest.mark.browser
@pytest.mark.slow
def test_notebook_07_asks_first_and_shows_then(jupyter: Lab, run_notebook: Any) -> None:
    """Run in JupyterLab: covered until a key commits a guess, the picture in place, the same size before and after."""
    notebook = run_notebook("07")
    page = notebook.page
    still = page.locator(".kdlab-still")
    image, cover = still.locator("img"), still.locator(".kdlab-cover")
    expect(cover).to_be_visible()
    expect(image).to_be_hidden()
    expect(still.locator("button")).to_have_count(5)
    place = "image => [image.offsetTop, image.offsetLeft, image.offsetWidth, image.offsetHeight]"
    before = image.evaluate(place)
    still.locator("button").nth(1).focus()
    page.keyboard.press("Enter")
    expect(cover).to_be_hidden()
    expect(image).to_be_visible()
    outcome = still.locator(".kdlab-outcome")
    expect(outcome).to_be_focused()  # what happens is read next
    assert serious(still) == []
    expect(outcome).to_contain_text("You predicted: Higher precision and higher recall. What happens: the direct")
    assert image.evaluate("image => image.complete && image.naturalWidth > 900")
    alt = image.get_attribute("alt")
    assert alt is not None and "Language models (this run), precision and recall in nats per token: τ = 1:" in alt
    assert image.evaluate(place) == before  # nothing moved
    assert notebook.thrown == []
    assert answers.read(jupyter.folder / "07")["prediction 07.direct"]["guess"] == "Higher precision and higher recall"
    notebook.run_all()
    expect(still.locator(".kdlab-outcome")).to_contain_text("You predicted: Higher precision")
