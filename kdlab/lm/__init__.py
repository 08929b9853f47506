"""World 3: language models, run without a reader and read from what they left behind.

    results = lm.open_run("recorded/cpu")    # what a run found
    print(lm.report.steps_table(results))    # and what that says

Nothing here loads PyTorch but what is in `pipeline`.
"""

from kdlab.core.lazy import front_door

_MODULES = {
    "experiment": "PRESETS RunConfig",
    "folder": "read_results recorded_folder",
    "measurement": "MeasureConfig",
    "measuring.measure": "measure",
    "report.summary": "open_run side_by_side table",
    "next_token": "NextTokenSweep next_token_sweep visible",
    "recording": "read_recording",
    "sizes": "SIZES parameters",
    "view_next_token": "costs pieces show",
    "talking": "answers talk_table",
    "view_talk": "talk",
    "": "folder pipeline plots plots_next_token plots_objectives plots_talk plots_worlds report",
}
__all__, __getattr__, __dir__ = front_door(__name__, _MODULES)
