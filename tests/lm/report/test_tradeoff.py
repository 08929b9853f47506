"""Sentences about a run: true of the numbers they are made from, whatever these are."""

import copy
import json
import math
from typing import Any

import numpy as np
import pytest
from support.fake_results import N_TOKENS, PATH, fake_results, path

from kdlab.lessons.exercises.nb07 import my_per_token, my_step
from kdlab.lm.report import changes, tradeoff
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
        "So the trade-off is monotone along these temperatures, and no step of it is lost in noise. "
        f"This is {ONE_TRAINING}",
    ]


def test_paths_that_are_not_monotone() -> None:
    said = verdict(fake_results(path((-6, -5), (-6.5, -5.5), (-4, -6.5))))
    assert said == f"So the trade-off is not monotone here: precision falls from τ = 1 to 0.9. This is {ONE_TRAINING}"
    said = verdict(fake_results(path((-6, -5), (-7, -4))))
    assert "here: precision falls from τ = 1 to 0.9, recall rises from τ = 1 to 0.9. " in said


def test_a_verdict_of_one_training_says_what_was_not_tried() -> None:
    students = path((-6, -5), (-5, -5.5))
    assert verdict(fake_results(students)).endswith(f"lost in noise. This is {ONE_TRAINING}")
    assert verdict(fake_results(students, seeds=2, over_seeds=0.01)).endswith("lost in noise.")


def test_one_step_and_none() -> None:
    said = verdict(fake_results(path((-6, -5), (-5, -5.01))))
    assert said.startswith("So the trade-off is monotone in these numbers, though not every step stands clear of noise")
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
    ways = ("precision falls from", "recall rises from")
    assert sum(verdict(results).count(way) for way in ways) == (clear & (along < 0)).sum()


def test_the_table_has_every_step_with_its_size_in_errors() -> None:
    lines = tradeoff.steps_table(fake_results()).splitlines()
    assert lines[0].split() == ["nats", "per", "token", "precision", "in", "errors", "recall", "in", "errors"]
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
    first = tradeoff.race_table(results).splitlines()[1].replace("−", "-")
    ahead = [PATH[1.0][0] - direct[0], PATH[1.0][1] - direct[1]]
    assert first.startswith("tau 1 - direct") and all(f"{value:+.2f} ± " in first for value in ahead)


def test_students_by_token_stand_beside_the_one_of_texts() -> None:
    results = open_run("recorded/objectives")
    lines = tradeoff.objectives_table(results).splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["token-forward", "token-reverse", "token-jsd", "on-policy"]
    forward, texts = (changes.model_of(results, name) for name in ("token-forward", "tau-1"))
    assert forward is not None and texts is not None
    ahead = changes.value(forward, "precision") - changes.value(texts, "precision")
    assert lines[2].split()[1] == f"{ahead:+.2f}"
    with pytest.raises(ValueError, match="no students by token beside tau = 1: give `kdlab run --preset objectives`"):
        tradeoff.objectives_table(open_run("recorded/cpu"))


def test_the_race_against_the_direct_student() -> None:
    results = fake_results({1.2: (-8.0, -5.2), **path((-6, -5), (-5.5, -4.4), (-4, -6.5))}, direct=(-5.7, -4.5))
    lines = tradeoff.race_table(results).splitlines()
    assert [line.split()[1] for line in lines[1:]] == ["1", "0.9", "0.8"]  # above 1 nobody runs
    assert lines[3].split()[4:7] == ["+1.70", "±", "0.07"] and lines[3].split()[8:11] == ["−2.00", "±", "0.07"]
    more, less = "More precision than the direct student, by more than two errors: ", ". Less recall: "
    assert tradeoff.race_sentence(results) == f"{more}τ = 0.9, 0.8{less}τ = 1, 0.8."
    behind = fake_results(path((-6, -5), (-5.5, -5)), direct=(-5.4, -5.0))
    assert tradeoff.race_sentence(behind) == f"{more}none of them{less}none of them."


def test_trainings_side_by_side() -> None:
    results = fake_results(path((-6, -5), (-5, -5.5)), seeds=3, over_seeds=0.1)
    for one in results["models"]:
        for what in ("precision", "recall"):
            value = one[what]["token"]["value"]
            one[what]["token"]["by_seed"] = [value - 0.02, value, value + (0.3 if one["name"] == "tau-0.9" else 0.01)]
    lines = [line.replace("−", "-").split() for line in tradeoff.by_training(results).splitlines()]
    assert lines[0] == ["nats", "per", "token", *["precision", "apart", "texts"], *["recall", "apart", "texts"]]
    assert lines[4] == "tau 0.9 -5.02 -5.00 -4.70 0.32 ± 0.09 -5.52 -5.50 -5.20 0.32 ± 0.05".split()
    alone = tradeoff.by_training(fake_results()).splitlines()
    assert alone[1].split()[1:5] == ["−6.12", "0.00", "±", "0.05"] and len({len(line) for line in alone}) == 1


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
    assert "yet" in tradeoff.race_sentence(nothing)
    assert tradeoff.race_table(nothing).count("\n") == 0
    assert tradeoff.teacher_sentences(nothing) == ["The teacher or p* has not been scored yet."]
    assert tradeoff.map_sentences({**nothing, "map": {}}) == []


def test_nothing_is_changed_and_all_of_it_is_json() -> None:
    results = fake_results(seeds=2, over_seeds=0.1)
    before = copy.deepcopy(results)
    for sentences in (tradeoff.path_sentences, tradeoff.teacher_sentences):
        json.dumps(sentences(results))
    assert results == before


# The map


def test_spread_is_the_ratio_of_the_clouds() -> None:
    results = fake_results()
    assert tradeoff.spread(results, "truth").value == 1.0
    for tau in PATH:
        assert tradeoff.spread(results, f"tau-{tau:g}").value == pytest.approx(tau / 2)  # moved clouds are as wide
    said = tradeoff.map_sentences(results)
    assert len(said) == 2 + len(PATH) and said[0].startswith("teacher    0.90 ± ")
    with pytest.raises(KeyError):
        tradeoff.spread(results, "nobody")


def maps_of(n: int, seed: int, points: int, widths: dict[str, float]) -> list[dict[str, Any]]:
    """So many maps, each with a cloud of every width."""
    rng = np.random.default_rng(seed)
    return [{"map": {k: (w * rng.normal(size=(points, 2))).tolist() for k, w in widths.items()}} for _ in range(n)]


def test_the_error_of_a_spread_is_what_other_samples_would_give() -> None:
    found = [tradeoff.spread(one, "direct") for one in maps_of(400, 1, 100, {"truth": 1.0, "direct": 0.5})]
    ratios, errors = zip(*((one.value, one.error) for one in found), strict=True)
    assert np.mean(ratios) == pytest.approx(0.5, abs=0.01)
    assert np.mean(errors) == pytest.approx(np.std(ratios), rel=0.15)  # 4 standard errors of the latter


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
        "top-k 50: precision −5.00, recall −5.20. At equal recall its precision is +0.33 ± 0.06 from the path's "
        "between τ = 0.9 and 0.8: above the path.",
        "top-p 0.9: precision −5.72, recall −4.97. At equal recall its precision is +0.40 ± 0.24 from the path's "
        "between τ = 1 and 0.9: too close to the path to tell.",
    ]
    below = tradeoff.truncation_sentences(fake_results(error=0.02, truncated={"top-k-50": (-5.8, -5.2)}))
    assert "is −0.47 ± 0.06 from the path's between τ = 0.9 and 0.8: below the path." in below[0]


def test_a_truncated_student_off_the_path_or_without_one() -> None:
    for students, where in (
        (PATH, "nowhere"),
        (path((-6, -5), (-5.5, -4), (-5, -5)), "in more than one place"),
        ({}, "nowhere"),
    ):
        (said,) = tradeoff.truncation_sentences(fake_results(students, truncated={"top-k-50": (-3.0, -4.5)}))
        assert said.endswith(f"The path has its recall {where}: no one precision to compare with.")
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
