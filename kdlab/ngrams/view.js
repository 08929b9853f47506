/**
 * The picture of a sweep of text. On the left what comes after a prefix under each model (p* a filled bar, the teacher a
 * dotted outline, the student a stem with a dot), twelve names that the student invents, and the share of real names that
 * it covers; on the right the precision-recall plane. pictures/live.js and pictures/sweep_view.js are put before this file;
 * kdlab/ngrams/view.py sends the numbers.
 */

const LETTERS = { left: 12, right: 428, top: 26, bottom: 142 }; // svg units
const FAINT = 0.005; // a probability below half a percent has no mark
const NAMES = { top: 216, row: 23, columns: [12, 226] };
const SHARE = { top: 366, left: 12, right: 428 };

// ---------------------------------------------------------------- what comes next

function buildLetters(panel, { letters, prefix, next }) {
  const { left, right, top, bottom } = LETTERS;
  const slot = (right - left) / letters.length;
  const y = scale([0, 1], [bottom, top]);
  svg(panel, "text", { class: "kdlab-quiet", x: left, y: 12, text: `The letter after “${prefix}”, probability from 0 to 1` });
  svg(panel, "path", { class: "kdlab-axis", d: `M${left} ${bottom}H${right}` });
  const slots = letters.map((letter, k) => {
    const x = left + slot * k;
    const middle = round(x + slot / 2);
    svg(panel, "text", { class: "kdlab-tick", x: middle, y: bottom + 15, "text-anchor": "middle", text: letter === "end" ? "■" : letter });
    const height = round(y(0) - y(next.truth[k]));
    if (next.truth[k] >= FAINT) {
      svg(panel, "rect", { class: "kdlab-truth-bar", x: round(x + 1), y: bottom - height, width: round(slot - 2), height });
    }
    return {
      teacher: svg(panel, "path", { class: "kdlab-teacher kdlab-letter-teacher" }),
      stem: svg(panel, "path", { class: "kdlab-letter-stem" }),
      dot: svg(panel, "circle", { class: "kdlab-letter-dot", cx: middle, r: 3 }),
      x, middle,
    };
  });
  svg(panel, "text", { class: "kdlab-quiet", x: right, y: bottom + 31, "text-anchor": "end", text: "■ the name ends" });
  return (i) => slots.forEach(({ teacher, stem, dot, x, middle }, k) => {
    const [taught, learned] = [next.teacher[i][k], next.student[i][k]];
    set(teacher, { d: `M${round(x + 2)} ${bottom}V${round(y(taught))}H${round(x + slot - 2)}V${bottom}` });
    set(stem, { d: `M${middle} ${bottom}V${round(y(learned))}` });
    set(dot, { cy: round(y(learned)) });
    for (const [mark, odds] of [[teacher, taught], [stem, learned], [dot, learned]]) {
      mark.style.display = odds < FAINT ? "none" : ""; // a row of marks at nothing would say nothing
    }
  });
}

// ---------------------------------------------------------------- what the student says

function buildNames(panel, { names, real }) {
  const { top, row, columns } = NAMES;
  const rows = Math.ceil(names[0].length / columns.length);
  const words = svg(panel, "text", { class: "kdlab-quiet", x: columns[0], y: top - 24 });
  const lines = names[0].map((_, n) =>
    svg(panel, "text", { class: "kdlab-name", x: columns[Math.floor(n / rows)], y: top + row * (n % rows) }));
  return (i) => {
    lines.forEach((line, n) => {
      line.textContent = names[i][n];
      line.classList.toggle("kdlab-name-real", Boolean(real[i][n]));
    });
    const count = real[i].filter(Boolean).length;
    words.textContent = `Twelve names that the student invents, ${count} of them real`;
    panel.setAttribute("aria-label", `${words.textContent}: ${names[i].join(", ")}`);
  };
}

function buildShare(panel, { covered }) {
  const { left, right, top } = SHARE;
  const words = svg(panel, "text", { class: "kdlab-quiet", x: left, y: top - 7 });
  svg(panel, "rect", { class: "kdlab-share-all", x: left, y: top, width: right - left, height: 8 });
  const bar = svg(panel, "rect", { class: "kdlab-share", x: left, y: top, width: 0, height: 8 });
  return (i) => {
    words.textContent = `Real names that the student covers: ${Math.round(100 * covered[i])} %`;
    set(bar, { width: round(covered[i] * (right - left)) });
  };
}

// ---------------------------------------------------------------- the world

export default viewsOf({
  place: "tau",
  slider: { text: "τ, the temperature of the teacher's every step", label: "tau, the temperature of the teacher's every step" },
  marks: [0.3, 0.5, 0.7, 1, 1.2, 1.5],
  roles: { truth: "p* truth", teacher: "p′ teacher", direct: "p″ direct", distilled: "p″ distilled" },
  panels: { space: "Next letters, invented names and coverage", plane: "The precision-recall plane" },
  fields: ["orders", "seed"],
  labels: { orders: ["orders of p*, p′, p″", "orders of truth, teacher and student"], seed: ["draw", "seed of the random numbers"] },
  perPosition: ["tau", "precision", "recall", "switched", "names", "real", "covered", "sentence", "next.teacher", "next.student"],
  numbers: ["tau", "plane", "bounds", "direct", "precision", "recall", "switched", "real", "covered", "next"],
  remake: "ngrams.teacher_temperature(...)",
  build: ({ space, plane }, sweep) => {
    space.replaceChildren();
    const left = [buildLetters, buildNames, buildShare].map((part) => part(space, sweep));
    return [...left, buildPlane(plane, sweep, nearest(sweep.tau, 1))];
  },
  idle: () => [],
});
