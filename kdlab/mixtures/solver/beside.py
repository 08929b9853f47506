"""Two things at once: a second Python process beside this one, for as long as a sweep is being made.

Threads gain nothing here: numpy's pieces take 50 to 200 microseconds each, and threads wait for each other in between.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, cast

__all__ = ["Both", "Task", "available_cores", "one_after_the_other", "second_process", "serve"]

Task = tuple[Callable[..., Any], tuple[Any, ...]]
Both = Callable[[Task, Task], tuple[Any, Any]]

_HELLO = b"ready\n"
# A process that does nothing else gives its memory back after every step and asks for it again: twice as slow (glibc).
_KEEP = {name: str(2**28) for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")}


def available_cores() -> int:
    """Cores that this process may use: what the system allows it, not what the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def one_after_the_other(here: Task, there: Task) -> tuple[Any, Any]:
    """Do two tasks in this process: what `second_process` gives where there is no second one.

    >>> one_after_the_other((abs, (-1,)), (max, (2, 3)))
    (1, 3)
    """
    return here[0](*here[1]), there[0](*there[1])


@contextmanager
def second_process() -> Iterator[Both]:
    """Give a function that does two tasks at once, the second in another process, which ends with the block.

    A task is ``(function, arguments)``; functions are found by their names, so they stand at the top of a module.
    Until it has started, in a third of a second, tasks are done one after the other; so they are on a single core,
    where no process can be started, and where it ends before its time. An error of either task is raised.
    """
    if available_cores() == 1:
        yield one_after_the_other
        return
    try:
        other = _Other()
    except OSError:  # no processes here, or no memory for one
        yield one_after_the_other
        return
    try:
        yield other.both
    finally:
        other.end()


class _Other:
    """The other process, as this one sees it."""

    def __init__(self) -> None:
        # Not multiprocessing: it would run a reader's script once more, where that script does not guard against it.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", "from kdlab.mixtures.solver.beside import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**_KEEP, **os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # Windows would open one
        )
        self._tasks = cast("IO[bytes]", self._process.stdin)
        self._results = cast("IO[bytes]", self._process.stdout)
        self._ready = threading.Event()
        self._listener = threading.Thread(target=self._wait_until_ready, daemon=True)
        self._listener.start()

    def _wait_until_ready(self) -> None:
        if self._results.read(len(_HELLO)) == _HELLO:
            self._ready.set()

    def both(self, here: Task, there: Task) -> tuple[Any, Any]:
        """Do ``here`` in this process and ``there`` in the other."""
        if not self._ready.is_set():
            return one_after_the_other(here, there)
        self._ready.clear()  # whatever goes wrong below, what the other process says next is of no use
        try:
            pickle.dump(there, self._tasks)
            self._tasks.flush()
        except OSError:  # it has ended
            return one_after_the_other(here, there)
        mine = here[0](*here[1])
        try:
            theirs, error = pickle.load(self._results)
        except (EOFError, OSError, pickle.UnpicklingError):  # it has ended meanwhile
            return mine, there[0](*there[1])
        self._ready.set()
        if error is not None:
            raise error
        return mine, theirs

    def end(self) -> None:
        """Stop the other process, whatever it does; nothing of it stays behind."""
        self._process.kill()
        self._process.wait()
        self._listener.join()
        self._results.close()
        with suppress(OSError):  # what was never sent
            self._tasks.close()


def serve() -> None:
    """Be the other process: read tasks, write what they give, until there is nobody to write them."""
    tasks, results = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # what a task prints must not get between its results
    results.write(_HELLO)
    results.flush()
    while True:
        try:
            function, arguments = pickle.load(tasks)
        except EOFError:
            return
        result, failure = None, None
        try:
            result = function(*arguments)
        except Exception as error:
            failure = error
        pickle.dump((result, failure), results)
        results.flush()
