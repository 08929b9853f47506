/**
 * What a page does where there is no Python: it opens its live views, through the same front-end modules as in a notebook,
 * and answers a wish for another sweep from numbers that were made ahead.
 *
 * Plain scripts only, and nothing is fetched but scripts beside this page: so a page works when it is opened as a file.
 */

"use strict";

/** Filled by the scripts of a page: {name: what a module exports}, and {file: a sweep}. */
const kdlab = { modules: {}, arrived: {} };

// ---------------------------------------------------------------- a widget's model without a kernel

const same = (one, other) => one === other || JSON.stringify(one) === JSON.stringify(other);

/** What anywidget hands to a module, as far as modules use it. `answers` is {trait: (model) => ...}, instead of Python. */
class Model {
  constructor(values, answers) {
    Object.assign(this, { values, answers, listeners: {}, changed: new Set() });
  }

  get(name) { return this.values[name]; }

  /** Set a trait, and tell those who listen if it is another value now. */
  set(name, value) {
    if (same(this.values[name], value)) return;
    this.values[name] = value;
    this.changed.add(name);
    for (const listener of [...(this.listeners[`change:${name}`] ?? [])]) listener();
  }

  on(event, listener) { (this.listeners[event] ??= []).push(listener); }

  off(event, listener) { this.listeners[event] = (this.listeners[event] ?? []).filter((other) => other !== listener); }

  /** A message of a view's own: a wish for a part, which comes as {part, packed}, base64 of zlib's, or as {part, error}. */
  async send({ part }) {
    const said = (content, buffers) => [...(this.listeners["msg:custom"] ?? [])].forEach((listener) => listener(content, buffers));
    try {
      const pieces = [];
      for (let i = 0; i < (await arrival(`parts/${part}`)); i += 1) pieces.push(await arrival(`parts/${part}-${i}`));
      said({ part, packed: pieces.join("") }, []);
    } catch (error) {
      said({ part, error: error.message }, []);
    }
  }

  /** Where there is a kernel Python would hear of the changes now, and answer a little later. */
  save_changes() {
    const names = [...this.changed];
    this.changed.clear();
    for (const name of names) if (this.answers[name]) setTimeout(() => this.answers[name](this));
  }

  /** An answer: traits as Python would set them. */
  put(values) {
    for (const [name, value] of Object.entries(values)) {
      this.set(name, value);
      this.changed.delete(name);
    }
  }
}

// ---------------------------------------------------------------- other sweeps

/** Settings as one text, the same as in publishing/views.py, name_of. */
const nameOf = (settings, fields) => JSON.stringify(fields.map((field) => settings[field]));

const loading = {}; // {file: promise of what its script brings}

/** What a script of this site brings: a sweep, or a part of a model; once for a page, however often it is asked for. */
function arrival(file) {
  loading[file] ??= new Promise((arrived, failed) => {
    const script = document.createElement("script");
    script.src = `${file}.js`;
    script.onload = () => (file in kdlab.arrived ? arrived(kdlab.arrived[file]) : script.onerror());
    script.onerror = () => failed(new Error(`${script.src} is missing or damaged: what it holds cannot be shown.`));
    document.head.append(script);
  });
  loading[file].catch(() => delete loading[file]); // the next time may go better
  return loading[file];
}

/** The answer to other settings: the sweep that was made ahead for them, or what to do where none was. */
function sweepAnswer(sweeps) {
  return async (model) => {
    const settings = model.get("settings");
    const file = sweeps[nameOf(settings, Object.keys(model.get("choices")))];
    const stay = (message) => model.put({ settings: model.get("sweep").settings, kernel_error: message });
    if (!file) {
      stay("This choice was not computed ahead: it needs Python. Open the notebook to have it made.");
      return;
    }
    try {
      const sweep = await arrival(`sweeps/${file}`);
      if (same(model.get("settings"), settings)) model.put({ sweep: { ...sweep, settings } });
    } catch (error) {
      if (same(model.get("settings"), settings)) stay(error.message);
    }
  };
}

// ---------------------------------------------------------------- guesses, kept in this browser

const GUESS = "kdlab guess "; // and the question's id

/** localStorage, or nothing where a browser does not allow it: a guess then lasts as long as the page. */
function storage() {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

/** The question with the guess that this browser keeps for it, if any. */
function remembered(prediction) {
  const guess = prediction?.id && storage()?.getItem(GUESS + prediction.id);
  return prediction?.options.includes(guess) ? { ...prediction, guess } : prediction;
}

/** Keep a guess, or say nothing where that cannot be: the picture is uncovered all the same. */
function keepGuess(model) {
  const { id, guess } = model.get("prediction") ?? {};
  try {
    if (id && guess != null) storage()?.setItem(GUESS + id, guess);
  } catch (error) {
    console.warn("kdlab: the guess could not be kept", error);
  }
  showForgetting();
}

/** A table of all guesses beside what happened, for the guesses that this browser keeps; publishing/views.py has the words. */
function fillReview(place) {
  const rows = JSON.parse(place.querySelector("script").textContent);
  const made = rows.map(({ id, said }) => said[storage()?.getItem(GUESS + id)]);
  place.querySelectorAll("tr:has(td)").forEach((line, i) => {
    if (made[i]) [line.cells[1].innerHTML, line.cells[2].innerHTML] = made[i];
  });
  const [guessed, came] = [made.filter(Boolean), made.filter((one) => one?.[2])].map((several) => several.length);
  if (guessed) {
    place.querySelector("caption").textContent = `You made ${guessed} of ${rows.length} guesses; ${came} of them came true.`;
  }
}

function kept() {
  return Object.keys(storage() ?? {}).filter((name) => name.startsWith(GUESS));
}

/** The button that forgets all guesses is there while there are some. */
function showForgetting() {
  const place = document.querySelector(".forgetting");
  if (place) place.hidden = !kept().length;
}

// ---------------------------------------------------------------- the page

/** Open one live view in the place of its still. */
function open(figure) {
  const { module, state, sweeps } = JSON.parse(document.getElementById(`state-${figure.dataset.live}`).textContent);
  state.prediction = remembered(state.prediction);
  const place = figure.querySelector(".live-view");
  const guessed = (model) => {
    keepGuess(model);
    place.scrollIntoView({ block: "nearest" }); // the picture has opened, and its sentence is far below the options
  };
  const answers = { prediction: guessed };
  if (sweeps) answers.settings = sweepAnswer(sweeps);
  const model = new Model(state, answers);
  const exported = kdlab.modules[module];
  const widget = typeof exported === "function" ? exported() : exported;
  widget.initialize?.({ model });
  widget.render({ model, el: place });
  figure.classList.add("is-live");
  performance.mark("live"); // from here on it answers
}

/** What is wider than the page can be scrolled sideways, so the keyboard must reach it. */
function reachWide() {
  for (const element of document.querySelectorAll("pre, .scroll, .formula, figure")) {
    if (element.scrollWidth > element.clientWidth + 1) element.tabIndex = 0;
    else element.removeAttribute("tabindex");
  }
}

document.addEventListener("DOMContentLoaded", () => {
  for (const figure of document.querySelectorAll("[data-live]")) {
    try {
      open(figure);
    } catch (error) {
      console.error(error); // the still is there
      figure.classList.add("is-still");
    }
  }
  document.querySelectorAll("[data-review]").forEach(fillReview);
  document.querySelector(".forgetting button")?.addEventListener("click", () => {
    kept().forEach((name) => storage().removeItem(name));
    window.location.reload();
  });
  showForgetting();
  reachWide();
  window.addEventListener("resize", reachWide);
});
