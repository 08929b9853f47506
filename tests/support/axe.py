"""What keeps people out of a view, as far as a program can tell: axe-core's findings, and the contrast of every text.

axe does not look at the text of an SVG, nor at what is disabled, so `contrasts` reads all of it from what the browser
computed: the colour of each text, blended over whatever is painted below it.
"""

import io
from typing import Any, NamedTuple

import numpy as np
from axe_playwright_python.base import AXE_SCRIPT
from PIL import Image
from playwright.sync_api import Locator, Page

Violation = tuple[str, str, list[str]]

# All rules, also those that axe leaves out unless asked (the size of what is pressed, experiments); not those of WCAG's
# level AAA, nor what axe has given up. No style sheet is fetched again: a page opened as a file may not.
_RUN = """async (root) => {
  const kept = axe.getRules().filter(({ tags }) => !tags.includes("wcag2aaa") && !tags.includes("deprecated"));
  const rules = Object.fromEntries(kept.map(({ ruleId }) => [ruleId, { enabled: true }]));
  const { violations } = await axe.run(root, { rules, resultTypes: ["violations"], preload: false });
  return violations.map(({ id, impact, nodes }) => [id, impact, nodes.map((node) => node.html.slice(0, 200))]);
}"""


def violations(root: Locator) -> list[Violation]:
    """Run the rules of axe-core inside one element; return what it finds: (rule, impact, the elements' HTML)."""
    settle(root.page)
    if not root.page.evaluate("Boolean(window.axe)"):
        root.page.evaluate(AXE_SCRIPT)
    return [(rule, impact, found) for rule, impact, found in root.evaluate(_RUN)]


def serious(root: Locator) -> list[Violation]:
    """Only what axe-core calls serious or critical."""
    return [found for found in violations(root) if found[1] in ("serious", "critical")]


def settle(page: Page) -> None:
    """Wait until no colour of a view is on its way to another."""
    page.evaluate("""() => Promise.all(document.getAnimations().filter((one) => one instanceof CSSTransition)
      .map((one) => one.finished.catch(() => null)))""")


class Contrast(NamedTuple):
    """A text as it is seen: how it stands out (1 to 21), its words, its class, its colour and what is behind it."""

    ratio: float
    words: str
    name: str
    colour: str
    behind: str


_CONTRASTS = """(root) => {
  const parse = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((value, i) => value * a + below[i] * (1 - a));
  const light = (rgb) => rgb.map((value) => value / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (one, other) => {
    const [high, low] = [light(one), light(other)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };
  const faded = (element) => { // the opacity of the element and of all around it
    let all = 1;
    for (let at = element; at; at = at.parentElement) all *= Number(getComputedStyle(at).opacity);
    return all;
  };
  const painted = (element) => { // what an element puts behind others: [r, g, b, a]
    const { fill, fillOpacity, backgroundColor } = getComputedStyle(element);
    const shape = element instanceof SVGGeometryElement;
    const [r, g, b, a] = parse(!shape ? backgroundColor : fill === "none" ? "rgba(0, 0, 0, 0)" : fill);
    return [r, g, b, a * (shape ? Number(fillOpacity) : 1) * faded(element)];
  };
  const behind = (element, x, y) => {
    const stack = document.elementsFromPoint(x, y);
    return stack.slice(Math.max(stack.indexOf(element), 0)).filter((one) => !(one instanceof SVGTextElement)).reverse()
      .reduce((below, one) => over(painted(one), below), [255, 255, 255]);
  };
  const hasWords = (element) => element.tagName === "SELECT"
    || [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  const texts = [...root.querySelectorAll("*")].filter((element) => hasWords(element) && element.tagName !== "OPTION"
    && !element.closest(".kdlab-unseen") && element.checkVisibility({ visibilityProperty: true }));
  const css = (rgb) => `rgb(${rgb.map(Math.round).join(" ")})`;
  return texts.flatMap((element) => {
    const { color, fill, paintOrder, stroke, strokeWidth } = getComputedStyle(element);
    const drawn = element instanceof SVGTextElement;
    const [r, g, b, a] = parse(drawn ? fill : color);
    const halo = drawn && paintOrder.startsWith("stroke") && stroke !== "none" && parseFloat(strokeWidth) >= 3;
    const box = element.getBoundingClientRect();
    const name = element.getAttribute("class") ?? element.tagName;
    return [0.1, 0.5, 0.9].map((share) => {
      const [x, y] = [box.x + share * box.width, box.y + box.height / 2];
      const below = halo ? parse(stroke).slice(0, 3) : behind(element, x, y);
      const seen = over([r, g, b, a * faded(element)], below);
      return [ratio(seen, below), element.textContent.trim().slice(0, 40), name, css(seen), css(below)];
    });
  });
}"""


def contrasts(root: Locator) -> list[Contrast]:
    """Return the contrast of each text that is seen in an element, at three places of it, the worst first.

    Colours are blended as the browser computed them; text with a halo is compared with the halo. The element must lie
    on the screen: what is painted below a text is asked of the browser.
    """
    settle(root.page)
    found = root.evaluate(_CONTRASTS)
    return sorted(Contrast(*one) for one in found)


def luminance(page: Page) -> Any:
    """The relative luminance of the screen as it is now: (height, width), 0 to 1."""
    settle(page)
    return _LINEAR[np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))] @ _WEIGHTS


_SHARES = np.arange(256) / 255
_LINEAR = np.where(_SHARES <= 0.04045, _SHARES / 12.92, ((_SHARES + 0.055) / 1.055) ** 2.4).astype(np.float32)
_WEIGHTS = np.array([0.2126, 0.7152, 0.0722], np.float32)


def changed(before: Any, after: Any, least: float = 3.0) -> int:
    """Count the pixels of two `luminance`s that stand out against each other by 3 to 1: a ring that can be seen."""
    ratio = (np.maximum(before, after) + 0.05) / (np.minimum(before, after) + 0.05)
    return int((ratio >= least).sum())


def state_of(view: Any) -> dict[str, Any]:
    """What a widget sends to the page, by the names that a view's module knows."""
    kept = ("layout", "comm", "tabbable", "tooltip")
    return {name: getattr(view, name) for name in view.keys if not name.startswith("_") and name not in kept}
