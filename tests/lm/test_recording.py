"""What was recorded of SmolLM2: whole, small, consistent in itself, and what the model says again where it is here."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kdlab.core.sweep import tau_positions
from kdlab.lm.folder import recorded_folder
from kdlab.lm.recording import FILE, Recording, read_recording

RECORDING = recorded_folder() / "smollm2" / FILE


@pytest.fixture(scope="module")
def recording() -> Recording:
    return read_recording()


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a recording beside the notebook; there is nothing in it yet."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recorded" / "mine").mkdir(parents=True)
    return tmp_path / "recorded" / "mine" / FILE


def test_it_is_small_and_says_what_it_is(recording: Recording) -> None:
    assert RECORDING.stat().st_size < 200_000
    assert {"model", "license", "from", "sha256", "versions", "date", "seed", "command"} <= recording.about.keys()
    for said in ("SmolLM2-135M-Instruct", "49,152", recording.about["sha256"][:12], recording.about["date"]):
        assert said in recording.shown


def test_sweeps_are_whole(recording: Recording) -> None:
    assert len(recording.sweeps) == 6
    for prompt, sweep in recording.sweeps.items():
        np.testing.assert_array_equal(sweep.taus, tau_positions())
        assert sweep.prompt == prompt and sweep.vocabulary == 49_152 and len(sweep.tokens) == 12
        assert (np.diff(sweep.logits) <= 0).all() and (np.diff(sweep.entropies) > 0).all()
        assert 0 <= sweep.entropies.min() and sweep.entropies.max() < np.log(49_152)
        assert (sweep.probabilities.sum(axis=1) < 1 + 1e-6).all()
        assert len(set(sweep.samples)) > 20 and all(sweep.samples)


def test_neighbouring_texts_begin_alike(recording: Recording) -> None:
    """The same random numbers at every tau: neighbours often tell the same story, and distant positions less often."""
    for sweep in recording.sweeps.values():
        begun = [text[:8] for text in sweep.samples[:36]]  # up to tau = 1
        near = np.mean([one == other for one, other in zip(begun, begun[1:], strict=False)])
        far = np.mean([one == other for one, other in zip(begun, begun[16:], strict=False)])
        assert near >= 1 / 3 and near >= far  # of texts drawn anew at each tau near would be far


def test_tokens_are_those_of_their_texts(recording: Recording) -> None:
    for text, cut in recording.cuts.items():
        assert len(cut.ids) == len(cut.pieces)
        assert cut.text == text or "\ufffd" in cut.text
    assert all(digit in recording.cuts["In 1969 it cost $24.95."].pieces for digit in "1969")
    assert {"".join(way.pieces) for way in recording.ways} == {"The capital of France is Paris"}
    for one in (*recording.scored, *recording.ways):
        assert len(one.nats) == len(one.ids) - one.given and min(one.nats) > 0
        assert one.log_prob == pytest.approx(-sum(one.nats))
    again = recording.cut_again
    assert again["outside"] <= again["changed"] < again["texts"]
    assert again["before"].text == again["after"].text and again["before"].ids != again["after"].ids
    assert 0 < recording.mass["first"] < recording.mass["most_used"] < 1


def test_numbers_of_the_smaller_model_fit_together(recording: Recording) -> None:
    own = recording.own
    assert len(own["nats"]) == len(own["entropies"]) == len(own["tokens"]) == recording.cut_again["texts"]
    assert own["tokens"].max() == 27 and own["tokens"].min() >= 1
    differences = own["nats"] - own["entropies"]  # a martingale: its mean is 0, missed by 4 errors once in 15,000
    assert abs(differences.mean()) < 4 * differences.std(ddof=1) / np.sqrt(len(differences))
    assert sum(p for p in recording.step["whole"]) < 1 and 0 < recording.step["mass"] < 1
    for token, whole, kept in zip(*(recording.step[name] for name in ("ids", "whole", "kept")), strict=True):
        assert (kept is None) == (token >= recording.kept)
        if kept is not None:
            assert kept == pytest.approx(whole / recording.step["mass"], abs=1e-6)


def test_samplers_leave_what_they_should(recording: Recording) -> None:
    told = recording.sampler
    taus, entropies, nats = (np.array(told[name]) for name in ("taus", "entropies", "nats"))
    assert (np.diff(entropies[:, 0]) > 0).all() and (np.diff(nats[:, 0]) < 0).all()  # no tau has more recall than 1
    for cut in told["cuts"]:
        (tau, error), (entropy, _), (mass, _) = cut["tau"], cut["entropy"], cut["mass"]
        assert np.interp(tau, taus, entropies[:, 0]) == pytest.approx(entropy, abs=1e-5)
        assert 0 < error < 0.01 < mass < 0.2 and cut["inside"] < told["texts"]
    plain, top_k, top_p, tempered = (one["shares"] for one in told["step"]["samplers"])
    for shares, kept in ((top_k, 7), (top_p, 8)):
        np.testing.assert_allclose(shares, [*np.array(plain[:kept]) / sum(plain[:kept]), *[0] * (9 - kept)], atol=1e-8)
    assert min(tempered) > 0 and all(sum(one) == pytest.approx(1) for one in (plain, top_k, top_p, tempered))
    sweep = recording.sweeps[told["step"]["prompt"]]
    np.testing.assert_allclose(plain[:6], sweep.at(1).probabilities[:6], atol=1e-6)


def test_the_one_beside_the_notebook_comes_first(mine: Path) -> None:
    content = json.loads(RECORDING.read_text(encoding="utf-8"))
    content["about"]["date"] = "1990-01-01"
    mine.write_text(json.dumps(content), encoding="utf-8")
    assert read_recording("mine").about["date"] == "1990-01-01"
    assert read_recording().about["date"] != "1990-01-01"  # another folder does not hide the repository's own


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "JSONDecodeError"), ("[]", "TypeError"), ('{"schema": 99}', "schema 99"), ('{"schema": 1}', "restricted")],
)
def test_a_damaged_recording_says_so(mine: Path, text: str, said: str) -> None:
    mine.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=rf"cannot be read \(.*{said}.*get the repository's own"):
        read_recording("mine")


def test_no_recording_says_where_it_was_looked_for(mine: Path) -> None:
    with pytest.raises(ValueError, match="there is no recording 'nothing'"):
        read_recording("nothing")


@pytest.mark.slow
def test_the_model_itself_says_the_same(recording: Recording) -> None:
    """Where PyTorch and the weights are: the last digits may differ between machines, what is shown may not."""
    pytest.importorskip("torch")
    from support import real_weights

    truth = real_weights.truth()
    from kdlab.lm.next_token import next_token_sweep
    from kdlab.lm.pipeline.reading import surprises
    from kdlab.lm.pipeline.sampling import next_token_logits

    for prompt, sweep in recording.sweeps.items():
        logits = next_token_logits(truth.model, truth.encode(prompt))
        word: Any = lambda token: truth.pieces([token])[0]  # noqa: E731
        again = next_token_sweep(prompt, logits, word)
        assert set(again.tokens[:8]) == set(sweep.tokens[:8])
        np.testing.assert_allclose(again.entropies, sweep.entropies, atol=1e-3)
    for one in recording.scored:
        np.testing.assert_allclose(surprises(truth, one.ids, one.given)[0], one.nats, atol=1e-3)
    for text, cut in recording.cuts.items():
        assert tuple(truth.encode(text)) == cut.ids
