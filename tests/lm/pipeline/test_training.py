"""Training: what it optimises, the order it does it in, and a resume that nobody could tell from a run without one."""

import contextlib
import math
import multiprocessing
import random
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.torch_side import EOS, draw, torch

from kdlab.lm.pipeline import training
from kdlab.lm.pipeline.corpus import Sequences, generator
from kdlab.lm.pipeline.model import new_model
from kdlab.lm.pipeline.scoring import score
from kdlab.lm.pipeline.training import TrainingSettings, learning_rate, load_weights, order, train
from kdlab.lm.sizes import size_named

SETTINGS = TrainingSettings(epochs=2, batch=16, rate=1e-2, keep="last")


def fresh() -> Any:
    return new_model(size_named("tiny"), 16, eos=EOS, rng=generator(9, "fresh"))


class Stop(Exception):
    pass


def stopped(at: int) -> Any:
    """What ends a run after that step."""

    def progress(step: int, of: int, loss: float, rate: float) -> None:
        if step == at:
            raise Stop

    return progress


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def equal(some: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> bool:
    return some.keys() == others.keys() and all(torch.equal(some[name], others[name]) for name in some)


def test_a_student_learns_what_it_is_trained_on(model: Any, tmp_path: Path) -> None:
    data, validation = draw(model, 600), draw(model, 200, rng=generator(2, "other"))
    student = fresh()
    before = -score(student, validation).per_token().value
    curve = train(student, data, SETTINGS, folder=tmp_path, seed=0, validation=validation)
    ceiling = -score(model, validation).per_token().value
    assert len(curve.validation) == 2 and curve.tokens == 2 * data.n_tokens
    assert curve.steps[-1] == 2 * 38 and curve.losses[-1] < curve.losses[0]
    assert curve.validation[-1] == pytest.approx(-score(student, validation).per_token().value, abs=1e-6)
    assert ceiling < curve.validation[-1] < before - 0.5 * (before - ceiling)
    assert equal(weights(load_weights(fresh(), tmp_path / "model.safetensors")), weights(student))
    assert not (tmp_path / "checkpoint.safetensors").exists()


OVER = TrainingSettings(epochs=6, batch=8, rate=1e-2)  # six times over 48 texts: too often


@dataclass
class Trained:
    """A student after training without a stop: its weights, its curve, and where it was trained."""

    weights: dict[str, torch.Tensor]
    curve: training.Training
    folder: Path


def trained(
    folder: Path, data: Sequences, settings: TrainingSettings = SETTINGS, seed: int = 0, **others: Any
) -> Trained:
    student = fresh()
    curve = train(student, data, settings, folder=folder, seed=seed, **others)
    return Trained(weights(student), curve, folder)


def resumed(folder: Path, data: Sequences, settings: TrainingSettings, at: int, **others: Any) -> Trained:
    """Train with a checkpoint every three steps, stop after one step, and go on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_EVERY", 3)
        with pytest.raises(Stop):
            trained(folder, data, settings, progress=stopped(at), **others)
        return trained(folder, data, settings, **others)


@pytest.fixture(scope="module")
def whole(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Eight steps on 64 texts, each batch read at once."""
    return trained(tmp_path_factory.mktemp("whole"), draw(model, 64))


@pytest.fixture(scope="module")
def best(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Too often over 48 texts; kept are the weights after the best epoch."""
    other = draw(model, 200, rng=generator(2, "other"))
    return trained(tmp_path_factory.mktemp("best"), draw(model, 48), OVER, validation=other)


def test_the_best_weights_or_the_last_are_kept(model: Any, best: Trained, tmp_path: Path) -> None:
    validation = draw(model, 200, rng=generator(2, "other"))
    last = trained(tmp_path, draw(model, 48), replace(OVER, keep="last"), validation=validation)
    losses = best.curve.validation
    assert losses == last.curve.validation and 0 < np.argmin(losses) < 5  # the best are neither the first nor the last
    for one, expected in ((best, min(losses)), (last, losses[-1])):
        kept = load_weights(fresh(), one.folder / "model.safetensors")
        assert equal(weights(kept), one.weights)
        assert -score(kept, validation).per_token().value == pytest.approx(expected, abs=1e-6)


def test_the_best_weights_survive_a_stop_after_them(model: Any, best: Trained, tmp_path: Path) -> None:
    data, validation = draw(model, 48), draw(model, 200, rng=generator(2, "other"))
    assert 6 * (np.argmin(best.curve.validation) + 1) < 33  # the last checkpoint comes after the best weights
    assert equal(resumed(tmp_path, data, OVER, 34, validation=validation).weights, best.weights)


def test_one_step_is_adamw_on_the_mean_loss_of_the_batch(model: Any, tmp_path: Path) -> None:
    data, student, other = draw(model, 16), fresh(), fresh()
    train(student, data, TrainingSettings(epochs=1, batch=16), folder=tmp_path, seed=0)
    # By hand: sequence by sequence without padding, all tokens after the prompt, EOS too, and nothing else.
    losses = []
    for row, length in zip(data.ids, data.lengths.tolist(), strict=True):
        ids = torch.tensor(row[:length].astype(np.int64))[None]
        logits = other(ids).logits[0, 1:-1]
        losses.append(torch.nn.functional.cross_entropy(logits, ids[0, 2:], reduction="sum"))
    (torch.stack(losses).sum() / data.n_tokens).backward()
    torch.nn.utils.clip_grad_norm_(other.parameters(), 1.0)
    for name, weight in other.named_parameters():
        # AdamW's first step, from its definition: both moments are the gradient's own, up to their bias corrections.
        decay = 0.01 if weight.dim() > 1 else 0.0
        step = weight.grad / (weight.grad.abs() + 1e-8)
        expected = weight.detach() * (1 - 5e-4 * decay) - 5e-4 * step
        # Where a gradient is near 1e-8 itself, rounding decides how far the step goes.
        clear = weight.grad.abs() > 1e-5
        got = dict(student.named_parameters())[name].detach()
        torch.testing.assert_close(got[clear], expected[clear], atol=2e-6, rtol=0)


@pytest.mark.parametrize(("piece", "enough"), [(30, math.inf), (2**10, 30)], ids=["bounded", "sorted"])
def test_pieces_of_a_batch_add_up_to_the_batch(
    model: Any, whole: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int, enough: float
) -> None:
    """Few tokens at once, or sequences of like length together, as on a GPU."""
    data = draw(model, 64)
    monkeypatch.setattr(training, "_PIECE", piece)
    monkeypatch.setitem(training._ENOUGH, "cpu", enough)
    found = training.pieces(data.lengths[:16].astype(int), enough, piece)
    assert len(found) > 1
    # AdamW divides by the gradient's size, so rounding of 1e-7 may grow; 8 steps of 5e-3 stay far below 1e-3.
    for key, weight in trained(tmp_path, data).weights.items():
        torch.testing.assert_close(weight, whole.weights[key], atol=1e-3, rtol=0)


lengths = st.lists(st.integers(1, 60), min_size=1, max_size=40).map(np.array)


@given(lengths, st.sampled_from([1, 50, 200, math.inf]), st.sampled_from([60, 100, 400, 10_000]))
def test_every_sequence_is_in_one_piece_and_no_piece_is_too_large(lengths: Any, enough: float, most: int) -> None:
    found = training.pieces(lengths, enough, most)
    assert sorted(np.concatenate(found).tolist()) == list(range(len(lengths)))
    assert all(len(piece) * lengths[piece].max() <= most for piece in found)
    if len(lengths) * lengths.max() <= min(enough, most):
        assert [piece.tolist() for piece in found] == [list(range(len(lengths)))]


def test_sequences_of_like_length_are_read_together() -> None:
    """Lengths from 64 to 512, as in benchmarks/lm.py: nearly half would be padding, and a twentieth is."""
    lengths = np.random.default_rng(0).integers(64, 513, 256)
    found = training.pieces(lengths, 2**13, 2**31 // 49_152)
    read = sum(len(piece) * int(lengths[piece].max()) for piece in found)
    assert 256 * lengths.max() > 1.7 * lengths.sum() and read < 1.12 * lengths.sum()
    assert all(len(piece) * lengths[piece].max() >= 2**13 for piece in found[:-1])


def test_compiled_parts(model: Any, graphs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They need no mask, serve all models and are undone; as on a GPU, with a backend that compiles nothing."""
    compile_ = torch.compile
    data, validation = draw(model, 90), draw(model, 20, rng=generator(2, "other"))
    once, plain = replace(SETTINGS, epochs=1), fresh()
    train(plain, data, once, folder=tmp_path / "plain", seed=0, validation=validation)
    monkeypatch.setattr(torch, "compile", lambda forward, **how: compile_(forward, backend=graphs.backend, **how))
    monkeypatch.setattr(training, "_worth_compiling", lambda model, n_tokens: True)
    traced = []
    for place in ("one", "another"):
        compiled = fresh()
        train(compiled, data, once, folder=tmp_path / place, seed=0, validation=validation)
        for name, weight in weights(compiled).items():  # rounding, as in the pieces of a batch above
            torch.testing.assert_close(weight, weights(plain)[name], atol=1e-3, rtol=0)
        assert not any("forward" in vars(layer) for layer in compiled.model.layers)
        traced.append(len(graphs))
    # Once, and again where a piece happens to be as wide as it is long; then no more (`cpu.Layers` validate).
    losses = [graph.code for graph in graphs if "cross_entropy" in graph.code]
    layers = [graph.code for graph in graphs if "cross_entropy" not in graph.code]
    assert 1 <= len(layers) <= 4 and 1 <= len(losses) <= 2 and traced[1] == traced[0] == len(graphs)
    assert all("is_causal = True" in graph and "attn_mask = None" in graph for graph in layers)


def test_a_resume_is_exact_with_a_gpus_optimizer(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fused AdamW keeps the number of its steps elsewhere."""
    adamw = torch.optim.AdamW
    monkeypatch.setattr(torch.optim, "AdamW", lambda groups, **settings: adamw(groups, **settings | {"fused": True}))
    data = draw(model, 64)
    straight = trained(tmp_path / "straight", data)
    assert equal(resumed(tmp_path / "broken", data, SETTINGS, 5).weights, straight.weights)


def test_threads_change_no_bit(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_PIECE", 30)
    data, found = draw(model, 64), []
    before = torch.get_num_threads()
    for threads in (1, 3):
        torch.set_num_threads(threads)
        found.append(trained(tmp_path / str(threads), data).weights)
    torch.set_num_threads(before)
    assert equal(*found)


def test_training_that_diverges_says_where(model: Any, tmp_path: Path) -> None:
    with pytest.raises(training.Diverged, match=r"at step 2 of 4: .* lower rate than 1e\+30, in another folder"):
        train(fresh(), draw(model, 64), TrainingSettings(batch=16, rate=1e30), folder=tmp_path, seed=0)
    assert not list(tmp_path.iterdir())


def test_one_odd_text_is_no_divergence(model: Any, tmp_path: Path) -> None:
    """A batch of one text, of which its model is nearly sure that it is another."""
    sure, text = fresh(), draw(model, 2)
    with torch.no_grad():
        sure.model.norm.weight.mul_(25)  # far from ignorant, and wrong
    wrong = -score(sure, text).per_token().value
    assert wrong > 2.2 * math.log(16)
    train(sure, text, TrainingSettings(batch=2, rate=1e-6), folder=tmp_path, seed=0)


def test_the_schedule_warms_up_stays_and_decays() -> None:
    settings = TrainingSettings(rate=1.0)
    rates = [learning_rate(step, 1000, settings) for step in range(1000)]
    assert rates[0] == pytest.approx(0.1) and rates[9:800] == [1.0] * 791
    assert rates[800] == 1.0 and rates[900] == pytest.approx(0.5) and rates[999] == pytest.approx(1 / 200)
    assert all(0 < learning_rate(step, 3, settings) <= 1 for step in range(3))


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    assert sorted(order(100, 3, 1).tolist()) == list(range(100))
    assert (order(100, 3, 1) == order(100, 3, 1)).all()
    assert all((order(100, 3, 1) != order(100, *other)).any() for other in ((3, 2), (4, 1)))


@pytest.fixture(scope="module")
def straight(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Sixteen steps without a stop."""
    data = draw(model, 128)
    return trained(tmp_path_factory.mktemp("straight"), data, seed=1, validation=data[:20])


@pytest.mark.parametrize("at", [1, 8, 13])
def test_a_run_that_stopped_ends_in_the_same_weights(model: Any, straight: Trained, tmp_path: Path, at: int) -> None:
    data = draw(model, 128)
    found = resumed(tmp_path, data, SETTINGS, at, seed=1, validation=data[:20])
    assert equal(found.weights, straight.weights)
    again, curve = found.curve, straight.curve
    assert (again.steps, again.losses, again.validation) == (curve.steps, curve.losses, curve.validation)
    assert (again.tokens, len(again.steps)) == (curve.tokens, 16)


def test_a_checkpoint_of_another_run_is_refused(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_EVERY", 3)
    data = draw(model, 64)
    with pytest.raises(Stop):
        trained(tmp_path, data, seed=1, progress=stopped(4))
    for other, seed in ((data, 2), (data[:60], 1)):
        with pytest.raises(ValueError, match="checkpoint of another run"):
            trained(tmp_path, other, seed=seed)


def run_to_the_end(folder: Path) -> bytes:
    """A run of 150 steps with a checkpoint every 10, wherever it may have got to; return the weights' file."""
    training._EVERY = 10
    rng = np.random.default_rng(0)
    data = Sequences(rng.integers(1, 16, (400, 12)).astype(np.uint16), np.full(400, 12, np.uint16), prompt=2, eos=0)
    train(fresh(), data, TrainingSettings(epochs=3, batch=8, rate=5e-3), folder=folder, seed=0)
    return (folder / "model.safetensors").read_bytes()


def killed_after(checkpoints: int, seconds: float, folder: Path) -> bool:
    """Run the same in a process of its own, and SIGKILL it so long after a checkpoint; whether it was alive.

    Counted in checkpoints, as a fast machine is done with everything in a fraction of a second. Forked, so that torch
    is loaded once.
    """
    process = multiprocessing.get_context("fork").Process(target=run_to_the_end, args=(folder,))
    process.start()
    seen: set[int] = set()
    while len(seen) < checkpoints and process.is_alive():
        with contextlib.suppress(FileNotFoundError):
            seen.add((folder / "checkpoint.safetensors").stat().st_mtime_ns)
        time.sleep(0.001)
    time.sleep(seconds)
    alive = process.is_alive()
    process.kill()
    process.join()
    return alive


@pytest.mark.slow
def test_killed_at_a_random_moment_it_ends_in_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_EVERY", 10)
    straight = run_to_the_end(tmp_path / "straight")
    rng = random.Random(4)
    assert killed_after(rng.randint(1, 8), rng.uniform(0, 0.02), tmp_path / "killed")
    assert not (tmp_path / "killed" / "model.safetensors").exists()
    assert run_to_the_end(tmp_path / "killed") == straight
