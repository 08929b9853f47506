#!/bin/sh
# On-policy GKD in TRL divides its loss by the number of tokens of references that were thrown away.
#
# Seen with trl 1.16.0, transformers 5.23.0, torch 2.13.0. With lmbda = 1 GKDTrainer replaces each batch's texts by texts
# that the student has just written, and its loss is their summed divergence over `num_items_in_batch`; but transformers'
# Trainer has counted that before, on the references. Here eight references of 14 tokens (112) meet eight texts of up to
# 64 new tokens: the reported loss is the mean over the texts' own tokens times their number over 112, four times too
# large. So the step, and the weight beside other losses, hang on how long references are that are never read.
#
# What to do: divide by the tokens that the student wrote (return the mean where num_items_in_batch is not of these).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    trl==1.16.0 transformers==5.23.0 torch==2.13.0 tokenizers==0.23.3
cd "$folder"
"$folder/venv/bin/python" - 2>/dev/null <<'PYTHON'
import torch
from datasets import Dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl.experimental.gkd import GKDConfig, GKDTrainer

letters = sorted(pre_tokenizers.ByteLevel.alphabet())
own = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(["<end>", *letters])}, merges=[]))
own.pre_tokenizer, own.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=own, eos_token="<end>", pad_token="<end>")
tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"


def model(seed):
    shape = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, bos_token_id=0, eos_token_id=0, pad_token_id=0,
    )
    torch.manual_seed(seed)
    return LlamaForCausalLM(shape)


seen = []


class Watched(GKDTrainer):
    @staticmethod
    def generalized_jsd_loss(student_logits, teacher_logits, labels=None, beta=0.5, temperature=1.0,
                             reduction="batchmean", num_items_in_batch=None):
        asked = student_logits, teacher_logits, labels, beta, temperature, reduction
        loss = GKDTrainer.generalized_jsd_loss(*asked, num_items_in_batch)
        mean = GKDTrainer.generalized_jsd_loss(*asked)
        seen.append((loss.item(), mean.item(), int((labels != -100).sum()), int(num_items_in_batch)))
        return loss


asked = {"role": "user", "content": "Say something. "}
rows = [{"messages": [asked, {"role": "assistant", "content": "a short answer"}]}] * 8
how = GKDConfig(
    output_dir="out", per_device_train_batch_size=8, max_steps=1, lmbda=1.0, beta=0.5, max_new_tokens=64,
    report_to=[], use_cpu=True, bf16=False, save_strategy="no", max_length=256, disable_tqdm=True,
)
Watched(model(0), teacher_model=model(1), args=how, train_dataset=Dataset.from_list(rows), processing_class=tokenizer).train()
((loss, mean, written, counted),) = seen
print(f"tokens of the references {counted}, tokens that were written and learned on {written}")
print(f"loss {loss:.6f}, mean over the written tokens {mean:.6f}: {loss / mean:.2f} times")
assert counted == 8 * 14 and written > 2 * counted
assert abs(loss / mean - written / counted) < 1e-3
PYTHON
