"""The view of students that answer, on a page of its own: parts come from Python as a kernel would send them."""

import base64
import json
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page
from support.pages import open_view

from kdlab.lm.view_talk import TalkView

SCRIPTS = ("lm/llama.js", "lm/tokens.js", "lm/talk_worker.js", "lm/view_talk.js")
_SENT = """() => { window.sent = async (model, { part }) => {
  const told = await window.part_of(part);
  const bytes = Uint8Array.from(atob(told.bytes ?? ""), (letter) => letter.charCodeAt(0));
  const said = told.error ? { part, error: told.error } : { part };
  for (const listener of model.heard["msg:custom"]) listener(said, [new DataView(bytes.buffer)]);
}; }"""


def open_talk(page: Page, view: TalkView, part: Callable[[str], bytes] | None = None, **other: Any) -> None:
    """Show the view; what ``part`` raises is told as Python tells it."""

    def part_of(name: str) -> dict[str, str]:
        try:
            return {"bytes": base64.b64encode((part or view.part)(name)).decode()}
        except OSError as error:
            return {"error": str(error)}

    page.expose_function("part_of", part_of)
    page.evaluate(_SENT)
    open_view(page, view, **other)


def rested(page: Page, text: str, seed: int = 0) -> dict[str, int]:
    """Wait until all have answered to this beginning; return how many texts of each differ."""
    told = "JSON.parse(document.querySelector('.kdlab-view').dataset.talk ?? '{}')"
    wanted = json.dumps([text, seed])
    page.wait_for_function(f"JSON.stringify([{told}.text, {told}.seed]) === JSON.stringify({wanted})")
    return dict(page.evaluate(f"{told}.different"))


def texts_of(page: Page, name: str) -> list[str]:
    """The texts on a student's card, without what marks an end."""
    card = page.locator(f".kdlab-talk-card[data-model='{name}'] .kdlab-talk-texts p")
    return [one.removesuffix(" ■") for one in card.evaluate_all("all => all.map((one) => one.textContent)")]
