"""What a live picture must show at a position, computed from the payload by another route than view.js takes."""

import math
import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from kdlab.mixtures import plots

# The frames of view.js: svg units of the plane, and of the space in one and in two dimensions.
PLANE_X, PLANE_Y = (58, 428), (348, 12)
LINE_X, LINE_Y = (12, 428), (348, 12)
SQUARE_X, SQUARE_Y = (35, 405), (372, 2)
HALF = 0.051  # lengths are rounded to one decimal

# Everything that a person could see of a position, as the page has it now.
_LOOK = """async (root, index) => {
  const limit = performance.now() + 5000;
  while (index !== null && root.dataset.index !== String(index) && performance.now() < limit) {
    await new Promise(requestAnimationFrame);
  }
  const slider = root.querySelector(".kdlab-beta"), dot = root.querySelector(".kdlab-student-dot");
  const of = (element, names) => names.map((name) => element.getAttribute(name));
  return {
    key: root.dataset.key, index: root.dataset.index, value: slider.value, said: slider.getAttribute("aria-valuetext"),
    sentence: root.querySelector(".kdlab-sentence").innerText, numbers: root.querySelector(".kdlab-numbers").innerText,
    error: root.querySelector(".kdlab-error").hidden ? "" : root.querySelector(".kdlab-error").innerText,
    dot: of(dot, ["data-precision", "data-recall", "cx", "cy"]).map(Number),
    past: root.querySelector(".kdlab-path-past").getAttribute("d"),
    lost: [...root.querySelectorAll(".kdlab-mode")].map((mode) => mode.classList.contains("kdlab-lost")),
    curve: root.querySelector(".kdlab-student-curve")?.getAttribute("d") ?? "",
    ellipses: [...root.querySelectorAll(".kdlab-student-ellipse")].map((element) => ({
      component: Number(element.dataset.component), sigmas: element.classList.contains("kdlab-sigma-2") ? 2 : 1,
      at: of(element, ["cx", "cy", "rx", "ry"]).map(Number), turned: element.getAttribute("transform"),
    })),
    taught: [...root.querySelectorAll("ellipse.kdlab-teacher")].map((element) => parseFloat(element.style.strokeWidth)),
  };
}"""


def look(root: Locator, index: int | None = None) -> dict[str, Any]:
    """Read the picture; where an index is given, at the first frame that shows it."""
    return dict(root.evaluate(_LOOK, index))


def assert_shows(root: Locator, sent: dict[str, Any], index: int) -> dict[str, Any]:
    """Assert that slider, sentence, numbers, dot, path and models are the payload's at this position; return them."""
    seen = look(root, index)
    assert (seen["key"], seen["index"], seen["value"]) == (sent["key"], str(index), str(index))
    assert seen["error"] == ""
    assert seen["sentence"] == sent["sentence"][index]
    precision, recall = sent["precision"][index], sent["recall"][index]
    beta = sent["beta"][index]
    assert seen["said"] == f"beta {beta:.2f}, precision {_words(precision)}, recall {_words(recall)}"
    assert seen["numbers"] == f"precision {_words(precision)}   recall {_words(recall)}"
    assert f"precision {_words(precision)} and recall {_words(recall)} nats" in seen["sentence"]
    assert f"β = {beta:.2f} " in seen["sentence"]
    x, y = _scaled(recall, sent["plane"]["recall"], PLANE_X), _scaled(precision, sent["plane"]["precision"], PLANE_Y)
    assert seen["dot"] == pytest.approx([precision, recall, x, y], abs=HALF)
    assert seen["dot"][:2] == [precision, recall]
    assert len(re.findall("[ML]", seen["past"])) == index + 1
    assert seen["past"].count("M") == 1 + sum(sent["switched"][1 : index + 1])
    assert seen["lost"] == [share < 0.5 for share in sent["covered"][index]]
    (_assert_curve if sent["dim"] == 1 else _assert_ellipses)(seen, sent, index)
    return seen


def _assert_curve(seen: dict[str, Any], sent: dict[str, Any], index: int) -> None:
    drawn = np.array(re.findall(r"[\d.e+-]+", seen["curve"]), float).reshape(-1, 2)
    low, high = sent["space"]["x"]
    x = low + (drawn[:, 0] - LINE_X[0]) / (LINE_X[1] - LINE_X[0]) * (high - low)
    assert x[[0, -1]] == pytest.approx([low, high], rel=1e-3)
    places = np.linspace(low, high, len(x))
    density = np.zeros(len(x))
    student = sent["student"]
    for weight, mean, cov in zip(*(student[name][index] for name in ("weights", "means", "covariances")), strict=True):
        variance = cov[0][0]
        density += weight * np.exp(-((places - mean[0]) ** 2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)
    assert drawn[:, 1] == pytest.approx(_scaled(density, sent["space"]["y"], LINE_Y), abs=HALF)


def _assert_ellipses(seen: dict[str, Any], sent: dict[str, Any], index: int) -> None:
    student, (low, high) = sent["student"], sent["space"]["x"]
    unit = (SQUARE_X[1] - SQUARE_X[0]) / (high - low)
    assert len(seen["ellipses"]) == 2 * len(student["weights"][index])
    for ellipse in seen["ellipses"]:
        mean, covariance = (student[name][index][ellipse["component"]] for name in ("means", "covariances"))
        values, vectors = np.linalg.eigh(np.array(covariance))
        short, long = ellipse["sigmas"] * unit * np.sqrt(values)
        cx, cy = _scaled(mean[0], sent["space"]["x"], SQUARE_X), _scaled(mean[1], sent["space"]["y"], SQUARE_Y)
        assert ellipse["at"] == pytest.approx([cx, cy, long, short], abs=HALF)
        if long > 1.02 * short:  # a circle has no direction
            turned = float(re.match(r"rotate\((\S+) ", ellipse["turned"])[1])  # type: ignore[index]
            expected = -math.degrees(math.atan2(vectors[1, 1], vectors[0, 1]))
            assert (turned - expected + 90) % 180 - 90 == pytest.approx(0, abs=0.2)
    widths = [plots.teacher_width(weight) for weight in sent["teacher"]["weights"][index]]
    assert seen["taught"] == pytest.approx(widths, abs=HALF)


def _scaled(value: Any, domain: list[float], target: tuple[int, int]) -> Any:
    return target[0] + (value - domain[0]) / (domain[1] - domain[0]) * (target[1] - target[0])


def _words(value: float) -> str:
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")


def assert_stills_shown(pictures: Locator) -> None:
    """Notebook 00's committed stills, the first of them the live picture's, can be seen before anything has run."""
    expect(pictures).to_have_count(2)
    for still in pictures.all():
        still.scroll_into_view_if_needed()
        expect(still.locator("img")).to_be_visible()
        assert still.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") >= 800
