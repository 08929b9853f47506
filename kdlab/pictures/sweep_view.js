/**
 * What all pictures of a sweep do alike, whatever it is a sweep of.
 *
 * Python sends a sweep once: a slider's positions, and for each of them every number there is to show. From then on the
 * page draws any position by itself, so the slider answers within one frame with the kernel busy, stopped or gone.
 *
 * Shared with Python (kdlab/pictures/sweep_view.py): the TRAITS below, choices and page_errors. `settings` says what the
 * reader wants, `sweep` is Python's answer; one made for other settings than those wanted now is kept for later. `opened`
 * is the cell's own {key, settings, place}, and `seen` whether its outcome was: a page that is reloaded goes on with both.
 *
 * A view's file declares its world, which says what is particular:
 *   place                  the trait that the slider moves, and the sweep's list of positions: "beta"
 *   slider, marks          {text, label} of the slider, and the round values under it
 *   second                 another slider, or none: its own {place, slider, marks}, and what `written` makes of its value
 *   frame                  the svg units of its panels, where they are not FRAME
 *   roles, panels          the key {role: text}, and what each panel shows, as {space: text, plane: text}
 *   fields, labels         the selects, each with its [short, long] name
 *   perPosition, numbers   the sweep's lists with an entry for each position, and its entries that hold numbers only
 *   remake                 the call that makes such a sweep again
 *   told(sweep, index)    the numbers above the panels; precision and recall where a world does not say
 *   sentence(sweep, index) what is said below them; the sweep's own sentence of the position where a world does not say
 *   todo, seen(sweep, index)  after a guess, what to do in order to see, and whether it is; or the slider's right end
 *   build(page, sweep)    create the elements once; returns [draw(index), ...], which only set attributes
 *   idle(settings, sweep) the selects that could change nothing now; sweep is null while another is on its way
 * Whatever gets an index gets that of the second slider after it.
 */

const TRAITS = ["sweep", "settings", "progress", "prediction", "seen", "heard", "kernel_error"]; // whose changes matter here, with the place

// ---------------------------------------------------------------- the sweep, checked

/** Refuse a sweep with a missing field, a wrong length or something else than a number; say which, and what to do. */
function checkSweep(sweep, world) {
  const count = sweep[world.place]?.length ?? 0;
  const listed = (path) => path.split(".").reduce((inner, name) => inner?.[name], sweep);
  const wrong = world.perPosition.find((path) => !count || listed(path)?.length !== count);
  const problem = wrong
    ? `${listed(wrong)?.length ?? "no"} entries in "${wrong}" for ${count} positions of ${world.place}`
    : world.numbers.map((name) => notANumber(sweep[name], name)).find(Boolean);
  if (problem) throw new Error(`This sweep cannot be drawn, it has ${problem}. Make it again with ${world.remake}.`);
}

// ---------------------------------------------------------------- the page

/** All elements of a view, without any numbers yet. */
function buildPage(choices, world) {
  const page = buildFrame(world.roles, world.panels, world.frame);
  buildSlider(page, page.controls, world.slider);
  page.sliders = [page];
  if (world.second) {
    page.sliders.push({});
    buildSlider(page.sliders[1], page.controls, world.second.slider).classList.add("kdlab-second");
  }
  page.next = page.sliders.at(-1).slider;
  page.selects = {};
  for (const field of world.fields) page.selects[field] = buildSelect(page.controls, field, world.labels[field], choices[field] ?? []);
  page.reset = html(page.controls, "button", { class: "kdlab-reset", type: "button", text: "Reset" });
  page.reset.hidden = !world.fields.length; // with nothing to choose there is nothing to take back
  page.status = html(page.stage, "div", { class: "kdlab-status", role: "status", hidden: "" });
  page.doing = html(page.status, "span");
  page.progress = html(page.status, "span", { "aria-hidden": "true" }); // nobody wants to hear a hundred numbers
  return page;
}

const precisionRecall = ({ precision, recall }, index) =>
  `precision ${number(precision[index])}   recall ${number(recall[index])}`;

// ---------------------------------------------------------------- what happens when

/** One view of a widget whose sweeps are of one world. */
class SweepView extends Live {
  /** @param model the widget's traits  @param sweeps those that are here, a Map shared by its views */
  constructor(model, sweeps, world) {
    super(model);
    Object.assign(this, { sweeps, world, frame: 0, telling: 0, sweep: null });
    this.ways = [world, world.second].filter(Boolean); // where there is to go, one for each slider
    this.at = this.ways.map(() => 0); // the index of each
    this.choices = model.get("choices");
    this.page = buildPage(this.choices, world);
    this.listen();
  }

  /** Connect the controls and the traits. */
  listen() {
    const { sliders, selects, reset } = this.page;
    for (const { slider } of sliders) {
      slider.addEventListener("input", () => this.moveTo(sliders.map((one) => Number(one.slider.value))));
    }
    Object.values(selects).forEach((select) => select.addEventListener("change", () => this.ask(this.chosen())));
    reset.addEventListener("click", () => this.reset());
    this.watch([...TRAITS, ...this.ways.map(({ place }) => place)], () => { this.guard(() => this.follow()); this.update(); });
  }

  /** Let go of the traits when the picture leaves the page. */
  close() {
    this.unwatch();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.telling);
    clearTimeout(this.page.resting);
  }

  /** The name of a group of settings, for looking up sweeps that are already here. */
  nameOf(settings) {
    return this.world.fields.map((field) => settings[field]).join("|");
  }

  /** Some trait changed: take in a new sweep, show the one wanted if it is here, go to Python's place. */
  follow() {
    const [sweep, settings] = ["sweep", "settings"].map((name) => this.model.get(name));
    if (sweep !== this.received) this.receive(sweep);
    if (!this.sweep) return;
    const wanted = this.sweeps.get(this.nameOf(settings)) ?? this.sweep;
    if (wanted !== this.sweep) this.show(wanted);
    else if (!this.telling) this.draw(this.ways.map(({ place }) => nearest(wanted[place], this.model.get(place)))); // unless the reader is just moving a slider
  }

  /** A sweep has come from Python: check it and keep it. The first is shown even if it is not the one wanted. */
  receive(sweep) {
    this.received = sweep;
    try {
      checkSweep(sweep, this.world);
    } catch (error) {
      if (this.sweep) this.send({ settings: this.sweep.settings }); // nothing better will come: back to what is shown
      throw error;
    }
    const { sweeps } = this;
    const name = this.nameOf(sweep.settings);
    if (!sweeps.has(name)) sweeps.set(name, sweep); // the same settings always give the same sweep
    if (sweeps.size > 24) sweeps.delete(sweeps.keys().next().value); // the oldest
    if (!this.sweep) this.show(sweep);
  }

  /** Create the elements of a sweep, once, and draw it at the place where the reader is. */
  show(sweep) {
    const { page, world } = this;
    const values = this.ways.map(({ place }, n) => (this.sweep ? this.sweep[place][this.at[n]] : this.model.get(place)));
    this.error = "";
    this.parts = world.build(page, sweep);
    this.sweep = sweep;
    setTitle(page, sweep.title);
    page.root.dataset.key = sweep.key;
    this.ways.forEach(({ place, marks }, n) => {
      page.sliders[n].slider.max = sweep[place].length - 1;
      buildMarks(page.sliders[n].marks, sweep[place], marks);
    });
    this.draw(this.ways.map(({ place }, n) => nearest(sweep[place], values[n])));
  }

  /** Draw one position, an index for each slider: attributes only, from numbers that are already here. */
  draw(at) {
    const { page, sweep, world } = this;
    this.at = at;
    this.parts.forEach((part) => part(...at));
    this.ways.forEach(({ place, written = number }, n) => {
      const { slider, value } = page.sliders[n];
      if (Number(slider.value) !== at[n]) slider.value = at[n];
      value.textContent = written(sweep[place][at[n]]);
    });
    page.numbers.textContent = (world.told ?? precisionRecall)(sweep, ...at);
    this.sayValue();
    write(page, world.sentence ? world.sentence(sweep, ...at) : sweep.sentence[at[0]]);
    page.root.dataset.index = at.join(" ");
    const seen = world.seen ? world.seen(sweep, ...at) : at[0] >= 0.9 * (sweep[world.place].length - 1);
    if (this.isAsked() && seen) this.see();
  }

  /** Whether the sweep shown is the one that the question is about. */
  isAsked() {
    return this.sweep?.key === this.model.get("opened").key;
  }

  /** Each slider's value in words; a covered picture says no more than where the sliders stand. */
  sayValue() {
    const { sliders, numbers } = this.page;
    const told = isOpen(this.model.get("prediction")) ? [] : numbers.textContent.split("   ");
    sliders.forEach(({ slider, value }, n) =>
      slider.setAttribute("aria-valuetext", [`${this.ways[n].place} ${value.textContent}`, ...told].join(", ")));
  }

  /** A slider moved: draw at the next frame, once, however many events came before it. */
  moveTo(at) {
    this.at = at;
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.guard(() => this.draw(this.at));
    });
    // Python hears of it when the hand rests: nothing on the page waits for that.
    clearTimeout(this.telling);
    this.telling = setTimeout(() => {
      this.telling = 0;
      this.send(Object.fromEntries(this.ways.map(({ place }, n) => [place, this.sweep[place][this.at[n]]])));
    }, 200);
  }

  /** The settings that the controls show. */
  chosen() {
    const value = (field) => this.choices[field][this.page.selects[field].selectedIndex].value;
    return Object.fromEntries(this.world.fields.map((field) => [field, value(field)]));
  }

  /** Ask for other settings; "change:settings" shows them at once if their sweep is here, else Python makes it. */
  ask(settings) {
    this.error = "";
    this.send({ settings, kernel_error: "" });
    this.update();
    later(() => { this.late = this.nameOf(settings); this.update(); });
  }

  reset() {
    const { settings, place } = this.model.get("opened");
    this.ask({ ...settings });
    if (this.sweep) this.moveTo([nearest(this.sweep[this.world.place], place), ...this.at.slice(1)]);
  }

  /** Bring everything around the picture up to date: controls, waiting, errors, the prediction. */
  update() {
    const { page, model } = this;
    const settings = model.get("settings");
    const prediction = model.get("prediction");
    const covered = isOpen(prediction);
    const waiting = !this.sweep || this.nameOf(this.sweep.settings) !== this.nameOf(settings);
    const idle = this.world.idle(settings, waiting ? null : this.sweep);
    for (const field of this.world.fields) {
      page.selects[field].selectedIndex = this.choices[field].findIndex((choice) => choice.value === settings[field]);
      page.selects[field].disabled = covered || idle.includes(field) || this.choices[field].length < 2;
    }
    for (const { slider } of page.sliders) slider.disabled = waiting || covered;
    page.reset.disabled = covered;
    page.root.setAttribute("aria-busy", waiting);
    page.picture.classList.toggle("kdlab-waiting", waiting);
    page.status.hidden = !waiting || !this.sweep;
    const progress = model.get("progress");
    const asking = this.late === this.nameOf(settings) ? SILENCE : "Asking Python …";
    const doing = progress === null ? asking : "Making the students";
    if (page.doing.textContent !== doing) page.doing.textContent = doing;
    page.progress.textContent = progress === null ? "" : `: ${Math.round(progress * 100)} %`;
    this.showErrors();
    const still = model.get("seen") ? "" : this.world.todo ?? "Now move the slider to its right end and see.";
    showPrediction(page, prediction, still, (guess) => this.commit(guess));
    const asked = this.isAsked();
    if (!asked) page.outcome.hidden = true; // it was about another picture
    page.root.classList.toggle("kdlab-untold", Boolean(asked && prediction && !model.get("seen"))); // the path ahead would tell
    if (this.sweep) this.sayValue();
  }
}

/** What a view's file exports: anywidget calls the result once per widget, so what is kept belongs to one widget only. */
const viewsOf = (world) => () => {
  const sweeps = new Map();
  return {
    render({ model, el }) {
      const view = new SweepView(model, sweeps, world);
      el.append(view.page.root);
      return () => view.close();
    },
  };
};
