/**
 * How many tries? On the left the names that come out of the first of them, and what all k bring; in the middle what every
 * teacher brings in k tries, over tau; on the right the precision-recall plane. Two sliders, tau and k.
 *
 * What it shares with the sweeps of other worlds stands in sweep_view.js, and what all pictures need in live.js; both are put
 * before this. kdlab/ngrams/view_tries.py sends the numbers; the words are those of TriesSweep.sentence (ngrams/tries.py).
 */

const PANEL = { width: 300, left: 56, right: 290, top: 12, bottom: 296, height: 344 }; // svg units of each of three
const TRIED = { top: 57, row: 15.6, rows: 15, column: 100, longest: 12 };
const CURVE = { ...PANEL, top: 56 };
const ASKED = 3000; // tries: what the question is about
const [NEW, AGAIN] = [1, 2]; // of ngrams/tries.py

/** A whole number of any size, and how many to expect: as kdlab.core.format.several has it. */
const whole = (value) => value.toLocaleString("en", { maximumFractionDigits: 0 });
const several = (value) => (value >= 99.95 ? whole(value) : value.toFixed(value >= 9.995 ? 1 : 2));

// ---------------------------------------------------------------- what comes out

function buildTried(panel, { k, names, kinds }) {
  const { top, row, rows, column, longest } = TRIED;
  const words = svg(panel, "text", { class: "kdlab-quiet", x: 0, y: 12 });
  svg(panel, "text", { class: "kdlab-quiet", x: 0, y: 31, text: "underlined: a real name · slanted: said before" });
  const lines = names[0].map((_, n) =>
    svg(panel, "text", { class: "kdlab-try", x: column * Math.floor(n / rows), y: round(top + row * (n % rows)) }));
  return (i, j) => {
    const shown = Math.min(k[j], lines.length);
    const few = shown === 1 ? "one name" : `${shown} names`;
    words.textContent = k[j] > shown ? `The student's first ${shown} of ${whole(k[j])} names` : `The student's ${few}`;
    lines.forEach((line, n) => {
      const name = n < shown ? names[i][n] : "";
      line.textContent = name.length > longest ? `${name.slice(0, longest - 1)}…` : name;
      line.classList.toggle("kdlab-name-real", kinds[i][n] === NEW);
      line.classList.toggle("kdlab-try-again", kinds[i][n] === AGAIN);
    });
    const said = names[i].slice(0, shown);
    const real = said.filter((_, n) => kinds[i][n] === NEW).join(", ");
    panel.setAttribute("aria-label", `${words.textContent}: ${said.join(", ")}; real among them: ${real || "none"}`);
  };
}

/** All k tries as one bar: new real names, the same ones again, and what is no real name. */
function buildBar(panel, { k, real, distinct }) {
  const looks = ["kdlab-share", "kdlab-try-spent", "kdlab-share-all"];
  const title = svg(panel, "text", { class: "kdlab-quiet", x: 0, y: 299 });
  const bars = looks.map((name) => svg(panel, "rect", { class: name, y: 307, height: 10 }));
  const words = svg(panel, "text", { class: "kdlab-quiet", x: 0, y: 334 });
  return (i, j) => {
    const [fresh, said] = [distinct[i][j], k[j] * real[i]];
    const parts = [fresh, Math.max(said - fresh, 0), k[j] - said];
    title.textContent = `Of ${k[j] === 1 ? "one try" : `all ${whole(k[j])}`}, on average`;
    words.textContent = `${several(parts[0])} new, ${several(parts[1])} again, ${several(parts[2])} not real`;
    let x = 0;
    bars.forEach((bar, n) => {
      const width = (PANEL.width * parts[n]) / k[j];
      set(bar, { x: round(x), width: round(width), "data-part": parts[n] });
      x += width;
    });
  };
}

// ---------------------------------------------------------------- what every teacher brings

function buildCurve(panel, { tau, k, distinct, best }) {
  panel.replaceChildren();
  const { left, right, top, bottom } = CURVE;
  const log = scale([Math.log(tau[0]), Math.log(tau.at(-1))], [left, right]);
  const [x, y] = [(value) => round(log(Math.log(value))), scale([0, 1], [bottom, top])];
  const title = svg(panel, "text", { class: "kdlab-quiet", x: 0, y: 12 });
  buildCurveAxes(panel, x, y);
  const curve = svg(panel, "path", { class: "kdlab-path-past" });
  const peak = svg(panel, "path", { class: "kdlab-hand-best", d: "M-5 -20H5L0 -11Z" });
  const named = svg(panel, "text", { class: "kdlab-try-peak", y: top - 25 });
  const dot = svg(panel, "circle", { class: "kdlab-student-dot", r: 8 });
  const square = svg(panel, "rect", { class: "kdlab-direct-square", width: 9, height: 9 });
  const count = svg(panel, "text", { class: "kdlab-student-name" });
  const one = nearest(tau, 1);
  return (i, j) => {
    const most = distinct[best.place[j]][j];
    const at = (place) => [x(tau[place]), round(y(distinct[place][j] / most))];
    title.textContent = `Different real names in ${k[j] === 1 ? "one try" : `${whole(k[j])} tries`}`;
    set(curve, { d: `M${tau.map((_, place) => at(place).join(" ")).join("L")}` });
    const top = x(best.tau[j]);
    set(peak, { transform: `translate(${top} ${y(1)})`, "data-tau": best.tau[j] });
    const anchor = top < left + 70 ? "start" : top > right - 60 ? "end" : "middle";
    set(named, { x: { start: left - 6, middle: top, end: right + 8 }[anchor], "text-anchor": anchor,
      text: `${several(most)} at τ = ${number(best.tau[j])}${best.inside[j] ? "" : ", at the edge"}` });
    const [cx, cy] = at(i);
    set(dot, { cx, cy, "data-distinct": distinct[i][j] });
    set(count, { ...besideCurve(cx, cy, at(Math.min(i + 1, tau.length - 1))[1] < at(Math.max(i - 1, 0))[1]), text: several(distinct[i][j]) });
    set(square, { x: at(one)[0] - 4.5, y: at(one)[1] - 4.5 });
  };
}

/** Where the dot's number stands: off a curve that rises or falls there, and inside the panel. */
function besideCurve(cx, cy, rises) {
  const { left, right, top, bottom } = CURVE;
  const place = (x, y, anchor) => ({ x, y, "text-anchor": anchor });
  if (cy > bottom - 40) return place(Math.min(cx - 8, right - 20), cy - 14, "start");
  if (!rises && cx < left + 40) return place(cx + 14, cy + 4.5, "start");
  if (cy < top + 20) return place(Math.min(cx, right - 14), cy + 24, "middle");
  return rises ? place(cx + 4, cy + 24, "start") : place(cx - 4, cy + 24, "end");
}

function buildCurveAxes(panel, x, y) {
  const { left, right, top, bottom } = CURVE;
  svg(panel, "path", { class: "kdlab-axis", d: `M${left} ${top}V${bottom}H${right}` });
  for (const value of MARKS) {
    svg(panel, "path", { class: "kdlab-axis", d: `M${x(value)} ${bottom}v4` });
    svg(panel, "text", { class: "kdlab-tick", x: x(value), y: bottom + 18, "text-anchor": "middle", text: value });
  }
  for (const share of [0, 50, 100]) {
    const at = round(y(share / 100));
    svg(panel, "path", { class: "kdlab-axis", d: `M${left} ${at}h-4` });
    svg(panel, "text", { class: "kdlab-tick", x: left - 8, y: at + 4, "text-anchor": "end", text: share ? `${share} %` : 0 });
  }
  svg(panel, "text", { class: "kdlab-quiet", x: (left + right) / 2, y: bottom + 43, "text-anchor": "middle", text: "teacher's τ; the student is sampled at 1" });
  svg(panel, "text", { class: "kdlab-quiet", "text-anchor": "middle", text: "share of the most",
    transform: `translate(11 ${(top + bottom) / 2}) rotate(-90)` });
}

// ---------------------------------------------------------------- in words

/** What TriesSweep.sentence says. */
function sentence({ tau, k, real, distinct, best }, i, j) {
  const [one, place] = [nearest(tau, 1), best.place[j]];
  const passed = -Math.expm1(k[j] * Math.log1p(-real[i]));
  const times = k[j] === 1 ? "once" : `${whole(k[j])} times`;
  const least = k[j] > 1 && passed < 0.995 ? `, and at least one in ${percent(passed)} of cases` : "";
  const said = `Taught at τ = ${number(tau[i])} and asked ${times}, the student says ${several(distinct[i][j])} different real names on average${least}`;
  if (i !== place) return `${said}. The most is ${several(distinct[place][j])}, at τ = ${number(best.tau[j])}${best.inside[j] ? "" : ", at the edge"}.`;
  const plain = i === one ? "" : ` Taught at τ = 1.00 it says ${several(distinct[one][j])}.`;
  return `${said}. No other teacher here brings more${best.inside[j] ? "" : ": this is the edge"}.${plain}`;
}

// ---------------------------------------------------------------- the world

const MARKS = [0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5];

export default viewsOf({
  place: "tau",
  slider: { text: "τ, the temperature of the teacher's every step", label: "tau, the temperature of the teacher's every step" },
  marks: MARKS,
  second: {
    place: "k",
    slider: { text: "k, how often the student is asked", label: "k, how often the student is asked, itself sampled at temperature 1" },
    marks: [1, 10, 100, 1e3, 1e4, 1e6],
    written: whole,
  },
  frame: PANEL,
  roles: { direct: "p″ direct", distilled: "p″ distilled" },
  panels: { space: "Names that the student says", brought: "Different real names over tau, as a share of the most", plane: "The precision-recall plane" },
  fields: [],
  perPosition: ["tau", "precision", "recall", "switched", "names", "kinds", "real", "distinct"],
  numbers: ["tau", "k", "plane", "bounds", "direct", "precision", "recall", "switched", "kinds", "real", "distinct", "best"],
  remake: "ngrams.tries_over_tau(...)",
  told: (sweep, i, j) => `${several(sweep.distinct[i][j])} names   ${precisionRecall(sweep, i)}`,
  sentence,
  todo: "Now move k to 3,000 and see.",
  seen: (sweep, i, j) => sweep.k[j] >= ASKED,
  build: (page, sweep) => {
    page.root.classList.add("kdlab-tries");
    page.space.replaceChildren();
    const left = [buildTried, buildBar].map((part) => part(page.space, sweep));
    return [...left, buildCurve(page.brought, sweep), buildPlane(page.plane, sweep, nearest(sweep.tau, 1), PANEL)];
  },
  idle: () => [],
});
