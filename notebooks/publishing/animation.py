"""The header figure: the live view itself while its slider moves, filmed in Chromium. Never drawn by hand.

It is committed, in notebooks/figures: live.webp, which moves, and live.png, one of its pictures. It is filmed again
where what it shows has changed; each file carries a checksum of that.
"""

from __future__ import annotations

import io
import json
import math
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from kdlab import mixtures
from kdlab.core.files import written_whole
from kdlab.mixtures.view import MixtureView

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support.chromium import NoChromium, launched  # noqa: E402

__all__ = ["WORDS", "checksum", "film", "refreshed", "write"]

WORDS = (
    "The live picture while its slider moves: on the left the truth with four bumps, a teacher that speaks of fewer "
    "and fewer of them, and a student of one bump that follows; on the right precision rises and recall falls."
)
FOLDER = ROOT / "notebooks" / "figures"
MOVING, STILL = FOLDER / "live.webp", FOLDER / "live.png"
SETTINGS = {"scene": "line", "n_components": 1}
WIDTH, SCALE = 976, 1.25  # CSS pixels, and how many of the picture's there are to each
STEPS, BACK = 44, 8  # pictures on the way up, and on the quicker way back
PAUSE, TICK = 1200, 70  # ms that the ends stay, and every other picture
STILL_BETA = 5.0
IMAGE_DESCRIPTION = 0x010E  # the tag that holds the checksum
# A model that only remembers: nothing is asked of Python here.
SHOW = """async ([source, state]) => {
  const { default: make } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  const nothing = () => {};
  const model = { get: (name) => state[name], set: nothing, on: nothing, off: nothing, save_changes: nothing };
  const widget = make();
  widget.render({ model, el: document.body });
  await document.fonts.ready;
}"""
MOVE = """async (index) => {
  const slider = document.querySelector(".kdlab-beta");
  slider.value = index;
  slider.dispatchEvent(new Event("input"));
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
}"""


def refreshed() -> str:
    """Film the figure again if what it shows has changed, and say what was done."""
    view = mixtures.show(mixtures.teacher_entropy(**SETTINGS))
    wanted = checksum(view)
    if all(path.is_file() and _kept(path) == wanted for path in (MOVING, STILL)):
        return "The header figure is up to date."
    places = _places(view)
    still = view.sweep_shown.index(STILL_BETA)
    try:
        pictures = film(view, [*places, still])
    except NoChromium as error:
        return f"The header figure stays as it was committed, though what it shows has changed: {error}."
    write(MOVING, pictures[:-1], wanted, durations(places))
    write(STILL, pictures[-1:], wanted)
    return f"The header figure was filmed again: {MOVING.stat().st_size / 1000:.0f} kB, {len(places)} pictures."


def checksum(view: MixtureView) -> str:
    """What a film of this view depends on, in eight characters: code, look, numbers, and how it is filmed."""
    how = [WIDTH, SCALE, STILL_BETA, durations(_places(view)), _places(view)]
    state = view.get_state()
    parts = [str(state["_esm"]), str(state["_css"]), json.dumps(view.sweep, sort_keys=True), json.dumps(how)]
    return f"{zlib.crc32(''.join(parts).encode()):08x}"


def _places(view: MixtureView) -> list[int]:
    return positions(len(view.sweep["beta"]) - 1, STEPS, BACK)


def positions(last: int, steps: int, back: int) -> list[int]:
    """The slider's positions in the film: from 0 to ``last``, slow at both ends as a hand is, and quickly back."""

    def eased(count: int) -> list[int]:
        places = [round(last * (1 - math.cos(math.pi * i / count)) / 2) for i in range(count + 1)]
        return list(dict.fromkeys(places))  # each once: near the ends several fall together

    return [*eased(steps), *eased(back)[-2:0:-1]]


def durations(places: Sequence[int]) -> list[int]:
    """How long each picture stays, ms: the two ends long enough to be read."""
    return [PAUSE if place in (min(places), max(places)) else TICK for place in places]


def film(view: MixtureView, places: Sequence[int], *, scale: float = SCALE) -> list[Image.Image]:
    """Return pictures of the view at these positions of its slider. Raises NoChromium where there is no browser."""
    state = view.get_state()
    with launched() as browser:
        page = browser.new_page(
            viewport={"width": WIDTH, "height": 800}, device_scale_factor=scale, color_scheme="light"
        )
        page.set_content(f"<style>{state['_css']} body {{ margin: 8px; background: #ffffff; }}</style>")
        plain: dict[str, Any] = {name: value for name, value in state.items() if name[0] != "_" and name != "layout"}
        page.evaluate(SHOW, [str(state["_esm"]), plain])
        pictures = []
        for place in places:
            page.evaluate(MOVE, place)
            shot = page.locator(".kdlab-view").screenshot()
            pictures.append(Image.open(io.BytesIO(shot)).convert("RGB"))
        return pictures


def write(path: Path, pictures: Sequence[Image.Image], kept: str, stay: Sequence[int] = ()) -> None:
    """Write one picture as a PNG of few colours, or several as an animated WebP; whole, with its checksum inside."""
    exif = Image.Exif()
    exif[IMAGE_DESCRIPTION] = kept
    first, *others = pictures
    with written_whole(path) as temporary:
        if others:
            moving: dict[str, Any] = {"save_all": True, "append_images": others, "duration": list(stay), "loop": 0}
            first.save(temporary, "WEBP", lossless=True, quality=60, method=4, exif=exif, **moving)
        else:
            few = first.quantize(256, dither=Image.Dither.NONE)
            few.save(temporary, "PNG", optimize=True, exif=exif)


def _kept(path: Path) -> str:
    with Image.open(path) as picture:
        return str(picture.getexif().get(IMAGE_DESCRIPTION, ""))
