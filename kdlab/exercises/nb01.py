"""Exercises of notebook 01: what precision and recall measure, and what they leave out."""

# mypy: allow-untyped-defs, allow-untyped-calls
# The functions are shown to readers as they stand: annotations would be in the way.

from __future__ import annotations

import numpy as np

from kdlab.exercises.frame import Case, Choice, Code, Exercise, Wrong
from kdlab.metrics import recall
from kdlab.scenes import line, line_mixture

__all__ = ["EXERCISES"]

# 01.1


def my_precision(student, truth, rng):
    """E over x ~ student of log truth(x), estimated; nats."""
    x = student.sample(10_000, rng)
    return truth.log_prob(x).mean()


def _recall_instead(student, truth, rng):
    return student.log_prob(truth.sample(10_000, rng)).mean()


def _scored_by_itself(student, truth, rng):
    return student.log_prob(student.sample(10_000, rng)).mean()


def _log_of_the_mean(student, truth, rng):
    return np.log(np.exp(truth.log_prob(student.sample(10_000, rng))).mean())


def _truth_by_itself(student, truth, rng):
    return truth.log_prob(truth.sample(10_000, rng)).mean()


def _models(mean, deviation):
    """The four bumps on a line and one Gaussian: (student, truth)."""
    return line_mixture([1.0], [mean], [deviation]), line().truth


SAMPLING = Code(
    id="01.1",
    title="Precision in three lines",
    task="""Write `my_precision(student, truth, rng)`: estimate precision from 10,000 samples, in nats.

Every model here can draw, `model.sample(n, rng)`, and score, `model.log_prob(x)`: one log-density per row of x. The
check compares with the solution on two pairs of models, and allows 0.1 nats for chance.""",
    hints=(
        "Read the definition from right to left. Who speaks? Whose ear is it?",
        "An expectation over x ~ p″ is an average over samples of p″. What is averaged is log p*(x).",
    ),
    right="The student speaks and the truth listens. With 10,000 samples the standard error here is at most 0.02 nats.",
    wrong=(
        Wrong(
            _recall_instead,
            "You drew from the truth and scored under the student. That is recall: the same operation with the two "
            "models swapped. For precision the student is the one who speaks.",
        ),
        Wrong(
            _scored_by_itself,
            "You drew from the student and also scored under the student. That is minus the student's own entropy, and "
            "the truth has no say in it. Score the samples with `truth.log_prob`.",
        ),
        Wrong(
            _log_of_the_mean,
            "You averaged the densities and then took the logarithm. Precision is the average of the logarithms, which "
            "is lower (Jensen): one very unlikely sample must be able to hurt. Do not take exp first.",
        ),
        Wrong(
            _truth_by_itself,
            "You drew from the truth and scored under the truth. That is −H(p*), the bound on recall, and the student "
            "has no say in it. Draw from the student.",
        ),
    ),
    solution=my_precision,
    cases=(
        Case(
            "a student with centre 1 and standard deviation 1.2",
            lambda: (*_models(1.0, 1.2), np.random.default_rng(0)),
        ),
        Case(
            "a student with centre −3 and standard deviation 0.8",
            lambda: (*_models(-3.0, 0.8), np.random.default_rng(1)),
        ),
    ),
    tolerance=0.1,
    look="Ask two questions of each line: who is drawn from, and who scores?",
)

# 01.2

SPIKE = Choice(
    id="01.2",
    title="The most precise student",
    task="""The truth is the four bumps on a line: 40, 30, 20 and 10 percent, all equally wide. The student is one
Gaussian, and you may choose its centre and its width. Which choice has the highest precision?""",
    answer="The centre of the heaviest bump, and as narrow as you like",
    place=3,
    hints=("Precision is an average of log p*(x) over what the student says. Where is log p*(x) largest?",),
    right=(
        "Every sample then falls on the densest point of p*, so precision comes close to max log p* = −1.04 nats. It "
        "is no good model: it says one thing again and again, and its recall falls without limit. Precision alone does "
        "not ask for variety."
    ),
    wrong=(
        Wrong(
            "The mean and the variance of p*, as the direct student has",
            "That is the Gaussian with the best recall, −2.14 nats. Its precision is only −2.91: it is wide, and much "
            "of what it says falls into the gaps between the bumps. Ask what is scored, and by whom.",
        ),
        Wrong(
            "The centre and the width of the heaviest bump",
            "A good guess: −1.51 nats, far better than the direct student's −2.91. But samples on the flanks of the "
            "bump score less than samples at its top. What happens to the average if you draw only from the top?",
        ),
        Wrong(
            "Wide enough to give every bump a fair density",
            "That thinks of recall: a wide student finds nothing that the truth says impossible. But what a wide "
            "student says falls mostly into gaps and far outside, where log p* is very low. Precision scores what the "
            "student says.",
        ),
    ),
)

# 01.3


def my_divergence(student, truth):
    """KL(truth || student) from recall alone; nats."""
    entropy = -recall(truth, truth).value
    return -entropy - recall(student, truth).value


def _forgot_the_sign(student, truth):
    entropy = -recall(truth, truth).value
    return entropy - recall(student, truth).value


def _forgot_the_entropy(student, truth):
    return -recall(student, truth).value


def _turned_around(student, truth):
    return my_divergence(truth, student)


def _upside_down(student, truth):
    return -my_divergence(student, truth)


DIVERGENCE = Code(
    id="01.3",
    title="From recall to a divergence",
    task="""Write `my_divergence(student, truth)`: KL(p* ‖ p″) in nats, by means of `recall` only. From kdlab,
`recall(student, truth).value` is E over x ~ p* of log p″(x), exact for these models.

The divergence is E over x ~ p* of log p*(x) − log p″(x). The check compares on two pairs of models, to six decimals
nats.""",
    hints=(
        "Split the expectation into two. One of the halves is recall.",
        "The other half is E over x ~ p* of log p*(x) = −H(p*). That is a recall as well: of which model, by which?",
    ),
    right="KL(p* ‖ p″) = −H(p*) − recall. What recall misses its bound by is the divergence of the student from the "
    "truth.",
    wrong=(
        Wrong(
            _forgot_the_sign,
            "You have +H(p*) where −H(p*) belongs. Entropy is minus the mean log-density, so E over x ~ p* of log "
            "p*(x) is −H(p*). Try a student equal to the truth: the divergence must be 0.",
        ),
        Wrong(
            _forgot_the_entropy,
            "You returned minus the recall: that is the cross-entropy. It is not 0 even for a perfect student. What it "
            "is for a perfect student, H(p*), has still to be taken off.",
        ),
        Wrong(
            _turned_around,
            "You computed KL(p″ ‖ p*), where the student speaks. Recall belongs to the other direction, where the "
            "truth speaks. Look at which model comes first in each call of recall.",
        ),
        Wrong(
            _upside_down,
            "That is minus the divergence. No divergence is negative: recall never exceeds −H(p*), so it is recall "
            "that is taken from −H(p*), and not the other way round.",
        ),
    ),
    solution=my_divergence,
    cases=(
        Case("a student with centre −1 and standard deviation 2", lambda: _models(-1.0, 2.0)),
        Case("a student with centre 0 and standard deviation 3", lambda: _models(0.0, 3.0)),
    ),
    tolerance=1e-6,
    look="Try a student that equals the truth: what must come out?",
)

EXERCISES: tuple[Exercise, ...] = (SAMPLING, SPIKE, DIVERGENCE)
