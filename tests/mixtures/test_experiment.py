"""Sweeps: the committed ones all through, new ones against them, and no combination of controls that raises."""

import functools
import itertools
import math
import re
from typing import Any

import numpy as np
import pytest
from support.accuracy import committed, covered_by_draws, errors_at

from kdlab import fit_mixture
from kdlab.core.sweep import beta_positions
from kdlab.mixtures import experiment
from kdlab.mixtures.experiment import CHOICES, MixtureSweep, Settings, is_prepared, make_sweep, teacher_entropy
from kdlab.mixtures.judge import COVERED_SHARE
from kdlab.mixtures.scenes import NAMED

PREPARED = {settings.key: settings for settings in committed()}


@functools.cache
def prepared(key: str) -> MixtureSweep:
    settings = PREPARED[key]
    return teacher_entropy(settings.scene, settings.n_components, settings.covariance)


@pytest.fixture(params=PREPARED)
def sweep(request: pytest.FixtureRequest) -> MixtureSweep:
    """Every committed sweep, one after the other."""
    return prepared(request.param)


def numbers(sweep: MixtureSweep) -> dict[str, Any]:
    return {name: value for name, value in vars(sweep).items() if isinstance(value, (np.ndarray, float))}


# Every position of every committed sweep


def test_every_named_scene_is_prepared_for_every_choice() -> None:
    """Scenes on a line in one family (in 1-D they are the same), the others in three; five sizes of student."""
    assert len(PREPARED) == 5 * sum(1 if make().truth.dim == 1 else 3 for make in NAMED.values())


def test_shapes(sweep: MixtureSweep) -> None:
    k, dim, modes = sweep.student_means.shape[1], sweep.scene.truth.dim, sweep.scene.truth.n_components
    assert 1 <= k <= sweep.settings.n_components
    assert sweep.student_log_weights.shape == (121, k)
    assert sweep.student_means.shape == (121, k, dim)
    assert sweep.student_covariances.shape == (121, k, dim, dim)
    assert sweep.teacher_log_weights.shape == (121, sweep.scene.teacher.n_components)
    assert sweep.coverage.shape == sweep.covered.shape == (121, modes)
    assert all(np.isfinite(value).all() for value in numbers(sweep).values())
    assert len(sweep.sentences) == 121


def test_bounds(sweep: MixtureSweep) -> None:
    """recall <= -H(p*), precision <= max log p*, direct student included, to the 2e-6 that two exact numbers allow."""
    truth = sweep.scene.truth
    assert sweep.recall_bound == pytest.approx(truth.expected_log_prob(truth).value, abs=1e-9)
    assert sweep.precision_bound == pytest.approx(truth.mode_density(), abs=1e-9)
    assert max(sweep.recall.max(), sweep.direct_recall) <= sweep.recall_bound + 2e-6
    assert max(sweep.precision.max(), sweep.direct_precision) <= sweep.precision_bound + 1e-6
    assert ((sweep.coverage >= 0) & (sweep.coverage <= 1 + 1e-12)).all()


def test_a_sample_of_positions_is_exact(sweep: MixtureSweep) -> None:
    """Precision and recall right to 1e-6 nats, against the finer rule of accuracy.py (which checks every position)."""
    n = list(PREPARED).index(sweep.settings.key)
    chosen = (n * 7 % 121, n % 40, 40 + n % 41, 81 + n % 39, 0, 120)[: 6 if sweep.scene.truth.dim == 1 else 1]
    assert max(max(errors_at(sweep, i)) for i in chosen) <= 1e-6


def test_the_teacher_is_tempered_at_every_position(sweep: MixtureSweep) -> None:
    for i in range(0, 121, 12):
        teacher = sweep.scene.teacher.tempered(float(sweep.betas[i]))
        np.testing.assert_allclose(sweep.teacher_log_weights[i], teacher.log_weights, rtol=0, atol=1e-9)
        assert sweep.weight_entropy[i] == pytest.approx(teacher.weight_entropy, abs=1e-12)
        assert sweep.effective_components[i] == pytest.approx(math.exp(teacher.weight_entropy), abs=1e-12)
    assert (np.diff(sweep.weight_entropy) <= 1e-12).all()


def test_the_divergence_is_what_the_engine_says(sweep: MixtureSweep) -> None:
    """KL(p'_beta || p'') = E log p'_beta - E log p'', to 1e-4 nats (pictures show two decimals); never negative."""
    assert (sweep.kl >= 0).all()
    at = sweep.at((1.0, 4.0, 30.0)[list(PREPARED).index(sweep.settings.key) % 3])
    expected = at.teacher.expected_log_prob(at.teacher).value - at.teacher.expected_log_prob(at.student).value
    assert at.kl == pytest.approx(expected, abs=1e-4)


def isolated(steps: Any, switched: Any, small: float) -> list[int]:
    """Unmarked positions reached by a step above ``small`` and above 4 times both neighbouring steps.

    Along a curve that moves without jumps, however fast, one step is like the next: they grow from one to
    the next by a factor of 2 or 3 at the steepest starts seen here. A jump stands alone.
    """
    around = np.pad(steps, 1)
    allowed = np.maximum(small, 4 * np.maximum(around[:-2], around[2:]))
    return [int(i) + 1 for i in np.flatnonzero(~switched[1:] & (steps > allowed))]


def test_no_jump_goes_unmarked(sweep: MixtureSweep) -> None:
    """Precision and recall beyond 0.05 nats, visible components (weight above 1 %) beyond 0.1 units of the picture."""
    weights = np.exp(sweep.student_log_weights)
    seen = np.minimum(weights[1:], weights[:-1]) > 0.01
    means = (np.abs(np.diff(sweep.student_means, axis=0)).max(axis=-1) * seen).max(axis=-1)
    assert isolated(np.abs(np.diff(sweep.precision)), sweep.switched, 0.05) == []
    assert isolated(np.abs(np.diff(sweep.recall)), sweep.switched, 0.05) == []
    assert isolated(means, sweep.switched, 0.1) == []
    assert not sweep.switched[0]


def test_a_jump_is_marked() -> None:
    """A step of 0.3 in a quiet path, where it stands alone; not a steep stretch."""
    path, steep = np.linspace(0, 1, 121), np.cumsum(np.geomspace(1e-3, 0.5, 121))
    assert not experiment._jumps(path).any() and not experiment._jumps(steep).any()
    path[60:] += 0.3
    assert np.flatnonzero(experiment._jumps(path)).tolist() == [60]
    assert isolated(np.diff(path), np.zeros(121, dtype=bool), 0.05) == [60]
    assert not experiment._jumps(path[59:61]).any()


def test_components_keep_their_identity(sweep: MixtureSweep) -> None:
    """Across unmarked steps, every visible component's nearest ancestor (means and sizes) is itself."""
    weights = np.exp(sweep.student_log_weights)
    sizes = np.sqrt(np.diagonal(sweep.student_covariances, axis1=2, axis2=3))
    for i in range(1, 121):
        seen = np.flatnonzero(np.minimum(weights[i], weights[i - 1]) > 0.01)
        if sweep.switched[i] or len(seen) < 2:
            continue
        now = np.concatenate([sweep.student_means[i], sizes[i]], axis=1)[seen]
        before = np.concatenate([sweep.student_means[i - 1], sizes[i - 1]], axis=1)[seen]
        apart = np.linalg.norm(now[:, None] - before[None], axis=-1)
        assert (apart.argmin(axis=1) == np.arange(len(seen))).all(), i


def test_sentences_say_the_sweeps_own_numbers(sweep: MixtureSweep) -> None:
    """Each number of the sentence, read back, is the sweep's to the two decimals shown."""
    pattern = (
        r"At β = ([\d.]+) the teacher effectively uses ([\d.]+) of its (\d+) components\. "
        r"The student covers (\d+) of (\d+) modes of p\*, with precision ([−\d.]+) and recall ([−\d.]+) nats; "
        r"the direct student has ([−\d.]+) and ([−\d.]+)\."
        r"( Here the best student is another one: its path has a gap\.)?"
    )
    for i, sentence in enumerate(sweep.sentences):
        found = re.fullmatch(pattern, sentence)
        assert found, sentence
        *said, gap = found.groups()
        values = [float(number.replace("−", "-")) for number in said]
        teacher = [sweep.betas[i], sweep.effective_components[i], sweep.scene.teacher.n_components]
        modes = [int((sweep.coverage[i] >= COVERED_SHARE).sum()), sweep.scene.truth.n_components]
        plane = [sweep.precision[i], sweep.recall[i], sweep.direct_precision, sweep.direct_recall]
        np.testing.assert_allclose(values, teacher + modes + plane, rtol=0, atol=0.005 + 1e-9)
        assert (gap is not None) == sweep.switched[i]


# What the scenes promise


@pytest.mark.parametrize("k", [1, 2, 4])
def test_on_the_line_precision_rises_all_the_way(k: int) -> None:
    """And recall falls all the way; 1e-6 is what exact numbers may be off by."""
    sweep = prepared(f"line|{k}|diag|population|0")
    assert (np.diff(sweep.precision) > -1e-6).all()
    assert sweep.precision[-1] > sweep.precision[0] + 0.3
    assert (np.diff(sweep.recall) < 1e-6).all()


def test_where_precision_falls() -> None:
    """The light mode in the middle goes first: precision falls by 0.42 nats before it rises."""
    sweep = prepared("falls|1|diag|population|0")
    lowest = int(sweep.precision.argmin())
    assert sweep.precision[0] - sweep.precision[lowest] == pytest.approx(0.42, abs=0.02)
    assert 0 < lowest < 120 and sweep.precision[-1] > sweep.precision[0]


def test_the_rare_mode_goes_first() -> None:
    sweep = prepared("rare|8|diag|population|0")
    lost = [int(np.flatnonzero(~sweep.covered[:, k])[0]) for k in range(5) if not sweep.covered[:, k].all()]
    rarest = int(np.argmin(sweep.scene.truth.weights))
    assert not sweep.covered[:, rarest].all()
    assert int(np.flatnonzero(~sweep.covered[:, rarest])[0]) == min(lost)


def test_direct_is_beta_one_for_one_component(sweep: MixtureSweep) -> None:
    """Of the population: to rounding. On the ring's points: as far as EM in single precision keeps moments.

    The ring's teacher is diagonal, so a full covariance is not among the moments that it keeps.
    """
    if sweep.settings.n_components != 1 or (sweep.scene.name, sweep.settings.covariance) == ("ring", "full"):
        return
    exact = sweep.scene.points is None
    student = sweep.at(1.0).student
    np.testing.assert_allclose(student.means, sweep.direct.means, rtol=0, atol=1e-14 if exact else 1e-6)
    np.testing.assert_allclose(student.covariances, sweep.direct.covariances, rtol=1e-13 if exact else 1e-5, atol=1e-15)


@pytest.mark.parametrize("key", ["line|2|diag|population|0", "rare|3|spherical|population|0"])
def test_coverage_is_its_definition(key: str) -> None:
    """By 50,000 draws of each mode: five standard errors of 0.0023, and in the plane 0.02 for the grid's steps."""
    sweep, rng = prepared(key), np.random.default_rng(60)
    truth, at = sweep.scene.truth, sweep.at(3.0)
    for k in range(truth.n_components):
        share = covered_by_draws(truth, k, at.student, rng)
        assert at.coverage[k] == pytest.approx(share, abs=0.012 if truth.dim == 1 else 0.03)
        assert at.covered[k] == (at.coverage[k] >= COVERED_SHARE)


# The committed sweeps are what this code makes

CHEAP = [
    "line|1|diag|population|0",
    "falls|2|diag|population|0",
    "rare|2|diag|population|0",
    "ring|1|full|population|0",
]


@pytest.mark.parametrize("key", CHEAP)
def test_prepared_sweeps_equal_recomputed_ones(key: str) -> None:
    """To rounding where students are closed forms. EM stops when a step moves nothing by more than 1e-5, and
    another processor's rounding may stop it a step sooner or later: 1e-4 there, 1e-3 for recall, which hangs on
    the lightest components.
    """
    old, new = prepared(key), make_sweep(PREPARED[key], beta_positions())
    closed = PREPARED[key].n_components == 1
    np.testing.assert_array_equal(old.switched, new.switched)
    for name, value in numbers(new).items():
        if name != "switched":
            atol = 1e-6 if closed else 1e-3 if "recall" in name or "log_weights" in name else 1e-4
            np.testing.assert_allclose(getattr(old, name), value, rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize("key", list(PREPARED)[::3])
def test_the_direct_student_is_the_best_that_we_find(key: str) -> None:
    """To 1e-4 nats per point: of p*, or of the ring's points with sweeps' floor, half of p*'s narrowest deviation."""
    sweep = prepared(key)
    k, covariance, truth = sweep.settings.n_components, sweep.settings.covariance, sweep.scene.truth
    if sweep.scene.points is None:
        again = fit_mixture(truth, k, covariance=covariance)
        assert sweep.direct_recall == pytest.approx(again.log_likelihood, abs=1e-4)
    else:
        floor = 0.25 * float(np.linalg.eigvalsh(truth.covariances).min())
        again = fit_mixture(sweep.scene.points, k, covariance=covariance, covariance_floor=floor)
        assert sweep.direct.log_prob(sweep.scene.points).mean() == pytest.approx(again.log_likelihood, abs=1e-4)


# Making one


def test_a_sweep_depends_on_its_settings_only() -> None:
    """Twice the same, with or without somebody listening."""
    for options in ({"scene": "line", "n_components": 2}, {"scene": "line", "n_components": 2, "samples": 100}):
        heard: list[float] = []
        one = teacher_entropy(**options, positions=5)
        other = teacher_entropy(**options, positions=5, progress=heard.append)
        for name, value in numbers(one).items():
            np.testing.assert_array_equal(value, getattr(other, name), err_msg=name)
        assert one.sentences == other.sentences
        assert heard[-1] == 1.0 and all(0 <= before <= after <= 1 for before, after in itertools.pairwise(heard))


def test_what_is_prepared_is_ready_at_once() -> None:
    heard: list[float] = []
    teacher_entropy("falls", 2, progress=heard.append)
    assert heard == [1.0]
    assert is_prepared(Settings("ring", 3, "full"))
    assert not is_prepared(Settings("ring", 5))
    assert not is_prepared(Settings("ring", 3, samples=100))
    assert not is_prepared(Settings("random", 3))


def test_finite_samples_add_noise_that_the_seed_decides() -> None:
    one, other = (teacher_entropy("line", 2, samples=100, seed=seed, positions=5) for seed in (0, 1))
    assert (one.precision != other.precision).any()
    assert (one.direct.means != other.direct.means).any()


def test_settings_that_cannot_matter_share_a_sweep() -> None:
    assert Settings("line", 2, "full", seed=3).key == Settings("line", 2, "diag").key
    assert Settings("ring", 2, "full", seed=3).key == Settings("ring", 2, "full").key
    assert Settings("ring", 2, samples=100, seed=3).key != Settings("ring", 2, samples=100).key
    assert Settings("random", 2, seed=3).key != Settings("random", 2).key
    assert len({settings.key for settings in PREPARED.values()}) == len(PREPARED)


def test_a_position_holds_what_the_sweep_holds() -> None:
    sweep = prepared("ring|2|diag|population|0")
    for i in (0, 37, 120):
        at = sweep.at(float(sweep.betas[i]))
        for name in ("precision", "recall", "kl", "weight_entropy", "effective_components", "switched"):
            assert getattr(at, name) == getattr(sweep, name)[i]
        assert (at.beta, at.sentence) == (sweep.betas[i], sweep.sentences[i])
        np.testing.assert_array_equal(at.student.means, sweep.student_means[i])
        np.testing.assert_array_equal(at.teacher.means, sweep.scene.teacher.means)
        np.testing.assert_allclose(at.teacher.log_weights, sweep.teacher_log_weights[i], atol=1e-12)


# Bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scene": "circle"}, r"scene is 'circle': choose one of line, ring, falls, rare"),
        ({"covariance": "tied"}, r"covariance is 'tied': choose one of diag, full, spherical"),
        ({"n_components": 0}, r"n_components is 0: "),
        ({"n_components": 1.5}, r"n_components is 1\.5: "),
        ({"n_components": True}, r"n_components is True: "),
        ({"samples": 1}, r"samples is 1 for 1 components: give at least two points per component"),
        ({"samples": 7, "n_components": 4}, r"samples is 7 for 4 components: "),
        ({"seed": -1}, r"seed is -1: "),
        ({"positions": 1}, r"positions is 1: "),
    ],
)
def test_bad_settings(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        teacher_entropy(**options)


def test_students_of_points_say_that_the_points_jump() -> None:
    """One Gaussian has one best fit: where its path breaks, no other optimum has taken over."""
    sweep = teacher_entropy("ring", 1, samples=100, seed=3)
    jumps = [sentence for sentence, gap in zip(sweep.sentences, sweep.switched, strict=True) if gap]
    assert jumps and all(
        jump.endswith(" Here the points jump, and the student with them: its path has a gap.") for jump in jumps
    )
    assert sum("gap" in sentence for sentence in sweep.sentences) == len(jumps)


# No combination of controls raises


def drawn(n: int, seed: int) -> list[Settings]:
    """Random settings of all controls; cheap ones (in 1-D, small students) more often than dear ones."""
    rng, odds = np.random.default_rng(seed), {
        "scene": {"line": 0.50, "falls": 0.44, "ring": 0.02, "rare": 0.02, "random": 0.02},
        "n_components": {1: 0.40, 2: 0.30, 3: 0.20, 4: 0.08, 8: 0.02},
        "samples": {None: 0.5, 100: 0.3, 1000: 0.2},
    }  # fmt: skip
    found = []
    for _ in range(n):
        chosen: dict[str, Any] = {}
        for control, choices in CHOICES.items():
            values = list(choices)
            share = np.array([odds[control].get(value, 0.02) for value in values]) if control in odds else None
            chosen[control] = values[rng.choice(len(values), p=None if share is None else share / share.sum())]
        found.append(Settings(**chosen))
    return found


TWO_THOUSAND = drawn(2000, 2)
DIFFERENT = list({settings.key: settings for settings in TWO_THOUSAND}.values())  # those that matter to the sweep


def test_the_two_thousand_reach_every_choice() -> None:
    for control, choices in CHOICES.items():
        assert {getattr(settings, control) for settings in TWO_THOUSAND} == set(choices)


@pytest.mark.parametrize(
    ("several", "n_positions"),
    [
        pytest.param([one for one in drawn(60, 1) if one.n_components <= 3], 5, id="a few"),
        *(pytest.param(DIFFERENT[i::4], 3, id=f"two thousand, part {i}", marks=pytest.mark.slow) for i in range(4)),
        pytest.param(drawn(50, 3), 121, id="fifty on the whole slider", marks=pytest.mark.slow),
    ],
)
def test_no_settings_raise(several: list[Settings], n_positions: int) -> None:
    """Every number is finite, every sentence free of nan, both bounds are kept."""
    for settings in several:
        sweep = make_sweep(settings, beta_positions(n_positions))
        assert all(np.isfinite(value).all() for value in numbers(sweep).values()), settings
        assert not any("nan" in sentence or "inf" in sentence for sentence in sweep.sentences), settings
        assert sweep.recall.max() <= sweep.recall_bound + 2e-6, settings
        assert sweep.precision.max() <= sweep.precision_bound + 1e-6, settings
        assert np.linalg.eigvalsh(sweep.student_covariances).min() > 0, settings
