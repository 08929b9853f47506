"""Draw the stills of what notebooks 00 to 05 and 08 show before a slider moves: `make stills` writes kdlab/data/stills.

Run it after a change to what a picture shows or how it is drawn, and `make notebooks` after it: tests compare the
files with fresh drawings and with the committed notebooks.
"""

from __future__ import annotations

from kdlab import lm, mixtures, ngrams
from kdlab.core.files import written_whole
from kdlab.pictures.live import STILLS, LiveView
from kdlab.pictures.still import Still

MIXTURES = (("line", 1), ("ring", 1), ("falls", 1), ("ring", 4))  # scene and K'' in notebooks 00, 02 (two) and 03
ASKED = {"question": "?", "options": ["?"], "outcome": "?"}  # what is asked is not in the picture, but hides the path


def views() -> list[LiveView | Still]:
    """Return live pictures as notebooks open them, their questions open, and the static pictures before those."""
    sweeps = [mixtures.teacher_entropy(scene, n_components) for scene, n_components in MIXTURES]
    text, recording = ngrams.teacher_temperature(), lm.read_recording()
    return [
        *(mixtures.show(sweep, predict=ASKED) for sweep in sweeps),
        mixtures.by_hand("line", predict=ASKED),
        ngrams.show(text, predict=ASKED),
        ngrams.show_tries(ngrams.tries_over_tau(text), predict=ASKED),
        lm.show(list(recording.sweeps.values()), predict=ASKED),
        lm.show(recording.sweeps["One day, a little"]),
        ngrams.letters(text.truth, text.teacher, text.at(1).student, "mary"),
        lm.pieces(list(recording.cuts.values())),
        lm.costs(recording.ways),
        lm.costs(recording.scored),
    ]


def main() -> None:
    """Draw them all, write them, and remove what is no longer one of them."""
    drawn = {shown.still_name(): shown.drawn() for shown in views()}
    for name, png in drawn.items():
        with written_whole(STILLS / name) as temporary:
            temporary.write_bytes(png)
        print(f"{name}: {len(png) / 1000:.0f} kB")
    for file in STILLS.iterdir():
        if file.name not in drawn:
            file.unlink()
            print(f"{file.name}: removed")


if __name__ == "__main__":
    main()
