#!/bin/sh
# A BPE of tokenizers leaves out what it does not know, silently, and joins what stood on both sides of it.
#
# Seen with tokenizers 0.23.3. models.BPE without an unk_token gives no token and no error for a character that is not
# in its vocabulary; and the merges run over the place as if nothing had been there: with the merge "a b", "axb" becomes
# the one token "ab". SmolLM2's own tokenizer is such a one: it has no token for 21 of the 256 bytes, so a text with a
# control character in it is scored as another text. A vocabulary that is cut to its most used tokens meets this often.
#
# What to do: encode, decode, and compare with the text; or cut the text at what is unknown before it is encoded.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check tokenizers==0.23.3
"$folder/venv/bin/python" - <<'PYTHON'
from tokenizers import Tokenizer, models

bare = Tokenizer(models.BPE(vocab={"a": 0, "b": 1, "ab": 2}, merges=[("a", "b")]))
marked = Tokenizer(models.BPE(vocab={"a": 0, "b": 1, "ab": 2, "?": 3}, merges=[("a", "b")], unk_token="?"))
for name, one in (("without unk_token", bare), ("with one", marked)):
    found = one.encode("axb")
    print(f"{name}: {found.tokens}, from the places {found.offsets}")
assert bare.encode("axb").tokens == bare.encode("ab").tokens == ["ab"]
assert marked.encode("axb").tokens == ["a", "?", "b"]
PYTHON
