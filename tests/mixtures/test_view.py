"""The view's Python side: what it sends, how it answers the page, and what it does when something breaks."""

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.pages import wait_for

from kdlab.mixtures import experiment
from kdlab.mixtures.experiment import MixtureSweep
from kdlab.mixtures.view import MixtureView, payload, show
from kdlab.pictures import sweep_view

FIELDS = ("scene", "n_components", "covariance", "samples", "seed")
PNG = b"\x89PNG\r\n\x1a\n"


def make(scene: str = "line", n_components: int = 1, **other: Any) -> MixtureSweep:
    return experiment.teacher_entropy(scene, n_components, "diag", positions=5, **other)


@pytest.fixture(scope="module")
def sweep() -> MixtureSweep:
    return make()


@pytest.fixture
def view(sweep: MixtureSweep) -> Iterator[MixtureView]:
    shown = show(sweep)
    yield shown
    shown.close()


def settings_of(sweep: MixtureSweep, **other: Any) -> dict[str, Any]:
    return {**{field: getattr(sweep.settings, field) for field in FIELDS}, **other}


class Maker:
    """Stands in for the making of sweeps: each waits until it is let go, and then gives what it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.real = experiment.teacher_entropy
        self.going = {n: threading.Event() for n in (1, 2, 3, 4, 8)}
        self.stopped: list[int] = []
        self.threads: set[str] = set()
        self.progress: dict[int, Any] = {}
        monkeypatch.setattr(experiment, "teacher_entropy", self)

    def __call__(self, scene: str, n_components: int, covariance: str, **other: Any) -> MixtureSweep:
        self.threads.add(threading.current_thread().name)
        self.progress[n_components] = other.pop("progress")
        assert self.going[n_components].wait(20)
        try:
            self.progress[n_components](0.5)
        except BaseException:
            self.stopped.append(n_components)
            raise
        return self.real(scene, n_components, covariance, **other)


@pytest.fixture
def maker(monkeypatch: pytest.MonkeyPatch) -> Maker:
    return Maker(monkeypatch)


# What is sent


def test_the_payload_is_plain_json_and_small() -> None:
    full = experiment.teacher_entropy("line", 2, "diag")
    sent = payload(full)
    text = json.dumps(sent, allow_nan=False)
    assert json.loads(text) == sent
    assert len(text) < 200_000
    assert len(sent["beta"]) == len(sent["sentence"]) == len(sent["student"]["means"]) == 121


def test_the_payload_is_the_sweep(sweep: MixtureSweep) -> None:
    sent = payload(sweep)
    assert sent["key"] == sweep.settings.key
    assert sent["settings"] == settings_of(sweep)
    assert sent["sentence"] == list(sweep.sentences)
    for name in ("precision", "recall"):
        np.testing.assert_allclose(sent[name], getattr(sweep, name), atol=5.1e-5)
    np.testing.assert_allclose(sent["student"]["means"], sweep.student_means, atol=5.1e-6)
    np.testing.assert_allclose(sent["student"]["covariances"], sweep.student_covariances, atol=5.1e-8)
    np.testing.assert_allclose(sent["teacher"]["weights"], np.exp(sweep.teacher_log_weights), atol=5.1e-6)
    np.testing.assert_allclose(sent["covered"], sweep.coverage, atol=5.1e-4)
    low, high = sent["plane"]["recall"]
    assert low < min(sent["recall"]) and sent["bounds"]["recall"] < high


def test_a_2d_payload_has_contours() -> None:
    sent = payload(make("ring"))
    shares = [contour["level"] for contour in sent["contours"]]
    assert shares == sorted(shares, reverse=True)  # outermost first
    assert all(len(point) == 2 for contour in sent["contours"] for line in contour["path"] for point in line)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_sweep_with_a_number_that_is_none_is_refused(sweep: MixtureSweep, bad: float) -> None:
    coverage = np.array(sweep.coverage)
    coverage[2] = bad
    with pytest.raises(ValueError, match=r"covered holds (nan|inf): every number must be finite"):
        show(replace(sweep, coverage=coverage))


@pytest.mark.parametrize("wrong", [None, {"beta": [1.0]}, "ring", 3])
def test_only_sweeps_are_shown(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"is not a MixtureSweep: pass what .*teacher_entropy"):
        show(wrong)


def test_the_controls_offer_what_is_reachable_and_what_is_shown(view: MixtureView) -> None:
    for field in FIELDS:
        values = [choice["value"] for choice in view.choices[field]]
        assert values == list(experiment.CHOICES[field])
        assert all(isinstance(choice["label"], str) and choice["label"] for choice in view.choices[field])
    unusual = show(make(seed=17))
    assert unusual.choices["seed"][-1] == {"value": 17, "label": "17"}


# What a notebook asks


def test_the_position_is_the_one_shown(view: MixtureView, sweep: MixtureSweep) -> None:
    view.beta = 90.0
    assert view.position.sentence == sweep.sentences[-1]
    assert view.sweep_shown is sweep
    assert len(view.filmstrip([1, 2, 5, 20]).axes) == 5
    assert view.errors == []


@pytest.mark.parametrize("beta", [0.9, 100.5, float("nan"), -3.0])
def test_a_beta_off_the_slider_is_an_error(view: MixtureView, beta: float) -> None:
    with pytest.raises(ValueError, match="the slider goes from 1 to 100"):
        view.beta = beta
    assert view.beta == 1.0


def test_the_mimebundle_has_a_picture_and_the_sentence(view: MixtureView, sweep: MixtureSweep) -> None:
    view.beta = 100.0
    data, metadata = view._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == view.model_id
    assert data["text/plain"] == sweep.sentences[-1] == metadata["image/png"]["alt"]
    picture = base64.b64decode(data["image/png"])
    assert picture.startswith(PNG) and len(picture) < 80_000
    assert view._repr_mimebundle_()[0]["image/png"] == data["image/png"]
    view.beta = 1.0
    assert view._repr_mimebundle_()[0]["image/png"] != data["image/png"]


def test_two_views_share_nothing(sweep: MixtureSweep) -> None:
    one, two = show(sweep), show(sweep)
    one.beta, one.page_errors = 100.0, ["broken"]
    assert one.errors == ["broken"] and two.beta == 1.0 and two.errors == []
    assert one._kept is not two._kept


# Answering the page


def test_other_settings_are_made_on_a_thread_with_progress(
    view: MixtureView, sweep: MixtureSweep, maker: Maker
) -> None:
    view.beta = 100.0
    view.settings = settings_of(sweep, n_components=2)
    wait_for(lambda: 2 in maker.progress)
    assert view.progress == 0.0
    assert view.sweep_shown is sweep  # the old picture stays meanwhile
    maker.progress[2](0.25)
    assert view.progress == 0.25
    maker.going[2].set()
    wait_for(lambda: view.progress is None)
    assert view.sweep["settings"] == settings_of(sweep, n_components=2)
    assert view.sweep_shown.settings.n_components == 2
    assert view.beta == 100.0
    assert threading.current_thread().name not in maker.threads
    assert view.errors == []


def test_only_the_newest_request_counts_and_the_others_stop(
    view: MixtureView, sweep: MixtureSweep, maker: Maker
) -> None:
    for n in (2, 3):
        view.settings = settings_of(sweep, n_components=n)
        wait_for(lambda n=n: n in maker.progress)
    maker.going[3].set()
    wait_for(lambda: view.progress is None)
    maker.going[2].set()  # too late
    wait_for(lambda: maker.stopped == [2])
    assert view.sweep["settings"]["n_components"] == view.sweep_shown.settings.n_components == 3
    assert view.progress is None and view.errors == []


def test_what_was_shown_before_is_shown_again_at_once(view: MixtureView, sweep: MixtureSweep, maker: Maker) -> None:
    view.settings = settings_of(sweep, n_components=2)
    wait_for(lambda: 2 in maker.progress)
    view.settings = settings_of(sweep)  # Reset, while the other is still being made
    assert view.progress is None
    assert view.sweep_shown is sweep
    maker.going[2].set()
    wait_for(lambda: maker.stopped == [2])
    assert view.sweep_shown is sweep


def test_a_prepared_sweep_is_answered_before_the_callback_returns() -> None:
    prepared = experiment.teacher_entropy("line", 1, "diag")
    view = show(prepared)
    view.settings = settings_of(prepared, n_components=2)
    assert view.sweep_shown.settings.n_components == 2
    assert view.progress is None


def test_a_page_without_python_can_be_told_what_takes_no_time(sweep: MixtureSweep) -> None:
    view = show(experiment.teacher_entropy("line", 1))
    prepared = {"scene": "ring", "n_components": 2, "covariance": "full", "samples": None, "seed": 3}
    assert view.key_at_once(prepared) == "ring|2|full|population|0"
    ready = payload(experiment.teacher_entropy("ring", 2, "full"))
    assert view.sent(prepared) == {**ready, "settings": prepared}  # the seed is kept, though nothing is drawn
    assert view.key_at_once({**prepared, "samples": 100}) is None
    own = show(sweep)  # with five positions, so no prepared sweep is one of its own
    assert own.key_at_once(prepared) is None and own.key_at_once(settings_of(sweep)) == sweep.settings.key
    assert own.sent(settings_of(sweep)) == own.sweep and own.settings == settings_of(sweep)
    with pytest.raises(ValueError, match="scene is 'moon'"):
        view.key_at_once({**prepared, "scene": "moon"})


def test_a_view_remembers_only_so_many_sweeps(view: MixtureView) -> None:
    for seed in range(30):
        view._keep(make(samples=20, seed=seed))
    assert len(view._kept) == sweep_view._KEPT


# What breaks


MOON = {"scene": "moon", "n_components": 1, "covariance": "diag", "samples": None, "seed": 0}
NONSENSE = {"scene": ["line"], "n_components": {}, "covariance": None, "samples": "x", "seed": -1}


@pytest.mark.parametrize("wanted", [MOON, {"moon": 1}, NONSENSE])
def test_settings_that_make_no_sense_are_an_error_and_no_crash(
    view: MixtureView, sweep: MixtureSweep, wanted: dict[str, Any]
) -> None:
    view.settings = wanted
    wait_for(lambda: view.progress is None and len(view.errors) == 1)
    assert "Traceback" in view.errors[0]
    assert view.kernel_error and view.kernel_error in view.errors[0]
    wait_for(lambda: view.settings == settings_of(sweep))  # back to what is shown
    assert view.sweep_shown is sweep


def deliberately(**asked: Any) -> MixtureSweep:
    raise RuntimeError("broken on purpose")


def test_what_breaks_in_the_background_is_shown_kept_and_survived(
    view: MixtureView, sweep: MixtureSweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, bad = settings_of(sweep, n_components=2), replace(make("line", 2), precision=np.full(5, np.nan))
    for n, (made, said) in enumerate([(deliberately, "on purpose"), (lambda **asked: bad, "must be finite")], 1):
        with monkeypatch.context() as patch:
            patch.setattr(experiment, "teacher_entropy", made)
            view.settings = other
            wait_for(lambda n=n: len(view.errors) == n)
            wait_for(lambda: view.settings == settings_of(sweep))
        assert said in view.kernel_error and view.sweep_shown is sweep
    assert "deliberately" in view.errors[0]  # the traceback names the place
    view.settings = other
    wait_for(lambda: view.sweep_shown.settings.n_components == 2)


def test_a_filmstrip_of_no_position_is_an_error(sweep: MixtureSweep) -> None:
    with pytest.raises(ValueError, match=r"A filmstrip of no beta: .*at least one value from 1 to 100"):
        show(sweep).filmstrip([])
