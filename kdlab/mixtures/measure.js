/**
 * What mixtures of Gaussians are worth, on the page: densities, precision and recall, their bounds, coverage, contours.
 *
 * Python (kdlab.mixtures.model, judge, limits) is the truth; tests/mixtures/test_measure_js.py compares the two. Everything
 * lies inside one function, so that the same text serves on the page's thread and in a Worker made from it. A mixture is a
 * plain object {weights: [K], means: [K][D], covariances: [K][D][D]}, D = 1 or 2; all log-densities are in nats.
 *
 *   tempered(mixture, beta)             weights to the power of beta, and normalised
 *   logDensity(mixture, point)          log p at one point [D]
 *   measured(student, truth, options)   {precision, recall, entropy, coverage: [K*], exact, reason}: to 1e-6 nats, or where
 *                                       that would take too long `exact` is false and `reason` says why;
 *                                       options.drawing: good enough to draw (0.01 nats), several times faster
 *   precision, recall(student, truth)   one number of these; coverage(student, truth) the shares of p*'s modes
 *   bounds(truth)                       {recall: -H(p*), precision: max log p*}
 *   contours(truth, x, y, shares)       [{level, path: [[[x, y], ...], ...]}]: lines around these shares of its mass, in 2-D
 *
 * What is no mixture is an Error. `inside` is for fit.js: mixtures unpacked into arrays, and their densities on grids.
 */
function makeMeasures() {
  const EXACT = 3e-7; // nats; the promise is 1e-6
  const FIRST = 0.7; // the first grid's step, in deviations of what is narrow where it is narrow
  const FINER = 0.7; // from one grid's step to the next one's
  const DRAWN = 0.5; // the step of what is only drawn
  const MOST_NODES = 3e6; // of one grid: a fifth of a second
  const RADIUS = 7.5; // standard deviations; what lies beyond weighs less than 1e-12
  const WEIGHTLESS = -40; // a lighter log-weight makes no grid larger
  const WIDENS = 4; // deviations from a mode at which a grid begins to be coarser
  const COVERED = Math.log(0.1); // a point is covered where the student has a tenth of p*'s density
  const FLAT = 1 / (2 * Math.PI); // the variance of the first axis in 1-D: its density at 0 is one
  const TINY = 1e-150; // the product of two such numbers is still a number
  const MEANS = ["precision", "recall", "entropy"];
  const TOO_FINE = "the widths differ too much to be sure of the last digits";
  const LOG_2PI = Math.log(2 * Math.PI);
  const CLIMBERS = 40; // places on ridges, the likeliest, that are climbed from
  const SHARES = [0.99, 0.95, 0.85, 0.7, 0.5, 0.25];
  const CELLS = 96;

  // -------------------------------------------------------------- mixtures, checked and unpacked

  const said = (value) => JSON.stringify(value, (_, inner) => (typeof inner === "number" && !Number.isFinite(inner) ? String(inner) : inner));
  const refuse = (what, value, rule) => { throw new Error(`${what} ${said(value)}: ${rule}`); };
  const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

  /** Throw an Error, which says what to do, unless this is a mixture in one or two dimensions. */
  function check(mixture) {
    const { weights, means, covariances } = mixture ?? {};
    for (const [name, list] of Object.entries({ weights, means, covariances })) {
      if (!Array.isArray(list) || !list.length) refuse(`${name} are`, list ?? null, "give a list with one entry for each component");
      if (list.length !== weights.length) refuse(`${name} are`, list, `give one for each of the ${weights.length} weights`);
    }
    if (!weights.every((one) => isNumber(one) && one >= 0)) refuse("weights are", weights, "make each a finite number, not negative");
    const sum = weights.reduce((all, one) => all + one, 0);
    if (Math.abs(sum - 1) > 1e-6) refuse("weights", weights, `they sum to ${sum}, not 1; divide them by their sum`);
    const dim = means[0]?.length;
    if (dim !== 1 && dim !== 2) refuse("the first mean is", means[0], "give a list of one or two numbers, as in [0.5]");
    means.forEach((mean, k) => {
      if (mean?.length !== dim || !mean.every(isNumber)) refuse(`mean ${k} is`, mean, `give a list of finite numbers, ${dim} as in the first`);
    });
    covariances.forEach((covariance, k) => checkCovariance(covariance, k, dim));
    return dim;
  }

  function checkCovariance(covariance, k, dim) {
    const square = Array.isArray(covariance) && covariance.length === dim
      && covariance.every((row) => row?.length === dim && row.every(isNumber));
    if (!square) refuse(`covariance ${k} is`, covariance, `give ${dim} lists of ${dim} finite numbers`);
    if (dim === 2 && Math.abs(covariance[0][1] - covariance[1][0]) > 1e-6 * Math.max(...covariance.flat().map(Math.abs))) {
      refuse(`covariance ${k} is`, covariance, "make it symmetric, with the same number at both corners");
    }
    const [[a, b], [, d]] = dim === 1 ? [[covariance[0][0], 0], [0, 1]] : covariance;
    if (!(a > 0 && d > 0 && a * d - b * b > 0)) {
      refuse(`covariance ${k} is`, covariance, "it must be positive definite; give each axis a variance above zero");
    }
  }

  /** Room for `size` components: log-weights, means and covariances, each number in an array of its own. */
  function room(dim, size) {
    const made = { dim, size };
    for (const name of ["logs", "mx", "my", "xx", "xy", "yy"]) made[name] = new Float64Array(size);
    if (dim === 1) made.xx.fill(FLAT);
    return made;
  }

  /** A mixture as arrays. One dimension lies along y, at x = 0. What is unpacked already is returned as it is. */
  function unpacked(mixture) {
    if (mixture.logs) return mixture;
    const dim = check(mixture);
    const made = room(dim, mixture.weights.length);
    const sum = mixture.weights.reduce((all, one) => all + one, 0);
    mixture.weights.forEach((weight, k) => {
      const [mean, covariance] = [mixture.means[k], mixture.covariances[k]];
      made.logs[k] = Math.log(weight / sum);
      made.my[k] = mean[dim - 1];
      made.yy[k] = covariance[dim - 1][dim - 1];
      if (dim === 2) [made.mx[k], made.xx[k], made.xy[k]] = [mean[0], covariance[0][0], (covariance[0][1] + covariance[1][0]) / 2];
    });
    return made;
  }

  /** Back to a plain object. */
  function packed({ dim, size, logs, mx, my, xx, xy, yy }) {
    const list = (entry) => Array.from({ length: size }, (_, k) => entry(k));
    return {
      weights: list((k) => Math.exp(logs[k])),
      means: list((k) => (dim === 1 ? [my[k]] : [mx[k], my[k]])),
      covariances: list((k) => (dim === 1 ? [[yy[k]]] : [[xx[k], xy[k]], [xy[k], yy[k]]])),
    };
  }

  /** log of a sum of exponentials. */
  function logSum(logs) {
    const top = Math.max(...logs);
    return top + Math.log(logs.reduce((sum, one) => sum + Math.exp(one - top), 0));
  }

  /** The same components with weights to the power of beta. */
  function tempered(mixture, beta) {
    if (!(beta >= 0 && beta < Infinity)) refuse("beta is", beta, "the weights are raised to a power, a finite number from 0; try 1");
    const whole = unpacked(mixture);
    const top = Math.max(...whole.logs);
    const logs = whole.logs.map((one) => (one === -Infinity ? one : beta * (one - top)));
    const total = logSum(logs);
    const made = { ...whole, logs: logs.map((one) => one - total) };
    return mixture.logs ? made : packed(made);
  }

  // -------------------------------------------------------------- densities

  /** What each component's log-density is made of: height - (pxx dx dx + 2 pxy dx dy + pyy dy dy) / 2. */
  function form({ logs, xx, xy, yy }, k) {
    const det = xx[k] * yy[k] - xy[k] * xy[k];
    return { height: logs[k] - LOG_2PI - 0.5 * Math.log(det), pxx: yy[k] / det, pxy: -xy[k] / det, pyy: xx[k] / det };
  }

  /** log p at (x, y), without underflow however far. */
  function logAt(mixture, forms, x, y) {
    let [top, sum] = [-Infinity, 0];
    for (let k = 0; k < mixture.size; k += 1) {
      const { height, pxx, pxy, pyy } = forms[k];
      const [dx, dy] = [x - mixture.mx[k], y - mixture.my[k]];
      const term = height - 0.5 * (pxx * dx * dx + 2 * pxy * dx * dy + pyy * dy * dy);
      if (term > top) [top, sum] = [term, 1 + sum * Math.exp(top - term)];
      else if (term > -Infinity) sum += Math.exp(term - top);
    }
    return top + Math.log(sum);
  }

  const formsOf = (mixture) => Array.from({ length: mixture.size }, (_, k) => form(mixture, k));

  function logDensity(mixture, point) {
    const whole = unpacked(mixture);
    return logAt(whole, formsOf(whole), whole.dim === 1 ? 0 : point[0], point[whole.dim - 1]);
  }

  /**
   * A mixture of `size` components on a grid of these axes. After `set(mixture)`, `row(i, low, high)` has the densities of
   * one row of nodes in `total`, and each component's in `parts`. Without a tilt they are products, a factor for each axis.
   */
  function sheet(size, x, y) {
    const arrays = () => Array.from({ length: size }, () => new Float64Array(y.size));
    const [columns, aparts, parts] = [arrays(), arrays(), arrays()];
    const total = new Float64Array(y.size);
    let [whole, forms] = [null, []];

    function set(mixture) {
      [whole, forms] = [mixture, formsOf(mixture)];
      for (let k = 0; k < size; k += 1) {
        const [column, apart, mean, half] = [columns[k], aparts[k], mixture.my[k], -0.5 * forms[k].pyy];
        const tilted = mixture.xy[k] !== 0;
        for (let j = 0; j < y.size; j += 1) {
          const dy = y.at[j] - mean;
          if (tilted) apart[j] = dy;
          const power = half * dy * dy;
          column[j] = tilted ? power : power < -340 ? 0 : Math.exp(power);
        }
      }
    }

    function row(i, low, high) {
      for (let j = low; j < high; j += 1) total[j] = 0;
      for (let k = 0; k < size; k += 1) {
        const { height, pxx, pxy } = forms[k];
        const dx = x.at[i] - whole.mx[k];
        const power = height - 0.5 * pxx * dx * dx;
        if (whole.xy[k] !== 0) tiltedRow(parts[k], total, columns[k], aparts[k], power, -pxy * dx, low, high);
        else uprightRow(parts[k], total, columns[k], power < -340 ? 0 : Math.exp(power), low, high);
      }
    }
    /** log p at a node where `total` has underflowed. */
    const logHere = (i, j) => logAt(whole, forms, x.at[i], y.at[j]);
    /** Which component is the likeliest there. */
    function nearest(i, j) {
      const terms = forms.map(({ height, pxx, pxy, pyy }, k) => {
        const [dx, dy] = [x.at[i] - whole.mx[k], y.at[j] - whole.my[k]];
        return height - 0.5 * (pxx * dx * dx + 2 * pxy * dx * dy + pyy * dy * dy);
      });
      return terms.indexOf(Math.max(...terms));
    }
    return { set, row, total, parts, logHere, nearest };
  }

  function uprightRow(part, total, column, factor, low, high) {
    for (let j = low; j < high; j += 1) {
      const value = factor * column[j];
      part[j] = value;
      total[j] += value;
    }
  }

  function tiltedRow(part, total, column, apart, power, slope, low, high) {
    for (let j = low; j < high; j += 1) {
      const exponent = power + slope * apart[j] + column[j];
      const value = exponent < -340 ? 0 : Math.exp(exponent);
      part[j] = value;
      total[j] += value;
    }
  }

  // -------------------------------------------------------------- grids

  /**
   * The nodes of one axis between two places, `step` deviations of what is narrow there apart: equal steps of a variable t
   * in which every component is about as wide. `cell` is dx/dt. Equal steps in t converge as fast as equal steps in x do.
   */
  function axis(centres, cuts, deviations, [low, high], step) {
    const n = centres.length;
    const strengths = cuts.map((cut) => cut ** -4);
    const scales = deviations.map((deviation) => 1 / (WIDENS * deviation));
    const spacing = (at) => {
      let sum = 0;
      for (let k = 0; k < n; k += 1) {
        const apart = (at - centres[k]) * scales[k];
        const square = 1 + apart * apart;
        sum += strengths[k] / (square * square);
      }
      return step / Math.sqrt(Math.sqrt(sum));
    };
    const half = (here, one) => { // half a step of t, by Runge and Kutta's rule
      const two = spacing(here + one / 4);
      const three = spacing(here + two / 4);
      return here + (one + 2 * two + 2 * three + spacing(here + three / 2)) / 12;
    };
    const [at, cell] = [[], []];
    for (let here = low, one = spacing(low); ; one = spacing(here)) {
      at.push(here);
      cell.push(one);
      if (here >= high || at.length > MOST_NODES) break;
      const middle = half(here, one);
      here = half(middle, spacing(middle));
    }
    return { at: Float64Array.from(at), cell: Float64Array.from(cell), size: at.length };
  }

  /**
   * Both axes of a grid on which all components of some mixtures are seen, and which holds all but the weightless ones.
   * A `round` grid is as fine along either axis as the finer one asks for: what is round and narrow along one is along both.
   */
  function axesOf(mixtures, radius, step, round = false) {
    const along = (mean, own, other) => {
      const [centres, cuts, deviations, ends] = [[], [], [], [Infinity, -Infinity]];
      for (const mixture of mixtures) {
        for (let k = 0; k < mixture.size; k += 1) {
          if (mixture.logs[k] === -Infinity) continue;
          const deviation = Math.sqrt(mixture[own][k]);
          centres.push(mixture[mean][k]);
          deviations.push(deviation);
          const least = round ? Math.min(mixture[own][k], mixture[other][k]) : mixture[own][k];
          cuts.push(Math.sqrt(least * (1 - mixture.xy[k] ** 2 / (mixture.xx[k] * mixture.yy[k]))));
          if (mixture.logs[k] < WEIGHTLESS) continue;
          ends[0] = Math.min(ends[0], mixture[mean][k] - radius * deviation);
          ends[1] = Math.max(ends[1], mixture[mean][k] + radius * deviation);
        }
      }
      return axis(centres, cuts, deviations, ends, step);
    };
    const flat = mixtures[0].dim === 1;
    if (flat) round = false;
    const x = flat ? { at: new Float64Array(1), cell: new Float64Array([1]), size: 1 } : along("mx", "xx", "yy");
    return [x, along("my", "yy", "xx")];
  }

  /** The first node of an axis that is not before a place. */
  function from({ at, size }, place) {
    let [low, high] = [0, size];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (at[middle] < place) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** For each row the first node, and the one after the last, within `radius` deviations of any component. */
  function rowsWithin(mixtures, x, y, radius, least = WEIGHTLESS) {
    const [lows, highs] = [new Int32Array(x.size), new Int32Array(x.size)];
    for (let i = 0; i < x.size; i += 1) {
      let [low, high] = [Infinity, -Infinity];
      for (const { size, logs, mx, my, xx, xy, yy } of mixtures) {
        for (let k = 0; k < size; k += 1) {
          const dx = x.at[i] - mx[k];
          const left = radius * radius - (dx * dx) / xx[k];
          if (left <= 0 || !(logs[k] > least)) continue;
          const middle = my[k] + (xy[k] / xx[k]) * dx;
          const reach = Math.sqrt(left * (yy[k] - (xy[k] * xy[k]) / xx[k]));
          if (middle - reach < low) low = middle - reach;
          if (middle + reach > high) high = middle + reach;
        }
      }
      lows[i] = from(y, low);
      highs[i] = from(y, high);
    }
    return { lows, highs, nodes: highs.reduce((sum, high, i) => sum + Math.max(0, high - lows[i]), 0) };
  }

  // -------------------------------------------------------------- what a student is worth

  /** Both means of both log-densities, and coverage, from one pass over one grid. */
  function pass(student, truth, step) {
    const [x, y] = axesOf([student, truth], RADIUS, step);
    const { lows, highs, nodes } = x.size * y.size > 20 * MOST_NODES ? { nodes: Infinity } : rowsWithin([student, truth], x, y, RADIUS);
    if (nodes > MOST_NODES) return null;
    const [q, p] = [sheet(student.size, x, y), sheet(truth.size, x, y)];
    q.set(student);
    p.set(truth);
    const sums = { precision: 0, recall: 0, entropy: 0, q: 0, p: 0, covered: new Float64Array(truth.size) };
    for (let i = 0; i < x.size; i += 1) {
      q.row(i, lows[i], highs[i]);
      p.row(i, lows[i], highs[i]);
      addRow(sums, q, p, i, lows[i], highs[i], x.cell[i], y.cell);
    }
    return {
      precision: sums.precision / sums.q, recall: sums.recall / sums.p, entropy: -sums.entropy / sums.p,
      coverage: Array.from(sums.covered, (mass, k) => (mass > 0 ? Math.min(1, mass / Math.exp(truth.logs[k])) : 0)),
    };
  }

  function addRow(sums, q, p, i, low, high, width, cell) {
    for (let j = low; j < high; j += 1) {
      const [learned, true_] = [q.total[j], p.total[j]];
      const logQ = learned > 1e-140 ? Math.log(learned) : q.logHere(i, j);
      const logP = true_ > 1e-140 ? Math.log(true_) : p.logHere(i, j);
      const area = width * cell[j];
      sums.precision += area * learned * logP;
      sums.recall += area * true_ * logQ;
      sums.entropy += area * true_ * logP;
      sums.q += area * learned;
      sums.p += area * true_;
      if (logQ < logP + COVERED) continue;
      for (let k = 0; k < p.parts.length; k += 1) sums.covered[k] += area * p.parts[k][j];
    }
  }

  /** E_{x ~ model} log N(x; gaussian) by the model's moments. */
  function crossTerm(model, gaussian, k) {
    const { height, pxx, pxy, pyy } = form(gaussian, k);
    let sum = 0;
    for (let j = 0; j < model.size; j += 1) {
      const [dx, dy] = [model.mx[j] - gaussian.mx[k], model.my[j] - gaussian.my[k]];
      const [sx, sy] = [model.xx[j] + dx * dx, model.yy[j] + dy * dy];
      sum += Math.exp(model.logs[j]) * (pxx * sx + 2 * pxy * (model.xy[j] + dx * dy) + pyy * sy);
    }
    return height - 0.5 * (sum - (model.dim === 1 ? pxx * FLAT : 0)); // the flat axis has nothing to say
  }

  /** Means that need no grid: under whatever model, of the log-density of a single Gaussian. */
  function closedForms(found, student, truth) {
    if (student.size === 1) found.recall = crossTerm(truth, student, 0);
    if (truth.size === 1) [found.precision, found.entropy] = [crossTerm(student, truth, 0), -crossTerm(truth, truth, 0)];
    return found;
  }

  /** See the top: from grid to finer grid, until one has nothing to say that the one before had not. */
  function measured(student, truth, { drawing = false } = {}) {
    const both = [unpacked(student), unpacked(truth)];
    if (both[0].dim !== both[1].dim) refuse("dimensions are", both.map((one) => one.dim), "give two models of one space");
    let [step, before] = [drawing ? DRAWN : FIRST, null];
    for (;;) {
      const now = pass(...both, step);
      if (!now && before) return { ...before, exact: false, reason: TOO_FINE };
      if (now) closedForms(now, ...both);
      if (now && drawing) return { ...now, exact: false, reason: "good enough to draw" };
      const moved = now && before ? Math.max(...MEANS.map((name) => Math.abs(now[name] - before[name]))) : Infinity;
      if (moved < EXACT) return { ...now, exact: true, reason: "" };
      if (now) [step, before] = [step * FINER, now];
      else [step, drawing] = [step / FINER, true]; // even the first is too much: the finest that is not
    }
  }

  const precision = (student, truth, options) => measured(student, truth, options).precision;
  const recall = (student, truth, options) => measured(student, truth, options).recall;
  const coverage = (student, truth, options) => measured(student, truth, options).coverage;

  // -------------------------------------------------------------- bounds

  /** Where Gaussians' gradients, weighed by shares, cancel: on the ridge between them. */
  function ridge({ mx, my }, forms, some, share) {
    let [a, b, d, u, v] = [0, 0, 0, 0, 0];
    for (let s = 0; s < some.length; s += 1) {
      const [k, weight] = [some[s], share(s)];
      const { pxx, pxy, pyy } = forms[k];
      a += weight * pxx;
      b += weight * pxy;
      d += weight * pyy;
      u += weight * (pxx * mx[k] + pxy * my[k]);
      v += weight * (pxy * mx[k] + pyy * my[k]);
    }
    const det = a * d - b * b;
    return [(d * u - b * v) / det, (a * v - b * u) / det];
  }

  /** Places on the ridges between each two and each three components, where every mode lies; the means first. */
  function* places(mixture, forms, alive) {
    const ends = [-12, -10, -8, -6, -4, -2, 0, 2, 4, 6, 8, 10, 12].map((odds) => 1 / (1 + Math.exp(-odds)));
    for (const k of alive) yield [mixture.mx[k], mixture.my[k]];
    for (const k of alive) {
      for (const l of alive) {
        if (l >= k) break;
        for (const end of ends) yield ridge(mixture, forms, [k, l], (s) => (s ? 1 - end : end));
        for (const m of alive) {
          if (m >= l) break;
          yield ridge(mixture, forms, [k, l, m], () => 1 / 3);
        }
      }
    }
  }

  /** max log p, by mean-shift from the likeliest of those places: it never goes down. */
  function modeDensity(mixture) {
    const forms = formsOf(mixture);
    const alive = forms.map((_, k) => k).filter((k) => mixture.logs[k] > -Infinity);
    const height = ([x, y]) => logAt(mixture, forms, x, y);
    const likeliest = [...places(mixture, forms, alive)].map((place) => [height(place), place]).sort((one, other) => other[0] - one[0]);
    let best = -Infinity;
    for (let [now, place] of likeliest.slice(0, CLIMBERS)) {
      for (let step = 0; step < 5000; step += 1) {
        const [top, [x, y]] = [now, place];
        place = ridge(mixture, forms, alive, (s) => {
          const { height: log, pxx, pxy, pyy } = forms[alive[s]];
          const [dx, dy] = [x - mixture.mx[alive[s]], y - mixture.my[alive[s]]];
          return Math.exp(log - 0.5 * (pxx * dx * dx + 2 * pxy * dx * dy + pyy * dy * dy) - top);
        });
        now = height(place);
        if (!(now > top + 1e-13)) break;
      }
      best = Math.max(best, now);
    }
    return best;
  }

  /** What no student exceeds, nats: the recall of p* itself, and the log-density of its highest mode. */
  function bounds(truth) {
    const whole = unpacked(truth);
    return { recall: measured(whole, whole).recall, precision: modeDensity(whole) };
  }

  // -------------------------------------------------------------- contours

  /** Lines around shares of p*'s mass, in the plane, outermost first. Of mass, not of height: a light mode is still seen. */
  function contours(truth, x, y, shares = SHARES) {
    const whole = unpacked(truth);
    const line = ([low, high]) => {
      const at = Float64Array.from({ length: CELLS }, (_, i) => low + ((high - low) * i) / (CELLS - 1));
      return { at, size: CELLS };
    };
    const [across, up] = [line(x), line(y)];
    const page = sheet(whole.size, across, up);
    page.set(whole);
    const logs = new Float64Array(CELLS * CELLS);
    for (let i = 0; i < CELLS; i += 1) {
      page.row(i, 0, CELLS);
      for (let j = 0; j < CELLS; j += 1) logs[i * CELLS + j] = Math.log(Math.max(page.total[j], 1e-200));
    }
    const rising = logs.slice().sort();
    const masses = rising.map((log) => Math.exp(log - rising.at(-1)));
    const all = masses.reduce((sum, mass) => sum + mass, 0);
    return shares.map((share) => {
      let [n, held] = [masses.length - 1, masses.at(-1)];
      while (n > 0 && held < share * all) held += masses[n -= 1];
      return { level: share, path: linesAt(logs, rising[n], across.at, up.at) };
    });
  }

  /**
   * The lines at one level: a marching square joins the crossings of its edges two by two. An edge from node n along x is
   * 2 n, along y 2 n + 1; `one` and `other` are the two edges that a crossing is joined to.
   */
  function linesAt(logs, level, xs, ys) {
    const [one, other] = [0, 0].map(() => new Int32Array(2 * logs.length).fill(-1));
    const join = (a, b) => {
      for (const [from_, to] of [[a, b], [b, a]]) (one[from_] < 0 ? one : other)[from_] = to;
    };
    for (let n = 0; n + CELLS + 1 < logs.length; n += 1) {
      if (n % CELLS === CELLS - 1) continue;
      const [a, b, c, d] = [logs[n] > level, logs[n + CELLS] > level, logs[n + CELLS + 1] > level, logs[n + 1] > level]; // around it
      if (a === b && b === c && c === d) continue;
      const crossed = [];
      if (a !== b) crossed.push(2 * n);
      if (b !== c) crossed.push(2 * (n + CELLS) + 1);
      if (c !== d) crossed.push(2 * n + 2);
      if (d !== a) crossed.push(2 * n + 1);
      if (crossed.length === 2) join(...crossed);
      if (crossed.length !== 4) continue;
      const middle = (logs[n] + logs[n + CELLS] + logs[n + CELLS + 1] + logs[n + 1]) / 4 > level;
      const [s, t] = middle === a ? [1, 3] : [3, 1]; // the corner that stands alone is cut off
      join(crossed[0], crossed[s]);
      join(crossed[2], crossed[t]);
    }
    return traced(one, other, (edge) => crossing(edge, logs, level, xs, ys));
  }

  /** Where a level crosses an edge of the grid. */
  function crossing(edge, logs, level, xs, ys) {
    const n = edge >> 1;
    const [i, j] = [Math.floor(n / CELLS), n % CELLS];
    const next = edge & 1 ? n + 1 : n + CELLS;
    const share = (level - logs[n]) / (logs[next] - logs[n]);
    return edge & 1 ? [xs[i], ys[j] + share * (ys[j + 1] - ys[j])] : [xs[i] + share * (xs[i + 1] - xs[i]), ys[j]];
  }

  /** Follow joined crossings to lines: first those that end at the picture's edge, then loops, which come back. */
  function traced(one, other, place) {
    const [lines, seen] = [[], new Uint8Array(one.length)];
    const follow = (start, loop) => {
      const line = [];
      for (let edge = start; edge >= 0 && !seen[edge]; edge = seen[one[edge]] ? other[edge] : one[edge]) {
        seen[edge] = 1;
        line.push(place(edge));
        if (other[edge] >= 0 && seen[other[edge]] && seen[one[edge]]) break;
      }
      lines.push(loop ? [...line, line[0]] : line);
    };
    for (let edge = 0; edge < one.length; edge += 1) if (one[edge] >= 0 && other[edge] < 0 && !seen[edge]) follow(edge, false);
    for (let edge = 0; edge < one.length; edge += 1) if (one[edge] >= 0 && !seen[edge]) follow(edge, true);
    return lines;
  }

  return { check, tempered, logDensity, measured, precision, recall, coverage, bounds, contours,
    inside: { room, unpacked, packed, sheet, axesOf, rowsWithin, form, formsOf, logAt, logSum, refuse, FLAT } };
}
