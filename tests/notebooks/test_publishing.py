"""What the site is made with: formulas, prose, live views, the folder that it is written to, and the header's film."""

import re
from pathlib import Path
from unittest.mock import Mock

import publish
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image
from publishing import animation, pages, views
from support.chromium import NoChromium, chromium
from support.repository import text

from kdlab import mixtures

# Prose


def test_links_lead_to_pages_and_formulas_are_set() -> None:
    book = pages.Book({"notebooks/01.ipynb": "01.html", "README.md": "README.html"})
    made = book.prose("See [one](01.ipynb#a-part), [two](../README.md), β = 1 and $w_c$.", "notebooks/00.ipynb")
    assert 'href="01.html#a-part"' in made and 'href="README.html"' in made
    assert "β\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}1" in made and "<math" in made and "$" not in made


def test_a_link_to_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nowhere.md, which is not on the site"):
        pages.Book({}).prose("[here](nowhere.md)", "notebooks/00.ipynb")


def test_a_formula_that_would_be_read_wrongly_stops_the_site() -> None:
    made = pages.Book({}).prose("\\begin{aligned} a &= b \\\\\n c &= d \\end{aligned}", "README.md")
    assert made.count("<mtr>") == 2 and "begin" not in re.sub('alttext="[^"]*"', "", made)
    for wrong in ("$\\color{red}{x}$", "\\begin{align} a &= b \\end{align}"):
        with pytest.raises(ValueError, match="not understood whole"):
            pages.Book({}).prose(wrong, "README.md")


def test_pictures_of_the_network_are_only_named() -> None:
    made = pages.Book({}).prose("[![Binder](https://mybinder.org/badge_logo.svg)](#there)", "README.md")
    assert "<img" not in made and "Binder" in made


def test_tasks_can_be_ticked_and_have_their_words_as_labels() -> None:
    made = pages.Book({}).prose("- [ ] bring *chalk*\n- [x] sweep", "notebooks/00.ipynb")
    assert made.count('<label><input type="checkbox"') == 2 and made.count(" checked") == 1
    assert "<em>chalk</em></span></label>" in made


# Views


def test_a_module_becomes_a_script() -> None:
    assert "return () => 1;" in views.script("const a = 1;\nexport default () => 1;\n", "View")
    for module in ("const a = 1;", "export default 1;\nexport default 2;", 'import "x";\nexport default 1;'):
        with pytest.raises(ValueError, match="cannot become a script"):
            views.script(module, "View")


def test_nothing_is_run_but_what_a_view_needs(tmp_path: Path) -> None:
    picture = new_output("execute_result", {"image/png": "aGVsbG8="})
    sources = [
        "from kdlab import mixtures, no_such_module\nraise SystemExit",
        "scene = 'line'\nquestion = {'question': '?', 'options': ['a', 'b'], 'outcome': 'a', 'guess': 'b'}",
        "other = no_such_name",
        "print('said')\nview = mixtures.by_hand(scene, predict=question)\nview",
    ]
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    notebook.cells[-1].outputs = [picture]
    (live,) = views.live_views(notebook, tmp_path, {})
    assert (live.module, live.state["prediction"]["guess"], live.answers) == ("SingleView", None, {})
    assert live.state["world"]["title"] and not {name for name in live.state if name.startswith("_")}


def test_only_a_site_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish.Site, "build", lambda site: site.write(".nojekyll", "new"))
    out = tmp_path / "site"
    publish.publish(out)
    (out / "stale.html").touch()
    publish.publish(out)
    assert [path.name for path in out.iterdir()] == [".nojekyll"]
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(publish.PublishError, match="did not write"):
        publish.publish(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "keep"


def test_a_site_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish.Site, "build", lambda site: site.write("large", b"0" * 20_000_001))
    with pytest.raises(publish.PublishError, match="20000001 bytes"):
        publish.publish(tmp_path / "site")
    assert list(tmp_path.iterdir()) == []


def test_what_is_built_in_the_open_is_this_site_with_no_more_rights_than_it_takes() -> None:
    flow = yaml.safe_load(text(".github/workflows/pages.yml"))
    build, deploy = flow["jobs"]["build"], flow["jobs"]["deploy"]
    assert flow["permissions"] == {"contents": "read"} and "permissions" not in build
    assert deploy["permissions"] == {"pages": "write", "id-token": "write"}
    assert {"run": "make site"} in build["steps"] and deploy["needs"] == "build"
    used = [step["uses"].split("@")[0] for job in (build, deploy) for step in job["steps"] if "uses" in step]
    official = ("checkout", "configure-pages", "upload-pages-artifact", "deploy-pages")
    assert used == [f"actions/{name}" for name in official]
    assert "\nsite: setup" in text("Makefile")


# The header figure


@pytest.mark.parametrize("path", [animation.MOVING, animation.STILL], ids=["moving", "still"])
def test_the_committed_figure_is_small_and_told_in_words(path: Path) -> None:
    assert path.stat().st_size < 1_000_000
    with Image.open(path) as picture:
        assert re.fullmatch("[0-9a-f]{8}", picture.getexif()[animation.IMAGE_DESCRIPTION])
        assert getattr(picture, "n_frames", 1) > 10 or path == animation.STILL
    assert f"![{animation.WORDS}](notebooks/figures/live.webp)" in text("README.md")


def test_the_film_goes_from_end_to_end_and_back() -> None:
    places = animation.positions(120, 44, 8)
    top = places.index(120)
    assert places[0] == 0 and places[: top + 1] == sorted(set(places[: top + 1]))
    assert places[top:] == sorted(set(places[top:]), reverse=True) and places[-1] > 0
    stays = animation.durations(places)
    assert stays[0] == stays[top] > 10 * stays[1]


def test_without_a_browser_the_committed_figure_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(animation, "launched", Mock(side_effect=NoChromium("no Chromium on this machine")))
    monkeypatch.setattr(animation, "_kept", lambda path: "of old")
    before = animation.MOVING.read_bytes()
    assert "stays as it was committed" in animation.refreshed()
    assert animation.MOVING.read_bytes() == before


@pytest.mark.browser
def test_a_film_shows_the_slider_moving(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(animation, "launched", chromium)
    view = mixtures.show(mixtures.teacher_entropy("line", n_components=1, positions=13))
    pictures = animation.film(view, range(0, 12, 3), scale=0.5)
    assert len({picture.tobytes() for picture in pictures}) == 4
    path = tmp_path / "film.webp"
    animation.write(path, pictures, "0123abcd", [70] * 4)
    with Image.open(path) as film:
        assert (film.n_frames, film.size) == (4, pictures[0].size)
        film.seek(2)
        assert film.convert("RGB").tobytes() == pictures[2].tobytes()
        assert animation._kept(path) == "0123abcd"
