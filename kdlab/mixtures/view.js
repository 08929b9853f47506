/**
 * The picture of a sweep of beta: mixtures in their space, one or two dimensions, beside the precision-recall plane.
 *
 * What it shares with the sweeps of other worlds stands in sweep_view.js, the plane in plane.js, what all pictures need in live.js: all
 * are put before this. kdlab/mixtures/view.py sends the numbers.
 */

// ---------------------------------------------------------------- the space

function buildSpace2d(panel, sweep, x, y) {
  const unit = x(1) - x(0);
  const loop = (line) => "M" + line.map((point) => `${round(x(point[0]))} ${round(y(point[1]))}`).join("L") + "Z";
  sweep.contours.forEach(({ path }, i) =>
    svg(panel, "path", { class: i ? "kdlab-truth-fill" : "kdlab-truth-fill kdlab-truth-edge", d: path.map(loop).join("") }));
  for (const point of sweep.points) {
    svg(panel, "circle", { class: "kdlab-point", cx: round(x(point[0])), cy: round(y(point[1])), r: 1.7 });
  }
  const { teacher, direct, student } = sweep;
  // Broken lines lie above solid ones: where two models are the same, both are seen.
  const learned = student.weights[0].map((_, k) => [1, 2].map((sigmas) =>
    svg(panel, "ellipse", { class: `kdlab-student-ellipse kdlab-sigma-${sigmas}`, "data-component": k })));
  direct.means.forEach((mean, k) =>
    placeEllipse(svg(panel, "ellipse", { class: "kdlab-direct" }), mean, direct.covariances[k], 1, x, y, unit));
  const taught = teacher.means.map((mean, k) => {
    const element = svg(panel, "ellipse", { class: "kdlab-teacher" });
    placeEllipse(element, mean, teacher.covariances[k], 1, x, y, unit);
    return element;
  });
  return (i) => {
    taught.forEach((element, k) => emphasise(element, teacher.weights[i][k]));
    learned.forEach((pair, k) => pair.forEach((element, s) => {
      placeEllipse(element, student.means[i][k], student.covariances[i][k], s + 1, x, y, unit);
      element.style.strokeWidth = round((s ? 1.4 : 2.4) * (0.45 + 0.55 * Math.sqrt(student.weights[i][k])));
    }));
  };
}

function buildSpace1d(panel, sweep, x, y) {
  const [low, high] = sweep.space.x;
  const evenly = Array.from({ length: 241 }, (_, i) => low + (i / 240) * (high - low));
  // More places where a mode is narrower than those: the rule of limits.curve_places.
  const through = ([mean], [[variance]]) => (Math.sqrt(variance) >= (2 * (high - low)) / 241 ? []
    : Array.from({ length: 17 }, (_, i) => mean + (i / 2 - 4) * Math.sqrt(variance)).filter((place) => low <= place && place <= high));
  const curve = (weights, means, covariances) => "M" + means.flatMap((mean, k) => through(mean, covariances[k])).concat(evenly)
    .sort((one, other) => one - other).map((place) =>
      `${round(x(place))} ${round(y(density(place, weights, means, covariances)))}`).join("L");
  const { truth, teacher, direct, student } = sweep;
  const outline = curve(truth.weights, truth.means, truth.covariances);
  svg(panel, "path", { class: "kdlab-truth-area", d: `${outline}V${FRAME.bottom}H12Z` });
  svg(panel, "path", { class: "kdlab-truth-line", d: outline });
  svg(panel, "line", { class: "kdlab-axis", x1: 12, x2: 428, y1: FRAME.bottom, y2: FRAME.bottom });
  for (const point of sweep.points) {
    svg(panel, "circle", { class: "kdlab-point", cx: round(x(point[0])), cy: FRAME.bottom + 10, r: 1.7 });
  }
  const learned = svg(panel, "path", { class: "kdlab-student-curve" });
  svg(panel, "path", { class: "kdlab-direct", d: curve(direct.weights, direct.means, direct.covariances) });
  const taught = svg(panel, "path", { class: "kdlab-teacher kdlab-curve" });
  return (i) => {
    set(taught, { d: curve(teacher.weights[i], teacher.means, teacher.covariances) });
    set(learned, { d: curve(student.weights[i], student.means[i], student.covariances[i]) });
  };
}

/** A dot at each mode of p*: full where the student covers it, a hollow ring where it is lost. */
function buildModes(panel, sweep, x, y) {
  const marks = sweep.truth.means.map((mean) => // in 1-D on the base line, where the density is 0
    svg(panel, "circle", { class: "kdlab-mode", cx: round(x(mean[0])), cy: round(y(mean[1] ?? 0)), r: 4 }));
  const words = svg(panel, "text", { class: "kdlab-quiet", x: 220, y: 391, "text-anchor": "middle" });
  return (i) => {
    const covered = sweep.covered[i].map((share) => share >= 0.5);
    marks.forEach((mark, k) => mark.classList.toggle("kdlab-lost", !covered[k]));
    const count = covered.filter(Boolean).length;
    words.textContent = `modes of p*:  ● ${count} covered   ○ ${covered.length - count} lost`;
  };
}

function buildSpace(panel, sweep) {
  panel.replaceChildren();
  const flat = sweep.dim === 1;
  const x = scale(sweep.space.x, flat ? [12, 428] : [35, 405]);
  const y = scale(sweep.space.y, flat ? [FRAME.bottom, FRAME.top] : [372, 2]); // 2-D: a square, so equal aspect
  const models = (flat ? buildSpace1d : buildSpace2d)(panel, sweep, x, y);
  const modes = buildModes(panel, sweep, x, y);
  return (i) => { models(i); modes(i); };
}

// ---------------------------------------------------------------- the world

export default viewsOf({
  place: "beta",
  slider: BETA,
  marks: BETA_MARKS,
  roles: { truth: "p* truth", teacher: "p′ teacher", direct: "p″ direct", distilled: "p″ distilled" },
  panels: { space: "The space of all models", plane: "The precision-recall plane" },
  fields: ["n_components", "covariance", "scene", "samples", "seed"],
  labels: {
    n_components: ["K″", "components of the student"],
    covariance: ["covariance", "covariance family of the student"],
    scene: ["scene", "scene"],
    samples: ["samples", "what the student learns from"],
    seed: ["seed", "seed of the random draw"],
  },
  perPosition: ["beta", "precision", "recall", "switched", "covered", "sentence",
    "teacher.weights", "student.weights", "student.means", "student.covariances"],
  numbers: ["beta", "space", "plane", "bounds", "truth", "contours", "points", "teacher", "direct", "student",
    "precision", "recall", "switched", "covered"],
  remake: "mixtures.teacher_entropy(...)",
  build: (page, sweep) => [buildSpace(page.space, sweep), buildPlane(page.plane, sweep)],
  // In 1-D all families of covariance are one; a seed matters only where something is drawn.
  idle: (settings, sweep) => [
    ...(settings.scene !== "random" && settings.samples === null ? ["seed"] : []),
    ...(sweep?.dim === 1 ? ["covariance"] : []),
  ],
});
