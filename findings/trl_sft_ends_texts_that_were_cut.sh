#!/bin/sh
# SFTTrainer of TRL puts an end token after every text it is given, and trains on it, also where the text had been cut.
#
# Seen with trl 1.16.0, transformers 5.23.0, torch 2.13.0. Texts that a teacher wrote under a limit of new tokens mostly
# stop because of the limit. Given as a column "text" (or "prompt" and "completion") each gets the tokenizer's end token,
# and its label counts: so a student of sampled texts learns that the teacher ends where the sampler stopped. Here 64
# texts of 12 letters each were cut, none ended; after training the student ends texts after 12 letters.
#
# What to do: give token ids ("input_ids"), with an end only where the teacher wrote one.
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
from trl import SFTConfig, SFTTrainer

letters = sorted(pre_tokenizers.ByteLevel.alphabet())
own = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(["<end>", *letters])}, merges=[]))
own.pre_tokenizer, own.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=own, eos_token="<end>", pad_token="<end>")
torch.manual_seed(0)
student = LlamaForCausalLM(LlamaConfig(
    vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
    num_key_value_heads=2, bos_token_id=0, eos_token_id=0, pad_token_id=0,
))
cut = ["abcdefghijkl"] * 64  # twelve letters of texts that would have gone on
how = SFTConfig(
    output_dir="out", per_device_train_batch_size=16, max_steps=100, learning_rate=1e-2, report_to=[], use_cpu=True,
    bf16=False, save_strategy="no", max_length=64, disable_tqdm=True, logging_strategy="no",
)
trainer = SFTTrainer(student, args=how, train_dataset=Dataset.from_dict({"text": cut}), processing_class=tokenizer)
row = trainer.train_dataset[0]["input_ids"]
batch = trainer.data_collator([trainer.train_dataset[0]])
trainer.train()
with torch.no_grad():
    after = student.eval()(torch.tensor([row[:12]])).logits[0, -1].softmax(-1)[0].item()
print(f"a text of 12 letters has {len(row)} tokens, the last of them {tokenizer.decode(row[-1:])!r}")
print(f"its last label is {batch['labels'][0, -1].item()}; after 100 steps the student ends there with p = {after:.2f}")
assert len(row) == 13 and row[-1] == 0 and batch["labels"][0, -1].item() == 0
assert after > 0.9
PYTHON
