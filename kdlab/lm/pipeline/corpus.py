"""Corpora on disk: token ids in shards, each a pure function of (what was asked for, its index).

That one rule gives resuming, several processes and several machines: whoever finds a shard missing or damaged makes
it again, and gets the same bytes. Tokens stay tokens: what was sampled is trained on and scored as those ids.
"""

from __future__ import annotations

import hashlib
import json
import math
import reprlib
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kdlab.core.files import add_line, checksum, read_lines, read_object, write_json, written_whole
from kdlab.lm.pipeline import distributed as ranks

IdArray = NDArray[np.uint16] | NDArray[np.uint32]
Said = Callable[[int, int], None]
Note = Callable[[str], None]
Ends = int | Sequence[int]  # the token that ends a text, or several of which any does
Prompts = Sequence[int] | Sequence[Sequence[int]]  # the ids of one prompt, or of several


def ids_type(vocabulary: int) -> type[np.uint16] | type[np.uint32]:
    """What the ids of so many tokens are stored as."""
    return np.uint16 if vocabulary <= 2**16 else np.uint32


def ends_of(eos: Ends) -> tuple[int, ...]:
    """The tokens of which any ends a text; the first of them also fills a row up after its end."""
    return tuple(eos) if isinstance(eos, Sequence) else (eos,)


def generator(seed: int, *names: str | int | float, device: str | torch.device = "cpu") -> torch.Generator:
    """Return a source of randomness of its own for each purpose: a function of ``seed`` and ``names`` only."""
    digest = hashlib.sha256(json.dumps([seed, *names]).encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "big") >> 1)


@dataclass(frozen=True)
class Sequences:
    """N token sequences, each of which continues a prompt.

    ``ids`` (N, L) of `ids_type`, padded with ``eos``, the first of the tokens that may end a text; ``lengths`` (N,)
    counts the prompt and, where the sequence ended by itself, its EOS; the first ``prompt`` tokens are given, never
    trained and never scored. ``prompt`` is one number where all continue the same, else (N,), one for each.
    """

    ids: IdArray
    lengths: NDArray[np.uint16]
    prompt: int | NDArray[np.int64]
    eos: int

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, which: Any) -> Sequences:
        prompt = self.prompt if isinstance(self.prompt, int) else self.prompt[which]
        return Sequences(self.ids[which], self.lengths[which], prompt, self.eos)

    def alike(self) -> list[tuple[NDArray[np.int64], Sequences]]:
        """Which sequences continue the same prompt, and these: for each prompt, in the order in which they come."""
        if isinstance(self.prompt, int):
            return [(np.arange(len(self)), self)]
        found: dict[bytes, list[int]] = {}
        for i, (row, given) in enumerate(zip(self.ids, self.prompt, strict=True)):
            found.setdefault(row[:given].tobytes(), []).append(i)
        each = [np.array(which) for which in found.values()]
        return [(which, replace(self[which], prompt=int(self.prompt[which[0]]))) for which in each]

    @property
    def counts(self) -> NDArray[np.int64]:
        """(N,): tokens after the prompt, EOS included."""
        return self.lengths.astype(np.int64) - self.prompt

    @property
    def n_tokens(self) -> int:
        """Tokens after the prompt, of all sequences."""
        return int(self.counts.sum())

    def tensors(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids (N, longest) and lengths (N,) of int64 on ``device``, without columns that are padding only."""
        ids = torch.from_numpy(self.ids[:, : int(self.lengths.max())].astype(np.int64))
        return ids.to(device), torch.from_numpy(self.lengths.astype(np.int64)).to(device)

    def given(self, device: torch.device) -> int | torch.Tensor:
        """``prompt`` as one number, or (N,) on ``device``."""
        return self.prompt if isinstance(self.prompt, int) else torch.from_numpy(self.prompt).to(device)

    def texts(self, decode: Callable[[list[int]], str]) -> list[str]:
        """Each sequence as ``decode`` reads it: with the prompt where all have the same, else without."""
        firsts = np.broadcast_to(0 if isinstance(self.prompt, int) else self.prompt, len(self))
        rows = zip(self.ids, firsts, self.lengths, strict=True)
        return [decode(row[first:length].tolist()) for row, first, length in rows]


def joined(parts: list[Sequences]) -> Sequences:
    """Put sequences one after the other; shorter rows are padded with EOS."""
    width = max(part.ids.shape[1] for part in parts)
    ids = np.concatenate(
        [np.pad(part.ids, ((0, 0), (0, width - part.ids.shape[1])), constant_values=part.eos) for part in parts]
    )
    prompts = [part.prompt for part in parts]
    prompt = prompts[0] if isinstance(prompts[0], int) else np.concatenate(prompts)
    return Sequences(ids, np.concatenate([part.lengths for part in parts]), prompt, parts[0].eos)


def in_turn(parts: list[Sequences]) -> Sequences:
    """Put sequences of several prompts so that prompts take turns: the first of each part, then the second of each.

    No part is longer than one before it, nor shorter by more than one.
    """
    if len(parts) == 1:
        return parts[0]
    turns = np.concatenate([np.arange(len(part)) for part in parts])
    each = [replace(part, prompt=np.full(len(part), part.prompt)) for part in parts]
    return joined(each)[np.argsort(turns, kind="stable")]


class MixedRuns(ValueError):
    """A folder holds what was made from other settings."""


def _short(spec: Mapping[str, Any], name: str) -> str:
    return reprlib.repr(spec.get(name))


class Corpus:
    """A folder of shards: ``spec.json`` says what they are a function of, ``manifest.jsonl`` their checksums.

    ``spec`` is any JSON-able mapping with at least ``prompt`` (the ids that all sequences continue, or a list of
    several such, which take turns), ``eos``, the number of ``sequences`` and how many of them make a ``shard``. The
    manifest only grows, one line per finished shard, so that several processes may write it; the last line about a
    shard counts. Raises `MixedRuns` where the folder was made from another ``spec``, naming the fields.
    """

    def __init__(self, folder: Path, spec: Mapping[str, Any]) -> None:
        self.folder, self.spec = Path(folder), json.loads(json.dumps(spec))
        told = self.folder / "spec.json"
        if told.is_file():
            before = read_object(told)
            other = sorted(name for name in before.keys() | self.spec.keys() if before.get(name) != self.spec.get(name))
            if other:
                raise MixedRuns(
                    f"{self.folder} was made from other settings: "
                    + "; ".join(f"{name} was {_short(before, name)}, now {_short(self.spec, name)}" for name in other)
                    + ". Choose another folder, or delete this one."
                )
        else:
            write_json(told, self.spec, indent=2)

    def path(self, shard: int) -> Path:
        """Where a shard lies."""
        return self.folder / f"shard-{shard:05d}.npz"

    def fault(self, shard: int, told: Mapping[int, Mapping[str, Any]] | None = None) -> str:
        """What is wrong with a shard; empty if nothing is."""
        entry, path = (self.manifest() if told is None else told).get(shard), self.path(shard)
        if not path.is_file():
            return "missing"
        if entry is None:
            return "not in the manifest"
        return "" if checksum(path) == entry["sha256"] else "its checksum is not the manifest's"

    def prompt(self, shard: int) -> Prompts:
        """What a shard's sequences continue: the one prompt, or all, from that of its first sequence on."""
        prompt: Prompts = self.spec["prompt"]
        turn = shard * self.spec["shard"] % len(prompt) if _are_several(prompt) else 0
        return [*prompt[turn:], *prompt[:turn]]

    @property
    def n_shards(self) -> int:
        """How many shards all sequences take."""
        return math.ceil(self.spec["sequences"] / self.spec["shard"])

    def damaged(self, n_shards: int | None = None) -> list[str]:
        """Names of the shards (the first ``n_shards``) that are not as they were written, each with what is wrong."""
        told = self.manifest()
        faults = [(self.path(i).name, self.fault(i, told)) for i in range(n_shards or self.n_shards)]
        return [f"{name}: {fault}" for name, fault in faults if fault]

    def ensure(
        self, make: Callable[[int], Sequences], said: Said = lambda *far: None, note: Note = lambda line: None
    ) -> None:
        """Make the shards that are missing or damaged, each process its own share; all processes leave together.

        ``said(done, of)`` hears of every shard that is whole, ``note`` of each that was damaged.
        """
        told = self.manifest()
        faults = [self.fault(i, told) for i in range(self.n_shards)]
        ranks.wait()  # nobody writes before everybody has looked
        for i, fault in enumerate(faults):
            if fault not in ("", "missing"):
                note(f"{self.path(i).name}: {fault}; made again")
        for i, fault in enumerate(faults):
            if fault and ranks.mine(i):
                self.write(i, make(i))
            said(i + 1, self.n_shards)
        ranks.wait()

    def write(self, shard: int, sequences: Sequences) -> None:
        """Write one shard, whole or not at all, then its line in the manifest."""
        with written_whole(self.path(shard)) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, ids=sequences.ids, lengths=sequences.lengths)
        counts = {"sequences": len(sequences), "tokens": sequences.n_tokens}
        entry = {"shard": shard, "sha256": checksum(self.path(shard)), **counts}
        add_line(self.folder / "manifest.jsonl", entry)

    def manifest(self) -> dict[int, dict[str, Any]]:
        """Return what is known of each shard."""
        lines = read_lines(self.folder / "manifest.jsonl")
        return {one["shard"]: one for one in lines if isinstance(one, dict) and {"shard", "sha256"} <= one.keys()}

    def read(self, n: int) -> Sequences:
        """Return the first ``n`` sequences. Raises ValueError where a shard is damaged or there are too few."""
        eos = ends_of(self.spec["eos"])[0]
        parts: list[Sequences] = []
        shard, told = 0, self.manifest()
        while sum(map(len, parts)) < n:
            fault = self.fault(shard, told)
            if fault:
                raise ValueError(f"{self.path(shard)}: {fault}; give the command of this run again to have it re-made")
            parts.append(_read(self.path(shard), self.prompt(shard), eos))
            shard += 1
        return joined(parts)[:n]


def several(prompt: Prompts) -> list[list[int]]:
    """The ids of each prompt, where there may be one, given by its ids alone."""
    return [list(one) for one in prompt] if _are_several(prompt) else [list(prompt)]  # type: ignore[arg-type]


def _are_several(prompt: Prompts) -> bool:
    return any(isinstance(one, Sequence) for one in prompt)


def _read(path: Path, prompt: Prompts, eos: int) -> Sequences:
    """A shard's sequences, which continue the prompt, or several in turn."""
    try:
        with np.load(path, allow_pickle=False) as data:
            ids, lengths = data["ids"], data["lengths"]
            given = np.resize([len(one) for one in several(prompt)], len(ids))
            return Sequences(ids, lengths, given if _are_several(prompt) else len(prompt), eos)
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ValueError(f"{path} is no shard of token ids ({error}); delete it and run again") from error
