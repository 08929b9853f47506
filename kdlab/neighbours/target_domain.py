"""Domain-targeted augmentation: texts without labels, written for the domain where the student will be used.

Stacey & Rei, "Distilling robustness into natural language inference models with domain-targeted augmentation" (arXiv
2305.13067): students lose most outside their training domain; generated texts of the target with the teacher's labels,
or upsampling of training texts like it, win that back. We could read the abstract, the opening and summaries. Replaced:
a text by what comes before a letter of a name, its label by that letter: p*(label | text) is a row of a chain of order
3. Source: first names without an o; target: with one. The student is a table of the last two letters, (703, 27). Texts
are drawn, and teachers learn from drawn names; what a table is worth is exact, in nats per letter.
"""

from collections import namedtuple
from functools import cache

import numpy as np
from numpy.typing import NDArray

from kdlab.neighbours.comparison import Comparison, Fixed
from kdlab.ngrams.model import NGramChain
from kdlab.ngrams.names import LETTERS, first_names

FloatArray = NDArray[np.float64]
Texts = list[NDArray[np.intp]]  # of each text the contexts that it passes, as rows of p*'s table
World = tuple[FloatArray, dict[str, Texts]]  # a teacher's rows (18279, 27), and texts by their kind
KINDS = ("generated", "random letters", "upsampled", "mistakes")
TEXTS, READ, SHOWN, ROWS = 500, 5_000, 50, 703  # names for the student, its teacher, the generator; rows of the student
Measured = namedtuple("Measured", "precision recall accuracy")  # nats per letter, twice; the likeliest letter is right


@cache
def _truth() -> tuple[FloatArray, FloatArray, dict[str, int], NDArray[np.intp], NDArray[np.intp]]:
    """P*'s rows (18279, 27), their logs, where a context stands, and the row of its last two letters, and of one."""
    chain = NGramChain.fit(*first_names(), order=3)
    row = {context: i for i, context in enumerate(chain.contexts)}
    two, one = (np.array([row[context[-k:]] for context in row]) for k in (2, 1))
    return chain.table, np.log(np.where(chain.table > 0, chain.table, 1.0)), row, two, one[:ROWS]


@cache
def _domain(name: str) -> tuple[FloatArray, FloatArray, FloatArray, tuple[float, float]]:
    """The shares of names; p* and log p*, averaged over texts by the student's rows; bounds of precision and recall."""
    if name not in ("target", "source"):
        raise ValueError(f"domain is {name!r}: choose target or source")
    (names, people), (table, logs, *_) = first_names(), _truth()
    share, passed = people * [("o" in one) == (name == "target") for one in names], _passed(names)
    each = share / (share @ [len(one) for one in passed])
    tops = np.column_stack([np.log(table.max(axis=1)), (table * logs).sum(axis=1)])
    best, own = summed(tops, passed, each).sum(axis=0).tolist()
    return share / share.sum(), summed(table, passed, each), summed(logs, passed, each), (best, own)


def _passed(texts: list[str]) -> Texts:
    place = _truth()[2]
    return [np.array([place[text[max(0, t - 3) : t]] for t in range(len(text) + 1)]) for text in texts]


def summed(rows: FloatArray, texts: Texts, weights: FloatArray | None = None) -> FloatArray:
    """Return sums (703, A) of ``rows`` (18279, A) over all contexts that the texts pass, by the student's row."""
    each = None if weights is None else np.repeat(weights, [len(one) for one in texts])
    visits, sums = np.bincount(np.concatenate(texts), each), np.zeros((ROWS, rows.shape[1]))
    at = np.flatnonzero(visits)
    np.add.at(sums, _truth()[3][at], visits[at, None] * rows[at])
    return sums


def measure(rows: FloatArray, domain: str = "target") -> Measured:
    """Return what a student's rows (703, 27) are worth in "target" or "source". ValueError for another domain.

    With s one of its texts, cut anywhere: precision is E_s E_{y ~ student}[log p*(y | s)], recall E_s E_{y ~ p*}[log
    student(y | s)], below its bound by KL(p* || student).
    >>> round(measure(np.full((703, 27), 1 / 27)).recall, 2)  # -log 27
    -3.3
    """
    _, mass, logs, _ = _domain(domain)
    recall = float((mass * np.log(np.where(mass > 0, rows, 1.0))).sum())
    return Measured(float((rows * logs).sum()), recall, float(mass[np.arange(ROWS), rows.argmax(axis=1)].sum()))


def student(counts: FloatArray, order: int = 2) -> FloatArray:
    """Return rows (703, 27) from labels counted in them, where the student sees ``order`` letters, 2 or fewer.

    A row is nine parts its labels and one part the row of a letter less; where it has no labels it is all the latter.
    """
    rows, last = np.full(counts.shape, 1 / 27), _truth()[4]
    for groups in (np.zeros_like(last), last, np.arange(ROWS))[: order + 1]:
        sums = np.zeros(counts.shape)
        np.add.at(sums, groups, counts)
        seen = sums.sum(axis=1)[groups, None]
        rows = np.where(seen > 0, 0.9 * sums[groups] / np.maximum(seen, 1e-300) + 0.1 * rows, rows)
    rows[0, -1] = 0.0  # no text ends before it has begun
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


def draw(rng: np.random.Generator, *, alike: int = 10, knows_target: bool = True) -> World:
    """Draw a teacher and 500 texts of each kind. Raises ValueError for ``alike`` below 1 or above 500.

    "source" is what the student has, ``alike`` of it from the target; "more" is as much again. A chain of order 2 that
    was "shown" 50 names of the target has "generated" some; "upsampled" are the student's with an o, "mistakes" the
    tenth that it gets most wrong, worst first.
    """
    if not 1 <= alike <= TEXTS:
        raise ValueError(f"alike is {alike}: choose 1 to {TEXTS}, so that there is something to upsample")
    (names, people), target, source = first_names(), _domain("target")[0], _domain("source")[0]
    teacher = NGramChain.fit(rng.choice(names, READ, p=people if knows_target else source).tolist(), order=3).table
    own, more = ([*rng.choice(names, TEXTS - alike, p=source), *rng.choice(names, alike, p=target)] for _ in range(2))
    texts = {"source": own, "more": rng.permutation(more).tolist(), "upsampled": [one for one in own if "o" in one]}
    texts["shown"] = rng.choice(names, SHOWN, p=target).tolist()
    texts["generated"] = NGramChain.fit(texts["shown"], order=2).sample(TEXTS, rng)
    texts["random letters"] = ["".join(rng.choice([*LETTERS], len(text))) for text in more]
    texts["true target"] = rng.choice(names, TEXTS, p=target).tolist()
    passed = {kind: _passed(some) for kind, some in texts.items()}
    plain = student(summed(teacher, passed["source"]))[_truth()[3]]
    wrong = (teacher * np.log(np.where(teacher > 0, teacher, 1) / np.where(teacher > 0, plain, 1))).sum(axis=1)
    worst = sorted(passed["source"], key=lambda one: -wrong[one].mean())
    return teacher, {**passed, "mistakes": worst[: TEXTS // 10]}


def taught(world: World, kind: str, share: float, order: int = 2) -> FloatArray:
    """Return the student of 500 texts and 500 more, a share (0 to 1) of these replaced. ValueError for what is not."""
    if kind not in (texts := world[1]) or not 0 <= share <= 1:
        raise ValueError(f"kind is {kind!r}, share {share}: choose one of {', '.join(texts)}, and a share from 0 to 1")
    n, some = round(TEXTS * share), texts[kind]
    other = [some[i % len(some)] for i in range(n)]  # a few come again and again
    return student(summed(world[0], texts["source"] + texts["more"][n:] + other), order)


def sweep(rng: np.random.Generator, *, seeds: int = 12) -> Comparison:
    """Return the student along the share of generated texts, a mean over seeds, and curves for the other kinds."""
    shares, worlds = np.linspace(0, 1, 21), [draw(one) for one in rng.spawn(seeds)]
    found = {k: np.mean([[measure(taught(w, k, s)) for s in shares] for w in worlds], axis=0) for k in KINDS}
    (most, least), own = _domain("target")[3], found["generated"]
    home = np.mean([measure(taught(w, "more", 0), "source")[:2] for w in worlds], axis=0)
    return Comparison(
        name="target_domain",
        title="Names with an o, for a student that has hardly seen one",
        knob_name="share of the extra texts",
        dials=shares,
        precision=own[:, 0],
        recall=own[:, 1],
        direct_precision=own[0, 0],
        direct_recall=own[0, 1],
        precision_bound=most,
        recall_bound=least,
        curves={kind: least - values[:, 1] for kind, values in found.items()},
        curve_unit="KL from p* in the target, nats",
        said=tuple(f"Share {s:.2f}: KL {least - x:.2f} nats." for s, x in zip(shares, own[:, 1], strict=True)),
        marks=(0, 0.25, 0.5, 0.75, 1),
        start=0,
        own="generated",
        others=(Fixed("plain, in the source", *home),),
    )
