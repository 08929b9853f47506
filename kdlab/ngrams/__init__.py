"""World 2: chains of letters, as exact as the mixtures.

    sweep = ngrams.teacher_temperature()   # students along the slider of tau
    ngrams.show(sweep)                     # the live picture

`model` is the chain and its projections, `experiment` the slider, `objectives` other losses than the paper's,
`top_k` one that sees k letters, `spelling` one name letter by letter, `attempts` how many answers come in k draws,
`best_tau` with which temperature, `tries` what a slider of both shows, `generations` what becomes of students of
students.
"""

from kdlab.core.lazy import front_door

_MODULES = {
    "model": "NGramChain",
    "names": "LETTERS first_names",
    "experiment": "NGramSweep teacher_temperature",
    "objectives": "compare_objectives",
    "attempts": "expected_distinct pass_at_k estimated_pass_at_k likely_strings",
    "best_tau": "attempts_over_tau",
    "generations": "successors",
    "tries": "TriesSweep tries_over_tau",
    "top_k": "practise tail_mass",
    "view_spelling": "letters",
    "view": "show",
    "view_tries": "show_tries",
    "": "plots plots_uses",
}
__all__, __getattr__, __dir__ = front_door(__name__, _MODULES)
