"""Objectives side by side: every student in the plane, with what it took; nothing where nothing was counted."""

from typing import Any

import pytest
from support.fake_results import fake_results, model

from kdlab.lm.plots_objectives import objectives


@pytest.fixture
def results() -> Any:
    found = fake_results({0.8: (-5.0, -5.2), 1.0: (-6.5, -4.9)})
    for i, one in enumerate(found["models"]):
        if one["role"] != "teacher":
            one["flops"] = 3e12 + 1e12 * i
    for name, pair, flops in (("token-reverse", (-4.0, -5.6), 9e12), ("on-policy", (-4.4, -5.8), 1e13)):
        found["models"].append({**model(name, "objective", 1.0, pair, 0.05, None, 1), "flops": flops})
    return found


def test_every_student_stands_in_both_parts(results: Any) -> None:
    made = objectives(results)
    plane, costs = made.axes
    written = {text.get_text() for text in plane.texts}
    assert {"sequence", "tau 0.8", "direct", "token-reverse", "on-policy", "teacher"} <= written
    assert [label.get_text() for label in costs.get_yticklabels()] == [
        "on-policy", "token-reverse", "sequence", "tau 0.8", "direct",
    ]  # fmt: skip
    dots = [float(line.get_xdata()[0]) for line in costs.lines if line.get_marker() not in ("None", None, "")]
    assert dots == [10, 9, 6, 5, 4]
    assert "sequence: precision −6.50, recall −4.90" in made.words and "1.0e+13 operations" in made.words


def test_a_run_that_counted_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="did not count operations"):
        objectives(fake_results())
