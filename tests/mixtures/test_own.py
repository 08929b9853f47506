"""Worlds of the reader's own: the same numbers as kdlab's scenes give, exact at their limits, refused beyond them."""

import functools
import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page
from scipy.integrate import quad
from support.pages import open_view, wait_for
from support.worlds import FAMILIES, mixtures

import kdlab
from kdlab import GaussianMixture
from kdlab.core.sweep import beta_positions
from kdlab.mixtures import line_mixture, make_scene, plots
from kdlab.mixtures.experiment import MixtureSweep, Settings, make_sweep, teacher_entropy
from kdlab.mixtures.view import MixtureView, payload, show

SCRIPTS = ("pictures/plane.js", "pictures/sweep_view.js", "mixtures/view.js")
PAIR = line_mixture([0.7, 0.3], [0.0, 4.0], [1.0, 0.5])
PLANE = GaussianMixture([0.6, 0.4], [[0.0, 0.0], [3.0, 1.0]], [np.diag([1.0, 0.25]), [[0.5, 0.2], [0.2, 0.3]]])
POINTS = PLANE.sample(300, np.random.default_rng(1))

sweep_of = functools.partial(teacher_entropy, positions=3)


def close(one: MixtureSweep, other: MixtureSweep, atol: float, shift: float = 0.0) -> None:
    """Assert that numbers agree, precision ``shift`` nats apart as well as recall."""
    for name in ("precision", "recall", "direct_precision", "direct_recall", "recall_bound", "precision_bound"):
        np.testing.assert_allclose(getattr(other, name), getattr(one, name) + shift, rtol=1e-9, atol=atol, err_msg=name)
    np.testing.assert_allclose(other.kl, one.kl, atol=atol)


# The same numbers


@pytest.mark.parametrize(("name", "k"), [("line", 2), ("falls", 1), ("rare", 1)])
def test_a_named_scene_s_mixture_gives_the_named_scene_s_sweep(name: str, k: int) -> None:
    named = make_sweep(Settings(name, k), beta_positions(3))
    own = sweep_of(truth=make_scene(name).truth, n_components=k)
    for field, value in vars(named).items():
        if field not in ("settings", "scene", "direct"):
            np.testing.assert_array_equal(getattr(own, field), value, err_msg=field)
    assert own.sentences == named.sentences and own.scene.title == "Your world"


@settings(deadline=None, max_examples=20)
@given(mixtures(dim=2, min_components=2), st.integers(1, 3))
def test_the_order_of_modes_changes_no_number(truth: GaussianMixture, step: int) -> None:
    """To the 1e-6 nats that each of two exact numbers may be off by; drawn close enough together to be exact."""
    truth = GaussianMixture(truth.weights, truth.means / 3, truth.covariances)
    order = np.roll(np.arange(truth.n_components), step)
    turned = GaussianMixture.from_log_weights(truth.log_weights[order], truth.means[order], truth.covariances[order])
    one, other = sweep_of(truth=truth), sweep_of(truth=turned)
    close(one, other, 2e-6)
    np.testing.assert_allclose(other.coverage, one.coverage[:, order], atol=1e-9)


@settings(deadline=None, max_examples=20)
@given(mixtures(dim=1, min_components=2), st.integers(-9, 9), st.floats(-1e5, 1e5), st.integers(1, 2))
def test_units_move_both_numbers_by_their_logarithm(truth: GaussianMixture, power: int, shift: float, k: int) -> None:
    """log p(a x) = log p(x) - log a. EM stops within 1e-4 of the optimum (fit_mixture), one component is exact."""
    scale = 10.0**power
    means, covariances = scale * (truth.means + shift), scale**2 * truth.covariances
    moved = GaussianMixture(truth.weights, means, covariances)
    one, other = sweep_of(truth=truth, n_components=k), sweep_of(truth=moved, n_components=k)
    if k == 1 or not (one.switched | other.switched).any():
        close(one, other, 2e-6 if k == 1 else 1e-3, -math.log(scale))


def test_a_small_world_is_fitted_as_a_large_one() -> None:
    """A ring a ten-thousandth as wide: where EM starts does not depend on units.

    At beta 100 recall hangs on components of weight 1e-40, which EM hardly feels: to a hundredth.
    """
    ring, scale = make_scene("ring").truth, 1e-4
    small = GaussianMixture(ring.weights, scale * ring.means, scale**2 * ring.covariances)
    one, other = (sweep_of(truth=truth, teacher=5, n_components=3, covariance="full") for truth in (ring, small))
    close(one, other, 1e-2, -2 * math.log(scale))


# Exact at the limits


def by_quad(model: GaussianMixture, of: GaussianMixture) -> float:
    """E_{x ~ model}[log of(x)] on a line by scipy, cut wherever either has a mode or its flank."""
    steps = np.array([-8, -3, -1, 0, 1, 3, 8])
    cuts = [
        m + s * np.sqrt(v)
        for one in (model, of)
        for m, v in zip(one.means, one.covariances[:, 0], strict=True)
        for s in steps
    ]
    edges = np.unique(np.concatenate(cuts))
    value = lambda x: math.exp(model.log_prob([[x]])[0]) * of.log_prob([[x]])[0]  # noqa: E731
    return float(
        sum(quad(value, *pair, epsabs=1e-9, epsrel=1e-10, limit=200)[0] for pair in zip(edges, edges[1:], strict=False))
    )


@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("truth", [
    line_mixture([0.5, 0.3, 0.2], [0.0, 0.5, 3.0], [1.0, 1 / 30, 0.7]),
    line_mixture([0.5, 0.3, 0.2], [0.0, 0.5, 3.0], [1.0, 1 / 300, 0.7]),
    line_mixture([0.5, 0.3, 0.2], [0.0, 300.0, 1000.0], [1.0, 1.0, 2.0]),
], ids=["thirty", "three hundred", "far apart"])  # fmt: skip
def test_on_a_line_numbers_are_right_to_the_limit(truth: GaussianMixture, k: int) -> None:
    """To 2e-6 nats, and a part in 1e9 of the hundred thousand that modes 1,000 widths apart come to."""
    sweep = sweep_of(truth=truth, n_components=k)
    for beta, precision, recall in zip(sweep.betas, sweep.precision, sweep.recall, strict=True):
        student = sweep.at(beta).student
        assert precision == pytest.approx(by_quad(student, truth), abs=2e-6, rel=1e-9)
        assert recall == pytest.approx(by_quad(truth, student), abs=2e-6, rel=1e-9)


@pytest.mark.parametrize("covariance", FAMILIES)
@pytest.mark.parametrize("far", [2.0, 20.0])
def test_in_the_plane_numbers_are_right_to_the_limit(covariance: Any, far: float) -> None:
    """Widths 1 to 10 beside each other, and modes 20 widths apart, against the ground floor's own rule."""
    wide = 10.0 if far < 10 else 1.0
    truth = GaussianMixture([0.6, 0.4], [[0.0, 0.0], [far, far / 3]], [wide**2 * np.eye(2), [[1.2, 0.3], [0.3, 1.4]]])
    for k in (1, 2):
        sweep = sweep_of(truth=truth, n_components=k, covariance=covariance)
        for beta, precision, recall in zip(sweep.betas, sweep.precision, sweep.recall, strict=True):
            student = sweep.at(beta).student
            assert precision == pytest.approx(kdlab.precision(student, truth).value, abs=2e-6)
            assert recall == pytest.approx(kdlab.recall(student, truth).value, abs=2e-6)


# What a reader may give


def test_modes_that_weigh_nothing_are_left_out() -> None:
    means = np.arange(12.0)[:, None]
    sweep = sweep_of(truth=GaussianMixture([1.0] + 11 * [0.0], means, np.ones((12, 1, 1))))
    assert sweep.coverage.shape == (3, 1) and "covers 1 of 1 modes" in sweep.sentences[0]
    np.testing.assert_allclose(sweep.recall, -0.5 * math.log(2 * math.pi * math.e), atol=1e-6)


def test_modes_on_top_of_each_other_are_one_density() -> None:
    twice = GaussianMixture([0.35, 0.35, 0.3], PAIR.means[[0, 0, 1]], PAIR.covariances[[0, 0, 1]])
    # The teachers differ: two halves of a mode are each tempered as themselves.
    for k in (1, 2, 3):
        one, other = (sweep_of(truth=truth, teacher=PAIR, n_components=k) for truth in (PAIR, twice))
        close(one, other, 2e-6)
        np.testing.assert_allclose(other.coverage[:, [0, 2]], one.coverage, atol=1e-3)


class Frame:
    """What pandas' DataFrame is to numpy."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self.rows, dtype=dtype or object)


def test_points_bring_a_fitted_mixture_and_are_seen_by_teacher_and_direct_student() -> None:
    sweep = sweep_of(truth=POINTS, n_modes=2, teacher=3, n_components=2)
    scene = sweep.scene
    for same in (POINTS.tolist(), Frame(POINTS), POINTS.astype(object)):
        assert sweep_of(truth=same, n_modes=2, teacher=3).scene.name == scene.name
    np.testing.assert_array_equal(scene.points, POINTS)
    assert (scene.truth.n_components, scene.teacher.n_components) == (2, 3)
    assert scene.truth.log_prob(POINTS).mean() >= PLANE.log_prob(POINTS).mean()  # the most likely one
    best = kdlab.fit_mixture(POINTS, 2, covariance_floor=0.25 * np.linalg.eigvalsh(scene.truth.covariances).min())
    np.testing.assert_allclose(sweep.direct.means, best.model.means, atol=1e-9)
    assert np.ptp(scene.teacher.covariances[:, 0, 1]) == 0.0  # diagonal
    many = np.random.default_rng(0).standard_normal((3000, 1))
    flat = sweep_of(truth=many, n_modes=1)
    assert len(payload(flat)["points"]) == 1000  # of three thousand: what a page can draw
    assert plots.figure(flat).axes and plots.filmstrip(flat, [1, 100]).axes


@pytest.mark.parametrize("teacher", [None, "truth", 1, np.int64(2), line_mixture([0.5, 0.5], [0.0, 3.0], [0.2, 1.0])])
def test_teachers(teacher: Any) -> None:
    scene = sweep_of(truth=PAIR, teacher=teacher, samples=100).scene
    expected = PAIR if teacher in (None, "truth") else teacher if isinstance(teacher, GaussianMixture) else None
    assert expected is None or scene.teacher is expected
    assert expected is not None or scene.teacher.n_components == teacher


def test_a_key_is_the_same_each_time_and_another_for_each_world() -> None:
    again = line_mixture([0.7, 0.3], [-0.0, 4.0], [1.0, 0.5])
    one = sweep_of(truth=PAIR)
    assert one.settings.key == sweep_of(truth=again, covariance="full", seed=3).settings.key
    assert re.fullmatch(r"own-1d-[0-9a-f]{8}\|1\|diag\|population\|0", one.settings.key)
    worlds = [
        {"truth": PLANE},
        {"truth": PAIR, "teacher": 1},
        {"truth": POINTS, "n_modes": 2},
        {"truth": POINTS, "n_modes": 1},
    ]
    sweeps = [sweep_of(**world) for world in worlds]
    assert len({sweep.settings.key for sweep in [one, *sweeps]}) == 5
    for world, sweep in zip(worlds, sweeps, strict=True):  # what is remembered is of the right world
        close(sweep, sweep_of(**world), 0.0)
    assert sweep_of(one.scene, 2).scene is one.scene


ONE = np.ones((1, 1, 1))
SOLID = GaussianMixture([1.0], np.zeros((1, 3)), [np.eye(3)])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"scene": "ring", "truth": PAIR}, "scene is 'ring' and truth is given too: a sweep is of one world"),
        ({"teacher": PAIR}, "teacher is given without truth"),
        ({"n_modes": 3}, "n_modes is given without truth"),
        ({"scene": PAIR}, r"scene is GaussianMixture.*or give a mixture of your own, or points, as truth"),
        ({"scene": make_scene("line")}, "scene is the Scene 'line': give its name"),
        ({"scene": "own-1d-00000000"}, "scene is 'own-1d-00000000': choose one of line"),
        ({"truth": PAIR, "n_modes": 2}, "n_modes is 2 beside a mixture, which has modes of its own"),
        ({"truth": PAIR, "teacher": "Bob"}, "teacher is 'Bob': give a whole number from 1 to 12 components, a Gauss"),
        ({"truth": PAIR, "teacher": 0}, "teacher is 0: give a whole number"),
        ({"truth": PAIR, "teacher": 2.0}, r"teacher is 2\.0: give a whole number"),
        ({"truth": PAIR, "teacher": PLANE}, "teacher lives in 2-D and p. in 1-D"),
        ({"truth": PAIR, "teacher": line_mixture([1.0], [900.0], [0.3])}, r"half the world is 450\.6 wide .* 0\.3 "),
        ({"truth": SOLID}, r"truth lives in 3 dimensions: .*p\.means\[:, :2\]"),
        ({"truth": line_mixture([1 / 13] * 13, list(range(13)), [1.0] * 13)}, "truth has 13 modes: up to 12"),
        (
            {"truth": line_mixture([0.5, 0.5], [0.0, 1.0], [1.0, 1e-3])},
            "half the world is 1 wide .* 0.001 .* up to 900 times",
        ),
        (
            {"truth": GaussianMixture([1.0], [[0.0, 0.0]], [np.diag([1.0, 1 / 900])])},
            "up to 23 times as much .* in 2-D",
        ),
        ({"truth": line_mixture([1.0], [1e7], [1.0])}, r"lies up to 1e\+07 from zero.*subtract the mean"),
        ({"truth": GaussianMixture([1.0], [[0.0]], 1e-120 * ONE)}, "numbers have too few digits"),
        ({"truth": "ring", "n_modes": 2}, "truth is a str that is no table of numbers"),
        ({"truth": [["a", "1"], ["b", "2"]], "n_modes": 2}, "truth is a list that is no table.*without text and dates"),
        ({"truth": Frame([["a", 1.0]]), "n_modes": 2}, r"truth is a Frame .*could not convert string to float: 'a'"),
        (
            {"truth": np.array([["2020-01-01"]] * 20, dtype="M8[D]"), "n_modes": 1},
            "ndarray that is no table of numbers",
        ),
        ({"truth": [[1.0, 2.0], [3.0]], "n_modes": 1}, "list that is no table of numbers .*inhomogeneous"),
        ({"truth": np.ma.masked_greater(POINTS, 2.0), "n_modes": 2}, "points hold .* masked values"),
        ({"truth": POINTS}, "n_modes is None: give a whole number from 1 to 12: p. is the mixture of so many"),
        ({"truth": POINTS, "n_modes": 13}, "n_modes is 13: give a whole number from 1 to 12"),
        ({"truth": POINTS[:, 0], "n_modes": 2}, r"points have shape \(300,\): .*x\.reshape\(-1, 1\)"),
        ({"truth": POINTS[:, [0, 1, 0]], "n_modes": 2}, r"points have shape \(300, 3\): .*chooses two columns"),
        ({"truth": [*POINTS.tolist(), [0.0, math.nan]], "n_modes": 2}, r"point 300 is \[0\.0, nan\]: .*df\.dropna"),
        ({"truth": POINTS[:9], "n_modes": 2}, r"9 points for n_modes=2: bring from 10 \(5 for each mode\) to 10,000"),
        ({"truth": np.tile(POINTS, (40, 1)), "n_modes": 2}, r"12,000 points .*rng\.choice\(points, 10000"),
        ({"truth": POINTS * [1.0, 0.0], "n_modes": 2}, r"standard deviations \[.*, 0\.0\]: .*none constant"),
        ({"truth": POINTS * [9.0, 1.0], "n_modes": 2}, "up to 3 times .*divide each by its deviation"),
        ({"truth": np.ones((20, 1)), "n_modes": 1}, r"standard deviations \[0\.0\]: "),
    ],
)
def test_what_cannot_be_is_refused_in_words(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sweep_of(**given)


# Its picture


@pytest.fixture
def view() -> Iterator[MixtureView]:
    one = show(sweep_of(truth=POINTS, n_modes=2, teacher=3))
    yield one
    one.close()


def ask(view: MixtureView, **wanted: Any) -> MixtureSweep:
    """Choose other settings, as the page does, and wait for their sweep."""
    view.settings = {**view.settings, **wanted}
    wait_for(lambda: view.progress is None and view.sweep["settings"] == view.settings)
    assert view.errors == []
    return view.sweep_shown


def test_controls_remake_the_same_world_and_lead_to_others_and_back(view: MixtureView) -> None:
    first, own = view.sweep_shown, view.settings["scene"]
    assert view.choices["scene"][-1] == {"value": own, "label": "Your world"}
    for wanted in ({"n_components": 2}, {"covariance": "full"}, {"samples": 100}, {"seed": 2}):
        sweep = ask(view, **wanted)
        assert sweep.scene is first.scene and getattr(sweep.settings, next(iter(wanted))) == next(iter(wanted.values()))
        close(sweep, sweep_of(truth=POINTS, n_modes=2, teacher=3, **{**view.settings, "scene": None}), 0.0)
    assert ask(view, scene="line").scene.title == "Four modes on a line"
    view._kept.clear()  # even a view that has forgotten what it showed
    assert ask(view, scene=own).scene is first.scene
    assert ask(view, **view.opened["settings"]).settings == first.settings  # Reset
    assert view.still_name().startswith(own) and view.drawn() and view.filmstrip().axes
    view.settings = {**view.settings, "scene": "own-2d-00000000"}
    wait_for(lambda: view.errors and view.settings["scene"] == own)
    assert "scene is 'own-2d-00000000': choose one of" in view.kernel_error


@pytest.mark.browser
def test_a_narrow_mode_is_drawn_to_its_peak(page: Page) -> None:
    """A thousandth of a pixel wide, at its place and height; ellipses of a tiny world are as large as anybody's."""
    sweep = sweep_of(truth=line_mixture([0.5, 0.5], [0.0, 0.501], [1.0, 1 / 400]))
    sent = payload(sweep)
    open_view(page, show(sweep))
    outline = page.locator(".kdlab-truth-line").get_attribute("d") or ""
    drawn = np.array(re.findall(r"-?[\d.]+", outline), float).reshape(-1, 2)
    top = np.exp(sweep.scene.truth.mode_density())
    assert drawn[:, 1].min() == pytest.approx(348 - 336 * top / sent["space"]["y"][1], abs=0.2)
    place = 12 + 416 * (0.501 - sent["space"]["x"][0]) / np.ptp(sent["space"]["x"])
    assert drawn[drawn[:, 1].argmin(), 0] == pytest.approx(place, abs=0.1)
    line = plots.figure(sweep).axes[0].lines[0].get_ydata()
    assert np.max(line) == pytest.approx(top, rel=1e-3)


@pytest.mark.browser
@pytest.mark.parametrize("scale", [1e-6, 1e5])
def test_the_picture_of_a_world_is_the_same_in_any_units(page: Page, scale: float) -> None:
    small = GaussianMixture(PLANE.weights, scale * PLANE.means, scale**2 * PLANE.covariances)
    looks = []
    for truth in (PLANE, small):
        page.evaluate("document.getElementById('here').replaceChildren()")
        open_view(page, show(sweep_of(truth=truth)))
        ellipses = page.locator(".kdlab-space ellipse").all()
        looks.append(
            [[float(one.get_attribute(name) or "nan") for name in ("cx", "cy", "rx", "ry")] for one in ellipses]
        )
    np.testing.assert_allclose(looks[1], looks[0], atol=0.11)  # lengths are rounded to one decimal
    assert np.min(looks[0]) > 5
