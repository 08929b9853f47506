"""Static figures: they show the sweep's numbers, in the agreed colours, and leave no global state behind."""

import pytest
from support.fake_sweep import fake_sweep
from support.pictures import dots, said

from kdlab.core.files import PACKAGE
from kdlab.mixtures import plots, teacher_entropy
from kdlab.pictures.figure import png


def test_page_and_matplotlib_thin_the_teacher_by_the_same_rule() -> None:
    script = (PACKAGE / "pictures/live.js").read_text("utf-8")
    assert "round(0.5 + 4 * Math.sqrt(weight))" in script
    assert plots.teacher_width(0.25) == pytest.approx(2.5)
    assert plots.teacher_width(0.0) == pytest.approx(0.5)


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("beta", [1.0, 5.0, 100.0])
def test_a_figure_says_the_sweeps_sentence_and_is_reproducible(dim: int, beta: float) -> None:
    sweep = fake_sweep(dim)
    figure = plots.figure(sweep, beta)
    words = " ".join(" ".join(said(figure)).split())
    assert sweep.at(beta).sentence in words
    assert sweep.scene.title in words
    assert f"β = {sweep.at(beta).beta:.2f}" in words
    first = png(figure)
    assert first == png(plots.figure(sweep, beta))
    assert len(first) < 80_000
    largest, *_ = dots(figure.axes[1], plots.STYLE["distilled"].colour)
    assert largest[:2] == (sweep.at(beta).recall, sweep.at(beta).precision)


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("betas", [[1], [1, 2, 5, 20], [1, 1.5, 2, 5, 20, 100]])
def test_a_filmstrip_has_a_frame_per_beta_and_one_plane(dim: int, betas: list[float]) -> None:
    sweep = fake_sweep(dim)
    figure = plots.filmstrip(sweep, betas)
    assert len(figure.axes) == len(betas) + 1
    words = said(figure)
    for beta in betas:
        here = sweep.at(beta)
        assert f"β = {here.beta:.2f}" in words
        numbers = f"precision {here.precision:.2f}, recall {here.recall:.2f}".replace("-", "−")
        assert numbers in words
    assert png(figure)


def test_a_picture_without_the_path_ahead_gives_nothing_away() -> None:
    sweep = teacher_entropy("line")
    whole, still = (plots.figure(sweep, path=path).axes[1] for path in (True, False))
    assert [line for line in whole.lines if len(line.get_xdata()) == len(sweep.betas)]
    assert not [line for line in still.lines if len(line.get_xdata()) > 2]
