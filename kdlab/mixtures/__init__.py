"""World 1: Gaussian mixtures, where everything is exact.

    sweep = mixtures.teacher_entropy("ring", n_components=1)   # students along the slider of beta
    mixtures.show(sweep)                                       # the live picture
    mixtures.plots.filmstrip(sweep, [1, 5, 20])                # the same for print

`model`, `fit`, `scenes` and `experiment` are the mathematics; `single` and `mechanism` are side topics, of notebooks 01
and 03. A topic's static pictures are in `plots_`, its live one in `view_` with that name.
"""

from kdlab.core.lazy import front_door

_WHERE = {
    "GaussianMixture": "model",
    "Fit": "fit",
    "fit_mixture": "fit",
    "Scene": "scenes",
    "line_mixture": "scenes",
    "make_scene": "scenes",
    "MixtureSweep": "experiment",
    "Settings": "experiment",
    "teacher_entropy": "experiment",
    "Judge": "judge",
    "show": "view",
    "by_hand": "view_single",
    "show_pairs": "view_mechanism",
    "fit": "",
    "judge": "",
    "mechanism": "",
    "plots": "",
    "plots_mechanism": "",
    "plots_single": "",
    "single": "",
}

__all__ = sorted(_WHERE)

__getattr__, __dir__ = front_door(__name__, _WHERE)
