"""Networks without a teacher: the loss and the network written out by hand, and what controls leave of a gain."""

import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from support.chains import names_chain

from kdlab.core.metrics import precision, recall
from kdlab.neighbours.self_features import CONTEXTS, WAYS, Runs, Way, counts, forward, loss, numbers, train

torch = pytest.importorskip("torch")
TRUTH = names_chain(3)


@cache
def runs(name: str) -> Runs:
    """200 names, six networks, half of the notebook's schedule."""
    return train(200, WAYS[name], rng=np.random.default_rng(0), seeds=6, steps=250)


def gain(name: str, *, early: bool) -> tuple[float, float]:
    """Recall gained over the plain network, in pairs: mean and standard error."""
    both = [numbers(one.early if early else one.late, TRUTH)[1] for one in (runs(name), runs("plain"))]
    return float((both[0] - both[1]).mean()), float((both[0] - both[1]).std(ddof=1) / 6**0.5)


def test_rows_are_the_chains() -> None:
    assert list(CONTEXTS) == names_chain(2).contexts


def test_counts_by_hand() -> None:
    table = counts(["ab", "a"])
    a, ab = CONTEXTS.index("a"), CONTEXTS.index("ab")
    assert table[0, 0] == 1 and table[a, 1] == 0.5 and table[a, 26] == 0.5 and table[ab, 26] == 0.5
    assert table.sum() == pytest.approx(2.5)


def test_counts_of_many_names_are_exact_ones() -> None:
    """20,000 names: within six standard errors, counts of rare steps being Poisson."""
    exact = TRUTH.step_counts(2)
    found = counts(TRUTH.sample(20_000, np.random.default_rng(3)))
    assert (np.abs(found - exact) < 6 * np.sqrt(2 * exact / 20_000) + 3e-4).all()


def test_the_network_by_hand() -> None:
    draw = np.random.default_rng(1)
    shapes = [(2, 54, 32), (2, 1, 32), (2, 32, 32), (2, 1, 32), (2, 32, 32), (2, 1, 32), (2, 32, 27), (2, 1, 27)]
    layers = [draw.normal(size=shape) * 0.3 for shape in shapes]
    inputs = np.zeros((3, 54))
    inputs[0, [26, 53]] = inputs[1, [26, 27 + 4]] = inputs[2, [7, 27 + 1]] = 1  # "", "e", "hb"
    found = [one.numpy() for one in forward([torch.tensor(one) for one in layers], torch.tensor(inputs))]
    for s in range(2):
        for row in range(3):
            hidden = inputs[row]
            for k in range(3):
                hidden = np.tanh(hidden @ layers[2 * k][s] + layers[2 * k + 1][s, 0])
                np.testing.assert_allclose(found[k][s, row], hidden, rtol=1e-10)
            odds = np.exp(hidden @ layers[6][s] + layers[7][s, 0])
            odds[26] *= row > 0  # no name ends at its start
            np.testing.assert_allclose(np.exp(found[3][s, row]), odds / odds.sum(), rtol=1e-10)


@pytest.mark.parametrize("way", [*WAYS.values(), Way(0.4, smoothing=0.3)])
def test_the_loss_by_hand(way: Way) -> None:
    draw = np.random.default_rng(2)
    h = draw.normal(size=(3, 2, 5, 32))
    logs, shown = np.log(draw.dirichlet(np.ones(27), size=(2, 5))), draw.integers(0, 4, size=(2, 5, 27)).astype(float)
    order = torch.randperm(5, generator=torch.Generator().manual_seed(9)).numpy() if way.shuffled else np.arange(5)
    total = 0.0
    for s in range(2):
        for row in range(5):
            for letter in range(27):
                hard, soft = shown[s, row, letter], shown[s, row].sum() / 27
                total -= ((1 - way.smoothing) * hard + way.smoothing * soft) * logs[s, row, letter]
            for i in (0, 1):
                total += way.weight * shown[s, row].sum() * ((h[i, s, row] - h[2, s, order[row]]) ** 2).mean()
    tensors = [torch.tensor(one) for one in (*h, logs)]
    found = loss(way, tensors, torch.tensor(shown), torch.Generator().manual_seed(9))
    assert float(found) == pytest.approx(total, rel=1e-10)


@pytest.mark.parametrize("attached", [True, False])
def test_the_deep_features_hear_of_it_only_if_attached(attached: bool) -> None:
    tensors = [torch.randn(1, 4, 32, requires_grad=True) for _ in range(3)]
    logs = torch.log_softmax(torch.randn(1, 4, 27), 2)
    loss(Way(1.0, attached=attached), [*tensors, logs], torch.ones(1, 4, 27), torch.Generator()).backward()
    assert (tensors[2].grad is not None) == attached and tensors[0].grad is not None


def test_numbers_are_exact() -> None:
    """The recall kept along training is that of the chain, to single precision; early stopping takes the best look."""
    one = runs("plain")
    found = numbers(one.late, TRUTH)
    assert found[0, 2] == precision(one.late[2], TRUTH).value and found[1, 2] == recall(one.late[2], TRUTH).value
    np.testing.assert_allclose(one.recall[-1], found[1], rtol=1e-5)
    best = one.held_out.argmax(axis=0)
    np.testing.assert_allclose(one.recall[best, np.arange(6)], numbers(one.early, TRUTH)[1], rtol=1e-5)
    assert one.steps[-1] == 250 and one.steps[1] - one.steps[0] == 5


def test_ways_share_names_and_first_weights() -> None:
    first = [runs(name).recall[0] for name in ("plain", "self", "shuffled")]
    np.testing.assert_array_equal(first[0], first[1])
    np.testing.assert_array_equal(first[0], first[2])
    assert len(set(first[0])) == 6


def test_the_gain_is_no_knowledge() -> None:
    """After a long schedule targets of another context gain more; with early stopping little is left of both."""
    late, late_shuffled = gain("self", early=False), gain("shuffled", early=False)
    assert late_shuffled[0] - late[0] > 3 * (late[1] + late_shuffled[1])
    early = gain("self", early=True)
    assert abs(early[0]) < 0.3 < numbers(runs("plain").early, TRUTH)[1].mean() - runs("plain").recall[-1].mean()


@pytest.mark.parametrize(("weight", "smoothing"), [(-1.0, 0.0), (float("nan"), 0.0), (1.0, 1.0), (1.0, -0.1)])
def test_bad_ways(weight: float, smoothing: float) -> None:
    with pytest.raises(ValueError, match=r"give one from 0, and one in \[0, 1\)"):
        Way(weight, smoothing=smoothing)


@pytest.mark.parametrize("wrong", [{"n": 3}, {"seeds": 0}, {"steps": 0}, {"rng": None}])
def test_bad_calls(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"give a Generator, 4 names, 1 of each"):
        train(**({"n": 40, "way": Way(), "rng": np.random.default_rng(0)} | wrong))  # type: ignore[arg-type]


def test_loading_it_loads_no_torch() -> None:
    code = "import sys, kdlab.neighbours.self_features; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
