"""Several things at once, on threads: numpy lets go of Python while it computes, so two cores take half the time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

__all__ = ["Each", "available_cores", "on_all_cores"]

_In = TypeVar("_In")
_Out = TypeVar("_Out")

_MOST = 4  # threads: beyond, what cores share (memory, Python) is what is waited for


class Each(Protocol):
    """What the built-in ``map`` does: call a function on each item, and give the results in the items' order."""

    def __call__(self, function: Callable[[_In], _Out], items: Iterable[_In], /) -> Iterable[_Out]:
        """Call ``function`` on each of ``items``."""


def available_cores() -> int:
    """Cores that this process may use: what the system allows it, not what the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def on_all_cores() -> Iterator[Each]:
    """Give a ``map`` that works on several items at once, up to four; its threads end with the block.

    With more than one core the work begins at once and the caller may do its own meanwhile. Results do not depend on
    how many there are; an error of any item is raised where its result is read.

    >>> with on_all_cores() as each:
    ...     list(each(abs, [-1, 2, -3]))
    [1, 2, 3]
    """
    threads = min(_MOST, available_cores())
    if threads == 1:
        yield map
        return
    from concurrent.futures import ThreadPoolExecutor  # brings logging: not before somebody needs it

    with ThreadPoolExecutor(threads, thread_name_prefix="kdlab") as pool:
        yield pool.map
