"""Make the README's picture of the live view: the page's own module in Chromium, and no notebook around it.

`python notebooks/figures.py`, or `make figures`, writes notebooks/figures/live.png.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from chromium import launched  # noqa: E402

from kdlab import experiments, widgets  # noqa: E402
from kdlab.frontend import STYLE_SHEET, front_end  # noqa: E402

TARGET = ROOT / "notebooks" / "figures" / "live.png"
SETTINGS = {"scene": "ring", "n_components": 2}
BETA = 10.0
TRAITS = ["ladder", "choices", "settings", "beta", "progress", "prediction", "kernel_error", "page_errors"]
# A model that only remembers: nothing is asked of Python here.
SHOW = """async ([source, state]) => {
  const { default: make } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  const nothing = () => {};
  const model = { get: (name) => state[name], set: nothing, on: nothing, off: nothing, save_changes: nothing };
  const widget = make();
  widget.initialize({ model });
  widget.render({ model, el: document.body });
  await document.fonts.ready;
}"""


def main() -> None:
    """Draw the view, crop the picture to it, and write it."""
    view = widgets.show(experiments.teacher_entropy(**SETTINGS))
    view.beta = BETA
    with launched() as browser:
        page = browser.new_page(viewport={"width": 976, "height": 800}, device_scale_factor=2, color_scheme="light")
        page.set_content(f"<style>{STYLE_SHEET.read_text('utf-8')}</style>")
        page.evaluate(SHOW, [front_end("ladder.js", "view.js"), view.get_state(TRAITS)])
        picture = page.locator(".kdlab-view").screenshot()
    few = Image.open(io.BytesIO(picture)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    TARGET.parent.mkdir(exist_ok=True)
    few.save(TARGET, optimize=True)
    print(f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
