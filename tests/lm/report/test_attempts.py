"""What several tries bring: counts by hand, sentences beside worlds with a known answer."""

from typing import Any

import numpy as np
import pytest
from support.fake_results import fake_results

from kdlab.lm.report import attempts
from kdlab.lm.report.attempts import gathered, medians, of_tries, opening


def test_answers_are_told_apart_by_their_first_three_words() -> None:
    assert opening("  “It's a Mango”, of course.") == "it's a mango" == opening("It's a mango - or two")
    assert opening("Über_alles 12") == "über alles 12" and opening(" … \n") == opening("") == ""


def test_what_is_acceptable_and_different_of_each_instruction() -> None:
    """Two instructions take turns; acceptable is what is as likely as half of p*'s own, by instruction."""
    truth = np.array([-1.0, -5.0, -2.0, -6.0, -3.0, -7.0])
    least = medians(truth, 2)
    assert least.tolist() == [-2.0, -6.0]
    answers = ["A fig tree.", "Go.", "a fig, tree!", "Stay.", "A plum.", "...", "A lemon.", "Go!"]
    nats = np.array([-2.0, -6.0, -1.0, -6.1, -2.5, -1.0, -0.5, -5.9])
    found = of_tries(answers, nats, least, [1, 2, 4])
    # Of the first four answers to the first: a fig tree twice, a lemon once; of the second: go, twice; "..." is none.
    assert found["different"] == [[0.75, 0.5], [round(5 / 6 + 1 / 2, 5), round(5 / 6, 5)], [2.0, 1.0]]
    assert found["any"] == [[0.75, 0.5], [1.0, round(5 / 6, 5)], [1.0, 1.0]]
    with pytest.raises(ValueError, match="are 4, .* and 5: .* k is 1 to n"):
        of_tries(answers, nats, least, [5])


# Sentences

TRIES, N = [1, 4, 16], 30


def results(rises: dict[float, list[float]], seeds: int = 1, noise: float = 0.02) -> dict[str, Any]:
    """A run whose students bring so much at each number of tries, a little more or less at each instruction."""
    rng, of_instruction = np.random.default_rng(0), np.random.default_rng(1).normal(0.0, 0.3, N)
    models = {}
    for tau, means in rises.items():
        like = np.array(means)[:, None] + of_instruction
        each = [like + rng.normal(0.0, noise, (len(TRIES), N)) for _ in range(seeds)]
        models[f"tau-{tau:g}"] = gathered([{"different": one.tolist(), "any": one.tolist()} for one in each])
    told = fake_results(dict.fromkeys(rises, (-5.0, -5.0)), seeds=seeds)
    return told | {"attempts": {"tries": TRIES, "words": 3, "answers": 16, "models": models}}


def test_a_best_temperature_that_rises_is_told() -> None:
    told = results({0.4: [0.9, 1.5, 1.8], 0.6: [0.6, 1.5, 2.5], 1.0: [0.2, 0.8, 2.4]})
    assert attempts.best_temperatures(told)[0] == (1, [0.4]) and attempts.best_temperatures(told)[2] == (16, [0.6])
    assert set(attempts.best_temperatures(told)[1][1]) == {0.4, 0.6}
    said = attempts.crossing_sentences(told)
    assert said[0] == "1 try: τ = 0.4 brings most." and "too close to tell" in said[1]
    assert said[-1].endswith("the crossing is there.")
    lines = attempts.attempts_table(told).splitlines()
    assert lines[0].split() == ["acceptable,", "different", "1", "try", "4", "tries", "16", "tries"] and len(lines) == 4
    one = attempts.tries_of(told, "tau-0.4")
    assert one is not None and one.mean(0).error == pytest.approx(one.each[0].std(ddof=1) / N**0.5)
    assert f"{one.mean(0).value:.2f} ± {one.mean(0).error:.2f}" in lines[3]


def test_a_best_temperature_that_does_not_rise_is_not_told() -> None:
    for rises in ({0.4: [0.9, 1.5, 2.0], 1.0: [0.2, 0.8, 1.8]}, {0.4: [0.9, 1.5, 2.0], 1.0: [0.2, 0.8, 2.001]}):
        assert "cannot be told" in attempts.crossing_sentences(results(rises))[-1]
    noisy = results({0.4: [1.0, 1.0, 1.0], 0.6: [0.9, 1.0, 2.0]}, 2, 9.0)
    assert "cannot be told" in attempts.crossing_sentences(noisy)[-1]


def test_differences_are_over_the_same_instructions() -> None:
    """Instructions differ by .3, students on one of them by .02: the error of a difference does not see the first."""
    told = results({0.4: [0.9, 1.5, 2.0], 0.6: [0.8, 1.5, 2.0]})
    cold, warm = (attempts.tries_of(told, f"tau-{tau}") for tau in (0.4, 0.6))
    assert cold is not None and warm is not None
    apart = cold.ahead(warm, 0)
    assert apart.error == pytest.approx(0.02 * 2**0.5 / N**0.5, rel=0.5) and cold.mean(0).error > 5 * apart.error


def test_seeds_that_differ_more_than_instructions_make_the_error() -> None:
    one, other = ({"different": [[value] * N], "any": [[value] * N]} for value in (1.0, 2.0))
    told = gathered([one, other])
    assert told["by_seed"]["different"] == [[1.0], [2.0]] and told["different"] == [[1.5] * N]
    mean = attempts.Tries(np.array(told["different"]), np.array(told["by_seed"]["different"])).mean(0)
    assert (mean.value, mean.error) == (1.5, pytest.approx(0.5))


def test_a_lead_in_three_trainings_is_seen_as_often_as_noise_should_be() -> None:
    """Seeds that differ by chance alone: a lead of either sign is seen once in twenty times, with three of them too."""
    rng = np.random.default_rng(0)
    leads = []
    for _ in range(2000):
        one, other = (attempts.Tries(np.zeros((1, N)), rng.normal(0.0, 1.0, (3, 1))) for _ in range(2))
        apart = one.by_seed - other.by_seed
        lead = one.ahead(other, 0)
        leads.append(abs(apart.mean()) > 2 * lead.error)
    assert np.mean(leads) == pytest.approx(0.05, abs=0.015)  # three standard errors of 2,000 tries


def test_a_run_without_instructions_says_so() -> None:
    assert attempts.attempts_table(fake_results()).startswith("This run has no tries")
    assert attempts.crossing_sentences(fake_results()) == [attempts.attempts_table(fake_results())]
    assert attempts.best_temperatures(fake_results()) == []
