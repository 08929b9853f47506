/**
 * What every picture of kdlab needs: elements, numbers, scales, the axes of the precision-recall plane, the question
 * that covers a picture.
 *
 * There is no build step. Python puts this text before that of a view (kdlab/frontend.py) and sends the two as one module:
 * nothing is exported here, a view's file has the `export default`, and no name may be declared in both.
 */

const FRAME = { width: 440, left: 58, right: 428, top: 12, bottom: 348, height: 396 }; // svg units of both panels

// ---------------------------------------------------------------- elements and numbers

/** Set attributes; `text` is the text content. Works for HTML and SVG alike. */
function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else element.setAttribute(name, value);
  }
  return element;
}

/** Make an HTML element inside `parent`. */
function html(parent, tag, attributes = {}) {
  return parent.appendChild(set(document.createElement(tag), attributes));
}

/** Make an SVG element inside `parent`. */
function svg(parent, tag, attributes = {}) {
  return parent.appendChild(set(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes));
}

/** A number with a real minus sign, and none before zero. */
const number = (value, decimals = 2) => value.toFixed(decimals).replace(/^-(?=.*[1-9])/, "−").replace(/^-/, "");

/** One decimal place of an svg unit is finer than any screen and keeps attributes short. */
const round = (value) => Math.round(value * 10) / 10;

/** A straight map from [d0, d1] to [r0, r1]. */
const scale = ([d0, d1], [r0, r1]) => (value) => r0 + ((value - d0) / (d1 - d0)) * (r1 - r0);

/** About five round numbers inside [low, high], each with its text; all texts have the same decimals. */
function ticks([low, high]) {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const first = Math.ceil(low / step);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const values = Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
  return values.map((value) => [value, number(value, decimals)]);
}

/** Say where in nested lists and objects something else than a finite number stands; null if nowhere. */
function notANumber(value, path) {
  if (value === null || typeof value !== "object") return Number.isFinite(value) ? null : `"${value}" in ${path}`;
  for (const [key, inner] of Object.entries(value)) {
    const bad = notANumber(inner, `${path}.${key}`);
    if (bad) return bad;
  }
  return null;
}

/** The density of a 1-D mixture at one place. */
function density(place, weights, means, covariances) {
  let sum = 0;
  for (let k = 0; k < weights.length; k += 1) {
    const variance = covariances[k][0][0];
    sum += (weights[k] * Math.exp((-0.5 * (place - means[k][0]) ** 2) / variance)) / Math.sqrt(2 * Math.PI * variance);
  }
  return sum;
}

/** JupyterLab would take arrow keys away from the controls of an output: keep them here. */
function keepKeys(...controls) {
  controls.forEach((control) => control.addEventListener("keydown", (event) => event.stopPropagation()));
}

// ---------------------------------------------------------------- what every view shows

/** The names of the roles, each behind a sample of its line: {role: text}. */
function buildKey(head, roles) {
  for (const [role, text] of Object.entries(roles)) {
    const item = html(head, "span", { class: `kdlab-key kdlab-key-${role}` });
    const sample = svg(item, "svg", { width: 22, height: 10, "aria-hidden": "true" });
    svg(sample, "path", { d: "M1 5H21" });
    html(item, "span", { text });
  }
}

/** The axes of a precision-recall plane, in nats, and both bounds: {recall, precision} limits, {recall, precision} bounds. */
function buildAxes(panel, limits, bounds, x, y) {
  const { left, right, top, bottom } = FRAME;
  svg(panel, "path", { class: "kdlab-axis", d: `M${left} ${top}V${bottom}H${right}` });
  for (const [value, text] of ticks(limits.recall)) {
    const at = round(x(value));
    svg(panel, "path", { class: "kdlab-axis", d: `M${at} ${bottom}v4` });
    svg(panel, "text", { class: "kdlab-tick", x: at, y: bottom + 18, "text-anchor": "middle", text });
  }
  for (const [value, text] of ticks(limits.precision)) {
    const at = round(y(value));
    svg(panel, "path", { class: "kdlab-axis", d: `M${left} ${at}h-4` });
    svg(panel, "text", { class: "kdlab-tick", x: left - 8, y: at + 4, "text-anchor": "end", text });
  }
  svg(panel, "text", { class: "kdlab-quiet", x: (left + right) / 2, y: 391, "text-anchor": "middle", text: "recall, nats" });
  svg(panel, "text", { class: "kdlab-quiet", "text-anchor": "middle", text: "precision, nats",
    transform: `translate(13 ${(top + bottom) / 2}) rotate(-90)` });
  const [limit, ceiling] = [round(x(bounds.recall)), round(y(bounds.precision))];
  svg(panel, "path", { class: "kdlab-bound", d: `M${limit} ${top}V${bottom}M${left} ${ceiling}H${right}` });
  svg(panel, "text", { class: "kdlab-bound-name", x: left + 8, y: ceiling - 6, text: "precision ≤ max log p*" });
  svg(panel, "text", { class: "kdlab-bound-name", "text-anchor": "end", text: "recall ≤ −H(p*)",
    transform: `translate(${limit + 14} ${ceiling + 12}) rotate(-90)` });
}

/**
 * Before the guess the question covers the picture; after it the guess stands beside what happened.
 * `page` holds {cover, picture, outcome}; `commit` is called with the option that was chosen.
 */
function showPrediction(page, prediction, commit) {
  const { cover, picture, outcome } = page;
  const covered = Boolean(prediction && prediction.guess == null);
  cover.hidden = !covered;
  picture.inert = covered;
  picture.classList.toggle("kdlab-covered", covered);
  outcome.hidden = !prediction || covered;
  if (!prediction) return;
  outcome.textContent = `You predicted: ${prediction.guess}. What happened: ${prediction.outcome}`;
  if (!covered || cover.childElementCount) return;
  html(cover, "p", { class: "kdlab-question", text: prediction.question });
  for (const option of prediction.options) {
    html(cover, "button", { type: "button", text: option }).addEventListener("click", () => commit(option));
  }
}

/** What every view does alike: tell Python, and keep its errors. A view that extends this has `update()`. */
class Live {
  /** @param model the widget's traits, page_errors among them */
  constructor(model) {
    Object.assign(this, { model, error: "" });
  }

  /** Tell Python. With no kernel there is nobody to tell, and the picture does not mind. */
  send(values) {
    try {
      Object.entries(values).forEach(([name, value]) => this.model.set(name, value));
      this.model.save_changes();
    } catch (error) {
      console.warn("kdlab: the kernel could not be told", error);
    }
  }

  /** Run something; show and keep what it throws. */
  guard(action) {
    try {
      action();
    } catch (error) {
      console.error(error);
      this.error = error.message;
      const kept = this.model.get("page_errors") ?? [];
      if (kept.at(-1) !== error.message) this.send({ page_errors: [...kept, error.message] });
      this.update();
    }
  }
}
