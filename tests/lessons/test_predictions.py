"""The questions before the pictures: asked where they say, and their answers are what the sweeps and a run do."""

from pathlib import Path

import numpy as np
import pytest
from support.exercises import every_notebook
from support.fake_results import PATH, fake_results
from support.repository import questions_asked

from kdlab import lm, mixtures, ngrams
from kdlab.core.format import several
from kdlab.lessons.predictions import QUESTIONS, Question, predict, question
from kdlab.pictures import live

every_question = pytest.mark.parametrize("one", QUESTIONS, ids=[one.id for one in QUESTIONS])


@every_question
def test_a_question_is_whole_and_its_answer_is_an_option(one: Question) -> None:
    assert len(set(one.options)) == len(one.options) >= 3 and one.text.endswith("?") and one.outcome.endswith(".")
    assert one.answer in one.options or (one.id, one.answer) == ("07.direct", None)
    assert live._checked({**predict(one.id), "guess": one.options[0]})
    assert live._key(predict(one.id)) == one.key


def test_ids_are_in_the_order_of_reading_and_each_is_one() -> None:
    ids = [one.id for one in QUESTIONS]
    assert len(set(ids)) == len(ids) and [one[:2] for one in ids] == sorted(one[:2] for one in ids)
    with pytest.raises(ValueError, match="There is no question '06.x': choose one of 00.line, 01.hand"):
        predict("06.x")


@every_notebook
def test_a_notebook_asks_its_questions_once_each_below_the_heading_that_they_name(path: Path) -> None:
    assert (
        questions_asked(path)
        == [(one.id, one.section) for one in QUESTIONS if one.id.startswith(f"{path.name[:2]}.")]
        != []
    )


ANSWERS = {one.id: one.answer for one in QUESTIONS}


def ends(numbers: np.ndarray) -> float:
    return float(numbers[-1] - numbers[0])


def test_the_answers_about_mixtures_are_what_the_sweeps_do() -> None:
    line, ring, falls, four = (
        mixtures.teacher_entropy(scene, k) for scene, k in (("line", 1), ("ring", 1), ("falls", 1), ("ring", 4))
    )
    assert (ends(line.precision) > 0 > ends(line.recall)) == (ANSWERS["00.line"] == "Precision rises, recall falls")
    assert 2 < ends(ring.precision) < 10 and -100 < ends(ring.recall) < -20
    assert ANSWERS["02.ring"] == "Precision gains a few nats, recall loses tens"
    lowest = int(falls.precision.argmin())
    assert 0 < lowest and ends(falls.precision[lowest:]) > 0 and ends(falls.precision) > 0
    assert (np.diff(falls.precision[: lowest + 1]) < 0).all() and (np.diff(falls.precision[lowest:]) > 0).all()
    assert ANSWERS["02.falls"] == "It falls first, then rises"
    lowest = int(four.precision.argmin())
    assert 0 < ends(four.precision[lowest:]) < 0.1 and ends(four.precision) < 0
    assert (np.diff(four.precision[: lowest + 1]) < 1e-9).all()
    assert ANSWERS["03.ring"] == "It falls first, then rises a little"


def test_the_answer_about_the_bell_is_what_bells_do() -> None:
    truth = mixtures.make_scene("line").truth
    deviation = float(truth.covariance[0, 0] ** 0.5)
    shapes = ((-3, 0.45), (-3, 0.1), (-1, deviation))
    on_bump, spike, wide = (mixtures.single.measure(truth, centre=c, width=w) for c, w in shapes)
    assert spike.precision > on_bump.precision > wide.precision and wide.recall > on_bump.recall > spike.recall
    assert ANSWERS["01.hand"] == "No: the two want different bells"


def test_the_answers_about_text_are_what_the_temperatures_do() -> None:
    names = ngrams.teacher_temperature()
    assert names.at(1.5).precision < names.at(1).precision and names.at(1.5).recall < names.at(1).recall
    assert ANSWERS["04.tau"] == "Both fall"
    recording = lm.read_recording()
    step, color = recording.sampler["step"], recording.sweeps["My favorite color is"]
    assert round(color.at(1).choices) == 79 and round(color.at(1.5).choices, -2) == 1800
    assert ANSWERS["05.tau"] == "About 1,800"
    plain, top_k, _, tempered = step["samplers"]
    assert step["prompt"] == color.prompt and round(top_k["entropy"], 4) == round(tempered["entropy"], 4)
    assert round(float(tempered["name"].removeprefix("τ = ")), 1) == 0.8 and ANSWERS["05.cut"] == "About 0.8"
    assert sum(plain["shares"][7:]) == pytest.approx(1 / 5, abs=0.005) and plain["kept"] - top_k["kept"] == 49_102


def test_the_answer_about_tries_is_what_three_thousand_bring() -> None:
    tries = ngrams.tries_over_tau(ngrams.teacher_temperature(), k=3_000)
    best, plain, cold, coldest = (several(tries.at(tau).distinct) for tau in (0.7, 1.0, 0.4, 0.1))
    assert question("08.tries").outcome == (
        f"τ about 0.7 brings the most, {best} different real names. The teacher as it is brings {plain}, "
        f"one at τ = 0.4 brings {cold}, one at τ = 0.1 only {coldest}."
    )
    assert round(float(tries.best_taus[tries.column]), 1) == 0.7 and ANSWERS["08.tries"] == "τ about 0.7"


def test_the_answer_of_07_is_read_from_the_run() -> None:
    assert PATH[1.0] == pytest.approx((-6.51, -4.93), abs=0.03)
    places = {-4.5: (2, 3, 1), -4.9: (4, 0, 4), -5.5: (4, 4, 4)}  # recall higher, too close to tell, lower
    for recall, found_at in places.items():
        for precision, place in zip((-7.0, -6.55, -6.0), found_at, strict=True):  # lower, too close to tell, higher
            found = question("07.direct", fake_results(direct=(precision, recall)))
            assert found.answer == found.options[place], (precision, recall)
            assert found.outcome.startswith("the direct student's")


def test_a_run_without_the_pair_and_the_recorded_one() -> None:
    nothing = fake_results({}, direct=None, teacher=None, ceiling=None)
    assert question("07.direct", nothing).answer is None
    assert "no such pair" in predict("07.direct", nothing)["outcome"]
    recorded = question("07.direct", lm.open_run("recorded/cpu"))
    assert recorded.outcome == "the direct student's recall is higher, its precision too close to tell, per token."
    assert recorded.answer == "Higher recall, precision too close to tell"
