#!/bin/sh
# A mean that is returned from compute_loss is added, not averaged, over gradient accumulation steps.
#
# Seen with transformers 5.23.0 and torch 2.13.0. Trainer divides a loss by the number of accumulation steps only where
# the model does not take `num_items_in_batch`. Most causal models take it; then Trainer leaves the loss alone, as the
# model's own would be a sum over the whole batch's tokens. A subclass that overrides compute_loss, as distillation does,
# and returns a mean of its own gets the gradient times the number of steps: here 8 texts at once, and as 4 times 2, give
# the same loss of a model's own, and a gradient four times as large with a mean of ours.
#
# What to do: divide by num_items_in_batch, which compute_loss is given; or set model_accepts_loss_kwargs = False.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    transformers==5.23.0 torch==2.13.0 accelerate==1.15.0
cd "$folder"
"$folder/venv/bin/python" - 2>/dev/null <<'PYTHON'
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

shape = dict(vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2)
rng = torch.Generator().manual_seed(0)
texts = [{"input_ids": ids, "labels": ids} for ids in torch.randint(0, 50, (8, 12), generator=rng)]


class Mean(Trainer):
    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        logits = model(input_ids=inputs["input_ids"]).logits[:, :-1]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), inputs["labels"][:, 1:].flatten())
        return (loss, None) if return_outputs else loss


def norm(kind, batch, steps):
    torch.manual_seed(0)
    how = TrainingArguments(
        "out", per_device_train_batch_size=batch, gradient_accumulation_steps=steps, max_steps=1, logging_steps=1,
        report_to=[], use_cpu=True, save_strategy="no", max_grad_norm=1e9, disable_tqdm=True, seed=0,
    )
    trainer = kind(LlamaForCausalLM(LlamaConfig(**shape, num_key_value_heads=2)), how, train_dataset=texts)
    trainer.train()
    return float(trainer.state.log_history[0]["grad_norm"])


own = norm(Trainer, 8, 1), norm(Trainer, 2, 4)
mean = norm(Mean, 8, 1), norm(Mean, 2, 4)
print(f"the model's own loss: gradient's norm {own[0]:.4f} of 8 at once, {own[1]:.4f} of 4 x 2")
print(f"a mean of ours:       gradient's norm {mean[0]:.4f} of 8 at once, {mean[1]:.4f} of 4 x 2")
assert abs(own[1] / own[0] - 1) < 0.01
assert abs(mean[1] / mean[0] - 4) < 0.05
PYTHON
