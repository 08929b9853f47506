"""Exercises of notebook 03: where the trade-off comes from."""

import numpy as np

from kdlab.lessons.kinds import Case, Choice, Code, Exercise


def my_slope(w, log_alpha, scores):
    """Covariance, under w, of log-weights and scores."""
    mean_log_alpha, mean_score = w @ log_alpha, w @ scores
    return w @ ((log_alpha - mean_log_alpha) * (scores - mean_score))


def _unweighted(w, log_alpha, scores):
    return np.mean((log_alpha - log_alpha.mean()) * (scores - scores.mean()))


def _numpy_cov(w, log_alpha, scores):
    return np.cov(log_alpha, scores)[0, 1]


def _as_from_a_sample(w, log_alpha, scores):
    return np.cov(log_alpha, scores, aweights=w)[0, 1]


def _tempered_logs(w, log_alpha, scores):
    return my_slope(w, np.log(w), scores)


def _forgot_the_means(w, log_alpha, scores):
    return w @ (log_alpha * scores)


def _regression(w, log_alpha, scores):
    return my_slope(w, log_alpha, scores) / my_slope(w, log_alpha, log_alpha)


def _wrong_sign(w, log_alpha, scores):
    return -my_slope(w, log_alpha, scores)


def _slope_case(alpha, scores, beta):
    """(w, log_alpha, scores) of a teacher with weights alpha at beta."""
    log_alpha = np.log(alpha)
    w = np.exp(beta * log_alpha)
    return w / w.sum(), log_alpha, np.array(scores)


SLOPE = Code(
    id="03.1",
    title="The slope of precision",
    task="""While the student is the tempered teacher itself (K″ ≥ K′, the same kind of covariances), precision is the
sum of w_k s_k. Here w_k = w_k(β) are the tempered weights. The score s_k = E over x ~ N_k of log p*(x) is the
precision of component k alone. The slope is

d precision / dβ = Cov over w(β) of ( log α_k , s_k ).

Write `my_slope(w, log_alpha, scores)`. All three are arrays of length K′; α are the weights before tempering, and w
sums to 1. The check compares on two teachers, to six decimals.""",
    hints=(
        "A covariance is the mean of (this minus its mean) times (that minus its mean). All three means here are taken "
        "under w.",
        "The mean of an array `a` under w is `(w * a).sum()`, or shorter `w @ a`.",
    ),
    right="Precision rises with β exactly where this covariance is positive: where, under w, the heavier components "
    "tend to have the better scores.",
    wrong={
        _unweighted: (
            "You gave every component the same weight. The tempered teacher does not: a component that it hardly says "
            "any more should hardly count. Take all means under w."
        ),
        _numpy_cov: (
            "This is np.cov as it comes: every component counts the same, and it divides by K′ − 1. The teacher weighs "
            "its components with w, and that is where w has to come in."
        ),
        _as_from_a_sample: (
            "Your weights are right, but the result is too far from 0: np.cov divides as for a sample, of which the "
            "mean is only estimated (the n − 1). Here w is the whole distribution. Write the sum out, or pass ddof=0."
        ),
        _tempered_logs: (
            "You used log w(β), the tempered weights, in place of log α. As log w = β log α + a constant, this gives β "
            "times the slope. w says how much each component counts; log α is what is compared with the scores."
        ),
        _forgot_the_means: (
            "This is the mean of the product. A covariance takes the means off first (or the product of the two means "
            "at the end), so that adding a constant to all scores changes nothing."
        ),
        _regression: (
            "You divided the covariance by the variance of log α. That is the slope of the regression line in the "
            "picture above: score per unit of log-weight. The sign is right, the size is not. Precision per unit of β "
            "is asked for, and the formula has no division: return the covariance as it is."
        ),
        _wrong_sign: (
            "This is minus the slope: the size is right, the sign is turned. The weights move towards the heavier "
            "components as β rises. So where these have the better scores, precision must rise. Leave out the minus."
        ),
    },
    solution=my_slope,
    cases=(
        Case(
            "α = 0.4, 0.3, 0.2, 0.1 at β = 2",
            lambda: _slope_case([0.4, 0.3, 0.2, 0.1], [-1.5, -1.8, -2.2, -2.9], 2.0),
        ),
        Case("α = 0.5, 0.2, 0.3 at β = 3", lambda: _slope_case([0.5, 0.2, 0.3], [-2.4, -1.1, -1.9], 3.0)),
    ),
    tolerance=1e-6,
    advice="Check two simple cases. If all scores are equal, the slope must be 0. With `log_alpha` in the place of the "
    "scores, it must be the variance of log α under w.",
)

SEEKING = Choice(
    id="03.2",
    title="A covering loss that seeks modes",
    task="""The distilled student minimises the forward divergence KL(p′ ‖ p″). This loss is known to cover: whatever
p′ says and p″ does not, costs a lot. And yet, on the line with one component, the student ends on a single bump as β
grows. Why?""",
    answer="The teacher hardly says the light bumps any more, so leaving them out costs almost nothing",
    place=3,
    hints=("In KL(p′ ‖ p″) the average is taken over what p′ says. What does p′ say at β = 100?",),
    right=(
        "The loss still covers: it covers what the teacher says. Each bump's price is multiplied by the teacher's "
        "tempered weight, and for the light ones that goes to 0. So the selection is made by the teacher, not by the "
        "loss."
    ),
    wrong={
        "Tempering the teacher turns the forward divergence into the reverse one": (
            "The divergence is the same at every β: samples come from the teacher, and the student is scored on them. "
            "What changes is the teacher in it. Look at what it still says."
        ),
        "The student has one component, so it would end there with any teacher": (
            "At β = 1 a student of one component covers all 4 modes. One component is a reason why it has to choose "
            "between wide and narrow, but not why it chooses narrow. What else changes with β?"
        ),
        "The fit gets stuck in a local optimum": (
            "There is nothing to get stuck in: the best single Gaussian has the teacher's mean and variance, by a "
            "formula. The optimum itself moves with β. What moves the teacher's mean and variance?"
        ),
    },
)

COINCIDE = Choice(
    id="03.3",
    title="Four and eight",
    task="""On the ring, with diagonal covariances, a student of K″ = 8 components traces the same path as a student
of K″ = 4. The truth has eight modes. Why do four more components change nothing?""",
    answer="The teacher has four components: a student of four can already be the teacher",
    place=1,
    hints=("Whom does the student imitate, and what is its loss when it imitates perfectly?",),
    right=(
        "With K″ = 4 the divergence from the teacher is already 0, and nothing can be below that. More room does not "
        "help a student to know more than its teacher. It also takes a family that holds the teacher's components: "
        "with spherical covariances the two paths differ."
    ),
    wrong={
        "Eight components are hard to fit: four of them end in bad places": (
            "Then its loss would stay above 0, and the two paths would differ. They are the same, because both "
            "students are the same model. Whose model?"
        ),
        "Components that are not needed are pruned, because the fit prefers small models": (
            "Nothing in this fit prefers small models: it maximises the likelihood of what the teacher says. What is "
            "the highest value that this likelihood can reach?"
        ),
        "Four components are enough for the eight modes of p*": (
            "They are not: at β = 1 recall is −1.82 nats, well below its bound of −1.22, so this is not p*. But the "
            "student is not fitted to p*. Whom does it imitate, and how well can it?"
        ),
    },
)

EXERCISES: tuple[Exercise, ...] = (SLOPE, SEEKING, COINCIDE)
