"""The page's language models (llama.js) beside PyTorch's: the same logits, the same chance, and damaged files told."""

import base64
import json
import os
import shutil
import subprocess
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import playwright
import pytest
from safetensors.numpy import save
from support.torch_side import torch

from kdlab.core.files import PACKAGE
from kdlab.lm.folder import recorded_folder
from kdlab.lm.pipeline.model import new_model
from kdlab.lm.pipeline.training import load_weights
from kdlab.lm.sizes import size_named

WEIGHTS, TEXTS = recorded_folder() / "cpu/weights", recorded_folder() / "cpu/corpus/evaluation/shard-00000.npz"
MODELS = {"direct": "0.4M", "tau-1": "0.4M", "tau-0.9": "0.4M", "tau-0.8": "0.4M", "tau-0.6": "0.4M", "teacher": "2M"}
VOCABULARY, SAID = 4096, "123456789"
# The page sums in float64, PyTorch in float32, to 6e-8 of what it adds: after some layers of sums of about 100 numbers,
# 1e-5 of logits that reach 20. Another theta, a wrong turn or another head's keys move the teacher's by tenths, and an
# eps that is a tenth too large by 4e-4.
NEAR = 1e-4
# Playwright brings a Node of its own.
NODE = shutil.which(
    "node", path=os.pathsep.join([str(Path(playwright.__file__).parent / "driver"), os.environ["PATH"]])
)
# As in a worker: the function's text alone, and whatever it needs besides would be missing.
PROGRAM = """
const { readFileSync, writeFileSync } = require("fs");
const job = JSON.parse(readFileSync(0, "utf-8"));
const lm = (0, eval)(`(${new Function(`${job.source}\\nreturn String(makeLlama)`)()})`)();
const file = (text) => Uint8Array.from(Buffer.from(text, "base64")).buffer;
const bytes = (path) => new Uint8Array(readFileSync(path));
const stored = (name) => bytes(`${job.folder}/${name}.safetensors`);
const load = (name) => lm.makeModel(lm.readWeights(stored(name).buffer), job.models[name].shape);
const reason = (act) => { try { act(); return ""; } catch (error) { return error.message; } };
const models = Object.fromEntries(Object.keys(job.models).map((name) => [name, load(name)]));

for (const [name, { prefixes, out }] of Object.entries(job.models)) {
  const logits = new Float64Array(prefixes.length * models[name].vocabulary);
  prefixes.forEach((ids, i) => logits.set(lm.begin(models[name], ids, 1).logits, i * models[name].vocabulary));
  writeFileSync(out, logits);
}

/** Rows step by step, one of which ends after the other, against each row read anew: the largest difference. */
function apart(model, { prompt, rows }, steps) {
  const state = lm.begin(model, prompt, rows.length);
  let most = 0;
  for (let t = 0; t < steps; t += 1) {
    const alive = [...rows.keys()].filter((row) => row === 0 || t < 6 * row);
    lm.step(state, rows.map((row) => row[t]), alive.length === rows.length ? undefined : alive);
    for (const row of alive) {
      const anew = lm.begin(model, [...prompt, ...rows[row].slice(0, t + 1)], 1).logits;
      const own = state.logits.subarray(row * model.vocabulary);
      anew.forEach((logit, i) => { most = Math.max(most, Math.abs(logit - own[i])); });
    }
  }
  return most;
}

const weights = lm.readWeights(stored("direct").buffer);
const without = (name) => ({ ...weights, [name]: undefined });
const { shape } = job.models.direct;
const full = lm.begin(models.direct, Array(32).fill(1), 2);
process.stdout.write(JSON.stringify({
  apart: [apart(models.direct, job.texts, 27), apart(models.teacher, job.texts, 4)],
  checksums: [new TextEncoder().encode(job.said), stored("direct")].map(lm.checksum),
  stored: ["half", "single"].map((name) => [...lm.readWeights(file(job.stored))[name].values]),
  uniform: job.places.map((place) => lm.uniform(...place)),
  chosen: job.us.map((u) => lm.choose(job.logits, 3, job.logits.length - 3, u)),
  likeliest: lm.likeliest(job.logits, 3, job.logits.length - 3, 12),
  damaged: job.damaged.map((text) => reason(() => lm.readWeights(file(text)))),
  refused: [
    () => lm.makeModel(without("model.layers.2.mlp.up_proj.weight"), shape),
    () => lm.makeModel(weights, { ...shape, kvHeads: 2 }),
    () => lm.begin(models.direct, [], 1),
    () => lm.begin(models.direct, [5, 4096], 1),
    () => lm.step(full, [1, 1]),
  ].map(reason),
}));
"""


def shape(size: str) -> dict[str, Any]:
    rung = size_named(size)
    heads = {"heads": rung.heads, "kvHeads": rung.kv_heads}
    return {"layers": rung.layers, **heads, "theta": rung.rope_theta, "eps": 1e-5, "length": 32}


def prefixes(name: str) -> list[list[int]]:
    """100 of any tokens, 100 that p* has written, of 1 to 31 tokens each; a fifth of them for most students."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 32, 200)
    lengths[:2] = 1, 31
    with np.load(TEXTS) as texts:
        rows = np.concatenate([rng.integers(0, VOCABULARY, (100, 31)), texts["ids"][:100, :31].astype(int)])
    every = [row[:length].tolist() for row, length in zip(rows, lengths, strict=True)]
    return every if name in ("direct", "teacher") else every[::5]


def texts() -> dict[str, Any]:
    rows = np.random.default_rng(1).integers(0, VOCABULARY, (5, 27))
    return {"prompt": [1315, 663, 9, 89, 962], "rows": rows.tolist()}


def halves() -> np.ndarray:
    """Every finite float16, subnormal ones too."""
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    return every[np.isfinite(every)]


def damaged_files() -> dict[str, bytes]:
    """Files that are none, and what the sentence about each must say."""
    whole = (WEIGHTS / "direct.safetensors").read_bytes()
    header = whole[: whole.index(b"}}") + 2]
    return {
        "no safetensors file": b"<!doctype html><title>404</title>",
        "it is no safetensors file. Get": b"",
        "cut after 90 bytes, within its header": whole[:90],
        "cut after 700000 bytes, within model.layers.": whole[:700_000],
        "embed_tokens.weight is stored as I16, not as F16": whole.replace(b'"F16"', b'"I16"'),
        "its header is no JSON": whole.replace(b'"dtype"', b"'dtype'"),
        "bytes that its shape asks for": header.replace(b"[4096,64]", b"[4095,64]") + whole[len(header) :],
        "w holds nan or infinity": save({"w": np.array([1, np.inf], np.float16)}),
    }


def places() -> np.ndarray:
    """Seed, row and position, as in the texts of 40 seeds; and integers at the ends of 32 bits."""
    grid = np.stack(np.meshgrid(np.arange(40), np.arange(12), np.arange(30), indexing="ij"), -1).reshape(-1, 3)
    return np.concatenate([grid, [[2**32 - 1, 11, 31], [2**31, 0, 0], [0x61C88647, 0, 0]]])


def logits() -> np.ndarray:
    """Large ones, of which the first three are not asked about, the next has no share, and two are equal."""
    drawn = np.random.default_rng(2).normal(1000, 3, VOCABULARY)
    drawn[3], drawn[100] = -1000, drawn[200]
    return np.concatenate([[5000.0] * 3, drawn[3:]])


def us() -> np.ndarray:
    return np.concatenate([[0, 1 - 2.0**-32], np.random.default_rng(3).random(300)])


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page says to all that is asked here, in one process."""
    folder = tmp_path_factory.mktemp("logits")
    text = lambda raw: base64.b64encode(raw).decode()  # noqa: E731
    stored = save({"half": halves(), "single": np.array([1 / 3, -1e30], np.float32)})
    job = {
        "source": (PACKAGE / "lm" / "llama.js").read_text("utf-8"), "folder": str(WEIGHTS), "texts": texts(),
        "models": {
            name: {"shape": shape(size), "prefixes": prefixes(name), "out": str(folder / name)}
            for name, size in MODELS.items()
        },
        "said": SAID, "stored": text(stored), "places": places().tolist(), "logits": logits().tolist(),
        "us": us().tolist(), "damaged": [text(file) for file in damaged_files().values()],
    }  # fmt: skip
    assert NODE is not None
    done = subprocess.run([NODE, "-e", PROGRAM], input=json.dumps(job), capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers | {"folder": folder}


@torch.inference_mode()
def own_logits(name: str) -> np.ndarray:
    """(N, V) of PyTorch in float32: all prefixes as one batch, the logits where each ends."""
    model = new_model(size_named(MODELS[name]), VOCABULARY, eos=0, rng=torch.Generator().manual_seed(0))
    load_weights(model, WEIGHTS / f"{name}.safetensors")
    rows = [torch.tensor(prefix) for prefix in prefixes(name)]
    ends = torch.tensor([len(row) - 1 for row in rows])
    states = model.model(torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)).last_hidden_state
    return np.asarray(model.lm_head(states[torch.arange(len(rows)), ends]).numpy())  # an end does not see what follows


@pytest.mark.parametrize("name", MODELS)
def test_logits_are_pytorchs(told: dict[str, Any], name: str) -> None:
    own = own_logits(name)
    page = np.fromfile(told["folder"] / name).reshape(own.shape)
    print(f"{name}: {np.abs(page - own).max():.1e} at most, where logits have a deviation of {own.std():.1f}")
    assert own.std() > 1
    np.testing.assert_allclose(page, own, rtol=0, atol=NEAR)


def test_rows_step_by_step_are_rows_read_anew(told: dict[str, Any]) -> None:
    """To the last bit: a row's sums have the same order, however many rows there are."""
    assert told["apart"] == [0, 0]


def test_weights_are_read_exactly(told: dict[str, Any]) -> None:
    half, single = told["stored"]
    np.testing.assert_array_equal(half, halves())
    np.testing.assert_array_equal(single, np.array([1 / 3, -1e30], np.float32).astype(float))


def test_a_checksum_is_zlibs(told: dict[str, Any]) -> None:
    files = [SAID.encode(), (WEIGHTS / "direct.safetensors").read_bytes()]
    assert told["checksums"] == [zlib.crc32(file) for file in files]


def mixed(x: int) -> int:
    x = ((x ^ (x >> 16)) * 0x7FEB352D) % 2**32
    x = ((x ^ (x >> 15)) * 0x846CA68B) % 2**32
    return x ^ (x >> 16)


def uniform(seed: int, row: int, position: int) -> float:
    """The page's numbers in Python, whose integers have no end."""
    return mixed((mixed((mixed((seed + 0x9E3779B9) % 2**32) + row) % 2**32) + position) % 2**32) / 2**32


def test_chance_is_the_same_in_python_and_uniform(told: dict[str, Any]) -> None:
    """Four standard errors each: of a mean, of 63 degrees of freedom, and of a correlation of neighbours."""
    assert told["uniform"] == [uniform(*place) for place in places().tolist()]
    numbers = np.array(told["uniform"][:-3])
    assert numbers.min() >= 0 and numbers.max() < 1 and len(set(numbers)) > 0.999 * len(numbers)
    assert abs(numbers.mean() - 0.5) < 4 / np.sqrt(12 * len(numbers))
    counts = np.histogram(numbers, 64, (0, 1))[0]
    square = ((counts - len(numbers) / 64) ** 2).sum() / (len(numbers) / 64)
    assert abs(square - 63) < 4 * np.sqrt(2 * 63)
    cube = numbers.reshape(40, 12, 30) - 0.5
    for ones, others in ((cube[1:], cube[:-1]), (cube[:, 1:], cube[:, :-1]), (cube[..., 1:], cube[..., :-1])):
        assert abs((12 * ones * others).mean()) < 4 / np.sqrt(ones.size)


def test_a_token_is_where_the_number_falls(told: dict[str, Any]) -> None:
    shares = np.exp(logits()[3:] - logits()[3:].max())
    upto = shares.cumsum()
    assert told["chosen"] == np.searchsorted(upto, us() * upto[-1], side="right").tolist()
    assert told["chosen"][0] == 1 and len(set(told["chosen"])) > 100  # the first token has no share


def test_the_likeliest_come_in_order(told: dict[str, Any]) -> None:
    shares = np.exp(logits()[3:] - logits()[3:].max())
    tokens = np.argsort(-shares, kind="stable")[:12]
    assert [token for token, _ in told["likeliest"]] == tokens.tolist()
    np.testing.assert_allclose([share for _, share in told["likeliest"]], shares[tokens] / shares.sum(), rtol=1e-12)


def test_what_is_wrong_with_a_file_is_said(told: dict[str, Any]) -> None:
    for words, said in zip(damaged_files(), told["damaged"], strict=True):
        assert said.startswith("The file of weights is damaged: ") and words in said, (words, said)


def test_what_no_model_can_do_is_said(told: dict[str, Any]) -> None:
    lacks, differs, empty, outside, full = told["refused"]
    assert lacks == "The weights lack model.layers.2.mlp.up_proj.weight: they are of another model."
    assert differs == "model.layers.0.self_attn.k_proj.weight is 32 x 64, not 64 x 64: it is of another model."
    assert empty == "The prompt has 0 tokens: give 1 to 32."
    assert outside == "Token 4096 is none of the model's: choose from 0 to 4095."
    assert full == "The texts have 32 tokens, and there is no room for more."
