"""A sentence read by a language model, as plain arrays: what may come next, how it goes on, and what each token cost.

What notebook 05 shows of a p*: the arrays go to ``kdlab.lm.next_token`` and ``kdlab.lm.recording``, which know no
torch.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from kdlab.lm.experiment import read_instructions
from kdlab.lm.folder import settings_told
from kdlab.lm.pipeline.sampling import next_token_logits, sweep_of_samples
from kdlab.lm.pipeline.truth import Truth, load_truth

FloatArray = NDArray[np.float64]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Reading:
    """One sentence under one model: its ``ids`` (T,), the ``logits`` (V,) of what comes next, and one way to go on for
    each tau, ``samples`` (P,), without the sentence itself.
    """

    sentence: str
    ids: tuple[int, ...]
    logits: FloatArray
    samples: tuple[str, ...]


def truth_of(run: Path | str) -> tuple[Truth, str]:
    """Return the p* of a run's folder and the prompt of its texts, or the first of its instructions as p* is asked it;
    where there is no run, SmolLM2 and "The".

    Raises WeightsError where its weights are not here.
    """
    told = settings_told(Path(run))
    if told is None:
        return load_truth("bundled"), "The"
    config = told["config"]
    begun = read_instructions(config["prompts"]) if config.get("prompts") else str(config["prompt"])
    truth = load_truth(config["truth"], vocabulary=config["vocabulary"], prompt=begun)
    return truth, begun if isinstance(begun, str) else truth.asked(begun[0])


def read(
    truth: Truth,
    sentence: str,
    taus: Sequence[float],
    *,
    new_tokens: int = 24,
    rng: torch.Generator,
    say: Say = lambda line: None,
) -> Reading:
    """Let ``truth`` read a sentence, and go on from it at each of ``taus`` with the same random numbers.

    ``new_tokens`` is the length of what is written, EOS included; ``say`` hears what is being done. Raises ValueError
    for a sentence without a token, or with one outside the vocabulary.
    """
    ids = truth.encode(sentence)
    if not ids:
        raise ValueError(f"the sentence {sentence!r} has no token: write at least one word")
    say(f"{truth.name} reads {len(ids)} tokens and writes {len(taus)} continuations of {new_tokens} ...")
    begun = time.perf_counter()
    logits = next_token_logits(truth.model, ids).astype(float)
    drawn = sweep_of_samples(truth.model, ids, taus, length=len(ids) + new_tokens, eos=truth.ends, rng=rng)
    say(f"... done in {time.perf_counter() - begun:.0f} s.")
    # Decoded together with the sentence and cut off again: a tokenizer may write a text's first word in its own way.
    whole = drawn.texts(truth.decode)
    start = len(truth.decode(ids))
    return Reading(sentence, tuple(ids), logits, tuple(text[start:] for text in whole))


@torch.inference_mode()
def surprises(truth: Truth, ids: Sequence[int], given: int = 1) -> tuple[FloatArray, FloatArray]:
    """Return, for each token after the first ``given``, -log p and the entropy of the choice it was: (T,) and (T,).

    Nats. Raises ValueError where no token is given, or none is left to score.
    """
    if not 1 <= given < len(ids):
        raise ValueError(f"given is {given}, of {len(ids)} tokens: choose 1 or more, and leave one or more to score")
    logits = truth.model(torch.tensor([list(ids)], device=truth.model.device)).logits[0, given - 1 : -1]
    log_p = torch.log_softmax(logits.float(), dim=-1).double()
    wanted = torch.tensor(list(ids[given:]), device=log_p.device)
    nats = -log_p.gather(1, wanted[:, None])[:, 0]
    entropies = -(log_p.exp() * log_p).sum(dim=1)
    return np.asarray(nats.cpu().numpy()), np.asarray(entropies.cpu().numpy())
