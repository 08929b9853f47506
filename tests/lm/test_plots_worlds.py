"""Three worlds in one picture, and the map of samples: drawn from the numbers they are given, nothing over anything."""

from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex
from support.fake_results import PATH, TRUNCATED, fake_results
from support.pictures import assert_tidy, dots, paths, said

from kdlab.core.format import signed
from kdlab.lm import plots_worlds
from kdlab.lm.report.changes import shown
from kdlab.mixtures import experiment as experiments
from kdlab.mixtures import plots
from kdlab.mixtures.experiment import MixtureSweep
from kdlab.ngrams.experiment import NGramSweep, teacher_temperature

TRUTH, TEACHER, DIRECT, DISTILLED = (plots.STYLE[role].colour for role in ("truth", "teacher", "direct", "distilled"))


@pytest.fixture(scope="module")
def mixture() -> MixtureSweep:
    return experiments.teacher_entropy("ring", n_components=1)


@pytest.fixture(scope="module")
def names() -> NGramSweep:
    return teacher_temperature(positions=25)


@pytest.fixture(scope="module")
def made(mixture: MixtureSweep, names: NGramSweep) -> plots.Picture:
    """All three worlds, drawn; read it, and leave it as it is."""
    made = plots_worlds.three_worlds(mixture, names, fake_results())
    made.draw_without_rendering()
    return made


def lines_at(axes: Any, *, x: float | None = None, y: float | None = None) -> int:
    """How many lines stand across the whole plane at a recall, or at a precision."""
    across, place = ("x", x) if y is None else ("y", y)
    along = getattr(axes, f"get_{across}axis_transform")(which="grid")
    values = [getattr(line, f"get_{across}data")() for line in axes.lines if line.get_transform() == along]
    return sum(len(two) == 2 and np.allclose(np.asarray(two, float), place) for two in values)


def bars(axes: Any) -> list[np.ndarray]:
    """Error bars as segments, (2, 2) each."""
    return [segment for collection in axes.collections for segment in collection.get_segments()]


def test_the_run_is_drawn_from_its_numbers(made: plots.Picture) -> None:
    axes = made.axes[2]
    students = {(x, y) for x, y, _ in dots(axes, DISTILLED)}
    assert students == {(recall, precision) for precision, recall in PATH.values()}
    assert [dot[:2] for dot in dots(axes, DIRECT)] == [(-4.58, -6.14)]
    assert [dot[:2] for dot in dots(axes, TEACHER)] == [(-4.55, -6.12)]
    assert [dot[:2] for dot in dots(axes, TRUTH)] == [(-2.83, -2.83)]
    (path,) = paths(axes)
    np.testing.assert_allclose(path, [PATH[tau][::-1] for tau in sorted(PATH)[::-1]])
    assert lines_at(axes, x=-2.83) == 1
    assert len(bars(axes)) == 2 * (len(PATH) + 2)
    places = [pytest.approx(at) for at in [*students, (-4.58, -6.14), (-4.55, -6.12)]]
    for segment in bars(axes):
        assert np.ptp(segment, axis=0).max() == pytest.approx(0.1)  # one error to either side
        assert segment.mean(axis=0).tolist() in places
    for pair in [*PATH.values(), (-6.14, -4.58), (-6.12, -4.55)]:
        assert ", ".join(map(signed, pair)) in made.words


def test_exact_worlds_are_their_notebooks_own(made: plots.Picture, mixture: MixtureSweep, names: NGramSweep) -> None:
    left, middle, _ = made.axes
    last = mixture.index(20)
    np.testing.assert_allclose(paths(left)[0], np.column_stack([mixture.recall, mixture.precision])[: last + 1])
    below = names.taus < 1.001
    np.testing.assert_allclose(paths(middle)[0], np.column_stack([names.recall, names.precision])[below][::-1])
    for axes, sweep in ((left, mixture), (middle, names)):
        assert [dot[:2] for dot in dots(axes, DIRECT)] == [(sweep.direct_recall, sweep.direct_precision)]
        assert dots(axes, TRUTH)[0][:2] == (sweep.recall_bound, sweep.recall_bound)  # both of p*'s own numbers
        assert lines_at(axes, x=sweep.recall_bound) == lines_at(axes, y=sweep.precision_bound) == 1
        assert bars(axes) == []
        (taught,) = dots(axes, TEACHER)
        assert taught[0] > sweep.direct_recall and taught[1] > sweep.direct_precision  # as their notebooks say


def test_every_plane_holds_all_that_is_drawn_and_says_its_own_nats(made: plots.Picture) -> None:
    units = ["nats per point", "nats per name", "nats per token"]
    assert [axes.get_xlabel() for axes in made.axes] == [f"recall, {unit}" for unit in units]
    assert [axes.get_ylabel() for axes in made.axes] == [f"precision, {unit}" for unit in units]
    for axes in made.axes:
        (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
        for colour in (TRUTH, TEACHER, DIRECT, DISTILLED):
            assert all(x0 < x < x1 and y0 < y < y1 for x, y, _ in dots(axes, colour))


def test_before_the_guess_nothing_is_given_away(made: plots.Picture, mixture: MixtureSweep, names: NGramSweep) -> None:
    before = plots_worlds.three_worlds(mixture, names, fake_results(), path=False)
    before.draw_without_rendering()
    axes = before.axes[2]
    assert [dots(axes, colour) for colour in (DISTILLED, DIRECT, TEACHER)] == [[], [], []] and bars(axes) == []
    assert dots(before.axes[0], DISTILLED) and "?" in said(before) and "not shown yet" in before.words
    assert signed(-6.14) not in before.words
    assert [a.get_xlim() for a in before.axes] == [a.get_xlim() for a in made.axes]  # nothing moves afterwards


def test_nothing_at_all_is_still_a_picture(mixture: MixtureSweep, names: NGramSweep) -> None:
    assert_tidy(plots_worlds.three_worlds(mixture, names, fake_results({}, direct=None, teacher=None, ceiling=None)))


@pytest.mark.parametrize(
    "results",
    [
        fake_results(),
        fake_results({1.0: (-6.0, -4.6), 0.6: (-5.0, -5.0)}),
        fake_results({tau: (3 * (1 - tau) - 6, -4.9 - 6 * (1 - tau) ** 2) for tau in (0.6, 0.7, 0.8, 0.875, 0.95, 1)}),
        fake_results(error=0.4, seeds=3, over_seeds=0.3),
        fake_results({0.4: (-2.2, -9.0), 1.0: (-6.0, -5.0)}),
        fake_results({}, direct=None),
        fake_results(truncated=TRUNCATED),
        fake_results(
            {1.0: (-5.37, -3.27), 0.6: (-5.2, -3.52)},
            direct=(-5.31, -3.23),
            teacher=(-4.73, -3.09),
            ceiling=-2.09,
            truncated={"top-k-50": (-5.19, -3.26), "top-p-0.9": (-5.05, -3.25)},
        ),
    ],
    ids=["cpu", "smoke", "gpu", "wide errors", "above p*", "half-finished", "truncated", "all in one place"],
)
def test_pictures_are_tidy(mixture: MixtureSweep, names: NGramSweep, results: Any) -> None:
    worlds = plots_worlds.three_worlds(mixture, names, results)
    assert_tidy(worlds)
    assert all(f"{shown(name)}: " in worlds.words for name in results["config"]["truncations"])
    assert_tidy(plots_worlds.embedding_map(results))


def test_bars_are_the_larger_error_and_the_picture_says_which(mixture: MixtureSweep, names: NGramSweep) -> None:
    one, several = (
        plots_worlds.three_worlds(mixture, names, fake_results(seeds=n, over_seeds=e)) for n, e in ((1, None), (3, 0.3))
    )
    assert "bars: ± 1 standard error over sequences (one seed)" in said(one)
    assert "bars: ± 1 standard error, over texts or trainings" in said(several)
    for over_seeds, bar in ((0.3, 0.3), (0.001, 0.05)):
        _, direct = plots_worlds.of_run(fake_results(seeds=3, over_seeds=over_seeds)).models["direct"]
        assert (direct.recall_error, direct.precision_error) == (bar, bar)
    assert {round(float(np.ptp(bar, axis=0).max()), 6) for bar in bars(several.axes[2])} == {0.6}
    assert one.axes[2].get_xlabel() == "recall, nats per token"


def clouds(axes: Any) -> dict[str, np.ndarray]:
    """Points by colour: hollow ones go by their edge."""
    found = {}
    for one in axes.collections:
        colours = one.get_facecolors() if len(one.get_facecolors()) else one.get_edgecolors()
        found[to_hex(colours[0]).upper()] = np.asarray(one.get_offsets())
    return found


def test_the_map_has_a_panel_for_each_model_and_p_star_in_all() -> None:
    results = fake_results()
    made = plots_worlds.embedding_map(results)
    order = ["teacher", "direct", "tau-1", "tau-0.9", "tau-0.8", "tau-0.6"]
    assert len(made.axes) == len(order)
    for axes, name, colour in zip(made.axes, order, [TEACHER, DIRECT, *[DISTILLED] * 4], strict=True):
        seen = clouds(axes)
        np.testing.assert_allclose(seen[TRUTH.upper()], results["map"]["truth"])
        np.testing.assert_allclose(seen[colour.upper()], results["map"][name])
    assert len({(axes.get_xlim(), axes.get_ylim()) for axes in made.axes}) == 1  # panels may be compared
    (x0, x1), (y0, y1) = made.axes[0].get_xlim(), made.axes[0].get_ylim()
    assert x1 - x0 == pytest.approx(y1 - y0)
    assert "0.30 times as wide as p*'s" in said(made) and "distilled, τ = 0.6: 0.30 ± " in made.words
    more = plots_worlds.embedding_map(fake_results(truncated=TRUNCATED))
    assert len(more.axes) == 8 and {"distilled, top-k 50", "distilled, top-p 0.9"} <= set(said(more))


@pytest.mark.parametrize("there", [{}, {"truth": [[0.0, 1.0], [1.0, 0.0]]}])
def test_a_map_that_is_not_there_is_an_error(there: Any) -> None:
    with pytest.raises(ValueError, match="no map of samples yet"):
        plots_worlds.embedding_map({**fake_results(), "map": there})
