/**
 * Teacher components against student components, at every position of beta: a map of the components with their numbers,
 * beside it three matrices of their pairs: (a'), (b') and the shares.
 *
 * What it shares with the sweeps of other worlds stands in sweep_view.js, and what all pictures need in live.js; both are
 * put before this. kdlab/mixtures/view_mechanism.py sends the numbers. There is a slider, and nothing else to choose.
 */

const MATRICES = {
  joint_weights: ["(a′)  α′ α″", 2, true],
  cross_entropies: ["(b′)  cross-entropy, nats", 1, false],
  shares: ["share of mass, α′ r", 2, true],
}; // title, decimals, whether cells light up with their value
const SUMS = { jensen: "Jensen", variational: "variational", exact: "exact" };
const CELL = { width: 66, height: 40, left: 38, top: 56 }; // svg units
const MAP = 216;

/** The components in their space, each with its number; returns draw(index). */
function buildMap(panel, { teacher, student, space }) {
  set(panel, { viewBox: `0 0 ${MAP} ${MAP}` });
  const x = scale(space.x, [4, MAP - 4]);
  const y = scale(space.y, [MAP - 4, 4]);
  const unit = x(1) - x(0);
  const named = (shape, role, text) => [svg(panel, "ellipse", { class: shape }), svg(panel, "text", { class: `kdlab-pair-${role}`, text })];
  const learned = student.weights[0].map((_, k) => named("kdlab-student-ellipse", "distilled", `p″${k + 1}`));
  const taught = teacher.means.map((mean, k) => {
    const [ellipse, name] = named("kdlab-teacher", "teacher", `p′${k + 1}`);
    placeEllipse(ellipse, mean, teacher.covariances[k], 1, x, y, unit);
    set(name, outside(mean, teacher.covariances[k], space, x, y));
    return [ellipse, name];
  });
  [...learned, ...taught].forEach(([, name]) => panel.append(name)); // names lie above all outlines
  return (i) => {
    taught.forEach(([ellipse], k) => emphasise(ellipse, teacher.weights[i][k]));
    learned.forEach(([ellipse, name], k) => {
      const [mean, covariance] = [student.means[i][k], student.covariances[i][k]];
      placeEllipse(ellipse, mean, covariance, 1, x, y, unit);
      ellipse.style.opacity = round(Math.min(1, 0.25 + 3 * student.weights[i][k]));
      const edge = y(mean[1]) - unit * Math.sqrt(covariance[1][1]);
      set(name, { x: round(x(mean[0])), y: round(Math.max(edge - 5, 13)), "text-anchor": "middle" });
    });
  };
}

/** Where a number stands: beside its ellipse, on the side away from the middle, where the student's are not. */
function outside(mean, covariance, space, x, y) {
  const [dx, dy] = [mean[0] - (space.x[0] + space.x[1]) / 2, mean[1] - (space.y[0] + space.y[1]) / 2];
  const sideways = Math.abs(dx) > Math.abs(dy);
  const edge = (axis, d) => mean[axis] + Math.sign(d) * Math.sqrt(covariance[axis][axis]);
  if (!sideways) return { x: round(x(mean[0])), y: round(y(edge(1, dy))) + (dy > 0 ? -5 : 13), "text-anchor": "middle" };
  return { x: round(x(edge(0, dx))) + Math.sign(dx) * 5, y: round(y(mean[1])) + 4, "text-anchor": dx > 0 ? "start" : "end" };
}

/** One matrix: a cell and its number for each pair; returns draw(index). */
function buildMatrix(panel, values, title, decimals, lit) {
  const [rows, columns] = [values[0].length, values[0][0].length];
  set(panel, { viewBox: `0 0 ${CELL.left + CELL.width * columns} ${CELL.top + CELL.height * rows}` });
  svg(panel, "text", { class: "kdlab-pair-title", x: CELL.left + (CELL.width * columns) / 2, y: 16, "text-anchor": "middle", text: title });
  const middle = (column) => CELL.left + CELL.width * (column + 0.5);
  for (let column = 0; column < columns; column += 1) {
    svg(panel, "text", { class: "kdlab-tick", x: middle(column), y: CELL.top - 10, "text-anchor": "middle", text: `p″ ${column + 1}` });
  }
  const cells = values[0].map((row, r) => {
    const top = CELL.top + CELL.height * r;
    svg(panel, "text", { class: "kdlab-tick", x: CELL.left - 8, y: top + 25, "text-anchor": "end", text: `p′ ${r + 1}` });
    return row.map((_, c) => {
      const place = { x: CELL.left + CELL.width * c + 1, y: top + 1, width: CELL.width - 2, height: CELL.height - 2 };
      svg(panel, "rect", { class: "kdlab-pair-cell", ...place });
      const light = lit ? svg(panel, "rect", { class: "kdlab-pair-light", ...place }) : null;
      return { light, text: svg(panel, "text", { class: "kdlab-pair-number", x: middle(c), y: top + 25, "text-anchor": "middle" }) };
    });
  });
  const fill = (i) => cells.forEach((row, r) => row.forEach(({ light, text }, c) => {
    const value = values[i][r][c];
    text.textContent = number(value, decimals);
    text.classList.toggle("kdlab-on-light", Boolean(light) && value > 0.66); // black or white, whichever is seen
    light?.setAttribute("fill-opacity", Math.round(value * 1000) / 1000);
  }));
  const said = (row, r) => `p′ ${r + 1}: ${row.map((value) => number(value, decimals)).join(", ")}`;
  return (i) => {
    fill(i);
    panel.setAttribute("aria-label", `${title}, a row for each p′: ${values[i].map(said).join("; ")}`);
  };
}

// ---------------------------------------------------------------- the world

export default viewsOf({
  place: "beta",
  slider: BETA,
  marks: BETA_MARKS,
  roles: { teacher: "p′ teacher", distilled: "p″ distilled" },
  panels: {
    map: "The components and their numbers",
    ...Object.fromEntries(Object.entries(MATRICES).map(([name, [title]]) => [name, title])),
  },
  fields: [],
  perPosition: ["beta", ...Object.keys(MATRICES), ...Object.keys(SUMS), "sentence",
    "teacher.weights", "student.weights", "student.means", "student.covariances"],
  numbers: ["beta", "space", "teacher", "student", ...Object.keys(MATRICES), ...Object.keys(SUMS)],
  remake: "mixtures.mechanism.pairs_along(...)",
  told: (pairs, i) => Object.entries(SUMS).map(([name, word]) => `${word} ${number(pairs[name][i])}`).join("   "),
  build(page, pairs) {
    page.map.parentElement.className = "kdlab-pair-panels";
    return [buildMap(page.map, pairs),
      ...Object.entries(MATRICES).map(([name, how]) => buildMatrix(page[name], pairs[name], ...how))];
  },
  idle: () => [],
});
