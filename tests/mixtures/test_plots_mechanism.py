"""Static pictures of why: drawn from the numbers they are given, and saying in words what they show."""

import itertools
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex

from kdlab.mixtures import mechanism, plots, plots_mechanism, teacher_entropy
from kdlab.mixtures.scenes import line_mixture, make_scene

DISTILLED, TEACHER, DIRECT = (plots.STYLE[name].colour for name in ("distilled", "teacher", "direct"))


def drawn(axes: Any, colour: str) -> list[Any]:
    return [line for line in axes.lines if to_hex(line.get_color()) == colour.lower()]


@pytest.fixture(scope="module")
def sweeps() -> list[Any]:
    return [teacher_entropy("ring", k) for k in (1, 2, 3, 4, 8)]


def test_selectivity_draws_the_sweeps_weights_and_effective_components(sweeps: list[Any]) -> None:
    made = plots_mechanism.selectivity(sweeps[1])
    weights, used = made.axes
    assert np.allclose([line.get_ydata() for line in drawn(weights, TEACHER)], np.exp(sweeps[1].teacher_log_weights).T)
    (curve,) = drawn(used, TEACHER)
    assert np.allclose(curve.get_ydata(), sweeps[1].effective_components)
    assert "from 3.80 to 1.00; the student has 2" in made.words


def test_the_line_through_the_components_climbs_where_precision_does() -> None:
    made = plots_mechanism.heavier_and_better([make_scene("line"), make_scene("ring")])
    for axes, sign in zip(made.axes, (1, -1), strict=True):
        (line,) = axes.lines
        assert np.sign(np.diff(line.get_ydata())[0]) == sign
    assert "climbs, slope of precision +0.177" in made.words
    assert "falls, slope of precision −0.195" in made.words


def test_the_regression_line_is_numpys() -> None:
    scene = make_scene("ring")
    (line,) = plots_mechanism.heavier_and_better([scene], beta=3.0).axes[0].lines
    logs, scores = scene.teacher.log_weights, mechanism.component_precisions(scene.teacher, scene.truth)
    fitted = np.polyfit(logs, scores, 1, w=np.sqrt(scene.teacher.tempered(3.0).weights))
    np.testing.assert_allclose(line.get_ydata(), np.polyval(fitted, line.get_xdata()), atol=1e-8)


def test_matrices_carry_the_numbers_of_their_positions(sweeps: list[Any]) -> None:
    pairs = mechanism.pairs_along(sweeps[1])
    made = plots_mechanism.pair_matrices(pairs, [1, 5])
    assert len(made.axes) == 8  # a map and three matrices for each beta
    i = sweeps[1].index(5)
    for axes, values, form in zip(
        made.axes[5:], (pairs.joint_weights[i], pairs.cross_entropies[i], pairs.shares[i]), ("2", "1", "2"), strict=True
    ):
        assert [text.get_text() for text in axes.texts] == [f"{value:.{form}f}" for value in values.ravel()]
    assert made.words == f"{pairs.sentences[0]}\n{pairs.sentences[i]}"


def test_the_teacher_s_names_stand_within_the_map_and_on_no_ellipse_of_the_teacher(sweeps: list[Any]) -> None:
    pairs = mechanism.pairs_along(sweeps[1])
    axes = plots_mechanism.pair_matrices(pairs, [1]).axes[0]
    axes.get_figure(root=True).draw_without_rendering()
    boxes = {text.get_text(): text.get_window_extent() for text in axes.texts if text.get_text().startswith("p′")}
    assert sorted(boxes) == ["p′1", "p′2", "p′3", "p′4"]
    space = axes.get_window_extent()
    teacher = [patch for patch in axes.patches if to_hex(patch.get_edgecolor()) == TEACHER.lower()]
    assert len(teacher) == 4
    for box in boxes.values():
        assert space.x0 <= box.x0 and box.x1 <= space.x1 and space.y0 <= box.y0 and box.y1 <= space.y1
        for patch in teacher:
            outline = patch.get_transform().transform(patch.get_path().interpolated(20).vertices)
            assert not box.count_contains(outline)
    assert not any(some.overlaps(other) for some, other in itertools.combinations(boxes.values(), 2))


def test_the_frontier_draws_every_path_once_and_names_those_that_coincide(sweeps: list[Any]) -> None:
    made = plots_mechanism.frontier(sweeps, -8.5)
    (axes,) = made.axes
    names = [text.get_text() for text in axes.texts]
    assert "K″ = 4 and 8" in names
    assert "direct, K″ = 8" in names
    whole = [line for line in drawn(axes, DISTILLED) if len(line.get_xdata()) > 100]
    assert len(whole) == 4  # K'' = 1, 2, 3 but for its first positions, and 4 with 8
    squares = [
        line for line in drawn(axes, DIRECT) if line.get_marker() == "s" and line.get_transform() == axes.transData
    ]
    assert [line.get_xdata()[0] for line in squares] == [one.direct_recall for one in sweeps]
    for k, one in zip((1, 2, 3, 4, 8), sweeps, strict=True):
        assert f"K″ = {k}: precision {one.precision[0]:.2f} to {one.precision[-1]:.2f}" in made.words


def test_two_divergences_draws_both_students_of_each_target() -> None:
    target = line_mixture([0.6, 0.4], [-3.0, 3.0], [0.6, 0.6])
    made = plots_mechanism.two_divergences(target, [1, 10])
    for axes, beta in zip(made.axes, (1, 10), strict=True):
        one = target.tempered(beta)
        (curve,) = drawn(axes, DISTILLED)
        x, y = curve.get_xdata(), curve.get_ydata()
        mean, var = float(one.mean[0]), float(one.covariance[0, 0])
        np.testing.assert_allclose(y, np.exp(-0.5 * (x - mean) ** 2 / var) / np.sqrt(2 * np.pi * var), atol=1e-9)
    assert "β = 1: the forward student is centred at -0.60 with width 3.00" in made.words
