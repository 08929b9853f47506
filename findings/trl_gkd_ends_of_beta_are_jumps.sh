#!/bin/sh
# In TRL's GKD loss beta = 0 and beta = 1 are other scales than all between: from 0 to 0.001 the loss falls a thousandfold.
#
# Seen with trl 1.16.0 and torch 2.13.0. GKDTrainer.generalized_jsd_loss is beta KL(T || M) + (1 - beta) KL(S || M) with
# M = beta T + (1 - beta) S, which goes to 0 with beta; only divided by beta does it go to KL(T || S). At beta = 0 and 1
# the function returns these KLs themselves. So a sweep over beta compares learning rates that differ a thousandfold, and
# beta = 0.01 is not "almost forward KL" but almost no loss at all.
#
# What to do: compare betas between the ends with each other only, or divide by beta (1 - beta).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check trl==1.16.0 transformers==5.23.0 torch==2.13.0
"$folder/venv/bin/python" - 2>/dev/null <<'PYTHON'
import torch
from trl.experimental.gkd import GKDTrainer

rng = torch.Generator().manual_seed(0)
student, teacher = (2 * torch.randn(1, 50, 100, generator=rng, dtype=torch.float64) for _ in range(2))
s, t = (torch.log_softmax(one, -1) for one in (student, teacher))
forward, reverse = ((p.exp() * (p - q)).sum(-1).mean().item() for p, q in ((t, s), (s, t)))
labels = torch.zeros(1, 50, dtype=torch.long)
found = {
    beta: GKDTrainer.generalized_jsd_loss(student, teacher, labels, beta).item()
    for beta in (0, 0.001, 0.01, 0.5, 0.99, 0.999, 1)
}
for beta, loss in found.items():
    print(f"beta {beta:<6} loss {loss:10.6f}")
print(f"KL(T || S) {forward:.6f}, KL(S || T) {reverse:.6f}; at .001 divided by .001: {found[0.001] / 0.001:.6f}")
assert abs(found[0] - forward) < 1e-9 and abs(found[1] - reverse) < 1e-9
assert found[0] / found[0.001] > 1_000 and found[1] / found[0.999] > 1_000
assert abs(found[0.001] / 0.001 / forward - 1) < 0.1 and abs(found[0.999] / 0.001 / reverse - 1) < 0.1
PYTHON
