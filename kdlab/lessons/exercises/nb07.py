"""Exercises of notebook 07: did language do what the mixtures did?"""

import numpy as np

from kdlab.lessons.kinds import Case, Choice, Code, Exercise


def my_per_token(nats, tokens):
    """From log-probabilities of texts to nats per token."""
    return nats.sum() / tokens.sum()


def _mean_of_ratios(nats, tokens):
    return (nats / tokens).mean()


def _per_text(nats, tokens):
    return nats.mean()


def _over_the_longest(nats, tokens):
    return nats.mean() / tokens.max()


def _turned_over(nats, tokens):
    return tokens.sum() / nats.sum()


POOLED = Code(
    id="07.1",
    title="Nats per token",
    task="""Write `my_per_token(nats, tokens)`: the recall of a model, in nats per token. `nats` has shape (N,): the
log-probability of each of p*'s N texts under the model. `tokens` has shape (N,): how many tokens each text has.

Return one number, the one of the table above: every token counts the same. The check compares on three sets of
texts, to nine decimals.""",
    hints=(
        "A text of two tokens and one of thirty: how much should each weigh?",
        "Imagine all the texts written one after the other. How many nats does that take, and how many tokens?",
    ),
    right=(
        "All nats over all tokens. With this way of counting no model passes −H(p*) per token on endlessly many texts, "
        "since the tokens are the same for both. A mean of each text's own average has no such ceiling."
    ),
    wrong={
        _mean_of_ratios: (
            "You averaged the averages, so that a text of two tokens counts as much as one of thirty. A model that is "
            "good at short texts would then look good at all, and could pass p* itself. Pool first, then divide."
        ),
        _per_text: (
            "That is nats per text, the other way to count. It is the recall of the definition; but where texts are "
            "longer, it is lower for that reason alone. Divide by all the tokens."
        ),
        _over_the_longest: (
            "You divided by the longest text, as if all had its length. Some end earlier, by themselves: count the "
            "tokens that are there."
        ),
        _turned_over: (
            "Turned over: these are tokens per nat. Nats per token has the nats above and the tokens below."
        ),
    },
    solution=my_per_token,
    cases=(
        Case("a short text and a long one", lambda: (np.array([-9.0, -60.0]), np.array([2, 30]))),
        Case("three texts", lambda: (np.array([-4.0, -30.0, -22.0]), np.array([1, 12, 9]))),
        Case("five texts", lambda: (np.array([-50.0, -3.0, -12.5, -80.0, -7.0]), np.array([20, 1, 6, 31, 4]))),
    ),
    tolerance=1e-9,
    advice="Take the first case: 69 nats in 32 tokens.",
)


def my_step(warm, cold):
    """From two estimates to their difference, and its standard error."""
    (a, error_a), (b, error_b) = warm, cold
    return b - a, np.sqrt(error_a**2 + error_b**2)


def _errors_added(warm, cold):
    return cold[0] - warm[0], warm[1] + cold[1]


def _errors_subtracted(warm, cold):
    return cold[0] - warm[0], abs(cold[1] - warm[1])


def _errors_averaged(warm, cold):
    return cold[0] - warm[0], (warm[1] + cold[1]) / 2


def _root_forgotten(warm, cold):
    return cold[0] - warm[0], warm[1] ** 2 + cold[1] ** 2


def _other_way(warm, cold):
    return my_step(cold, warm)


STEP = Code(
    id="07.2",
    title="Is it a step at all?",
    task="""Write `my_step(warm, cold)`. Both are pairs: an estimate in nats, and its standard error. The two estimates
are independent.

Return two things: how much the estimate changes from warm to cold, and the standard error of that change. The check
compares on three pairs, to nine decimals.""",
    hints=(
        "From warm to cold: a number that rises has a positive change. Which one is subtracted?",
        "Variances of independent numbers add, for differences as well as for sums. What is a standard error squared?",
    ),
    right=(
        "The squares add. So a step between two numbers that are each known to ± 0.05 is known to ± 0.07 only, and "
        "wants to be larger than 0.14 before one speaks of it. Where both are measured on the same texts, they err "
        "together, and the difference is usually known better than this."
    ),
    wrong={
        _errors_added: (
            "You added the errors. That would be right if one were always too high by as much as the other is "
            "too low, as it were. Independent errors partly cancel: add the squares and take the root."
        ),
        _errors_subtracted: (
            "You subtracted the errors. Then two numbers known equally badly would have a difference that is known "
            "exactly. Uncertainty about either is uncertainty about the difference: add the squares and take the root."
        ),
        _errors_averaged: (
            "You averaged the errors. A difference of two uncertain numbers is more uncertain than either of them, and "
            "an average is not. Add the squares and take the root."
        ),
        _root_forgotten: (
            "The squares add, as they should; what you return is the square of the error, in nats squared. Take the "
            "root."
        ),
        _other_way: (
            "The error is right; the change has the wrong sign. From warm to cold is cold minus warm: a precision that "
            "rises as τ falls has a positive change."
        ),
    },
    solution=my_step,
    cases=(
        Case("precision from −6.5 to −5.7", lambda: ((-6.5, 0.06), (-5.7, 0.08))),
        Case("recall from −4.9 to −5.0", lambda: ((-4.9, 0.05), (-5.0, 0.12))),
        Case("an exact start", lambda: ((-2.0, 0.0), (-2.5, 0.3))),
    ),
    tolerance=1e-9,
    advice="Errors of 0.06 and 0.08 give 0.1: a triangle with sides 3, 4, 5.",
)

MIDDLEMAN = Choice(
    id="07.3",
    title="Better on both",
    task="""In some run the direct student is clearly better than the one distilled at τ = 1, in precision and in
recall. Both have the same size, learned from equally many texts, and began with the same weights. What
is the likeliest reason?""",
    answer="Its texts are p*'s own; the other one learned from a teacher that is not p*",
    place=2,
    hints=(
        "What differs between the two students? Go through size, number of texts, first weights, and texts.",
        "On the names of notebook 04 the two were one. What was the teacher there, and what is it here?",
    ),
    right=(
        "At τ = 1 a student learns to write as its teacher does. What the teacher lost of p* it is not shown, and what "
        "the teacher says wrongly it is taught. On the names nothing of that was felt: there the teacher was p*'s "
        "exact projection, and the student saw no more of it than it would have seen of p*. A trained teacher is no "
        "such projection. Tempering starts from this handicap, and must first make up for it."
    ),
    wrong={
        "At τ = 1 the teacher is too selective: the student is told too little": (
            "At τ = 1 nothing is tempered: the teacher writes as it learned to. And selectivity would, as a rule, "
            "raise precision and lower recall, but here both are lower. Look at the teacher's own two numbers."
        ),
        "It is the trade-off: the direct student has chosen another point on the same path": (
            "The path is made of students of one teacher, at one τ after another. The direct student learned from no "
            "teacher, and in that run no τ leads to it. (Nor is every path a trade-off all along: on the ring it dips, "
            "and there one student of the path is better than another on both numbers.) So ask what moves the whole "
            "path: what did the other student learn from?"
        ),
        "Distilled students see the teacher's texts once removed, so they see fewer of them": (
            "Both see equally many texts, and both see them whole. It is not how many but whose: look at who wrote the "
            "texts, and at what that writer scores under p*."
        ),
    },
)

EXERCISES: tuple[Exercise, ...] = (POOLED, STEP, MIDDLEMAN)
