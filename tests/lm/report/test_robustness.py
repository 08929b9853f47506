"""What the trade-off hangs on: when training stopped, and one run made again; by hand, and as it was recorded."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from support.fake_results import TRUNCATED, fake_results

from kdlab.lm.report import robustness
from kdlab.lm.report.changes import kept, model_of, steps
from kdlab.lm.report.summary import open_run

PATH = {1.0: (-6.0, -5.0), 0.8: (-5.0, -5.5), 0.6: (-4.0, -6.5)}
ENDS = {1.0: (-6.0, -5.0), 0.6: (-4.0, -6.5)}
Losses = dict[str, Sequence[float]]
IN_TIME: Losses = {"direct": (6, 5), "tau-1": (6, 5), "tau-0.8": (6, 5.5), "tau-0.6": (7, 6)}


def run(*seeds: Losses, keep: str = "best") -> dict[str, Any]:
    """Results whose students have these validation losses, seed by seed."""
    curves = {
        str(seed): {name: {"validation": list(losses)} for name, losses in one.items()}
        for seed, one in enumerate(seeds)
    }
    results = {**fake_results(PATH), "curves": curves}
    return {**results, "config": {**results["config"], "keep": keep}}


def sentences(*seeds: Losses, errors: Sequence[float] = (), keep: str = "last") -> str:
    return "\n".join(robustness.stopping_sentences(run(*seeds, keep=keep), errors))


def test_a_student_is_read_at_its_best_and_at_its_last() -> None:
    found = robustness.validated(run({**IN_TIME, "tau-0.6": (5.5, 5.25, 7.0)}))
    assert [one.name for one in found] == ["direct", "tau-1", "tau-0.8", "tau-0.6"]
    cold = found[-1]
    assert (cold.by_epoch, cold.best_epochs, cold.best, cold.last) == ((-5.5, -5.25, -7.0), (2,), -5.25, -7.0)
    late = robustness.passed_best(run({**IN_TIME, "direct": (4, 5), "tau-0.6": (5, 7)}))
    assert [one.name for one in late] == ["direct", "tau-0.6"] and robustness.passed_best(run(IN_TIME)) == []


def test_students_of_truncated_samples_are_no_part_of_the_path() -> None:
    late = dict.fromkeys(TRUNCATED, (4.0, 9.0))
    results = run({**IN_TIME, **late})
    more = fake_results(PATH, truncated=TRUNCATED)
    both = {**more, "curves": results["curves"], "config": {**more["config"], "keep": "best"}}
    assert robustness.validated(both) == robustness.validated(run(IN_TIME))
    assert steps(both) == steps(run(IN_TIME))
    assert robustness.again_table(both, both).splitlines()[-1].startswith("top-p 0.9 ")


def test_a_run_from_before_there_were_truncations_had_none() -> None:
    new, old = fake_results(PATH), fake_results(PATH)
    del old["config"]["truncations"]
    assert robustness.precisions_apart(old, new) == dict.fromkeys(robustness.precisions_apart(new, new), 0.0)
    with pytest.raises(ValueError, match="differ in truncations"):
        robustness.precisions_apart(old, fake_results(PATH, truncated=TRUNCATED))


def test_over_seeds_each_has_its_own_best() -> None:
    found = robustness.validated(run({**IN_TIME, "tau-0.6": (5.0, 6.0)}, {**IN_TIME, "tau-0.6": (8.0, 7.0)}))
    cold = found[-1]
    assert (cold.by_epoch, cold.best_epochs, cold.best) == ((-6.5, -6.5), (1, 2), -6.0)
    missing = {name: losses for name, losses in IN_TIME.items() if name != "tau-0.8"}  # a seed that is not finished
    assert robustness.validated(run(IN_TIME, missing)) == robustness.validated(run(IN_TIME))


def test_what_is_said_where_nobody_did() -> None:
    said = sentences(IN_TIME)
    assert "changes by −1.00 with the last weights, and by −1.00 with each student's best ones" in said
    assert said.splitlines()[-3:] == [
        "All of them were best after the last pass: more passes might have raised recall further.",
        "Direct minus τ = 1 in these recalls, after pass 1, 2, …: 0.00, 0.00.",
        "Losses on these 1,024 texts have errors too, which were not recorded: a few hundredths may be chance.",
    ]
    assert "%" not in said and "Step by step" not in said


def test_what_is_said_where_the_coldest_did() -> None:
    said = sentences({**IN_TIME, "tau-0.6": (5.5, 5.25, 7.0)}, errors=(0.3, 0.1))
    assert "changes by −2.00 with the last weights, and by −0.25 with each student's best ones" in said
    assert "So 12 % of the fall with the last weights is there at the best passes. The rest is what τ" in said
    assert "The rest is what τ = 0.6 lost after its best pass. Trained" in said.replace("\n", " ")
    assert "Trained on past their best: τ = 0.6." in said
    assert "Step by step, with the best weights: −0.50, +0.25." in said
    both = sentences({**IN_TIME, "tau-1": (6, 5, 5.5), "tau-0.8": (6, 5.5, 6), "tau-0.6": (5.75, 5.5, 7.0)})
    assert "what τ = 0.6 lost after its best pass, less what τ = 1 lost. Trained" in both.replace("\n", " ")
    assert "so perhaps not at their best yet: direct, tau 1, tau 0.8." in said
    assert "two of the errors above: τ = 1 to 0.8." in said  # 0.5 is not larger than 0.6, 0.25 is larger than 0.2
    assert "after pass 1, 2, …: that of τ = 0.6, 1." in said


def test_which_weights_were_scored_and_what_the_others_say() -> None:
    said = sentences({**IN_TIME, "tau-0.6": (5.5, 5.25, 7.0)}, keep="best")
    assert "The numbers above are of each model's best weights on validation texts." in said
    assert "Step by step, with the last weights: −0.50, −1.50." in said
    older = run(IN_TIME)
    del older["config"]["keep"]
    assert kept(older) == "last" and "of the last weights." in robustness.stopping_sentences(older)[0]


def test_what_is_said_where_there_is_no_such_fall() -> None:
    said = sentences({**IN_TIME, "tau-1": (4.0, 6.5)})
    assert "changes by 0.50 with the last weights, and by −2.00 with each student's best ones" in said
    assert "Trained on past their best: τ = 1." in said and "%" not in said
    assert "errors above" not in sentences(IN_TIME, errors=(0.1, 0.1))
    highest = "From τ = 1 down, the highest of these recalls after every pass: that of τ = 1."
    assert highest in sentences({**IN_TIME, "tau-0.8": (6.5, 7)})


@pytest.mark.parametrize("curves", [{}, {"0": {}}, {"0": {"tau-1": {"validation": []}}}])
def test_a_run_without_such_losses(curves: dict[str, Any]) -> None:
    results = {**fake_results(PATH), "curves": curves}
    assert robustness.stopping_table(results).count("\n") == 0 and robustness.passed_best(results) == []
    nothing = "There are no validation losses of two students at or below τ = 1: nothing to say yet."
    assert robustness.stopping_sentences(results) == [nothing]


def test_one_run_made_twice() -> None:
    best, last = (open_run(f"recorded/{name}") for name in ("cpu", "cpu-last"))
    lines = robustness.kept_table(best, last).replace("−", "-").splitlines()
    assert [line.split()[-5:][0] for line in lines[1:]] == ["direct", "1", "0.9", "0.8", "0.6"]
    for line, name in zip(lines[1:], ("direct", "tau-1", "tau-0.9", "tau-0.8", "tau-0.6"), strict=True):
        models = [model_of(one, name) for one in (best, last)]
        values = [m[what]["token"]["value"] for what in ("precision", "recall") for m in models if m]
        assert line.split()[-4:] == [f"{value:.2f}" for value in values]
    # The same trainings: where the last pass was the best, the very same numbers.
    assert lines[1].split()[1] == lines[1].split()[2]
    assert best["curves"]["0"]["tau-0.6"]["validation"] == last["curves"]["0"]["tau-0.6"]["validation"]
    for some in ((last, best), (best, best), (open_run("recorded/smoke"), last)):
        with pytest.raises(ValueError, match="not one run made twice"):
            robustness.kept_table(*some)


def test_which_path_is_lower_at_the_same_recall() -> None:
    """Dots by hand: the second path leaves the first one's start and stays half a nat below it, or crosses it."""

    def path(*dots: tuple[float, float]) -> dict[str, Any]:
        found = run({**IN_TIME, **dict.fromkeys(names, (4.0,))})
        for name, (recall, precision) in zip(names, dots, strict=True):
            model = model_of(found, name)
            model["recall"]["token"]["value"], model["precision"]["token"]["value"] = recall, precision
        return found

    names = ("tau-1", "tau-0.8", "tau-0.6")
    high = path((-5.0, -6.0), (-5.5, -5.0), (-6.0, -4.0))
    low = path((-5.0, -6.0), (-5.5, -5.5), (-7.0, -3.5))
    crossing = path((-5.0, -6.0), (-5.5, -5.5), (-5.9, -3.5))
    apart = path((-8.0, -6.0), (-8.5, -5.5), (-9.0, -3.5))
    assert robustness.lower_at_equal_recall(low, high) and not robustness.lower_at_equal_recall(high, low)
    for other in (crossing, apart, high):
        assert not robustness.lower_at_equal_recall(other, high) and not robustness.lower_at_equal_recall(high, other)


def test_the_recorded_run() -> None:
    """The numbers by hand from the curves in its file."""
    results = open_run("recorded/cpu")
    losses = {name: curve["validation"] for name, curve in results["curves"]["0"].items()}
    best, last = (at(losses["tau-1"]) - at(losses["tau-0.6"]) for at in (min, lambda one: one[-1]))
    said = robustness.stopping_sentences(results, [step.recall.error for step in steps(results)])
    whole = "\n".join(said).replace("−", "-")
    assert f"changes by {last:.2f} with the last weights, and by {best:.2f} with each" in whole
    assert f"{best:.2f} {last:.2f}" == "-0.75 -1.75"
    assert "with the last weights: -0.09, -0.25, -1.41." in whole and "that of τ = 0.9, 1, 0.9, 1." in whole
    lines = robustness.stopping_table(results).replace("−", "-").splitlines()
    assert lines[-1].split()[2:] == ["-5.63", "2", "-6.63", "-1.00"]


# One run made again


def twice() -> tuple[dict[str, Any], dict[str, Any]]:
    """Two runs; in the second the coldest student has a nat less precision, after an earlier pass."""
    first = fake_results(ENDS)
    first["curves"] = {"0": {one["name"]: {"validation": [5.0, 4.0, 4.5]} for one in first["models"]}}
    first["config"] = {**first["config"], "keep": "best"}
    second = copy.deepcopy(first)
    model_of(second, "tau-0.6")["precision"]["token"]["value"] = -5.0
    second["curves"]["0"]["tau-0.6"]["validation"] = [4.0, 4.1, 4.5]
    second["config"]["threads"] = 7
    return first, second


def test_the_table_and_the_sentences_by_hand() -> None:
    first, second = twice()
    lines = [line.replace("−", "-").split() for line in robustness.again_table(first, second).splitlines()]
    error = np.hypot(*2 * [model_of(first, "tau-0.6")["precision"]["token"]["over_sequences"]])
    assert lines[-1][:2] == ["tau", "0.6"] and lines[-1][-3:] == ["2", "and", "1"]
    assert lines[-1][2:9] == ["-4.00", "-5.00", "-1.00", f"{1 / error:.1f}", "-6.50", "-6.50", "0.00"]
    assert all(line[-3:] == ["2", "and", "2"] for line in lines[1:-1])
    assert [line[0] for line in lines[1:]] == ["teacher", "direct", "tau", "tau"]
    assert robustness.precisions_apart(first, second) == {"teacher": 0, "direct": 0, "tau-1": 0, "tau-0.6": -1}
    assert robustness.again_sentences(first, second) == [
        "From tau 1 to 0.6, precision: +2.00 and +1.00.",
        "From tau 1 to 0.6, recall: −1.50 and −1.50.",
        f"Farthest apart in precision: tau 0.6, by 1.00, which is {1 / error:.1f} errors over texts.",
    ]


def test_the_last_weights_are_those_after_the_last_pass() -> None:
    first, second = twice()
    for one in (first, second):
        one["config"]["keep"] = "last"
    assert all(line.endswith("3 and 3") for line in robustness.again_table(first, second).splitlines()[1:])
    second["curves"] = {}
    assert robustness.again_table(first, second).endswith("3 and ?")


def test_two_different_runs_are_refused() -> None:
    first, second = twice()
    second["config"]["rate"] = 0.5
    for say in (robustness.again_table, robustness.again_sentences, robustness.precisions_apart):
        with pytest.raises(ValueError, match="these runs differ in rate"):
            say(first, second)


def test_runs_without_students_have_only_a_farthest() -> None:
    first, second = twice()
    for one in (first, second):
        one["models"] = [model for model in one["models"] if model["role"] == "teacher"]
    assert robustness.again_table(first, second).count("\n") == 1
    assert robustness.again_sentences(first, second)[0].startswith("Farthest apart in precision: teacher, by 0.00")
