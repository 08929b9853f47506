"""The rungs, counted against built models and published numbers; models that are a function of their rng alone."""

import pytest
from support.torch_side import torch

# isort: split
# After torch_side, which skips this file where the packages of the language-model side are not installed.
from transformers import LlamaConfig, LlamaForCausalLM

from kdlab.lm.pipeline.model import new_model, restricted
from kdlab.lm.sizes import SIZES, Size, flops_per_token, parameters, size_named

PUBLISHED = 49_152  # tokens of SmolLM2
SMALL = ["10M", "2M", "0.4M", "tiny"]  # rungs that are made in a moment


def tiny(vocabulary=20, *, seed=0, eos=0):
    return new_model(SIZES["tiny"], vocabulary, eos=eos, rng=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", SMALL)
def test_the_formula_counts_what_is_built(name):
    model = new_model(SIZES[name], 300, eos=7, rng=torch.Generator().manual_seed(0))
    assert parameters(SIZES[name], 300) == sum(weight.numel() for weight in model.parameters())
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert not model.training


@pytest.mark.parametrize(("name", "count"), [("135M", 134_515_008), ("360M", 361_821_120), ("1.7B", 1_711_376_384)])
def test_the_published_counts(name, count):
    assert parameters(SIZES[name], PUBLISHED) == count


@pytest.mark.parametrize(
    ("name", "vocabulary", "millions"),
    [("30M", PUBLISHED, 31), ("10M", PUBLISHED, 9.7), ("2M", 4096, 2), ("0.4M", 4096, 0.4)],
)
def test_rungs_are_about_what_their_names_say(name, vocabulary, millions):
    assert parameters(SIZES[name], vocabulary) == pytest.approx(millions * 1e6, rel=0.05)


@pytest.mark.parametrize("length", [1, 2, 9, 32])
def test_operations_counted_one_by_one(length):
    size, vocabulary, counted = SIZES["tiny"], 20, 0
    model = tiny(vocabulary)

    def count(layer, arguments, out):
        nonlocal counted
        counted += 2 * layer.in_features * out.numel()  # a product and a sum for every input of every output

    for layer in model.modules():
        if isinstance(layer, torch.nn.Linear):
            layer.register_forward_hook(count)
    with torch.no_grad():
        model(torch.zeros((1, length), dtype=torch.long))
    width = size.hidden // size.heads
    for query in range(length):
        for _key in range(query + 1):
            # One product of two vectors for the score, and the value times its weight added up: in every head.
            counted += size.layers * size.heads * (2 * width + 2 * width)
    # A query sees itself and those before: (length + 1) / 2 on average, where the formula says length / 2.
    half_a_key = 2 * size.layers * size.hidden
    assert counted / length == flops_per_token(size, vocabulary, length) + half_a_key


def test_names_of_rungs():
    assert size_named("135M") is SIZES["135M"]
    with pytest.raises(ValueError, match=r"size '135m' is not a rung .* choose one of 1.7B, .* \(nearest: 135M\)"):
        size_named("135m")


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((30, 2, 4, 2, 64), "hidden 30 does not split into 4 heads"),
        ((20, 2, 4, 2, 64), "heads of even width"),
        ((32, 2, 4, 3, 64), "4 heads do not divide among 3 key-value heads"),
    ],
)
def test_shapes_that_cannot_be(shape, says):
    with pytest.raises(ValueError, match=f"size 'mine': .*{says}.*; choose"):
        Size("mine", *shape)


def test_a_model_is_a_function_of_its_rng_and_leaves_the_global_one_alone():
    torch.manual_seed(1)
    before, rng = torch.get_rng_state(), torch.Generator().manual_seed(3)
    one, another = (new_model(SIZES["tiny"], 20, eos=0, rng=rng).state_dict() for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    same, other = tiny(seed=3).state_dict(), tiny(seed=4).state_dict()
    assert all(torch.equal(one[name], same[name]) for name in one)
    for different in (another, other):
        assert not torch.equal(one["lm_head.weight"], different["lm_head.weight"])


def test_first_weights():
    model = new_model(SIZES["2M"], 1000, eos=0, rng=torch.Generator().manual_seed(0))
    for name, weight in model.named_parameters():
        if "norm" in name:
            assert torch.all(weight == 1)
        else:
            # The deviation of n draws is off by 1 / sqrt(2 n), relatively: six times that, for some 60 matrices.
            assert weight.std().item() == pytest.approx(0.02, rel=6 / (2 * weight.numel()) ** 0.5)


@pytest.mark.parametrize("eos", [-1, 20])
def test_an_end_outside_the_vocabulary(eos):
    with pytest.raises(ValueError, match=f"eos is {eos}, outside a vocabulary of 20"):
        tiny(eos=eos)


def test_each_step_is_the_whole_given_that_the_next_token_is_kept():
    ids = torch.tensor([[1, 4, 0, 6, 6, 3]])
    whole, few = tiny(), tiny()
    weight = whole.lm_head.weight
    assert restricted(whole, range(20)).lm_head.weight is weight  # all tokens: the model itself
    with torch.no_grad():
        for model in (whole, few):
            for weight in model.parameters():
                if weight.dim() == 2:
                    weight.mul_(20)  # preferences: from scratch, everything is about as likely
        probabilities = whole(ids).logits.double().softmax(-1)
        kept = [0, 1, 3, 4, 6, 11, 18]
        assert restricted(few, kept) is few
        found = few(torch.tensor([[kept.index(i) for i in ids[0].tolist()]])).logits.double().softmax(-1)
    wanted = probabilities[..., kept] / probabilities[..., kept].sum(-1, keepdim=True)
    assert wanted.max() > 0.5
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-7)  # the same float32 sums, perhaps in another order
    assert few.lm_head.weight is few.model.embed_tokens.weight
    assert parameters(SIZES["tiny"], 7) == sum(weight.numel() for weight in few.parameters())
    assert few.config.vocab_size == 7


def test_restricted_models_can_be_saved_and_read(tmp_path):
    model = restricted(tiny(), range(7))
    model.save_pretrained(tmp_path)
    again = LlamaForCausalLM.from_pretrained(tmp_path, local_files_only=True)
    ids = torch.tensor([[1, 4, 0]])
    with torch.no_grad():
        assert torch.equal(model(ids).logits, again(ids).logits)


@pytest.mark.parametrize("kept", [[], [3, -1], [3, 20], [3, 4, 3]])
def test_vocabularies_that_cannot_be_kept(kept):
    with pytest.raises(ValueError, match=f"kept has {len(kept)} tokens, up to .*: p. has 20; choose some, once each"):
        restricted(tiny(), kept)


def test_embeddings_that_are_not_tied():
    config = LlamaConfig.from_dict(tiny().config.to_dict() | {"tie_word_embeddings": False})
    with pytest.raises(ValueError, match="only a Llama whose embeddings are tied"):
        restricted(LlamaForCausalLM(config), range(7))
