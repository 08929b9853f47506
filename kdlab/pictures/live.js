/**
 * What every picture of kdlab needs: elements, numbers, scales, ellipses, the slider, the axes of the plane, the question
 * that covers a picture.
 *
 * There is no build step. Python puts this text before that of a view and sends the two as one module (`front_end` in
 * kdlab/pictures/live.py): nothing is exported here, a view's file has the `export default`, and no name may be declared
 * in both.
 */

const FRAME = { width: 440, left: 58, right: 428, top: 12, bottom: 348, height: 396 }; // svg units of two panels

// ---------------------------------------------------------------- elements and numbers

/** Set attributes; `text` is the text content. Works for HTML and SVG alike. */
function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") say(element, value);
    else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
  }
  return element;
}

/** Write a text where it is another one: a browser lays out anew what is written, also if it is the same. */
function say(element, text) {
  if (element.textContent !== String(text)) element.textContent = text;
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

/** 94 %, 4.1 %, 0.3 %, less than 0.1 %: as kdlab.core.format.percent has it. */
function percent(p) {
  if (p >= 0.0995) return `${(100 * p).toFixed(0)} %`;
  return p >= 0.00095 ? `${(100 * p).toFixed(1)} %` : "< 0.1 %";
}

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
const density = (place, weights, means, covariances) => weights.reduce((sum, weight, k) => {
  const variance = covariances[k][0][0];
  return sum + (weight * Math.exp((-0.5 * (place - means[k][0]) ** 2) / variance)) / Math.sqrt(2 * Math.PI * variance);
}, 0);

/** A command of JupyterLab or the browser, Ctrl and a letter or sign, but none that a text field uses (copy, undo, ...). */
const isCommand = ({ key, ctrlKey, metaKey, shiftKey, altKey }) =>
  (ctrlKey || metaKey) && !altKey && key.length === 1 && !(shiftKey ? "vz" : "acvxyz").includes(key.toLowerCase());

/** A slip of the hand: Shift and Enter, meant for the notebook, would commit a guess; Space on a slider would scroll. */
const isSlip = ({ key, ctrlKey, metaKey, shiftKey, target }) =>
  (key === "Enter" && (ctrlKey || metaKey || shiftKey) && !target.matches("textarea"))
  || (key === " " && target.matches("input[type=range]"));

/** JupyterLab would take arrow keys and letters from an output: keep all but commands here. Escape goes back to the cell. */
function keepKeys(root) {
  root.addEventListener("keydown", (event) => {
    if (!isCommand(event)) event.stopPropagation();
    if (isSlip(event)) event.preventDefault();
    if (event.key === "Escape") root.parentElement?.closest("[tabindex]")?.focus();
  });
}

/** Where the slider has the keys, they do not scroll: bring the whole view onto the screen. The same for an outcome. */
function keepInSight(root) {
  root.addEventListener("focusin", ({ target }) => {
    if (!target.matches("input[type=range]:focus-visible, .kdlab-outcome")) return;
    requestAnimationFrame(() => root.scrollIntoView({ block: "nearest" })); // after the browser's own scrolling
  });
}

/** Do something once Python has had its time to answer, 5 s; not on the site, whose own `kdlab` answers for it. */
const later = (action) => { if (typeof kdlab === "undefined") setTimeout(action, 5000); };
const SILENCE = "Python has not answered yet. If its kernel was stopped or restarted, run this cell again; if it is busy, wait.";

const REST = 600; // ms without a change until what is shown is said

/** A place for what is said to those who do not see the picture, and only to them. */
function buildVoice(page) {
  page.voice = html(page.root, "p", { class: "kdlab-unseen", role: "status" });
}

/** Say the outcome of a prediction and the sentence once the hand rests: a live region would speak at every step. */
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

/** The index of the place nearest to `target`, as a ratio: right for logarithmic places, near enough for others. */
function nearest(places, target) {
  const positive = target > 0 && places.every((place) => place > 0);
  const away = places.map((place) => Math.abs(positive ? Math.log(place / target) : place - target));
  return away.indexOf(Math.min(...away));
}

// ---------------------------------------------------------------- Gaussians in the plane

/** Put an <ellipse> where a 2-D Gaussian is, at so many standard deviations; `unit` is the svg units of 1. */
function placeEllipse(element, mean, [[a, b], [, d]], sigmas, x, y, unit) {
  const [middle, spread] = [(a + d) / 2, Math.hypot((a - d) / 2, b)]; // its variances are middle + spread and middle - spread
  const [rx, ry] = [spread, -spread].map((more) => round(sigmas * unit * Math.sqrt(Math.max(middle + more, 0))));
  const [cx, cy] = [round(x(mean[0])), round(y(mean[1]))];
  const angle = round((-Math.atan2(2 * b, a - d) * 90) / Math.PI); // negated, since y grows downwards on a screen
  set(element, { cx, cy, rx, ry, transform: `rotate(${angle} ${cx} ${cy})` });
}

/** A dotted line as thick as a teacher's component is heavy, by the rule of plots.teacher_width: beta is seen to empty it. */
function emphasise(element, weight) {
  const width = round(0.5 + 4 * Math.sqrt(weight));
  element.style.strokeWidth = width;
  element.style.strokeDasharray = `0 ${round(1.5 + width * 1.25)}`;
  element.style.opacity = round(Math.min(1, 0.25 + 3 * weight));
}

// ---------------------------------------------------------------- what every view shows

const BETA = { text: "β, how selective the teacher is", label: "beta, how selective the teacher is" };

/** A slider: its name, value, track and marks, as page.slider, .value and .marks; returns all of it. */
function buildSlider(page, controls, { text, label }) {
  const field = html(controls, "label", { class: "kdlab-field kdlab-field-beta" });
  const name = html(field, "span", { class: "kdlab-label", text: `${text}  ` });
  page.value = html(name, "span", { class: "kdlab-value" });
  page.slider = html(field, "input", { class: "kdlab-beta", type: "range", min: 0, max: 0, value: 0, "aria-label": label });
  page.marks = html(field, "span", { class: "kdlab-marks", "aria-hidden": "true" });
  return field;
}

/** A menu with its short name above it and its long one for those who hear it; choices are [{value, label}, ...]. */
function buildSelect(controls, field, [short, long], choices) {
  const label = html(controls, "label", { class: "kdlab-field" });
  html(label, "span", { class: "kdlab-label", text: short });
  const select = html(label, "select", { class: `kdlab-${field.replace("_", "-")}`, "aria-label": long.startsWith(short) ? long : `${short}, ${long}` });
  choices.forEach((choice) => html(select, "option", { value: String(choice.value), text: choice.label }));
  return select;
}

const BETA_MARKS = [1, 2, 5, 10, 20, 50, 100];

/** Round values under the slider, where its thumb stands for them: the slider's positions are evenly spaced. */
function buildMarks(marks, places, values) {
  marks.replaceChildren();
  const last = places.length - 1;
  for (const value of values.filter((mark) => mark >= places[0] * 0.999 && mark <= places[last] * 1.001)) {
    const after = Math.max(1, places.findIndex((place) => place >= value * 0.9999));
    const share = (after - (places[after] - value) / (places[after] - places[after - 1])) / last;
    html(marks, "span", { text: value.toLocaleString("en") }).style.left = `calc(9px + ${share} * (100% - 18px))`;
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
function buildFrame(roles, names, { width, height } = FRAME) {
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
  const viewBox = `0 0 ${width} ${height}`;
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
function buildAxes(panel, limits, bounds, x, y, { marks = ticks(limits.recall), label = "recall, nats", frame = FRAME } = {}) {
  const { left, right, top, bottom } = frame;
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
  svg(panel, "text", { class: "kdlab-quiet", x: (left + right) / 2, y: bottom + 43, "text-anchor": "middle", text: label });
  svg(panel, "text", { class: "kdlab-quiet", "text-anchor": "middle", text: "precision, nats",
    transform: `translate(13 ${(top + bottom) / 2}) rotate(-90)` });
  const [limit, ceiling] = [round(x(bounds.recall)), round(y(bounds.precision))];
  svg(panel, "path", { class: "kdlab-bound", d: `M${limit} ${top}V${bottom}M${left} ${ceiling}H${right}` });
  svg(panel, "text", { class: "kdlab-bound-name", x: left + 8, y: ceiling - 6, text: "precision ≤ max log p*" });
  svg(panel, "text", { class: "kdlab-bound-name", "text-anchor": "end", text: "recall ≤ −H(p*)",
    transform: `translate(${limit + 14} ${ceiling + 12}) rotate(-90)` });
}

/** Whether a question still covers the picture. */
const isOpen = (prediction) => Boolean(prediction) && prediction.guess == null;

/**
 * Before the guess the question covers the picture. After it the guess is said, with `still`, what is left to do, or, where
 * that is empty, with what happens. `page` holds {cover, picture, outcome} and `next`, which gets the focus once an option
 * is chosen; `commit` is called with that option.
 */
function showPrediction(page, prediction, still, commit) {
  const { cover, picture, outcome } = page;
  const covered = isOpen(prediction);
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

/** What every view does alike: follow its traits, tell Python, keep errors. A view adds its `page` and `update()`. */
class Live {
  /** @param model the widget's traits, page_errors among them */
  constructor(model) {
    Object.assign(this, { model, error: "", waited: false });
  }

  /** Run `action` now and whenever one of these traits changes, until `unwatch()`. */
  watch(traits, action) {
    const events = traits.map((name) => `change:${name}`);
    events.forEach((event) => this.model.on(event, action));
    this.unwatch = () => events.forEach((event) => this.model.off(event, action));
    action();
  }

  /** The reader has chosen an option. */
  commit(guess) {
    this.send({ prediction: { ...this.model.get("prediction"), guess } });
    this.update();
    later(() => { this.waited = true; this.showErrors(); });
  }

  /** What happens is on the screen: where a guess was made, its outcome may be told. */
  see() {
    if (this.model.get("prediction")?.guess != null && !this.model.get("seen")) this.send({ seen: true });
  }

  /** Show what went wrong, here or in Python. */
  showErrors() {
    const { id, guess } = this.model.get("prediction") ?? {};
    const lost = this.waited && id && guess !== this.model.get("heard") && `Your guess is not kept. ${SILENCE}`;
    const message = [this.error, lost, this.model.get("kernel_error")].filter(Boolean).join("\n");
    this.page.error.hidden = !message;
    if (this.page.error.textContent !== message) this.page.error.textContent = message; // or it would be read out again
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
