"""Pictures of one run: everybody where the numbers are, names apart, the same bytes again."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from support.fake_results import PATH, TRUNCATED, fake_results
from support.pictures import assert_tidy, dots, paths, said

from kdlab.lm import plots
from kdlab.pictures.figure import STYLE


@pytest.mark.parametrize(("over_seeds", "length"), [(None, 0.05), (0.31, 0.31), (0.01, 0.05)])
def test_the_figure_puts_everyone_where_they_are(over_seeds: float | None, length: float) -> None:
    made = plots.precision_recall(fake_results(seeds=2 if over_seeds else 1, over_seeds=over_seeds))
    (axes,) = made.axes
    for role, places in {"distilled": [pair[::-1] for pair in PATH.values()], "direct": [(-4.58, -6.14)],
                         "teacher": [(-4.55, -6.12)]}.items():  # fmt: skip
        assert {dot[:2] for dot in dots(axes, STYLE[role].colour)} == set(places)
    assert dots(axes, STYLE["truth"].colour) == []
    bars = [segment for collection in axes.collections for segment in collection.get_segments()]
    assert len(bars) == 2 * (len(PATH) + 2)
    np.testing.assert_allclose([np.ptp(bar, axis=0).max() for bar in bars], 2 * length)
    (path,) = paths(axes)
    np.testing.assert_allclose(path, [PATH[tau][::-1] for tau in sorted(PATH)[::-1]])
    assert any(np.allclose(line.get_xdata(), -2.83) for line in axes.lines)
    assert {"τ = 0.6", "τ = 1", "direct", "teacher"} <= set(said(made))
    note = (
        "± 1 standard error, over texts or trainings" if over_seeds else "± 1 standard error over sequences (one seed)"
    )
    assert any(note in words for words in said(made))
    assert_tidy(made)
    assert "tau-0.6: precision −3.73, recall −6.51" in made.words


def test_students_of_truncated_samples_have_places_of_their_own() -> None:
    results = fake_results(truncated=TRUNCATED)
    made = plots.precision_recall(results)
    (axes,) = made.axes
    triangles = [line for line in axes.lines if line.get_marker() == "^"]
    assert [(*line.get_xdata(), *line.get_ydata()) for line in triangles] == [at[::-1] for at in TRUNCATED.values()]
    assert {line.get_color() for line in triangles} == {STYLE["distilled"].colour}
    (path,) = paths(axes)
    np.testing.assert_allclose(path, [PATH[tau][::-1] for tau in sorted(PATH)[::-1]])  # as without them
    assert {"τ = 0.6", "τ = 1", "top-k 50", "top-p 0.9"} <= set(said(made))
    assert any("▲: τ = 1, likeliest tokens only" in words for words in said(made))
    assert "▲" not in "".join(said(plots.precision_recall(fake_results())))
    assert_tidy(made)
    curve = {"steps": [1, 2, 3], "losses": [6.0, 4.5, 4.0], "validation": [5.5, 5.25, 5.125]}
    made = plots.loss_curves({**results, "curves": {"0": dict.fromkeys(["direct", "tau-1", *TRUNCATED], curve)}})
    assert {"top-k 50", "top-p 0.9"} <= set(said(made))
    looks = {(line.get_color(), line.get_linestyle(), line.get_alpha()) for line in made.axes[0].lines}
    assert len(looks) == 4


def test_the_same_figure_is_the_same_file(tmp_path: Path) -> None:
    some, others = ([p.read_bytes() for p in plots.save(fake_results(), tmp_path / name)] for name in ("a", "b"))
    assert some[0] == others[0] and some[0].startswith(b"\x89PNG")


def test_words_of_the_losses_say_where_each_was_lowest() -> None:
    curve = {"steps": [1, 2], "losses": [6.0, 4.5], "validation": [5.5, 5.25, 6.125]}
    words = plots.loss_curves({**fake_results(), "curves": {"0": {"tau-0.6": curve}}}).words
    assert "tau-0.6 ends at 4.50" in words
    assert "On texts of p*, after the last pass: tau-0.6 6.12 (lowest 5.25 after pass 2)." in words


def test_one_pass_has_one_point_and_no_lowest() -> None:
    curves = {name: {"steps": [1], "losses": [6.0], "validation": [5.5]} for name in ("teacher", "direct")}
    made = plots.loss_curves({**fake_results(), "curves": {"0": curves}})
    made.draw_without_rendering()
    low, high = made.axes[1].get_xlim()
    assert [tick for tick in made.axes[1].get_xticks() if low <= tick <= high] == [1]
    assert made.words.endswith("after the last pass: teacher 5.50, direct 5.50.")


def test_names_at_the_ends_of_losses_are_apart_and_in_their_order() -> None:
    ends = {"direct": 4.5, "tau-0.6": 4.502, "tau-0.8": 4.501, "teacher": 4.0}
    curves = {name: {"steps": [1], "losses": [6.0], "validation": [6.0, end]} for name, end in ends.items()}
    made = plots.loss_curves({**fake_results(), "curves": {"0": curves}})
    made.draw_without_rendering()
    names = sorted(made.axes[1].texts, key=lambda text: text.get_window_extent().y0)
    assert [name.get_text() for name in names] == ["teacher", "direct", "τ = 0.8", "τ = 0.6"]
    boxes = [name.get_window_extent() for name in names]
    assert not any(some.overlaps(other) for some, other in itertools.combinations(boxes, 2))
    axes, whole = made.axes[1], made.bbox
    assert all(box.x0 > axes.transData.transform((2, 4))[0] and box.x1 < whole.x1 for box in boxes)


def test_pictures_of_a_run_that_has_just_begun() -> None:
    empty = {**fake_results(), "models": [], "seeds": [], "truth": {"name": "bundled"}}
    assert "image/png" in plots.precision_recall(empty)._repr_mimebundle_()[0]
    assert "image/png" in plots.loss_curves(empty)._repr_mimebundle_()[0]
