/**
 * Students on the page: the mixture of K'' Gaussians nearest to a target, and the path of such students over beta.
 *
 * Python (kdlab.mixtures.fit, solver) is the truth, its mathematics is here: EM on nodes that stand for the target's mass,
 * from several starts; steps are mixed to leap along slow directions (Anderson). `makeSolver(makeMeasures())` has
 *
 *   fit(target, n, family, options)     one student: {student, kl, looking, exact, reason}
 *   path(teacher, n, family, betas, options)   students of the teacher tempered by each beta: {students, kl, switched,
 *                                       looking, exact, reason}; component k keeps its identity along the path
 *   finish(work)                        run one of these to its end
 *
 * fit and path are generators: whoever runs them may stop after every `yield` (a fraction done), some hundredth of a second
 * apart, and drop what is outdated. `family` is "diag", "full" or "spherical". options.drawing: only continue what
 * options.warm has (a student; for a path {betas, students}), good enough to draw and `looking` true, as another student may
 * be better. Without it every start is tried, `looking` is false, and `exact` says that no grid was too coarse.
 */
function makeSolver(measures) {
  const { room, unpacked, packed, sheet, axesOf, rowsWithin, logSum, refuse, FLAT } = measures.inside;
  const FAMILIES = ["diag", "full", "spherical"];
  const COARSE = { step: 0.9, radius: 4 };
  const FINE = { step: 0.6, radius: 5 };
  const MOST_NODES = 60_000;
  const MEMORY = 5; // steps that a leap is mixed from
  const FARTHEST = 4; // of a leap, in coordinates of `vector`
  const NOISE = 1e-10; // nats
  const LIGHT = Math.log(1e-4); // lighter components do not leap and do not hold up the others
  const NOTHING = 1e-300; // mass that moves no component
  const NO_WEIGHT = Math.log(NOTHING);
  const SIZE = 6; // numbers of a component in a `vector`
  const MOST_GROUPED = 8;
  const FAINT = Math.log(1e-6); // lighter components may rest on a grid's floor
  const NO_GRID = "the teacher's widths differ too much for EM: these are its components, grouped";
  const TOO_COARSE = "a component is narrower than the finest grid can see";
  const TO_DRAW = "good enough to draw";
  const [COLD, LOOK, PASSES, TIE, SAME, STEADY] = [4, 8, 12, 1e-6, 0.02, 0.1];
  const [THOROUGH, OFTEN] = [15, 3];
  let taken = 0;
  const stepsTaken = () => { const t = taken; taken = 0; return t; };
  const GOLDEN = (Math.sqrt(5) - 1) / 2;

  /** The same mixture with its components in another order, or only some of them. */
  function reordered(mixture, order) {
    const made = room(mixture.dim, order.length);
    for (const name of ["logs", "mx", "my", "xx", "xy", "yy"]) order.forEach((from, k) => { made[name][k] = mixture[name][from]; });
    return made;
  }

  function withMass(mixture) {
    const kept = [...mixture.logs.keys()].filter((k) => mixture.logs[k] > NO_WEIGHT);
    if (kept.length === mixture.size) return mixture;
    const made = reordered(mixture, kept);
    const total = logSum(made.logs);
    made.logs.forEach((log, k) => { made.logs[k] = log - total; });
    return made;
  }

  // -------------------------------------------------------------- standard coordinates

  /** Mean and second moment of components `some` of a mixture as component k of `made`. */
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

  /** A shift and a scale in which a mixture has mean 0 and variance 1 (the mean of its axes'). */
  function frameOf(mixture) {
    const whole = room(mixture.dim, 1);
    merge(mixture, [...mixture.logs.keys()].filter((k) => mixture.logs[k] > -Infinity), whole, 0);
    const variance = mixture.dim === 1 ? whole.yy[0] : (whole.xx[0] + whole.yy[0]) / 2;
    return { x: whole.mx[0], y: whole.my[0], scale: Math.sqrt(variance) };
  }

  function into(frame, mixture) {
    const made = { ...mixture };
    made.my = mixture.my.map((y) => (y - frame.y) / frame.scale);
    made.yy = mixture.yy.map((yy) => yy / frame.scale ** 2);
    if (mixture.dim === 1) return made;
    made.mx = mixture.mx.map((x) => (x - frame.x) / frame.scale);
    for (const name of ["xx", "xy"]) made[name] = mixture[name].map((value) => value / frame.scale ** 2);
    return made;
  }

  const outOf = ({ x, y, scale }, mixture) => into({ x: -x / scale, y: -y / scale, scale: 1 / scale }, mixture);

  // -------------------------------------------------------------- clouds of nodes

  /** A mixture on a grid: what each component, whatever its weight, puts on each node; the rows of nodes near any of them. */
  function gridOf(mixture, family, { step, radius }, scale = 1) {
    const seen = reordered(mixture, [...mixture.logs.keys()].filter((k) => mixture.logs[k] > -Infinity));
    seen.logs.fill(0);
    const [x, y] = axesOf([seen], radius, step * scale, family === "spherical");
    const { lows, highs, nodes } = x.size * y.size > 100 * MOST_NODES ? { nodes: Infinity } : rowsWithin([seen], x, y, radius);
    if (nodes > MOST_NODES) return null;
    const page = sheet(mixture.size, x, y);
    page.set({ ...mixture, logs: mixture.logs.map(() => 0) });
    const parts = Array.from({ length: mixture.size }, () => new Float64Array(nodes));
    for (let i = 0, n = 0; i < x.size; i += 1) {
      page.row(i, lows[i], highs[i]);
      for (let j = lows[i]; j < highs[i]; j += 1, n += 1) parts.forEach((part, k) => { part[n] = page.parts[k][j] * x.cell[i] * y.cell[j]; });
    }
    return { dim: mixture.dim, x, y, lows, highs, nodes, parts, squares: y.at.map((at) => at * at), ratios: new Float64Array(y.size), sheets: {} };
  }

  /** The nodes of a grid with the mass that a mixture of these log-weights puts on them; the mean of its log-density. */
  function cloudOf(grid, logs) {
    const mass = new Float64Array(grid.nodes);
    grid.parts.forEach((part, k) => {
      const weight = Math.exp(logs[k]);
      if (weight > 0) for (let n = 0; n < mass.length; n += 1) mass[n] += weight * part[n];
    });
    let [total, own] = [0, 0];
    for (let i = 0, n = 0; i < grid.x.size; i += 1) {
      for (let j = grid.lows[i]; j < grid.highs[i]; j += 1, n += 1) {
        total += mass[n];
        if (mass[n] > 0) own += mass[n] * Math.log(mass[n] / (grid.x.cell[i] * grid.y.cell[j]));
      }
    }
    for (let n = 0; n < mass.length; n += 1) mass[n] /= total;
    return { grid, mass, own: own / total };
  }

  // -------------------------------------------------------------- EM

  const sums = new Float64Array(64 * SIZE); // of the components' shares, and of x, y, xx, xy, yy under them

  /** The student after a step of EM, in `after`; returns its mean log-density before it. */
  function step({ grid, mass }, family, here, after) {
    const { x, y, lows, highs, squares, ratios } = grid;
    const page = (grid.sheets[here.size] ??= sheet(here.size, x, y));
    page.set(here);
    sums.fill(0, 0, here.size * SIZE);
    let reached = 0;
    taken += 1;
    for (let i = 0, n = 0; i < x.size; i += 1) {
      const [low, high] = [lows[i], highs[i]];
      if (high <= low) continue;
      page.row(i, low, high);
      reached += shares(page, mass, ratios, i, low, high, n);
      n += high - low;
      for (let k = 0; k < here.size; k += 1) addMoments(k, page.parts[k], ratios, y.at, squares, low, high, x.at[i]);
    }
    maximise(grid, family, here, after);
    return reached;
  }

  /** For a row each node's mass over the student's density there; returns its part of the mean log-density. */
  function shares(page, mass, ratios, i, low, high, first) {
    const { total } = page;
    let reached = 0;
    for (let j = low, n = first; j < high; j += 1, n += 1) {
      const density = total[j];
      if (density > 1e-140) {
        ratios[j] = mass[n] / density;
        reached += mass[n] * Math.log(density);
      } else reached += mass[n] * faintShares(page, mass[n], ratios, i, j);
    }
    return reached;
  }

  /** Where the density has underflowed the nearest component takes all. */
  function faintShares({ parts, logHere, nearest }, mass, ratios, i, j) {
    const k = nearest(i, j);
    parts.forEach((part, other) => { part[j] = other === k ? 1 : 0; });
    ratios[j] = mass;
    return logHere(i, j);
  }

  function addMoments(k, part, ratios, at, squares, low, high, x) {
    let [zero, one, two] = [0, 0, 0];
    for (let j = low; j < high; j += 1) {
      const share = part[j] * ratios[j];
      zero += share;
      one += share * at[j];
      two += share * squares[j];
    }
    const first = k * SIZE;
    sums[first] += zero;
    sums[first + 1] += x * zero;
    sums[first + 2] += one;
    sums[first + 3] += x * x * zero;
    sums[first + 4] += x * one;
    sums[first + 5] += two;
  }

  /** Each component becomes what its share of the mass is. One left without mass keeps its place and its weight. */
  function maximise(grid, family, here, after) {
    for (let k = 0; k < here.size; k += 1) {
      const [mass, x, y, xx, xy, yy] = sums.subarray(k * SIZE, (k + 1) * SIZE);
      if (mass > NOTHING) {
        after.logs[k] = Math.log(mass);
        [after.mx[k], after.my[k]] = [x / mass, y / mass];
        [after.xx[k], after.xy[k], after.yy[k]] = [xx / mass - after.mx[k] ** 2, xy / mass - after.mx[k] * after.my[k], yy / mass - after.my[k] ** 2];
      } else for (const name of ["logs", "mx", "my", "xx", "xy", "yy"]) after[name][k] = here[name][k];
      project(after, k, family, grid);
    }
    const total = logSum(after.logs);
    for (let k = 0; k < here.size; k += 1) after.logs[k] -= total;
  }

  /** The spacing of an axis at a place. */
  function spacing({ at, cell, size }, place) {
    let [low, high] = [0, size - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (at[middle] < place) low = middle + 1;
      else high = middle;
    }
    return cell[low];
  }

  /**
   * Component k's covariance becomes the family's member nearest to it, and nowhere narrower than the grid is fine: it
   * could hide between nodes. Without a grid there is no such floor.
   */
  function project({ dim, mx, my, xx, xy, yy }, k, family, grid) {
    const floorY = grid ? spacing(grid.y, my[k]) ** 2 : 0;
    if (dim === 1) {
      [mx[k], xx[k], xy[k], yy[k]] = [0, FLAT, 0, Math.max(yy[k], floorY)];
      return;
    }
    const floorX = grid ? spacing(grid.x, mx[k]) ** 2 : 0;
    if (family !== "full") xy[k] = 0;
    if (family === "spherical") xx[k] = yy[k] = Math.max((xx[k] + yy[k]) / 2, floorX, floorY);
    if (family === "diag") [xx[k], yy[k]] = [Math.max(xx[k], floorX), Math.max(yy[k], floorY)];
    if (family !== "full" || !grid) return;
    const least = (xx[k] + yy[k]) / 2 - Math.hypot((xx[k] - yy[k]) / 2, xy[k]);
    const lacking = Math.max(0, Math.min(floorX, floorY) - least);
    [xx[k], yy[k]] = [xx[k] + lacking, yy[k] + lacking];
  }

  // -------------------------------------------------------------- leaps

  /** A student as numbers of which any change is allowed: log-weights, means, log-Cholesky factors. */
  function vector({ size, logs, mx, my, xx, xy, yy }, made) {
    for (let k = 0; k < size; k += 1) {
      const first = k * SIZE;
      const below = xy[k] / Math.sqrt(xx[k]);
      made[first] = logs[k];
      made[first + 1] = mx[k];
      made[first + 2] = my[k];
      made[first + 3] = 0.5 * Math.log(xx[k]);
      made[first + 4] = 0.5 * Math.log(yy[k] - below * below);
      made[first + 5] = below;
    }
    return made;
  }

  function fromVector(numbers, made, family, grid) {
    for (let k = 0; k < made.size; k += 1) {
      const first = k * SIZE;
      const [side, below] = [Math.exp(numbers[first + 3]), numbers[first + 5]];
      made.logs[k] = numbers[first];
      made.mx[k] = numbers[first + 1];
      made.my[k] = numbers[first + 2];
      made.xx[k] = side * side;
      made.xy[k] = side * below;
      made.yy[k] = Math.exp(2 * numbers[first + 4]) + below * below;
      project(made, k, family, grid);
    }
    const total = logSum(made.logs);
    for (let k = 0; k < made.size; k += 1) made.logs[k] -= total;
    return made;
  }

  /** Solve the symmetric system gram mix = right, of size n, in place; returns `right` as the solution. */
  function solved(gram, right, n) {
    for (let i = 0; i < n; i += 1) {
      for (let j = i + 1; j < n; j += 1) {
        const factor = gram[j][i] / gram[i][i];
        for (let l = i; l < n; l += 1) gram[j][l] -= factor * gram[i][l];
        right[j] -= factor * right[i];
      }
    }
    for (let i = n - 1; i >= 0; i -= 1) {
      for (let l = i + 1; l < n; l += 1) right[i] -= gram[i][l] * right[l];
      right[i] /= gram[i][i];
    }
    return right;
  }

  /** Where the last steps of EM seem to lead: `stepped` less the mix of past steps that explains this residual best. */
  function leap(stepped, residual, past) {
    const n = past.length;
    if (!n) return stepped.slice();
    const dot = (one, other) => {
      let sum = 0;
      for (let m = 0; m < one.length; m += 1) sum += one[m] * other[m];
      return sum;
    };
    const gram = past.map((one) => past.map((other) => dot(one.residual, other.residual)));
    const trace = gram.reduce((sum, row, i) => sum + row[i], 0);
    for (let i = 0; i < n; i += 1) gram[i][i] += 1e-10 * trace + 1e-300;
    const mix = solved(gram, past.map((one) => dot(one.residual, residual)), n);
    return stepped.map((value, m) => {
      let far = 0;
      for (let i = 0; i < n; i += 1) far += mix[i] * past[i].step[m];
      return value - Math.min(Math.max(far, -FARTHEST), FARTHEST);
    });
  }

  /**
   * Repeat EM from a student until a step moves no number of it by more than `tolerance`, or `limit` times. A leap that
   * lowers the likelihood is taken back to the plain step. Returns {student, reached (nats), settled}.
   */
  function* climb(cloud, family, start, tolerance, limit) {
    const [here, after] = [{ ...start }, { ...start }];
    for (const name of ["logs", "mx", "my", "xx", "xy", "yy"]) [here[name], after[name]] = [start[name].slice(), start[name].slice()];
    for (let k = 0; k < start.size; k += 1) project(here, k, family, cloud.grid);
    let [at, safe, before, best, past, settled] = [vector(here, new Float64Array(start.size * SIZE)), null, null, -Infinity, [], false];
    for (let n = 0; n < limit && !settled; n += 1) {
      const reached = step(cloud, family, here, after);
      yield;
      if (reached < best - NOISE) {
        [at, best, past, before] = [safe.slice(), -Infinity, [], null];
        fromVector(at, here, family, cloud.grid);
        continue;
      }
      const stepped = vector(after, new Float64Array(at.length));
      const residual = stepped.map((value, m) => value - at[m]);
      let moved = 0;
      const heavy = residual.map((change, m) => {
        const leaps = stepped[m - (m % SIZE)] > LIGHT;
        moved = Math.max(moved, Math.abs(change) * (leaps ? 1 : 0.01));
        return leaps ? change : 0;
      });
      if (before) {
        const kept = (value, m) => (heavy[m] === 0 ? 0 : value);
        past = [...past, { step: stepped.map((value, m) => kept(value - safe[m], m)), residual: heavy.map((value, m) => value - before[m]) }].slice(-MEMORY);
      }
      [safe, before, best, settled] = [stepped, heavy, Math.max(best, reached), moved <= tolerance];
      at = settled ? stepped : leap(stepped, heavy, past);
      fromVector(at, here, family, cloud.grid);
    }
    return { student: fromVector(safe, here, family, cloud.grid), reached: best, settled };
  }

  // -------------------------------------------------------------- starts

  /** Whether a family holds this covariance as it is. */
  function holds(family, { dim, xx, xy, yy }, k) {
    if (dim === 1 || family === "full") return true;
    return Math.abs(xy[k]) <= 1e-12 * Math.sqrt(xx[k] * yy[k]) && (family === "diag" || Math.abs(xx[k] - yy[k]) <= 1e-12 * xx[k]);
  }

  /** The nearest student where it needs no EM, or null: one component, or a family and a size that hold the target. */
  function exactProjection(target, n, family) {
    if (n === 1) {
      const made = room(target.dim, 1);
      merge(target, [...target.logs.keys()].filter((k) => target.logs[k] > -Infinity), made, 0);
      made.logs[0] = 0;
      project(made, 0, family, null);
      return made;
    }
    const kept = target.size <= n ? target : withMass(target);
    return kept.size <= n && [...kept.logs.keys()].every((k) => holds(family, kept, k)) ? kept : null;
  }

  /** Runnalls' bound on what merging costs: mass times the log-determinant of what a family makes of the merged covariance. */
  function cost(made, k, family) {
    project(made, k, family, null);
    return 0.5 * Math.exp(made.logs[k]) * Math.log(made.xx[k] * made.yy[k] - made.xy[k] ** 2);
  }

  /** At most 8 components: the cheapest pairs merged first. */
  function mergedDown(mixture) {
    let now = mixture;
    while (now.size > MOST_GROUPED) {
      const [one, pair] = [room(now.dim, 1), room(now.dim, 1)];
      let [least, best] = [Infinity, null];
      const alone = [...now.logs.keys()].map((k) => { merge(now, [k], one, 0); return cost(one, 0, "full"); });
      for (let i = 1; i < now.size; i += 1) {
        for (let j = 0; j < i; j += 1) {
          merge(now, [i, j], pair, 0);
          const price = cost(pair, 0, "full") - alone[i] - alone[j];
          if (price < least) [least, best] = [price, [i, j]];
        }
      }
      const rest = [...now.logs.keys()].filter((k) => !best.includes(k));
      const next = reordered(now, [...rest, best[0]]);
      merge(now, best, next, rest.length);
      now = next;
    }
    return now;
  }

  /** The `count` cheapest ways to put the target's components into n groups, each group replaced by its moments. */
  function groupedStarts(target, n, family, count) {
    const kept = withMass(target);
    if (kept.size <= n) return [splitUp(kept, n)];
    const items = mergedDown(kept);
    const all = (1 << items.size) - 1;
    const members = (mask) => [...items.logs.keys()].filter((k) => mask & (1 << k));
    const groups = room(items.dim, all + 1);
    const prices = new Float64Array(all + 1);
    for (let mask = 1; mask <= all; mask += 1) {
      merge(items, members(mask), groups, mask);
      prices[mask] = cost(groups, mask, family);
    }
    const best = []; // [price, masks], cheapest first
    const divide = (left, taken, price) => {
      if (taken.length === n - 1) {
        const total = price + prices[left];
        if (best.length === count && total >= best.at(-1)[0]) return;
        const place = best.findIndex(([other]) => total < other);
        best.splice(place < 0 ? best.length : place, 0, [total, [...taken, left]]);
        best.length = Math.min(best.length, count);
        return;
      }
      const first = left & -left;
      for (let rest = left ^ first, sub = rest; ; sub = (sub - 1) & rest) { // groups that hold the first of what is left
        const group = first | sub;
        if (group !== left) divide(left ^ group, [...taken, group], price + prices[group]);
        if (!sub) break;
      }
    };
    divide(all, [], 0);
    return best.map(([, masks]) => reordered(groups, masks));
  }

  /** Halve the component with the largest share of the variance, along its longest axis, until there are n. */
  function splitUp(mixture, n) {
    let now = mixture;
    while (now.size < n) {
      const shares = [...now.logs.keys()].map((k) => Math.exp(now.logs[k]) * (now.yy[k] + (now.dim === 1 ? 0 : now.xx[k])));
      const k = shares.indexOf(Math.max(...shares));
      const next = reordered(now, [...now.logs.keys(), k]);
      const flat = now.dim === 1;
      const middle = flat ? now.yy[k] : (now.xx[k] + now.yy[k]) / 2;
      const longest = flat ? now.yy[k] : middle + Math.hypot((now.xx[k] - now.yy[k]) / 2, now.xy[k]);
      const angle = flat ? Math.PI / 2 : 0.5 * Math.atan2(2 * now.xy[k], now.xx[k] - now.yy[k]);
      const [dx, dy] = [flat ? 0 : Math.cos(angle), Math.sin(angle)].map((part) => 0.5 * Math.sqrt(longest) * part);
      for (const [place, sign] of [[k, 1], [now.size, -1]]) {
        next.logs[place] -= Math.LN2;
        next.mx[place] += sign * dx;
        next.my[place] += sign * dy;
        next.xx[place] -= dx * dx;
        next.xy[place] -= dx * dy;
        next.yy[place] -= dy * dy;
      }
      now = next;
    }
    return now;
  }

  /** A student around places spread over the nodes by k-means++, with golden-ratio steps for chance. */
  function spreadStart({ grid, mass }, n, family, number) {
    const { x, y, lows, highs, nodes } = grid;
    const dim = grid.dim;
    const [xs, ys] = [new Float64Array(nodes), new Float64Array(nodes)];
    for (let i = 0, m = 0; i < x.size; i += 1) for (let j = lows[i]; j < highs[i]; j += 1, m += 1) [xs[m], ys[m]] = [x.at[i], y.at[j]];
    const [distance, nearest, chosen] = [new Float64Array(nodes).fill(1), new Int32Array(nodes), []];
    for (let k = 0; k < n; k += 1) {
      const total = distance.reduce((sum, one, m) => sum + one * mass[m], 0);
      let left = total * (((number * n + k + 1) * GOLDEN) % 1);
      let at = 0;
      while (at < nodes - 1 && (left -= distance[at] * mass[at]) > 0) at += 1;
      chosen.push(at);
      for (let m = 0; m < nodes; m += 1) {
        const apart = (xs[m] - xs[at]) ** 2 + (ys[m] - ys[at]) ** 2;
        if (k === 0 || apart < distance[m]) [distance[m], nearest[m]] = [apart, k];
      }
    }
    const made = room(dim, n);
    const sizes = new Float64Array(n);
    for (let m = 0; m < nodes; m += 1) {
      const [k, dx, dy] = [nearest[m], xs[m] - xs[chosen[nearest[m]]], ys[m] - ys[chosen[nearest[m]]]];
      sizes[k] += mass[m];
      made.xx[k] += dim === 1 ? 0 : mass[m] * dx * dx;
      made.xy[k] += mass[m] * dx * dy;
      made.yy[k] += mass[m] * dy * dy;
    }
    chosen.forEach((at, k) => {
      const size = Math.max(sizes[k], 1e-3 / n);
      [made.logs[k], made.mx[k], made.my[k]] = [Math.log(size), xs[at], ys[at]];
      [made.xx[k], made.xy[k], made.yy[k]] = [made.xx[k] / size + 0.01, made.xy[k] / size, made.yy[k] / size + 0.01];
      project(made, k, family, grid);
    });
    return made;
  }

  // -------------------------------------------------------------- one student

  /** Run work to its end. */
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

  /** Whether some component rests on the floor that the grid imposes. */
  function onFloor(student, grid, family) {
    const own = reordered(student, [...student.logs.keys()]);
    return [...own.logs.keys()].some((k) => {
      [own.xx[k], own.xy[k], own.yy[k]] = [own.xx[k] / 1.001, own.xy[k] / 1.001, own.yy[k] / 1.001];
      const before = own.xx[k] + own.yy[k];
      project(own, k, family, grid);
      return student.logs[k] > FAINT && own.xx[k] + own.yy[k] > before * (1 + 1e-9);
    });
  }

  function* fit(target, n, family, { warm = null, drawing = false } = {}) {
    checkSettings(n, family);
    const given = unpacked(target);
    const closed = exactProjection(given, n, family);
    if (closed) return answer(closed, given, { looking: false, exact: true, reason: "" });
    const frame = frameOf(given);
    const standard = into(frame, given);
    const known = warm ? into(frame, unpacked(warm)) : null;
    if (drawing && known) return yield* drawn(standard, known, family, frame);
    let [best, reason] = [groupedStarts(standard, n, family, 1)[0], NO_GRID];
    for (let scale = 1; ; scale /= 2) {
      const [coarse, fine] = [COARSE, FINE].map((how) => gridOf(standard, family, how, scale));
      if (!coarse || !fine) break;
      best = yield* fitted(cloudOf(coarse, standard.logs), cloudOf(fine, standard.logs), standard, n, family, known);
      reason = onFloor(best, fine, family) ? TOO_COARSE : "";
      if (!reason) break;
    }
    return answer(outOf(frame, best), given, { looking: false, exact: !reason, reason });
  }

  /** EM from every start on a coarse grid, and from the best of their ends on a fine one. */
  function* fitted(coarse, fine, target, n, family, known) {
    const starts = coldStarts(coarse, target, n, family, 10);
    if (known) starts.push(known);
    const looks = [];
    for (const start of starts) looks.push(yield* climb(coarse, family, start, 1e-3, 40));
    looks.sort((one, other) => other.reached - one.reached);
    let best = null;
    for (const look of looks.slice(0, 4)) {
      const end = yield* climb(fine, family, look.student, 1e-5, 300);
      if (!best || end.reached > best.reached) best = end;
    }
    return best.student;
  }

  /** Continue a student on a new target, a few steps of EM: what there is time for while a hand moves. */
  function* drawn(target, known, family, frame) {
    const grid = gridOf(target, family, COARSE);
    if (!grid) return { student: packed(outOf(frame, known)), kl: NaN, looking: true, exact: false, reason: NO_GRID };
    const cloud = cloudOf(grid, target.logs);
    const { student, reached } = yield* climb(cloud, family, known, ...hurry(grid));
    return { student: packed(outOf(frame, student)), kl: Math.max(0, cloud.own - reached), looking: true, exact: false, reason: TO_DRAW };
  }

  /** Tolerance and steps of EM while a hand moves. */
  const hurry = ({ nodes }) => [2e-3, Math.max(2, Math.min(12, Math.floor(20_000 / nodes)))];

  function answer(student, target, more) {
    const found = measures.measured(student, target);
    return { student: packed(student), kl: Math.max(0, -found.entropy - found.recall), ...more };
  }

  // -------------------------------------------------------------- how far students are from each other

  /** A student's components in the order in which they lie nearest another's: nearest pairs first. */
  function orderFor(student, other) {
    const [order, taken] = [new Array(other.size).fill(-1), new Set()];
    for (let turn = 0; turn < other.size; turn += 1) {
      let [least, pair] = [Infinity, null];
      for (let k = 0; k < student.size; k += 1) {
        for (let l = 0; l < other.size; l += 1) {
          if (taken.has(k) || order[l] >= 0) continue;
          const shapes = [Math.log(student.xx[k] / other.xx[l]), Math.log(student.yy[k] / other.yy[l])];
          const apart = (student.mx[k] - other.mx[l]) ** 2 + (student.my[k] - other.my[l]) ** 2 + 0.25 * (shapes[0] ** 2 + shapes[1] ** 2);
          if (apart < least) [least, pair] = [apart, [k, l]];
        }
      }
      order[pair[1]] = pair[0];
      taken.add(pair[0]);
    }
    return order;
  }

  const aligned = (student, other) => reordered(student, orderFor(student, other));

  /** The largest difference of two students, component by component: of weights or their logs, of means and shapes. */
  function apart(one, other, { logs, faint }) {
    const [a, b] = [one, other].map((student) => vector(student, new Float64Array(student.size * SIZE)));
    let most = 0;
    for (let k = 0; k < one.size; k += 1) {
      const seen = faint || Math.max(one.logs[k], other.logs[k]) > LIGHT;
      if (!logs) most = Math.max(most, Math.abs(Math.exp(one.logs[k]) - Math.exp(other.logs[k])));
      if (seen) for (let m = logs ? 0 : 1; m < SIZE; m += 1) most = Math.max(most, Math.abs(a[k * SIZE + m] - b[k * SIZE + m]));
    }
    return most;
  }

  const same = (one, other) => apart(aligned(one, other), other, { logs: true, faint: false }) <= SAME;
  const steady = (one, other, faint) => apart(one, other, { logs: false, faint }) <= STEADY;

  // -------------------------------------------------------------- the path

  function* path(teacher, n, family, betas, { warm = null, drawing = false } = {}) {
    checkSettings(n, family);
    const given = unpacked(teacher);
    const tempered = betas.map((beta) => measures.tempered(given, beta));
    if (exactProjection(tempered[0], n, family)) {
      const students = tempered.map((target) => packed(exactProjection(target, n, family)));
      return { students, switched: betas.map(() => false), looking: false, exact: true, reason: "" };
    }
    const frame = frameOf(given);
    const targets = tempered.map((target) => into(frame, target));
    const before = warm ? betas.map((beta) => into(frame, unpacked(warm.students[nearestBeta(warm.betas, beta)]))) : null;
    const found = yield* (drawing ? drawnPath : exactPath)(into(frame, given), targets, n, family, before);
    return { ...found, students: found.students.map((student) => packed(outOf(frame, student))) };
  }

  /** Search on a coarse grid, settle on a fine one, look at both where the path switches; on finer grids if need be. */
  function* exactPath(teacher, targets, n, family, before) {
    let found = { students: targets.map((target) => groupedStarts(target, n, family, 1)[0]), switched: targets.map(() => false) };
    let reason = NO_GRID;
    for (let scale = 1; ; scale /= 2) {
      const [coarse, fine] = [COARSE, FINE].map((how) => gridOf(teacher, family, how, scale));
      if (!coarse || !fine) break;
      const search = lineOf(coarse, targets, family, 1e-3, 40);
      yield* ownStarts(search, targets, n, before);
      for (let turn = 0, quiet = 0; turn < PASSES && quiet < 2; turn += 1) quiet = (yield* passAlong(search, turn % 2 ? -1 : 1)) ? 0 : quiet + 1;
      const settled = lineOf(fine, targets, family, 1e-4, 60);
      yield* settle(settled, search.best);
      const switched = yield* atSwitches(settled);
      found = { students: settled.best, switched, nodes: [coarse.nodes, fine.nodes], kl: settled.clouds.map((cloud, i) => Math.max(0, cloud.own - settled.reached[i])) };
      reason = settled.best.some((student) => onFloor(student, fine, family)) ? TOO_COARSE : "";
      if (!reason) break;
    }
    return { ...found, looking: false, exact: !reason, reason, count: stepsTaken() };
  }

  /** What a search along the slider knows: each position's cloud, its best student so far, how good that is. */
  function lineOf(grid, targets, family, tolerance, limit) {
    return { clouds: targets.map((target) => cloudOf(grid, target.logs)), family, tolerance, limit, best: [], reached: [], asked: new Map() };
  }

  /** Continue the students of the path before, or where there was none each position's cheapest grouping. */
  function* drawnPath(teacher, targets, n, family, before) {
    const grid = gridOf(teacher, family, COARSE);
    const students = [];
    for (const [i, target] of targets.entries()) {
      const start = before?.[i] ?? groupedStarts(target, n, family, 1)[0];
      students.push(grid ? (yield* climb(cloudOf(grid, target.logs), family, start, ...hurry(grid))).student : start);
    }
    return { students, switched: targets.map(() => false), looking: true, exact: false, reason: grid ? TO_DRAW : NO_GRID };
  }

  const nearestBeta = (betas, beta) => betas.reduce((best, one, i) => (Math.abs(Math.log(one / beta)) < Math.abs(Math.log(betas[best] / beta)) ? i : best), 0);

  /** At each position the best of its own starts, of what is known, and of the one before, after a look at each. */
  function* ownStarts({ clouds, family, best, reached, tolerance, limit }, targets, n, before) {
    for (const [i, cloud] of clouds.entries()) {
      const thorough = i % THOROUGH === 0;
      const starts = thorough ? coldStarts(cloud, targets[i], n, family, 10) : i % OFTEN === 0 ? groupedStarts(targets[i], n, family, COLD) : [];
      if (before) starts.push(before[i]);
      if (i) starts.push(best[i - 1]);
      let top = null;
      for (const start of starts.length > 1 ? starts : []) {
        const look = yield* climb(cloud, family, start, tolerance, thorough ? limit : LOOK);
        if (!top || look.reached > top.reached) top = look;
      }
      const end = yield* climb(cloud, family, top?.student ?? starts[0], tolerance, limit);
      [best[i], reached[i]] = [end.student, end.reached];
    }
  }

  /** The cheapest groupings of a target, and some starts that know nothing of its components. */
  function coldStarts(cloud, target, n, family, count) {
    const starts = groupedStarts(target, n, family, count);
    for (let fewer = Math.min(n, withMass(target).size) - 1; fewer >= 1; fewer -= 1) {
      starts.push(splitUp(groupedStarts(target, fewer, family, 1)[0], n));
    }
    for (let number = 0, more = Math.max(2, count - starts.length); number < more; number += 1) starts.push(spreadStart(cloud, n, family, number));
    return starts;
  }

  function* passAlong(search, side) {
    let changed = 0;
    const order = [...search.clouds.keys()];
    for (const i of side > 0 ? order : order.reverse()) if (yield* tryNeighbour(search, i, side)) changed += 1;
    return changed;
  }

  /** Continue the student of i - side at i; keep it if it is better (from the left: as good). */
  function* tryNeighbour({ clouds, family, best, reached, asked, tolerance, limit }, i, side) {
    const theirs = best[i - side];
    if (!theirs || !best[i]) return false;
    const [key, now] = [2 * i + (side > 0), `${reached[i]} ${reached[i - side]}`];
    best[i] = aligned(best[i], theirs);
    if (asked.get(key) === now || steady(best[i], theirs, true)) return false;
    asked.set(key, now);
    const end = yield* climb(clouds[i], family, theirs, tolerance, limit);
    if (end.reached - reached[i] < (side > 0 ? -TIE : TIE) || same(end.student, best[i])) return false;
    [best[i], reached[i]] = [end.student, end.reached];
    return true;
  }

  function* settle({ clouds, family, best, reached, tolerance, limit }, guesses) {
    for (const [i, cloud] of clouds.entries()) {
      const end = yield* climb(cloud, family, guesses[i], tolerance, limit);
      [best[i], reached[i]] = [end.student, end.reached];
    }
  }

  /** Let the students on both sides of each switch compete around it; returns where switches are left. */
  function* atSwitches(search) {
    const before = yield* switches(search);
    for (const side of [1, -1]) {
      for (const [i, switched] of before.entries()) {
        if (switched) for (let here = side > 0 ? i : i - 1, n = 0; n < 10 && (yield* tryNeighbour(search, here, side)); n += 1) here += side;
      }
    }
    search.best.forEach((student, i) => { if (i) search.best[i] = aligned(student, search.best[i - 1]); });
    return yield* switches(search);
  }

  /** At i: continuing i - 1 does not lead to i's student, or continuing i does not lead back. */
  function* switches({ clouds, family, best, tolerance, limit }) {
    const found = [false];
    for (let i = 1; i < best.length; i += 1) {
      const here = aligned(best[i], best[i - 1]);
      found.push(false);
      if (steady(here, best[i - 1], false)) continue;
      const there = yield* climb(clouds[i], family, best[i - 1], tolerance, limit);
      found[i] = !same(there.student, here);
      if (found[i]) continue;
      const back = yield* climb(clouds[i - 1], family, here, tolerance, limit);
      found[i] = !same(back.student, best[i - 1]);
    }
    return found;
  }

  return { fit, path, finish };
}
