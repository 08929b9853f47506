"""MixKD: gradients against differences, tables against their definition, counts by hand, the claim and its controls."""

import json
from collections import Counter

import numpy as np
import pytest

from kdlab.neighbours import mixup
from kdlab.neighbours.mixup import _INPUTS, _RECORDED, Network, _draw, learn, make_world, train

World = tuple[mixup.NGramChain, Network, mixup.NGramChain]


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(np.random.default_rng(0))


def gain(world: World, kind: str, names: int, **settings: float) -> np.ndarray:
    """(4, 8): what this kind has more than the plain student of the same names; see `Students`."""
    one, plain = (learn(world, k, names, rng=np.random.default_rng(1), **settings) for k in (kind, "plain"))
    return np.array(one) - np.array(plain)


def below(values: np.ndarray, bound: float = 0.0) -> bool:
    """Is the mean below the bound by 3 standard errors?"""
    return bool(values.mean() + 3 * values.std(ddof=1) / np.sqrt(len(values)) < bound)


def test_rows_stand_as_a_chain_has_them(world: World) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz^"
    for context, one in zip(world[0].contexts, _INPUTS, strict=True):
        two = one.reshape(2, 27).argmax(axis=1)
        assert "".join(letters[i] for i in two) == context.rjust(2, "^") and one.sum() == 2


def test_one_step_follows_the_gradient() -> None:
    """Adam's first step is the rate times the sign of each slope; slopes by differences of the cross-entropy."""
    rng, h = np.random.default_rng(4), 1e-6
    inputs, target = rng.dirichlet(np.ones(54), (1, 5)), rng.dirichlet(np.ones(27), (1, 5))
    start, after = (train(lambda: (inputs, target), 1, 3, steps, np.random.default_rng(9)) for steps in (0, 1))

    def loss(net: Network) -> float:
        return float(-(target * np.log(net.read(inputs)[1])).sum() / 5)

    for which, part in enumerate(start):
        for place in (0, part.size // 2, part.size - 1):
            slopes = []
            for sign in (1, -1):
                moved = part.copy()
                moved.flat[place] += sign * h
                slopes.append(loss(start._replace(**{Network._fields[which]: moved})))
            slope = (slopes[0] - slopes[1]) / (2 * h)
            assert after[which].flat[place] - part.flat[place] == pytest.approx(-0.02 * np.sign(slope), abs=1e-4)


def test_the_teacher_is_a_good_one_and_its_chain_is_what_it_reads(world: World) -> None:
    truth, teacher, chain = world
    assert truth.entropy + truth.expected_log_prob(chain).value > -0.12
    odds = teacher.read(_INPUTS[None])[1][0]
    np.testing.assert_allclose(chain.table[1:], odds[1:], rtol=1e-12)
    np.testing.assert_allclose(chain.table[0], np.append(odds[0, :-1] / odds[0, :-1].sum(), 0.0), rtol=1e-12)


def test_numbers_are_their_definitions(world: World) -> None:
    """KL on the names, counted by hand, and the gap; a student of no steps, whose tables are known."""
    truth, _, chain = world
    students = learn(world, "plain", 20, n=2, steps=0, rng=np.random.default_rng(2))
    drawing, training = np.random.default_rng(2).spawn(2)
    names = [truth.sample(20, drawing) for _ in range(2)]
    for i, one in enumerate(train(lambda: (_INPUTS, _INPUTS), 2, 32, 0, training).chains()):
        counts = Counter((name[max(t - 2, 0) : t]) for name in names[i] for t in range(len(name) + 1))
        rows = {c: (p, q) for c, p, q in zip(truth.contexts, chain.table, one.table, strict=True)}
        kl = {c: (p[p > 0] * np.log(p[p > 0] / q[p > 0])).sum() for c, (p, q) in rows.items()}
        assert students.seen[i] == pytest.approx(sum(kl[c] * count for c, count in counts.items()) / 20)
        assert students.true[i] == pytest.approx(
            sum(kl[c] * v for c, v in zip(truth.contexts, truth.visits, strict=True))
        )
        sampled = truth.log_prob(one.sample(20_000, np.random.default_rng(5)))
        assert students.precision[i] == pytest.approx(sampled.mean(), abs=4 * sampled.std() / np.sqrt(20_000))


def test_draws_follow_their_weights() -> None:
    weights = np.array([[0.0, 1.0, 3.0], [2.0, 0.0, 0.0]])
    drawn = _draw(weights, 40_000, np.random.default_rng(6))
    assert (drawn[1] == 0).all() and (drawn[0] > 0).all()
    assert (drawn[0] == 2).mean() == pytest.approx(0.75, abs=4 * np.sqrt(0.75 * 0.25 / 40_000))


def test_nothing_mixed_is_the_plain_student(world: World) -> None:
    for kind in ("mixed", "mixed answers", "random letters", "written by the teacher"):
        assert (gain(world, kind, 10, share=0.0, n=2, steps=50) == 0).all(), kind


def test_the_claim_with_few_names_and_where_it_stops(world: World) -> None:
    few, many = gain(world, "mixed", 30, n=6, steps=1_000), gain(world, "mixed", 300, n=6, steps=1_000)
    for change in (few, many):  # the gap is smaller, on its names it is worse
        assert below(change[3] - change[2]) and below(-change[2])
    assert below(-few[1]) and below(many[0]) and below(many[1])


def test_what_the_recorded_students_show() -> None:
    sweep, kept = mixup.sweep(), json.loads(_RECORDED.read_text(encoding="ascii"))
    assert sweep.dials[0] == 0 and kept["mixed 0.0"] == kept["plain 0.5"] and len(sweep.sentences) == 21
    assert (np.diff(sweep.curves["on its names"]) > 0).all() and sweep.curves["gap"][-1] < 0.7 * sweep.curves["gap"][0]
    assert sweep.recall.argmax() > 10 and sweep.recall.max() > sweep.direct_recall + 0.6
    mixed_answers, random_letters, written = sweep.others
    assert mixed_answers.precision < sweep.precision.min() - 2
    for control in (random_letters, written):
        assert control.precision > sweep.precision.max() + 0.5 and control.recall > sweep.recall.max() + 1
    np.testing.assert_allclose(sweep.curves["gap"], sweep.curves["on p*"] - sweep.curves["on its names"])


def test_the_recorded_students_are_made_again(world: World) -> None:
    kept = json.loads(_RECORDED.read_text(encoding="ascii"))
    students = learn(world, "mixed", kept["names"], share=0.5, n=16, rng=np.random.default_rng(1))
    np.testing.assert_allclose(kept["mixed 0.5"], np.mean(students, axis=1), atol=1e-3)


@pytest.mark.parametrize(("kind", "names", "share"), [("mixd", 10, 0.5), ("mixed", 0, 0.5), ("mixed", 10, 1.1)])
def test_what_is_refused(world: World, kind: str, names: int, share: float) -> None:
    with pytest.raises(ValueError, match="choose of"):
        learn(world, kind, names, share=share, rng=np.random.default_rng(0))
