"""Code of the exercises of notebook 03: where the trade-off comes from."""

import numpy as np

from kdlab.lessons.kinds import Parts


def my_slope(w, log_alpha, scores):
    """Covariance, under w, of log-weights and scores."""
    mean_log_alpha, mean_score = w @ log_alpha, w @ scores
    return w @ ((log_alpha - mean_log_alpha) * (scores - mean_score))


def _unweighted(w, log_alpha, scores):
    return np.mean((log_alpha - log_alpha.mean()) * (scores - scores.mean()))


def _regression(w, log_alpha, scores):
    return my_slope(w, log_alpha, scores) / my_slope(w, log_alpha, log_alpha)


def _slope_case(alpha, scores, beta):
    """(w, log_alpha, scores) of a teacher with weights alpha at beta."""
    log_alpha = np.log(alpha)
    w = np.exp(beta * log_alpha)
    return w / w.sum(), log_alpha, np.array(scores)


CODE = {
    "03.1": Parts(
        solution=my_slope,
        mistakes={
            "unweighted": _unweighted,
            "numpy_cov": lambda w, log_alpha, scores: np.cov(log_alpha, scores)[0, 1],
            "as_from_a_sample": lambda w, log_alpha, scores: np.cov(log_alpha, scores, aweights=w)[0, 1],
            "tempered_logs": lambda w, log_alpha, scores: my_slope(w, np.log(w), scores),
            "forgot_the_means": lambda w, log_alpha, scores: w @ (log_alpha * scores),
            "regression": _regression,
            "wrong_sign": lambda w, log_alpha, scores: -my_slope(w, log_alpha, scores),
        },
        cases={
            "α = 0.4, 0.3, 0.2, 0.1 at β = 2": lambda: _slope_case([0.4, 0.3, 0.2, 0.1], [-1.5, -1.8, -2.2, -2.9], 2.0),
            "α = 0.5, 0.2, 0.3 at β = 3": lambda: _slope_case([0.5, 0.2, 0.3], [-2.4, -1.1, -1.9], 3.0),
        },
    ),
}
