"""What a run finds, against its models themselves; and that its results can be read at any moment."""

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from support.torch_side import torch

from kdlab.cli import main
from kdlab.core import metrics
from kdlab.core.attempts import estimated_pass_at_k
from kdlab.lm.folder import read_results
from kdlab.lm.pipeline import results as found
from kdlab.lm.pipeline.model import LanguageModel
from kdlab.lm.pipeline.run import Run
from kdlab.lm.pipeline.scoring import score
from kdlab.lm.pipeline.stages import _model
from kdlab.lm.report.attempts import opening
from kdlab.lm.report.units import cosines, nearest, vendi


@pytest.mark.parametrize("per", ["token", "sequence"])
def test_results_are_precision_and_recall_of_the_models_themselves(run: Run, per: Any) -> None:
    """LanguageModel runs the models again; results.json came from scores on disk."""
    texts = run.texts("evaluation")
    truth = LanguageModel(run.truth.model, texts, per)
    models = {model["name"]: model for model in read_results(run.folder)["models"]}
    assert list(models) == ["teacher", "direct", "tau-0.6", "tau-1", "top-k-50"]
    told = {name: models["top-k-50"][name] for name in ("role", "tau", "truncation")}
    assert told == {"role": "truncated", "tau": 1.0, "truncation": {"top_k": 50}}
    assert [models[name].get("tau") for name in ("teacher", "direct", "tau-0.6")] == [1.0, None, 0.6]
    for name, told in models.items():
        own = LanguageModel(_model(run, 0, name), run.samples(0, name).read(64), per)
        for what, estimate_ in (("precision", metrics.precision(own, truth)), ("recall", metrics.recall(own, truth))):
            # Other batches in float32, whose steps are 6e-8 of a number: the sum over a text is some 90 nats.
            assert told[what][per]["value"] == pytest.approx(estimate_.value, rel=1e-7, abs=1e-6), (name, what)
            assert told[what][per]["over_sequences"] == pytest.approx(estimate_.standard_error, abs=3e-6)
            assert told[what][per]["over_seeds"] is None and told[what][per]["n_sequences"] == 64
    ceiling = read_results(run.folder)["truth"]["negative_entropy"][per]["value"]
    assert ceiling == pytest.approx(truth.expected_log_prob(truth).value, abs=1e-6)
    assert all(told["recall"][per]["value"] < ceiling for told in models.values())


def test_errors_over_seeds_are_those_of_their_mean() -> None:
    one = found.over_seeds([metrics.Estimate(*pair, 50) for pair in ((1.0, 0.1), (2.0, 0.3), (6.0, 0.2))])
    assert (one["value"], one["by_seed"]) == (3.0, [1.0, 2.0, 6.0])
    assert one["over_sequences"] == pytest.approx(0.2)
    of_its_own = found.over_seeds([metrics.Estimate(*pair, 50) for pair in ((1.0, 0.1), (2.0, 0.3), (6.0, 0.2))], False)
    assert of_its_own["over_sequences"] == pytest.approx(math.hypot(0.1, 0.3, 0.2) / 3)
    assert one["over_seeds"] == pytest.approx(np.sqrt((4 + 1 + 9) / 2 / 3))  # sample variance 7, over 3 seeds


def test_what_is_told_of_a_run_is_what_is_there(run: Run) -> None:
    told = read_results(run.folder)
    by_stage = {stage["stage"]: stage for stage in told["stages"]}
    assert by_stage["p* writes: train"]["tokens"] == run.texts("train").n_tokens
    assert by_stage["seed 0: train direct"]["tokens"] == 2 * run.texts("train", 64).n_tokens
    assert by_stage["seed 0: teacher at tau 0.6"]["tokens"] == run.tempered(0, 0.6).read(64).n_tokens
    assert all(stage["seconds"] > 0 for stage in told["stages"])
    assert told["sizes"]["truth"]["parameters"] == sum(w.numel() for w in run.truth.model.parameters())
    assert told["sizes"]["student"]["parameters"] == sum(w.numel() for w in _model(run, 0, "direct").parameters())
    curve = told["curves"]["0"]["teacher"]
    assert curve["steps"][-1] == 2 * 96 // 16 and len(curve["validation"]) == 2
    texts = run.texts("evaluation")
    assert told["texts"]["truth"][0] == run.truth.decode(texts.ids[0, : texts.lengths[0]])
    assert (told["seeds"], told["missing"]) == ([0], [])


def test_the_texts_that_a_student_lost_are_those_it_falls_behind_on_most(run: Run) -> None:
    texts = run.texts("evaluation")
    behind = {}
    for tau in (0.6, 1.0):
        own, direct = (LanguageModel(_model(run, 0, name)).log_prob(texts) for name in (f"tau-{tau:g}", "direct"))
        behind[tau] = sorted((own - direct) / texts.counts)
    told = read_results(run.folder)["lost"]
    assert [lost["tau"] for lost in told] == [0.6] * 5 + [1.0] * 5
    for tau, first in ((0.6, told[:5]), (1.0, told[5:])):
        np.testing.assert_allclose([one["distilled"] - one["direct"] for one in first], behind[tau][:5], atol=1e-5)
    assert all(one["at_one"] == one["distilled"] for one in told[5:])
    both = {one["text"] for one in told[:5]} & {one["text"] for one in told[5:]}
    assert all(a["at_one"] == b["distilled"] for a in told[:5] for b in told[5:] if a["text"] == b["text"] in both)
    assert all(isinstance(one["at_one"], float) for one in told)


def test_the_map_is_a_plane_of_hidden_states(run: Run) -> None:
    told = read_results(run.folder)["map"]
    assert list(told) == ["truth", "teacher", "direct", "tau-0.6", "tau-1", "top-k-50"]
    points = np.array(told["truth"])
    assert points.shape == (64, 2)
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=1e-3)
    assert abs(np.corrcoef(points.T)[0, 1]) < 1e-2 and points[:, 0].var() >= points[:, 1].var()
    some = run.texts("evaluation", 8)
    assert len(set(some.lengths.tolist())) > 1
    for own, ids, length in zip(score(run.truth.model, some, states=8).states, some.ids, some.lengths, strict=True):
        whole = run.truth.model.model(torch.tensor(ids[None, :length].astype(int))).last_hidden_state
        np.testing.assert_allclose(own, whole[0, some.prompt :].mean(dim=0).detach(), atol=1e-5)


def test_practitioners_units_are_of_hidden_states(run: Run) -> None:
    """32 texts beside 32 of p*; 32 others of p* stand for a perfect model."""
    told = read_results(run.folder)["units"]
    assert told["texts"] == 32 and [*told["models"]] == ["truth", "teacher", "direct", "tau-0.6", "tau-1", "top-k-50"]
    texts, own = run.texts("evaluation"), run.samples(0, "direct").read(32)
    again = texts[32:]
    real, *others = (score(run.truth.model, some, states=32).states for some in (texts[:32], again, own))
    for name, some, states in (("truth", again, others[0]), ("direct", own, others[1])):
        one = told["models"][name][0]
        assert (one["precision"][0], one["recall"][0]) == pytest.approx(nearest(real, states), abs=1e-5)
        assert one["vendi"][0] == pytest.approx(vendi(cosines(states)), abs=1e-4)
        answers = [
            run.truth.decode(row[some.prompt : n].tolist()) for row, n in zip(some.ids, some.lengths, strict=True)
        ]
        kinds = [*Counter(map(opening, answers)).values()]
        assert one["openings"][0] == pytest.approx(estimated_pass_at_k(32, kinds, 10).sum(), abs=1e-5)


def test_results_are_valid_at_any_moment(run: Run, looked_at: Any, capsys: Any) -> None:
    """They were read and printed whenever the run said something."""
    seen = looked_at[1]
    assert seen[0] == (0, 1) and {models for models, _ in seen} == {0, 1, 2, 3, 4, 5}
    assert main(["results", str(run.folder)]) == 0
    assert (run.folder / "precision_recall.png").is_file()
