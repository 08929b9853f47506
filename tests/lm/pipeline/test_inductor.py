"""What a GPU compiles, through PyTorch's own compiler (inductor) on a CPU: it writes C++, so a compiler is needed.

Beside the tests with a backend that compiles nothing: those count graphs, these run what is made of them.
"""

from pathlib import Path
from typing import Any

import pytest
from support.torch_side import EOS, LENGTH, draw, small_model, torch

from kdlab.lm.pipeline import sampling, training
from kdlab.lm.pipeline.corpus import generator
from kdlab.lm.pipeline.gpu import GROUPED
from kdlab.lm.pipeline.model import new_model
from kdlab.lm.pipeline.sampling import sample
from kdlab.lm.pipeline.training import TrainingSettings, train
from kdlab.lm.sizes import size_named

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning"),  # inductor's own, as it is imported
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where inductor keeps what it has compiled: empty, so that all of it is compiled here."""
    return tmp_path_factory.mktemp("inductor")


@pytest.fixture(autouse=True)
def worth_compiling(monkeypatch: pytest.MonkeyPatch, cache: Path) -> list[str]:
    """Both loops compile, as on a GPU. The value: which backends were asked for."""
    asked: list[str] = []
    compile_ = torch.compile

    def noted(function: Any, **how: Any) -> Any:
        asked.append(how.get("backend", "inductor"))
        return compile_(function, **how)

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(cache))
    monkeypatch.setattr(torch, "compile", noted)
    monkeypatch.setattr(sampling, "_worth_compiling", lambda model, n: True)
    monkeypatch.setattr(training, "_worth_compiling", lambda model, n_tokens: True)
    torch.compiler.reset()
    return asked


def test_compiled_samples_are_the_same(worth_compiling: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with attention by groups, from several prompts, and where the last batch has to be filled up."""
    monkeypatch.setattr(sampling, "_BATCH", 40)
    prompts = [[3, 4], [5], [6, 7, 8]]

    def written(model: Any) -> Any:
        return sample(model, prompts, 100, length=LENGTH, eos=EOS, rng=generator(1))

    model = small_model()
    model.set_attn_implementation(GROUPED)
    ours = written(model)
    assert worth_compiling == ["inductor"]
    monkeypatch.setattr(sampling, "_worth_compiling", lambda model, n: False)
    plain = written(small_model())
    assert (ours.ids == plain.ids).all() and (ours.lengths == plain.lengths).all()


def test_compiled_training_is_the_same(worth_compiling: list[str], model: Any, tmp_path: Path) -> None:
    """Layers and losses, forth and back, texts of many lengths: weights as without, but for rounding."""
    data, once = draw(model, 90), TrainingSettings(epochs=1, batch=16, rate=1e-2, keep="last")
    assert len(set(data.lengths.tolist())) > 3

    def trained(where: str) -> dict[str, Any]:
        student = new_model(size_named("tiny"), 16, eos=EOS, rng=generator(9, "fresh"))
        train(student, data, once, folder=tmp_path / where, seed=0)
        return dict(student.named_parameters())

    ours = trained("compiled")
    assert set(worth_compiling) == {"inductor"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_worth_compiling", lambda model, n_tokens: False)
        plain = trained("plain")
    for name, weight in ours.items():
        torch.testing.assert_close(weight, plain[name], atol=1e-3, rtol=0)
