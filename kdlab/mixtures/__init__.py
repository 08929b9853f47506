"""World 1: Gaussian mixtures, where everything is exact.

    sweep = mixtures.teacher_entropy("ring", n_components=1)   # students along the slider of beta
    mixtures.show(sweep)                                       # the live picture
    mixtures.plots.filmstrip(sweep, [1, 5, 20])                # the same for print

`model`, `fit`, `scenes` (`own`: the reader's) and `experiment` are the mathematics; `single` and `mechanism` are side
topics, of notebooks 01 and 03, and `view_own` is where a reader draws p*. A topic's static pictures are in `plots_`,
its live one in `view_` with that name.
"""

from kdlab.core.lazy import front_door

_MODULES = {
    "model": "GaussianMixture",
    "fit": "Fit fit_mixture",
    "scenes": "Scene line_mixture make_scene",
    "experiment": "MixtureSweep Settings teacher_entropy",
    "judge": "Judge",
    "view": "show",
    "view_single": "by_hand",
    "view_mechanism": "show_pairs",
    "view_own": "draw",
    "challenges": "CHALLENGES",
    "": "fit judge mechanism plots plots_mechanism plots_single single",
}
__all__, __getattr__, __dir__ = front_door(__name__, _MODULES)
