"""kdlab: move the teacher's entropy, and watch what the student learns.

    from kdlab import mixtures, precision, recall

    sweep = mixtures.teacher_entropy("ring", n_components=1)   # a slider's positions, and all there is to show at each
    mixtures.show(sweep)                                       # the live picture

Three worlds, one experiment: `mixtures`, `ngrams` and `lm`. A name is loaded when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdlab.core.lazy import front_door

if TYPE_CHECKING:
    from kdlab import lm, mixtures, ngrams
    from kdlab.cli.doctor import doctor
    from kdlab.core.format import percent
    from kdlab.core.metrics import Estimate, monte_carlo, precision, recall
    from kdlab.lessons.catalogue import exercise
    from kdlab.lessons.predictions import predict
    from kdlab.lessons.review import review
    from kdlab.mixtures.fit import Fit, fit_mixture
    from kdlab.mixtures.model import GaussianMixture
    from kdlab.ngrams.model import NGramChain
    from kdlab.pictures.quiz import quiz

_MODULES = {
    "core.metrics": "Estimate monte_carlo precision recall",
    "mixtures.fit": "Fit fit_mixture",
    "mixtures.model": "GaussianMixture",
    "ngrams.model": "NGramChain",
    "cli.doctor": "doctor",
    "lessons.catalogue": "exercise",
    "core.format": "percent",
    "lessons.predictions": "predict",
    "pictures.quiz": "quiz",
    "lessons.review": "review",
    "": "lm mixtures ngrams",
}

__all__ = [
    "Estimate",
    "Fit",
    "GaussianMixture",
    "NGramChain",
    "doctor",
    "exercise",
    "fit_mixture",
    "lm",
    "mixtures",
    "monte_carlo",
    "ngrams",
    "percent",
    "precision",
    "predict",
    "quiz",
    "recall",
    "review",
]

_, __getattr__, __dir__ = front_door(__name__, _MODULES)

__version__ = "0.1.0"
