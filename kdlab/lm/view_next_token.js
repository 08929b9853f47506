/**
 * The picture of one next-token distribution of a real language model, sharper or flatter: on the left the twelve likeliest
 * tokens and all others together, on the right the entropy over tau, below a text that the model goes on to write.
 *
 * What it shares with sweeps of other worlds stands in sweep_view.js, and what all pictures need in live.js; both are put
 * before this. kdlab/lm/view_next_token.py sends the numbers. p* is a filled grey bar, p* tempered a dotted orange outline.
 */

const BARS = { left: 134, right: 380, top: 34, row: 27, height: 17 }; // svg units; the last row stands for all others
const CURVE = { left: 46, right: 378, top: 34, bottom: 348 };

// ---------------------------------------------------------------- the likeliest tokens

function buildTokens(panel, { words, odds, one }) {
  panel.replaceChildren();
  const { left, right, top, row, height } = BARS;
  const x = scale([0, 1], [left, right]);
  svg(panel, "text", { class: "kdlab-quiet", x: 0, y: 12, text: "What may come next, probability from 0 to 1" });
  svg(panel, "path", { class: "kdlab-axis", d: `M${left} ${top - 8}V${top + row * words.length - 4}` });
  const rows = words.map((word, k) => {
    const y = top + row * k;
    svg(panel, "text", { class: k < words.length - 1 ? "kdlab-next-word" : "kdlab-quiet", x: left - 8, y: y + 13, "text-anchor": "end", text: word });
    svg(panel, "rect", { class: "kdlab-truth-bar", x: left, y, width: round(x(one[k]) - left), height });
    return {
      bar: svg(panel, "path", { class: "kdlab-teacher kdlab-next-teacher" }),
      said: svg(panel, "text", { class: "kdlab-next-odds", y: y + 13 }), y,
    };
  });
  return (i) => {
    rows.forEach(({ bar, said, y }, k) => {
      const end = round(x(odds[i][k]));
      set(bar, { d: `M${left} ${y}H${end}V${y + height}H${left}`, "data-odds": odds[i][k] });
      set(said, { x: Math.max(end, round(x(one[k]))) + 7, text: percent(odds[i][k]) });
    });
    panel.setAttribute("aria-label", `What may come next: ${words.map((word, k) => `${word} ${percent(odds[i][k])}`).join(", ")}`);
  };
}

// ---------------------------------------------------------------- the entropy over tau

function buildCurve(panel, { tau, entropy, limits }, from) {
  panel.replaceChildren();
  const { left, right, top, bottom } = CURVE;
  const x = scale([tau[0], tau[tau.length - 1]], [left, right]);
  const y = scale(limits, [bottom, top]);
  svg(panel, "text", { class: "kdlab-quiet", x: 0, y: 12, text: "entropy, nats" });
  svg(panel, "text", { class: "kdlab-quiet", x: 440, y: 12, "text-anchor": "end", text: "effective choices" });
  svg(panel, "path", { class: "kdlab-axis", d: `M${left} ${top}V${bottom}H${right}V${top}` });
  for (const [value, text] of ticks(limits)) {
    svg(panel, "path", { class: "kdlab-axis", d: `M${left} ${round(y(value))}h-4` });
    svg(panel, "text", { class: "kdlab-tick", x: left - 8, y: round(y(value)) + 4, "text-anchor": "end", text });
  }
  for (let power = 0; Math.log(10 ** power) <= limits[1]; power += 1) { // exp(entropy): the same axis, in other words
    const at = round(y(Math.log(10 ** power)));
    svg(panel, "path", { class: "kdlab-axis", d: `M${right} ${at}h4` });
    svg(panel, "text", { class: "kdlab-tick", x: right + 8, y: at + 4, text: (10 ** power).toLocaleString("en") });
  }
  for (const mark of [0.3, 0.5, 0.7, 1, 1.2, 1.5].filter((mark) => mark >= tau[0] && mark <= tau[tau.length - 1])) {
    svg(panel, "text", { class: "kdlab-tick", x: round(x(mark)), y: bottom + 18, "text-anchor": "middle", text: mark });
  }
  svg(panel, "text", { class: "kdlab-quiet", x: (left + right) / 2, y: 391, "text-anchor": "middle", text: "τ" });
  const at = tau.map((place, i) => `${round(x(place))} ${round(y(entropy[i]))}`);
  svg(panel, "path", { class: "kdlab-next-path", d: `M${at.join("L")}` });
  const past = svg(panel, "path", { class: "kdlab-next-past" });
  const [ox, oy] = at[from].split(" ").map(Number);
  svg(panel, "circle", { class: "kdlab-next-one", cx: ox, cy: oy, r: 5 });
  svg(panel, "text", { class: "kdlab-next-one-name", x: ox + 11, y: oy + 15, text: "p*" });
  const dot = svg(panel, "circle", { class: "kdlab-next-dot", r: 8 });
  return (i) => {
    const [first, last] = [Math.min(from, i), Math.max(from, i)];
    set(past, { d: first === last ? `M${at[i]}h0` : `M${at.slice(first, last + 1).join("L")}` });
    set(dot, { cx: at[i].split(" ")[0], cy: at[i].split(" ")[1], "data-entropy": entropy[i] });
  };
}

// ---------------------------------------------------------------- a text that goes on

/** The sample of each tau: what it shares with the one at tau = 1 in ink, what differs in the teacher's colour. */
function buildSample(page, { prompt, sample, shared }) {
  if (!page.sample) {
    const box = html(page.picture, "div", { class: "kdlab-next-sample" });
    page.picture.insertBefore(box, page.outcome);
    html(box, "div", { class: "kdlab-next-label", text: "One text at this τ, with the same random numbers at every τ; in orange from where it leaves the one at τ = 1" });
    const text = html(box, "p", { class: "kdlab-next-text" });
    const room = html(box, "p", { class: "kdlab-next-text kdlab-next-room", "aria-hidden": "true" }); // for the longest: nothing jumps
    page.sample = { box, room, prompt: html(text, "span", { class: "kdlab-next-prompt" }),
      same: html(text, "span"), other: html(text, "span", { class: "kdlab-next-other" }) };
  }
  page.root.classList.add("kdlab-next");
  page.sample.prompt.textContent = prompt;
  page.sample.room.textContent = `${prompt}${sample.reduce((long, text) => (text.length > long.length ? text : long), "")} and more`;
  page.sample.box.hidden = sample.every((text) => !text);
  return (i) => {
    const letters = [...sample[i]]; // whole characters, as Python counts them
    page.sample.same.textContent = letters.slice(0, shared[i]).join("");
    page.sample.other.textContent = letters.slice(shared[i]).join("");
  };
}

// ---------------------------------------------------------------- the world

export default viewsOf({
  place: "tau",
  slider: { text: "τ, the temperature of this step", label: "tau, the temperature of this step" },
  marks: [0.3, 0.5, 0.7, 1, 1.2, 1.5],
  roles: { truth: "p* at τ = 1", teacher: "p* tempered" },
  panels: { space: "The twelve likeliest next tokens", plane: "Entropy and effective choices over tau" },
  fields: ["prompt"],
  labels: { prompt: ["after", "the text that the model has read"] },
  perPosition: ["tau", "entropy", "odds", "sample", "shared", "sentence", "told"],
  numbers: ["tau", "entropy", "odds", "one", "limits", "shared"],
  remake: "next_token.next_token_sweep(...)",
  told: (sweep, i) => sweep.told[i],
  build: (page, sweep) => {
    const from = nearest(sweep.tau, 1);
    return [buildTokens(page.space, sweep), buildCurve(page.plane, sweep, from), buildSample(page, sweep)];
  },
  idle: () => [],
});
