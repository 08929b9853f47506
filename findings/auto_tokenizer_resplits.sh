#!/bin/sh
# AutoTokenizer may split words in another way than the tokenizer.json it loads, for the model's kind.
#
# Seen with transformers 5.23.0 and tokenizers 0.23.3. A byte-level BPE tokenizer, saved by save_pretrained with the
# class "TokenizersBackend" (no class of its own), reads "in 2026" as two tokens. In a folder whose config.json says
# "qwen2" AutoTokenizer loads the same files as Qwen2Tokenizer, which puts its own pre-tokenizer in their place: digits
# one by one, six tokens. With "llama" or "gpt2" in config.json the files are kept as they are. Nothing is said, ids
# stay valid, decoding gives the text back, and log-probabilities are those of a spelling the model never saw.
#
# What to do: where tokenizer_config.json names no class of its own, load PreTrainedTokenizerFast.from_pretrained.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check transformers==5.23.0 tokenizers==0.23.3
cd "$folder"
"$folder/venv/bin/python" - 2>/dev/null <<'PYTHON'
import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

own = Tokenizer(models.BPE())
own.pre_tokenizer, own.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
letters = pre_tokenizers.ByteLevel.alphabet()
trainer = trainers.BpeTrainer(vocab_size=270, special_tokens=["<end>"], initial_alphabet=letters, show_progress=False)
own.train_from_iterator(["in 2026 as in 2026"] * 50, trainer)
PreTrainedTokenizerFast(tokenizer_object=own, eos_token="<end>").save_pretrained("model")
told = json.loads(Path("model/tokenizer_config.json").read_text())["tokenizer_class"]
print("tokenizer_config.json says", told)
seen = {}
for kind in ("llama", "gpt2", "qwen2"):
    Path("model/config.json").write_text(json.dumps({"model_type": kind}))
    found = AutoTokenizer.from_pretrained("model")
    ids = found.encode("in 2026")
    seen[kind] = type(found).__name__, len(ids), found.decode(ids)
    print(f"{kind:6s} {seen[kind][0]:20s} {seen[kind][1]} tokens: {[found.decode([i]) for i in ids]}")
plain = len(own.encode("in 2026").ids)
again = len(PreTrainedTokenizerFast.from_pretrained("model").encode("in 2026"))
print("tokenizer.json itself:", plain, "tokens; PreTrainedTokenizerFast:", again)
assert told == "TokenizersBackend"
assert seen == {
    "llama": ("TokenizersBackend", 2, "in 2026"),
    "gpt2": ("TokenizersBackend", 2, "in 2026"),
    "qwen2": ("Qwen2Tokenizer", 6, "in 2026"),
}, seen
assert plain == again == 2
PYTHON
