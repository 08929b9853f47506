"""Which process this is, of how many: torchrun's environment, and one process where there is none."""

import os
from datetime import timedelta

import torch
import torch.distributed as dist

# Processes meet after each piece of work of the slowest: the largest shard, or all students' scores. PyTorch would give
# up after ten minutes on GPUs. A process that dies need not be waited for: torchrun ends the others.
_PATIENCE = timedelta(days=2)


def join() -> None:
    """Take part in the group that torchrun announces in the environment; nothing to do for one process alone."""
    if world() > 1 and not dist.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=_PATIENCE)


def rank() -> int:
    """This process's number, from 0."""
    return int(os.environ.get("RANK", "0"))


def world() -> int:
    """How many processes work together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def first() -> bool:
    """Whether this is the process that speaks for all."""
    return rank() == 0


def mine(index: int) -> bool:
    """Whether this process makes item ``index``; every item belongs to one process."""
    return index % world() == rank()


def wait() -> None:
    """Go on when all processes are here."""
    if world() > 1:
        join()
        dist.barrier()


def device() -> torch.device:
    """The GPU of this process, or the CPU."""
    if torch.cuda.is_available():
        # cuDNN's attention makes a plan for every new size of batch and length, and texts come in hundreds of sizes.
        torch.backends.cuda.enable_cudnn_sdp(False)
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")
