"""Two things at once: the same results as one after the other, errors raised, and no process left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from kdlab.core.sweep import beta_positions
from kdlab.mixtures import experiment as experiments
from kdlab.mixtures.experiment import Settings
from kdlab.mixtures.solver import beside
from kdlab.mixtures.solver.beside import Both, one_after_the_other, second_process


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "available_cores", lambda: 2)


def pid() -> int:
    return os.getpid()


def shout(text: str) -> str:
    print(text)
    return text.upper()


def refuse(value: object) -> None:
    raise LookupError(f"not {value}")


def die() -> int:
    if os.environ.get("KDLAB_TEST_HOME") != str(os.getpid()):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
    return 7


def once_ready(both: Both) -> int:
    """Wait until the second process takes tasks; return its number."""
    for _ in range(400):
        here, there = both((pid, ()), (pid, ()))
        assert here == os.getpid()
        if there != here:
            return int(there)
        time.sleep(0.05)
    pytest.fail("no second process took a task within 20 seconds")


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def test_the_second_task_is_done_elsewhere_and_the_process_ends_with_the_block(cores: None) -> None:
    with second_process() as both:
        other = once_ready(both)
        assert both((shout, ("a",)), (shout, ("b",))) == ("A", "B")  # what is printed does not get in between
        big = np.arange(300_000.0)  # larger than a pipe holds, there and back
        here, there = both((np.negative, (big,)), (np.sqrt, (big,)))
        assert np.array_equal(here, -big) and np.array_equal(there, np.sqrt(big))
    assert gone(other)


def test_an_error_there_is_raised_here_and_the_next_task_is_done(cores: None) -> None:
    with second_process() as both:
        once_ready(both)
        with pytest.raises(LookupError, match="not 3"):
            both((shout, ("a",)), (refuse, (3,)))
        assert both((pid, ()), (abs, (-2,))) == (os.getpid(), 2)


def test_after_an_error_here_nothing_stale_is_taken_for_a_result(cores: None) -> None:
    with second_process() as both:
        other = once_ready(both)
        with pytest.raises(LookupError, match="not 4"):
            both((refuse, (4,)), (shout, ("stale",)))
        assert both((abs, (-1,)), (abs, (-2,))) == (1, 2)
    assert gone(other)


def test_where_the_process_ends_before_its_time_its_task_is_done_here(
    cores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with second_process() as both:
        once_ready(both)
        monkeypatch.setenv("KDLAB_TEST_HOME", str(os.getpid()))  # the other has its own environment already
        assert both((abs, (-1,)), (die, ())) == (1, 7)
        assert both((pid, ()), (pid, ())) == (os.getpid(), os.getpid())


@pytest.mark.parametrize("why", ["one core", "no processes"])
def test_where_there_is_no_second_process_one_does_all(why: str, cores: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*args: object, **options: object) -> None:
        if why == "one core":
            pytest.fail("a process was started on a single core")
        raise OSError("no memory")

    if why == "one core":
        monkeypatch.setattr(beside, "available_cores", lambda: 1)
    monkeypatch.setattr(subprocess, "Popen", none)
    with second_process() as both:
        assert both is one_after_the_other
        assert both((pid, ()), (pid, ())) == (os.getpid(), os.getpid())


def test_cores_are_those_that_this_process_may_use() -> None:
    if hasattr(os, "sched_getaffinity"):
        assert beside.available_cores() == len(os.sched_getaffinity(0))
    assert beside.available_cores() >= 1


def test_a_script_is_not_run_twice(tmp_path: Path) -> None:
    """As multiprocessing would, where a reader's script has no `if __name__ == "__main__"`."""
    script = tmp_path / "mine.py"
    script.write_text(
        "from kdlab import mixtures\nfrom kdlab.mixtures.solver import beside\n"
        "beside.available_cores = lambda: 2\n"
        'print("once", mixtures.teacher_entropy("random", 2, positions=61).betas.size)\n'
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("once 61\n", "")


@pytest.mark.parametrize(("samples", "covariance"), [(None, "spherical"), (100, "full")])
def test_a_sweep_is_the_same_with_and_without(
    samples: int | None, covariance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit: the two processes share whole students, never halves of one."""
    asked = Settings("random", 2, covariance, samples, 1)  # type: ignore[arg-type]
    made, shared = [], []
    really, really_begun = beside._Other.both, beside._Other.__init__

    def counted(self: beside._Other, here: beside.Task, there: beside.Task) -> tuple[object, object]:
        shared.append(self._ready.is_set())
        return really(self, here, there)

    def patient(self: beside._Other) -> None:
        really_begun(self)
        assert self._ready.wait(20)

    monkeypatch.setattr(beside._Other, "both", counted)
    monkeypatch.setattr(beside._Other, "__init__", patient)
    for count in (1, 2):
        monkeypatch.setattr(beside, "available_cores", lambda count=count: count)
        made.append(experiments._make(asked, beta_positions(61), lambda fraction: None))
    assert len(shared) > 4 and all(shared)
    students = "student_log_weights", "student_means", "student_covariances", "switched"
    for name in (*students, "precision", "recall", "coverage", "kl"):
        assert np.array_equal(getattr(made[0], name), getattr(made[1], name)), name
