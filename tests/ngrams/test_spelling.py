"""One name letter by letter: what it says, what its picture draws, nothing over anything else, nothing cut off."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from support.chains import random_chain
from support.pictures import assert_tidy, said

from kdlab.ngrams.experiment import NGramSweep
from kdlab.ngrams.view_spelling import letters
from kdlab.pictures.figure import STYLE

TRUTH, TEACHER, DISTILLED = (STYLE[role].colour for role in ("truth", "teacher", "distilled"))


def test_letters_draws_the_next_letters_of_all_three_chains(sweep: NGramSweep) -> None:
    here = sweep.at(0.6)
    made = letters(sweep.truth, here.teacher, here.student, "mary").draw()
    assert len(made.axes) == 5
    for axes, prefix, coming in zip(
        made.axes, ["", "m", "ma", "mar", "mary"], ["m", "a", "r", "y", "end"], strict=True
    ):
        truth, taught, learned = (c.next_letters(prefix) for c in (sweep.truth, here.teacher, here.student))
        for bars, odds in zip(axes.containers, (truth, taught), strict=True):
            assert {round(bar.get_x() + bar.get_width() / 2): bar.get_height() for bar in bars} == {
                i: p for i, p in enumerate(odds) if p >= 0.005
            }
        assert {to_hex(bar.get_facecolor()) for bar in axes.containers[0]} == {TRUTH}
        assert {to_hex(bar.get_edgecolor()) for bar in axes.containers[1]} == {TEACHER.lower()}
        (line,) = axes.lines
        assert to_hex(line.get_color()) == DISTILLED.lower() and line.get_marker() == "o"
        assert dict(zip(line.get_xdata(), line.get_ydata(), strict=True)) == {
            i: p for i, p in enumerate(learned) if p >= 0.005
        }
        bold = [label.get_text() for label in axes.get_xticklabels() if label.get_fontweight() == "bold"]
        assert bold == [coming]
        here_texts = [text.get_text() for text in axes.texts]
        assert {f"{prefix}_", coming} <= set(here_texts)
        at = -1 if coming == "end" else "abcdefghijklmnopqrstuvwxyz".index(coming)
        for mark, odds in (("p*", truth), ("p′", taught), ("p″", learned)):
            assert f"{mark}  {float(f'{100 * odds[at]:.2g}'):g} %" in here_texts
    assert {axes.get_ylim() for axes in made.axes} == {made.axes[0].get_ylim()}  # rows may be compared


def test_letters_says_what_each_chain_sees_and_the_product(sweep: NGramSweep) -> None:
    here = sweep.at(1.0)
    made = letters(sweep.truth, here.teacher, here.student, "mary").draw()
    rows = [[text for text in said(made) if text.startswith(f"{mark} sees")] for mark in ("p*", "p′", "p″")]
    assert [text.split(" sees ")[1] for text in rows[0]] == ["the start", "m", "ma", "…mar", "…ary"]
    assert [text.split(" sees ")[1] for text in rows[1]] == ["the start", "m", "…ma", "…ar", "…ry"]
    assert [text.split(" sees ")[1] for text in rows[2]] == ["the start", "…m", "…a", "…r", "…y"]
    whole = [float(np.exp(chain.log_prob(["mary"])[0])) for chain in (sweep.truth, here.teacher, here.student)]
    products = ", ".join(f"{float(f'{100 * p:.2g}'):g} %" for p in whole)
    assert made.words.endswith(f"Multiplied: {products}.")
    assert "After mar, y: " in made.words
    assert {f"{m}  {p}" for m, p in zip(("p*", "p′", "p″"), products.split(", "), strict=True)} <= set(said(made))


@pytest.mark.parametrize(("name", "tau"), [("jo", 0.3), ("maria", 1.0), ("robert", 0.3)])
def test_letters_is_tidy(sweep: NGramSweep, name: str, tau: float) -> None:
    here = sweep.at(tau)
    assert_tidy(letters(sweep.truth, here.teacher, here.student, name).draw())


def test_letters_of_a_student_that_sees_nothing() -> None:
    chains = [random_chain(1, order, "abc") for order in (2, 1, 0)]
    made = letters(*chains, "ab").draw()
    seen = [text for text in said(made) if text.startswith("p″ sees")]
    assert seen == [f"p″ sees {what}" for what in ("the start", "nothing", "nothing")]


def test_letters_refuses_what_it_cannot_write(sweep: NGramSweep) -> None:
    with pytest.raises(ValueError, match="'Mary', has 'M' outside the alphabet"):
        letters(sweep.truth, sweep.teacher, sweep.teacher, "Mary")
    with pytest.raises(ValueError, match="give all three chains the same letters"):
        letters(sweep.truth, sweep.teacher, random_chain(1, 1), "a")
