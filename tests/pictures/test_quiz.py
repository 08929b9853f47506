"""A picture behind a question: what is committed gives nothing away, and the gate opens in a real JupyterLab."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect
from support.axe import serious
from support.chromium import chromium
from support.fake_results import fake_results
from support.lab import Lab

from kdlab.core import answers
from kdlab.lm import plots_worlds
from kdlab.mixtures import experiment as experiments
from kdlab.mixtures import plots
from kdlab.ngrams.experiment import teacher_temperature
from kdlab.pictures import quiz as stills
from kdlab.pictures.figure import Picture

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "07_read_the_trade_off.ipynb"
PREDICT = {"id": "07.test", "question": "Where?", "options": ["here", "there"], "outcome": "there."}


@pytest.fixture(scope="module")
def pictures() -> tuple[Picture, Picture]:
    worlds = experiments.teacher_entropy("ring", n_components=1), teacher_temperature(positions=5), fake_results()
    return plots_worlds.three_worlds(*worlds), plots_worlds.three_worlds(*worlds, path=False)


def test_without_a_page_there_is_the_picture_without_the_answer(pictures: tuple[Picture, Picture]) -> None:
    whole, before = pictures
    view = stills.quiz(whole, before, predict=PREDICT)
    data, metadata = view._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]) == plots.png(before) != plots.png(whole)
    assert data["text/plain"] == metadata["image/png"]["alt"] == before.words
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == view.model_id
    view.close()


def test_what_is_sent_is_the_whole_picture_and_its_words(pictures: tuple[Picture, Picture]) -> None:
    view = stills.quiz(*pictures, predict=PREDICT)
    assert base64.b64decode(view.picture) == plots.png(pictures[0])
    assert view.words == pictures[0].words and view.size[0] > view.size[1] > 0
    view.close()


def test_a_guess_is_kept_and_is_there_again(
    pictures: tuple[Picture, Picture], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = stills.quiz(*pictures, predict=PREDICT)
    assert first.prediction["guess"] is None
    first.commit("there")
    assert answers.read()["prediction 07.test"]["guess"] == "there"
    again = stills.quiz(*pictures, predict=PREDICT)
    assert again.prediction["guess"] == "there" and again.errors == first.errors == []
    with pytest.raises(ValueError, match="'nowhere' is not among the options"):
        again.commit("nowhere")


def test_anything_but_pictures_is_refused(pictures: tuple[Picture, Picture]) -> None:
    with pytest.raises(TypeError, match="str is not a Picture"):
        stills.quiz(pictures[0], "before", predict=PREDICT)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no usable outcome"):
        stills.quiz(*pictures, predict={**PREDICT, "outcome": ""})


@pytest.mark.browser
@pytest.mark.slow
def test_notebook_07_asks_first_and_shows_then(jupyter: Lab) -> None:
    """Run in JupyterLab: covered until a key commits a guess, the picture in place, the same size before and after."""
    lab = jupyter.within("stills")
    shutil.copy(NOTEBOOK, lab.folder)
    with chromium() as browser:
        notebook = lab.open(browser, NOTEBOOK.name)
        notebook.run_all()
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
        assert answers.read(lab.folder)["prediction 07.direct"]["guess"] == "Higher precision and higher recall"
        notebook.run_all()
        expect(still.locator(".kdlab-outcome")).to_contain_text("You predicted: Higher precision")
        notebook.close()
