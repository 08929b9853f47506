"""What static pictures are made of: the roles' colours are the page's, and the same picture is the same few bytes."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from kdlab.core.files import PACKAGE
from kdlab.pictures.figure import STYLE, Picture, draw_key, ellipse, png


@pytest.mark.parametrize("role", sorted(STYLE))
def test_page_and_matplotlib_use_the_same_colours(role: str) -> None:
    css = (PACKAGE / "pictures/view.css").read_text("utf-8")
    found = re.search(rf"--kdlab-{role}: light-dark\((#[0-9A-Fa-f]{{6}}),", css)
    assert found and found[1].lower() == STYLE[role].colour.lower()


def test_the_colours_are_okabe_and_itos_and_a_png_keeps_them() -> None:
    """A palette may shift a hue by what no eye sees, not by more."""
    made = Picture(6, 1)
    draw_key(made, 0.02, 0.5)
    pixels = np.asarray(Image.open(io.BytesIO(png(made))).convert("RGB"), int).reshape(-1, 3)
    for role, colour in (("teacher", (230, 159, 0)), ("direct", (0, 114, 178)), ("distilled", (213, 94, 0))):
        assert STYLE[role].colour == "#{:02X}{:02X}{:02X}".format(*colour)
        assert np.abs(pixels - colour).max(axis=1).min() <= 6, role


def test_the_same_picture_is_the_same_bytes_and_jupyter_gets_it_with_its_words() -> None:
    made, again = Picture(6, 1), Picture(6, 1)
    for one in (made, again):
        draw_key(one, 0.02, 0.5)
        one.words = "Four roles."
    data, metadata = made._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]) == png(again) and len(png(made)) < 10_000
    assert data["text/plain"] == metadata["image/png"]["alt"] == "Four roles."


def test_an_ellipse_is_where_the_density_has_fallen_by_its_sigmas() -> None:
    mean, cov = np.array([1.0, -2.0]), np.array([[2.0, 0.6], [0.6, 0.5]])
    edge = ellipse(mean, cov, 2.0, STYLE["teacher"], 1.0)
    points = edge.get_transform().transform(edge.get_path().vertices) - mean
    # The outline is made of Bezier curves, right to a few parts in ten thousand.
    assert np.sqrt(np.einsum("ni,ij,nj->n", points, np.linalg.inv(cov), points))[::3] == pytest.approx(2.0, rel=1e-3)
