"""What the numbers of a run with language models say, in sentences that hold for any run."""

from kdlab.core.lazy import front_door

_MODULES = {
    "attempts": "attempts_table best_temperatures crossing_sentences tries_of",
    "changes": "Change Step change kept larger_error model_of steps students truncated",
    "measured": "differences notes sentences",
    "": "measured",
    "tradeoff": (
        "by_training map_sentences objectives_table outcome path_sentences race_sentence race_table spread standing "
        "steps_table teacher_sentences truncation_sentences"
    ),
    "summary": "about against_the_paper lengths lost_texts open_run side_by_side table which_run",
    "units": "cosines nearest unit_of units_table vendi",
}
__all__, __getattr__, __dir__ = front_door(__name__, _MODULES)
