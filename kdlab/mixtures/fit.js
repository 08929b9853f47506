/**
 * Students on the page: the mixture of K'' Gaussians nearest to a target, arg min KL(target || student).
 *
 * Python (kdlab.mixtures.fit and its solver) is the truth and its mathematics is here: EM on nodes that stand for the target's
 * mass, from several starts, and steps mixed to leap along slow directions. makeSolver(makeMeasures()) has
 *
 *   fit(target, n, family, options)   work whose result is {student, kl (nats), looking, exact, reason}
 *   finish(work)                      run work to its end: its result
 *
 * Work is a generator. Whoever runs it may stop after every `yield`, which is a step of EM away from the last, and drop what
 * is outdated. `family` is "diag", "full" or "spherical"; `options.warm` is a student known to be near, or a list. A result has `looking`
 * false once all starts were tried, and `exact` true unless a grid was too coarse: `reason` says so. With `options.drawing`
 * there are only a few steps from `warm`, good enough to draw, and `looking` is true: another student may be better.
 */
function makeSolver(measures) {
  const { FIELDS, FLAT, room, unpacked, packed, normalise, sheet, nodesNear, nodeFrom, refuse } = measures.inside;
  const FAMILIES = ["diag", "full", "spherical"];
  const COARSE = { step: 0.9, radius: 4, least: 1e-5, tolerance: 1e-3, limit: 40, tie: 5e-5 }; // to look around on
  const FINE = { step: 0.7, radius: 5.5, least: 1e-8, tolerance: 1e-5, limit: 300, tie: 1e-6 }; // to settle on
  const MOST_NODES = 20_000;
  // EM while a hand moves: steps, nodes in all of them, and of what may be as good as the best the first.
  const HURRY = { tolerance: 2e-3, limit: 12, nodes: 20_000, look: { tolerance: 2e-3, limit: 2, tie: 1e-3 } };
  const NARROWEST = 0.75; // of the nodes' distance: what sums over them see to 1e-4
  const MEMORY = 5; // steps that a leap is mixed from
  const FARTHEST = 4; // of a leap, in coordinates of `vector`
  const NOISE = 1e-10; // nats
  const LIGHT = Math.log(1e-4); // lighter components do not leap, and hold up the others a hundredth as much
  const FAINT = Math.log(1e-6); // lighter components may rest on a grid's floor
  const NOTHING = 1e-300; // mass that moves no component
  const SIZE = 6; // numbers of a component
  const MOST_GROUPED = 8; // components that are grouped in every way; of more the cheapest pairs are merged first
  const ROUNDING = 1e-12; // nats that the prices of groupings may err by
  const [TRIED, SPREAD, SETTLED] = [20, 24, 8]; // groupings that are looked at, and spread starts; ends that are settled
  const GOLDEN = (Math.sqrt(5) - 1) / 2;
  const REASONS = {
    grid: "widths or distances differ too much for EM: these are the target's components, grouped",
    floor: "a component is narrower than the finest grid can see",
    hurry: "good enough to draw",
  };

  // -------------------------------------------------------------- components

  const indices = ({ size }) => Array.from({ length: size }, (_, k) => k);

  /** The same mixture with its components in another order, or only some of them; a copy. */
  function reordered(mixture, order) {
    const made = room(mixture.dim, order.length);
    for (const name of FIELDS) for (let k = 0; k < order.length; k += 1) made[name][k] = mixture[name][order[k]];
    return made;
  }

  /** The same mixture without components whose weights have underflowed, or will. */
  function withMass(mixture) {
    const made = reordered(mixture, indices(mixture).filter((k) => mixture.logs[k] > Math.log(NOTHING)));
    normalise(made.logs);
    return made;
  }

  /** Component k of `made` becomes components `some` of a mixture, merged: their mass, mean and covariance. */
  function merge(mixture, some, made, k) {
    let [mass, x, y, xx, xy, yy] = [0, 0, 0, 0, 0, 0];
    for (const j of some) {
      const weight = Math.exp(mixture.logs[j]);
      mass += weight;
      x += weight * mixture.mx[j];
      y += weight * mixture.my[j];
    }
    [x, y] = [x / mass, y / mass];
    for (const j of some) {
      const [share, dx, dy] = [Math.exp(mixture.logs[j]) / mass, mixture.mx[j] - x, mixture.my[j] - y];
      xx += share * (mixture.xx[j] + dx * dx);
      xy += share * (mixture.xy[j] + dx * dy);
      yy += share * (mixture.yy[j] + dy * dy);
    }
    [made.logs[k], made.mx[k], made.my[k], made.xx[k], made.xy[k], made.yy[k]] = [Math.log(mass), x, y, xx, xy, yy];
  }

  /** A single Gaussian with the moments of the whole mixture. */
  function merged(mixture) {
    const made = room(mixture.dim, 1);
    merge(mixture, indices(mixture).filter((k) => mixture.logs[k] > -Infinity), made, 0);
    made.logs[0] = 0;
    return made;
  }

  // -------------------------------------------------------------- nodes

  /** A mixture on a grid: what each component, whatever its weight, puts on each node near any of them; null if too many. */
  function gridOf(mixture, family, { step, radius, least }) {
    const evenly = { ...mixture, logs: mixture.logs.map((one) => (one === -Infinity ? one : 0)) };
    const rows = nodesNear([evenly], radius, step, MOST_NODES, family === "spherical");
    if (!rows) return null;
    const { x, y } = rows;
    const [page, { dim, mx, my, xx, yy }] = [sheet(mixture.size, x, y), merged(mixture)];
    page.set({ ...mixture, logs: mixture.logs.map(() => 0) });
    const parts = Array.from({ length: mixture.size }, () => new Float64Array(rows.nodes));
    for (let i = 0, n = 0; i < x.size; i += 1) {
      page.row(i, rows.lows[i], rows.highs[i]);
      for (let j = rows.lows[i]; j < rows.highs[i]; j += 1, n += 1) {
        for (let k = 0; k < mixture.size; k += 1) parts[k][n] = page.parts[k][j] * x.cell[i] * y.cell[j];
      }
    }
    const [xs, ys] = [x.at.map((at) => at - mx[0]), y.at.map((at) => at - my[0])]; // from the middle: squares must not cancel
    return { ...rows, dim, least, parts, xs, ys, squares: ys.map((at) => at * at), middle: [mx[0], my[0]],
      scale: Math.sqrt(dim === 1 ? yy[0] : (xx[0] + yy[0]) / 2), ratios: new Float64Array(y.size), sheets: {} };
  }

  /** The nodes of a grid with the mass that components of these log-weights put on them; the mean of their log-density. */
  function cloudOf(grid, logs) {
    const { x, y, lows, highs, nodes, parts } = grid;
    const mass = new Float64Array(nodes);
    parts.forEach((part, k) => {
      const weight = Math.exp(logs[k]);
      if (weight > 0) for (let n = 0; n < nodes; n += 1) mass[n] += weight * part[n];
    });
    let [total, own] = [0, 0];
    for (let i = 0, n = 0; i < x.size; i += 1) {
      for (let j = lows[i]; j < highs[i]; j += 1, n += 1) {
        total += mass[n];
        if (mass[n] > 0) own += mass[n] * Math.log(mass[n] / (x.cell[i] * y.cell[j]));
      }
    }
    for (let n = 0; n < nodes; n += 1) mass[n] /= total;
    return { grid, mass, own: own / total };
  }

  // -------------------------------------------------------------- EM

  const sums = new Float64Array(64 * SIZE); // each component's share of the mass, and of x, y, xx, xy, yy under it

  /** One step of EM: the student afterwards in `after`; returns its mean log-density before. */
  function step({ grid, mass }, family, here, after) {
    const { x, lows, highs, xs, ys, squares, ratios } = grid;
    const page = (grid.sheets[here.size] ??= sheet(here.size, x, grid.y));
    page.set(here);
    sums.fill(0, 0, here.size * SIZE);
    let reached = 0;
    for (let i = 0, n = 0; i < x.size; i += 1) {
      const [low, high] = [lows[i], highs[i]];
      page.row(i, low, high);
      reached += divide(page, mass, n, ratios, i, low, high);
      for (let k = 0; k < here.size; k += 1) addMoments(k * SIZE, page.parts[k], ratios, xs[i], ys, squares, low, high);
      n += high - low;
    }
    maximise(grid, family, here, after);
    return reached;
  }

  /** For a row of nodes their mass over the student's density there; returns their part of the mean log-density. */
  function divide(page, mass, first, ratios, i, low, high) {
    const { total, parts } = page;
    let reached = 0;
    for (let j = low, n = first; j < high; j += 1, n += 1) {
      if (total[j] > 1e-140) {
        ratios[j] = mass[n] / total[j];
        reached += mass[n] * Math.log(total[j]);
        continue;
      }
      const nearest = page.nearest(i, j); // where the density has underflowed, it takes all
      parts.forEach((part, k) => { part[j] = k === nearest ? 1 : 0; });
      ratios[j] = mass[n];
      reached += mass[n] * page.logHere(i, j);
    }
    return reached;
  }

  function addMoments(first, part, ratios, x, ys, squares, low, high) {
    let [zero, one, two] = [0, 0, 0];
    for (let j = low; j < high; j += 1) {
      const share = part[j] * ratios[j];
      zero += share;
      one += share * ys[j];
      two += share * squares[j];
    }
    sums[first] += zero;
    sums[first + 1] += x * zero;
    sums[first + 2] += one;
    sums[first + 3] += x * x * zero;
    sums[first + 4] += x * one;
    sums[first + 5] += two;
  }

  /** Each component becomes what its share of the mass is. One left without mass keeps its place and its weight. */
  function maximise(grid, family, here, after) {
    for (let k = 0, m = 0; k < here.size; k += 1, m += SIZE) {
      const mass = sums[m];
      if (mass > grid.least) {
        const [x, y] = [sums[m + 1] / mass, sums[m + 2] / mass];
        after.logs[k] = Math.log(mass);
        after.mx[k] = grid.middle[0] + x;
        after.my[k] = grid.middle[1] + y;
        after.xx[k] = sums[m + 3] / mass - x * x;
        after.xy[k] = sums[m + 4] / mass - x * y;
        after.yy[k] = sums[m + 5] / mass - y * y;
      } else for (const name of FIELDS) after[name][k] = here[name][k];
      project(after, k, family, grid);
    }
    normalise(after.logs);
  }

  /** The least variance along an axis at a place: what is narrower could hide between the grid's nodes. */
  const floorAt = (axis, place) => (NARROWEST * axis.cell[Math.min(nodeFrom(axis, place), axis.size - 1)]) ** 2;

  /** Component k's covariance becomes the family's member nearest to it, and on a grid nowhere less than its floor. */
  function project({ dim, mx, my, xx, xy, yy }, k, family, grid) {
    const floorY = grid ? floorAt(grid.y, my[k]) : 0;
    if (dim === 1) {
      [mx[k], xx[k], xy[k], yy[k]] = [0, FLAT, 0, Math.max(yy[k], floorY)];
      return;
    }
    const floorX = grid ? floorAt(grid.x, mx[k]) : 0;
    if (family === "full") {
      const least = (xx[k] + yy[k]) / 2 - Math.hypot((xx[k] - yy[k]) / 2, xy[k]);
      const lacking = Math.max(0, Math.min(floorX, floorY) - least);
      [xx[k], yy[k]] = [xx[k] + lacking, yy[k] + lacking];
      return;
    }
    if (family === "spherical") xx[k] = yy[k] = (xx[k] + yy[k]) / 2;
    [xx[k], xy[k], yy[k]] = [Math.max(xx[k], floorX), 0, Math.max(yy[k], floorY)];
    if (family === "spherical") xx[k] = yy[k] = Math.max(xx[k], yy[k]);
  }

  /** Whether a component that matters rests on the floor that the grid imposes. */
  function onFloor(student, grid, family) {
    const shrunk = reordered(student, indices(student));
    return indices(student).some((k) => {
      for (const name of ["xx", "xy", "yy"]) shrunk[name][k] /= 1.001;
      const before = shrunk.xx[k] + shrunk.yy[k];
      project(shrunk, k, family, grid);
      return student.logs[k] > FAINT && shrunk.yy[k] + (student.dim === 1 ? FLAT / 1.001 : shrunk.xx[k]) > before * (1 + 1e-9);
    });
  }

  // -------------------------------------------------------------- leaps

  /** A student as numbers of which any change is allowed: log-weights, means, log-Cholesky factors, in units of `scale`. */
  function vector({ size, logs, mx, my, xx, xy, yy }, scale, made = new Float64Array(size * SIZE)) {
    for (let k = 0, m = 0; k < size; k += 1, m += SIZE) {
      const below = xy[k] / Math.sqrt(xx[k]);
      made[m] = logs[k];
      made[m + 1] = mx[k] / scale;
      made[m + 2] = my[k] / scale;
      made[m + 3] = 0.5 * Math.log(xx[k]);
      made[m + 4] = 0.5 * Math.log(yy[k] - below * below);
      made[m + 5] = below / scale;
    }
    return made;
  }

  /** Back again, within the family. */
  function fromVector(numbers, made, family, grid) {
    for (let k = 0, m = 0; k < made.size; k += 1, m += SIZE) {
      const [side, below] = [Math.exp(numbers[m + 3]), numbers[m + 5] * grid.scale];
      made.logs[k] = numbers[m];
      made.mx[k] = numbers[m + 1] * grid.scale;
      made.my[k] = numbers[m + 2] * grid.scale;
      made.xx[k] = side * side;
      made.xy[k] = side * below;
      made.yy[k] = Math.exp(2 * numbers[m + 4]) + below * below;
      project(made, k, family, grid);
    }
    normalise(made.logs);
    return made;
  }

  function dot(one, other) {
    let sum = 0;
    for (let m = 0; m < one.length; m += 1) sum += one[m] * other[m];
    return sum;
  }

  /** Solve a positive definite system, in place. */
  function solved(matrix, right) {
    const n = right.length;
    for (let i = 0; i < n; i += 1) {
      for (let j = i + 1; j < n; j += 1) {
        const factor = matrix[j][i] / matrix[i][i];
        for (let l = i; l < n; l += 1) matrix[j][l] -= factor * matrix[i][l];
        right[j] -= factor * right[i];
      }
    }
    for (let i = n - 1; i >= 0; i -= 1) {
      for (let l = i + 1; l < n; l += 1) right[i] -= matrix[i][l] * right[l];
      right[i] /= matrix[i][i];
    }
    return right;
  }

  /** Where EM seems to lead: `stepped` less the mix of past steps whose residuals explain this residual best (Anderson). */
  function leap(stepped, residual, past) {
    const gram = past.map((one) => past.map((other) => dot(one.residual, other.residual)));
    const trace = gram.reduce((sum, row, i) => sum + row[i], 0);
    gram.forEach((row, i) => { row[i] += 1e-10 * trace + 1e-300; });
    const mix = solved(gram, past.map((one) => dot(one.residual, residual)));
    return stepped.map((value, m) => {
      let far = 0;
      for (let i = 0; i < mix.length; i += 1) far += mix[i] * past[i].step[m];
      return value - Math.min(Math.max(far, -FARTHEST), FARTHEST);
    });
  }

  /**
   * Repeat EM from a student until a step moves no number of it by more than `tolerance`, or `limit` times: work whose result
   * is {student, reached}, its mean log-density in nats. A leap that lowers it is taken back to the plain step.
   */
  function* climb(cloud, family, start, { tolerance, limit }) {
    const { grid } = cloud;
    const [here, after] = [reordered(start, indices(start)), room(start.dim, start.size)];
    indices(start).forEach((k) => project(here, k, family, grid));
    let [at, safe, before, best, past] = [vector(here, grid.scale), null, null, -Infinity, []];
    for (let n = 0; n < limit; n += 1) {
      const reached = step(cloud, family, here, after);
      yield;
      if (reached < best - NOISE) {
        [at, best, past, before] = [safe, -Infinity, [], null];
        fromVector(at, here, family, grid);
        continue;
      }
      const stepped = vector(after, grid.scale);
      const { residual, moved } = residualOf(stepped, at);
      if (before) past = [...past.slice(1 - MEMORY), difference(stepped, safe, residual, before)];
      [safe, before, best, at] = [stepped, residual, Math.max(best, reached), leap(stepped, residual, past)];
      if (moved <= tolerance) break;
      fromVector(at, here, family, grid);
    }
    return { student: fromVector(safe, here, family, grid), reached: best };
  }

  /** What a step has changed, in components heavy enough for the likelihood to feel; and the most that it moved a number. */
  function residualOf(stepped, at) {
    let moved = 0;
    const residual = stepped.map((value, m) => {
      const heavy = stepped[m - (m % SIZE)] > LIGHT;
      moved = Math.max(moved, Math.abs(value - at[m]) * (heavy ? 1 : 0.01));
      return heavy ? value - at[m] : 0;
    });
    return { residual, moved };
  }

  function difference(stepped, safe, residual, before) {
    return {
      step: stepped.map((value, m) => (stepped[m - (m % SIZE)] > LIGHT ? value - safe[m] : 0)),
      residual: residual.map((value, m) => (stepped[m - (m % SIZE)] > LIGHT ? value - before[m] : 0)),
    };
  }

  // -------------------------------------------------------------- starts

  /** Whether a family holds this covariance as it is. */
  function holds(family, { dim, xx, xy, yy }, k) {
    if (dim === 1 || family === "full") return true;
    return Math.abs(xy[k]) <= 1e-12 * Math.sqrt(xx[k] * yy[k]) && (family === "diag" || Math.abs(xx[k] - yy[k]) <= 1e-12 * xx[k]);
  }

  /** The nearest student where that needs no EM, or null: one component, or a size and a family that hold the target. */
  function exactProjection(target, n, family) {
    if (n === 1) {
      const made = merged(target);
      project(made, 0, family, null);
      return made;
    }
    const kept = target.size <= n ? target : withMass(target);
    return kept.size <= n && indices(kept).every((k) => holds(family, kept, k)) ? kept : null;
  }

  /** Runnalls' bound on what it costs to have this component for those merged in it, but for a constant. */
  function price(made, k, family) {
    project(made, k, family, null);
    return 0.5 * Math.exp(made.logs[k]) * Math.log(made.xx[k] * made.yy[k] - made.xy[k] ** 2);
  }

  /** At most 8 components: the cheapest pairs merged first. */
  function mergedDown(mixture) {
    if (mixture.size <= MOST_GROUPED) return mixture;
    const pair = room(mixture.dim, 1);
    const alone = indices(mixture).map((k) => { merge(mixture, [k], pair, 0); return price(pair, 0, "full"); });
    let [least, best] = [Infinity, null];
    for (let i = 1; i < mixture.size; i += 1) {
      for (let j = 0; j < i; j += 1) {
        merge(mixture, [i, j], pair, 0);
        const cost = price(pair, 0, "full") - alone[i] - alone[j];
        if (!(cost >= least)) [least, best] = [cost, [i, j]];
      }
    }
    const fewer = reordered(mixture, [...indices(mixture).filter((k) => !best.includes(k)), best[0]]);
    merge(mixture, best, fewer, fewer.size - 1);
    return mergedDown(fewer);
  }

  /**
   * The cheapest `count` ways to put the target's components into n groups, each replaced by its moments; cheapest first, but
   * for the grouping `before`, if it is as cheap: where weights are below rounding, many are.
   */
  function groupedStarts(target, n, family, count, before = null) {
    const kept = withMass(target);
    if (kept.size <= n) return [splitUp(kept, n)];
    const items = mergedDown(kept);
    const [each, all] = [indices(items), (1 << items.size) - 1]; // a group is a set of bits
    const [groups, prices, best] = [room(items.dim, all + 1), new Float64Array(all + 1), []];
    for (let group = 1; group <= all; group += 1) {
      merge(items, each.filter((k) => group & (1 << k)), groups, group);
      prices[group] = price(groups, group, family);
    }
    const keep = (cost, taken) => {
      if (best.length === count && cost >= best.at(-1).cost) return;
      const place = best.findIndex((other) => cost < other.cost);
      best.splice(place < 0 ? best.length : place, 0, { cost, taken });
      if (best.length > count) best.pop();
    };
    const partition = (left, taken, cost) => {
      if (taken.length === n - 1) {
        keep(cost + prices[left], [...taken, left]);
        return;
      }
      const [first, rest] = [left & -left, left & (left - 1)]; // the next group has the first, and any of the rest but not all
      for (let others = (rest - 1) & rest; rest; others = (others - 1) & rest) {
        partition(rest ^ others, [...taken, first | others], cost + prices[first | others]);
        if (!others) break;
      }
    };
    partition(all, [], 0);
    const again = before?.size === items.size ? before.taken.reduce((sum, group) => sum + prices[group], 0) : Infinity;
    if (again <= best[0].cost + ROUNDING) best.unshift({ taken: before.taken });
    return best.slice(0, count).map(({ taken }) => ({ ...reordered(groups, taken), grouping: { taken, size: items.size } }));
  }

  /** The same with component k halved along its longest axis. */
  function splitAt(mixture, k) {
    const flat = mixture.dim === 1;
    const [xx, xy, yy] = [flat ? 0 : mixture.xx[k], mixture.xy[k], mixture.yy[k]];
    const [length, angle] = [(xx + yy) / 2 + Math.hypot((xx - yy) / 2, xy), 0.5 * Math.atan2(2 * xy, xx - yy)];
    const [dx, dy] = [flat ? 0 : Math.cos(angle), Math.sin(angle)].map((part) => 0.5 * Math.sqrt(length) * part);
    const made = reordered(mixture, [...indices(mixture), k]);
    for (const [place, sign] of [[k, 1], [mixture.size, -1]]) {
      made.logs[place] -= Math.LN2;
      [made.mx[place], made.my[place]] = [made.mx[place] + sign * dx, made.my[place] + sign * dy];
      [made.xx[place], made.xy[place], made.yy[place]] = [made.xx[place] - dx * dx, xy - dx * dy, yy - dy * dy];
    }
    return made;
  }

  /** Halve the component with the largest share of the variance until there are n. */
  function splitUp(mixture, n) {
    if (mixture.size >= n) return mixture;
    const variances = indices(mixture).map((k) => Math.exp(mixture.logs[k]) * (mixture.yy[k] + (mixture.dim === 1 ? 0 : mixture.xx[k])));
    return splitUp(splitAt(mixture, variances.indexOf(Math.max(...variances))), n);
  }

  /** A student around nodes that are spread over the cloud: k-means++ with golden-ratio steps for chance. */
  function spreadStart({ grid, mass }, n, family, number) {
    const [xs, ys] = placesOf(grid);
    const [distance, nearest] = [new Float64Array(grid.nodes).fill(1), new Int32Array(grid.nodes)];
    const [made, chosen] = [room(grid.dim, n), []];
    for (let k = 0; k < n; k += 1) {
      let [at, left] = [0, dot(distance, mass) * (((number * n + k + 1) * GOLDEN) % 1)];
      while (at < grid.nodes - 1 && (left -= distance[at] * mass[at]) > 0) at += 1;
      chosen.push(at);
      for (let m = 0; m < grid.nodes; m += 1) {
        const apart = (xs[m] - xs[at]) ** 2 + (ys[m] - ys[at]) ** 2;
        if (k === 0 || apart < distance[m]) [distance[m], nearest[m]] = [apart, k];
      }
    }
    const moments = new Float64Array(n * 4);
    for (let m = 0; m < grid.nodes; m += 1) {
      const [first, dx, dy] = [nearest[m] * 4, xs[m] - xs[chosen[nearest[m]]], ys[m] - ys[chosen[nearest[m]]]];
      [1, dx * dx, dx * dy, dy * dy].forEach((value, i) => { moments[first + i] += mass[m] * value; });
    }
    chosen.forEach((at, k) => {
      const [share, soft] = [Math.max(moments[k * 4], 1e-3 / n), 0.01 * grid.scale ** 2];
      const [xx, xy, yy] = [1, 2, 3].map((i) => moments[k * 4 + i] / share);
      [made.logs[k], made.mx[k], made.my[k]] = [Math.log(share), xs[at], ys[at]];
      [made.xx[k], made.xy[k], made.yy[k]] = [xx + soft, xy, yy + soft];
      project(made, k, family, grid);
    });
    return made;
  }

  /** The coordinates of a grid's nodes. */
  function placesOf({ x, y, lows, highs, nodes }) {
    const [xs, ys] = [new Float64Array(nodes), new Float64Array(nodes)];
    for (let i = 0, n = 0; i < x.size; i += 1) {
      for (let j = lows[i]; j < highs[i]; j += 1, n += 1) [xs[n], ys[n]] = [x.at[i], y.at[j]];
    }
    return [xs, ys];
  }

  /** Groupings of the target, into fewer groups too and some of these halved, and starts that know nothing of its components. */
  function coldStarts(cloud, target, n, family, { tried, spread }, before = null) {
    const starts = groupedStarts(target, n, family, tried, before);
    const kept = withMass(target);
    if (kept.size < n) for (const k of indices(kept)) starts.push(splitUp(splitAt(kept, k), n));
    for (let fewer = Math.min(n, kept.size) - 1; fewer >= 1; fewer -= 1) {
      const [base] = groupedStarts(target, fewer, family, 1);
      for (const k of fewer === n - 1 ? indices(base) : []) starts.push(splitAt(base, k));
      if (fewer < n - 1) starts.push(splitUp(base, n));
    }
    for (let number = 0; number < spread; number += 1) starts.push(spreadStart(cloud, n, family, number));
    return starts;
  }

  // -------------------------------------------------------------- one student

  function finish(work) {
    for (;;) {
      const { done, value } = work.next();
      if (done) return value;
    }
  }

  function checkSettings(n, family) {
    if (!(Number.isInteger(n) && n >= 1)) refuse("the number of components is", n, "give a whole number from 1");
    if (!FAMILIES.includes(family)) refuse("the family of covariances is", family, `choose one of ${FAMILIES.join(", ")}`);
  }

  function* fit(target, n, family, { warm = null, drawing = false } = {}) {
    checkSettings(n, family);
    const given = unpacked(target);
    const closed = exactProjection(given, n, family);
    const known = (warm ? [warm].flat() : []).map(unpacked);
    if (drawing && !closed) return yield* drawn(given, n, family, known);
    let [student, reason] = closed ? [closed, ""] : [groupedStarts(given, n, family, 1)[0], REASONS.grid];
    for (let finer = 1; reason; finer *= 2) {
      const [coarse, fine] = gridsOf(given, family, finer);
      if (!fine) break;
      student = yield* fitted(cloudOf(coarse, given.logs), cloudOf(fine, given.logs), given, n, family, known);
      reason = onFloor(student, fine, family) ? REASONS.floor : "";
    }
    const found = measures.measured(student, given, { drawing });
    return { student: packed(student), kl: Math.max(0, -found.entropy - found.recall), looking: false, exact: !reason, reason };
  }

  /** A coarse grid and a fine one, null if either would have too many nodes. */
  function gridsOf(mixture, family, finer) {
    const grids = [COARSE, FINE].map((how) => gridOf(mixture, family, { ...how, step: how.step / finer }));
    return grids.every(Boolean) ? grids : [null, null];
  }

  /** Of the ends that EM leads to from several starts the `count` best; of equally good ones the first. */
  function* bestEnds(cloud, family, starts, effort, count) {
    const ends = [];
    for (const start of starts) ends.push(yield* climb(cloud, family, start, effort));
    const top = Math.max(...ends.map(({ reached }) => reached));
    const worth = ({ reached }) => (reached >= top - effort.tie ? top : reached);
    return ends.sort((one, other) => worth(other) - worth(one)).slice(0, count);
  }

  /** EM from every start on a coarse grid, and from the best of their ends on a fine one. */
  function* fitted(coarse, fine, target, n, family, known) {
    const starts = [...coldStarts(coarse, target, n, family, { tried: TRIED, spread: SPREAD }), ...known];
    const looked = yield* bestEnds(coarse, family, starts, COARSE, SETTLED);
    const [best] = yield* bestEnds(fine, family, looked.map(({ student }) => student), FINE, 1);
    return best.student;
  }

  /** A few steps of EM from a grouping of the target, or from what is known: what there is time for while a hand moves. */
  function* drawn(target, n, family, known) {
    const grid = gridOf(target, family, COARSE);
    const starts = [...groupedStarts(target, n, family, 1), ...known];
    if (!grid) return { student: packed(starts[0]), kl: NaN, looking: true, exact: false, reason: REASONS.grid };
    const cloud = cloudOf(grid, target.logs);
    const { student, reached } = yield* hurried(cloud, family, starts);
    return { student: packed(student), kl: Math.max(0, cloud.own - reached), looking: true, exact: false, reason: REASONS.hurry };
  }

  /** The most promising of some starts, and from there what can be had in a hurry. */
  function* hurried(cloud, family, starts) {
    const limit = Math.max(2, Math.min(HURRY.limit, Math.floor(HURRY.nodes / cloud.grid.nodes)));
    const [{ student }] = starts.length > 1 ? yield* bestEnds(cloud, family, starts, HURRY.look, 1) : [{ student: starts[0] }];
    return yield* climb(cloud, family, student, { tolerance: HURRY.tolerance, limit });
  }

  return { fit, finish, inside: { REASONS, COARSE, LIGHT, SIZE, indices, reordered, gridsOf, gridOf, cloudOf, climb, bestEnds, hurried,
    onFloor, vector, exactProjection, groupedStarts, coldStarts, checkSettings } };
}
