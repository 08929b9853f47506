"""Distillation at each token, with the teacher resident: kdlab's loop beside TRL's GKDTrainer, in one run.

    python benchmarks/objectives.py               writes objectives.json; installs trl 1.16.0 in a temporary folder
    python benchmarks/objectives.py --trl PYTHON  of an environment that has it

Both distil the 2M teacher of the preset cpu into its 0.4M student, in float32, on batches of 64 texts of 32 tokens (5
of the prompt), jsd (GKD's beta = 1/2). *Token*: on given texts. *On-policy*: on the student's own, new ones at every
step. In turn, each in a process of its own, three times; medians of tokens after the prompt per second, and of the
process's peak memory, beside what it had before its first step. First, on the same logits, the two losses themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
STEPS, REPEAT = 40, 3

COMMON = """
import json, resource, sys, tempfile, time, warnings
import numpy as np, torch
warnings.filterwarnings("ignore")
from transformers import LlamaConfig, LlamaForCausalLM
STEPS, MODE = int(sys.argv[1]), sys.argv[2]
V, LENGTH, PROMPT, BATCH = 4096, 32, 5, 64

def fresh(hidden, layers, heads, kv, ffn):
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=V, hidden_size=hidden, intermediate_size=ffn, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=kv, tie_word_embeddings=True, bos_token_id=2, eos_token_id=2, pad_token_id=2,
        max_position_embeddings=8192, attn_implementation="sdpa"))

student, teacher = fresh(64, 3, 2, 1, 176), fresh(128, 8, 4, 2, 352).eval()
with torch.no_grad():
    for w in teacher.parameters():
        if w.dim() > 1: w.mul_(4)
ids = np.random.default_rng(0).integers(3, V, (STEPS * BATCH, LENGTH))
ids[:, :PROMPT] = [5, 6, 7, 8, 9]
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
"""

OURS = (
    COMMON
    + """
from pathlib import Path
from kdlab.lm.pipeline.corpus import Sequences
from kdlab.lm.pipeline.objectives import Objective
from kdlab.lm.pipeline.training import Taught, TrainingSettings, Writes, train
data = Sequences(ids.astype(np.uint16), np.full(len(ids), LENGTH, np.uint16), PROMPT, 2)
writes = Writes(BATCH, ids[0, :PROMPT].tolist(), LENGTH, 2) if MODE == "on-policy" else None
settings = TrainingSettings(epochs=STEPS if writes else 1, batch=BATCH, keep="last")
before, started = peak(), time.perf_counter()
taught = Taught(teacher, Objective("jsd"), writes)
with tempfile.TemporaryDirectory() as folder:
    curve = train(student, data, settings, folder=Path(folder), seed=0, taught=taught)
print(json.dumps([curve.tokens / (time.perf_counter() - started), peak(), before]))
"""
)

THEIRS = (
    COMMON
    + """
import contextlib, io, os
os.environ["TOKENIZERS_PARALLELISM"] = "false"
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, TrainerCallback
from trl.experimental.gkd import GKDConfig, GKDTrainer
words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(V)}, unk_token="w0"))
words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="w2", pad_token="w2")
tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }} {% endfor %}"
say = lambda row: " ".join(f"w{i}" for i in row)
asked = lambda r: {"role": "user", "content": say(r[:PROMPT])}
rows = [{"messages": [asked(r), {"role": "assistant", "content": say(r[PROMPT:])}]} for r in ids]
written = []

class Counted(GKDTrainer):
    @staticmethod
    def generalized_jsd_loss(student_logits, teacher_logits, labels=None, *rest, **how):
        written.append(int((labels != -100).sum()))
        return GKDTrainer.generalized_jsd_loss(student_logits, teacher_logits, labels, *rest, **how)

class Clock(TrainerCallback):
    def on_train_begin(self, *a, **k): self.before, self.started = peak(), time.perf_counter()
    def on_train_end(self, *a, **k): self.seconds = time.perf_counter() - self.started

clock = Clock()
with tempfile.TemporaryDirectory() as folder:
    how = GKDConfig(
        output_dir=folder, per_device_train_batch_size=BATCH, max_steps=STEPS, beta=0.5, temperature=1.0,
        lmbda=1.0 if MODE == "on-policy" else 0.0, max_new_tokens=LENGTH - PROMPT, report_to=[], use_cpu=True,
        bf16=False, save_strategy="no", logging_steps=10**6, max_length=64, disable_tqdm=True,
        gradient_checkpointing=False, learning_rate=5e-4)
    with contextlib.redirect_stdout(io.StringIO()):
        Counted(
            student, teacher_model=teacher, args=how, train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer, callbacks=[clock]).train()
print(json.dumps([sum(written) / clock.seconds, peak(), clock.before]))
"""
)

AGREE = """
import json, torch
from trl.experimental.gkd import GKDTrainer
torch.manual_seed(0)
s, t = 2 * torch.randn(1, 40, 300), 2 * torch.randn(1, 40, 300)
labels = torch.zeros(1, 40, dtype=torch.long)
betas = {"forward": 0, "reverse": 1, "jsd": 0.5}
found = {name: GKDTrainer.generalized_jsd_loss(s, t, labels, beta).item() for name, beta in betas.items()}
print(json.dumps([found, s.tolist(), t.tolist()]))
"""


def child(python: str, code: str, *arguments: str) -> Any:
    """What a process prints at its end, as JSON."""
    asked = [python, "-c", code, *arguments]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=HERE.parent)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def agreement(trl: str) -> dict[str, float]:
    """The largest relative difference of the two losses on the same logits, by divergence."""
    import torch

    from kdlab.lm.pipeline.objectives import Objective

    theirs, student, teacher = child(trl, AGREE)
    own = {
        name: float(Objective(name).of(torch.tensor(student)[0], torch.tensor(teacher)[0]).mean()) for name in theirs
    }
    return {name: abs(own[name] / theirs[name] - 1) for name in theirs}


def measure(trl: str) -> dict[str, Any]:
    """Medians of both, in turn."""
    found: dict[str, Any] = {"agreement": agreement(trl), "threads": os.environ.get("OMP_NUM_THREADS", "default")}
    for mode in ("token", "on-policy"):
        each: dict[str, list[list[float]]] = {"kdlab": [], "trl": []}
        for _ in range(REPEAT):
            each["trl"].append(child(trl, THEIRS, str(STEPS), mode))
            each["kdlab"].append(child(sys.executable, OURS, str(STEPS), mode))
        medians = {who: [statistics.median(values) for values in zip(*runs, strict=True)] for who, runs in each.items()}
        (ours, our_peak, our_start), (theirs, their_peak, their_start) = medians["kdlab"], medians["trl"]
        found[mode] = {
            "tokens_per_second": {"kdlab": round(ours), "trl": round(theirs), "ratio": round(ours / theirs, 2)},
            "peak_mb": {"kdlab": round(our_peak), "trl": round(their_peak), "ratio": round(our_peak / their_peak, 2)},
            "above_start_mb": {"kdlab": round(our_peak - our_start), "trl": round(their_peak - their_start)},
        }
        print(mode, json.dumps(found[mode]), flush=True)
    return found


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trl", help="a Python that has trl 1.16.0")
    trl = parser.parse_args().trl
    with tempfile.TemporaryDirectory() as folder:
        if trl is None:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            trl = f"{folder}/bin/python"
            pinned = ["trl==1.16.0", "transformers==5.23.0", "torch==2.13.0"]
            subprocess.run([trl, "-m", "pip", "install", "--quiet", *pinned], check=True)
        found = measure(trl)
    print(json.dumps(found["agreement"]))
    (HERE / "objectives.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
