"""Exercises of notebook 00: one slider."""

import numpy as np

from kdlab.lessons.kinds import Case, Choice, Code, Exercise

FIRST_LOST = Choice(
    id="00.1",
    title="Which mode is lost first?",
    task="""Four modes with 40, 30, 20 and 10 percent of the mass, from left to right, and a student of one bump. You
raise β from 1. Which mode does the student stop covering first, and why?""",
    answer="The rightmost, which holds 10 percent",
    place=3,
    hints=(
        "Which of the teacher's weights shrinks fastest when all of them are raised to a power and normalised?",
        "Drag slowly from 1 to 3, and watch the dots on the base line.",
    ),
    right=(
        "Its weight is the smallest, so it fades fastest: at β = 2 it is down from 10 to 3 percent. The student's "
        "centre moves left, away from it, the student narrows, and at β = 1.85 this mode is the first that it no "
        "longer covers."
    ),
    wrong={
        "The leftmost, which is far out": (
            "It is far out, but it is the heaviest: the teacher says it more and more often, and the student follows. "
            "It is the only mode that is never lost. Ask what happens to the weights."
        ),
        "The second from the right: one of the inner two has to go to make room": (
            "Modes do not push each other out. It is lost too, but only at β = 3.55, when the student has moved on. "
            "Another one has less weight and is further from where the student goes."
        ),
        "All at once, when the student turns narrow": (
            "The student narrows little by little, since the teacher's weights change little by little. Drag slowly: "
            "the count in the sentence goes 4, 3, 2, 1."
        ),
    },
)


def my_tempered(w, beta):
    """Weights to the power beta, normalised."""
    powers = w**beta
    return powers / powers.sum()


def _not_normalised(w, beta):
    return w**beta


def _multiplied(w, beta):
    return beta * w / (beta * w).sum()


def _only_multiplied(w, beta):
    return w * beta


def _softmax(w, beta):
    return np.exp(beta * w) / np.exp(beta * w).sum()


def _temperature(w, beta):
    return my_tempered(w, 1 / beta)


TEMPER = Code(
    id="00.2",
    title="The teacher's knob",
    task="""Write `my_tempered(w, beta)`: raise each weight to the power β and divide by the sum.

`w` is a numpy array of weights that sum to 1; return an array of the same length. The check compares on two
teachers, to six decimals.""",
    hints=("In numpy `w**beta` works on all entries at once, and `.sum()` adds them up.",),
    right="With β above 1 the heaviest gets heavier, the lightest gets lighter, and they still sum to 1.",
    wrong={
        _not_normalised: (
            "You raised the weights to the power β and did not divide by their sum. With β above 1 they add up to less "
            "than 1, and are no weights of a mixture."
        ),
        _multiplied: (
            "You multiplied by β. Once that is divided by the sum, β drops out and nothing has changed. A power "
            "does change the ratios: `w**beta`."
        ),
        _only_multiplied: (
            "You multiplied by β: every weight grows alike, none gains on another, and they no longer sum to 1. A "
            "power changes the ratios: `w**beta`, then divide by the sum."
        ),
        _softmax: (
            "This is the softmax of β times w. A softmax takes log-weights: of β times log w it would be right. At β = "
            "1 your function should give back w."
        ),
        _temperature: (
            "You raised to the power 1/β. That is a temperature, which works the other way round: with rising β your "
            "weights grow more equal."
        ),
    },
    solution=my_tempered,
    cases=(
        Case("w = 0.4, 0.3, 0.2, 0.1 and β = 2", lambda: (np.array([0.4, 0.3, 0.2, 0.1]), 2.0)),
        Case("w = 0.6, 0.4 and β = 5", lambda: (np.array([0.6, 0.4]), 5.0)),
    ),
    tolerance=1e-6,
    advice="Try β = 1: it should give back w. Then look at the sum.",
)

EXERCISES: tuple[Exercise, ...] = (FIRST_LOST, TEMPER)
