/**
 * What every picture of kdlab needs: elements, numbers, scales, ellipses, the slider, the axes of the plane, the question
 * that covers a picture.
 *
 * There is no build step. Python puts this text before that of a view (kdlab/pictures/frontend.py) and sends the two as one module:
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

/** A command of what is around, as to go to the next notebook: Ctrl with a sign, unless a text field has a use for it. */
const isCommand = ({ key, ctrlKey, metaKey, shiftKey, altKey }) =>
  (ctrlKey || metaKey) && !altKey && key.length === 1 && !(shiftKey ? "vz" : "acvxyz").includes(key.toLowerCase());

/** A slip: Shift and Enter, meant for the notebook, would commit a guess; Space on a slider would scroll the picture away. */
const isSlip = ({ key, ctrlKey, metaKey, shiftKey, target }) =>
  (key === "Enter" && (ctrlKey || metaKey || shiftKey) && !target.matches("textarea"))
  || (key === " " && target.matches("input[type=range]"));

/**
 * JupyterLab would take arrow keys and letters away from what stands in an output: keep them here, all but commands. Escape
 * gives the keys back to what is around, the notebook's cell.
 */
function keepKeys(root) {
  root.addEventListener("keydown", (event) => {
    if (!isCommand(event)) event.stopPropagation();
    if (isSlip(event)) event.preventDefault();
    if (event.key === "Escape") root.parentElement?.closest("[tabindex]")?.focus();
  });
}

/**
 * Who comes to a slider by keys cannot scroll there, since the keys are the slider's: show the whole view, as far as it fits.
 * The same for an outcome, which gets the focus when its question is answered.
 */
function keepInSight(root) {
  root.addEventListener("focusin", ({ target }) => {
    if (!target.matches("input[type=range]:focus-visible, .kdlab-outcome")) return;
    requestAnimationFrame(() => root.scrollIntoView({ block: "nearest" })); // after the browser's own scrolling
  });
}

const REST = 600; // ms without a change until what is shown is said

/** A place for what is said to those who do not see the picture, and only to them. */
function buildVoice(page) {
  page.voice = html(page.root, "p", { class: "kdlab-unseen", role: "status" });
}

/**
 * Say what has changed, the outcome of a prediction and the sentence, once the hand rests. The sentence itself is no live
 * region: it changes with every step of the slider, and would be read out at every step.
 */
function announce(page) {
  if (!page.voice) return;
  clearTimeout(page.resting);
  page.voice.textContent = "";
  page.resting = setTimeout(() => {
    const shown = [page.outcome, page.sentence].filter((part) => part && !part.hidden && !page.picture.inert).map((part) => part.textContent);
    page.voice.textContent = shown.filter((text) => !page.announced?.includes(text)).join(" ");
    page.announced = shown;
  }, REST);
}

/** Write the sentence, and say it soon, except when the page opens. */
function write(page, sentence) {
  if (page.sentence.textContent === sentence) return;
  if (page.sentence.textContent) announce(page);
  page.sentence.textContent = sentence;
}

/** The position nearest to `target`, as a ratio: most sweeps are logarithmic, and the others have no ties either. */
function nearest(places, target) {
  const away = places.map((place) => Math.abs(Math.log(place / target)));
  return away.indexOf(Math.min(...away));
}

// ---------------------------------------------------------------- Gaussians in the plane

/** The 1-sigma ellipse of a 2 x 2 covariance: half axes and the angle of the longer one. */
function axesOf([[a, b], [, d]]) {
  const middle = (a + d) / 2;
  const spread = Math.hypot((a - d) / 2, b);
  return [Math.sqrt(middle + spread), Math.sqrt(Math.max(middle - spread, 0)), Math.atan2(2 * b, a - d) / 2];
}

/** Put an <ellipse> where a Gaussian is. The angle is negated since y grows downwards on a screen. */
function placeEllipse(element, mean, covariance, sigmas, x, y, unit) {
  const [long, short, angle] = axesOf(covariance);
  const [cx, cy] = [round(x(mean[0])), round(y(mean[1]))];
  set(element, { cx, cy, rx: round(sigmas * long * unit), ry: round(sigmas * short * unit),
    transform: `rotate(${round((-angle * 180) / Math.PI)} ${cx} ${cy})` });
}

/** Line width of a teacher component: beta is seen to empty it. plots.teacher_width is the same rule. */
const teacherWidth = (weight) => round(0.5 + 4 * Math.sqrt(weight));

/** A dotted line whose dots are as thick as the component is heavy; a component without weight nearly vanishes. */
function emphasise(element, weight) {
  const width = teacherWidth(weight);
  element.style.strokeWidth = width;
  element.style.strokeDasharray = `0 ${round(1.5 + width * 1.25)}`;
  element.style.opacity = round(Math.min(1, 0.25 + 3 * weight));
}

// ---------------------------------------------------------------- what every view shows

const BETA = { text: "β, how selective the teacher is", label: "beta, how selective the teacher is" };

/** The slider: its name, value, track and marks, as page.slider, .value and .marks. */
function buildSlider(page, controls, { text, label }) {
  const field = html(controls, "label", { class: "kdlab-field kdlab-field-beta" });
  const name = html(field, "span", { class: "kdlab-label", text: `${text}  ` });
  page.value = html(name, "span", { class: "kdlab-value" });
  page.slider = html(field, "input", { class: "kdlab-beta", type: "range", min: 0, max: 0, value: 0, "aria-label": label });
  page.marks = html(field, "span", { class: "kdlab-marks", "aria-hidden": "true" });
}

const BETA_MARKS = [1, 2, 5, 10, 20, 50, 100];

/** Round values under the slider, where its thumb stands for them: the slider's positions are evenly spaced. */
function buildMarks(marks, places, values) {
  marks.replaceChildren();
  const last = places.length - 1;
  for (const value of values.filter((mark) => mark >= places[0] * 0.999 && mark <= places[last] * 1.001)) {
    const after = Math.max(1, places.findIndex((place) => place >= value * 0.9999));
    const share = (after - (places[after] - value) / (places[after] - places[after - 1])) / last;
    html(marks, "span", { text: value }).style.left = `calc(9px + ${share} * (100% - 18px))`;
  }
}

/** The names of the roles, each behind a sample of its line: {role: text}. */
function buildKey(head, roles) {
  for (const [role, text] of Object.entries(roles)) {
    const item = html(head, "span", { class: `kdlab-key kdlab-key-${role}` });
    const sample = svg(item, "svg", { width: 22, height: 10, "aria-hidden": "true" });
    svg(sample, "path", { d: "M1 5H21" });
    html(item, "span", { text });
  }
}

/** Title, controls, error, key, numbers, the two panels, outcome, sentence: a picture without its controls and numbers. */
function buildFrame(roles, names) {
  const root = set(document.createElement("div"), { class: "kdlab-view", role: "group" });
  const page = { root, title: html(root, "div", { class: "kdlab-title" }) };
  keepKeys(root);
  keepInSight(root);
  page.controls = html(root, "div", { class: "kdlab-controls" });
  page.error = html(root, "div", { class: "kdlab-error", role: "alert", hidden: "" });
  page.stage = html(root, "div", { class: "kdlab-stage" });
  page.picture = html(page.stage, "div", { class: "kdlab-picture" });
  const head = html(page.picture, "div", { class: "kdlab-head" });
  buildKey(head, roles);
  page.numbers = html(head, "span", { class: "kdlab-numbers" });
  const panels = html(page.picture, "div", { class: "kdlab-panels" });
  const viewBox = `0 0 ${FRAME.width} ${FRAME.height}`;
  for (const [panel, name] of Object.entries(names)) { // {space: what it shows, plane: what it shows}
    page[panel] = svg(panels, "svg", { class: `kdlab-${panel}`, viewBox, role: "img", "aria-label": name });
  }
  page.outcome = html(page.picture, "p", { class: "kdlab-outcome", hidden: "" });
  page.sentence = html(page.picture, "p", { class: "kdlab-sentence" });
  page.cover = html(page.stage, "div", { class: "kdlab-cover", role: "group", hidden: "" });
  buildVoice(page);
  return page;
}

/** The title is also the name of the whole view. */
function setTitle(page, text) {
  page.title.textContent = text;
  page.root.setAttribute("aria-label", text);
}

/**
 * The axes of a precision-recall plane, in nats, and both bounds: {recall, precision} limits, {recall, precision} bounds.
 * An axis of recall that is not straight brings its own marks, [[value, text], ...], and its own label.
 */
function buildAxes(panel, limits, bounds, x, y, { marks = ticks(limits.recall), label = "recall, nats" } = {}) {
  const { left, right, top, bottom } = FRAME;
  svg(panel, "path", { class: "kdlab-axis", d: `M${left} ${top}V${bottom}H${right}` });
  for (const [value, text] of marks) {
    const at = round(x(value));
    svg(panel, "path", { class: "kdlab-axis", d: `M${at} ${bottom}v4` });
    svg(panel, "text", { class: "kdlab-tick", x: at, y: bottom + 18, "text-anchor": "middle", text });
  }
  for (const [value, text] of ticks(limits.precision)) {
    const at = round(y(value));
    svg(panel, "path", { class: "kdlab-axis", d: `M${left} ${at}h-4` });
    svg(panel, "text", { class: "kdlab-tick", x: left - 8, y: at + 4, "text-anchor": "end", text });
  }
  svg(panel, "text", { class: "kdlab-quiet", x: (left + right) / 2, y: 391, "text-anchor": "middle", text: label });
  svg(panel, "text", { class: "kdlab-quiet", "text-anchor": "middle", text: "precision, nats",
    transform: `translate(13 ${(top + bottom) / 2}) rotate(-90)` });
  const [limit, ceiling] = [round(x(bounds.recall)), round(y(bounds.precision))];
  svg(panel, "path", { class: "kdlab-bound", d: `M${limit} ${top}V${bottom}M${left} ${ceiling}H${right}` });
  svg(panel, "text", { class: "kdlab-bound-name", x: left + 8, y: ceiling - 6, text: "precision ≤ max log p*" });
  svg(panel, "text", { class: "kdlab-bound-name", "text-anchor": "end", text: "recall ≤ −H(p*)",
    transform: `translate(${limit + 14} ${ceiling + 12}) rotate(-90)` });
}

/**
 * Before the guess the question covers the picture; after it the guess is said, and `still`, what is still to be done; what
 * happens is said once that is empty. `page` holds {cover, picture, outcome} and what comes `next`, which gets the keys when
 * the option that had them is gone; `commit` is called with the option chosen.
 */
function showPrediction(page, prediction, still, commit) {
  const { cover, picture, outcome } = page;
  const covered = Boolean(prediction && prediction.guess == null);
  cover.hidden = !covered;
  picture.inert = covered;
  picture.classList.toggle("kdlab-covered", covered);
  outcome.hidden = !prediction || covered;
  if (!prediction) return;
  outcome.textContent = `You predicted: ${prediction.guess}. ${still || `What happens: ${prediction.outcome}`}`;
  if (!covered || cover.childElementCount) return;
  cover.setAttribute("aria-label", prediction.question);
  html(cover, "p", { class: "kdlab-question", text: prediction.question });
  for (const option of prediction.options) {
    html(cover, "button", { type: "button", text: option }).addEventListener("click", (event) => {
      commit(option);
      announce(page);
      page.next.focus({ preventScroll: event.detail > 0 }); // a pointer's page stays where it is
    });
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
