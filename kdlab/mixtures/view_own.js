/**
 * A world that the reader draws: p* has handles, and teacher, student and both numbers follow while one is dragged.
 *
 * Needs live.js, plane.js, the solver (measure.js, contours.js, fit.js, path.js) with own_worker.js, which runs it in a worker,
 * world.js, share.js, own_space.js and challenges.js before it. No kernel is on the path. Shared with Python
 * (kdlab/mixtures/view_own.py): the TRAITS below and page_errors. `opened` is the world that Reset goes to; `world` is the one
 * shown, and Python hears of it when the hand rests. `scenes` are worlds to start from, {name: {title, world}}. `challenges`
 * are what there is to find: see challenges.js. `addressed` says whether the page's own address may hold the world.
 *
 * On the root element, `data-world` is what is shown, as JSON: {truth, teacher, student, beta, precision, recall, exact}.
 */

const TRAITS = ["world", "prediction", "seen", "heard", "kernel_error"];
const ROLES = { truth: "p* yours", teacher: "p′ teacher", direct: "p″ direct", distilled: "p″ distilled" };
const BETAS = Array.from({ length: 121 }, (_, i) => 100 ** (i / 120));
const RESTS = 120; // ms without a change until the path is made exactly
const STEP = 1 / 40; // of the reach: an arrow key's way, and a tenth of it with Shift
const FACTOR = 1.1; // of a width or a weight: what plus does
const NOTICE = 4000; // ms that a refusal stays
const TEACHERS = [["truth", "knows p*"], ...[1, 2, 3, 4, 5, 6, 7, 8].map((n) => [`fitted ${n}`, `fitted, K′ = ${n}`]), ["edited", "edited by hand"]];

// ---------------------------------------------------------------- the page

function buildOwnPage(scenes) {
  const page = buildFrame(ROLES, { space: "The space of all models, with the modes of p* to be moved", plane: "The precision-recall plane" });
  page.root.classList.add("kdlab-own");
  setTitle(page, "A world of your own");
  page.space.setAttribute("role", "group"); // it holds handles
  buildSlider(page, page.controls, BETA);
  page.slider.max = BETAS.length - 1;
  buildMarks(page.marks, BETAS, BETA_MARKS);
  page.next = page.slider;
  const select = (name, short, long, options) => {
    page[name] = buildSelect(page.controls, `own-${name}`, [short, long], options.map(([value, label]) => ({ value, label })));
  };
  select("n", "K″", "components of the student", [1, 2, 3, 4, 5, 6, 7, 8].map((n) => [n, n]));
  select("family", "covariance", "covariance family of the student", [["diag", "diagonal"], ["full", "full"], ["spherical", "spherical"]]);
  select("teacher", "teacher", "how the teacher comes about", TEACHERS);
  const titles = Object.entries(scenes).map(([name, { title }]) => [name, title]);
  select("start", "start from", "a world to start from", [["", "this one"], ...titles, ["empty 1", "An empty line"], ["empty 2", "An empty plane"]]);
  page.tools = html(page.picture, "div", { class: "kdlab-own-tools", role: "toolbar", "aria-label": "change the world" });
  page.picture.insertBefore(page.tools, page.picture.children[1]);
  page.buttons = {};
  for (const [name, text, title] of [["swap", "handles: p*", "whose modes the handles are"], ["add", "add", "add a mode (N)"], ["remove", "remove", "remove the mode (Delete)"],
    ["undo", "undo", "take the last change back (Ctrl Z)"], ["redo", "redo", "bring it back (Ctrl Y)"], ["copyPython", "copy as Python", "the same world as Python code"],
    ["copyLink", "copy link", "an address that holds this world"], ["reset", "reset", "back to the world of the beginning"]]) {
    page.buttons[name] = html(page.tools, "button", { type: "button", class: `kdlab-own-${name.toLowerCase()}`, title, text });
  }
  page.doubt = html(page.numbers.parentElement, "span", { class: "kdlab-own-doubt" });
  page.showChallenges = () => {};
  page.notice = html(page.picture, "p", { class: "kdlab-own-notice", role: "status", hidden: "" });
  return page;
}

// ---------------------------------------------------------------- what happens when

class Own extends Live {
  /** @param model the widget's traits */
  constructor(model) {
    super(model);
    Object.assign(this, { history: new History(), chosen: 0, whose: "truth", frame: 0, resting: 0, telling: 0, here: null, path: null, limits: null });
    this.page = buildOwnPage(model.get("scenes") ?? {});
    this.world = model.get("world");
    this.readAddress();
    const asked = (model.get("challenges") ?? []).filter(({ name }) => !this.asked || name === this.asked);
    if (asked.length) this.page.showChallenges = buildChallenges(this.page.picture, asked, () => ({ world: this.walked(), path: this.path }));
    this.solver = startWorker((answer) => this.guard(() => this.take(answer)), (error) => this.guard(() => { throw error; }));
    this.guard(() => this.open(this.world));
    this.listen();
    if (this.begun) this.refuse(this.begun);
  }

  /** On a page of its own the address may hold the world, and what a teacher set. A bad one is said, and not used. */
  readAddress() {
    Object.assign(this, { hidden: new Set(), locked: false, asked: "", begun: "" });
    if (!this.model.get("addressed")) return;
    const known = { hide: HIDEABLE, ask: (this.model.get("challenges") ?? []).map(({ name }) => name) };
    const { world, guess, hide, lock, ask, refused } = fromAddress(window.location.hash.slice(1), known);
    this.begun = refused;
    if (!world) return;
    Object.assign(this, { world, hidden: new Set(hide), locked: lock, asked: ask });
    const question = this.model.get("questions")?.[ask];
    if (!question) return;
    this.locked = true; // it is about what its teacher does to a p* that stays
    this.model.set("prediction", { ...question, guess: question.options[guess] ?? null });
  }

  /** What copies of the address hold beside the world. */
  extras() {
    return { guess: guessOf(this.model.get("prediction")), hide: [...this.hidden], lock: this.locked, ask: this.asked };
  }

  // A world, shown

  /** Show a world from the beginning: its space is built anew, its axes are those of its first path. */
  open(world) {
    const wrong = checkWorld(world);
    if (wrong) throw new Error(`This world cannot be shown. ${wrong}`);
    this.world = world;
    this.chosen = Math.min(this.chosen, listOf(world, this.whose = world.teacher.kind === "edited" ? this.whose : "truth").length - 1);
    this.limits = null;
    this.build();
    this.draw();
    this.changed();
  }

  build() {
    const truth = mixtureOf(this.world.modes);
    this.top = this.world.dim === 1 ? 1.15 * highest(truth, this.world.reach) : 0;
    this.space = buildOwnSpace(this.page.space, this.world, this.top);
  }

  /** The world is another one now: draw its handles at the next frame, ask for the rest, and for all of it at rest. */
  changed() {
    this.frame ||= requestAnimationFrame(() => { this.frame = 0; this.guard(() => this.draw()); });
    clearTimeout(this.resting);
    clearTimeout(this.telling);
    this.telling = same(this.world, this.model.get("world")) ? 0 : setTimeout(() => this.told(), 300);
    if (this.settled()) return; // only the slider moved: everything is here
    this.solver.ask(this.job(false));
    this.resting = setTimeout(() => this.solver.ask(this.job(true)), RESTS);
  }

  /** The hand rests: Python hears of the world, and the address holds it. */
  told() {
    this.telling = 0;
    this.send({ world: this.world });
    if (this.model.get("addressed")) window.history.replaceState(null, "", `#${asAddress(this.world, this.extras())}`);
  }

  /** What the worker needs to know of the world; `rest` asks for all positions, exactly. */
  job(rest) {
    const { modes, teacher, n, family, beta, reach } = this.world;
    const taught = { truth: null, fitted: teacher.n, edited: teacher.kind === "edited" ? mixtureOf(teacher.modes) : null }[teacher.kind];
    return { key: this.key(), truth: mixtureOf(modes), taught, n, family, beta, betas: BETAS, reach, rest };
  }

  /** All of a world that its path depends on, as a text. */
  key() {
    return JSON.stringify({ ...this.world, beta: 0 });
  }

  /** The exact path, where it is there and of this world. */
  settled() {
    return this.path?.want === "rest" && this.path.key === this.key() ? this.path : null;
  }

  /** Handles and controls: what needs no solver. */
  draw() {
    const { page, world, space, whose } = this;
    const settled = this.settled();
    space.drawTruth(mixtureOf(world.modes));
    if (settled) this.show(this.hereOf(settled, nearest(settled.betas, world.beta)));
    else space.place(this.handled(), this.chosen, this.covered(), whose);
    const i = nearest(BETAS, world.beta);
    if (Number(page.slider.value) !== i) page.slider.value = i;
    say(page.value, number(world.beta));
    this.showControls();
    this.tell();
  }

  covered() {
    const coverage = this.here?.coverage;
    return coverage?.length === this.world.modes.length ? coverage.map((share) => share >= 0.5) : null;
  }

  // What the worker found

  /** An answer: the models at the slider's place, or the path. */
  take(answer) {
    if (answer.teacher.means[0].length !== this.world.dim) return; // of a world that was left: it has no place in this space
    if (answer.want === "here") {
      if (!this.settled()) this.show(answer);
    } else {
      this.path = answer;
      this.limits = limitsOf(answer, this.limits, answer.want === "rest");
      this.plane = buildPlane(this.page.plane, { ...answer, plane: this.limits, direct: answer.direct });
      if (this.settled()) {
        this.rescale();
        this.draw();
      }
    }
    this.tell();
  }

  /** On a line: where p* has outgrown its picture, or left it nearly empty, another scale; never in a drag. */
  rescale() {
    const wanted = this.world.dim === 1 ? 1.15 * highest(mixtureOf(this.world.modes), this.world.reach) : 0;
    if (wanted <= 1.1 * this.top && wanted >= 0.5 * this.top) return;
    const kept = this.page.space.contains(document.activeElement) ? document.activeElement.dataset : null;
    this.build();
    this.space.place(this.handled(), this.chosen, this.covered(), this.whose);
    if (kept) this.space.element(kept.mode, kept.kind)?.focus({ preventScroll: true });
  }

  /** Draw the models at the slider's place. */
  show(here) {
    this.here = here;
    this.space.draw(here);
    this.space.place(this.handled(), this.chosen, this.covered(), this.whose);
  }

  /** What an exact path has at one of its positions. */
  hereOf({ students, taught, teacher, direct, precision, recall, coverage }, i) {
    return { ...this.here, untempered: teacher, teacher: { ...teacher, weights: taught[i] }, student: students[i], direct: direct.student,
      precision: precision[i], recall: recall[i], coverage: coverage[i] };
  }

  /** Numbers, sentence and data. */
  tell() {
    const { page, here, path, world } = this;
    page.slider.setAttribute("aria-valuetext", `beta ${number(world.beta)}`);
    if (!here) return;
    const settled = this.settled();
    const i = path ? nearest(path.betas, world.beta) : 0;
    if (path) this.plane(i);
    const { truth, teacher, student, precision, recall } = here;
    const about = settled?.exact ? "" : "≈ ";
    say(page.numbers, `precision ${about}${number(precision)}   recall ${about}${number(recall)}`);
    page.root.setAttribute("aria-busy", !settled);
    if (path) write(page, sentenceOf(here, path.direct, settled ? BETAS[i] : world.beta, about, settled?.switched[i]));
    say(page.doubt, settled ? settled.reason : "still looking");
    page.root.dataset.world = JSON.stringify({ truth, teacher, student, beta: world.beta, precision, recall, exact: Boolean(settled?.exact) });
    page.slider.setAttribute("aria-valuetext", [`beta ${number(world.beta)}`, ...this.said()].join(", "));
    this.judge();
    if (settled && i >= 0.9 * (BETAS.length - 1)) this.see();
  }

  /** How the challenges stand, once for each path: with the world that it is of, which a hand may have left by now. */
  judge() {
    if (this.path === this.judged) return;
    this.judged = this.path;
    const world = this.walked();
    this.page.showChallenges(this.path, world, this.given().some(({ modes, teacher }) => same([modes, teacher], [world.modes, world.teacher])));
  }

  /** Worlds that nobody drew here. */
  given() {
    return [this.model.get("opened"), ...Object.values(this.model.get("scenes") ?? {}).map(({ world }) => world)];
  }

  /** The world of the path that is there. */
  walked() {
    return this.path ? JSON.parse(this.path.key) : this.world;
  }

  /** Both numbers in words; a covered picture does not say them. */
  said() {
    return isOpen(this.model.get("prediction")) ? [] : this.page.numbers.textContent.split("   ");
  }

  // What the reader does

  listen() {
    const { page } = this;
    page.slider.addEventListener("input", () => this.become({ ...this.world, beta: BETAS[Number(page.slider.value)] }));
    page.n.addEventListener("change", () => this.step({ world: { ...this.world, n: Number(page.n.value) } }));
    page.family.addEventListener("change", () => this.step({ world: { ...this.world, family: page.family.value } }));
    page.teacher.addEventListener("change", () => this.step({ world: this.taughtBy(page.teacher.value) }));
    page.start.addEventListener("change", () => this.startFrom(page.start.value));
    for (const [name, button] of Object.entries(page.buttons)) button.addEventListener("click", () => this.guard(() => this[name]()));
    page.space.addEventListener("pointerdown", (event) => this.drag(event));
    page.space.addEventListener("touchstart", (event) => { if (this.space.near(event.touches[0])) event.preventDefault(); }, { passive: false });
    page.space.addEventListener("dblclick", (event) => { if (!this.space.near(event)) this.add(this.space.at(event)); });
    page.space.addEventListener("focusin", ({ target }) => this.enter(target.closest("[data-mode]")?.dataset));
    page.root.addEventListener("keydown", (event) => this.pressed(event));
    this.watch(TRAITS, () => { this.guard(() => this.follow()); this.update(); });
  }

  close() {
    this.unwatch();
    this.solver.close();
    cancelAnimationFrame(this.frame);
    for (const timer of [this.resting, this.telling, this.page.resting, this.fading]) clearTimeout(timer);
  }

  /** Another world without a step back of its own: the slider's, or a drag's after its first. */
  become(world, refused = "", where = null) {
    this.world = world;
    this.changed();
    if (refused) this.refuse(refused, where);
  }

  /** A gesture: what it gives is one step that can be taken back. */
  step({ world, refused = "" }, where = null) {
    if (world !== this.world) this.history.keep(this.world);
    this.become(world, refused, where);
  }

  /** Whether the modes at hand are p*'s, and p* is locked. */
  isFixed() {
    if (this.locked && this.whose === "truth") this.refuse("p* is locked here: change the teacher, the student or β.");
    return this.locked && this.whose === "truth";
  }

  /** Modes that have handles now. */
  handled() {
    return this.locked && this.whose === "truth" ? [] : listOf(this.world, this.whose);
  }

  choose(k) {
    if (k === this.chosen) return;
    this.chosen = k;
    this.space.place(this.handled(), k, this.covered(), this.whose);
  }

  /** A handle has the keys: its mode is the chosen one, whose handles are other elements now, so the keys go with it. */
  enter(handle) {
    if (!handle || Number(handle.mode) === this.chosen) return;
    const { mode, kind } = handle;
    this.choose(Number(mode));
    this.space.element(mode, kind)?.focus({ preventScroll: true });
  }

  /** From pressing a handle to letting it go: what it stands for follows the pointer. */
  drag(event) {
    const handle = this.space.near(event);
    if (!handle || event.button) return;
    event.preventDefault();
    this.choose(handle.k);
    this.space.element(handle.k, handle.kind)?.focus({ preventScroll: true });
    const { page, world } = this;
    page.space.setPointerCapture(event.pointerId);
    const box = page.space.getBoundingClientRect();
    const offset = this.space.pointer(event, box).at.map((value, i) => handle.at[i] - value); // where on the handle it was pressed
    let begun = false;
    const follow = (moved) => {
      if (!begun) this.history.keep(world);
      begun = true;
      const { world: next, refused } = this.pulled(handle, this.space.pointer(moved, box).at, offset, world);
      this.become(next, refused, moved);
    };
    const end = () => {
      page.space.removeEventListener("pointermove", follow);
      ["pointerup", "pointercancel"].forEach((name) => page.space.removeEventListener(name, end));
    };
    page.space.addEventListener("pointermove", follow);
    ["pointerup", "pointercancel"].forEach((name) => page.space.addEventListener(name, end));
  }

  /** The world after a handle was pulled to where the pointer is, in svg units; `from` is the world when it was pressed. */
  pulled({ k, kind, at }, [px, py], offset, from) {
    const { whose, space } = this;
    const mode = listOf(from, whose)[k];
    const place = space.placeOf([px + offset[0], py + offset[1]]);
    if (kind === "centre") return moveMode(this.world, whose, k, place.slice(0, from.dim));
    if (kind === "weight") {
      const share = from.dim === 1 ? shareOfPeak(place[1], mode) : pulledShare(shareOf(listOf(from, whose), k), at[1] - py - offset[1]);
      return weighMode(this.world, whose, k, share);
    }
    return shapeMode(this.world, whose, k, reshaped(mode, kind, place, from.family));
  }

  /** Keys: on a handle arrows, plus and minus; anywhere in the picture N, Delete, and undo and redo. */
  pressed(event) {
    const { key, ctrlKey, metaKey, shiftKey, target } = event;
    if (ctrlKey || metaKey) {
      const which = { z: shiftKey ? "redo" : "undo", y: "redo" }[key.toLowerCase()];
      if (which) { event.preventDefault(); this[which](); }
      return;
    }
    const handle = target.closest?.(".kdlab-own-handle");
    const [k, kind] = handle ? [Number(handle.dataset.mode), handle.dataset.kind] : [];
    const inPicture = target.closest?.(".kdlab-picture") && !target.matches("button, select");
    if (inPicture && (key === "n" || key === "N")) this.add();
    else if (handle && (key === "Delete" || key === "Backspace")) this.remove();
    else if (handle) {
      const next = keyed(this.world, this.whose, k, kind, key, shiftKey ? 0.1 : 1);
      if (!next) return;
      this.step(next, this.space.element(k, kind));
    } else return;
    event.preventDefault();
  }

  /** Add a mode, where the pointer is or in the widest gap between those that are there. */
  add(at = roomiest(this.world.dim, this.world.reach, listOf(this.world, this.whose))) {
    if (this.isFixed()) return;
    const added = addMode(this.world, this.whose, at);
    this.step(added);
    if (added.world === this.world && !added.refused) this.chosen = listOf(this.world, this.whose).length - 1;
    this.after();
  }

  remove() {
    if (this.isFixed()) return;
    this.step(removeMode(this.world, this.whose, this.chosen));
    this.after();
  }

  /** Handles came or went: draw now, so that the one that is chosen can have the keys. */
  after() {
    this.chosen = Math.min(this.chosen, listOf(this.world, this.whose).length - 1);
    this.draw();
    this.space.element(this.chosen, "centre")?.focus({ preventScroll: true });
  }

  undo() { this.goTo(this.history.undo(this.world)); }

  redo() { this.goTo(this.history.redo(this.world)); }

  /** A world from before: where its space is another one, that is built anew. */
  goTo(world) {
    const other = world.dim !== this.world.dim || world.reach !== this.world.reach;
    if (world === this.world) return;
    if (other) this.open(world);
    else this.become(world);
    if (world.teacher.kind !== "edited") this.whose = "truth";
    this.after();
  }

  reset() {
    this.history.keep(this.world);
    this.error = "";
    this.open(this.model.get("opened"));
  }

  startFrom(name) {
    if (!name) return;
    this.history.keep(this.world);
    const { n, family, beta } = this.world;
    const [empty, dim] = name.split(" ");
    this.open({ ...(empty === "empty" ? emptyWorld(Number(dim)) : this.model.get("scenes")[name].world), n, family, beta });
    this.page.start.value = "";
  }

  /** The same world with another teacher; one that is edited begins as the one that was there. */
  taughtBy(choice) {
    const [kind, n] = choice.split(" ");
    this.whose = kind === "edited" ? "teacher" : "truth";
    this.chosen = 0;
    if (kind !== "edited") return { ...this.world, teacher: kind === "fitted" ? { kind, n: Number(n) } : { kind } };
    const begun = this.here?.untempered ? modesOf(this.here.untempered) : this.world.modes;
    return { ...this.world, teacher: { kind, modes: fittedIn(begun, this.world.reach) } };
  }

  /** The handles are of p*, or of a teacher that is edited. */
  swap() {
    this.whose = this.whose === "truth" ? "teacher" : "truth";
    this.chosen = 0;
    this.after();
  }

  copyPython() { this.copy(asPython(this.world), "Copied: paste it into a cell of a notebook."); }

  copyLink() {
    const here = this.model.get("addressed") ? window.location.href.split("#")[0] : "own.html";
    this.copy(`${here}#${asAddress(this.world, this.extras())}`, "Copied: the address holds this world.");
  }

  /** To the clipboard; where a browser does not allow that, the text is shown to be copied by hand. */
  copy(text, done) {
    const shown = () => { this.page.copied ??= html(this.page.picture, "textarea", { class: "kdlab-own-copied", readonly: "", rows: 4, "aria-label": "to be copied" });
      this.page.copied.value = text; this.page.copied.hidden = false; this.page.copied.select(); };
    if (!navigator.clipboard) shown();
    else navigator.clipboard.writeText(text).then(() => this.refuse(done), shown);
  }

  // What is said beside it

  /** Say why a gesture was not followed, where it happened; it goes after a while. */
  refuse(text, where = null) {
    const { notice, picture } = this.page;
    notice.textContent = text;
    notice.hidden = false;
    const box = picture.getBoundingClientRect();
    const [left, top] = where?.clientX === undefined ? placeIn(where ?? this.page.space, box) : [where.clientX - box.left, where.clientY - box.top];
    notice.style.left = `${clampTo(left - 90, 0, Math.max(0, box.width - 230))}px`;
    notice.style.top = `${Math.max(0, top + 16)}px`;
    clearTimeout(this.fading);
    this.fading = setTimeout(() => { notice.hidden = true; }, NOTICE);
  }

  /** Some trait changed: Python may have brought another world. */
  follow() {
    const world = this.model.get("world");
    if (this.telling || same(world, this.world)) return;
    this.history.keep(this.world);
    this.open(world);
  }

  showControls() {
    const { page, world, hidden } = this;
    page.n.value = world.n;
    page.family.value = world.family;
    page.teacher.value = world.teacher.kind === "fitted" ? `fitted ${world.teacher.n}` : world.teacher.kind;
    const covered = isOpen(this.model.get("prediction"));
    const { swap, add, remove, undo, redo } = page.buttons;
    say(swap, this.whose === "teacher" ? "handles: teacher" : "handles: p*");
    const fixed = covered || (this.locked && this.whose === "truth");
    Object.entries({ n: covered, family: covered || world.dim === 1, teacher: covered, start: covered || this.locked, slider: covered })
      .forEach(([name, disabled]) => { page[name].disabled = disabled; });
    [[swap, covered || world.teacher.kind !== "edited"], [add, fixed || listOf(world, this.whose).length >= MOST_MODES], [remove, fixed || listOf(world, this.whose).length < 2],
      [undo, covered || !this.history.before.length], [redo, covered || !this.history.after.length]].forEach(([button, disabled]) => { button.disabled = disabled; });
    for (const name of HIDEABLE) (page[name]?.closest("label") ?? page.tools).toggleAttribute("hidden", hidden.has(name));
  }

  update() {
    this.showControls();
    this.showErrors();
    const still = this.model.get("seen") ? "" : "Now move the slider to its right end and see.";
    showPrediction(this.page, this.model.get("prediction"), still, (guess) => this.commit(guess));
  }
}

const same = (one, other) => one === other || JSON.stringify(one) === JSON.stringify(other);
const HIDEABLE = ["n", "family", "teacher", "start", "tools"];
const guessOf = (prediction) => (prediction?.guess == null ? null : prediction.options.indexOf(prediction.guess));

// ---------------------------------------------------------------- from hands to worlds

/** What a key does on a handle, as a gesture's result; null for a key that does nothing there. */
function keyed(world, whose, k, kind, key, fine) {
  const mode = listOf(world, whose)[k];
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const more = { "+": 1, "=": 1, "-": -1, "_": -1 }[key] ?? 0;
  const way = ways[key] ?? [0, 0];
  if (!more && !ways[key]) return null;
  const factor = FACTOR ** (fine * (more || way[0] + way[1]));
  if (kind === "weight") return weighMode(world, whose, k, Math.min(shareOf(listOf(world, whose), k) * factor, 0.999));
  if (kind === "centre" && more) return shapeMode(world, whose, k, { widths: mode.widths.map((width) => width * factor) });
  if (kind === "centre") return moveMode(world, whose, k, mode.at.map((value, d) => value + way[d] * fine * STEP * world.reach));
  const turned = world.family === "full" && way[0] && world.dim === 2;
  if (turned) return shapeMode(world, whose, k, { tilt: mode.tilt - way[0] * fine * (Math.PI / 36) });
  const which = kind === "second" ? 1 : 0;
  return shapeMode(world, whose, k, { widths: mode.widths.map((width, i) => (i === which || world.family === "spherical" ? width * factor : width)) });
}

/** Widths and tilt of a mode whose handle of a width was pulled to a place. A spherical student's reader pulls circles. */
function reshaped(mode, kind, place, family) {
  if (mode.at.length === 1) return { widths: [Math.abs(place[0] - mode.at[0])] };
  const apart = place.map((value, d) => value - mode.at[d]);
  const which = kind === "second" ? 1 : 0;
  const axis = which ? [-Math.sin(mode.tilt), Math.cos(mode.tilt)] : [Math.cos(mode.tilt), Math.sin(mode.tilt)];
  const along = family === "full" ? Math.hypot(...apart) : Math.abs(apart[0] * axis[0] + apart[1] * axis[1]);
  const widths = mode.widths.map((width, i) => (i === which || family === "spherical" ? along / EDGE : width));
  if (family !== "full" || along === 0) return { widths };
  return { widths, tilt: Math.atan2(apart[1], apart[0]) - (which ? Math.PI / 2 : 0) };
}

/** The share of a mode on a line whose part of the density has this peak. */
const shareOfPeak = (peak, { widths }) => clampTo(peak * widths[0] * Math.sqrt(2 * Math.PI), 1e-4, 0.999);

/** A share that is lifted by so many svg units: 60 double its odds. */
function pulledShare(share, lifted) {
  const odds = (share / (1 - share)) * 2 ** (lifted / 60);
  return odds / (1 + odds);
}

/** The place that is farthest from all modes and from the edge: where a mode is seen that is added by a key. */
function roomiest(dim, reach, modes) {
  const steps = Array.from({ length: 17 }, (_, i) => (i / 8 - 1) * 0.8 * reach);
  const places = dim === 1 ? steps.map((x) => [x]) : steps.flatMap((x) => steps.map((y) => [x, y]));
  const room = (place) => Math.min(...modes.map(({ at }) => Math.hypot(...at.map((value, d) => value - place[d]))));
  return places.reduce((best, place) => (room(place) > room(best) + 1e-9 ? place : best));
}

/** Modes whose widths and weights are within what a hand can give. */
function fittedIn(modes, reach) {
  const [low, high] = widthsAllowed(reach);
  const heaviest = Math.max(...modes.map(({ weight }) => weight));
  return modes.map((mode) => ({ ...mode, at: mode.at.map((value) => clampTo(value, -reach, reach)),
    widths: mode.widths.map((width) => clampTo(width, low, high)), weight: Math.max(mode.weight, LIGHTEST * heaviest) }));
}

// ---------------------------------------------------------------- what is shown

/** Limits of the plane that hold a path; those that there were, while they hold it and, `atRest`, are not three times as long. */
function limitsOf({ precision, recall, direct, bounds }, before, atRest) {
  const wanted = (values) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const length = Math.max(high - low, 0.5);
    return { held: [low, high], limits: [low - 0.13 * length, high + 0.09 * length] };
  };
  const found = { recall: wanted([...recall, direct.recall, bounds.recall]), precision: wanted([...precision, direct.precision, bounds.precision]) };
  const keep = before && Object.entries(found).every(([name, { held, limits }]) =>
    before[name][0] <= held[0] && held[1] <= before[name][1] && !(atRest && before[name][1] - before[name][0] >= 3 * (limits[1] - limits[0])));
  return keep ? before : Object.fromEntries(Object.entries(found).map(([name, { limits }]) => [name, limits]));
}

/** What is shown, in words and numbers: as MixtureSweep.sentence has it. `gap` says that the path has one here. */
function sentenceOf({ teacher, coverage, precision, recall }, direct, beta, about, gap) {
  const used = Math.exp(-teacher.weights.reduce((sum, weight) => sum + (weight > 0 ? weight * Math.log(weight) : 0), 0));
  const covered = coverage.filter((share) => share >= 0.5).length;
  return `At β = ${number(beta)} the teacher effectively uses ${number(used)} of its ${teacher.weights.length} components. `
    + `The student covers ${covered} of ${coverage.length} modes of p*, with precision ${about}${number(precision)} and recall ${about}${number(recall)} nats; `
    + `the direct student has ${about}${number(direct.precision)} and ${about}${number(direct.recall)}.${gap ? " Here the best student is another one: its path has a gap." : ""}`;
}

/** The highest density of a mixture on a line, as far as a picture can tell. */
const highest = ({ weights, means, covariances }, reach) =>
  Math.max(...Array.from({ length: 801 }, (_, i) => density((i / 400 - 1) * reach, weights, means, covariances)));

/** Where an element of the picture is, in pixels from the corner of a box. */
function placeIn(element, box) {
  const { left, top, width, height } = element.getBoundingClientRect();
  return [left + width / 2 - box.left, top + height / 2 - box.top];
}

/** anywidget calls this once for each view. */
export default {
  render({ model, el }) {
    const view = new Own(model);
    el.append(view.page.root);
    return () => view.close();
  },
};
