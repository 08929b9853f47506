"""Several things at once: the same results on any number of cores, errors raised, and no thread left behind."""

import threading
import time

import numpy as np
import pytest

from kdlab import experiments, threads
from kdlab.experiments import Settings
from kdlab.ladders import positions


@pytest.fixture(params=[1, 2, 64])
def cores(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(threads, "available_cores", lambda: request.param)
    return int(request.param)


def mine() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("kdlab")]


def test_results_come_in_the_order_of_the_items(cores: int) -> None:
    def late_if_early(i: int) -> int:
        time.sleep(0.02 if i == 0 else 0)
        return i * i

    with threads.on_all_cores() as each:
        assert list(each(late_if_early, range(9))) == [i * i for i in range(9)]
    assert not mine()


def test_an_error_is_raised_and_no_thread_stays(cores: int) -> None:
    with pytest.raises(ZeroDivisionError), threads.on_all_cores() as each:
        list(each(lambda i: 1 // i, [1, 0, 2]))
    assert not mine()


@pytest.mark.parametrize("count", [2, 64])
def test_two_things_happen_at_the_same_time_and_at_most_four(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "available_cores", lambda: count)
    meeting = threading.Barrier(min(count, 4), timeout=10)
    with threads.on_all_cores() as each:
        list(each(lambda i: meeting.wait(), range(min(count, 4))))  # breaks unless as many are there at once
        list(each(lambda i: time.sleep(0.001), range(64)))
        assert len(mine()) == min(count, 4)


def test_cores_are_those_that_this_process_may_use() -> None:
    assert 1 <= threads.available_cores() <= 1024


@pytest.mark.parametrize("settings", [("random", 3, "full", None, 1), ("random", 4, "spherical", None, 3)], ids=str)
def test_a_ladder_is_the_same_on_any_number_of_cores(
    settings: tuple[str, int, str, None, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit: cores share whole students and whole sums, never halves of one."""
    scene, n_components, covariance, samples, seed = settings
    asked = Settings(scene, n_components, covariance, samples, seed)  # type: ignore[arg-type]
    made = []
    for count in (1, 3):
        monkeypatch.setattr(threads, "available_cores", lambda count=count: count)
        made.append(experiments._make(asked, positions(11), lambda fraction: None))
    for name in (
        "student_means",
        "student_covariances",
        "student_log_weights",
        "precision",
        "recall",
        "coverage",
        "kl",
    ):
        assert np.array_equal(getattr(made[0], name), getattr(made[1], name)), name
