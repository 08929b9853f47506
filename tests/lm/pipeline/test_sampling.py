"""Sampling against the probabilities themselves, and against transformers' own generate."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats
from support.torch_side import EOS, LENGTH, PROMPT, VOCABULARY, draw, small_model, torch
from transformers import TopKLogitsWarper, TopPLogitsWarper

from kdlab.lm.experiment import Truncation
from kdlab.lm.pipeline import gpu, sampling
from kdlab.lm.pipeline.corpus import generator
from kdlab.lm.pipeline.sampling import chosen, next_token_logits, sample, sweep_of_samples


@pytest.mark.parametrize("tau", [0.5, 1.0, 1.5])
def test_frequencies_are_the_models_probabilities(model: Any, tau: float) -> None:
    # Chi-square of the first token, and of the second after the likeliest first: each p-value below 1e-4 with
    # probability 1e-4 for a right sampler, so that the test's false-alarm probability is 2e-4.
    drawn = draw(model, 2000, tau=tau)
    first = np.exp(torch.log_softmax(torch.tensor(next_token_logits(model, PROMPT)) / tau, -1).numpy())
    assert p_value(drawn.ids[:, 2], first) > 1e-4
    likeliest = int(first[1:].argmax()) + 1
    then = drawn.ids[drawn.ids[:, 2] == likeliest, 3]
    second = torch.softmax(torch.tensor(next_token_logits(model, [*PROMPT, likeliest])) / tau, -1).numpy()
    assert p_value(then, second) > 1e-4


def p_value(tokens: np.ndarray, probabilities: np.ndarray) -> float:
    expected = probabilities.astype(float) / probabilities.astype(float).sum() * len(tokens)
    counts = np.bincount(tokens, minlength=VOCABULARY).astype(float)
    rare = expected < 5
    observed = np.append(counts[~rare], counts[rare].sum())
    wanted = np.append(expected[~rare], expected[rare].sum())
    kept = wanted > 0
    return float(stats.chisquare(observed[kept], wanted[kept]).pvalue)


def test_whole_sequences_are_as_likely_as_transformers_makes_them(model: Any) -> None:
    # Two-sample chi-square over the 30 commonest sequences: the same distribution as plain generate.
    n = 1500
    drawn = draw(model, n)
    ours = Counter(row[:length].tobytes() for row, length in zip(drawn.ids, drawn.lengths.tolist(), strict=True))
    torch.manual_seed(5)
    prompts = torch.tensor([PROMPT]).repeat(n, 1)
    plain = model.generate(prompts, do_sample=True, top_k=0, top_p=1.0, max_length=LENGTH, pad_token_id=EOS)
    ids = np.pad(plain.numpy(), ((0, 0), (0, LENGTH - plain.shape[1]))).astype(np.uint16)
    ends = [int(np.argmax(row[2:] == EOS)) + 3 if (row[2:] == EOS).any() else LENGTH for row in ids]
    theirs = Counter(row[:end].tobytes() for row, end in zip(ids, ends, strict=True))
    common = [key for key, _ in (ours + theirs).most_common(30)]
    rows = [[counts[key] for key in common] for counts in (ours, theirs)]
    table = np.array([[*row, n - sum(row)] for row in rows])
    assert stats.chi2_contingency(table[:, table.sum(axis=0) > 0]).pvalue > 1e-4


def test_sequences_end_at_their_first_eos_and_stay_ended(model: Any) -> None:
    drawn = draw(model, 500)
    assert 0.05 < np.mean(drawn.lengths < LENGTH) < 0.99
    for row, length in zip(drawn.ids, drawn.lengths.tolist(), strict=True):
        assert row[:2].tolist() == PROMPT
        assert not (row[2 : length - 1] == EOS).any() and (row[length:] == EOS).all()
        assert length == LENGTH or row[length - 1] == EOS


def test_any_of_several_ends_is_one(model: Any) -> None:
    """The same numbers give the same text, up to the first of the ends; the first of them fills up."""
    ends = (EOS, 4, 7)
    one, any_of = draw(model, 300), draw(model, 300, eos=ends)
    for whole, n, cut, m in zip(one.ids, one.lengths, any_of.ids, any_of.lengths, strict=True):
        first = next((i + 1 for i in range(len(PROMPT), n) if whole[i] in ends), n)
        assert m == first and (cut[:m] == whole[:m]).all() and (cut[m:] == EOS).all()
    assert {int(row[m - 1]) for row, m in zip(any_of.ids, any_of.lengths, strict=True)} > {4, 7}
    with pytest.raises(ValueError, match="token 99 is outside"):
        draw(model, 2, eos=(EOS, 99))


def test_the_batch_decides_nothing(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # On these sizes no two ways to multiply differ by enough to move a token across a uniform number.
    one = draw(model, 100)
    monkeypatch.setattr(sampling, "_MOST", 7)
    other = draw(model, 100)
    assert (one.ids == other.ids).all() and (one.lengths == other.lengths).all()


def test_fewer_sequences_are_the_first_of_more(model: Any) -> None:
    more = draw(model, 300)
    for n in (1, 50, 299):
        fewer = draw(model, n)
        assert (fewer.ids == more.ids[:n]).all() and (fewer.lengths == more.lengths[:n]).all()


def test_the_same_randomness_gives_the_same_text_and_a_smaller_tau_a_likelier_one(model: Any) -> None:
    assert (draw(model, 50).ids == draw(model, 50).ids).all()
    assert (draw(model, 50).ids != draw(model, 50, rng=generator(2, "draw")).ids).any()
    cold = draw(model, 50, tau=1e-3)
    greedy = model.generate(torch.tensor([PROMPT]), do_sample=False, max_length=LENGTH, pad_token_id=EOS)[0]
    assert all(row[: len(greedy)].tolist() == greedy.tolist() for row in cold.ids)


def test_each_token_is_chosen_where_the_number_falls() -> None:
    logits = torch.log(torch.tensor([[0.2, 0.5, 0.3]])).repeat(5, 1)
    uniform = torch.tensor([0.0, 0.1999, 0.2001, 0.6999, 0.7001], dtype=torch.float64)
    assert chosen(logits, 1.0, uniform).tolist() == [0, 0, 1, 1, 2]
    # The fourth number fell into 0.5's share; with tau 0.5 that share is [0.04 / 0.38, 0.29 / 0.38) = [0.105, 0.763).
    assert chosen(logits, 0.5, uniform).tolist() == [0, 1, 1, 1, 1]
    impossible = torch.tensor([[0.0, -torch.inf]])
    assert chosen(impossible, 1.0, torch.tensor([1.0 - 1e-16], dtype=torch.float64)).tolist() == [0]


# Truncation


@pytest.mark.parametrize("tau", [0.5, 1.0, 2.0])
@pytest.mark.parametrize(
    ("to", "theirs"),
    [
        *((Truncation(top_k=k), TopKLogitsWarper(k)) for k in (1, 7, 500)),
        *((Truncation(top_p=p), TopPLogitsWarper(p)) for p in (0.01, 0.5, 0.9, 1.0)),
    ],
)
def test_what_is_kept_is_what_transformers_keeps(to: Truncation, theirs: Any, tau: float) -> None:
    """Where no two logits are equal: of the last kept, transformers 5.23 keeps all with top-k, the later with top-p."""
    logits = torch.randn(500, 100, generator=generator(3)) * 3 / tau
    shares = sampling.truncated(torch.softmax(logits, dim=-1), to)
    wanted = torch.softmax(theirs(None, logits), dim=-1)
    np.testing.assert_allclose(shares / shares.sum(dim=-1, keepdim=True), wanted, rtol=0, atol=1e-6)
    assert ((shares > 0) == (wanted > 0)).all()


@pytest.mark.parametrize("to", [Truncation(top_k=2), Truncation(top_p=0.45)], ids=str)
def test_of_equal_tokens_the_first_stay(to: Truncation) -> None:
    shares = torch.tensor([[0.1, 0.2, 0.2, 0.2, 0.3]])
    np.testing.assert_allclose(sampling.truncated(shares, to), [[0.0, 0.2, 0.0, 0.0, 0.3]], atol=1e-7)


@pytest.mark.parametrize("to", [Truncation(top_k=5), Truncation(top_p=0.7)], ids=str)
def test_frequencies_of_truncated_samples(model: Any, to: Truncation) -> None:
    """After tempering: the first token of 2,000, as above, and no other."""
    tau, logits = 1.3, torch.tensor(next_token_logits(model, PROMPT))[None]
    shares = sampling.truncated(torch.softmax(logits / tau, dim=-1), to)[0].numpy()
    first = draw(model, 2000, tau=tau, truncation=to).ids[:, 2]
    assert p_value(first, shares) > 1e-4
    assert set(first) == set(np.flatnonzero(shares)) and 1 < len({*first}) < VOCABULARY


@pytest.mark.parametrize("u", [0.0, 1.0 - 2**-53])
def test_rounding_chooses_nothing_that_was_cut(u: float) -> None:
    """Shares from 1 down to 1e-15, of which no sum is exact, after one of 0."""
    logits = torch.randn(5000, 64, generator=generator(5)) * 6
    logits[:, [0, -1]] = -100.0
    tokens = chosen(logits, 1.0, torch.full((5000,), u, dtype=torch.float64), Truncation(top_k=62))
    assert 0 not in tokens and 63 not in tokens


@pytest.mark.parametrize(
    ("taus", "seed", "length"), [([0.3, 0.6, 1.0, 1.5, 0.6], 4, LENGTH), ([0.3 + 0.05 * i for i in range(40)], 11, 24)]
)
def test_a_sweep_is_one_sample_at_each_tau(model: Any, taus: list[float], seed: int, length: int) -> None:
    # 40 rows, each with a tau of its own: as they end, the batch shrinks, and rows must keep their temperatures.
    several = sweep_of_samples(model, PROMPT, taus, rng=generator(seed), length=length, eos=EOS)
    for i, tau in enumerate(taus):
        alone = sample(model, PROMPT, 1, tau=tau, rng=generator(seed), length=length, eos=EOS)
        assert several.lengths[i] == alone.lengths[0] and (several.ids[i] == alone.ids[0]).all()
    assert len({row.tobytes() for row in several.ids}) > 1
    assert len(taus) < 40 or len(set(several.lengths.tolist())) > 3


@pytest.mark.parametrize(("taus", "said"), [([], "taus is empty"), ([1.0, 0.0], "tau is 0.0"), ([-1.0], "tau is -1.0")])
def test_a_sweep_of_no_or_bad_taus_is_refused(model: Any, taus: list[float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        sweep_of_samples(model, PROMPT, taus, length=LENGTH, eos=EOS, rng=generator(0))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"prompt": []}, "prompt is empty"),
        ({"prompt": [3, 99]}, "token 99 is outside"),
        ({"eos": -1}, "token -1 is outside"),
        ({"length": 2}, "length is 2, the prompt 2 tokens"),
        ({"n": 0}, "n is 0"),
        ({"tau": 0.0}, "tau is 0.0"),
        ({"tau": float("nan")}, "tau is nan"),
    ],
)
def test_bad_input_is_refused_before_any_work(model: Any, wrong: dict, said: str) -> None:
    settings = {"prompt": PROMPT, "n": 3, "length": LENGTH, "eos": EOS, "rng": generator(0), "tau": 1.0} | wrong
    prompt, n = settings.pop("prompt"), settings.pop("n")
    with pytest.raises(ValueError, match=said):
        sample(model, prompt, n, **settings)


@pytest.fixture
def how(graphs: Any, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """How compilation was asked for, as on a GPU, with a backend that compiles nothing."""
    how: list[dict[str, Any]] = []
    compile_ = torch.compile

    def traced(model: Any, **settings: Any) -> Any:
        how.append(settings)
        return compile_(model, backend=graphs.backend, **{name: settings[name] for name in settings if name != "mode"})

    monkeypatch.setattr(torch, "compile", traced)
    monkeypatch.setattr(sampling, "_worth_compiling", lambda model, n: True)
    return how


def test_a_compiled_step_is_one_graph(graphs: Any, how: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it, traced once and never again for other steps, batches, calls and models of its shape."""
    monkeypatch.setattr(sampling, "_BATCH", 40)
    for _ in range(2):
        model = small_model()
        with torch.no_grad():
            model.lm_head.weight.mul_(1.5 if graphs else 1.0)
        for tau in (1.0, 0.7):
            ours = draw(model, 100, tau=tau)  # the third batch is filled up, and cut again
            plain = plainly(model, 100, tau)
            assert (ours.ids == plain.ids).all() and (ours.lengths == plain.lengths).all()
    assert len(graphs) == 1
    assert how == [{"fullgraph": True, "dynamic": False, "mode": "reduce-overhead"}] * 2


def test_several_prompts_are_one_graph(graphs: Any, how: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def written() -> Any:
        return sample(small_model(), [[3, 4], [5], [6, 7, 8]], 100, length=LENGTH, eos=EOS, rng=generator(1))

    ours = written()  # 34, 33 and 33: the last two batches are filled up, and cut again
    monkeypatch.setattr(sampling, "_worth_compiling", lambda model, n: False)
    plain = written()
    assert (ours.ids == plain.ids).all() and (ours.lengths == plain.lengths).all() and len(graphs) == len(how) == 1


def plainly(model: Any, n: int, tau: float) -> Any:
    with torch.inference_mode():
        uniform = torch.rand(n, LENGTH - len(PROMPT), generator=generator(1, "draw"), dtype=torch.float64)
        return sampling.continued(sampling.Decoder(model, PROMPT, LENGTH), uniform, EOS, tau)


@pytest.fixture
def float16(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU: a copy in float16 writes, if it can."""

    def writers(model: Any) -> Any:
        yield gpu.in_float16(model)
        yield model

    monkeypatch.setattr(sampling, "_writers", writers)


def test_in_float16_the_same_numbers_give_nearly_always_the_same_text(float16: None) -> None:
    # Of thousands of numbers, those next to the end of a token's share fall on its other side: float16 moves a logit
    # of size 10 by 0.005, so a share's end by some thousandths; once apart, two texts stay apart.
    model = small_model()
    ours, exact = draw(model, 1000), plainly(model, 1000, 1.0)
    same = (ours.ids[:, : LENGTH - 1] == exact.ids[:, : LENGTH - 1]).all(axis=1).mean()
    assert 0.95 < same < 1.0
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}  # the model itself is left alone


def test_the_copy_in_float16_is_of_the_weights_as_they_are_now(float16: None) -> None:
    model = small_model()
    before, copied = draw(model, 200), vars(model)["_kdlab_float16"]
    places = [weight.data_ptr() for weight in copied.parameters()]
    with torch.no_grad():
        model.lm_head.weight.mul_(-1.0)
    after = draw(model, 200)
    assert (before.ids[:, 2] != after.ids[:, 2]).mean() > 0.3
    assert [weight.data_ptr() for weight in copied.parameters()] == places  # what is compiled stands on these
    assert all(gpu.in_float16(model) is copied for _ in range(2))  # asked for by others, in no inference mode
    assert not any(weight.requires_grad for weight in copied.parameters())
    angles = copied.model.rotary_emb.inv_freq
    assert angles.dtype == torch.float32 and torch.equal(angles, model.model.rotary_emb.inv_freq)


def test_where_float16_is_too_narrow_the_model_itself_writes(float16: None) -> None:
    model = small_model()
    with torch.no_grad():
        for layer in model.model.layers:
            layer.mlp.down_proj.weight.mul_(1e6)  # beyond 65,504, the largest number of float16
    assert (draw(model, 100).ids == plainly(model, 100, 1.0).ids).all()


def test_logits_that_are_not_finite_are_refused(model: Any) -> None:
    broken = small_model()
    with torch.no_grad():
        broken.lm_head.weight[3, 0] = float("nan")
    for truncation in (None, Truncation(top_k=3), Truncation(top_p=0.5)):
        with pytest.raises(ValueError, match="logits are not finite"):
            draw(broken, 10, truncation=truncation)


def test_the_cache_takes_as_much_as_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is chosen so that all of it fits: a third of the memory, and a power of two."""
    model = small_model()
    decoder = sampling.Decoder(model, PROMPT, LENGTH)
    with torch.inference_mode():
        decoder.begin(3)
    held = [tensor for layer in decoder._cache.layers for tensor in (layer.keys, layer.values)]
    one = gpu.cache_bytes(model, LENGTH)
    assert sum(tensor.numel() * tensor.element_size() for tensor in held) == 3 * one
    one += 48 * VOCABULARY  # and what is held while a token is chosen
    there = {"config": model.config, "dtype": model.dtype, "get_output_embeddings": model.get_output_embeddings}
    shape = SimpleNamespace(device=SimpleNamespace(type="cuda"), **there)
    for memory, fits in ((3 * one, 1), (3 * 100 * one, 64), (3 * 10_000 * one, 2048), (0, 1)):
        device = SimpleNamespace(total_memory=memory)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda name, device=device: device)
        assert gpu.fitting(shape, LENGTH, 2048) == fits
