"""Static pictures of text: drawn from the numbers they are given, nothing over anything else, nothing cut off."""

from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex
from support.chains import random_chain
from support.pictures import assert_tidy, dots, paths, said

from kdlab.core.format import signed
from kdlab.ngrams import plots as plots_text
from kdlab.ngrams.experiment import NGramSweep, teacher_temperature
from kdlab.ngrams.names import first_names
from kdlab.ngrams.objectives import NAMES, Outcome, compare_objectives
from kdlab.pictures.figure import STYLE, Picture

TRUTH, TEACHER, DIRECT, DISTILLED = (STYLE[role].colour for role in ("truth", "teacher", "direct", "distilled"))
Outcomes = dict[float, tuple[Outcome, ...]]
Drawn = dict[float, Picture]
PRECISION_BOUND, RECALL_BOUND = "precision ≤ max log p*", "recall ≤ −H(p*)"


@pytest.fixture(scope="module")
def outcomes(sweep: NGramSweep) -> Outcomes:
    return {tau: compare_objectives(sweep.truth, sweep.teacher, 1, tau) for tau in (0.3, 0.5, 1.0, 1.5)}


@pytest.fixture(scope="module")
def drawn(sweep: NGramSweep, outcomes: Outcomes) -> Drawn:
    return {tau: plots_text.objectives(several, sweep) for tau, several in outcomes.items()}


# The slider of tau


@pytest.mark.parametrize("tau", [0.3, 0.6, 1.0, 1.5])
def test_a_figure_shows_its_position(sweep: NGramSweep, tau: float) -> None:
    made, here = plots_text.figure(sweep, tau), sweep.at(tau)
    names, bar, plane = made.axes
    first, *others = dots(plane, DISTILLED)
    assert first[:2] == (here.recall, here.precision)
    assert all(first[2] > 2 * size for *_, size in others)
    assert [dot[:2] for dot in dots(plane, DIRECT)] == [(sweep.direct_recall, sweep.direct_precision)]
    assert sorted(dot[:2] for dot in others) == sorted(
        (sweep.at(t).recall, sweep.at(t).precision) for t in (0.3, 0.5, 0.7, 1.0, 1.5)
    )
    assert any(np.array_equal(path, np.column_stack([sweep.recall, sweep.precision])) for path in paths(plane))
    whole, covered = (patch.get_width() for patch in bar.patches)
    assert covered / whole == pytest.approx(here.covered, abs=1e-12)
    assert f"{100 * here.covered:.0f} %" in said(made)
    written = [text.get_text() for text in names.texts]
    for name in here.names:
        assert name in written or f"{name[:16]}…" in written
    assert here.sentence in " ".join(" ".join(said(made)).split())
    assert made.words == here.sentence
    assert f"τ = {tau:.2f}" in said(made)
    census = set(first_names()[0])
    real = [name for name in here.names if name in census]  # set apart and counted
    assert [text.get_text() for text in names.texts if text.get_fontweight() == "bold"] == real
    assert len(names.lines) == len(real)
    assert f"bold and underlined: real names, {len(real) or 'none'} of these 12" in said(made)
    for text, line in zip((t for t in names.texts if t.get_text() in real), names.lines, strict=True):
        (x0, y), (x1, _) = names.transData.transform(line.get_xydata())
        box = text.get_window_extent()
        assert abs(x0 - box.x0) < 1 and abs(x1 - box.x1) < 1 and abs(y - box.y0) < 5


def test_a_picture_without_the_path_gives_nothing_away(sweep: NGramSweep) -> None:
    for tau in (0.3, 0.6, 0.9, 1.5):
        still = plots_text.figure(sweep, tau, path=False)
        plane = still.axes[2]
        assert not paths(plane)
        assert len(dots(plane, DISTILLED)) == 1
        assert not {"0.5", "0.7"} & set(said(still))
        assert_tidy(still)


@pytest.mark.parametrize("orders", [(2, 1, 0), (2, 2, 2), (3, 3, 1), (2, 1, 1)])
def test_figures_of_other_orders_are_tidy(orders: tuple[int, int, int]) -> None:
    other = teacher_temperature(*orders, positions=2, seed=3)
    assert_tidy(plots_text.figure(other, 0.3))
    assert_tidy(plots_text.filmstrip(other, [0.3, 1.5]))


def test_figures_are_tidy_and_names_keep_off_the_path_and_the_bounds(sweep: NGramSweep) -> None:
    """At every twelfth position; bounds are lines of two points."""
    for tau in sweep.taus[::12]:
        plane = plots_text.figure(sweep, float(tau)).axes[2]
        assert_tidy(plane.figure)
        names = [text for text in plane.texts if text.get_text() not in (PRECISION_BOUND, RECALL_BOUND)]
        lines = [line for line in plane.lines if len(line.get_xdata()) > 1]
        assert len(names) == 7 and len(lines) == 3
        for line in lines:
            path = line.get_transform().transform_path(line.get_path()).interpolated(50)
            for name in names:
                box = name.get_window_extent()
                inside = ((path.vertices > box.min) & (path.vertices < box.max)).all(axis=1)
                assert not inside.any(), (tau, name.get_text())


@pytest.mark.parametrize("taus", [[1.0], [0.3, 0.6, 1.0, 1.5], [0.3, 0.4, 0.6, 0.8, 1.0, 1.2]])
def test_a_filmstrip_has_the_names_at_each_tau_and_one_plane(sweep: NGramSweep, taus: list[float]) -> None:
    made = plots_text.filmstrip(sweep, taus)
    *frames, plane = made.axes
    assert len(frames) == len(taus)
    for frame, tau in zip(frames, taus, strict=True):
        here = sweep.at(tau)
        written = [text.get_text() for text in frame.texts]
        assert written == [name if len(name) <= 17 else f"{name[:16]}…" for name in here.names]
        assert {
            f"τ = {tau:.2f}",
            f"precision {signed(here.precision)}",
            f"recall {signed(here.recall)}",
            f"covers {100 * here.covered:.0f} %",
            f"{tau:g}",
        } <= set(said(made))
    assert [dot[:2] for dot in dots(plane, DISTILLED)] == [(sweep.at(t).recall, sweep.at(t).precision) for t in taus]
    assert made.words == "\n".join(sweep.at(tau).sentence for tau in taus)
    assert_tidy(made)


def test_an_empty_filmstrip_is_an_error(sweep: NGramSweep) -> None:
    with pytest.raises(ValueError, match=r"at least one value from 0.3 to 1.5"):
        plots_text.filmstrip(sweep, [])


@pytest.mark.parametrize("wrong", [None, 3, "mary", random_chain(0, 1)])
def test_something_else_than_a_sweep_is_an_error(wrong: Any) -> None:
    with pytest.raises(TypeError, match="is not a NGramSweep"):
        plots_text.figure(wrong, 1.0)


# Objectives


@pytest.mark.parametrize("tau", [0.3, 0.5, 1.0, 1.5])
def test_objectives_stand_where_they_land(sweep: NGramSweep, drawn: Drawn, outcomes: Outcomes, tau: float) -> None:
    made = drawn[tau]
    (axes,) = made.axes
    large = [dot for dot in dots(axes, DISTILLED) if dot[2] > 4]
    there = {(round(one.recall, 9), round(one.precision, 9)) for one in outcomes[tau]}  # some stand in one place
    assert sorted((round(x, 9), round(y, 9)) for x, y, *_ in large) == sorted(there)
    assert [dot[:2] for dot in dots(axes, DIRECT)] == [(sweep.direct_recall, sweep.direct_precision)]
    assert any(np.array_equal(path, np.column_stack([sweep.recall, sweep.precision])) for path in paths(axes))
    for one in outcomes[tau]:
        assert sum(one.name in text for text in said(made)) == 1
        assert f"{one.name}: {signed(one.precision)}, {signed(one.recall)}." in made.words
    assert_tidy(made)


@pytest.mark.parametrize("tau", [0.3, 0.5, 1.0, 1.5])
def test_objectives_names_stand_by_their_own_markers(drawn: Drawn, outcomes: Outcomes, tau: float) -> None:
    """Within 40 dots of the figure (a ninth of an inch is 12), and no marker that stands elsewhere is nearer."""
    (axes,) = drawn[tau].axes
    axes.figure.draw_without_rendering()
    at = {one.name: axes.transData.transform((one.recall, one.precision)) for one in outcomes[tau]}
    for text in axes.texts:
        named = [name for name in NAMES if name in text.get_text()]
        if not named:
            continue
        box = text.get_window_extent()
        away = {
            name: np.hypot(*np.maximum(np.maximum(box.min - point, point - box.max), 0)) for name, point in at.items()
        }
        assert all(away[name] < 40 and away[name] <= min(away.values()) + 2 for name in named), text.get_text()


def test_shape_says_whose_prefixes_and_hollow_says_reverse(drawn: Drawn, outcomes: Outcomes) -> None:
    (axes,) = drawn[0.5].axes
    markers = {}
    for line in axes.lines:
        if len(line.get_xdata()) == 1 and line.get_markersize() > 4:
            hollow = to_hex(line.get_markerfacecolor()) == "#ffffff"
            markers[line.get_xdata()[0], line.get_marker()] = hollow
    looks = [("o", False), ("^", False), None, ("^", True), ("D", True)]  # the third stands where the first does
    assert outcomes[0.5][2].recall == pytest.approx(outcomes[0.5][0].recall, abs=1e-9)
    for one, look in zip(outcomes[0.5], looks, strict=True):
        if look is not None:
            assert markers[one.recall, look[0]] is look[1]


def test_a_bound_far_away_is_named_at_the_edge(sweep: NGramSweep, drawn: Drawn) -> None:
    near, far = drawn[0.3], drawn[1.0]
    assert {PRECISION_BOUND, RECALL_BOUND} <= set(said(near))
    x, y = near.axes[0].get_xlim(), near.axes[0].get_ylim()
    assert x[0] < sweep.recall_bound < x[1] and y[0] < sweep.precision_bound < y[1]
    x, y = far.axes[0].get_xlim(), far.axes[0].get_ylim()
    assert x[1] < sweep.recall_bound and y[1] < sweep.precision_bound
    assert f"recall ≤ −H(p*) = {signed(sweep.recall_bound)}, beyond this edge →" in said(far)
    assert f"precision ≤ max log p* = {signed(sweep.precision_bound)}, above this edge ↑" in said(far)


def test_outcomes_in_one_place_share_a_name(drawn: Drawn) -> None:
    named = [text for text in said(drawn[1.0]) if "forward KL" in text]
    assert f"{NAMES[0]}\n= {NAMES[1]}\n= {NAMES[2]}" in named


def test_no_outcomes_are_an_error(sweep: NGramSweep) -> None:
    with pytest.raises(ValueError, match="No outcomes: pass what kdlab.ngrams.objectives.compare_objectives"):
        plots_text.objectives([], sweep)
