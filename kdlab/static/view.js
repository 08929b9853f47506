/**
 * kdlab's live picture: one ladder, drawn in the page.
 *
 * Python sends a ladder once: a slider's positions, and for each of them every number there is to show. From then on this
 * file draws any position by itself, so the slider answers within one frame with the kernel busy, stopped or gone.
 *
 * How it is built, from the top down (small tools that every picture needs stand in tools.js, which is put before this):
 *   checkLadder        a broken ladder is refused with a sentence, never half drawn
 *   buildSpace1d/2d, buildPlane    create a ladder's elements once and return draw(index), which only sets attributes
 *   buildPage          the controls and the empty frames
 *   View               what happens when: slider, controls, messages from Python, errors
 *
 * Shared with Python (kdlab/widgets.py): the TRAITS below, choices and page_errors. `settings` says what the reader
 * wants, `ladder` is Python's answer; one made for other settings than those wanted now is kept for later, not shown.
 */

const TRAITS = ["ladder", "settings", "beta", "progress", "prediction", "kernel_error"]; // whose changes matter here
const PER_POSITION = ["beta", "precision", "recall", "switched", "covered", "sentence",
  "teacher.weights", "student.weights", "student.means", "student.covariances"];
const NUMBERS = ["beta", "space", "plane", "bounds", "truth", "contours", "points", "teacher", "direct", "student",
  "precision", "recall", "switched", "covered"];
const FIELDS = ["scene", "n_components", "covariance", "samples", "seed"];
const LABELS = {
  n_components: ["K″", "components of the student"],
  covariance: ["covariance", "covariance family of the student"],
  scene: ["scene", "scene"],
  samples: ["samples", "what the student learns from"],
  seed: ["seed", "seed of the random draw"],
};
const ROLES = { truth: "p* truth", teacher: "p′ teacher", direct: "p″ direct", distilled: "p″ distilled" };

// ---------------------------------------------------------------- names and places

/** The name of a group of settings, for looking up ladders that are already here. */
const nameOf = (settings) => FIELDS.map((field) => settings[field]).join("|");

// ---------------------------------------------------------------- the ladder, checked

/** Refuse a ladder with a missing field, a wrong length or something else than a number; say which, and what to do. */
function checkLadder(ladder) {
  const count = ladder.beta?.length ?? 0;
  const listed = (path) => path.split(".").reduce((inner, name) => inner?.[name], ladder);
  const wrong = PER_POSITION.find((path) => !count || listed(path)?.length !== count);
  const problem = wrong
    ? `${listed(wrong)?.length ?? "no"} entries in "${wrong}" for ${count} positions of beta`
    : NUMBERS.map((name) => notANumber(ladder[name], name)).find(Boolean);
  if (problem) throw new Error(`This ladder cannot be drawn, it has ${problem}. Make it again with experiments.teacher_entropy(...).`);
}

// ---------------------------------------------------------------- the space

function buildSpace2d(panel, ladder, x, y) {
  const unit = x(1) - x(0);
  const loop = (line) => "M" + line.map((point) => `${round(x(point[0]))} ${round(y(point[1]))}`).join("L") + "Z";
  ladder.contours.forEach(({ path }, i) =>
    svg(panel, "path", { class: i ? "kdlab-truth-fill" : "kdlab-truth-fill kdlab-truth-edge", d: path.map(loop).join("") }));
  for (const point of ladder.points) {
    svg(panel, "circle", { class: "kdlab-point", cx: round(x(point[0])), cy: round(y(point[1])), r: 1.7 });
  }
  const { teacher, direct, student } = ladder;
  // Broken lines lie above solid ones: where two models are the same, both are seen.
  const learned = student.weights[0].map((_, k) => [1, 2].map((sigmas) =>
    svg(panel, "ellipse", { class: `kdlab-student-ellipse kdlab-sigma-${sigmas}`, "data-component": k })));
  direct.means.forEach((mean, k) =>
    placeEllipse(svg(panel, "ellipse", { class: "kdlab-direct" }), mean, direct.covariances[k], 1, x, y, unit));
  const taught = teacher.means.map((mean, k) => {
    const element = svg(panel, "ellipse", { class: "kdlab-teacher" });
    placeEllipse(element, mean, teacher.covariances[k], 1, x, y, unit);
    return element;
  });
  return (i) => {
    taught.forEach((element, k) => emphasise(element, teacher.weights[i][k]));
    learned.forEach((pair, k) => pair.forEach((element, s) => {
      placeEllipse(element, student.means[i][k], student.covariances[i][k], s + 1, x, y, unit);
      element.style.strokeWidth = round((s ? 1.4 : 2.4) * (0.45 + 0.55 * Math.sqrt(student.weights[i][k])));
    }));
  };
}

function buildSpace1d(panel, ladder, x, y) {
  const [low, high] = ladder.space.x;
  const places = Array.from({ length: 241 }, (_, i) => low + (i / 240) * (high - low));
  const curve = (weights, means, covariances) => "M" + places.map((place) =>
    `${round(x(place))} ${round(y(density(place, weights, means, covariances)))}`).join("L");
  const { truth, teacher, direct, student } = ladder;
  const outline = curve(truth.weights, truth.means, truth.covariances);
  svg(panel, "path", { class: "kdlab-truth-area", d: `${outline}V${FRAME.bottom}H12Z` });
  svg(panel, "path", { class: "kdlab-truth-line", d: outline });
  svg(panel, "line", { class: "kdlab-axis", x1: 12, x2: 428, y1: FRAME.bottom, y2: FRAME.bottom });
  for (const point of ladder.points) {
    svg(panel, "circle", { class: "kdlab-point", cx: round(x(point[0])), cy: FRAME.bottom + 10, r: 1.7 });
  }
  const learned = svg(panel, "path", { class: "kdlab-student-curve" });
  svg(panel, "path", { class: "kdlab-direct", d: curve(direct.weights, direct.means, direct.covariances) });
  const taught = svg(panel, "path", { class: "kdlab-teacher kdlab-curve" });
  return (i) => {
    set(taught, { d: curve(teacher.weights[i], teacher.means, teacher.covariances) });
    set(learned, { d: curve(student.weights[i], student.means[i], student.covariances[i]) });
  };
}

/** A dot at each mode of p*: full where the student covers it, a hollow ring where it is lost. */
function buildModes(panel, ladder, x, y) {
  const marks = ladder.truth.means.map((mean) => // in 1-D on the base line, where the density is 0
    svg(panel, "circle", { class: "kdlab-mode", cx: round(x(mean[0])), cy: round(y(mean[1] ?? 0)), r: 4 }));
  const words = svg(panel, "text", { class: "kdlab-quiet", x: 220, y: 391, "text-anchor": "middle" });
  return (i) => {
    const covered = ladder.covered[i].map((share) => share >= 0.5);
    marks.forEach((mark, k) => mark.classList.toggle("kdlab-lost", !covered[k]));
    const count = covered.filter(Boolean).length;
    words.textContent = `modes of p*:  ● ${count} covered   ○ ${covered.length - count} lost`;
  };
}

function buildSpace(panel, ladder) {
  panel.replaceChildren();
  const flat = ladder.dim === 1;
  const x = scale(ladder.space.x, flat ? [12, 428] : [35, 405]);
  const y = scale(ladder.space.y, flat ? [FRAME.bottom, FRAME.top] : [372, 2]); // 2-D: a square, so equal aspect
  const models = (flat ? buildSpace1d : buildSpace2d)(panel, ladder, x, y);
  const modes = buildModes(panel, ladder, x, y);
  return (i) => { models(i); modes(i); };
}

// ---------------------------------------------------------------- the precision-recall plane

function buildPlane(panel, ladder) {
  panel.replaceChildren();
  const x = scale(ladder.plane.recall, [FRAME.left, FRAME.right]);
  const y = scale(ladder.plane.precision, [FRAME.bottom, FRAME.top]);
  buildAxes(panel, ladder.plane, ladder.bounds, x, y);
  const at = ladder.recall.map((recall, i) => [round(x(recall)), round(y(ladder.precision[i]))]);
  const paths = pathsTo(at, ladder.switched);
  svg(panel, "path", { class: "kdlab-path-all", d: paths.at(-1) });
  const past = svg(panel, "path", { class: "kdlab-path-past" });
  const [dx, dy] = [round(x(ladder.direct.recall)), round(y(ladder.direct.precision))];
  const clearance = (offset) => Math.min(...at.map(([px, py]) => Math.hypot(px - dx, py - dy - offset)));
  const under = clearance(17) >= clearance(-17); // the direct student's name stands where the path does not go
  const aside = Math.min(dx, round(x(ladder.bounds.recall)) - 25); // and left of the bound, which has a name of its own
  const namedAt = [aside, dy + (under ? 25 : -12)];
  svg(panel, "text", { class: "kdlab-direct-name", x: namedAt[0], y: namedAt[1], "text-anchor": "middle", text: "direct" });
  // "distilled" ends where it is put and is some 60 wide; "direct" is some 44 wide and stands around its place.
  const overlaps = ([x1, y1]) => Math.abs(y1 - namedAt[1]) < 14 && x1 > namedAt[0] - 22 && x1 - 60 < namedAt[0] + 22;
  const name = svg(panel, "text", { class: "kdlab-student-name", "text-anchor": "end", text: "distilled" });
  const dot = svg(panel, "circle", { class: "kdlab-student-dot", r: 8 });
  svg(panel, "rect", { class: "kdlab-direct-square", x: dx - 4.5, y: dy - 4.5, width: 9, height: 9 });
  return (i) => {
    const [cx, cy] = at[i];
    const [aside, below] = besidePath(at, i);
    set(past, { d: paths[i] });
    set(dot, { cx, cy, "data-precision": ladder.precision[i], "data-recall": ladder.recall[i] });
    const room = cx + 13 * aside - (FRAME.left + 68); // for the name; where there is none, it goes below the dot
    const drop = Math.max(below, Math.min(1, -room / 20));
    const place = [round(cx + 13 * aside - Math.min(room, 0)), round(cy + 4.5 + 18 * drop)];
    if (overlaps(place)) place[1] = namedAt[1] + (under ? 16 : -16); // farther out than the name that is there
    set(name, { x: place[0], y: place[1] });
  };
}

/**
 * Which way is off the path at position i, as a unit vector: left of a path that climbs, below one that goes left.
 * There is room for a name there; on the other side, where all is better, stand the bounds and their names.
 */
function besidePath(points, i) {
  const [x0, y0] = points[Math.max(i - 4, 0)];
  const [x1, y1] = points[Math.min(i + 4, points.length - 1)];
  const length = Math.hypot(x1 - x0, y1 - y0);
  const aside = length > 0 ? Math.min(0, (y1 - y0) / length) : -1; // never to the right
  return [aside, Math.sqrt(1 - aside * aside) * (x1 > x0 ? -1 : 1)];
}

/** The path up to each position, with a gap wherever the best student switches to another solution. */
function pathsTo(points, switched) {
  let path = "";
  return points.map(([x, y], i) => {
    path += i === 0 || switched[i] ? `M${x} ${y}h0` : `L${x} ${y}`; // "h0" makes a lone point visible as a dot
    return path;
  });
}

// ---------------------------------------------------------------- the page

/** All elements of a view, without any numbers yet. */
function buildPage(choices) {
  const page = buildFrame(ROLES, { space: "The space of all models", plane: "The precision-recall plane" });
  buildSlider(page, page.controls);
  page.selects = {};
  for (const field of ["n_components", "covariance", "scene", "samples", "seed"]) {
    page.selects[field] = buildSelect(page.controls, field, choices[field] ?? []);
  }
  page.reset = html(page.controls, "button", { class: "kdlab-reset", type: "button", text: "Reset" });
  page.status = html(page.stage, "div", { class: "kdlab-status", role: "status", hidden: "" });
  return page;
}

function buildSelect(controls, field, choices) {
  const [short, long] = LABELS[field];
  const label = html(controls, "label", { class: "kdlab-field" });
  html(label, "span", { class: "kdlab-label", text: short });
  const select = html(label, "select", { class: `kdlab-${field.replace("_", "-")}`, "aria-label": long });
  choices.forEach((choice) => html(select, "option", { value: String(choice.value), text: choice.label }));
  return select;
}

// ---------------------------------------------------------------- what happens when

class View extends Live {
  /** @param model the widget's traits  @param memory {ladders: Map, opened: {settings, beta}, moved}, shared by a widget's views */
  constructor(model, memory) {
    super(model);
    Object.assign(this, { memory, index: 0, frame: 0, telling: 0, ladder: null });
    this.choices = model.get("choices");
    this.page = buildPage(this.choices);
    this.listen();
    this.onChange();
  }

  /** Connect the controls and the traits. */
  listen() {
    const { slider, selects, reset } = this.page;
    slider.addEventListener("input", () => this.moveTo(Number(slider.value)));
    keepKeys(slider, ...Object.values(selects));
    Object.values(selects).forEach((select) => select.addEventListener("change", () => this.ask(this.chosen())));
    reset.addEventListener("click", () => this.reset());
    this.onChange = () => { this.guard(() => this.follow()); this.update(); };
    TRAITS.forEach((name) => this.model.on(`change:${name}`, this.onChange));
  }

  /** Let go of the traits when the picture leaves the page. */
  close() {
    TRAITS.forEach((name) => this.model.off(`change:${name}`, this.onChange));
    cancelAnimationFrame(this.frame);
    clearTimeout(this.telling);
  }

  /** Some trait changed: take in a new ladder, show the one wanted if it is here, go to Python's beta. */
  follow() {
    const [ladder, settings, beta] = ["ladder", "settings", "beta"].map((name) => this.model.get(name));
    if (ladder !== this.received) this.receive(ladder);
    if (!this.ladder) return;
    const wanted = this.memory.ladders.get(nameOf(settings)) ?? this.ladder;
    if (wanted !== this.ladder) this.show(wanted);
    else if (!this.telling) this.draw(nearest(wanted.beta, beta)); // unless the reader is just moving the slider
  }

  /** A ladder has come from Python: check it and keep it. The first is shown even if it is not the one wanted. */
  receive(ladder) {
    this.received = ladder;
    try {
      checkLadder(ladder);
    } catch (error) {
      if (this.ladder) this.send({ settings: this.ladder.settings }); // nothing better will come: back to what is shown
      throw error;
    }
    const { ladders } = this.memory;
    const name = nameOf(ladder.settings);
    if (!ladders.has(name)) ladders.set(name, ladder); // the same settings always give the same ladder
    if (ladders.size > 24) ladders.delete(ladders.keys().next().value); // the oldest
    if (!this.ladder) this.show(ladder);
  }

  /** Create the elements of a ladder, once, and draw it at the beta where the reader is. */
  show(ladder) {
    const beta = this.ladder ? this.ladder.beta[this.index] : this.model.get("beta");
    const { page } = this;
    this.error = "";
    this.parts = [buildSpace(page.space, ladder), buildPlane(page.plane, ladder)];
    this.ladder = ladder;
    page.title.textContent = ladder.title;
    page.root.dataset.key = ladder.key;
    page.slider.max = ladder.beta.length - 1;
    buildMarks(page.marks, ladder.beta);
    this.draw(nearest(ladder.beta, beta));
  }

  /** Draw one position: attributes only, from numbers that are already here. */
  draw(index) {
    const { page, ladder } = this;
    this.index = index;
    this.parts.forEach((part) => part(index));
    const beta = number(ladder.beta[index]);
    if (Number(page.slider.value) !== index) page.slider.value = index;
    page.slider.setAttribute("aria-valuetext", `beta = ${beta}`);
    page.value.textContent = beta;
    page.numbers.textContent = `precision ${number(ladder.precision[index])}   recall ${number(ladder.recall[index])}`;
    page.sentence.textContent = ladder.sentence[index];
    page.root.dataset.index = index;
  }

  /** The slider moved: draw at the next frame, once, however many events came before it. */
  moveTo(index) {
    this.wanted = index;
    if (!this.memory.moved) {
      this.memory.moved = true;
      this.update();
    }
    if (!this.frame) {
      this.frame = requestAnimationFrame(() => {
        this.frame = 0;
        this.guard(() => this.draw(this.wanted));
      });
    }
    // Python hears of it when the hand rests: nothing on the page waits for that.
    clearTimeout(this.telling);
    this.telling = setTimeout(() => {
      this.telling = 0;
      this.send({ beta: this.ladder.beta[this.index] });
    }, 200);
  }

  /** The settings that the controls show. */
  chosen() {
    return Object.fromEntries(FIELDS.map((field) => [field, this.choices[field][this.page.selects[field].selectedIndex].value]));
  }

  /** Ask for other settings; "change:settings" shows them at once if their ladder is here, else Python makes it. */
  ask(settings) {
    this.error = "";
    this.send({ settings, kernel_error: "" });
    this.update();
  }

  reset() {
    const { settings, beta } = this.memory.opened;
    this.ask({ ...settings });
    if (this.ladder) this.moveTo(nearest(this.ladder.beta, beta));
  }

  /** Bring everything around the picture up to date: controls, waiting, errors, the prediction. */
  update() {
    const { page, model } = this;
    const settings = model.get("settings");
    const prediction = model.get("prediction");
    const covered = Boolean(prediction && prediction.guess == null);
    const waiting = !this.ladder || nameOf(this.ladder.settings) !== nameOf(settings);
    for (const field of FIELDS) {
      page.selects[field].selectedIndex = this.choices[field].findIndex((choice) => choice.value === settings[field]);
      page.selects[field].disabled = covered;
    }
    // A control that could change nothing says so: in 1-D all families of covariance are one.
    page.selects.seed.disabled = covered || (settings.scene !== "random" && settings.samples === null);
    page.selects.covariance.disabled = covered || (!waiting && this.ladder.dim === 1);
    page.slider.disabled = waiting || covered;
    page.reset.disabled = covered;
    page.root.setAttribute("aria-busy", waiting);
    page.picture.classList.toggle("kdlab-waiting", waiting);
    page.status.hidden = !waiting || !this.ladder;
    const progress = model.get("progress");
    page.status.textContent = progress === null ? "Asking Python …" : `Making the students: ${Math.round(progress * 100)} %`;
    const message = [this.error, model.get("kernel_error")].filter(Boolean).join("\n");
    page.error.hidden = !message;
    if (page.error.textContent !== message) page.error.textContent = message;
    showPrediction(page, prediction, this.memory.moved, (guess) => {
      this.send({ prediction: { ...prediction, guess } });
      this.update();
    });
    if (nameOf(settings) !== nameOf(this.memory.opened.settings)) page.outcome.hidden = true; // it was about another picture
  }
}

/** anywidget calls this once per widget, so what is kept here belongs to one widget and to no other. */
export default function () {
  const memory = { ladders: new Map(), opened: null, moved: false };
  return {
    initialize({ model }) {
      memory.opened = { settings: { ...model.get("settings") }, beta: model.get("beta") };
    },
    render({ model, el }) {
      const view = new View(model, memory);
      el.append(view.page.root);
      return () => view.close();
    },
  };
}
