"""What keeps people out of a view, as far as a program can tell: axe-core's findings, and the contrast of every text.

axe does not look at the text of an SVG, nor at what is disabled, so `contrasts` reads all of it from what the browser
computed: the colour of each text, blended over whatever is painted below it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Locator, Page

SERIOUS = ("serious", "critical")

_RUN = """async (root) => {
  const { violations } = await axe.run(root, { resultTypes: ["violations"] });
  return violations.map(({ id, impact, nodes }) => [id, impact, nodes.map((node) => node.html.slice(0, 200))]);
}"""


def violations(root: Locator) -> list[tuple[str, str, list[str]]]:
    """Run every rule of axe-core inside one element; return what it finds: (rule, impact, the elements' HTML)."""
    if not root.page.evaluate("Boolean(window.axe)"):
        root.page.evaluate(AXE_SCRIPT)
    return [(rule, impact, found) for rule, impact, found in root.evaluate(_RUN)]


def serious(root: Locator) -> list[tuple[str, str, list[str]]]:
    """Only what axe-core calls serious or critical."""
    return [found for found in violations(root) if found[1] in SERIOUS]


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
    const style = getComputedStyle(element);
    const shape = element instanceof SVGGeometryElement;
    const [r, g, b, a] = parse(shape ? (style.fill === "none" ? "rgba(0, 0, 0, 0)" : style.fill) : style.backgroundColor);
    return [r, g, b, a * (shape ? Number(style.fillOpacity) : 1) * faded(element)];
  };
  const behind = (element, x, y) => {
    const stack = document.elementsFromPoint(x, y);
    const from = stack.indexOf(element);
    return stack.slice(Math.max(from, 0)).filter((one) => !(one instanceof SVGTextElement)).reverse()
      .reduce((below, one) => over(painted(one), below), [255, 255, 255]);
  };
  const texts = [...root.querySelectorAll("*")].filter((element) => element.checkVisibility({ visibilityProperty: true })
    && !element.closest(".kdlab-unseen") && element.tagName !== "OPTION"
    && (element.tagName === "SELECT" || [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim())));
  const css = (rgb) => `rgb(${rgb.map(Math.round).join(" ")})`;
  return texts.flatMap((element) => {
    const style = getComputedStyle(element);
    const drawn = element instanceof SVGTextElement;
    const [r, g, b, a] = parse(drawn ? style.fill : style.color);
    const halo = drawn && style.paintOrder.startsWith("stroke") && style.stroke !== "none" && parseFloat(style.strokeWidth) >= 3;
    const box = element.getBoundingClientRect();
    return [0.1, 0.5, 0.9].map((share) => {
      const below = halo ? parse(style.stroke).slice(0, 3)
        : behind(element, box.x + share * box.width, box.y + box.height / 2);
      const seen = over([r, g, b, a * faded(element)], below);
      return [ratio(seen, below), element.textContent.trim().slice(0, 40), element.getAttribute("class") ?? element.tagName,
        css(seen), css(below)];
    });
  });
}"""


def contrasts(root: Locator) -> list[Contrast]:
    """Return the contrast of each text that is seen in an element, at three places of it, the worst first.

    Colours are blended as the browser computed them; text with a halo is compared with the halo. The element must lie
    on the screen: what is painted below a text is asked of the browser.
    """
    found = root.evaluate(_CONTRASTS)
    return sorted(Contrast(*one) for one in found)


def scheme(page: Page, dark: bool) -> None:
    """Have the page light or dark, as a reader's system would."""
    page.emulate_media(color_scheme="dark" if dark else "light")


def state_of(view: Any) -> dict[str, Any]:
    """What a widget sends to the page, by the names that a view's module knows."""
    kept = ("layout", "comm", "tabbable", "tooltip")
    return {name: getattr(view, name) for name in view.keys if not name.startswith("_") and name not in kept}
