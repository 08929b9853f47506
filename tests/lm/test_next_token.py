"""Next-token sweeps against brute force over the whole vocabulary."""

import json
import math
from typing import Any

import numpy as np
import pytest
from scipy import special, stats

from kdlab.core.format import percent
from kdlab.core.sweep import tau_positions
from kdlab.lm.next_token import SHOWN, NextTokenSweep, counted, next_token_sweep, one_line, shared, visible

LOGITS = np.random.default_rng(3).normal(0, 3, 500)


def word(token: int) -> str:
    return f" t{token}"


@pytest.fixture(scope="module")
def sweep() -> NextTokenSweep:
    return next_token_sweep("Once", LOGITS, word, samples=[f" and {i}" for i in range(61)], source="a test")


def test_every_number_is_that_of_the_whole_vocabulary(sweep: NextTokenSweep) -> None:
    np.testing.assert_array_equal(sweep.taus, tau_positions())
    order = np.argsort(-LOGITS)
    assert sweep.tokens == tuple(word(i) for i in order[:SHOWN]) and sweep.vocabulary == 500
    for i, tau in enumerate(sweep.taus):
        p = special.softmax(LOGITS / tau)
        np.testing.assert_allclose(sweep.probabilities[i], p[order[:SHOWN]], rtol=1e-12)
        assert sweep.rest[i] == pytest.approx(p[order[SHOWN:]].sum(), abs=1e-12)
        assert sweep.entropies[i] == pytest.approx(stats.entropy(p), abs=1e-12)
        assert sweep.choices[i] == pytest.approx(math.exp(stats.entropy(p)), rel=1e-12)


def test_a_position_is_everything_at_one_tau(sweep: NextTokenSweep) -> None:
    at = sweep.at(0.51)  # the nearest is 0.52 or 0.5, both within a hundredth
    i = sweep.index(0.51)
    assert at.tau == sweep.taus[i] == pytest.approx(0.5, abs=0.021)
    assert at.sample == f" and {i}" and at.sentence == sweep.sentences[i] and at.tokens == sweep.tokens
    assert f"At τ = {at.tau:.2f} " in at.sentence and f"entropy of {at.entropy:.2f} nats" in at.sentence
    assert counted(at.choices) in at.sentence and percent(at.rest) in at.sentence


def test_extreme_logits_stay_finite() -> None:
    steep = next_token_sweep("x", [5000.0, 0.0, -5000.0], "abc".__getitem__)
    assert steep.entropies.max() == 0 and steep.probabilities[:, 0].min() == 1 and steep.rest.max() == 0
    flat = next_token_sweep("x", [7.0] * 40, lambda i: str(i))
    np.testing.assert_allclose(flat.entropies, math.log(40), rtol=1e-12)
    np.testing.assert_allclose(flat.rest, 28 / 40, rtol=1e-9)


def test_a_recording_gives_the_sweep_back(sweep: NextTokenSweep) -> None:
    again = NextTokenSweep.of(json.loads(json.dumps(sweep.recorded())))
    assert again.sentences == sweep.sentences and again.samples == sweep.samples and again.prompt == "Once"
    np.testing.assert_allclose(again.probabilities, sweep.probabilities, rtol=1e-6)
    assert NextTokenSweep.of(again.recorded()).recorded() == again.recorded()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"logits": [1.0]}, r"logits have shape \(1,\)"),
        ({"logits": [[1.0, 2.0]]}, r"logits have shape \(1, 2\)"),
        ({"logits": [1.0, math.nan]}, "finite numbers"),
        ({"logits": [1.0, -math.inf]}, "finite numbers"),
        ({"taus": [1.0, 0.0]}, "positive temperatures"),
        ({"taus": []}, "positive temperatures"),
        ({"samples": ["a"]}, "samples has 1 entries: give 61, one for each of the taus"),
    ],
)
def test_bad_input_is_refused(wrong: dict[str, Any], said: str) -> None:
    settings = {"logits": [1.0, 0.0]} | wrong
    with pytest.raises(ValueError, match=said):
        next_token_sweep("x", settings.pop("logits"), "ab".__getitem__, **settings)


def test_words_for_numbers_and_tokens() -> None:
    assert [counted(n) for n in (1.0, 6.16, 9.96, 78.6, 999.4, 999.6, 1839.2, 49152)] == [
        "1.0 choices", "6.2 choices", "10 choices", "79 choices", "999 choices", "1,000 choices", "1,840 choices",
        "49,200 choices",
    ]  # fmt: skip
    assert visible(" a b\n") == "“\u00a0a\u00a0b↵”" and visible("") == "“”" and len(visible("x" * 99)) == 16
    assert one_line("a\r\nb\tc") == "a↵b⇥c"
    assert [shared("abcd", "abxd"), shared("ab", "abc"), shared("", "a"), shared("ab", "ab")] == [2, 2, 0, 2]
