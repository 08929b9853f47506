#!/bin/sh
# TRL's loss on a teacher's likeliest logits can be 0 for a student that puts half of its mass elsewhere.
#
# Seen with trl 1.16.0 and torch 2.13.0. ServerDistillationTrainer gets the teacher's top-k log-probabilities. With
# loss_add_tail=False it makes both, teacher and student, whole over these k before it compares them. So only the shape
# within the k is learned: here a student agrees with the teacher on its likeliest 100 of 1,000 tokens but for a factor,
# has half of its mass on the other 900, where the teacher has a millionth, and its loss is 0; so is its gradient.
# With the tail (the default) the loss is the log of 2.
#
# What to do: keep the tail; or make the teacher alone whole, which leaves the student to pay for what it says elsewhere.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check trl==1.16.0 transformers==5.23.0 torch==2.13.0
"$folder/venv/bin/python" - 2>/dev/null <<'PYTHON'
from functools import partial
from types import SimpleNamespace

import torch
from trl.experimental.server_distillation.server_distillation_trainer import ServerDistillationTrainer as Trainer

K, V = 100, 1_000
rng = torch.Generator().manual_seed(0)
shape = torch.log_softmax(torch.randn(K, generator=rng, dtype=torch.float64), 0)
teacher_top = shape + torch.log1p(torch.tensor(-1e-6, dtype=torch.float64))
student = torch.full((V,), 0.5 / (V - K), dtype=torch.float64).log()
student[:K] = shape + torch.tensor(0.5, dtype=torch.float64).log()
logits = student.view(1, 1, V).clone().requires_grad_()
answer = {"topk_logprobs": teacher_top.view(1, 1, K), "topk_token_ids": torch.arange(K).view(1, 1, K)}
print(f"student: {logits.detach().exp()[0, 0, :K].sum():.3f} of its mass on the teacher's {K} likeliest tokens")
found = {}
for tail in (False, True):
    self = SimpleNamespace(loss_add_tail=tail)
    for name in ("_reduce_divergence_loss",):
        method = getattr(Trainer, name)
        setattr(self, name, method if isinstance(Trainer.__dict__.get(name), staticmethod) else partial(method, self))
    loss = Trainer._compute_server_forward_kl_loss(self, answer, torch.log_softmax(logits, -1), torch.zeros(1, 1))
    (slope,) = torch.autograd.grad(loss, logits)
    found[tail] = loss.item(), slope.abs().max().item()
    print(f"loss_add_tail={tail}: loss {loss.item():.6f} nats, largest slope {slope.abs().max().item():.6f}")
assert abs(found[False][0]) < 1e-9 and found[False][1] < 1e-9
assert abs(found[True][0] - 0.6931) < 1e-3 and found[True][1] > 0.01
PYTHON
