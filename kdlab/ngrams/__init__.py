"""World 2: chains of letters, as exact as the mixtures.

    sweep = ngrams.teacher_temperature()   # students along the slider of tau
    ngrams.show(sweep)                     # the live picture

`model` is the chain and its projections, `experiment` the slider, `objectives` other losses than the paper's,
`spelling` one name letter by letter.
"""

from kdlab.core.lazy import front_door

_WHERE = {
    "NGramChain": "model",
    "LETTERS": "names",
    "first_names": "names",
    "NGramSweep": "experiment",
    "teacher_temperature": "experiment",
    "compare_objectives": "objectives",
    "letters": "view_spelling",
    "show": "view",
    "plots": "",
}

__all__ = sorted(_WHERE)

__getattr__, __dir__ = front_door(__name__, _WHERE)
