"""One run made twice: by hand, from made-up results, and as it was recorded."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from support.fake_results import fake_results

from kdlab.lm.report import again
from kdlab.lm.report import tradeoff as findings

PATH = {1.0: (-6.0, -5.0), 0.6: (-4.0, -6.5)}


def twice() -> tuple[dict[str, Any], dict[str, Any]]:
    """Two runs; in the second the coldest student has a nat less precision, after an earlier pass."""
    first = fake_results(PATH)
    first["curves"] = {
        "0": {name: {"validation": [5.0, 4.0, 4.5]} for name in ("teacher", "direct", "tau-1", "tau-0.6")}
    }
    first["config"] = {**first["config"], "keep": "best"}
    second = copy.deepcopy(first)
    model = findings.model_of(second, "tau-0.6")
    assert model
    model["precision"]["token"]["value"] = -5.0
    second["curves"]["0"]["tau-0.6"]["validation"] = [4.0, 4.1, 4.5]
    second["config"]["threads"] = 7
    return first, second


def test_the_table_and_the_sentences_by_hand() -> None:
    first, second = twice()
    lines = [line.replace("−", "-").split() for line in again.again_table(first, second).splitlines()]
    model = findings.model_of(first, "tau-0.6")
    assert model
    error = np.hypot(*2 * [model["precision"]["token"]["over_sequences"]])
    assert lines[-1][:2] == ["tau", "0.6"] and lines[-1][-3:] == ["2", "and", "1"]
    assert lines[-1][2:9] == ["-4.00", "-5.00", "-1.00", f"{1 / error:.1f}", "-6.50", "-6.50", "0.00"]
    assert all(line[-3:] == ["2", "and", "2"] for line in lines[1:-1])
    assert [line[0] for line in lines[1:]] == ["teacher", "direct", "tau", "tau"]
    assert again.again_sentences(first, second) == [
        "From tau 1 to 0.6, precision: +2.00 and +1.00.",
        "From tau 1 to 0.6, recall: −1.50 and −1.50.",
        f"Farthest apart in precision: tau 0.6, by 1.00, which is {1 / error:.1f} errors over texts.",
    ]


def test_how_far_apart_by_name() -> None:
    assert again.precisions_apart(*twice()) == {"teacher": 0.0, "direct": 0.0, "tau-1": 0.0, "tau-0.6": -1.0}


def test_the_last_weights_are_those_after_the_last_pass() -> None:
    first, second = twice()
    for one in (first, second):
        one["config"]["keep"] = "last"
    assert all(line.endswith("3 and 3") for line in again.again_table(first, second).splitlines()[1:])
    second["curves"] = {}
    assert again.again_table(first, second).endswith("3 and ?")


def test_two_different_runs_are_refused() -> None:
    first, second = twice()
    second["config"]["rate"] = 0.5
    for say in (again.again_table, again.again_sentences, again.precisions_apart):
        with pytest.raises(ValueError, match="these runs differ in rate"):
            say(first, second)


def test_runs_without_students_have_only_a_farthest() -> None:
    first, second = twice()
    for one in (first, second):
        one["models"] = [model for model in one["models"] if model["role"] == "teacher"]
    assert again.again_table(first, second).count("\n") == 1
    assert again.again_sentences(first, second)[0].startswith("Farthest apart in precision: teacher, by 0.00")
