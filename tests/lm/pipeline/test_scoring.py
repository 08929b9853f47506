"""Scoring against the full logits, and the errors of its means against many repetitions."""

from typing import Any

import numpy as np
import pytest
from support.torch_side import EOS, LENGTH, PROMPT, draw, torch

from kdlab.core import metrics
from kdlab.lm.pipeline import gpu, scoring
from kdlab.lm.pipeline.corpus import Sequences, generator
from kdlab.lm.pipeline.model import LanguageModel, new_model
from kdlab.lm.pipeline.scoring import Scores, score, token_losses
from kdlab.lm.sizes import size_named


def brute_force(model: Any, sequences: Sequences, tau: float = 1.0) -> np.ndarray:
    """Every sequence by itself, without padding, in double precision, from the full logits."""
    nats = []
    for row, length in zip(sequences.ids, sequences.lengths.tolist(), strict=True):
        ids = torch.tensor(row[:length].astype(np.int64))[None]
        with torch.no_grad():
            logits = model(ids).logits[0, :-1].double() / tau
        chosen = torch.log_softmax(logits, -1).gather(-1, ids[0, 1:, None])[:, 0]
        nats.append(float(chosen[sequences.prompt - 1 :].sum()))
    return np.array(nats)


@pytest.mark.parametrize("tau", [1.0, 0.6])
def test_log_probabilities_are_those_of_the_logits(model: Any, monkeypatch: pytest.MonkeyPatch, tau: float) -> None:
    drawn = draw(model, 60)
    expected = brute_force(model, drawn, tau)
    # float32 sums of at most 8 terms of some nats: 1e-5 is ten times what they lose.
    np.testing.assert_allclose(score(model, drawn, tau).nats, expected, atol=1e-5, rtol=0)
    monkeypatch.setitem(scoring._LOGITS, "cpu", 64)  # a few rows at a time
    monkeypatch.setitem(scoring._TOKENS, "cpu", 30)  # a few sequences at a time
    np.testing.assert_allclose(score(model, drawn, tau).nats, expected, atol=1e-5, rtol=0)


def test_every_token_after_the_prompt_is_scored_once_and_padding_never(model: Any) -> None:
    drawn = draw(model, 40)
    ids, lengths = drawn.tensors(torch.device("cpu"))
    losses = token_losses(model, ids, lengths, drawn.prompt)
    assert losses.shape == (40, ids.shape[1] - 2)
    assert ((losses > 0).sum(dim=1).numpy() == drawn.counts).all()
    assert score(model, drawn).tokens.sum() == drawn.n_tokens
    garbage = drawn.ids.copy()
    garbage[np.arange(LENGTH) >= drawn.lengths[:, None]] = 9
    other = Sequences(garbage, drawn.lengths, drawn.prompt, drawn.eos)
    np.testing.assert_array_equal(score(model, other).nats, score(model, drawn).nats)


def test_never_more_logits_than_the_bound(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(scoring._LOGITS, "cpu", 160)
    drawn, seen = draw(model, 30), []
    hook = model.lm_head.register_forward_hook(lambda module, given, made: seen.append(made.numel()))
    score(model, drawn)
    hook.remove()
    assert len(seen) > 10 and max(seen) <= 160


def test_standard_errors_are_those_of_many_repetitions(model: Any) -> None:
    # 60 repetitions of 50 sequences: their spread is known to 9 % (one standard deviation), so 40 % is over 4 of them.
    drawn = draw(model, 3000)
    whole = score(model, drawn)
    parts = [Scores(whole.nats[i : i + 50], whole.tokens[i : i + 50]) for i in range(0, 3000, 50)]
    for which in ("per_token", "per_sequence"):
        estimates = [getattr(part, which)() for part in parts]
        spread = np.std([estimate.value for estimate in estimates], ddof=1)
        assert np.mean([estimate.standard_error for estimate in estimates]) == pytest.approx(spread, rel=0.4)
        assert estimates[0].n_samples == 50
    assert whole.per_token().value == pytest.approx(whole.nats.sum() / drawn.n_tokens)
    assert whole.per_sequence().value == pytest.approx(whole.nats.mean())


def test_precision_and_recall_are_the_functions_of_the_mixtures(model: Any) -> None:
    student = new_model(size_named("tiny"), 16, eos=EOS, rng=generator(3, "student"))
    theirs, its = draw(model, 300), draw(student, 300)
    for per in ("token", "sequence"):
        truth, other = LanguageModel(model, theirs, per), LanguageModel(student, its, per)
        read = {"token": Scores.per_token, "sequence": Scores.per_sequence}[per]
        assert metrics.precision(other, truth) == read(score(model, its))
        assert metrics.recall(other, truth) == read(score(student, theirs))


def test_a_model_without_samples_draws_them_and_needs_its_randomness(model: Any) -> None:
    bare = LanguageModel(model, prompt=tuple(PROMPT), length=LENGTH, eos=EOS)
    with pytest.raises(ValueError, match="rng is None"):
        bare.expected_log_prob(bare)
    estimate = bare.expected_log_prob(bare, generator(4), n=500)
    recorded = LanguageModel(model, draw(model, 500)).expected_log_prob(bare)
    apart = abs(estimate.value - recorded.value)
    assert apart < 4 * np.hypot(estimate.standard_error, recorded.standard_error)  # false alarms: 1 in 16,000
    sharper = bare.tempered(2.0)
    assert sharper.tau == 0.5 and sharper.expected_log_prob(sharper, generator(5), n=200).value > estimate.value
    with pytest.raises(ValueError, match="beta is 0"):
        bare.tempered(0)


def test_tokens_of_another_vocabulary_are_refused(model: Any) -> None:
    drawn = draw(model, 3)
    drawn.ids[0, 3] = 40
    with pytest.raises(ValueError, match="token 40 is outside the model's vocabulary of 16"):
        score(model, drawn)


def test_faster_products_are_for_scoring_on_a_gpu_only() -> None:
    before = torch.get_float32_matmul_precision()
    with pytest.raises(ZeroDivisionError), gpu.tensor_cores(torch.device("cuda")):
        assert torch.get_float32_matmul_precision() == "high"
        1 / 0  # noqa: B018
    assert torch.get_float32_matmul_precision() == before
    with gpu.tensor_cores(torch.device("cpu")):
        assert torch.get_float32_matmul_precision() == before
