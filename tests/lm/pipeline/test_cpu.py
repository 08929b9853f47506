"""A Llama in few, large products against transformers' own, and work on several cores against work on one."""

import threading
from typing import Any

import numpy as np
import pytest
from support.torch_side import EOS, LENGTH, PROMPT, small_model, torch
from transformers import LlamaConfig, LlamaForCausalLM

from kdlab.lm.pipeline import cpu
from kdlab.lm.pipeline.corpus import generator
from kdlab.lm.pipeline.sampling import chosen, sample
from kdlab.lm.pipeline.scoring import score


def llama(**settings: Any) -> Any:
    shape = {"hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 3, "num_attention_heads": 6}
    rest = {"num_key_value_heads": 2, "vocab_size": 70, "max_position_embeddings": 64, "initializer_range": 0.3}
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return LlamaForCausalLM(LlamaConfig(**{**shape, **rest, **settings})).eval()


SCALED = {"rope_type": "llama3", "rope_theta": 5e3, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
SHAPES = {
    "groups": {},
    "every head its own": {"num_key_value_heads": 6},
    "one for all": {"num_key_value_heads": 1, "tie_word_embeddings": True},
    "wide heads": {"head_dim": 16},
    "scaled places": {"rope_parameters": SCALED | {"original_max_position_embeddings": 16}},
}


@pytest.mark.parametrize("settings", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("given", [1, 5])
def test_the_layers_are_the_models(settings: Any, given: int) -> None:
    model = llama(**settings)
    assert cpu.fits(model)
    with torch.inference_mode():
        ids = torch.randint(0, 70, (4, 20), generator=generator(0, "ids"))
        ids[:, :given] = ids[0, :given]
        wanted, logits = model.model(ids).last_hidden_state, model(ids).logits
        layers = cpu.Layers(model, 20)
        memory = layers.spread(layers.begun(ids[0, :given]), given, 4)
        torch.testing.assert_close(layers.read(ids[:, given:], given, memory), wanted[:, given:], atol=2e-5, rtol=0)
        decoder = cpu.Decoder(layers, ids[0, :given].tolist())
        decoder.begin(4)
        going = torch.arange(4)
        for place in range(given, 20):
            torch.testing.assert_close(decoder.logits, logits[going, place - 1], atol=5e-5, rtol=0)
            if place == 9:
                decoder.keep(torch.tensor([True, False, True, True]))
                going = going[[0, 2, 3]]
            decoder.advance(ids[going, place])
        torch.testing.assert_close(model(ids).logits, logits, atol=0, rtol=0)  # whose weights lie elsewhere now


def test_many_states_at_once_and_few_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model, ids = llama(), torch.randint(0, 70, (8, 12), generator=generator(0, "ids"))
    with torch.inference_mode():
        layers = cpu.Layers(model, 12)
        few = layers.read(ids, 0, layers.memory(8))
        monkeypatch.setattr(cpu, "_FEW", 10)
        torch.testing.assert_close(layers.read(ids, 0, layers.memory(8)), few, atol=2e-5, rtol=0)


def test_what_it_does_not_compute_is_left_to_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [llama(attention_bias=True), llama(mlp_bias=True), llama(hidden_act="gelu"), llama().half()]
    assert not any(map(cpu.fits, others))
    monkeypatch.setattr(cpu, "Layers", None)
    drawn = sample(others[0], [3], 20, length=8, eos=1, rng=generator(0, "draw"))
    assert len(score(others[0], drawn).nats) == 20


def test_texts_and_scores_are_those_of_transformers_layers(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def both() -> Any:
        drawn = sample(model, PROMPT, 400, length=LENGTH, eos=EOS, rng=generator(1, "draw"))
        return drawn, score(model, drawn).nats

    ours, nats = both()
    monkeypatch.setattr(cpu, "fits", lambda model: False)
    theirs, wanted = both()
    assert (ours.ids == theirs.ids).all()  # no uniform number is within rounding of an edge, on these sizes
    np.testing.assert_allclose(nats, wanted, atol=1e-4)


def test_joined_weights_go_on_learning_and_are_loaded(model: Any) -> None:
    """What is joined is the model's own weights, not a copy."""
    own = small_model()
    drawn = sample(own, PROMPT, 20, length=LENGTH, eos=EOS, rng=generator(1, "draw"))
    before = score(own, drawn).nats
    loss = own(torch.from_numpy(drawn.ids.astype(np.int64))).logits.square().mean()
    loss.backward()
    with torch.no_grad():
        for weight in own.parameters():
            weight -= weight.grad
    after = score(own, drawn).nats
    assert abs(after - before).max() > 1e-3
    other = small_model()
    other.load_state_dict(own.state_dict())
    np.testing.assert_allclose(score(other, drawn).nats, after, atol=1e-5)


def test_summed_nats_and_their_gradients() -> None:
    rng = generator(0, "nats")
    states, weights = (torch.randn(n, 12, generator=rng, requires_grad=True) for n in (300, 40))
    targets = torch.randint(0, 40, (300,), generator=rng)
    for total in (
        cpu.SummedNats.apply(states, weights, targets),
        torch.nn.functional.cross_entropy(states @ weights.t(), targets, reduction="sum").double(),
    ):
        found = [total.detach(), *torch.autograd.grad(total / 7, (states, weights))]
        if total.grad_fn.name() == "SummedNatsBackward":
            ours = found
    for one, other in zip(ours, found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-5)


def test_a_token_without_a_share_is_never_chosen() -> None:
    """Not even where rounding decides, at the end of a block of tokens or of all of them."""
    logits = torch.full((1, 200), -torch.inf)
    logits[0, [3, 70, 71, 150]] = torch.tensor([0.0, 1.0, -1.0, 2.0])
    edges = torch.softmax(logits, -1)[0].double().cumsum(0)
    near = torch.cat([edges + step for step in (-1e-16, 0.0, 1e-16)]).clamp(0, 1 - 2**-53)
    uniform = torch.cat([near, torch.linspace(0, 1 - 2**-53, 500, dtype=torch.float64)])
    found = chosen(logits.expand(len(uniform), -1), 1.0, uniform)
    assert set(found.tolist()) == {3, 70, 71, 150}
    plain = torch.searchsorted(edges, uniform, right=True)
    clear = (uniform[:, None] - edges).abs().min(dim=1).values > 1e-6
    assert (found == plain)[clear].all() and clear.sum() > 450


def test_pieces_run_at_once_and_come_in_order() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    both = threading.Barrier(2, timeout=30)
    try:
        with cpu.workers(torch.device("cpu")) as at_once:
            assert torch.get_num_threads() == 1
            assert list(at_once(lambda piece: (both.wait(), piece)[1], range(6))) == list(range(6))
            with pytest.raises(ZeroDivisionError):
                list(at_once(lambda piece: 1 / piece, [1, 0, 2]))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    with cpu.workers(torch.device("meta")) as at_once:
        assert at_once is map


def test_models_of_one_process_write_while_others_do() -> None:
    """Threads share a model: what one joins, another reads."""
    model, found = llama(), []

    def write() -> None:
        found.append(sample(model, [3], 40, length=10, eos=1, rng=generator(0, "draw")).ids)

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3 and all((ids == found[0]).all() for ids in found)
