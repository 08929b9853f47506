/**
 * kdlab's picture of a bell placed by hand: p* and one Gaussian on the left, what it is worth on the right.
 *
 * Bell and numbers are of this page alone, within a frame, with or without a kernel. `measure` below says what
 * kdlab.mixtures.single.measure says, to 1e-6 nats and in the same words; a test compares the two. Its mathematics is in
 * mixtures/measure.js, which is put before this.
 *
 * Shared with Python (kdlab/mixtures/view_single.py): the TRAITS below and page_errors. `world` never changes. `hand` is where
 * the bell is, {centre, width}; Python hears of it, and of the `best` so far, when the hand rests: a page may be reloaded.
 */

const TRAITS = ["hand", "prediction", "seen", "heard", "kernel_error"]; // whose changes matter here
const ROLES = { truth: "p* truth", distilled: "p″ your student" };
const NUMBERS = ["truth", "bounds", "space", "plane", "stretch", "marks", "step", "opening", "widths"];
const KEPT = 200; // positions that the trail remembers
const DECADE = 70; // svg units above the picture's top that make a bell ten times as narrow
const CIRCLE = "M-8 0a8 8 0 1 0 16 0a8 8 0 1 0 -16 0Z";
const ARROW = "M-10 0L6 -9V9Z"; // points to the left
const TRIANGLES = { precision: "M-5 9H5L0 0Z", recall: "M-9 -5V5L0 0Z" }; // their tips stand at the best, their bodies short of it
const BESIDE = 18; // svg units from an arrow on the edge to a triangle that belongs there too

const same = (one, other) => one.centre === other.centre && one.width === other.width;
const clamp = (value, [low, high]) => Math.min(Math.max(value, low), high);

/** A width with no more digits than are said of it; a drag does not stop at the slider's positions. */
const roundedWidth = (width) => Number(width.toFixed(width < 0.1 ? 4 : width < 1 ? 3 : 2));

/** The height of a bell's peak, and the width that has such a peak: the rule is its own inverse. */
const peakOf = (width) => 1 / (width * Math.sqrt(2 * Math.PI));

// ---------------------------------------------------------------- what a bell is worth

const measures = makeMeasures();

/** The bell as a mixture of one. */
const bellOf = ({ centre, width }) => ({ weights: [1], means: [[centre]], covariances: [[[width * width]]] });

/** Nats that may be very many, and a width: kdlab.core.format has the same rules. */
const short = (value) => (Math.abs(value) < 1000 ? number(value)
  : value.toLocaleString("en-US", { maximumFractionDigits: 0 }).replace("-", "−"));
const deviation = (width) => (width >= 1 ? width.toFixed(2)
  : width >= 0.1 ? width.toFixed(3).replace(/0$/, "") : width.toFixed(4).replace(/0+$/, ""));
const belowBound = (apart) => (apart >= 0.9995 ? short(apart) : apart >= 0.0005 ? apart.toFixed(3) : "less than 0.001");

/** Both numbers of a bell, how far each is below its bound, and all of it in words. */
function measure({ truth, bounds }, hand) {
  const { precision, recall } = measures.measured(bellOf(hand), truth);
  const worth = { precision, recall };
  const names = Object.keys(worth);
  const below = Object.fromEntries(names.map((name) => [name, belowBound(bounds[name] - worth[name])]));
  const said = names.map((name) => `${name} ${short(worth[name])} nats (${below[name]} below its bound)`);
  return { ...hand, ...worth, below, numbers: names.map((name) => `${name} ${short(worth[name])}`).join("   "),
    sentence: `Centre ${short(hand.centre)}, width ${deviation(hand.width)}: ${said.join(", ")}.` };
}

// ---------------------------------------------------------------- what was tried

const NEAR = 0.5; // nats below a bound: who was as near to both has seen that they want different bells

/** Remember a bell: in the trail, as the best so far of what it is best in, and whether it comes near a bound. */
function remember(memory, worth, bounds) {
  if (memory.trail.length && same(memory.trail.at(-1), worth)) return; // drawn by another view of the widget, or again
  memory.trail = [...memory.trail, worth].slice(-KEPT);
  for (const name of ["precision", "recall"]) {
    if (!(memory.best[name]?.[name] >= worth[name])) memory.best[name] = worth;
    if (worth[name] >= bounds[name] - NEAR) memory.near.add(name);
  }
}

// ---------------------------------------------------------------- the space

function buildSpace(panel, world) {
  const x = scale(world.space.x, [12, 428]);
  const y = scale(world.space.y, [FRAME.bottom, FRAME.top]);
  // A spike is higher than the picture: an inner svg cuts it off at its own edges.
  const [width, height] = [416, FRAME.bottom - FRAME.top];
  const inner = svg(panel, "svg", { "aria-hidden": "true", x: 12, y: FRAME.top, width, height, viewBox: `12 ${FRAME.top} ${width} ${height}` });
  buildTruth(inner, world, x, y);
  buildPlaces(panel, world, x);
  const bell = svg(inner, "path", { class: "kdlab-student-curve" });
  const span = svg(inner, "path", { class: "kdlab-hand-span" });
  const drawName = buildSpanName(panel, x);
  const words = svg(panel, "text", { class: "kdlab-hand-peak" });
  const grab = svg(inner, "path", { class: "kdlab-hand-grab" });
  const grip = svg(panel, "g", { class: "kdlab-hand-grip" });
  svg(grip, "circle", { r: 11 });
  svg(grip, "path", { d: "M-7 0H7M0 -7V7M-5 -2L-7 0L-5 2M5 -2L7 0L5 2M-2 -5L0 -7L2 -5M-2 5L0 7L2 5" });
  svg(panel, "text", { class: "kdlab-quiet", x: 220, y: 391, "text-anchor": "middle",
    text: "dragging:  ↔ moves the bell   ↑ narrower   ↓ wider" });
  const draw = ({ centre, width: sigma }) => {
    const d = bellPath(centre, sigma, x, y);
    const peak = peakOf(sigma);
    const [cx, cy] = [round(x(centre)), round(Math.max(y(peak), FRAME.top))];
    set(bell, { d });
    set(grab, { d: `${d}V${FRAME.bottom}Z` });
    const waist = round(y(peak * Math.exp(-0.5)));
    set(span, { d: `M${round(x(centre - sigma))} ${waist}H${round(x(centre + sigma))}` });
    drawName(centre, sigma, waist);
    set(grip, { transform: `translate(${cx} ${cy})` });
    const right = centre > (world.space.x[0] + world.space.x[1]) / 2;
    set(words, { x: cx + (right ? -18 : 18), y: FRAME.top + 5, "text-anchor": right ? "end" : "start",
      text: y(peak) < FRAME.top ? `its peak is at ${number(peak, peak < 10 ? 1 : 0)}, above the picture` : "" });
  };
  return { draw, grips: [grab, grip], perUnit: 1 / (x(1) - x(0)), ...peakRule(y) };
}

/**
 * Where the peak of a bell is and which bell has its peak there, in svg units: so the peak follows the pointer. A spike's
 * peak would be a hundred pictures away: above the top a logarithm brings it near. The two rules meet at the top.
 */
function peakRule(y) {
  const highest = (FRAME.bottom - FRAME.top) / (y(0) - y(1)); // density at the top of the picture
  const narrow = peakOf(highest);
  return {
    peakAt: (width) => (width >= narrow ? y(peakOf(width)) : FRAME.top - DECADE * Math.log10(narrow / width)),
    widthAt(at) {
      if (at >= FRAME.bottom) return Infinity;
      return at >= FRAME.top ? peakOf((FRAME.bottom - at) / (y(0) - y(1))) : narrow * 10 ** ((at - FRAME.top) / DECADE);
    },
  };
}

/** The line across the bell reaches one width to each side: its name stands beside it, or below where both sides are full. */
function buildSpanName(panel, x) {
  const name = svg(panel, "text", { class: "kdlab-hand-span-name", text: "± width" });
  return (centre, sigma, waist) => {
    const [left, right] = [x(centre - sigma) - 6, x(centre + sigma) + 6];
    const [fits, other] = [right < 380, left > 60];
    set(name, { x: round(fits ? right : other ? left : 424), y: round(waist + (fits || other ? -4 : 13)),
      "text-anchor": fits ? "start" : "end" });
    name.toggleAttribute("hidden", waist < FRAME.top + 6);
  };
}

function buildTruth(panel, { truth, space }, x, y) {
  const places = Array.from({ length: 241 }, (_, i) => space.x[0] + (i / 240) * (space.x[1] - space.x[0]));
  const outline = "M" + places.map((place) =>
    `${round(x(place))} ${round(y(density(place, truth.weights, truth.means, truth.covariances)))}`).join("L");
  svg(panel, "path", { class: "kdlab-truth-area", d: `${outline}V${FRAME.bottom}H12Z` });
  svg(panel, "path", { class: "kdlab-truth-line", d: outline });
}

/** The base line, with places named: "centre -3.00" can be found. */
function buildPlaces(panel, world, x) {
  svg(panel, "line", { class: "kdlab-axis", x1: 12, x2: 428, y1: FRAME.bottom, y2: FRAME.bottom });
  for (const [value, text] of ticks(world.space.x)) {
    const at = round(x(value));
    svg(panel, "path", { class: "kdlab-axis", d: `M${at} ${FRAME.bottom}v4` });
    svg(panel, "text", { class: "kdlab-tick", x: at, y: FRAME.bottom + 18, "text-anchor": "middle", text });
  }
}

/** The bell from edge to edge of the picture, with its own places: a spike would fall between those of a fixed grid. */
function bellPath(centre, sigma, x, y) {
  const points = Array.from({ length: 241 }, (_, i) => {
    const place = centre + sigma * (-6 + i / 20);
    return `${round(x(place))} ${round(y(density(place, [1], [[centre]], [[[sigma * sigma]]])))}`;
  });
  return `M${Math.min(12, round(x(centre - 6 * sigma)))} ${FRAME.bottom}L${points.join("L")}` +
    `L${Math.max(428, round(x(centre + 6 * sigma)))} ${FRAME.bottom}`;
}

// ---------------------------------------------------------------- the precision-recall plane

/** Recall is stretched near its bound, where most bells are: by the logarithm of how far below it a recall is. */
function stretched({ plane, bounds, stretch }) {
  const bend = (recall) => Math.sign(recall - bounds.recall) * Math.log1p(Math.abs(recall - bounds.recall) / stretch);
  const straight = scale(plane.recall.map(bend), [FRAME.left, FRAME.right]);
  return (recall) => straight(bend(recall));
}

function buildPlane(panel, world) {
  const x = stretched(world);
  const y = scale(world.plane.precision, [FRAME.bottom, FRAME.top]);
  buildAxes(panel, world.plane, world.bounds, x, y,
    { marks: world.marks.map((value) => [value, number(value, 0)]), label: "recall, nats (stretched near its bound)" });
  const at = (worth) => [round(Math.max(x(worth.recall), FRAME.left)), round(Math.min(y(worth.precision), FRAME.bottom))];
  const beside = (worth) => { // a triangle on the edge would hide the arrow
    const [cx, cy] = at(worth);
    return [x(worth.recall) < FRAME.left ? cx + BESIDE : cx, y(worth.precision) > FRAME.bottom ? cy - BESIDE : cy];
  };
  const trail = svg(panel, "path", { class: "kdlab-hand-trail" });
  const dot = svg(panel, "path", { class: "kdlab-student-dot" });
  const bests = { precision: buildBest(panel, "precision", 0), recall: buildBest(panel, "recall", 20) };
  return (worth, memory) => {
    const [cx, cy] = at(worth);
    const [left, down] = [x(worth.recall) < FRAME.left, y(worth.precision) > FRAME.bottom];
    const turned = left && down ? -45 : down ? -90 : 0; // the arrow points to where the student is
    set(dot, { d: left || down ? ARROW : CIRCLE, transform: `translate(${cx} ${cy}) rotate(${turned})`,
      "data-precision": worth.precision, "data-recall": worth.recall });
    set(trail, { d: memory.trail.map((tried) => `M${at(tried).join(" ")}h0`).join("") });
    Object.values(bests).forEach((draw) => draw(memory, beside));
  };
}

/** The best so far of one of the two numbers: a small triangle in the plane, and what it says in the empty corner. */
function buildBest(panel, name, lower) {
  const shape = TRIANGLES[name];
  const [x, y] = [FRAME.left + 14, FRAME.bottom - 34 + lower];
  svg(panel, "path", { class: "kdlab-hand-best", d: shape, transform: `translate(${name === "precision" ? `${x} ${y - 9}` : `${x + 4} ${y - 4}`})` });
  const words = svg(panel, "text", { class: "kdlab-hand-best-words", x: x + 12, y });
  const mark = svg(panel, "path", { class: `kdlab-hand-best kdlab-best-${name}`, d: shape });
  return (memory, at) => {
    const best = memory.best[name];
    mark.toggleAttribute("hidden", !best);
    if (!best) return;
    set(mark, { transform: `translate(${at(best).join(" ")})`, "data-value": best[name] });
    words.textContent = `your best ${name}: ${best.below[name]} below its bound`;
  };
}

// ---------------------------------------------------------------- the page

function buildPage(world) {
  const page = buildFrame(ROLES, { space: "The truth, and your student over it", plane: "The precision-recall plane" });
  page.root.classList.add("kdlab-by-hand");
  setTitle(page, world.title);
  const [low, high] = world.space.x;
  page.centre = buildRange(page.controls, "centre", "centre of your student",
    { min: low, max: high, step: world.step }, ticks(world.space.x).map(([value, text]) => [(value - low) / (high - low), text]));
  const last = world.widths.length - 1;
  page.width = buildRange(page.controls, "width", "width of your student, its standard deviation", { min: 0, max: last, step: 1 },
    [0.005, 0.05, 0.5, 5].map((width) => [nearest(world.widths, width) / last, width]));
  page.reset = html(page.controls, "button", { class: "kdlab-reset", type: "button", text: "Reset" });
  page.next = page.centre.input;
  page.sentence.classList.add("kdlab-hand-sentence");
  return page;
}

function buildRange(controls, name, long, range, marks) {
  const label = html(controls, "label", { class: "kdlab-field kdlab-field-beta" });
  const words = html(label, "span", { class: "kdlab-label", text: `${name}  ` });
  const value = html(words, "span", { class: "kdlab-value" });
  const input = html(label, "input", { class: `kdlab-beta kdlab-hand-${name}`, type: "range", ...range, "aria-label": long });
  const places = html(label, "span", { class: "kdlab-marks", "aria-hidden": "true" });
  for (const [share, text] of marks) {
    html(places, "span", { text }).style.left = `calc(9px + ${share} * (100% - 18px))`;
  }
  return {
    input,
    show(position, text) {
      if (Number(input.value) !== position) input.value = position;
      input.setAttribute("aria-valuetext", `${name} ${text}`);
      value.textContent = text;
    },
  };
}

// ---------------------------------------------------------------- what happens when

class Hand extends Live {
  /** @param model the widget's traits  @param memory {near, trail, best}, shared by a widget's views */
  constructor(model, memory) {
    super(model);
    // `hand` is where the bell is on this page; Python's `hand` follows when it rests.
    Object.assign(this, { memory, world: model.get("world"), hand: model.get("hand"), frame: 0, telling: 0 });
    this.page = buildPage(this.world);
    this.guard(() => this.build());
    this.guard(() => this.draw());
    this.listen();
  }

  build() {
    const bad = NUMBERS.map((name) => notANumber(this.world[name], name)).find(Boolean);
    if (bad) throw new Error(`This scene cannot be drawn, it has ${bad}. Make it again with mixtures.by_hand(...).`);
    this.space = buildSpace(this.page.space, this.world);
    this.plane = buildPlane(this.page.plane, this.world);
    if (this.memory.trail.length) return;
    for (const hand of Object.values(this.model.get("best"))) remember(this.memory, measure(this.world, hand), this.world.bounds);
  }

  listen() {
    const { centre, width, reset } = this.page;
    centre.input.addEventListener("input", () => this.move({ ...this.hand, centre: this.snapped(Number(centre.input.value)) }));
    width.input.addEventListener("input", () => this.move({ ...this.hand, width: this.world.widths[Number(width.input.value)] }));
    reset.addEventListener("click", () => this.reset());
    for (const grip of this.space?.grips ?? []) {
      grip.addEventListener("pointerdown", (event) => this.drag(event, grip));
      grip.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false }); // or the page scrolls
    }
    this.watch(TRAITS, () => { this.guard(() => this.follow()); this.update(); });
  }

  /** Let go of the traits when the picture leaves the page. */
  close() {
    this.unwatch();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.telling);
    clearTimeout(this.page.resting);
  }

  /** From pressing a pointer to letting it go: the bell's peak moves as the pointer does. */
  drag(event, grip) {
    event.preventDefault();
    grip.setPointerCapture(event.pointerId);
    const { hand, page, world } = this;
    const unit = FRAME.width / page.space.getBoundingClientRect().width; // svg units in a pixel
    const follow = ({ clientX, clientY }) => {
      const aside = (clientX - event.clientX) * unit * this.space.perUnit;
      const peak = this.space.peakAt(hand.width) + (clientY - event.clientY) * unit;
      const width = clamp(this.space.widthAt(peak), [world.widths[0], world.widths.at(-1)]);
      this.move({ centre: this.snapped(hand.centre + aside), width: roundedWidth(width) });
    };
    const end = () => {
      grip.removeEventListener("pointermove", follow);
      ["pointerup", "pointercancel"].forEach((name) => grip.removeEventListener(name, end));
    };
    grip.addEventListener("pointermove", follow);
    ["pointerup", "pointercancel"].forEach((name) => grip.addEventListener(name, end));
  }

  /** A centre that the slider can stand on. */
  snapped(centre) {
    const steps = Math.round(1 / this.world.step);
    return clamp(Math.round(centre * steps) / steps, this.world.space.x);
  }

  /** The bell goes somewhere: draw at the next frame, once, however many events came before it; tell Python later. */
  move(hand) {
    this.hand = hand;
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.guard(() => this.draw());
    });
    clearTimeout(this.telling);
    this.telling = setTimeout(() => {
      this.telling = 0;
      const best = Object.entries(this.memory.best).map(([name, { centre, width }]) => [name, { centre, width }]);
      this.send({ hand: this.hand, best: Object.fromEntries(best) });
    }, 200);
  }

  /** Some trait changed: if Python moved the bell, and not the reader's hand just now, go there. */
  follow() {
    const hand = this.model.get("hand");
    if (this.telling || same(hand, this.hand)) return;
    this.hand = { ...hand };
    this.draw();
  }

  /** Draw the bell and what it is worth. */
  draw() {
    const { page, hand, memory, world } = this;
    if (!this.plane) return;
    page.centre.show(hand.centre, number(hand.centre));
    page.width.show(nearest(world.widths, hand.width), deviation(hand.width));
    Object.assign(page.root.dataset, hand);
    const worth = measure(world, hand);
    remember(memory, worth, world.bounds);
    this.space.draw(hand);
    this.plane(worth, memory);
    page.numbers.textContent = worth.numbers;
    write(page, worth.sentence);
    if (memory.near.size === 2) this.see();
  }

  reset() {
    Object.assign(this.memory, { trail: [], best: {} });
    this.error = "";
    this.update();
    this.move({ ...this.world.opening });
  }

  /** Bring everything around the picture up to date: errors, the prediction. */
  update() {
    const { page } = this;
    const prediction = this.model.get("prediction");
    const disabled = isOpen(prediction) || !this.plane;
    for (const control of [page.centre.input, page.width.input, page.reset]) control.disabled = disabled;
    this.showErrors();
    const still = this.model.get("seen") ? "" : "Now come within half a nat of each bound, one after the other, and see.";
    showPrediction(page, prediction, still, (guess) => this.commit(guess));
  }
}

/** anywidget calls this once per widget, so what is kept here belongs to one widget and to no other. */
export default function () {
  const memory = { near: new Set(), trail: [], best: {} };
  return {
    render({ model, el }) {
      const view = new Hand(model, memory);
      el.append(view.page.root);
      return () => view.close();
    },
  };
}
