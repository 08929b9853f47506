/**
 * Students along the slider, on the page: one for each beta, as kdlab.mixtures.solver.path has them in Python.
 *
 * makePaths(measures, solver), of makeMeasures() and makeSolver(measures), has
 *
 *   path(teacher, n, family, betas, options)   work (see fit.js) whose result is {betas, students, switched, looking, exact, reason}
 *   worthAlong(found, truth, options)   work: {precision, recall, coverage} of a path's students, and `switched` where they jump
 *
 * Component k keeps its identity along a path; `switched` says where a student does not continue the one before. With
 * `options.drawing` the students of `options.warm`, another path, are continued by a few steps.
 */
function makePaths(measures, solver) {
  const { packed, unpacked } = measures.inside;
  const { REASONS, COARSE, LIGHT, SIZE, indices, reordered, gridsOf, gridOf, cloudOf, climb, bestEnds, hurried, onFloor, vector,
    exactProjection, groupedStarts, coldStarts, checkSettings } = solver.inside;
  const SETTLE = { tolerance: 3e-4, limit: 60 };
  const [THOROUGH, OFTEN, LOOK] = [15, 3, { ...COARSE, limit: 8 }]; // positions from one with all starts, with some, to the next
  const [COLD, ALL, FINALISTS] = [4, { tried: 10, spread: 4 }, 4]; // groupings where there are some, and all; how many go on
  const PASSES = 12; // along the slider and back
  const BESIDE = 10; // positions beside a switch at which both sides compete
  const TIE = 1e-6; // nats: equally good; the one that continues the path is kept
  const SAME = 0.02; // in log-weights, standardised means, log standard deviations
  const STEADY = 0.1; // in weights, and these: less is no jump to the eye
  const JUMP = 0.05; // nats of precision or recall
  const CHECKED = 5; // positions from one whose grids are compared to the next: those between are measured on the finest of them

  // -------------------------------------------------------------- how far students are from each other

  /** A student's components in the order in which they lie nearest another's: nearest pairs first. */
  function aligned(student, other) {
    const pairs = [];
    for (const k of indices(student)) {
      for (const l of indices(other)) {
        const [dx, dy] = [student.mx[k] - other.mx[l], student.my[k] - other.my[l]];
        const shapes = Math.log(student.xx[k] / other.xx[l]) ** 2 + Math.log(student.yy[k] / other.yy[l]) ** 2;
        pairs.push([(dx * dx + dy * dy) / (other.xx[l] + other.yy[l]) + 0.25 * shapes, k, l]);
      }
    }
    pairs.sort(([one], [another]) => one - another);
    const [order, taken] = [new Array(other.size).fill(-1), new Set()];
    for (const [, k, l] of pairs) {
      if (order[l] >= 0 || taken.has(k)) continue;
      order[l] = k;
      taken.add(k);
    }
    return reordered(student, order);
  }

  /** The largest difference, component by component: of means and shapes, and of weights or their logs. */
  function apart(one, other, scale, { logs, faint }) {
    const [a, b] = [vector(one, scale), vector(other, scale)];
    let most = 0;
    for (let k = 0, m = 0; k < one.size; k += 1, m += SIZE) {
      if (!logs) most = Math.max(most, Math.abs(Math.exp(one.logs[k]) - Math.exp(other.logs[k])));
      if (!faint && Math.max(one.logs[k], other.logs[k]) <= LIGHT) continue;
      for (let i = logs ? 0 : 1; i < SIZE; i += 1) most = Math.max(most, Math.abs(a[m + i] - b[m + i]));
    }
    return most;
  }

  const studentsOf = (ends) => ends.map(({ student }) => student);
  const same = (one, other, scale) => apart(aligned(one, other), other, scale, { logs: true, faint: false }) <= SAME;
  const steady = (one, other, scale, faint = true) => apart(one, other, scale, { logs: false, faint }) <= STEADY;

  // -------------------------------------------------------------- the path

  function* path(teacher, n, family, betas, { warm = null, drawing = false } = {}) {
    checkSettings(n, family);
    const given = unpacked(teacher);
    const targets = betas.map((beta) => measures.tempered(given, beta));
    if (exactProjection(targets[0], n, family)) {
      const students = targets.map((target) => packed(exactProjection(target, n, family)));
      return { betas, students, switched: betas.map(() => false), looking: false, exact: true, reason: "" };
    }
    const before = warm ? betas.map((beta) => unpacked(warm.students[nearestOf(warm.betas, beta)])) : null;
    const found = yield* (drawing ? drawnPath : exactPath)(given, targets, n, family, before);
    return { betas, ...found, students: found.students.map(packed) };
  }

  const nearestOf = (betas, beta) => betas.reduce((best, one, i) =>
    (Math.abs(Math.log(one / beta)) < Math.abs(Math.log(betas[best] / beta)) ? i : best), 0);

  /** From each position's cheapest grouping, the student of a path before, and the one to the left: whichever is best at once. */
  function* drawnPath(teacher, targets, n, family, before) {
    const grid = gridOf(teacher, family, COARSE);
    const students = [];
    for (const [i, target] of targets.entries()) {
      const starts = [...groupedStarts(target, n, family, 1), ...(before ? [before[i]] : []), ...students.slice(-1)];
      students.push(grid ? (yield* hurried(cloudOf(grid, target.logs), family, starts)).student : starts[0]);
    }
    return { students, switched: targets.map(() => false), looking: true, exact: false, reason: grid ? REASONS.hurry : REASONS.grid };
  }

  /** Search on a coarse grid, settle on a fine one, and look at both sides of each switch; on finer grids if need be. */
  function* exactPath(teacher, targets, n, family, before) {
    let found = { students: targets.map((target) => groupedStarts(target, n, family, 1)[0]), switched: targets.map(() => false) };
    let reason = REASONS.grid;
    for (let finer = 1; reason; finer *= 2) {
      const [coarse, fine] = gridsOf(teacher, family, finer);
      if (!fine) break;
      const search = lineOf(coarse, targets, family, COARSE);
      if (finer > 1) search.best = found.students;
      else yield* ownStarts(search, targets, n, before);
      for (let turn = 0, quiet = 0; finer === 1 && turn < PASSES && quiet < 2; turn += 1) {
        quiet = (yield* passAlong(search, turn % 2 ? -1 : 1)) ? 0 : quiet + 1;
      }
      const settled = lineOf(fine, targets, family, SETTLE);
      for (const [i, student] of search.best.entries()) yield* settle(settled, i, student);
      found = { students: settled.best, switched: yield* atSwitches(settled) };
      reason = settled.best.some((student) => onFloor(student, fine, family)) ? REASONS.floor : "";
    }
    return { ...found, looking: false, exact: !reason, reason };
  }

  /** What is known along the slider: each position's cloud, its best student so far, and how good that is. */
  function lineOf(grid, targets, family, effort) {
    const clouds = targets.map((target) => cloudOf(grid, target.logs));
    return { grid, clouds, family, effort, best: [], reached: [], asked: new Map() };
  }

  function* settle({ clouds, family, effort, best, reached }, i, start) {
    const end = yield* climb(clouds[i], family, start, effort);
    [best[i], reached[i]] = [end.student, end.reached];
  }

  /** At each position the best of its own starts, of what is known, and of the student before. */
  function* ownStarts(line, targets, n, before) {
    const { clouds, family, effort, best } = line;
    let cheapest = null;
    for (const [i, cloud] of clouds.entries()) {
      const thorough = i % THOROUGH === 0;
      let starts = thorough ? coldStarts(cloud, targets[i], n, family, ALL, cheapest)
        : groupedStarts(targets[i], n, family, i % OFTEN ? 1 : COLD, cheapest);
      cheapest = starts[0].grouping;
      if (i) starts.push(best[i - 1]); // last: of equally good ones the first wins
      if (before) starts.push(before[i]);
      const looked = yield* bestEnds(cloud, family, starts, LOOK, thorough ? FINALISTS : 1);
      const [{ student }] = looked.length > 1 ? yield* bestEnds(cloud, family, studentsOf(looked), effort, 1) : looked;
      yield* settle(line, i, student);
    }
  }

  /** Let every position try its neighbour's student; returns how many took it. */
  function* passAlong(line, side) {
    const order = [...line.clouds.keys()];
    let changed = 0;
    for (const i of side > 0 ? order : order.reverse()) if (yield* tryNeighbour(line, i, side)) changed += 1;
    return changed;
  }

  /** Continue the student of i - side at i; keep it if it is better (from the left: as good). */
  function* tryNeighbour({ grid, clouds, family, effort, best, reached, asked }, i, side) {
    const theirs = best[i - side];
    if (!theirs || !best[i]) return false;
    best[i] = aligned(best[i], theirs);
    const [asking, now] = [`${i} ${side}`, `${reached[i]} ${reached[i - side]}`];
    if (asked.get(asking) === now || steady(best[i], theirs, grid.scale)) return false;
    asked.set(asking, now);
    const end = yield* climb(clouds[i], family, theirs, effort);
    if (end.reached - reached[i] < (side > 0 ? -TIE : TIE) || same(end.student, best[i], grid.scale)) return false;
    [best[i], reached[i]] = [end.student, end.reached];
    return true;
  }

  /** Let the students on both sides of each switch compete around it; returns the switches that are left. */
  function* atSwitches(line) {
    const before = yield* switches(line);
    for (const side of [1, -1]) {
      for (const i of before.keys()) {
        let here = side > 0 ? i : i - 1;
        for (let n = 0; before[i] && n < BESIDE && (yield* tryNeighbour(line, here, side)); n += 1) here += side;
      }
    }
    for (let i = 1; i < line.best.length; i += 1) line.best[i] = aligned(line.best[i], line.best[i - 1]);
    return yield* switches(line);
  }

  /** Whether at i continuing i - 1 does not lead to i's student, or continuing that does not lead back. */
  function* switches({ grid, clouds, family, effort, best }) {
    const found = [false];
    for (let i = 1; i < best.length; i += 1) {
      const here = aligned(best[i], best[i - 1]);
      found.push(false);
      if (steady(here, best[i - 1], grid.scale, false)) continue;
      const there = yield* climb(clouds[i], family, best[i - 1], effort);
      found[i] = !same(there.student, here, grid.scale);
      if (found[i]) continue;
      const back = yield* climb(clouds[i - 1], family, here, effort);
      found[i] = !same(back.student, best[i - 1], grid.scale);
    }
    return found;
  }

  // -------------------------------------------------------------- what a path is worth

  function* worthAlong({ students, switched }, truth, options) {
    const [whole, found] = [unpacked(truth), []];
    for (const [i, student] of students.entries()) {
      const fine = i % CHECKED && !switched[i] ? Math.min(...found.slice(-2 * CHECKED).map(({ step }) => step)) : 0;
      found.push(measures.measured(student, whole, { ...options, fine }));
      yield;
    }
    const [precision, recall, coverage] = ["precision", "recall", "coverage"].map((name) => found.map((one) => one[name]));
    const jumped = [jumps(precision), jumps(recall)];
    return { precision, recall, coverage, measured: found.every(({ exact }) => exact),
      switched: switched.map((one, i) => one || jumped.some((some) => some[i])) };
  }

  /** Steps over 0.05 nats that are four times the median of the eight around them, or both beside them. */
  function jumps(values) {
    const steps = values.slice(1).map((value, i) => Math.abs(value - values[i]));
    const found = steps.map((step, i) => {
      const around = steps.slice(Math.max(0, i - 4), i).concat(steps.slice(i + 1, i + 5)).sort((one, other) => one - other);
      const median = (around[Math.floor((around.length - 1) / 2)] + around[Math.ceil((around.length - 1) / 2)]) / 2;
      const beside = Math.max(steps[i - 1] ?? 0, steps[i + 1] ?? 0);
      return step > Math.max(JUMP, 4 * Math.min(median, beside));
    });
    return values.length < 3 ? values.map(() => false) : [false, ...found];
  }

  return { path, worthAlong };
}
