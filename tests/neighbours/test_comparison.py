"""What a neighbour gives to a picture, and the picture: checked numbers, a payload, stills, limits that hold all."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.toy import DIALS, TOY

from kdlab.neighbours import show
from kdlab.neighbours.comparison import limits, span
from kdlab.neighbours.plots import figure, filmstrip, gallery
from kdlab.neighbours.view import payload


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"precision": DIALS[:-1]}, r"precision of toy has shape \(10,\) for 11 positions.*: give one finite number"),
        ({"recall": np.where(DIALS > 0.5, np.nan, DIALS)}, "recall of toy .*not finite: give"),
        ({"curves": {"floor": DIALS[1:]}}, r"curve floor of toy has shape \(10,\)"),
        ({"said": ("one",)}, "toy has 1 sentences for 11 values of the knob: give one for each"),
        ({"dials": DIALS[::-1]}, "let the values rise"),
        ({"dials": DIALS[:1]}, "toy has 1 values of the knob and 2 curves: give two values or more"),
        ({"curves": {}}, "0 curves: give two values or more, and one to four curves"),
    ],
)
def test_what_cannot_be_drawn_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(TOY, **wrong)


def test_limits_hold_all_that_is_compared() -> None:
    (left, right), (low, high) = limits(TOY)
    assert left < -5.0 and right > -2.1 and low < -9.0 and high > -1.2
    assert span(TOY)[0] < 0 and span(TOY)[1] > 0.21


def test_a_view_stands_where_the_knob_starts_and_says_that_position() -> None:
    view = show(replace(TOY, start=0.48))
    assert view.dial == 0.5 and view.sentence == TOY.sentence(5) and view.errors == []
    view.dial = 1.0
    assert view.sentence == TOY.sentence(10)
    with pytest.raises(ValueError, match="dial is 1.5: the slider goes from 0 to 1"):
        view.dial = 1.5
    view.close()


def test_what_is_sent_is_plain_and_finite() -> None:
    sent = payload(TOY)
    assert sent["dial"] == DIALS.tolist() and sent["called"] == {"direct": "plain", "distilled": "distilled"}
    assert [one["name"] for one in sent["curves"]] == ["floor", "theory"]
    with pytest.raises(ValueError, match="must be finite"):
        payload(replace(TOY, direct_recall=float("nan")))


def test_stills_say_in_words_what_they_show() -> None:
    assert figure(TOY, 0.5).words == TOY.sentence(5)
    assert filmstrip(TOY, [0, 1]).words == f"{TOY.sentence(0)}\n{TOY.sentence(10)}"
    hidden = figure(TOY, 0.0, path=False)
    assert len(hidden.axes[1].lines) < len(figure(TOY, 0.0).axes[1].lines)  # the path ahead would answer a question
    with pytest.raises(TypeError, match="Comparison"):
        show("toy")  # type: ignore[arg-type]


def test_a_sentence_has_both_numbers_of_both_students() -> None:
    assert TOY.sentence(10) == (
        "At λ = 1.0 all is well. The student “distilled” has precision −2.00 and recall −5.00 nats, "
        "“plain” precision −3.00 and recall −4.00."
    )
    told = replace(TOY, said=tuple(f"Here precision is {dial}." for dial in DIALS))
    assert told.sentence(3) == told.said[3]


def test_a_gallery_has_a_plane_for_each_with_its_dot_where_it_stands() -> None:
    made = gallery([TOY, TOY], [0.0, 1.0])
    assert len(made.axes) == 2 and made.words.count(TOY.title) == 2
    dots = [
        [tuple(map(float, line.get_xydata()[0])) for line in axes.lines if line.get_marker() == "o"]
        for axes in made.axes
    ]
    for i, found in zip((0, 10), dots, strict=True):
        assert (TOY.recall[i], TOY.precision[i]) in found
    with pytest.raises(ValueError, match="dial"):
        gallery([TOY], [7.0])
