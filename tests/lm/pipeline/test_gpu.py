"""What only a GPU runs, run here: attention by groups, and what a compiler needs."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from support.torch_side import LENGTH, PROMPT, small_model, torch

from kdlab.lm import headless
from kdlab.lm.pipeline import gpu as compiling
from kdlab.lm.pipeline import sampling
from kdlab.lm.pipeline.gpu import GROUPED, compiled, fault


def steps(kind: str, graphs: Any) -> Any:
    """Logits after a few compiled steps, with a backend that compiles nothing."""
    model = small_model()
    assert model.config.num_key_value_heads < model.config.num_attention_heads
    model.set_attn_implementation(kind)
    torch.compiler.reset()
    step = torch.compile(model, fullgraph=True, dynamic=False, backend=graphs.backend)
    with torch.inference_mode():
        decoder = sampling.Decoder(model, PROMPT, LENGTH, step)
        decoder.begin(3)
        for token in (5, 7, 3):
            decoder.advance(torch.tensor([token, token + 1, token + 2]))
    return decoder.logits


def test_queries_of_a_group_go_together_where_a_token_is_written(graphs: Any) -> None:
    """The same logits as with transformers' own attention; and keys and values are not copied for each query."""
    usual, grouped = steps("sdpa", graphs), steps(GROUPED, graphs)
    assert torch.allclose(usual, grouped, atol=1e-4) and usual.std() > 0.1
    assert len(graphs) == 2 and graphs[1].code.count("expand(") < graphs[0].code.count("expand(")


def test_attention_by_groups_is_that_of_each_head_with_its_keys() -> None:
    rng = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, heads, n, 8, generator=rng) for heads, n in ((6, 1), (2, 5), (2, 5)))
    mask = torch.tensor([True, True, True, True, False])[None, None, None].expand(2, 1, 1, 5)
    module: Any = torch.nn.Module()
    module.num_key_value_groups = 3
    read, _ = compiling._grouped(module, query, key, value, mask, scaling=0.3)
    assert read.shape == (2, 1, 6, 8)
    for row in range(2):
        for head in range(6):
            own = head // 3
            shares = torch.softmax(0.3 * key[row, own, :4] @ query[row, head, 0], dim=0)
            torch.testing.assert_close(read[row, 0, head], shares @ value[row, own, :4])


def test_a_function_may_be_compiled_for_many_shapes() -> None:
    """torch gives up after eight unless it is told otherwise."""
    torch.compiler.reset()
    doubled = compiled(lambda x: x * 2, dynamic=False, backend="eager")
    for n in range(1, 15):
        assert torch.equal(doubled(torch.ones(n)), torch.full((n,), 2.0))


def test_what_a_compiler_needs_is_said_before_any_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TORCHDYNAMO_DISABLE", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert fault() == ""  # without a GPU nothing is compiled
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/gcc" if name == "gcc" else None)
    (tmp_path / "Python.h").touch()
    monkeypatch.setattr(compiling.sysconfig, "get_path", lambda name: str(tmp_path))
    assert fault() == ""
    (tmp_path / "Python.h").unlink()
    assert "lacks Python.h: install" in fault() and "python3-dev" in fault()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "lacks a C compiler and Python.h" in fault()
    with pytest.raises(ValueError, match="this machine lacks a C compiler"):
        headless.run("smoke", tmp_path / "run", {"length": 12}, plain=True)
    assert not (tmp_path / "run").exists()
    monkeypatch.setenv("TORCHDYNAMO_DISABLE", "1")
    assert fault() == ""
