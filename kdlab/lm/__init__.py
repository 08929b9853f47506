"""World 3: language models, run without a reader and read from what they left behind.

    results = lm.open_run("recorded/cpu")    # what a run found
    print(lm.report.steps_table(results))    # and what that says

Nothing here loads PyTorch but what is in `pipeline`.
"""

from kdlab.core.lazy import front_door

_WHERE = {
    "PRESETS": "experiment",
    "RunConfig": "experiment",
    "read_results": "folder",
    "recorded_folder": "folder",
    "open_run": "report.summary",
    "side_by_side": "report.summary",
    "table": "report.summary",
    "NextTokenSweep": "next_token",
    "next_token_sweep": "next_token",
    "visible": "next_token",
    "read_recording": "recording",
    "SIZES": "sizes",
    "parameters": "sizes",
    "costs": "view_next_token",
    "pieces": "view_next_token",
    "show": "view_next_token",
    **dict.fromkeys(("folder", "pipeline", "plots", "plots_next_token", "plots_worlds", "report"), ""),
}

__all__ = sorted(_WHERE)

__getattr__, __dir__ = front_door(__name__, _WHERE)
