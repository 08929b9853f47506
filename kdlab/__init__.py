"""kdlab: move the teacher's entropy, and watch what the student learns.

What every notebook uses, with numpy alone::

    from kdlab import GaussianMixture, fit_mixture, precision, recall

Chains of letters are in ``kdlab.ngrams.model``. The live pictures are one import away, and bring the widgets (and
matplotlib, where something is drawn)::

    from kdlab import experiments, widgets
    widgets.show(experiments.teacher_entropy())
"""

from kdlab.core.metrics import Estimate, precision, recall
from kdlab.mixtures.fit import Fit, fit_mixture
from kdlab.mixtures.model import GaussianMixture

__all__ = ["Estimate", "Fit", "GaussianMixture", "fit_mixture", "precision", "recall"]

__version__ = "0.1.0"
