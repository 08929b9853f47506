"""Judging: solutions pass, each known mistake is told from every other, and nothing a reader writes breaks it."""

import inspect
import json
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.exercises import every_choice, every_code, every_exercise

from kdlab import Estimate, recall
from kdlab.core import answers
from kdlab.lessons import exercise
from kdlab.lessons.kinds import Choice, Code, Exercise, Verdict


@every_code
def test_the_solution_is_right_and_each_mistake_is_named(one: Code) -> None:
    assert one.check(one.solution) == Verdict("right", f"Right. {one.right}")
    for mistake, why in one.wrong.items():
        assert one.check(mistake) == Verdict("wrong", f"Not yet. {why}")


@every_code
def test_right_and_wrong_are_far_apart(one: Code) -> None:
    """At least twice the tolerance between any two: no diagnosis hangs on the order in which they are tried."""
    results = [[np.ravel(give(*make())) for make in one.cases.values()] for give in (one.solution, *one.wrong)]
    for first, second in combinations(map(np.concatenate, results), 2):
        assert np.abs(first - second).max() > 2 * one.tolerance


@every_code
def test_arguments_are_fresh_each_time(one: Code) -> None:
    def spoils(*arguments: Any) -> Any:
        result = one.solution(*arguments)
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                argument[...] = 0
        return result

    spoils.__signature__ = inspect.signature(one.solution)  # type: ignore[attr-defined]
    assert one.check(spoils).kind == one.check(spoils).kind == "right"


@every_choice
def test_one_option_is_right_and_every_other_says_why_not(one: Choice) -> None:
    assert one.options[one.place - 1] == one.answer
    for number, option in enumerate(one.options, 1):
        verdict = one.check(option)
        assert verdict == one.check(number) == one.check(np.int64(number)) == one.check(f" {option.upper()}. ")
        assert verdict == one.check(str(number))
        assert verdict.kind == ("right" if option == one.answer else "wrong")
    assert len({one.check(option).text for option in one.options}) == len(one.options)


class Strange:
    """Refuses whatever one does with it."""

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        raise RuntimeError("no")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")


def endless(*arguments: Any) -> Any:
    return endless(*arguments)


def raising(*arguments: Any) -> Any:
    raise KeyError("oh")


GIVEN: list[Any] = [
    None, ..., "1.0", "much", float("nan"), np.array([np.inf, 1.0]), np.zeros((7, 3)), np.zeros(0), [[1.0], [1.0, 2.0]],
    Estimate(1.0), (1.0, 2.0), (..., ...), 1j, raising, Strange(),
]  # fmt: skip
HOSTILE: list[Any] = [
    None, ..., "the rare one", 0.5, float("nan"), np.zeros(3), Strange(), True, [1, 2], 0, -1, Strange, max, dict,
    lambda: 1.0, lambda x: 1.0, lambda a, b, c, d, e, f: 1.0, raising, endless, lambda *x: sys.exit(3), lambda *x: x,
    *((lambda *x, given=given: given) for given in GIVEN),
]  # fmt: skip


@every_exercise
def test_nothing_that_a_reader_writes_raises(one: Exercise) -> None:
    for place, answer in enumerate(HOSTILE):
        verdict = one.check(answer)
        assert verdict.kind in ("other", "unfinished"), (place, verdict)
        assert len(verdict.text.split()) >= 5 and "Right" not in verdict.text, place
        assert verdict.text == str(verdict)
        json.dumps(verdict._repr_mimebundle_())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "Not answered yet: write my_divergence"),
        (lambda s, t: None, "Not answered yet: fill in my_divergence"),
        (lambda s, t: ..., "Not answered yet: fill in my_divergence"),
        (lambda s, t: recall(s, t), "returns an Estimate, and a plain number is wanted: add .value"),
        (lambda s: 1.0, "is called with (student, truth), yours takes (s)"),
        (lambda s, t: recall(t, t) - recall(s, t), "'Estimate' and 'Estimate'. An Estimate is no plain number: add"),
        (lambda s, t: -recall(s, t), "is no plain number: add .value. This was for a student with centre −1"),
        (lambda s, t: np.exp(recall(s, t)), "add .value"),
        (lambda s, t: s.mean / 0, "Your function stopped with"),
        (lambda s, t: s.nothing, "AttributeError: 'GaussianMixture' object has no attribute 'nothing'. This was for"),
        (lambda s, t: np.ones(3), "returns an array of shape (3,) where one number is wanted"),
        (lambda s, t: float("nan"), "returns nan: look for a logarithm of zero"),
        (lambda s, t: "one", "returns 'one', which is not made of numbers"),
        (lambda s, t: 1.25, "For a student with centre −1 and standard deviation 2 yours gives 1.25, not 0.289."),
        (0.289, "This is 0.289, not a function: write check(my_divergence), without calling it"),
    ],
)
def test_what_is_said_helps(answer: Any, said: str) -> None:
    assert said in exercise("01.3").check(answer).text


def test_a_pair_is_asked_for_as_a_pair() -> None:
    said = exercise("02.2").check(lambda w, m, v: w @ m).text
    assert "return 2 things, with a comma between them" in said
    assert exercise("02.2").check(lambda w, m, v: list(exercise("02.2").solution(w, m, v))).kind == "right"


# Keeping


def test_answers_are_kept_and_unfinished_ones_are_not(folder: Path) -> None:
    exercise("02.1").check(None)
    exercise("02.2").check(...)
    exercise("02.2").check(lambda w, m, v: None)
    assert list(folder.iterdir()) == []
    exercise("02.1").check(2, reason="It is the lightest.")
    exercise("02.2").check(next(iter(exercise("02.2").wrong)))
    kept = answers.read()
    assert kept["exercise 02.1"]["reason"] == "It is the lightest." and kept["exercise 02.1"]["right"] is True
    assert "weights @ variances" in kept["exercise 02.2"]["answer"] and kept["exercise 02.2"]["right"] is False


def test_trouble_with_keeping_is_said_after_the_verdict(folder: Path) -> None:
    (folder / "my_answers.json").write_text("broken", encoding="utf-8")
    first, second = exercise("02.1").check(2), exercise("02.1").check(2)
    assert first.kind == second.kind == "right"
    verdict = second.text.removesuffix(" Your answer was not kept either: the reason is the same.")
    assert first.text.startswith(verdict) and "my_answers.json" in first.text.removeprefix(verdict)
    assert exercise("02.1")._repr_mimebundle_()[0]["text/html"]
