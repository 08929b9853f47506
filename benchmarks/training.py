"""Training throughput: kdlab's loop beside transformers' Trainer, on the same model and the same sequences.

    python benchmarks/training.py             the student and the teacher of the cpu preset; writes training.json
    python benchmarks/training.py --steps 20  shorter, and writes nothing

Both train in float32 with AdamW on batches of 64 sequences of 32 tokens, prompt masked, on as many threads as torch
is given (OMP_NUM_THREADS). In turn, three times each; medians, tokens after the prompt per second. Trainer gets what
it wants: a list of ready tensors, no padding to do, no evaluation, no checkpoints, no logging but the last.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers import LlamaForCausalLM, Trainer, TrainingArguments

from kdlab.lm.pipeline.corpus import Sequences, generator
from kdlab.lm.pipeline.model import new_model
from kdlab.lm.pipeline.training import TrainingSettings, train
from kdlab.lm.sizes import size_named

HERE = Path(__file__).resolve().parent
RUNGS = ("0.4M", "2M")
VOCABULARY, LENGTH, PROMPT, BATCH, REPEAT = 4096, 32, 5, 64, 3


def sequences(n: int) -> Sequences:
    """Random ids: speed does not ask what they say."""
    ids = np.random.default_rng(0).integers(0, VOCABULARY, (n, LENGTH)).astype(np.uint16)
    return Sequences(ids, np.full(n, LENGTH, np.uint16), prompt=PROMPT, eos=2)


def fresh(rung: str) -> LlamaForCausalLM:
    """Make the same model every time."""
    return new_model(size_named(rung), VOCABULARY, eos=2, rng=generator(0, rung))


def ours(rung: str, data: Sequences) -> float:
    """Seconds that kdlab's loop takes."""
    model = fresh(rung)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        train(model, data, TrainingSettings(batch=BATCH), folder=Path(folder), seed=0)
        return time.perf_counter() - started


def theirs(rung: str, data: Sequences) -> float:
    """Seconds that Trainer takes."""
    ids = torch.from_numpy(data.ids.astype(np.int64))
    labels = ids.clone()
    labels[:, :PROMPT] = -100
    rows: Any = [{"input_ids": row, "labels": label} for row, label in zip(ids, labels, strict=True)]
    model = fresh(rung)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            per_device_train_batch_size=BATCH,
            num_train_epochs=1,
            learning_rate=5e-4,
            adam_beta2=0.95,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            logging_strategy="no",
        )
        trainer = Trainer(model=model, args=arguments, train_dataset=rows)
        started = time.perf_counter()
        trainer.train()
        return time.perf_counter() - started


def main() -> None:
    """Measure in turn, print, and write the results down unless the run was short."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=100)
    steps = parser.parse_args().steps
    data, results = sequences(steps * BATCH), {}
    for rung in RUNGS:
        times: dict[str, list[float]] = {"kdlab": [], "Trainer": []}
        ours(rung, data[: 5 * BATCH]), theirs(rung, data[: 5 * BATCH])  # warm-up
        for _ in range(REPEAT):
            times["kdlab"].append(ours(rung, data))
            times["Trainer"].append(theirs(rung, data))
        rates = {name: data.n_tokens / statistics.median(values) for name, values in times.items()}
        results[rung] = rates | {"ratio": rates["kdlab"] / rates["Trainer"]}
        print(f"{rung}: kdlab {rates['kdlab']:,.0f} tokens/s, Trainer {rates['Trainer']:,.0f}", flush=True)
    if steps >= 100:
        machine = {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()}
        about = {
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "threads": torch.get_num_threads(),
        }
        told = {"results": results, "steps": steps} | machine | about
        (HERE / "training.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
