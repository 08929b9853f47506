"""Sentences about a run: true of the numbers they are made from, whatever these are."""

import copy
import json
import math
from typing import Any

import numpy as np
import pytest
from support.fake_results import N_TOKENS, PATH, fake_results, path

from kdlab.lessons.exercises.nb07 import my_per_token, my_step
from kdlab.lm.report import tradeoff
from kdlab.lm.report.changes import steps
from kdlab.lm.report.summary import open_run

ONE_TRAINING = "as far as other texts go; one training cannot speak for another."


def verdict(results: Any) -> str:
    return tradeoff.path_sentences(results)[-1]


# The path


def test_a_path_that_is_monotone_beyond_doubt() -> None:
    said = tradeoff.path_sentences(fake_results(path((-6, -5), (-5, -5.5), (-4, -6.5))))
    assert said == [
        "From τ = 1 down to 0.8, end to end: precision +2.00 ± 0.07, recall −1.50 ± 0.07 nats per token.",
        "Precision rises at all 2 steps, by more than two standard errors.",
        "Recall falls at all 2 steps, by more than two standard errors.",
        "So the trade-off is monotone along these temperatures, and no step of it is lost in noise. "
        f"This is {ONE_TRAINING}",
    ]


@pytest.mark.parametrize(
    ("middle", "said"),
    [
        (-5.05, "Recall falls at all 2 steps, by more than two standard errors at 1 of them."),
        (-4.95, "Recall falls at 1 of 2 steps, by more than two standard errors."),
    ],
)
def test_a_path_whose_first_step_is_within_its_errors(middle: float, said: str) -> None:
    """Which verdict this has, random paths tell below."""
    assert said in tradeoff.path_sentences(fake_results(path((-6, -5), (-5, middle), (-4, -6.5))))


def test_paths_that_are_not_monotone() -> None:
    said = tradeoff.path_sentences(fake_results(path((-6, -5), (-6.5, -5.5), (-4, -6.5))))
    assert "Precision rises at 1 of 2 steps, by more than two standard errors." in said
    assert "It goes the other way, by more than two standard errors, from τ = 1 to 0.9." in said
    assert said[-1] == f"So the trade-off is not monotone here. This is {ONE_TRAINING}"
    said = tradeoff.path_sentences(fake_results(path((-6, -5), (-7, -4))))
    assert "Precision rises at no step (there is one)." in said and "Recall falls at no step (there is one)." in said


def test_a_verdict_says_what_was_not_tried() -> None:
    students = path((-6, -5), (-5, -5.5))
    two = "; where an error is over 2 seeds, noise alone is larger than two of it 30 times in 100"
    assert verdict(fake_results(students, seeds=2, over_seeds=0.1)).endswith(f"lost in noise{two}.")
    three = verdict(fake_results(students, seeds=3, over_seeds=0.1))
    assert three.endswith("over 3 seeds, noise alone is larger than two of it 18 times in 100.")
    late, in_time = (
        {"0": {name: {"validation": losses} for name in ("direct", "tau-1", "tau-0.9")}}
        for losses in ([5.0, 4.0, 4.5], [5.0, 4.5, 4.0])
    )
    best = f"lost in noise. This is with each model's best weights on validation texts and {ONE_TRAINING}"
    assert verdict({**fake_results(students), "curves": late}).endswith(best)
    several = {**fake_results(students, seeds=2, over_seeds=0.1), "curves": late}
    several["config"]["keep"] = "last"
    assert verdict(several).endswith(f"lost in noise. This is with the last weights{two}.")
    assert "weights" not in verdict({**fake_results(students), "curves": in_time})


def test_one_step_and_none() -> None:
    said = tradeoff.path_sentences(fake_results(path((-6, -5), (-5, -5.01))))
    assert "Precision rises at the only step, by more than two standard errors." in said
    assert "Recall falls at the only step, not by more than two standard errors." in said
    for few in ({}, path((-6, -5)), {1.2: (-6.0, -5.0), 1.4: (-7.0, -5.0)}):
        assert "no path to read yet" in verdict(fake_results(few))
        assert tradeoff.steps_table(fake_results(few)).count("\n") == 0


@pytest.mark.parametrize("seed", range(20))
def test_what_is_said_of_random_paths_is_so(seed: int) -> None:
    """The verdict, from the same numbers by another route."""
    rng = np.random.default_rng(seed)
    moves = rng.normal([0.15, -0.15], 0.25, size=(4, 2))
    results = fake_results(path(*[tuple(pair) for pair in (-6, -5) + np.cumsum(moves, axis=0)]))
    values = np.array([[one[what]["token"]["value"] for what in ("precision", "recall")] for one in results["models"]])
    along = np.diff(values[2:][::-1], axis=0) * [1, -1]
    clear = np.abs(along) > 2 * math.hypot(0.05, 0.05)
    if (along > 0).all():
        kind = "lost in noise" if clear.all() else "in these numbers"
    else:
        kind = "not monotone here" if (clear & (along < 0)).any() else "cannot tell"
    assert kind in verdict(results)
    said = tradeoff.path_sentences(results)
    assert sum("the other way" in one for one in said) == (clear & (along < 0)).sum()


def test_the_table_has_every_step_with_its_size_in_errors() -> None:
    lines = tradeoff.steps_table(fake_results()).splitlines()
    assert lines[0].split() == ["nats", "per", "token", "precision", "errors", "recall", "errors"]
    assert lines[1].split() == ["tau", "1", "to", "0.9", "+0.79", "±", "0.07", "11.2", "−0.08", "±", "0.07", "1.1"]
    assert len(lines) == 4 and len({len(line) for line in lines}) == 1


# The direct student and the teacher


@pytest.mark.parametrize(
    ("direct", "said"),
    [
        ((-6.0, -4.5), "the direct student's precision and recall are both higher, per token."),
        ((-7.0, -5.5), "the direct student's precision and recall are both lower, per token."),
        ((-7.0, -4.5), "the direct student's recall is higher, its precision lower, per token."),
        ((-6.0, -5.5), "the direct student's recall is lower, its precision higher, per token."),
        ((-6.55, -4.9), "the direct student's precision and recall are both too close to tell, per token."),
        ((-6.0, -4.9), "the direct student's recall is too close to tell, its precision higher, per token."),
    ],
)
def test_where_the_direct_student_is(direct: tuple[float, float], said: str) -> None:
    results = fake_results(direct=direct)
    assert tradeoff.outcome(results) == said
    line = tradeoff.direct_against_one(results)[-1]
    apart = [direct[0] - PATH[1.0][0], direct[1] - PATH[1.0][1]]
    assert line.replace("−", "-").count("±") == 2
    assert all(f"{value:+.2f}" in line.replace("−", "-") for value in apart)


@pytest.mark.parametrize(
    ("token", "sequence", "said"),
    [
        ((0.05, 0.5), (0.05, 0.5), "Direct minus τ = 1 reads the same per token and per sequence, in both numbers."),
        ((0.5, -0.5), (0.5, -0.5), "Direct minus τ = 1 reads the same per token and per sequence, in both numbers."),
        (
            (0.1, 0.5), (0.2, 0.5),
            "Precision is borderline: 1.4 errors per token, 2.8 per sequence. "
            "It counts as seen per sequence, not per token.",
        ),
        (
            (0.5, -0.5), (0.5, 0.1),
            "Recall is borderline: 7.1 errors per token, 1.4 per sequence. "
            "It counts as seen per token, not per sequence.",
        ),
        ((0.5, 0.5), (-0.5, 0.5), "Precision is higher per token and lower per sequence: length decides."),
    ],
)  # fmt: skip
def test_where_the_two_units_disagree(token: tuple[float, float], sequence: tuple[float, float], said: str) -> None:
    """The direct student is so far ahead of tau = 1, (precision, recall); every estimate errs by 0.05 per token."""
    results = fake_results({1.0: (-6.0, -5.0)}, direct=(-6.0, -5.0))
    direct = next(one for one in results["models"] if one["name"] == "direct")
    for what, per_token, per_sequence in zip(("precision", "recall"), token, sequence, strict=True):
        direct[what]["token"]["value"] += per_token
        direct[what]["sequence"]["value"] += N_TOKENS * per_sequence
        for per in ("token", "sequence"):
            direct[what][per]["by_seed"] = [direct[what][per]["value"]]
    assert tradeoff.units_sentence(results) == said


def test_the_recorded_run_is_borderline_in_one_unit() -> None:
    said = tradeoff.units_sentence(open_run("recorded/cpu"))
    assert said.startswith("Precision is borderline: 1.8 errors per token, 2.3 per sequence.") and "Recall" not in said


def test_the_race_against_the_direct_student() -> None:
    results = fake_results({1.2: (-8.0, -5.2), **path((-6, -5), (-5.5, -4.4), (-4, -6.5))}, direct=(-5.7, -4.5))
    lines = tradeoff.race_table(results).splitlines()
    assert [line.split()[1] for line in lines[1:]] == ["1", "0.9", "0.8"]  # above 1 nobody runs
    assert lines[3].split()[4:7] == ["+1.70", "±", "0.07"] and lines[3].split()[8:11] == ["−2.00", "±", "0.07"]
    assert tradeoff.race_sentence(results) == (
        "In precision the direct student is passed, by more than two standard errors, by τ = 0.9, 0.8; "
        "of these τ = 0.8 has less recall than it, by more than two."
    )
    ahead = fake_results(path((-6, -5), (-5.5, -5)), direct=(-5.4, -4.5))
    assert tradeoff.race_sentence(ahead).startswith("No distilled student passes")
    for direct, said in (((-6.5, -4.5), "all of them have less"), ((-6.5, -6.5), "none of them has less")):
        assert said in tradeoff.race_sentence(fake_results(path((-6, -5), (-5.5, -5)), direct=direct))
    assert "; it has less recall" in tradeoff.race_sentence(fake_results(path((-6, -5)), direct=(-6.5, -4.5)))


def test_lowest_and_highest_among_the_students() -> None:
    low, high = tradeoff.among_students(fake_results())
    assert low.startswith("The lowest precision is that of τ = 1, −6.51; the direct student has −6.14.")
    assert high.startswith("The highest recall is the direct student's, −4.58; the highest of the distilled ones, at τ")
    assert low.endswith("They are more than two standard errors apart.")
    low, high = tradeoff.among_students(fake_results(direct=(-6.55, -4.95)))
    assert low.startswith("The lowest precision is the direct student's, −6.55; the lowest of the distilled ones, at τ")
    assert high.startswith("The highest recall is that of τ = 1, −4.93; the direct student has −4.95.")
    assert all(said.endswith("not more than two standard errors apart.") for said in (low, high))


def test_the_teacher_beside_the_truth() -> None:
    said = tradeoff.teacher_sentences(fake_results())
    assert "−2.83 nats per token: −H(p*)" in said[0]
    assert "−4.55: it misses the ceiling by 1.72 ± 0.05 nats" in said[1]  # of 0.02 and 0.05
    assert "−6.12, 3.29 ± 0.05 nats below p*'s own: it says what p* finds unlikely" in said[2]
    above = tradeoff.teacher_sentences(fake_results(teacher=(-2.0, -4.55)))
    assert "−2.00, 0.83 ± 0.05 nats above p*'s own: it keeps to what p* finds likely" in above[2]


def test_a_run_that_is_not_finished_says_what_is_not_there() -> None:
    nothing = fake_results({}, direct=None, teacher=None, ceiling=None)
    assert "no such pair" in tradeoff.outcome(nothing)
    assert "yet" in tradeoff.units_sentence(nothing) and "yet" in tradeoff.race_sentence(nothing)
    assert tradeoff.race_table(nothing).count("\n") == 0
    for sentences in (tradeoff.direct_against_one, tradeoff.among_students, tradeoff.teacher_sentences):
        assert len(sentences(nothing)) == 1 and sentences(nothing)[0].endswith("yet.")
    assert tradeoff.map_sentences({**nothing, "map": {}}) == []


def test_nothing_is_changed_and_all_of_it_is_json() -> None:
    results = fake_results(seeds=2, over_seeds=0.1)
    before = copy.deepcopy(results)
    for sentences in (tradeoff.path_sentences, tradeoff.among_students, tradeoff.teacher_sentences):
        json.dumps(sentences(results))
    assert results == before


# The map


def test_spread_is_the_ratio_of_the_clouds() -> None:
    results = fake_results()
    assert tradeoff.spread(results, "truth").value == 1.0
    for tau in PATH:
        assert tradeoff.spread(results, f"tau-{tau:g}").value == pytest.approx(tau / 2)  # moved clouds are as wide
    said = tradeoff.map_sentences(results)
    assert said[0].startswith("teacher   0.90 ± ") and said[-1].startswith("The cloud of tau 0.6 is narrower than")
    assert said[-4] == "± one standard error over the texts of the map, 40 of p* and of each model"
    assert said[-3].startswith("The directions were chosen for these texts of p*")
    assert said[-2].startswith("By chance alone, the middles of 40 texts and of 40 others lie some 0.22 of that width")
    width = tradeoff._width(results["map"]["truth"]).value
    results["map"]["direct"] = (np.array(results["map"]["truth"]) + [0.3, -0.4]).tolist()
    assert tradeoff.moved(results, "direct") == pytest.approx(0.5 / width)
    results["map"]["tau-0.6"] = results["map"]["tau-1"]
    assert tradeoff.map_sentences(results)[-1].startswith("The cloud of tau 0.6 is as wide as that of tau 1, to within")
    with pytest.raises(KeyError):
        tradeoff.spread(results, "nobody")


def maps_of(n: int, seed: int, points: int, widths: dict[str, float]) -> list[dict[str, Any]]:
    """So many maps, each with a cloud of every width."""
    rng = np.random.default_rng(seed)
    return [{"map": {k: (w * rng.normal(size=(points, 2))).tolist() for k, w in widths.items()}} for _ in range(n)]


def test_how_far_apart_two_middles_are_by_chance() -> None:
    squares = [tradeoff.moved(one, "direct") ** 2 for one in maps_of(1000, 2, 200, {"truth": 1.0, "direct": 1.0})]
    # Its root mean square; 4 standard errors of the mean of a thousand squares of about 0.01, which vary as much.
    assert np.mean(squares) == pytest.approx(2 / 200, abs=0.0013)


def test_the_error_of_a_spread_is_what_other_samples_would_give() -> None:
    found = [tradeoff.spread(one, "direct") for one in maps_of(400, 1, 100, {"truth": 1.0, "direct": 0.5})]
    ratios, errors = zip(*((one.value, one.error) for one in found), strict=True)
    assert np.mean(ratios) == pytest.approx(0.5, abs=0.01)
    assert np.mean(errors) == pytest.approx(np.std(ratios), rel=0.15)  # 4 standard errors of the latter


def test_two_widths_share_the_error_of_the_one_that_they_are_multiples_of() -> None:
    maps = maps_of(600, 3, 100, {"truth": 1.0, "tau-1": 1.0, "tau-0.6": 0.9})
    found = [tradeoff._wider(one, "tau-1", "tau-0.6") for one in maps]
    apart, errors = zip(*((one.value, one.error) for one in found), strict=True)
    assert np.mean(apart) == pytest.approx(-0.1, abs=0.012)  # 4 of its errors: 0.07 / sqrt(600)
    assert np.mean(errors) == pytest.approx(np.std(apart), rel=0.12)  # 4 standard errors of the latter
    alone = [tradeoff.spread(maps[-1], name).error for name in ("tau-1", "tau-0.6")]
    assert errors[-1] < 0.9 * np.hypot(*alone)


# What the exercises say


def test_07_1_pooled_is_bounded_and_a_mean_of_means_is_not() -> None:
    """Two texts, one token and ten, equally likely under p*; a model that prefers the short one."""
    tokens, truth, model = np.array([1, 10]), np.log([0.5, 0.5]), np.log([0.9, 0.1])
    assert my_per_token(model, tokens) < my_per_token(truth, tokens)
    assert (model / tokens).mean() > (truth / tokens).mean()


def test_07_1_is_how_recall_is_pooled() -> None:
    results = fake_results()
    estimate = results["models"][0]["recall"]
    n_texts, tokens = estimate["token"]["n_sequences"], np.array([N_TOKENS])
    everything = my_per_token(np.array([n_texts * estimate["sequence"]["value"]]), n_texts * tokens)
    assert everything == pytest.approx(estimate["token"]["value"])


def test_07_2_is_what_the_table_does_without_anything_in_common() -> None:
    step = steps(fake_results())[0]
    found, error = my_step((PATH[1.0][1], 0.05), (PATH[0.9][1], 0.05))
    assert (found, error) == pytest.approx((step.recall.value, step.recall.error))


# Truncation


def test_where_a_truncated_student_stands() -> None:
    said = tradeoff.truncation_sentences(
        fake_results(error=0.02, truncated={"top-k-50": (-5.0, -5.2), "top-p-0.9": (-5.72, -4.97)})
    )
    assert said == [
        "top-k 50: precision −5.00, between τ = 0.8 and 0.6; recall −5.20, between τ = 0.8 and 0.9. At equal recall "
        "its precision is +0.33 ± 0.06 from the path's between τ = 0.9 and 0.8: above the path.",
        "top-p 0.9: precision −5.72, between τ = 0.9 and 0.8 (too close to τ = 0.9 to tell); recall −4.97, between τ = "
        "0.9 and 1 (too close to τ = 0.9, 1 to tell). At equal recall its precision is +0.40 ± 0.24 from the path's "
        "between τ = 1 and 0.9: too close to the path to tell.",
    ]
    below = tradeoff.truncation_sentences(fake_results(error=0.02, truncated={"top-k-50": (-5.8, -5.2)}))
    assert "is −0.47 ± 0.06 from the path's between τ = 0.9 and 0.8: below the path." in below[0]


def test_a_truncated_student_off_the_path_or_without_one() -> None:
    (off,) = tradeoff.truncation_sentences(fake_results(truncated={"top-k-50": (-3.0, -4.5)}))
    assert off == (
        "top-k 50: precision −3.00, above all of the path, τ = 0.6 next; recall −4.50, above all of the path, τ = 1 "
        "next. The path ends before its recall; from τ = 1: precision +3.51 ± 0.07, recall +0.43 ± 0.07."
    )
    (low,) = tradeoff.truncation_sentences(fake_results(truncated={"top-k-50": (-7.0, -7.5)}))
    assert "precision −7.00, below all of the path, τ = 1 next; recall −7.50, below all of the path, τ = 0.6" in low
    folded = fake_results(path((-6, -5), (-5.5, -5.5), (-5, -5)), truncated={"top-k-50": (-5, -5.2)})
    assert tradeoff.truncation_sentences(folded)[0].endswith(
        "in more than one place: no one precision to compare with."
    )
    few = tradeoff.truncation_sentences(fake_results({1.0: (-6.0, -5.0)}, truncated={"top-k-50": (-5, -5)}))
    assert few == ["There are fewer than two students of tempered samples: no path to compare with yet."]
    assert tradeoff.truncation_sentences(fake_results()) == []


@pytest.mark.parametrize("common", [0.0, 0.9])
def test_the_error_at_equal_recall_is_how_far_it_goes_astray(common: float) -> None:
    """Against many runs whose six numbers err, recalls together; the line is interpolated anew in each."""
    error, rng, n = 0.01, np.random.default_rng(0), 20_000
    results = fake_results(path((-6, -5), (-5, -5.5)), error=error, common=common, truncated={"top-k-50": (-5.4, -5.2)})
    one, a, b = (tradeoff.model_of(results, name) for name in ("top-k-50", "tau-1", "tau-0.9"))
    assert one and a and b
    found = tradeoff._off_line(results, one, a, b, "token")
    assert found.value == pytest.approx(-5.4 - np.interp(-5.2, [-5.5, -5], [-5, -6]))
    p = [-5.4, -6, -5] + error * rng.normal(size=(n, 3))
    shared, own = rng.normal(size=(n, 1)), rng.normal(size=(n, 3))
    r = [-5.2, -5, -5.5] + error * (math.sqrt(common) * shared + math.sqrt(1 - common) * own)
    apart = p[:, 0] - (p[:, 1] + (r[:, 0] - r[:, 1]) / (r[:, 2] - r[:, 1]) * (p[:, 2] - p[:, 1]))
    assert found.error == pytest.approx(apart.std(), rel=0.03)
