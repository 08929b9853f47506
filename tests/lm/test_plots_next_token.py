"""Static pictures of tokens: what they say, what they show, and that nothing in them is left to a missing letter."""

import io
import math

import numpy as np
import pytest
from matplotlib.colors import to_hex
from support.pictures import assert_tidy, said

from kdlab.lm import plots_next_token as plots_tokens
from kdlab.lm.next_token import NextTokenSweep, entropy_limits, next_token_sweep
from kdlab.lm.recording import Cut, Recording, read_recording
from kdlab.mixtures import plots
from kdlab.pictures.figure import png


@pytest.fixture(scope="module")
def recording() -> Recording:
    return read_recording()


@pytest.fixture(scope="module")
def sweep(recording: Recording) -> NextTokenSweep:
    return recording.sweeps["My favorite color is"]


def test_pieces_stand_on_tiles_in_order(recording: Recording) -> None:
    figure = plots_tokens.pieces(list(recording.cuts.values()))
    shown = said(figure)
    assert len(shown) == sum(len(cut.pieces) for cut in recording.cuts.values())
    assert shown[:4] == ["One", "␣day", ",", "␣a"]
    assert "is cut into 15 tokens: In | ␣ | 1 | 9 | 6 | 9" in figure.words
    assert_tidy(figure)


def test_costs_are_bars_of_nats(recording: Recording) -> None:
    figure = plots_tokens.costs(recording.scored)
    bars = [bar for bar in figure.axes[0].patches if to_hex(bar.get_facecolor()) == plots.STYLE["truth"].colour]
    nats = [cost for one in recording.scored for cost in one.nats]
    assert len(bars) == len(nats)
    heights = np.array([bar.get_height() for bar in bars])
    np.testing.assert_allclose(heights / heights.max(), np.array(nats) / max(nats), rtol=1e-9)
    shown = said(figure)
    for one in recording.scored:
        assert f"log p* = {one.log_prob:.2f}".replace("-", "−") in shown
    assert sum("7 tokens, the end included" in text for text in shown) == 3
    assert "After 'The': ␣cat 14.0" in figure.words
    assert_tidy(figure)
    ways = said(plots_tokens.costs(recording.ways))
    assert any(text.startswith("1 token\n") for text in ways) and not any("end included" in text for text in ways)


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(ValueError, match="No texts"):
        plots_tokens.pieces([])
    for nothing in ([], [Cut(("a",), (1,))]):
        with pytest.raises(ValueError, match="Nothing to draw"):
            plots_tokens.costs(nothing)


@pytest.mark.parametrize("tau", [0.3, 1.0, 1.5])
def test_a_position_says_and_shows_its_numbers(sweep: NextTokenSweep, tau: float) -> None:
    figure, at = plots_tokens.figure(sweep, tau), sweep.at(tau)
    assert figure.words.startswith(at.sentence) and sweep.prompt in figure.words
    bars = [bar.get_width() for bar in figure.axes[0].patches]
    np.testing.assert_allclose(bars[:13], [*sweep.at(1).probabilities, sweep.at(1).rest], rtol=1e-9)
    np.testing.assert_allclose(bars[13:], [*at.probabilities, at.rest], rtol=1e-9)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names[0] == "“\u00a0blue”" and not any("▯" in name for name in names)
    dot = figure.axes[1].lines[-2]
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (at.tau, at.entropy)
    assert png(figure) == png(plots_tokens.figure(sweep, tau))  # the same picture has the same bytes
    assert not figure.axes[2].texts
    figure.axes[2].remove()  # its temperatures lie on those of the curve
    assert_tidy(figure)


def test_without_its_path_a_still_does_not_give_the_answer_away(sweep: NextTokenSweep) -> None:
    with_path, without = (plots_tokens.figure(sweep, 1.0, path=path).axes[1].lines for path in (True, False))
    assert len(with_path) - len(without) == 2 and all(len(line.get_xdata()) == 1 for line in without)


def test_choices_are_the_entropy_on_another_scale(sweep: NextTokenSweep) -> None:
    _, curve, beside = plots_tokens.figure(sweep, 1.0).axes
    assert curve.get_ylim() == beside.get_ylim() == entropy_limits(sweep)
    for place, label in zip(beside.get_yticks(), beside.get_yticklabels(), strict=True):
        assert math.exp(place) == pytest.approx(int(label.get_text().replace(",", "")))


def test_a_filmstrip_has_a_frame_for_each_tau(recording: Recording) -> None:
    for sweep in recording.sweeps.values():
        figure = plots_tokens.filmstrip(sweep, (0.3, 0.7, 1.5))
        assert len(figure.axes) == 3
        assert figure.words.splitlines()[2].startswith(sweep.at(1.5).sentence)
        assert_tidy(figure)
    with pytest.raises(ValueError, match="A filmstrip of no tau"):
        plots_tokens.filmstrip(sweep, ())
    with pytest.raises(ValueError, match="the slider goes from"):
        plots_tokens.filmstrip(sweep, (2.0,))
    with pytest.raises(TypeError, match="dict is not a NextTokenSweep"):
        plots_tokens.filmstrip({}, (1.0,))  # type: ignore[arg-type]


def test_samplers_stand_beside_each_other_over_the_truth(recording: Recording) -> None:
    step = recording.sampler["step"]
    figure = plots_tokens.samplers(step)
    assert len(figure.axes) == 4
    for axes, one in zip(figure.axes, step["samplers"], strict=True):
        bars = [bar.get_width() for bar in axes.patches]
        assert bars == [*step["samplers"][0]["shares"], *(one["shares"] if one["name"] != "p* as it is" else ())]
        assert one["name"] in said(figure) and f"{one['name']}: {one['entropy']:.2f} nats" in figure.words
    assert sum(text == "cut off" for text in said(figure)) == figure.words.count("cut off") == 3
    assert_tidy(figure)
    asked = plots_tokens.samplers(step, answer=False)
    assert len(asked.axes) == 1 and step["samplers"][3]["name"] not in [*said(asked), asked.words]
    assert_tidy(asked)


def test_letters_that_the_font_lacks_and_dollars_are_drawn_without_a_warning() -> None:
    """Warnings are errors here, and matplotlib warns of a missing glyph, and stops at half a formula."""
    odd = ["$x_{", "未来", "\x00", "\U0001f600", "a\nb", "\ufffd"] * 3
    sweep = next_token_sweep("cost $5 $", np.arange(18.0), odd.__getitem__, samples=["$\\frac未"] * 61)
    figure = plots_tokens.figure(sweep, 0.5)
    figure.savefig(io.BytesIO())
    plots_tokens.filmstrip(sweep, (0.3, 1.5)).savefig(io.BytesIO())
    plots_tokens.pieces([Cut(tuple(odd), tuple(range(18)))]).savefig(io.BytesIO())
    assert plots_tokens.drawable("a未b") == "a▯b"
