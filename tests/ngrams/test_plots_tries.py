"""Static pictures of k tries: drawn from the numbers they are given, nothing over anything else, nothing cut off."""

import numpy as np
import pytest
from support.pictures import assert_tidy, dots, paths, said

from kdlab.core.format import several
from kdlab.ngrams.plots_tries import figure, filmstrip
from kdlab.ngrams.tries import NEW, TriesSweep, kinds
from kdlab.pictures.figure import STYLE

DIRECT, DISTILLED = (STYLE[role].colour for role in ("direct", "distilled"))


@pytest.mark.parametrize("tau", [0.1, 0.22, 0.7, 1.0, 1.5])
@pytest.mark.parametrize("k", [1, 10, 3_000, 10**6])
def test_a_figure_shows_its_position(tries: TriesSweep, tau: float, k: int) -> None:
    asked = tries.asking(k)
    made, here = figure(asked, tau), asked.at(tau)
    names, bar, curve, plane = made.axes
    shares = asked.distinct[:, asked.column] / asked.distinct[:, asked.column].max()
    assert any(np.array_equal(path, np.column_stack([asked.taus, shares])) for path in paths(curve))
    assert dots(curve, DISTILLED)[0][:2] == (tau, shares[asked.index(tau)])
    assert dots(curve, DIRECT)[0][:2] == (1.0, shares[asked.index(1.0)])
    assert dots(plane, DISTILLED)[0][:2] == (here.recall, here.precision)
    parts = [patch.get_width() for patch in bar.patches]
    assert parts == pytest.approx(
        [here.distinct, k * here_real(asked, tau) - here.distinct, k * (1 - here_real(asked, tau))]
    )
    written = [text for text in names.texts if "\n" not in text.get_text()]
    assert len(written) == min(k, 45)
    real = [name for name, kind in zip(here.names[:k], kinds(here.names[:k]), strict=True) if kind == NEW]
    assert [text.get_text() for text in written if text.get_fontweight() == "bold"] == real
    assert {several(here.distinct), f"τ = {tau:.2f}, k = {k:,}"} <= set(said(made))
    assert any(f"at τ = {here.best_tau:.2f}" in text for text in said(made)) and made.words == here.sentence
    assert_tidy(made)


def here_real(tries: TriesSweep, tau: float) -> float:
    return float(tries.real[tries.index(tau)])


def test_the_path_is_left_out_where_it_would_answer(tries: TriesSweep) -> None:
    *_, plane = figure(tries, 1.0, path=False).axes
    assert not paths(plane)


def test_a_filmstrip_has_a_curve_and_its_peak_for_each_k(tries: TriesSweep) -> None:
    made = filmstrip(tries, [1, 30, 1000, 100_000])
    assert len(made.axes) == 4 and {"one try", "30 tries", "100,000 tries"} <= set(said(made))
    peaks = {"0.80 at τ = 0.10, at the edge", "4.24 at τ = 0.30", "49.4 at τ = 0.62", "640 at τ = 0.99"}
    assert peaks <= set(said(made)) and made.words.count("No other teacher here brings more") == 4
    assert_tidy(made)


def test_bad_filmstrips(tries: TriesSweep) -> None:
    with pytest.raises(ValueError, match="A filmstrip of no k: give a list"):
        filmstrip(tries, [])
    with pytest.raises(ValueError, match="k is 0: the slider goes from 1 to 1,000,000"):
        filmstrip(tries, [3, 0])
    with pytest.raises(TypeError, match="int is not a TriesSweep: pass what ngrams.tries_over_tau"):
        figure(3, 1.0)  # type: ignore[arg-type]
