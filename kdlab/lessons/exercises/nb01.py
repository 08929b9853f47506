"""Exercises of notebook 01: what precision and recall measure, and what they leave out."""

import numpy as np

from kdlab.core.metrics import recall
from kdlab.lessons.kinds import Case, Choice, Code, Exercise
from kdlab.mixtures.scenes import line, line_mixture

SPIKE = Choice(
    id="01.1",
    title="The most precise student",
    task="""The truth is the four bumps on a line: 40, 30, 20 and 10 percent, all equally wide. The student is one
Gaussian, and you may choose its centre and its width. Which choice has the highest precision?""",
    answer="The centre of the heaviest bump, and as narrow as you like",
    place=3,
    hints=("Precision is an average of log p*(x) over what the student says. Where is log p*(x) largest?",),
    right=(
        "The narrower the student, the closer its samples lie to the densest point of p*, and the closer precision "
        "comes to max log p* = −1.04 nats. It is no good model: it says one thing again and again, and its recall "
        "falls without limit. Precision alone does not ask for variety."
    ),
    wrong={
        "The mean and the variance of p*": (
            "Its precision is only −2.91 nats. It is wide: 17 percent of what it says lies more than two bump widths "
            "from every centre, in the gaps or outside all bumps. Ask what is scored, and by whom."
        ),
        "The centre and the width of the heaviest bump": (
            "A good guess: −1.51 nats. But samples on the flanks of the bump score less than samples at its top. What "
            "happens to the average if you draw only from the top?"
        ),
        "Wide enough to give every bump a fair density": (
            "A fair density on every bump helps recall, which scores what the truth says. Precision scores what the "
            "student says. Of that, a part falls into the gaps. A few samples fall far outside: one by one, those "
            "cost most. With the mean and the variance of p*, 9 percent lie more than two bump widths beyond the outer "
            "centres, and log p* there is −10.8 nats on average."
        ),
    },
)


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


def _wrong_sign(student, truth, rng):
    return -my_precision(student, truth, rng)


def _summed(student, truth, rng):
    return truth.log_prob(student.sample(10_000, rng)).sum()


def _in_bits(student, truth, rng):
    return my_precision(student, truth, rng) / np.log(2)


def _models(mean, deviation):
    """The four bumps on a line and one Gaussian: (student, truth)."""
    return line_mixture([1.0], [mean], [deviation]), line().truth


SAMPLING = Code(
    id="01.2",
    title="Precision from samples",
    task="""Write `my_precision(student, truth, rng)`: estimate precision from 10,000 samples, in nats.
Two or three lines are enough.

Every model here can draw, `model.sample(n, rng)`, and score, `model.log_prob(x)`: one log-density per row of x. The
check compares with the solution on two pairs of models, and allows 0.1 nats for chance.""",
    hints=(
        "Read the definition from right to left. Who speaks, and who scores?",
        "An expectation over x ~ p″ is an average over samples of p″. What is averaged is log p*(x).",
    ),
    right="The student speaks and the truth listens. With 10,000 samples the standard error here is at most 0.02 nats.",
    wrong={
        _recall_instead: (
            "You drew from the truth and scored under the student. That is recall: the same operation with the two "
            "models swapped. For precision the student is the one who speaks."
        ),
        _scored_by_itself: (
            "You drew from the student and also scored under the student. That estimates minus the student's entropy, "
            "and the truth has no say in it. Score the samples with `truth.log_prob`."
        ),
        _log_of_the_mean: (
            "You averaged the densities and then took the logarithm. Precision is the average of the logarithms, which "
            "is lower (Jensen): one very unlikely sample must be able to hurt. Do not take exp first."
        ),
        _truth_by_itself: (
            "You drew from the truth and scored under the truth. That estimates −H(p*), the bound on recall, and the "
            "student has no say in it. Draw from the student."
        ),
        _wrong_sign: (
            "This is minus the precision. The right one speaks and the right one scores; only the sign is turned. "
            "Precision is the mean log-density as it is, and no loss: higher is better. Leave out the minus."
        ),
        _summed: (
            "You added up all 10,000 scores. Who speaks and who scores is right, but a sum grows with the number of "
            "samples. An expectation is estimated by a mean: divide by their number."
        ),
        _in_bits: (
            "This is precision in bits, with the logarithm to base 2. Who speaks and who scores is right; only the "
            "unit is not. `log_prob` gives nats already: take its mean, and do not divide by log 2."
        ),
    },
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
    advice="Ask of each line: who is drawn from, and who scores? Then: is it the plain mean of all scores?",
)


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

The divergence is E over x ~ p* of log p*(x) − log p″(x). The check compares on two pairs of models, in nats, to six
decimals.""",
    hints=(
        "Split the expectation into two. One of the halves is recall.",
        "The other half is E over x ~ p* of log p*(x) = −H(p*). That is a recall as well: of which model, by which?",
    ),
    right="KL(p* ‖ p″) = −H(p*) − recall. What recall misses its bound by is the divergence of the student from the "
    "truth.",
    wrong={
        _forgot_the_sign: (
            "You have +H(p*) where −H(p*) belongs. Entropy is minus the mean log-density, so E over x ~ p* of log "
            "p*(x) is −H(p*). Try a student equal to the truth: the divergence must be 0."
        ),
        _forgot_the_entropy: (
            "You returned minus the recall: that is the cross-entropy. For a perfect student it is H(p*), and a "
            "divergence would be 0. So H(p*) has still to be taken off."
        ),
        _turned_around: (
            "You computed KL(p″ ‖ p*), where the student speaks. Recall belongs to the other direction, where the "
            "truth speaks. Look at which model comes first where you call recall."
        ),
        _upside_down: (
            "That is minus the divergence. This divergence is never negative: recall never exceeds −H(p*), so it is "
            "recall that is taken from −H(p*), and not the other way round."
        ),
    },
    solution=my_divergence,
    cases=(
        Case("a student with centre −1 and standard deviation 2", lambda: _models(-1.0, 2.0)),
        Case("a student with centre 0 and standard deviation 3", lambda: _models(0.0, 3.0)),
    ),
    tolerance=1e-6,
    advice="Try a student that equals the truth: what must come out?",
)

EXERCISES: tuple[Exercise, ...] = (SPIKE, SAMPLING, DIVERGENCE)
