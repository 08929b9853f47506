"""Objectives at each token: sums by hand on eight tokens, a table-shaped model beside exact chains, known pitfalls."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.small_run import complete
from support.torch_side import EOS, draw, small_model, torch

from kdlab.lm import plots
from kdlab.lm.experiment import OBJECTIVES, PRESETS, RunConfig, Stored
from kdlab.lm.folder import Line, read_results
from kdlab.lm.pipeline import training
from kdlab.lm.pipeline.corpus import Sequences, generator
from kdlab.lm.pipeline.model import new_model
from kdlab.lm.pipeline.objectives import DIVERGENCES, Objective, bytes_per_token, token_nats
from kdlab.lm.pipeline.scoring import after_prompt
from kdlab.lm.pipeline.training import Taught, TrainingSettings, Writes, train
from kdlab.lm.sizes import size_named
from kdlab.ngrams.model import NGramChain
from kdlab.ngrams.objectives import _averaged, _averaged_logs, compare_objectives

V = 8
LOGITS = st.lists(st.floats(-6, 6), min_size=V, max_size=V)
every_divergence = pytest.mark.parametrize("divergence", DIVERGENCES)


def odds(logits: list[float], tau: float = 1.0) -> list[float]:
    weights = [math.exp(value / tau) for value in logits]
    return [weight / sum(weights) for weight in weights]


def kl(one: list[float], other: list[float]) -> float:
    return sum(p * math.log(p / q) for p, q in zip(one, other, strict=True) if p > 0)


def by_hand(divergence: str, s: list[float], t: list[float]) -> float:
    m = [(p + q) / 2 for p, q in zip(s, t, strict=True)]
    return {"forward": kl(t, s), "reverse": kl(s, t), "jsd": (kl(t, m) + kl(s, m)) / 2}[divergence]


def of(objective: Objective, student: list[float], teacher: list[float]) -> float:
    return float(objective.of(torch.tensor([student]), torch.tensor([teacher]))[0])


# One token


@every_divergence
@given(LOGITS, LOGITS, st.sampled_from([0.5, 1.0, 2.0]))
def test_divergences_are_sums_by_hand(divergence: str, student: list[float], teacher: list[float], tau: float) -> None:
    wanted = by_hand(divergence, odds(student, tau), odds(teacher, tau))
    assert of(Objective(divergence, tau), student, teacher) == pytest.approx(wanted, abs=2e-5)


@every_divergence
@given(LOGITS, LOGITS, st.integers(1, V))
@example([0.0] * V, [0.0] * 6 + [5.25, -4.0], 7)  # a tail of 1e-4: as 1 less the others it was off in the third digit
def test_the_tail_is_one_more_outcome(divergence: str, student: list[float], teacher: list[float], k: int) -> None:
    s, t = odds(student), odds(teacher)
    top = sorted(range(V), key=lambda i: -teacher[i])[:k]
    cut = [[p[i] for i in top] + [max(1 - sum(p[i] for i in top), 0)] for p in (s, t)]
    if k < V:
        found = of(Objective(divergence, stored=Stored(k)), student, teacher)
        if np.diff(np.sort(teacher)).min() > 1e-5:  # else which of two equal ones is kept is anybody's guess
            assert found == pytest.approx(by_hand(divergence, *cut), abs=2e-4)
        assert found <= of(Objective(divergence), student, teacher) + 2e-4  # merging outcomes never adds


@every_divergence
def test_gradients_are_those_of_the_formulas(divergence: str) -> None:
    rng = np.random.default_rng(0)
    student = torch.tensor(rng.normal(size=(1, V)), requires_grad=True)
    teacher = torch.tensor(rng.normal(size=(1, V)))
    Objective(divergence).of(student, teacher).sum().backward()
    s, t = (torch.softmax(x.detach(), -1) for x in (student, teacher))
    ratio = {"reverse": (s / t).log(), "jsd": (2 * s / (s + t)).log() / 2}.get(divergence)
    wanted = s - t if ratio is None else s * (ratio - (s * ratio).sum())
    torch.testing.assert_close(student.grad, wanted, atol=1e-6, rtol=1e-4)


def test_what_an_answer_takes_on_disk() -> None:
    assert bytes_per_token(49_152, None) == 98_304
    assert bytes_per_token(49_152, Stored(100)) == 400 and bytes_per_token(151_936, Stored(100)) == 600


# Texts


def together(objective: Objective, some: int = 100) -> tuple[float, float, Any]:
    """Nats of a batch with padding, prompts of two lengths and a text that was cut; and the same, one by one."""
    student, teacher = new_model(size_named("tiny"), 16, eos=EOS, rng=generator(1, "s")), small_model()
    rows, prompts = [[3, 4, 5, 6, 7, EOS], [3, 4, 9, EOS], [3, 4, 5, 9, 9, 9, 9]], [2, 2, 3]  # the last one is cut
    ids = torch.full((3, 7), EOS)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
    lengths = torch.tensor([len(row) for row in rows])
    found = token_nats(student, teacher, ids, after_prompt(torch.tensor(prompts), lengths, 7), objective, some)
    wanted = 0.0
    for row, first in zip(rows, prompts, strict=True):
        with torch.no_grad():
            s, t = (model(torch.tensor([row])).logits[0].tolist() for model in (student, teacher))
        wanted += sum(
            by_hand(objective.divergence, odds(s[i - 1], objective.tau), odds(t[i - 1], objective.tau))
            for i in range(first, len(row))
        )
    return float(found.detach()), wanted, student


@every_divergence
def test_masks_lengths_and_padding_are_those_of_each_text_alone(divergence: str) -> None:
    for some in (100, 2):  # logits of two tokens at a time, too
        found, wanted, _ = together(Objective(divergence, 0.8), some)
        assert found == pytest.approx(wanted, rel=1e-4)


def test_no_end_is_learned_where_a_text_was_cut() -> None:
    """The token after a cut text's last one is not known: what the teacher says there moves nothing."""
    student, teacher = new_model(size_named("tiny"), 16, eos=EOS, rng=generator(1, "s")), small_model()
    ids, lengths = torch.tensor([[3, 4, 5, 6]]), torch.tensor([4])
    nats = token_nats(student, teacher, ids, after_prompt(2, lengths, 4), Objective("forward"), 100)
    read = teacher.model(input_ids=ids).last_hidden_state
    assert read.shape[1] == 4  # there is a state after the last token, and it is not asked
    with torch.no_grad():
        s, t = (torch.log_softmax(model(ids).logits[0, 1:3], -1) for model in (student, teacher))
    assert float(nats.detach()) == pytest.approx(float((t.exp() * (t - s)).sum()), rel=1e-5)


def test_pieces_of_a_batch_add_up_to_its_mean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A mean of means would weigh short pieces more: here all gradients are of one mean over all tokens."""
    texts, steps = draw(small_model(), 24), {}
    for most in (10_000, 20):
        monkeypatch.setattr(training, "_PIECE", most)
        student = new_model(size_named("tiny"), 16, eos=EOS, rng=generator(3, "same"))
        settings = TrainingSettings(epochs=1, batch=24, rate=1e-2, keep="last")
        curve = train(
            student,
            texts,
            settings,
            folder=tmp_path / str(most),
            seed=0,
            taught=Taught(small_model(), Objective("reverse")),
        )
        steps[most] = curve.losses, [weight.detach().clone() for weight in student.parameters()]
    assert steps[20][0] == pytest.approx(steps[10_000][0], rel=1e-5)
    for one, other in zip(steps[20][1], steps[10_000][1], strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-3)


def test_on_policy_divides_by_the_tokens_that_were_written(tmp_path: Path) -> None:
    """And by no reference's: the loss is the divergence per token of the texts that the student wrote."""
    student, teacher = new_model(size_named("tiny"), 16, eos=EOS, rng=generator(3, "same")), small_model()
    writes = Writes(32, [3, 4], 10, EOS)
    before = [weight.detach().clone() for weight in student.parameters()]
    settings = TrainingSettings(epochs=1, batch=32, rate=1e-9, weight_decay=0.0, keep="last")
    reference = draw(teacher, 2, length=4)  # of other lengths, and not looked at
    taught = Taught(teacher, Objective("reverse"), writes)
    curve = train(student, reference, settings, folder=tmp_path, seed=5, taught=taught)
    for weight, old in zip(student.parameters(), before, strict=True):
        weight.data.copy_(old)
    own = draw(student, 32, rng=generator(5, "own texts", 0))
    ids, lengths = own.tensors(torch.device("cpu"))
    counted = after_prompt(2, lengths, ids.shape[1])
    nats = float(token_nats(student, teacher, ids, counted, taught.objective, 100).detach())
    assert curve.tokens == own.n_tokens and curve.losses == [pytest.approx(nats / own.n_tokens, rel=1e-4)]


def test_divergences_do_not_jump_in_scale() -> None:
    """Of odds that are nearly alike forward and reverse are one number, and jsd a quarter of it: no limit is missed."""
    teacher = np.random.default_rng(1).normal(size=V)
    student = teacher + 0.02 * np.random.default_rng(2).normal(size=V)
    forward, reverse, jsd = (of(Objective(name), student.tolist(), teacher.tolist()) for name in DIVERGENCES)
    assert reverse == pytest.approx(forward, rel=0.05) and jsd == pytest.approx(forward / 4, rel=0.05)
    assert of(Objective("jsd"), [40.0] + [0.0] * 7, [0.0] * 7 + [40.0]) == pytest.approx(math.log(2), abs=1e-4)


def test_a_student_that_lost_half_of_the_mass_pays_for_it() -> None:
    """On the teacher's likeliest four tokens the two agree in shape; half of the student's mass is elsewhere."""
    teacher = [3.0, 2.0, 1.0, 0.0] + [-20.0] * 4
    student = [value - 1.0 for value in teacher[:4]] + [math.log(sum(math.exp(v - 1) for v in teacher[:4]) / 4)] * 4
    assert sum(odds(student)[:4]) == pytest.approx(0.5)
    assert of(Objective("forward", stored=Stored(4)), student, teacher) == pytest.approx(math.log(2), rel=1e-3)
    assert of(Objective("forward", stored=Stored(4, tail=False)), student, teacher) == pytest.approx(
        math.log(2), rel=1e-3
    )
    assert of(Objective("reverse", stored=Stored(4)), student, teacher) > 5
    for divergence in ("reverse", "jsd"):
        with pytest.raises(ValueError, match="would cost it nothing; keep the tail, or choose forward"):
            Objective(divergence, stored=Stored(4, tail=False))


# Against exact chains


class Table(torch.nn.Module):
    """A model that is a table: logits of the next token hang on the last ``order`` tokens, and on nothing else."""

    def __init__(self, order: int, vocabulary: int, rows: Any = None) -> None:
        super().__init__()
        self.order, self.config = order, SimpleNamespace(vocab_size=vocabulary)
        self.lm_head = torch.nn.Linear(vocabulary**order, vocabulary, bias=False)
        self.lm_head.weight.data = torch.zeros(vocabulary, vocabulary**order) if rows is None else rows
        self.device = torch.device("cpu")

    def get_output_embeddings(self) -> Any:
        return self.lm_head

    def model(self, input_ids: Any, **_: Any) -> Any:
        places = input_ids
        for back in range(1, self.order):
            before = torch.cat([input_ids[:, :1].expand(-1, back), input_ids[:, :-back]], dim=1)
            places = places + before * self.config.vocab_size**back
        hidden = torch.nn.functional.one_hot(places, self.config.vocab_size**self.order).float()
        return SimpleNamespace(last_hidden_state=hidden)

    def forward(self, input_ids: Any, **_: Any) -> Any:
        return SimpleNamespace(logits=self.lm_head(self.model(input_ids).last_hidden_state))


LETTERS = "abc"
END, START, TOKENS = 0, 4, 5  # ids: the end, a, b, c, and what every text continues


def id_of(letter: str) -> int:
    return {".": END, "^": START}.get(letter) if letter in ".^" else 1 + LETTERS.index(letter)  # type: ignore[return-value]


@pytest.fixture(scope="module")
def chains() -> tuple[NGramChain, NGramChain]:
    """p* of order 3, and a teacher of order 2: its projection, a little sharper."""
    rng = np.random.default_rng(3)
    table = rng.dirichlet(np.ones(4), size=1 + 3 + 9 + 27)
    table[0] = [*rng.dirichlet(np.ones(3)), 0.0]
    truth = NGramChain(table, 3, LETTERS)
    return truth, NGramChain.fit(truth, order=2).tempered(1.3)


def table_of(chain: NGramChain) -> Table:
    """The teacher as a model: a row for every pair of tokens; what cannot be is at -30."""
    rows = torch.full((TOKENS, TOKENS**2), -30.0)
    for context, logs in zip(chain.contexts, chain.log_table, strict=True):
        last, before = ["^", *context][-1], (["^", "^", *context])[-2]
        place = id_of(last) + TOKENS * id_of(before)
        for letter, value in zip([*LETTERS, "."], logs, strict=True):
            rows[id_of(letter), place] = max(float(value), -30.0)
    return Table(2, TOKENS, rows)


def texts_of(chain: NGramChain, n: int) -> tuple[Sequences, list[str]]:
    strings = chain.sample(n, np.random.default_rng(4))
    rows = [[START, *map(id_of, string), END] for string in strings]
    lengths = np.array([len(row) for row in rows], np.uint16)
    ids = np.full((n, int(lengths.max())), END, np.uint16)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
    return Sequences(ids, lengths, 1, END), strings


def learned(student: Table) -> np.ndarray:
    """(4, 4): odds of a, b, c and the end, after the start, a, b and c."""
    odds_ = torch.softmax(student.lm_head.weight.detach().double(), dim=0)
    return odds_[[1, 2, 3, END]][:, [START, 1, 2, 3]].T.numpy()


@pytest.mark.parametrize(("divergence", "exact"), [("forward", _averaged), ("reverse", _averaged_logs)])
def test_a_table_learns_what_is_exact_on_chains(
    chains: tuple[NGramChain, NGramChain], tmp_path: Path, divergence: str, exact: Any
) -> None:
    """On p*'s texts: the exact student of these very texts' prefixes, to a thousandth."""
    truth, teacher = chains
    data, strings = texts_of(truth, 512)
    place = {context: i for i, context in enumerate(teacher.contexts)}
    visits = np.zeros(len(place))
    for string in strings:
        for t in range(len(string) + 1):
            visits[place[string[max(0, t - 2) : t]]] += 1
    wanted = exact(teacher, visits, 1)
    student = Table(1, TOKENS)
    settings = TrainingSettings(epochs=400, batch=512, rate=0.1, decay=0.6, weight_decay=0.0, keep="last")
    taught = Taught(table_of(teacher), Objective(divergence))
    curve = train(student, data, settings, folder=tmp_path, seed=0, taught=taught)  # type: ignore[arg-type]
    np.testing.assert_allclose(learned(student), wanted.table, atol=1e-3)
    assert curve.losses[-1] < curve.losses[0]


def test_a_table_on_its_own_texts_ends_at_the_exact_fixed_point(
    chains: tuple[NGramChain, NGramChain], tmp_path: Path
) -> None:
    """On-policy, reverse: prefixes are the student's, with no gradient through them. Texts are drawn: some noise."""
    truth, teacher = chains
    wanted = compare_objectives(truth, teacher, 1, 1.0)[4].student
    student = Table(1, TOKENS)
    writes = Writes(2_000, [START], 40, END)
    settings = TrainingSettings(epochs=150, batch=2_000, rate=0.1, decay=0.6, weight_decay=0.0, keep="last")
    taught = Taught(table_of(teacher), Objective("reverse"), writes)
    train(student, texts_of(truth, 4)[0], settings, folder=tmp_path, seed=0, taught=taught)  # type: ignore[arg-type]
    np.testing.assert_allclose(learned(student), wanted.table, atol=0.015)


def test_the_loss_falls_as_training_succeeds(tmp_path: Path) -> None:
    """A loss of sampled tokens may rise meanwhile; this one is the divergence itself, summed over the vocabulary."""
    for name, divergence in (("a", "forward"), ("b", "reverse"), ("c", "jsd")):
        teacher, texts = small_model(), draw(small_model(), 256)
        student = new_model(size_named("tiny"), 16, eos=EOS, rng=generator(3, "same"))
        settings = TrainingSettings(epochs=6, batch=32, rate=5e-3, keep="last")
        curve = train(
            student, texts, settings, folder=tmp_path / name, seed=0, taught=Taught(teacher, Objective(divergence))
        )
        assert curve.losses[-1] < 0.5 * curve.losses[0]
        assert np.mean(np.diff(curve.losses[:: len(curve.losses) // 6]) < 0) > 0.7


# Resuming, and settings


def test_a_resume_on_its_own_texts_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped between two steps of one epoch: the texts that were being learned are in the checkpoint."""
    monkeypatch.setattr(training, "_EVERY", 1)
    taught = Taught(small_model(), Objective("jsd"), Writes(40, [[3, 4], [5]], 10, EOS))
    settings, data = TrainingSettings(epochs=3, batch=16, rate=1e-2, keep="last"), draw(small_model(), 4)

    def fresh() -> Any:
        return new_model(size_named("tiny"), 16, eos=EOS, rng=generator(3, "same"))

    def stop(step: int, *_: Any) -> None:
        if step == 5:
            raise KeyboardInterrupt

    straight, broken = fresh(), fresh()
    train(straight, data, settings, folder=tmp_path / "a", seed=1, taught=taught)
    with pytest.raises(KeyboardInterrupt):
        train(broken, data, settings, folder=tmp_path / "b", seed=1, taught=taught, progress=stop)
    again = fresh()
    train(again, data, settings, folder=tmp_path / "b", seed=1, taught=taught)
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), again.parameters(), strict=True))
    other = Taught(small_model(), Objective("forward"), taught.writes)
    with pytest.raises(KeyboardInterrupt):
        train(fresh(), data, settings, folder=tmp_path / "c", seed=1, taught=taught, progress=stop)
    with pytest.raises(ValueError, match="checkpoint of another run"):
        train(fresh(), data, settings, folder=tmp_path / "c", seed=1, taught=other)


def test_a_run_s_students_that_hear_the_teacher(tmp_path: Path) -> None:
    """They stand among the others, say what they cost, and are left alone where they are there."""
    others = {"objectives": "token-reverse,on-policy", "on": "teacher", "taus": "0.6", "stored": "top-20"}
    complete(tmp_path / "run", **others)
    found = {one["name"]: one for one in read_results(tmp_path / "run")["models"]}
    assert [one["name"] for one in found.values() if one["role"] == "objective"] == ["token-reverse", "on-policy"]
    sizes = read_results(tmp_path / "run")["sizes"]
    f = sizes["student"]["flops_per_token"]  # a tiny teacher is as large
    for name, passes in (("direct", 3), ("tau-0.6", 4), ("token-reverse", 5), ("on-policy", 5)):
        tokens = read_results(tmp_path / "run")["curves"]["0"][name]["tokens"]
        assert found[name]["flops"] == pytest.approx(passes * f * tokens)
    assert (
        tmp_path / "run" / "seed-0" / "tempered" / "tau-1"
    ).is_dir()  # the teacher's texts, though no student is tau-1
    told: list[Line] = []
    complete(tmp_path / "run", told.append, **others)
    assert not any(line.tokens for line in told)
    made = plots.precision_recall(read_results(tmp_path / "run"))
    assert "on-policy: precision" in made.words
    with pytest.raises(ValueError, match="stored was 'top-20', now ''"):
        complete(tmp_path / "run", **{**others, "stored": ""})


def test_settings() -> None:
    config = RunConfig.of(
        "smoke", {"objectives": "sequence,token-forward,on-policy", "taus": "0.6", "stored": "top-100"}
    )
    assert config.objectives == ("token-forward", "on-policy") and config.taus == (0.6, 1.0)
    assert str(Stored.of("top-5-without-tail")) == "top-5-without-tail" and set(OBJECTIVES) >= {*config.objectives}
    assert PRESETS["cpu"].objectives == ()
    for settings, says in (
        ({"objectives": "token-sideways"}, "objectives is .*choose of sequence, token-forward, token-reverse"),
        ({"objectives": "token-jsd,token-jsd"}, "each once"),
        ({"on": "student"}, "on is 'student': choose truth or teacher"),
        ({"loss_tau": "0"}, "loss_tau is 0.0: give a positive temperature"),
        ({"stored": "100"}, "stored is '100': give one such as top-100"),
        ({"stored": "top-5-without-tail", "objectives": "token-jsd"}, "token-jsd needs the tail.*choose token-forward"),
    ):
        with pytest.raises(ValueError, match=says):
            RunConfig.of("smoke", settings)
    for wrong in ({"divergence": "sideways"}, {"divergence": "jsd", "tau": 0.0}):
        with pytest.raises(ValueError, match="choose one of|give a positive temperature"):
            Objective(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="top_k is 0: keep 1 token or more"):
        Stored(0)
