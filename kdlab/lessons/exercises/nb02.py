"""Exercises of notebook 02: what a more selective teacher does to its student."""

import numpy as np

from kdlab.lessons.kinds import Case, Choice, Code, Exercise

RARE = Choice(
    id="02.1",
    title="Who would miss a rare mode?",
    task="""Go back to the first picture of this notebook and choose the scene A rare mode, with K″ = 4. Four modes
are common; the fifth holds 3 percent of the mass and lies far away. The teacher knows them all. Compare the student
at β = 1 with the one at β = 1.53. Which mode goes first, and which of the two numbers says so?""",
    answer="The rare one; recall falls a little, precision rises",
    place=2,
    hints=(
        "Which weight shrinks fastest when all are raised to a power?",
        "Precision averages over what the student says, recall over what the truth says. How often does each of them "
        "speak of the rare mode?",
    ),
    right=(
        "Recall goes from −2.30 to −2.37 and precision from −2.50 to −2.26: the component that stood on the rare mode "
        "is free, and two common modes that had to share one get one each. (At the switch, around β = 1.12, precision "
        "dips for two steps and comes back; recall drops and stays.) Nobody who looks at the student's samples misses "
        "what is not in them. Recall does notice, but only a little: 3 percent of what the truth says is there. At "
        "larger β that small share costs "
        "more: at β = 100 log p″ is −77 nats there, on average."
    ),
    wrong={
        "The rare one; both numbers fall": (
            "The right mode. But precision asks only about what the student says, and the component that it had there "
            "now helps with the common modes: precision rises, from −2.50 to −2.26. What is hardly said is hardly "
            "scored. (At the switch itself, around β = 1.12, precision dips for two steps; compare the two ends.)"
        ),
        "The rare one; precision falls, recall hardly notices": (
            "The right mode, but not the right number. Precision averages over the student's own samples, and "
            "hardly any of them lie there to be scored. Which average still runs over the rare mode?"
        ),
        "The weakest of the four common ones, since the rare one is far from everything": (
            "Distance does not keep it: β acts on the weights alone, and the rare one is the lightest by far. The "
            "weakest common mode goes later, at β = 4.64."
        ),
    },
)


def my_gaussian(weights, means, variances):
    """Mean and variance, along each axis, of a mixture."""
    mean = weights @ means
    variance = weights @ (variances + (means - mean) ** 2)
    return mean, variance


def _forgot_the_spread(weights, means, variances):
    return weights @ means, weights @ variances


def _unweighted(weights, means, variances):
    return my_gaussian(np.full(len(weights), 1 / len(weights)), means, variances)


def _deviation(weights, means, variances):
    mean, variance = my_gaussian(weights, means, variances)
    return mean, np.sqrt(variance)


def _averaged_deviations(weights, means, variances):
    mean = weights @ means
    return mean, (weights @ np.sqrt(variances)) ** 2 + weights @ (means - mean) ** 2


MOMENTS = Code(
    id="02.2",
    title="The best single Gaussian",
    task="""Write `my_gaussian(weights, means, variances)`: the distilled student of one component, from the
teacher's numbers. `weights` has shape (K,), `means` and `variances` have shape (K, D): one row per component, one
column per axis.

Return the pair `mean, variance`, each of shape (D,). The check compares on two teachers, to six decimals.""",
    hints=(
        "`weights @ a` takes the weighted mean of the rows of `a`.",
        "The variance of a mixture has two parts: how wide its components are, and how far apart their centres are.",
    ),
    right=(
        "Variance is the mean of the variances plus the variance of the means. That second part is why a student of "
        "one has to be so wide while the teacher still speaks of several bumps."
    ),
    wrong={
        _forgot_the_spread: (
            "The mean is right, and the variance is only the mean of the components' variances. The centres lie apart, "
            "and one Gaussian must span them: add the weighted mean of `(means - mean) ** 2`."
        ),
        _unweighted: (
            "You gave every component the same weight. Then β could change nothing at all: what it changes are the "
            "weights. Use `weights @ ...` for every mean."
        ),
        _deviation: (
            "The second thing that you return is a standard deviation. The variance is wanted: leave out the square "
            "root."
        ),
        _averaged_deviations: (
            "You averaged the standard deviations of the components and squared the result. It is variances that add "
            "up: average those, and take no roots on the way."
        ),
    },
    solution=my_gaussian,
    cases=(
        Case(
            "a teacher of two in one dimension",
            lambda: (np.array([0.75, 0.25]), np.array([[-1.0], [2.0]]), np.array([[0.25], [1.0]])),
        ),
        Case(
            "a teacher of three in two dimensions",
            lambda: (
                np.array([0.5, 0.3, 0.2]),
                np.array([[-1.0, 0.0], [0.5, 1.5], [2.0, -1.0]]),
                np.array([[0.2, 0.4], [0.1, 0.9], [0.5, 0.3]]),
            ),
        ),
    ),
    tolerance=1e-6,
    advice="Take one component first: its own mean and variance must come back. Then let two centres lie apart.",
)

TWENTY = Choice(
    id="02.3",
    title="Twenty nats",
    task="""A report says: "with the selective teacher, precision improved by 20 nats". In the appendix you find that
it was measured under the tempered teacher, and not under p*. What do the 20 nats say?""",
    answer="How much likelier that teacher finds what the student says; about p* they say nothing by themselves",
    place=4,
    hints=("Put the definition of precision beside the number. Who scores in the one, and who in the other?",),
    right=(
        "The score asks how likely the selective teacher finds the student's samples. A student trained on that "
        "teacher has an advantage there. The direct student says much that this teacher hardly ever says, and does "
        "badly. On our points the same two students are 4.5 nats apart under p*, and 20.7 under the tempered teacher."
    ),
    wrong={
        "Its samples are now e²⁰ times as likely under the truth": (
            "That is what 20 nats of precision would mean, as a geometric mean, if p* had done the scoring. Here "
            "another model scored. Look for the name under the logarithm."
        ),
        "The student now covers more of what p* says": (
            "That would be recall: samples from p*, scored by the student. Precision takes samples from the student "
            "and can rise while it covers less. And here p* was not even asked."
        ),
        "It must be a slip: precision is bounded, so nobody gains 20 nats": (
            "Precision is bounded from above, and has no floor. From −21.20 to −0.46 is a gain of 20.7 nats, all of it "
            "below the bound; that pair is in this notebook. The number can be right. Ask what it measures."
        ),
    },
)

EXERCISES: tuple[Exercise, ...] = (RARE, MOMENTS, TWENTY)
