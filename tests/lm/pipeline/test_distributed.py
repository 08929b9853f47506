"""Processes that wait for each other, for as long as they are told."""

import os
import socket
import time
from datetime import timedelta

import pytest
from support.small_run import forked

from kdlab.lm.pipeline import distributed


def meet(rank: int, port: int, patience: timedelta) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "RANK": str(rank)}
    distributed._PATIENCE = patience
    distributed.wait()
    time.sleep(3.0 * rank)  # the second has more to do
    try:
        distributed.wait()
    except RuntimeError as error:
        os._exit(3 if "timed out" in str(error).lower() else 4)
    os._exit(0)


@pytest.mark.parametrize(("patience", "first"), [(timedelta(seconds=1), 3), (distributed._PATIENCE, 0)])
def test_who_works_longer_is_waited_for_as_long_as_told(patience: timedelta, first: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [forked(meet, rank, port, patience) for rank in (0, 1)]
    for process in processes:
        process.join(60)
    assert processes[0].exitcode == first
    assert first or processes[1].exitcode == 0
