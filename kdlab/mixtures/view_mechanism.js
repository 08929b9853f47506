/**
 * Who pays for whom: teacher components against student components, at every position of beta.
 *
 * Python (kdlab/mixtures/view_mechanism.py) sends the numbers once, as trait `pairs`; any position is drawn here from them. On the left the
 * components with their numbers, beside them three matrices: (a'), (b') and the shares. Only a slider, and nobody to ask.
 */

const MATRICES = [
  ["joint_weights", "(a′)  α′ α″", 2, true],
  ["cross_entropies", "(b′)  cross-entropy, nats", 1, false],
  ["shares", "share of mass, α′ r", 2, true],
]; // name, title, decimals, whether cells light up with their value
const SUMS = { jensen: "Jensen", variational: "variational", exact: "exact" };
const CELL = { width: 66, height: 40, left: 38, top: 56 }; // svg units
const MAP = 216;

/** Refuse numbers that cannot be drawn; say which. */
function checkPairs(pairs) {
  const names = [...MATRICES.map(([name]) => name), ...Object.keys(SUMS), "sentence"];
  const short = names.find((name) => pairs[name]?.length !== pairs.beta?.length);
  const problem = short ? `not one entry in "${short}" for each beta`
    : names.slice(0, -1).map((name) => notANumber(pairs[name], name)).find(Boolean);
  if (problem) throw new Error(`These pairs cannot be drawn: ${problem}. Make them again with mechanism.pairs_along(...).`);
}

/** The components in their space, each with its number; returns draw(index). */
function buildMap(panel, { teacher, student, space }) {
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

class MechanismView extends Live {
  /** @param model the widget's traits: pairs, beta, page_errors */
  constructor(model) {
    super(model);
    Object.assign(this, { frame: 0, page: this.build(), parts: [] });
    const { slider } = this.page;
    slider.addEventListener("input", () => this.moveTo(Number(slider.value)));
    this.onBeta = () => this.guard(() => this.draw(nearest(this.pairs.beta, model.get("beta"))));
    model.on("change:beta", this.onBeta);
    this.guard(() => this.show(model.get("pairs")));
  }

  /** The controls and the empty frames. */
  build() {
    const root = set(document.createElement("div"), { class: "kdlab-view kdlab-pairs", role: "group" });
    const page = { root, title: html(root, "div", { class: "kdlab-title" }) };
    buildSlider(page, html(root, "div", { class: "kdlab-controls" }), BETA);
    page.error = html(root, "div", { class: "kdlab-error", role: "alert", hidden: "" });
    page.picture = html(root, "div", { class: "kdlab-picture" });
    const head = html(page.picture, "div", { class: "kdlab-head" });
    buildKey(head, { teacher: "p′ teacher", distilled: "p″ distilled" });
    page.numbers = html(head, "span", { class: "kdlab-numbers" });
    const panels = html(page.picture, "div", { class: "kdlab-pair-panels" });
    page.map = svg(panels, "svg", { viewBox: `0 0 ${MAP} ${MAP}`, role: "img", "aria-label": "The components and their numbers" });
    page.matrices = MATRICES.map(([, title]) => svg(panels, "svg", { role: "img", "aria-label": title }));
    page.sentence = html(page.picture, "p", { class: "kdlab-sentence" });
    buildVoice(page);
    keepKeys(root);
    keepInSight(root);
    return page;
  }

  /** Create the elements, once, and draw the first position. */
  show(pairs) {
    checkPairs(pairs);
    const { page } = this;
    this.pairs = pairs;
    this.parts = [buildMap(page.map, pairs), ...MATRICES.map(([name, ...how], m) => buildMatrix(page.matrices[m], pairs[name], ...how))];
    setTitle(page, pairs.title);
    page.slider.max = pairs.beta.length - 1;
    buildMarks(page.marks, pairs.beta, BETA_MARKS);
    this.draw(nearest(pairs.beta, this.model.get("beta")));
  }

  /** Draw one position: attributes only. */
  draw(index) {
    const { page, pairs } = this;
    this.index = index;
    this.parts.forEach((part) => part(index));
    const beta = number(pairs.beta[index]);
    if (Number(page.slider.value) !== index) page.slider.value = index;
    const sums = Object.entries(SUMS).map(([name, word]) => `${word} ${number(pairs[name][index])}`);
    page.slider.setAttribute("aria-valuetext", [`beta ${beta}`, ...sums].join(", "));
    page.value.textContent = beta;
    page.numbers.textContent = sums.join("   ");
    write(page, pairs.sentence[index]);
    page.root.dataset.index = index;
  }

  /** The slider moved: draw at the next frame, once, and let Python know where. */
  moveTo(index) {
    this.wanted = index;
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.guard(() => this.draw(this.wanted));
    });
    clearTimeout(this.telling);
    this.telling = setTimeout(() => this.send({ beta: this.pairs.beta[this.wanted] }), 200);
  }

  /** Show an error, if there is one; without numbers there is no picture. */
  update() {
    const { page } = this;
    page.error.hidden = !this.error;
    page.error.textContent = this.error;
    page.picture.hidden = !this.pairs;
    page.slider.disabled = !this.pairs;
  }

  close() {
    this.model.off("change:beta", this.onBeta);
    cancelAnimationFrame(this.frame);
    clearTimeout(this.telling);
    clearTimeout(this.page.resting);
  }
}

/** anywidget calls this once per widget. */
export default function () {
  return {
    render({ model, el }) {
      const view = new MechanismView(model);
      el.append(view.page.root);
      return () => view.close();
    },
  };
}
