"""The best teacher over k, and generations: the numbers that were given, lines named at their ends, nothing cut off."""

import numpy as np
import pytest
from support.pictures import assert_tidy, paths, said

from kdlab.ngrams import attempts_over_tau, successors
from kdlab.ngrams.experiment import NGramSweep
from kdlab.ngrams.plots_uses import best_teachers, generations

KS = [1, 10, 1_000, 10**6]


def test_the_best_teacher_of_each_list_over_k(sweep: NGramSweep) -> None:
    taus = np.geomspace(0.1, 1.5, 21)
    each = {
        f"{len(accepted)} names": attempts_over_tau(sweep.teacher, 1, accepted, KS, taus)
        for accepted in (["anna", "ana", "maria"], ["a"])
    }
    made = best_teachers(each)
    (axes,) = made.axes
    for name, one in each.items():
        best = one.best()
        assert any(np.array_equal(path, np.column_stack([KS, best.taus])) for path in paths(axes))
        assert name in said(made) and f"{name}: from τ = {best.taus[0]:.2f} at 1" in made.words
    hollow = [line.get_xdata() for line in axes.lines if line.get_markerfacecolor() == "white"]
    inside = [one.best().inside for one in each.values()]
    assert [list(x) for x in hollow] == [[k for k, i in zip(KS, of, strict=True) if not i] for of in inside]
    assert_tidy(made)


def test_generations_of_precision_and_recall(sweep: NGramSweep) -> None:
    lines = {f"τ = {tau}": successors(sweep.truth, sweep.teacher, 1, tau, n=3) for tau in (1.0, 0.8)}
    made = generations(lines)
    for axes, what in zip(made.axes, ("precision", "recall"), strict=True):
        for name, line in lines.items():
            path = np.array([(one.number, getattr(one, what)) for one in line])
            assert any(np.array_equal(drawn, path) for drawn in paths(axes))
            assert f"{what}, {name}: from" in made.words
        assert {"τ = 1.0", "τ = 0.8"} <= {text.get_text() for text in axes.texts}
    assert_tidy(made)


@pytest.mark.parametrize("draw", [best_teachers, generations])
def test_from_one_to_four_lines_have_room(draw: object) -> None:
    with pytest.raises(ValueError, match="0 .*: give from 1 to 4"):
        draw({})  # type: ignore[operator]


def test_a_line_without_a_generation_is_refused() -> None:
    with pytest.raises(ValueError, match="'a' has no generation"):
        generations({"a": ()})
