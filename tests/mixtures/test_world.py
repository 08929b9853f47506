"""A world as the page has it (world.js, share.js): whatever a hand does it stays one, and it goes there and back."""

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from kdlab.core.files import PACKAGE
from kdlab.mixtures.scenes import NAMED, make_scene
from kdlab.mixtures.view_own import mixture_of, modes_of, world_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# A generator of random numbers with a seed, and gestures as wild as a hand and a broken pointer can make them.
GESTURES = """
const random = (seed) => () => { // mulberry32
  seed = (seed + 0x6D2B79F5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};
const WILD = [0, -0, NaN, Infinity, -Infinity, 1e300, -1e300, 1e-300];
function gestured(world, draw) {
  const whose = world.teacher.kind === "edited" && draw() < 0.5 ? "teacher" : "truth";
  const k = Math.floor(draw() * listOf(world, whose).length);
  const some = (size) => (draw() < 0.15 ? WILD[Math.floor(draw() * WILD.length)] : (draw() - 0.5) * size);
  const place = () => Array.from({ length: world.dim }, () => some(4 * world.reach));
  const deed = Math.floor(draw() * 7);
  if (deed === 0) return moveMode(world, whose, k, place());
  if (deed === 1) return shapeMode(world, whose, k, { widths: place(), tilt: some(10) });
  if (deed === 2) return weighMode(world, whose, k, draw() < 0.2 ? WILD[Math.floor(draw() * 8)] : draw());
  if (deed === 3) return addMode(world, whose, place());
  if (deed === 4) return removeMode(world, whose, k);
  if (deed === 5) return addMode(world, whose, [...listOf(world, whose)[k].at]); // one mode on top of another
  return moveMode(world, whose, k, [...listOf(world, whose)[0].at]);
}
function walked(world, seed, gestures) {
  const [draw, history, refused] = [random(seed), new History(), new Set()];
  let explained = true;
  for (let i = 0; i < gestures; i += 1) {
    const { world: next, refused: why } = gestured(world, draw);
    if (next === world && !why) explained = false;
    if (why) refused.add(why);
    const wrong = checkWorld(next);
    if (wrong) return { wrong, at: i, world: next };
    if (next !== world) history.keep(world);
    world = next;
    if (draw() < 0.1) world = history.undo(world);
    if (draw() < 0.05) world = history.redo(world);
  }
  return { wrong: "", explained, refused: [...refused], world };
}
"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    one = browser.new_page()
    for name in ("pictures/live.js", "mixtures/world.js", "mixtures/share.js"):
        one.add_script_tag(content=(PACKAGE / name).read_text("utf-8"))
    one.add_script_tag(content=GESTURES)
    yield one
    one.close()


@pytest.mark.parametrize("family", ["diag", "full", "spherical"])
@pytest.mark.parametrize("name", ["line", "ring"])
def test_two_thousand_gestures_leave_a_world(page: Page, name: str, family: str) -> None:
    # "ring" has a teacher of its own, whose modes are moved as well: 1,000 gestures on a line and as many in the plane.
    world = world_of(make_scene(name), 2, family)
    told = page.evaluate("([world, seed]) => walked(world, seed, 1000)", [world, len(family)])
    assert told["wrong"] == "" and told["explained"], told
    assert len(told["refused"]) >= 4 and all(text.endswith(".") for text in told["refused"])
    back = mixture_of(told["world"]["modes"])  # raises for what is no mixture
    assert np.isfinite(back.log_prob(back.means)).all()


def test_what_was_done_is_undone_and_done_again(page: Page) -> None:
    told = page.evaluate(
        """(world) => {
          const [history, draw, all] = [new History(), random(7), [world]];
          while (all.length < 40) {
            const { world: next } = gestured(all.at(-1), draw);
            if (next === all.at(-1)) continue;
            history.keep(all.at(-1));
            all.push(next);
          }
          let now = all.at(-1);
          const back = all.slice(0, -1).reverse().every((one) => (now = history.undo(now)) === one);
          const first = history.undo(now) === now;
          const forth = all.slice(1).every((one) => (now = history.redo(now)) === one);
          return [back, first, forth, history.redo(now) === now];
        }""",
        world_of(make_scene("rare"), 1, "diag"),
    )
    assert told == [True, True, True, True]


@pytest.mark.parametrize("name", [*NAMED, "random"])
def test_a_scene_goes_to_the_page_and_back(page: Page, name: str) -> None:
    scene = make_scene(name)
    world = world_of(scene, 2, "full")
    assert page.evaluate("world => checkWorld(world)", world) == ""
    sent = page.evaluate("world => mixtureOf(world.modes)", world)
    again = page.evaluate("mixture => modesOf(mixture)", sent)
    for mixture in (mixture_of(world["modes"]), mixture_of(modes_of(scene.truth)), mixture_of(again)):
        np.testing.assert_allclose(mixture.weights, scene.truth.weights, atol=1e-12)
        np.testing.assert_allclose(mixture.covariances, scene.truth.covariances, atol=1e-9)
    np.testing.assert_allclose(sent["covariances"], scene.truth.covariances, atol=1e-9)


def test_a_tilted_mode_keeps_its_tilt(page: Page) -> None:
    modes = [{"at": [0.5, -1.0], "widths": [0.9, 0.2], "tilt": 0.7, "weight": 1.0}]
    mixture = mixture_of(modes)
    there = page.evaluate("m => mixtureOf(m)", modes)
    np.testing.assert_allclose(there["covariances"], mixture.covariances, atol=1e-12)
    np.testing.assert_allclose(mixture_of(modes_of(mixture)).covariances, mixture.covariances, atol=1e-12)
    sent = {"weights": [1.0], "means": mixture.means.tolist(), "covariances": mixture.covariances.tolist()}
    assert page.evaluate("m => modesOf(m)[0].tilt", sent) == pytest.approx(0.7)


# Addresses


@pytest.mark.parametrize("name", [*NAMED, "random"])
def test_an_address_holds_a_world(page: Page, name: str) -> None:
    world = world_of(make_scene(name), 3, "full") | {"beta": 7.5}
    extras = {"guess": 1, "hide": ["teacher"], "lock": True, "ask": "falls"}
    text = page.evaluate("([world, extras]) => asAddress(world, extras)", [world, extras])
    assert len(text) < 700 and re.fullmatch(r"[\w.,;=-]+", text)
    known = {"hide": ["teacher", "n"], "ask": ["falls"]}
    back = page.evaluate("([text, known]) => fromAddress(text, known)", [text, known])
    assert back["refused"] == "" and {key: back[key] for key in extras} == extras
    assert page.evaluate("([world, extras]) => asAddress(world, extras)", [back["world"], extras]) == text
    for whose in (lambda one: one["modes"], lambda one: one["teacher"].get("modes", one["modes"])):
        there, here = mixture_of(whose(back["world"])), mixture_of(whose(world))
        np.testing.assert_allclose(there.means, here.means, atol=1e-4)
        np.testing.assert_allclose(there.covariances, here.covariances, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(there.weights, here.weights, atol=1e-5)


GOOD = "1;d=1;r=4;m=-2,0.4,0.5_2,0.4,0.5;t=t;k=1;f=diag;b=5"


def test_the_address_that_others_are_made_from_is_good(page: Page) -> None:
    assert page.evaluate("text => fromAddress(text).refused", GOOD) == ""
    assert page.evaluate("text => fromAddress(text)", "")["world"] is None
    assert page.evaluate("text => fromAddress(text).refused", "") == ""


@pytest.mark.parametrize(
    "text",
    [
        "nonsense", "%E0%A4%A", "2" + GOOD[1:], GOOD + ";g=abc", GOOD + "x" * 5000, GOOD.replace("m=", "m=__proto__,"),
        GOOD.replace("d=1", "d=3"), GOOD.replace("d=1;", ""), GOOD.replace("0.4", "0"), GOOD.replace("0.4", "-0.4"),
        GOOD.replace("0.4", "NaN"), GOOD.replace("0.4", "1e9"), GOOD.replace("-2", "-9"), GOOD.replace("0.5", "0"),
        GOOD.replace("0.5_2", "0.0001_2"), GOOD.replace("t=t", "t=f9"), GOOD.replace("t=t", "t=f0"),
        GOOD.replace("t=t", "t=x"), GOOD.replace("t=t", "t=e"), GOOD.replace("k=1", "k=99"), GOOD.replace("k=1", "k="),
        GOOD.replace("f=diag", "f=<b>"), GOOD.replace("b=5", "b=0.5"), GOOD.replace("b=5", "b=101"),
        GOOD.replace("r=4", "r=0"), "1;d=1;r=4;m=" + "_".join(["0,0.4,1"] * 13) + ";t=t;k=1;f=diag;b=5",
    ],
)  # fmt: skip
def test_a_bad_address_is_refused_in_one_sentence(page: Page, text: str) -> None:
    told = page.evaluate("text => fromAddress(text)", text)
    assert told["world"] is None and told["refused"].startswith("The address holds no world that can be shown: ")
    assert told["refused"].endswith(". Here is another one.") and len(told["refused"]) < 260


def test_what_an_address_asks_of_a_page_is_only_what_the_page_knows(page: Page) -> None:
    known = '{ hide: ["teacher"], ask: ["falls"] }'
    told = page.evaluate(f"text => fromAddress(text, {known})", GOOD + ";hide=teacher;ask=falls;lock=yes")
    assert (told["hide"], told["ask"], told["lock"]) == (["teacher"], "falls", False)
    for name, wrong in (("hide", "teacher,onclick"), ("hide", "constructor"), ("ask", "constructor"), ("ask", "fall")):
        told = page.evaluate(f"text => fromAddress(text, {known})", f"{GOOD};{name}={wrong}")
        assert told["world"] is None and told["hide"] == [] and f"its {name} is none of" in told["refused"]


# Python


@pytest.mark.parametrize("name", [*NAMED, "random"])
def test_what_is_copied_as_python_is_the_same_world(page: Page, name: str) -> None:
    scene = make_scene(name)
    text = page.evaluate("world => asPython(world)", world_of(scene, 2, "full"))
    *before, last, show = text.splitlines()
    assert show == "mixtures.show(sweep)"
    assert re.search(r'truth=truth, (teacher=\w+, )?n_components=2, covariance="full"\)$', last)
    names: dict[str, Any] = {}
    exec("\n".join(before), names)
    np.testing.assert_allclose(names["truth"].means, scene.truth.means, atol=1e-4)
    np.testing.assert_allclose(names["truth"].covariances, scene.truth.covariances, rtol=1e-3, atol=1e-6)
    if scene.teacher is not scene.truth:
        np.testing.assert_allclose(names["teacher"].weights, scene.teacher.weights, atol=1e-5)
    assert json.dumps(text)  # nothing but text
