#!/bin/sh
# On a CPU, PyTorch's sum(dtype=torch.float64) of a float32 tensor first makes a float64 copy of all of it.
#
# Seen with torch 2.13.0 (CPU) and numpy 2.3.5. A wider dtype reads like a wider accumulator, and in numpy it is one:
# numpy.sum(dtype=float64) of 8 MB allocates little more than its result. In PyTorch the profiler shows
# aten::_to_copy and twice the tensor's own memory, for sum and mean alike, also along a last dimension of 64, where
# 64 float32 numbers could be summed and only the sums widened. Where a small language model writes and every token's
# shares are added up, that copy was a seventh of all the time.
#
# What to do: sum short blocks as they are, and widen what is left: x.sum(-1).double().cumsum(-1). The rounding of 64
# numbers stays far below that of what is summed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.3.5
"$folder/venv/bin/python" - <<'PYTHON'
import tracemalloc

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

torch.set_num_threads(1)
x = torch.rand(512, 64, 64)
own = x.numel() * x.element_size()


def taken(work):
    """The operations of one call, and the most bytes that one of them allocated."""
    work()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    found = seen.key_averages()
    return {one.key for one in found}, max(one.self_cpu_memory_usage for one in found)


print("torch", torch.__version__, "numpy", np.__version__, f"; the tensor has {own:,} bytes")
for name, work in {
    "sum": lambda: x.sum(-1, dtype=torch.float64),
    "mean": lambda: x.mean(-1, dtype=torch.float64),
}.items():
    operations, most = taken(work)
    print(f"{name} with dtype=float64: _to_copy {'aten::_to_copy' in operations}, at most {most:,} bytes at once")
    assert "aten::_to_copy" in operations and 2 * own <= most < 2 * own + 100

operations, most = taken(lambda: x.sum(-1).double())
print(f"sum, then double: at most {most:,} bytes at once")
assert most < own / 10

array = x.numpy()
tracemalloc.start()
array.sum(axis=-1, dtype=np.float64)
peak = tracemalloc.get_traced_memory()[1]
print(f"numpy's sum with dtype=float64: {peak:,} bytes")
assert peak < own / 10
PYTHON
