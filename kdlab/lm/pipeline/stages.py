"""The stages of a run, in the order in which they come. `everything` calls them all.

    opened      checks the settings, makes or finds the folder, loads p* (the large model that is taken for the truth)
    corpus      p* writes texts: to train on, to watch training with, to evaluate on
    teacher     a model is trained from scratch on p*'s texts                               } these five
    tempered    the teacher writes at each temperature tau, and with each truncation        } for every seed
    students    one learns from p*'s texts (direct), one from each of the teacher's corpora }
    samples     teacher and students write texts to be judged                               }
    scores      p* judges those (precision), and each of them judges p*'s (recall);         }
                of instructions, what several answers of each bring is counted;             }
                p*'s hidden states of the texts of all are compared with those of its own   }
    finish      the results as they are on disk (`results.gather` writes them after each stage)

Each stage is a function of a `Run`, and of a seed where it belongs to one. What is there and whole is left alone, so
that the same call goes on after an interruption; what is damaged is named and made again. Under torchrun every process
calls the same stages in the same order.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import LlamaForCausalLM

from kdlab.core.files import checksum, held, read_object, write_json
from kdlab.core.machine import cores
from kdlab.lm.experiment import OBJECTIVES, Stored, Truncation, label
from kdlab.lm.folder import Line, Log, Stage, begin, config_for, read_results, recorded_folder, refuse_others
from kdlab.lm.pipeline import distributed as ranks
from kdlab.lm.pipeline import results
from kdlab.lm.pipeline.corpus import Corpus, Sequences, generator, several
from kdlab.lm.pipeline.model import new_model
from kdlab.lm.pipeline.objectives import Objective
from kdlab.lm.pipeline.run import Run, attempts_path, digest, read_scores, scores_path, states_path, write_scores
from kdlab.lm.pipeline.sampling import sample
from kdlab.lm.pipeline.scoring import score
from kdlab.lm.pipeline.training import Taught, TrainingSettings, Writes, load_weights, train
from kdlab.lm.report import attempts, units
from kdlab.lm.sizes import size_named

PARTS = ("train", "validation", "evaluation")
_COMPARED = 256  # texts per model whose hidden states are compared; 64 do not tell a student's precision from p*'s own
_MAPPED = 128  # of these on the map
_FRESH = 16  # batches: after so many, a student that learns on its own texts writes new ones
_PATIENCE = 5.0  # seconds: how long the notebook of a command that was killed may take to notice


def opened(
    folder: Path | str,
    preset: str,
    settings: Mapping[str, Any] | None = None,
    show: Callable[[Line], None] = lambda line: None,
) -> Run:
    """Open a run, new or old, and hold its folder for this process.

    Raises ValueError for settings that cannot work or are not those of the run that is there, `Busy` where
    another process has the folder.
    """
    place = Path(folder).absolute()
    config = config_for(place, preset, settings)
    refuse_others(place, config)
    with ExitStack() as lock:
        if ranks.first():
            lock.enter_context(held(place, "work", wait=_PATIENCE))
        torch.set_num_threads(config.threads or _usual_threads())
        run = Run(config, place, Log(place, show, ranks.rank()))
        run.prompt  # noqa: B018 - what is wrong with p* or the prompt is said before the folder has these settings
        if ranks.first():
            begin(place, config)
            if note := run.truth.note:
                run.log.stage("p*").note(note)
        ranks.wait()
        results.gather(run)
        run.lock = lock.pop_all()
    return run


def _usual_threads() -> int:
    """As many as PyTorch takes, or the reader has set; unless set, no more than a container's share of the cores."""
    usual = torch.get_num_threads()
    return usual if "OMP_NUM_THREADS" in os.environ else min(usual, cores())


def close(run: Run) -> None:
    """Give back the folder, and on a GPU the memory: other processes, such as notebooks' kernels, may want both."""
    run.lock.close()
    run.__dict__.pop("truth", None)
    torch.cuda.empty_cache()


# Corpora


def corpus(run: Run) -> None:
    """Texts of p* to train on, to watch training with, and to evaluate on."""
    for part in PARTS:
        made, stage = run.corpus(part), run.log.stage(f"p* writes: {part}")
        if run.config.corpus == "recorded":
            _take_recorded(part, made, stage)
        filled(made, stage, lambda: run.truth.model)
    results.gather(run)


def _take_recorded(part: str, made: Corpus, stage: Stage) -> None:
    """Copy a recorded corpus that was made from the same settings; say so where there is none."""
    if ranks.first() and made.damaged():
        specs = sorted(recorded_folder().glob(f"*/corpus/{part}/spec.json"))
        source = next(filter(None, (_same(made, path.parent) for path in specs)), None)
        if source is None:
            stage.note("no recorded corpus has these settings: sampled here")
        else:
            everything, size = source.read(made.spec["sequences"]), made.spec["shard"]
            for i in range(made.n_shards):
                made.write(i, everything[i * size : (i + 1) * size])
            stage.note(f"copied from {source.folder}")
    ranks.wait()


def _same(made: Corpus, folder: Path) -> Corpus | None:
    """The corpus in ``folder`` if it is whole and of the same settings, and holds as many sequences or more.

    A shard that is cut short is the beginning of the whole one: sequences have their own random numbers, drawn in turn.
    """
    spec, wanted = read_object(folder / "spec.json"), made.spec["sequences"]
    if spec | {"sequences": wanted} != made.spec or spec.get("sequences", 0) < wanted:
        return None
    recorded = Corpus(folder, spec)
    return None if recorded.damaged(made.n_shards) else recorded


def filled(made: Corpus, stage: Stage, model: Callable[[], Any]) -> None:
    """Have a corpus on disk, written by ``model()`` where it is not."""
    spec, fresh, cut = made.spec, {"tokens": 0}, made.spec.get("truncation", {})

    def make(shard: int) -> Sequences:
        some = sample(
            model(),
            made.prompt(shard),
            min(spec["shard"], spec["sequences"] - shard * spec["shard"]),
            length=spec["length"],
            eos=spec["eos"],
            rng=generator(spec["seed"], spec["model"], spec["purpose"], spec["tau"], *cut.values(), shard),
            tau=spec["tau"],
            truncation=Truncation(**cut) if cut else None,
        )
        fresh["tokens"] = some.n_tokens
        return some

    def said(done: int, of: int) -> None:
        if fresh["tokens"]:
            stage.step(done / of, fresh["tokens"])
        else:
            stage.skip(done / of)
        fresh["tokens"] = 0

    made.ensure(make, said, stage.note)
    stage.done()


# Models


def teacher(run: Run, seed: int) -> None:
    """Train the teacher, from scratch, on p*'s texts."""
    data = run.texts("train", run.config.teacher_sequences)
    _trained(run, seed, "teacher", run.config.teacher, data, run.config.teacher_epochs)
    results.gather(run)


def tempered(run: Run, seed: int) -> None:
    """Let the teacher write a corpus at each tau, and one at tau = 1 with each truncation."""
    load = cache(lambda: _model(run, seed, "teacher"))  # when first asked for
    for tau in run.config.taus:
        stage = run.log.stage(f"seed {seed}: teacher at tau {tau:g}")
        filled(run.tempered(seed, tau), stage, load)
    if run.config.on == "teacher" and run.config.objectives and 1.0 not in run.config.taus:
        filled(run.tempered(seed, 1.0), run.log.stage(f"seed {seed}: teacher at tau 1"), load)
    for name in run.config.truncations:
        filled(run.truncated(seed, name), run.log.stage(f"seed {seed}: teacher, {name}"), load)


def students(run: Run, seed: int) -> None:
    """Train the direct student on p*'s texts, one on each of the teacher's corpora; all begin with equal weights."""
    n = run.config.student_sequences
    corpora = {"direct": run.corpus("train")}
    corpora |= {label(tau): run.tempered(seed, tau) for tau in run.config.taus}
    corpora |= {name: run.truncated(seed, name) for name in run.config.truncations}
    for name, data in corpora.items():
        _trained(run, seed, name, run.config.student, data.read(n), run.config.student_epochs)
    if run.config.objectives:
        teacher = cache(lambda: _model(run, seed, "teacher").requires_grad_(False))
        texts = (run.corpus("train") if run.config.on == "truth" else run.tempered(seed, 1.0)).read(n)
        for name in run.config.objectives:
            _trained(run, seed, name, run.config.student, texts, run.config.student_epochs, teacher)
    results.gather(run)


def _taught(run: Run, name: str, teacher: Callable[[], LlamaForCausalLM]) -> tuple[Taught, int]:
    """What a student hears of a teacher at each token, and in how many epochs for each of a run's."""
    config, (divergence, whose) = run.config, OBJECTIVES[name]
    objective = Objective(divergence, config.loss_tau, Stored.of(config.stored) if config.stored else None)
    if whose is None:
        return Taught(teacher(), objective), 1
    each = min(_FRESH * config.batch, config.student_sequences)
    writes = Writes(each, run.prompt, config.length, run.truth.ends)
    return Taught(teacher(), objective, writes), max(1, config.student_sequences // each)


def _trained(
    run: Run,
    seed: int,
    name: str,
    size: str,
    data: Sequences,
    epochs: int,
    teacher: Callable[[], LlamaForCausalLM] | None = None,
) -> None:
    """Train a model from scratch and record its curve; leave alone one that is there, whole, and of these data.

    With a ``teacher`` it learns what that one says at each token.
    """
    folder, stage, read = run.models(seed)[name], run.log.stage(f"seed {seed}: train {name}"), digest(data)
    if teacher is not None:
        read += run.trained(seed, "teacher")["sha256"]
    fault = _fault(folder, run.trained(seed, name), read)
    if fault and fault != "missing":
        stage.note(f"{folder.name}/model.safetensors: {fault}; trained again")
    ranks.wait()  # nobody writes before everybody has looked
    if fault:
        taught, times = (None, 1) if teacher is None else _taught(run, name, teacher)
        curve = train(
            _from_scratch(run, seed, size),
            data,
            TrainingSettings(epochs * times, run.config.batch, run.config.rate, keep=run.config.keep),
            folder=folder,
            seed=seed,
            validation=run.texts("validation"),
            taught=taught,
            progress=lambda step, of, loss, rate: stage.heard(step / of, rate),
        )
        if ranks.first():
            about = {"sha256": checksum(folder / "model.safetensors"), "data": read, "curve": asdict(curve)}
            write_json(folder / "trained.json", about)
            stage.done(curve.tokens, curve.seconds)
    else:
        stage.done()
    ranks.wait()


def _from_scratch(run: Run, seed: int, size: str) -> LlamaForCausalLM:
    """A model that has learnt nothing, on this process's device; all of one size begin a seed with equal weights."""
    rng = first_weights(seed, size)
    return new_model(size_named(size), run.truth.vocabulary, eos=run.truth.ends, rng=rng).to(ranks.device())


def first_weights(seed: int, size: str) -> torch.Generator:
    """What they are drawn from: other numbers for each seed and size."""
    return generator(seed, "first weights", size)


def _fault(folder: Path, about: Mapping[str, Any], read: str) -> str:
    """What is wrong with a trained model; empty if nothing is."""
    weights = folder / "model.safetensors"
    if not about or not weights.is_file():
        return "missing"
    if about["sha256"] != checksum(weights):
        return "its checksum is not the recorded one"
    return "" if about["data"] == read else "its corpus is not the one that it was trained on"


def _model(run: Run, seed: int, name: str) -> LlamaForCausalLM:
    """A trained model, on this process's device."""
    model = _from_scratch(run, seed, run.config.teacher if name == "teacher" else run.config.student)
    return load_weights(model, run.models(seed)[name] / "model.safetensors").eval()


# Samples and scores


def samples(run: Run, seed: int) -> None:
    """Let every model write, each at its own temperature 1."""
    for name in run.models(seed):
        stage = run.log.stage(f"seed {seed}: {name} writes")
        filled(run.samples(seed, name), stage, cache(partial(_model, run, seed, name)))


def scores(run: Run, seed: int) -> None:
    """Score each model's texts under p* (precision) and p*'s texts under each model (recall)."""
    n = run.config.evaluation_sequences
    texts = run.texts("evaluation")
    stage = run.log.stage(f"seed {seed}: scores")
    names = list(run.models(seed))
    for i, name in enumerate(["truth", *names]):
        if not ranks.mine(i):
            continue
        own = texts if name == "truth" else run.samples(seed, name).read(n)
        path = scores_path(run, seed, name)
        of = digest(texts, own) + ("" if name == "truth" else checksum(run.models(seed)[name] / "model.safetensors"))
        there = read_scores(path, of)
        if there is None or there["precision"].states is None:
            found = {"precision": score(run.truth.model, own, states=2 * _COMPARED)}
            found["recall"] = found["precision"] if name == "truth" else score(_model(run, seed, name), texts)
            write_scores(path, of, found)
            results.gather(run)
            stage.step((i + 1) / (len(names) + 1), own.n_tokens + texts.n_tokens * (name != "truth"))
        else:
            stage.skip((i + 1) / (len(names) + 1))
    ranks.wait()
    stage.done()
    if not isinstance(run.begun, str):
        _attempts(run, seed, texts)
    _states(run, seed, texts)
    results.gather(run)


def _attempts(run: Run, seed: int, texts: Sequences) -> None:
    """What comes of asking each model several times: see `attempts`. Told by the scores that are there."""
    path, n_instructions = attempts_path(run, seed), len(run.begun)
    own = {"truth": texts} | {name: run.samples(seed, name).read(len(texts)) for name in run.models(seed)}
    of = digest(*own.values())
    there = read_object(path).get("of") == of
    ranks.wait()
    if not there and ranks.first():
        found = {name: read_scores(scores_path(run, seed, name)) for name in own}
        nats = {name: one["precision"].nats / one["precision"].tokens for name, one in found.items() if one}
        least, answers = attempts.medians(nats["truth"], n_instructions), len(texts) // n_instructions
        tries = [k for k in attempts.TRIES if k <= answers]
        models = {
            name: attempts.of_tries(some.texts(run.truth.decode), nats[name], least, tries)
            for name, some in own.items()
        }
        write_json(path, {"of": of, "words": attempts.WORDS, "tries": tries, "answers": answers, "models": models})
    ranks.wait()


# Hidden states


def _states(run: Run, seed: int, texts: Sequences) -> None:
    """Where each model's texts lie among p*'s, by mean hidden states of p*: on a map, and in practitioners' units.

    Beside the models stand other texts of p*: what a perfect model would reach. The states came with the scores.
    """
    path, n = states_path(run, seed), min(_COMPARED, len(texts) // 2)
    written = {"truth": texts[n : 2 * n], **{name: run.samples(seed, name).read(n) for name in run.models(seed)}}
    of = digest(texts[:n], *written.values())
    there = read_object(path).get("of") == of
    ranks.wait()
    if not there and ranks.first():
        found = {name: read_scores(scores_path(run, seed, name)) for name in written}
        states = {name: np.asarray(one["precision"].states, float) for name, one in found.items() if one}
        real, again = states["truth"][:n], {**states, "truth": states["truth"][n:]}
        begun = run.truth.decode(several(run.prompt)[0]) if isinstance(run.begun, str) else ""
        told: dict[str, Any] = {"texts": n, "models": {}}
        for name, own in written.items() if n >= units.FEWEST else ():
            answers = [text.removeprefix(begun) for text in own.texts(run.truth.decode)]
            told["models"][name] = units.compared(real, again[name][:n], answers)
        write_json(path, {"of": of, "points": _points(states), "units": told})
    ranks.wait()


def _points(states: Mapping[str, NDArray[np.float64]]) -> dict[str, Any]:
    """A map: of each model some points (N, 2) in the plane in which p*'s own texts vary most."""
    some = {name: state[:_MAPPED] for name, state in states.items()}
    centre = some["truth"].mean(axis=0)
    axes = np.linalg.svd(some["truth"] - centre, full_matrices=False)[2][:2]
    axes *= np.sign(axes[np.arange(2), np.abs(axes).argmax(axis=1)])[:, None]  # so that no sign is left to chance
    return {name: ((state - centre) @ axes.T).round(3).tolist() for name, state in some.items()}


# All of it

STAGES: tuple[Callable[[Run, int], None], ...] = (teacher, tempered, students, samples, scores)


def one_seed(run: Run, seed: int) -> None:
    """All stages of one seed; its results are on disk when this returns."""
    for stage in STAGES:
        stage(run, seed)


def finish(run: Run) -> dict[str, Any]:
    """Write the results once more, and return them."""
    results.gather(run)
    return read_results(run.folder)


def everything(run: Run) -> dict[str, Any]:
    """The whole run, in the order of the notebooks; returns its results."""
    corpus(run)
    for seed in range(run.config.seeds):
        one_seed(run, seed)
    return finish(run)
