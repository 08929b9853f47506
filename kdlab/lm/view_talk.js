/**
 * Students that answer: the reader types a beginning, five students go on from it side by side, with the same random numbers.
 *
 * Needs live.js and, for the workers, llama.js, tokens.js and talk_worker.js before it. No kernel is on the path once the parts
 * are here: each is asked for by a message {part: name}, and comes as {part: name} with a buffer, as {part, packed} (base64 of zlib's), or as {part, error}. From Python
 * (kdlab/lm/view_talk.py), or the site: `models` [{name, role, label, sizes}], the teacher last; `parts` {name: {bytes, crc}}; and
 * `known` {seed, rows, steps, length, likeliest, names, end, shown, beginnings: [{text, ids}]}, as they were when p*'s own
 * answers were recorded (scripts/record_talk.py).
 *
 * On the root element, `data-talk` says what rests on the screen, as JSON: {text, seed, different: {name: count}}.
 */

const BAR = { left: 118, right: 360, top: 26, row: 23, height: 15, frame: { width: 440, height: 245 } }; // svg units
const PATIENCE = 15000; // ms until a part that has not come is missed
const MOST_SAID = 6; // pieces that the students do not have
const NOTHING = 0xffff; // in p*'s answers: a text had ended
const WORD = /[\p{L}\p{N}]+(?:['’][\p{L}\p{N}]+)*/gu;

/** The first three words of a text, by which two are told apart: as kdlab.lm.report.attempts.opening has it. */
const openingOf = (text) => (text.toLowerCase().match(WORD) ?? []).slice(0, 3).join(" ");

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

// ---------------------------------------------------------------- the page

function buildTalkPage(models, { beginnings, rows, shown }) {
  const page = buildFrame({}, { space: "What a student may say next", plane: "What p* may say next" }, BAR.frame);
  page.root.classList.add("kdlab-talk");
  setTitle(page, "Students that answer you");
  const field = html(page.controls, "label", { class: "kdlab-field kdlab-talk-field" });
  html(field, "span", { class: "kdlab-label", text: "your beginning" });
  page.text = html(field, "input", { class: "kdlab-talk-text", type: "text", "aria-label": "your beginning, from which the students go on", value: beginnings[0].text, maxlength: 300, spellcheck: "false" });
  const offered = [["", "your own"], ...beginnings.map(({ text }) => [text, text])].map(([value, label]) => ({ value, label }));
  page.begin = buildSelect(page.controls, "talk-begin", ["recorded ones", "beginnings after which p* was recorded"], offered);
  page.begin.value = beginnings[0].text;
  buildSlider(page, page.controls, { text: "continuations shown", label: "continuations shown of each student" });
  set(page.slider, { min: 1, max: rows, step: 1 }).value = shown;
  page.buttons = {};
  const tools = html(page.controls, "div", { class: "kdlab-talk-tools" });
  for (const [name, text] of [["go", ""], ["again", "other random numbers"], ["teacher", ""]]) page.buttons[name] = html(tools, "button", { type: "button", text });
  page.notice = html(page.picture, "p", { class: "kdlab-talk-notice", role: "status", hidden: "" });
  page.board = html(page.picture, "div", { class: "kdlab-talk-board" });
  for (const part of [page.notice, page.board]) page.picture.insertBefore(part, page.picture.querySelector(".kdlab-panels"));
  page.cards = new Map(models.map((model) => [model.name, buildCard(page.board, model)]));
  page.next = page.buttons.go;
  return page;
}

/** A student's card: its name, how many of its texts differ, and the texts. */
function buildCard(board, { name, role, label }) {
  const card = html(board, "section", { class: `kdlab-talk-card kdlab-talk-${role}`, "aria-label": label, "data-model": name });
  html(card, "div", { class: "kdlab-talk-name", text: label });
  const count = html(card, "div", { class: "kdlab-talk-count" });
  const dots = html(card, "div", { class: "kdlab-talk-dots", "aria-hidden": "true" });
  const texts = html(card, "div", { class: "kdlab-talk-texts", role: "group", tabindex: -1, "aria-label": `${label}: texts. Arrow keys choose a token` });
  return { card, count, dots, texts, tokens: [] };
}

/** Bars of the likeliest next tokens: [[text, probability], ...]; `chosen` is the text of the one that was drawn. */
function drawBars(panel, title, role, bars, chosen, empty) {
  panel.replaceChildren();
  svg(panel, "text", { class: `kdlab-talk-title kdlab-talk-${role}`, x: 0, y: 12, text: title });
  const x = scale([0, 1], [BAR.left, BAR.right]);
  empty.forEach((text, k) => svg(panel, "text", { class: "kdlab-quiet", x: 0, y: 44 + 18 * k, text }));
  bars.forEach(([text, p], k) => {
    const y = BAR.top + BAR.row * k;
    svg(panel, "text", { class: `kdlab-next-word${text === chosen ? " kdlab-talk-drawn" : ""}`, x: BAR.left - 8, y: y + 12, "text-anchor": "end", text: visible(text) });
    svg(panel, "rect", { class: `kdlab-talk-bar kdlab-talk-${role}`, x: BAR.left, y, width: Math.max(0.5, round(x(p) - BAR.left)), height: BAR.height, "data-p": p });
    svg(panel, "text", { class: "kdlab-tick", x: round(x(p)) + 6, y: y + 12, text: percent(p) });
  });
  panel.setAttribute("aria-label", bars.length ? `${title}: ${bars.map(([text, p]) => `${visible(text)} ${percent(p)}`).join(", ")}` : empty.join(" "));
}

/** A token as readers see it: its spaces and line ends, too; one that is no whole character is a byte of one. */
const visible = (text) => (/\uFFFD/u.test(text) ? "(part of a character)" : text.replaceAll(" ", "␣").replaceAll("\n", "⏎"));

/** What became of a piece that the students do not have. */
function replaced({ text, instead, lost }) {
  const what = /\uFFFD/u.test(text) ? visible(text) : `“${visible(text)}”`;
  if (!instead.length) return `${what} is left out`;
  return `${what} is written as ${instead.map(visible).join(" | ")}${lost ? ", not all of it" : ""}`;
}

// ---------------------------------------------------------------- what happens when

class Talk extends Live {
  /** @param model the widget's traits */
  constructor(model) {
    super(model);
    Object.assign(this, { known: model.get("known"), models: model.get("models"), parts: model.get("parts") });
    Object.assign(this, { here: new Set(), asked: [], pstar: null, job: null, texts: new Map(), chosen: null, seed: this.known.seed, stale: new Set(), frame: 0, silent: 0 });
    this.page = buildTalkPage(this.models, this.known);
    this.talk = null; // workers are made when they are asked for
    this.listen();
    this.arrived = (content, buffers) => this.guard(() => this.take(content, buffers));
    model.on("msg:custom", this.arrived);
    this.watch(["prediction", "seen", "heard", "kernel_error"], () => this.guard(() => this.update()));
  }

  listen() {
    const { text, begin, slider, buttons, cards } = this.page;
    const on = (element, event, action) => element.addEventListener(event, (...given) => this.guard(() => action(...given)));
    on(buttons.go, "click", () => this.go());
    on(buttons.again, "click", () => { this.seed += 1; this.go(); });
    on(buttons.teacher, "click", () => this.load(["teacher"]));
    on(text, "keydown", ({ key, isComposing }) => { if (key === "Enter" && !isComposing) this.go(); });
    on(text, "input", () => {
      begin.value = this.known.beginnings.some((one) => one.text === text.value) ? text.value : "";
      this.showOlder();
    });
    on(begin, "change", () => {
      if (!begin.value) return text.select();
      this.seed = this.known.seed;
      text.value = begin.value;
      this.go();
    });
    on(slider, "input", () => this.showTexts());
    for (const [name, { texts }] of cards) {
      on(texts, "click", ({ target }) => { if (target.dataset.step) this.choose(name, +target.dataset.row, +target.dataset.step); });
      on(texts, "keydown", (event) => this.walk(name, event));
    }
  }

  // Parts: weights, the tokenizer, what p* said

  get students() {
    return this.models.filter(({ role }) => role !== "teacher").map(({ name }) => name);
  }

  /** What has to be here before anybody answers. */
  get needed() {
    return ["tokens", ...this.students, "pstar"];
  }

  get ready() {
    return this.needed.every((part) => this.here.has(part));
  }

  /** Ask for parts, one after the other. */
  load(names) {
    this.error = "";
    this.talk ??= startTalk((answer) => this.guard(() => this.answer(answer)), (error) => this.guard(() => { this.stop(); throw error; }));
    if (!this.talk.count) {
      this.talk = null; // the next time may go better
      return;
    }
    this.wanted = names;
    this.asked = names.filter((name) => !this.here.has(name));
    this.ask();
  }

  ask() {
    clearTimeout(this.silent);
    if (!this.asked.length) return this.update();
    this.model.send({ part: this.asked[0] });
    if (typeof kdlab === "undefined") this.silent = setTimeout(() => this.say(`The weights have not come yet. ${SILENCE}`), PATIENCE);
    this.update();
  }

  /** A part has come: a worker looks whether it is whole. */
  take({ part, error, packed }, buffers) {
    if (part !== this.asked[0]) return;
    if (error) {
      this.stop();
      throw new Error(error);
    }
    this.say("");
    const { crc } = this.parts[part];
    const wish = packed === undefined ? { buffer: ownMemory(buffers[0]), crc } : { packed, crc };
    if (part === "tokens") this.readers = 0;
    if (part === "tokens" || part === "pstar") this.talk[part](wish);
    else this.talk.model({ name: part, sizes: this.models.find(({ name }) => name === part).sizes, end: this.known.end, ...wish });
  }

  isHere(part) {
    if (this.here.has(part)) return;
    this.here.add(part);
    this.asked = this.asked.filter((name) => name !== part);
    if (this.asked.length) this.ask();
    else {
      clearTimeout(this.silent);
      this.update();
      this.go();
    }
  }

  /** Say what is wrong, or that nothing is. */
  say(message) {
    this.error = message;
    this.showErrors();
  }

  /** Nothing is on its way any more: what is missing can be asked for again. */
  stop() {
    clearTimeout(this.silent);
    this.asked = [];
  }

  // Going on

  /** Go on from what stands in the field; first ask for what that needs. */
  go() {
    this.error = "";
    const text = this.page.text.value.trimEnd();
    if (!text.trim()) return this.refuse("There is no beginning: type some words, and the students go on from them.");
    if (!this.ready) return this.load(this.needed);
    this.talk.read(text);
    this.update();
  }

  /** The beginning in tokens: say what the students do not have, and let them go on. */
  begin({ text, ids, outside }) {
    const { length, rows, steps } = this.known;
    const room = length - ids.length;
    if (!ids.length) return this.refuse("Of this beginning nothing is among the students' 4,096 tokens: type other words.");
    if (room < 1) return this.refuse(`This beginning has ${ids.length} tokens, and the students know texts of ${length}: none is left. Type a shorter one.`);
    const cut = [...new Set(outside.map(replaced))]; // each but once
    this.refuse([
      this.page.text.value !== text && this.page.text.value.trimEnd() === text && "The space at the end is left off: words bring their own.",
      cut.length && `Not among the students' 4,096 tokens: ${cut.slice(0, MOST_SAID).join("; ")}${cut.length > MOST_SAID ? `; and ${cut.length - MOST_SAID} more` : ""}.`,
      room < steps && `${ids.length} of the ${length} tokens that the students know are used: ${room} ${room === 1 ? "is" : "are"} left.`,
    ].filter(Boolean).join(" "));
    const key = (this.job?.key ?? 0) + 1; // of its own even where the same is asked again: older answers may be on their way
    this.job = { key, text, ids, rows, steps: Math.min(steps, room), seed: this.seed, done: new Set() };
    this.texts = new Map([...this.page.cards.keys()].filter((name) => this.here.has(name)).map((name) => [name, Array.from({ length: rows }, () => [])]));
    this.chosen = null;
    delete this.page.root.dataset.talk;
    this.showOlder();
    this.page.board.style.minHeight = `${this.page.board.offsetHeight}px`; // what is below does not jump
    for (const { texts, tokens } of this.page.cards.values()) {
      texts.replaceChildren();
      tokens.length = 0;
    }
    this.showTexts();
    this.talk.goOn({ key, ids, rows, steps: this.job.steps, seed: this.seed });
  }

  refuse(message) {
    this.page.notice.textContent = message; // written also if it is the same: then it is read out again
    this.page.notice.hidden = !message;
  }

  /** What is shown steps back while another beginning stands in the field. */
  showOlder() {
    this.page.root.classList.toggle("kdlab-talk-older", Boolean(this.job) && this.page.text.value.trimEnd() !== this.job.text);
  }

  /** What a worker says. */
  answer(answer) {
    if (answer.got === "error") {
      this.stop();
      throw new Error(answer.message);
    }
    if (answer.got === "read") return this.begin(answer);
    if (answer.got === "tokens") return (this.readers += 1) === this.talk.count ? this.isHere("tokens") : null; // every worker cuts texts
    if (answer.got === "model") return this.isHere(answer.name);
    if (answer.got === "pstar") {
      this.pstar = new Uint16Array(answer.buffer);
      return this.isHere("pstar");
    }
    if (answer.key !== (answer.got === "bars" ? this.chosen?.key : this.job?.key)) return null; // of an older wish
    if (answer.got === "bars") return this.showBars(answer);
    if (answer.got === "done") return this.rest(answer.names);
    const rows = this.texts.get(answer.name);
    answer.tokens.forEach((id, row) => { if (id !== null) rows?.[row].push({ id, text: answer.texts[row] }); });
    this.stale.add(answer.name);
    this.draw();
    return null;
  }

  /** Draw one card a frame: all of them at once would take longer than a frame. */
  draw() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      const [name] = this.stale;
      this.stale.delete(name);
      this.guard(() => this.showCard(name));
      if (this.stale.size) this.draw();
    });
  }

  /** Show of each student as many texts as the slider says. */
  showTexts() {
    const shown = `${this.page.slider.value} of ${this.known.rows}`;
    this.page.value.textContent = shown;
    this.page.slider.setAttribute("aria-valuetext", shown);
    for (const name of this.page.cards.keys()) this.stale.add(name);
    this.draw();
  }

  /** Put what is new on a card. */
  showCard(name) {
    const [rows, card] = [this.texts.get(name), this.page.cards.get(name)];
    card.card.hidden = !rows && name === "teacher";
    for (let row = 0; rows && row < this.known.rows; row += 1) {
      card.tokens[row] ??= { place: html(card.texts, "p"), spans: [] };
      const { place, spans } = card.tokens[row];
      place.hidden = row >= +this.page.slider.value;
      if (!place.hidden) for (let step = spans.length; step < rows[row].length; step += 1) spans.push(this.spanOf(place, rows[row][step], row, step));
    }
    this.showCount(name, card, rows);
  }

  spanOf(place, { id, text }, row, step) {
    const ended = id === this.known.end;
    return html(place, "span", { class: ended ? "kdlab-talk-end" : "kdlab-talk-token", "data-row": row, "data-step": step, text: ended ? " ■" : text });
  }

  /** How many of the texts begin differently, once they are finished, and which are the first of their kind. */
  showCount(name, { count, dots }, rows) {
    const done = this.job?.done.has(name);
    const openings = done ? this.openings(name) : [];
    count.textContent = done ? `${new Set(openings).size} different openings` : rows ? "…" : "";
    if (dots.childElementCount === openings.length) return;
    dots.replaceChildren();
    openings.forEach((opening, i) => html(dots, "span", { class: openings.indexOf(opening) === i ? "" : "kdlab-talk-same", title: opening }));
  }

  /** All texts of some students are there; when they are of all, what is on the screen rests. */
  rest(names) {
    names.forEach((name) => this.job.done.add(name));
    this.showTexts();
    if (!this.finished) return;
    const { text, seed } = this.job;
    const different = Object.fromEntries([...this.texts.keys()].map((name) => [name, new Set(this.openings(name)).size]));
    const said = this.models.filter(({ name }) => name in different).map(({ name, label }) => `${different[name]} of ${label}`);
    this.see();
    const draw = seed === this.known.seed ? "" : `, draw ${1 + seed - this.known.seed}`;
    write(this.page, `After “${text}”${draw}, how many of ${this.known.rows} texts differ in their first three words: ${said.join(", ")}. Click a word, or walk with arrow keys: the bars say what else might have come there.`);
    this.page.board.style.minHeight = "";
    this.page.root.dataset.talk = JSON.stringify({ text, seed, different });
    for (const { texts } of this.page.cards.values()) texts.tabIndex = 0;
    if (!this.chosen) this.choose(this.students.at(-1), 0, 0, false);
    this.update();
  }

  get finished() {
    return Boolean(this.job?.done.size) && [...this.texts.keys()].every((name) => this.job.done.has(name));
  }

  /** The first three words of each text of a student. */
  openings(name) {
    return this.texts.get(name).map((row) => openingOf(row.map(({ text }) => text).join("")));
  }

  // A token, and what else might have been said there

  choose(name, row, step, told = true) {
    const text = this.texts.get(name)?.[row];
    if (!text?.[step]) return;
    this.page.root.querySelector(".kdlab-talk-chosen")?.classList.remove("kdlab-talk-chosen");
    this.showCard(name);
    this.page.cards.get(name).tokens[row].spans[step]?.classList.add("kdlab-talk-chosen");
    const ids = [...this.job.ids, ...text.slice(0, step).map(({ id }) => id)];
    const key = `${this.job.key} ${name} ${row} ${step}`;
    const recorded = this.recorded(name, row, step);
    this.chosen = { key, name, row, step, told, id: text[step].id, p: recorded?.p ?? [] };
    this.talk.bars({ key, name, ids, n: this.known.likeliest, others: [text[step].id, ...(recorded?.tokens ?? [])] });
  }

  /** What p* would have said there, where it was recorded: after these beginnings, for these very tokens. */
  recorded(name, row, step) {
    const { beginnings, names, rows, steps, likeliest } = this.known;
    const of = beginnings.findIndex(({ ids }) => same(ids, this.job.ids));
    if (of < 0) return null;
    const wide = 1 + 2 * likeliest;
    const at = (s) => (((of * names.length + names.indexOf(name)) * rows + row) * steps + s) * wide;
    const before = this.texts.get(name)[row].slice(0, step).every(({ id }, s) => this.pstar[at(s)] === id);
    if (!before || this.pstar[at(step)] === NOTHING) return null;
    const found = this.pstar.subarray(at(step) + 1, at(step) + wide);
    return { tokens: [...found.subarray(0, likeliest)], p: [...found.subarray(likeliest)].map((value) => value / 65535) };
  }

  showBars({ likeliest, others }) {
    const { name, row, step, p, told } = this.chosen;
    const { label, role } = this.models.find((one) => one.name === name);
    const [drawn, ...tokens] = others;
    const place = `text ${row + 1}, token ${step + 1}`;
    drawBars(this.page.space, `${label}, ${place}: what it may say`, role, likeliest.map(([, text, share]) => [text, share]), drawn, []);
    drawBars(this.page.plane, "p*, at the same place", "truth", tokens.map((text, k) => [text, p[k]]), drawn,
      tokens.length ? [] : ["p* does not run in this page. What it would say was recorded", "for the recorded beginnings, with the first random numbers."]);
    if (told) this.page.voice.textContent = `${visible(drawn)}. ${this.page.space.getAttribute("aria-label")}. ${this.page.plane.getAttribute("aria-label")}`;
  }

  /** Arrow keys walk over the tokens of a card: left and right along a text, up and down to the next one. */
  walk(name, event) {
    const [along, down] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [];
    if (along === undefined || !this.job?.done.has(name)) return;
    event.preventDefault();
    const here = this.chosen?.name === name ? this.chosen : { row: 0, step: -1 };
    const row = Math.min(Math.max(here.row + down, 0), +this.page.slider.value - 1);
    const step = Math.min(Math.max(here.step + along, 0), this.texts.get(name)[row].length - 1);
    this.choose(name, row, step);
    this.page.root.querySelector(".kdlab-talk-chosen")?.scrollIntoView({ block: "nearest" }); // and not under the bars
  }

  // What is shown of all that

  update() {
    this.showErrors();
    const { buttons } = this.page;
    const { needed, ready } = this;
    const size = (parts) => parts.reduce((sum, part) => sum + this.parts[part].bytes, 0);
    const loading = this.asked.length > 0;
    const came = loading ? this.wanted.filter((part) => this.here.has(part)) : [];
    const progress = loading && `loading: ${came.length} of ${this.wanted.length} parts, ${megabytes(size(came))} of ${megabytes(size(this.wanted))}`;
    buttons.go.textContent = progress || (ready ? "answer" : `let them answer (${megabytes(size(needed))})`);
    this.held ||= loading && document.activeElement === buttons.go; // a button that is disabled loses the focus
    buttons.go.disabled = loading;
    if (this.held && !loading) {
      if (document.activeElement === document.body) buttons.go.focus({ preventScroll: true });
      this.held = false;
    }
    buttons.again.hidden = !ready;
    Object.assign(buttons.teacher, { hidden: !ready || this.here.has("teacher"), disabled: loading, textContent: `the teacher too (${megabytes(size(["teacher"]))})` });
    this.page.root.classList.toggle("kdlab-talk-empty", !this.job);
    if (!this.page.sentence.textContent) this.page.sentence.textContent = "Each student goes on twelve times from your beginning, with the same random numbers. Their weights come when you ask for them.";
    showPrediction(this.page, this.model.get("prediction"), this.finished || this.model.get("seen") ? "" : "Now let them answer.", (guess) => this.commit(guess));
    if (!this.page.value.textContent) this.showTexts();
  }
}

/** The bytes of a message, which may be a part of a larger one. */
function ownMemory(bytes) {
  return ArrayBuffer.isView(bytes) ? bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) : bytes;
}

/** Whether two lists of numbers are the same. */
function same(one, other) {
  return one.length === other.length && one.every((value, i) => value === other[i]);
}

export default () => ({
  render({ model, el }) {
    const view = new Talk(model);
    el.append(view.page.root);
    return () => {
      view.unwatch();
      model.off("msg:custom", view.arrived);
      view.talk?.close();
    };
  },
});
