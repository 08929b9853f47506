/**
 * A neighbour's picture: on the left what depends on its knob, as curves; on the right the precision-recall plane with the
 * work's student along the knob, the plain one, and others that stay where they are.
 *
 * pictures/live.js, plane.js and sweep_view.js are put before this file; kdlab/neighbours/view.py sends the numbers.
 */

const CURVE = { ...FRAME, left: 58, top: 86, bottom: 348 }; // svg units; above it stand the curves' names
const CURVES = ["kdlab-knob-own", "kdlab-knob-second", "kdlab-knob-third", "kdlab-knob-fourth"];
const LETTER = 6.4; // width of a letter of a name, about

// ---------------------------------------------------------------- over the knob

function buildCurves(panel, { dial, curves, span, unit, knob }) {
  panel.replaceChildren();
  const { left, right, top, bottom } = CURVE;
  const [x, y] = [scale([dial[0], dial.at(-1)], [left, right]), scale(span, [bottom, top])];
  svg(panel, "path", { class: "kdlab-axis", d: `M${left} ${top}V${bottom}H${right}` });
  for (const [value, text] of ticks([dial[0], dial.at(-1)])) {
    svg(panel, "path", { class: "kdlab-axis", d: `M${round(x(value))} ${bottom}v4` });
    svg(panel, "text", { class: "kdlab-tick", x: round(x(value)), y: bottom + 18, "text-anchor": "middle", text });
  }
  for (const [value, text] of ticks(span)) {
    svg(panel, "path", { class: "kdlab-axis", d: `M${left} ${round(y(value))}h-4` });
    svg(panel, "text", { class: "kdlab-tick", x: left - 8, y: round(y(value)) + 4, "text-anchor": "end", text });
  }
  svg(panel, "text", { class: "kdlab-quiet", x: (left + right) / 2, y: bottom + 43, "text-anchor": "middle", text: knob });
  svg(panel, "text", { class: "kdlab-quiet", "text-anchor": "middle", text: unit, transform: `translate(13 ${(top + bottom) / 2}) rotate(-90)` });
  const here = svg(panel, "path", { class: "kdlab-axis" });
  const drawn = curves.map(({ name, values }, n) => {
    const down = 14 + 17 * n;
    svg(panel, "path", { class: CURVES[n], d: `M${left} ${down - 4}h26` });
    const said = svg(panel, "text", { class: "kdlab-knob-name", x: left + 34, y: down });
    const line = values.map((value, i) => `${round(x(dial[i]))} ${round(y(value))}`);
    svg(panel, "path", { class: `${CURVES[n]} kdlab-knob-ahead`, d: `M${line.join("L")}` }); // not before its outcome may be told
    const past = svg(panel, "path", { class: CURVES[n] });
    return { name, values, said, line, past, dot: svg(panel, "circle", { class: `${CURVES[n]}-dot`, r: 4.5 }) };
  });
  return (i) => {
    const at = round(x(dial[i]));
    set(here, { d: `M${at} ${top}V${bottom}` });
    for (const { name, values, said, line, past, dot } of drawn) {
      set(past, { d: `M${line.slice(0, i + 1).join("L")}` });
      set(dot, { cx: at, cy: round(y(values[i])) });
      said.textContent = `${name}: ${number(values[i], 3)}`;
    }
  };
}

// ---------------------------------------------------------------- what the knob does not move

/** Where a name stands beside its mark: on the first side on which it covers no other name, no mark, and not the path. */
function besideMark([cx, cy], width, taken, frame) {
  const sides = [[10, 4.5], [-10 - width, 4.5], [-width / 2, -11], [-width / 2, 21], [10, 19], [-10 - width, 19], [10, -10], [-10 - width, -10]];
  const boxes = sides.map(([dx, dy]) => [cx + dx, cy + dy - 11, cx + dx + width, cy + dy + 3]);
  const free = ([x0, y0, x1, y1]) => x0 > frame.left && x1 < frame.width && y0 > 0
    && taken.every(([a0, b0, a1, b1]) => x1 < a0 || a1 < x0 || y1 < b0 || b1 < y0);
  return boxes.find(free) ?? boxes[0];
}

function buildOthers(panel, { others, plane, recall, precision, direct, called }) {
  const [x, y] = [scale(plane.recall, [FRAME.left, FRAME.right]), scale(plane.precision, [FRAME.bottom, FRAME.top])];
  const box = (px, py, by) => [px - by, py - by, px + by, py + by];
  const places = others.map((other) => [round(x(other.recall)), round(y(other.precision))]);
  const [dx, dy] = [x(direct.recall), y(direct.precision)];
  const taken = [...places.map(([px, py]) => box(px, py, 5)), ...recall.map((value, i) => box(x(value), y(precision[i]), 3)),
    [dx - LETTER * called.direct.length / 2 - 4, dy - 26, dx + LETTER * called.direct.length / 2 + 4, dy + 28]];
  others.forEach(({ name }, n) => {
    const [cx, cy] = places[n];
    svg(panel, "path", { class: "kdlab-knob-other", d: `M${cx} ${cy - 5.5}l5.5 5.5l-5.5 5.5l-5.5 -5.5Z` });
    const at = besideMark(places[n], LETTER * name.length, taken, FRAME);
    taken.push(at);
    svg(panel, "text", { class: "kdlab-knob-other-name", x: round(at[0]), y: round(at[3] - 3), text: name });
  });
}

// ---------------------------------------------------------------- the world

/** What is particular to a comparison, for sweep_view.js. */
const worldOf = ({ knob, marks, called }) => ({
  place: "dial",
  written: (value) => String(Number(value.toFixed(3))).replace("-", "−"), // a knob may count
  slider: { text: knob, label: knob },
  marks,
  roles: { direct: `p″ ${called.direct}`, distilled: `p″ ${called.distilled}` },
  panels: { space: "Curves over the knob", plane: "The precision-recall plane" },
  fields: [],
  labels: {},
  perPosition: ["dial", "precision", "recall", "switched", "sentence"],
  numbers: ["dial", "plane", "bounds", "direct", "precision", "recall", "switched", "span"],
  remake: "the module's sweep()",
  build: ({ space, plane }, sweep) => {
    const curves = buildCurves(space, sweep);
    const path = buildPlane(plane, sweep, nearest(sweep.dial, sweep.start));
    buildOthers(plane, sweep);
    return [curves, path];
  },
  idle: () => [],
});

/** anywidget calls this once for each widget; what a knob is called comes with its sweep. */
export default () => ({
  render: (context) => viewsOf(worldOf(context.model.get("sweep")))().render(context),
});
