"""What notebooks/record.py computes, beside slower ways, and that a part alone makes the file that all would."""

import json
from pathlib import Path

import numpy as np
import pytest
import record
from support.torch_side import torch
from transformers import GenerationConfig, TopKLogitsWarper, TopPLogitsWarper

from kdlab.lm.pipeline.truth import load_truth


def entropy(p: np.ndarray) -> float:
    return float(-(p[p > 0] * np.log(p[p > 0])).sum())


def test_cuts_are_those_of_transformers_and_temperatures_those_of_their_definition() -> None:
    logits = 2 * torch.randn(5, 300, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    said = [int(row.argsort(descending=True)[place]) for row, place in zip(logits, (0, 3, 49, 50, 8), strict=True)]
    found = record.samplers(torch.log_softmax(logits, dim=-1), said)
    for i, warper in enumerate((TopKLogitsWarper(record.TOP_K), TopPLogitsWarper(record.TOP_P))):
        left, p = torch.softmax(warper(None, logits), dim=-1).numpy(), torch.softmax(logits, dim=-1).numpy()
        assert found["cut"][i] == pytest.approx(sum(map(entropy, left)))
        assert found["kept"][i] == (left > 0).sum()
        assert found["mass"][i] == pytest.approx(p[left == 0].sum())
        assert found["inside"][i] == all(row[token] > 0 for row, token in zip(left, said, strict=True))
    assert not found["inside"][0]  # the fourth token is the 51st
    for tau, tempered, nats in zip(record.TAUS, found["entropies"], found["nats"], strict=True):
        p = torch.softmax(logits / tau, dim=-1).numpy()
        assert tempered == pytest.approx(sum(map(entropy, p)))
        assert nats == pytest.approx(-sum(np.log(row[token]) for row, token in zip(p, said, strict=True)))


def test_the_tau_that_is_as_selective_is_found_between_two_of_the_grid() -> None:
    counts = np.array([10, 20, 30])
    entropies = counts[:, None] * record.TAUS * np.array([[1.0], [1.1], [0.9]])  # straight lines
    cut = 0.713 * entropies[:, [-1]].repeat(2, axis=1)
    sums = {"entropies": entropies, "cut": cut, "mass": cut, "kept": cut, "inside": cut}
    assert record._as_selective(sums, counts, 0)["tau"] == pytest.approx([0.713, 0], abs=1e-6)
    sums["cut"] = cut + np.array([[1.0], [-2.0], [1.0]])  # other texts, the same sum: the error is that of a ratio
    residuals = np.array([1.0, -2.0, 1.0]) / 20
    expected = residuals.std(ddof=1) / np.sqrt(3) / (entropies[:, -1].sum() / 60)
    assert record._as_selective(sums, counts, 0)["tau"] == pytest.approx([0.713, expected], abs=1e-6)


def test_generate_cuts_to_so_many_unless_told_otherwise() -> None:
    model = load_truth("random").model
    ids, torch_state = torch.zeros(4000, 1, dtype=torch.long) + 3, torch.get_rng_state()
    likeliest = set(model(ids[:1]).logits[0, -1].topk(record.TOP_K).indices.tolist())
    try:
        torch.manual_seed(0)
        asked = {"do_sample": True, "max_new_tokens": 1, "attention_mask": torch.ones_like(ids), "pad_token_id": 0}
        assert GenerationConfig().top_k is None and model.generation_config.top_k is None
        assert set(model.generate(ids, **asked)[:, 1].tolist()) <= likeliest
        assert not set(model.generate(ids, top_k=0, **asked)[:, 1].tolist()) <= likeliest
    finally:
        torch.set_rng_state(torch_state)


def test_a_part_alone_makes_the_file_that_all_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[str] = []
    parts = {name: lambda truth, name=name: made.append(name) or [name] for name in record.PARTS}
    monkeypatch.setattr(record, "PARTS", parts)
    monkeypatch.setattr(record, "load_truth", lambda source: None)
    monkeypatch.setattr(record, "_about", lambda truth: {"versions": record._versions()})
    file = tmp_path / "smollm2" / record.FILE
    assert record.main(["smollm2", "--only", "sampler"], tmp_path) == 1 and not file.exists()
    assert record.main(["smollm2"], tmp_path) == 0 and made == list(parts)
    whole, changed = file.read_bytes(), json.loads(file.read_text(encoding="utf-8"))
    changed["sampler"] = "something old"
    file.write_text(json.dumps(changed), encoding="utf-8")
    assert record.main(["smollm2", "--only", "sampler"], tmp_path) == 0
    assert file.read_bytes() == whole and made == [*parts, "sampler"]
    file.write_text(json.dumps({**changed, "about": {"versions": {"torch": "1.0"}}}), encoding="utf-8")
    assert record.main(["smollm2", "--only", "sampler"], tmp_path) == 1
    assert "was made with {'torch': '1.0'}, and here is" in capsys.readouterr().err
