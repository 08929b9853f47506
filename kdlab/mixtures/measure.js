/**
 * What mixtures of Gaussians are worth, computed on the page: precision and recall, their bounds, coverage.
 *
 * Python (kdlab.mixtures.model, judge) is the truth, and tests/mixtures/test_measure_js.py compares the two. All lies
 * inside one function, so that its text serves on the page's thread and in a Worker alike. A mixture is a plain object
 * {weights: [K], means: [K][D], covariances: [K][D][D]} with D = 1 or 2; log-densities are in nats. makeMeasures() has
 *
 *   check(mixture)                  its D; an Error that says what to do if it is no mixture, as all of these throw
 *   tempered(mixture, beta)         its weights to the power of beta, normalised
 *   logDensity(mixture, point)      log p at a point [D]
 *   measured(student, truth)        {precision, recall, entropy, coverage: [K*], exact, reason, step}: the means to some 1e-6
 *                                   nats; where that would take more than some tenths of a second `exact` is false, `reason` says why
 *   measured(student, truth, {drawing: true})   the same to some thousandths of a nat, several times faster
 *   measured(student, truth, {fine: step})      on one grid, as fine as a student much like this one needed
 *   bounds(truth)                   {recall: -H(p*), precision: max log p*}
 *
 * and `inside`, for contours.js, fit.js and path.js: mixtures as arrays, and their densities on grids.
 */
function makeMeasures() {
  const [EXACT, DIGITS] = [3e-7, 1e-11]; // nats, or a part of a mean, by which the last two grids may differ
  const [FIRST, FINER] = [0.7, 0.7]; // the first grid's step, in deviations of what is narrow there; from a step to the next
  const DRAWN = 0.6; // the step of what is only drawn
  const MOST_NODES = [1e5, 1e6]; // of a grid in 1-D and in 2-D: some hundredths of a second
  const [RADIUS, NEAR] = [7.5, 5]; // standard deviations: what lies beyond weighs less than 1e-12; what is only drawn, than 1e-5
  const WEIGHTLESS = -40; // a lighter log-weight makes no grid larger
  const WIDENS = 4; // deviations from a mode at which nodes begin to stand farther apart
  const COVERED = Math.log(0.1); // a point is covered where the student has a tenth of p*'s density
  const FLAT = 1 / (2 * Math.PI); // the variance of a first axis that is none: its density at 0 is one
  const UNDERFLOW = -340; // the product of two exponentials above it is still a number
  const LOG_2PI = Math.log(2 * Math.PI);
  const CLIMBERS = 40; // places on ridges, the likeliest, that are climbed from
  const MEANS = ["precision", "recall", "entropy"];
  const FIELDS = ["logs", "mx", "my", "xx", "xy", "yy"];
  const TOO_FINE = "widths or distances differ too much to be sure of the last digits";

  // -------------------------------------------------------------- mixtures, checked, as arrays

  const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

  /** Throw an Error: what it is, its value, the rule and what to do. */
  function refuse(what, value, rule) {
    const plain = (_, inner) => (typeof inner === "number" && !Number.isFinite(inner) ? String(inner) : inner);
    throw new Error(`${what} ${JSON.stringify(value, plain)}: ${rule}.`);
  }

  function check(mixture) {
    const { weights, means, covariances } = mixture ?? {};
    for (const [name, list] of Object.entries({ weights, means, covariances })) {
      if (!Array.isArray(list) || !list.length) refuse(`${name} are`, list ?? null, "give a list with one entry for each component");
      if (list.length !== weights.length) refuse(`${name} are`, list, `give one for each of the ${weights.length} weights`);
    }
    if (!weights.every((one) => isNumber(one) && one >= 0)) refuse("weights are", weights, "make each a finite number, not negative");
    const sum = weights.reduce((all, one) => all + one, 0);
    if (Math.abs(sum - 1) > 1e-6) refuse("weights are", weights, `they sum to ${sum}, not 1; divide them by their sum`);
    const dim = means[0]?.length;
    if (dim !== 1 && dim !== 2) refuse("mean 0 is", means[0], "give a list of one or two numbers, as in [0.5]");
    means.forEach((mean, k) => {
      if (mean?.length !== dim || !mean.every(isNumber)) refuse(`mean ${k} is`, mean, `give a list of ${dim} finite numbers`);
      checkCovariance(covariances[k], k, dim);
    });
    return dim;
  }

  function checkCovariance(covariance, k, dim) {
    const square = Array.isArray(covariance) && covariance.length === dim
      && covariance.every((row) => row?.length === dim && row.every(isNumber));
    if (!square) refuse(`covariance ${k} is`, covariance, `give ${dim} lists of ${dim} finite numbers`);
    const [[a, b], [c, d]] = dim === 1 ? [[covariance[0][0], 0], [0, 1]] : covariance;
    if (Math.abs(b - c) > 1e-6 * Math.max(Math.abs(a), Math.abs(b), Math.abs(c), Math.abs(d))) {
      refuse(`covariance ${k} is`, covariance, "make it symmetric: the same number at both corners");
    }
    if (!(a > 0 && d > 0 && a * d - b * b > 0)) {
      refuse(`covariance ${k} is`, covariance, "it must be positive definite; give each axis a variance above zero");
    }
  }

  /** Room for `size` components: log-weights, means, covariances. One dimension lies along y, at x = 0 of a flat axis. */
  function room(dim, size) {
    const made = { dim, size };
    for (const name of FIELDS) made[name] = new Float64Array(size);
    if (dim === 1) made.xx.fill(FLAT);
    return made;
  }

  /** A mixture as arrays; what is one already is returned as it is. */
  function unpacked(mixture) {
    if (mixture?.logs) return mixture;
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

  /** Log-weights that sum to one, in place. */
  function normalise(logs) {
    const top = logs.reduce((most, one) => Math.max(most, one), -Infinity);
    const total = top + Math.log(logs.reduce((sum, one) => sum + Math.exp(one - top), 0));
    for (let k = 0; k < logs.length; k += 1) logs[k] -= total;
    return logs;
  }

  function tempered(mixture, beta) {
    if (!(isNumber(beta) && beta >= 0)) refuse("beta is", beta, "weights are raised to a power, a finite number from 0; try 1");
    const whole = unpacked(mixture);
    const logs = normalise(whole.logs.map((one) => (one === -Infinity ? one : beta * one)));
    return mixture.logs ? { ...whole, logs } : packed({ ...whole, logs });
  }

  // -------------------------------------------------------------- densities

  /** What each component's log-density is made of: height - (pxx dx dx + 2 pxy dx dy + pyy dy dy) / 2. */
  function formsOf({ size, logs, xx, xy, yy }) {
    return Array.from({ length: size }, (_, k) => {
      const det = xx[k] * yy[k] - xy[k] * xy[k];
      return { height: logs[k] - LOG_2PI - 0.5 * Math.log(det), pxx: yy[k] / det, pxy: -xy[k] / det, pyy: xx[k] / det };
    });
  }

  /** Component k's log-density at (x, y), its weight in it. */
  function termAt({ mx, my }, forms, k, x, y) {
    const { height, pxx, pxy, pyy } = forms[k];
    const [dx, dy] = [x - mx[k], y - my[k]];
    return height - 0.5 * (pxx * dx * dx + 2 * pxy * dx * dy + pyy * dy * dy);
  }

  /** log p at (x, y), without underflow however far. */
  function logAt(mixture, forms, x, y) {
    let [top, sum] = [-Infinity, 0];
    for (let k = 0; k < mixture.size; k += 1) {
      const term = termAt(mixture, forms, k, x, y);
      if (term > top) [top, sum] = [term, 1 + sum * Math.exp(top - term)];
      else if (term > -Infinity) sum += Math.exp(term - top);
    }
    return top + Math.log(sum);
  }

  function logDensity(mixture, point) {
    const whole = unpacked(mixture);
    if (point?.length !== whole.dim) refuse("the point is", point, `give a list of ${whole.dim} numbers`);
    return logAt(whole, formsOf(whole), whole.dim === 1 ? 0 : point[0], point[whole.dim - 1]);
  }

  /**
   * Mixtures of `size` components on a grid of these axes. After `set(mixture)`, `row(i, low, high)` puts the densities at a
   * row of nodes into `total`, and each component's into `parts`. Without a tilt they are products, a factor for each axis.
   */
  function sheet(size, x, y) {
    const arrays = () => Array.from({ length: size }, () => new Float64Array(y.size));
    const [columns, aparts, parts, total] = [arrays(), arrays(), arrays(), new Float64Array(y.size)];
    let [whole, forms] = [null, []];

    function set(mixture) {
      [whole, forms] = [mixture, formsOf(mixture)];
      for (let k = 0; k < size; k += 1) {
        const [column, apart, mean, half, tilted] = [columns[k], aparts[k], mixture.my[k], -0.5 * forms[k].pyy, mixture.xy[k] !== 0];
        for (let j = 0; j < y.size; j += 1) {
          const dy = y.at[j] - mean;
          const power = half * dy * dy;
          if (tilted) apart[j] = dy;
          column[j] = tilted ? power : power < UNDERFLOW ? 0 : Math.exp(power);
        }
      }
    }

    function row(i, low, high) {
      total.fill(0, low, high);
      for (let k = 0; k < size; k += 1) {
        const { height, pxx, pxy } = forms[k];
        const dx = x.at[i] - whole.mx[k];
        const power = height - 0.5 * pxx * dx * dx;
        if (whole.xy[k] !== 0) tiltedRow(parts[k], total, columns[k], aparts[k], power, -pxy * dx, low, high);
        else uprightRow(parts[k], total, columns[k], power < UNDERFLOW ? 0 : Math.exp(power), low, high);
      }
    }

    /** log p at a node where `total` has underflowed; and which component is the likeliest there. */
    const logHere = (i, j) => logAt(whole, forms, x.at[i], y.at[j]);
    const nearest = (i, j) => {
      const terms = forms.map((_, k) => termAt(whole, forms, k, x.at[i], y.at[j]));
      return terms.indexOf(Math.max(...terms));
    };
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
      const value = exponent < UNDERFLOW ? 0 : Math.exp(exponent);
      part[j] = value;
      total[j] += value;
    }
  }

  // -------------------------------------------------------------- grids

  /**
   * The nodes of an axis between two places, `step` deviations of what is narrow there apart: equal steps of a variable t in
   * which all components are about as wide, and `cell` is dx/dt. Equal steps of t converge as fast as equal steps of x do,
   * and far fewer serve. The density of nodes is the 4-norm of the components' own, which fall off like 1 / distance.
   */
  function axis(centres, cuts, deviations, [low, high], step) {
    const [strengths, scales] = [cuts.map((cut) => cut ** -4), deviations.map((deviation) => 1 / (WIDENS * deviation))];
    const spacing = (at) => {
      let sum = 0;
      for (let k = 0; k < centres.length; k += 1) {
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
    for (let here = low; ;) {
      const one = spacing(here);
      at.push(here);
      cell.push(one);
      if (here >= high) break;
      if (at.length >= MOST_NODES[0]) return null;
      const middle = half(here, one);
      here = half(middle, spacing(middle));
    }
    return { at: Float64Array.from(at), cell: Float64Array.from(cell), size: at.length };
  }

  /**
   * Axes of a grid on which all components of some mixtures are seen, and which holds all but the weightless ones; or null.
   * A `round` grid is as fine along both axes as along one: what is round and narrow along one is so along the other.
   */
  function axesOf(mixtures, radius, step, round = false) {
    const flat = mixtures[0].dim === 1;
    const along = (mean, own, other) => {
      const [centres, cuts, deviations, ends] = [[], [], [], [Infinity, -Infinity]];
      for (const mixture of mixtures) {
        for (let k = 0; k < mixture.size; k += 1) {
          if (mixture.logs[k] === -Infinity) continue;
          const [centre, deviation] = [mixture[mean][k], Math.sqrt(mixture[own][k])];
          const least = round && !flat ? Math.min(mixture.xx[k], mixture.yy[k]) : mixture[own][k];
          centres.push(centre);
          deviations.push(deviation);
          cuts.push(Math.sqrt(least * (1 - mixture.xy[k] ** 2 / (mixture[own][k] * mixture[other][k]))));
          if (mixture.logs[k] < WEIGHTLESS) continue;
          ends[0] = Math.min(ends[0], centre - radius * deviation);
          ends[1] = Math.max(ends[1], centre + radius * deviation);
        }
      }
      return axis(centres, cuts, deviations, ends, step);
    };
    const x = flat ? { at: new Float64Array(1), cell: Float64Array.of(1), size: 1 } : along("mx", "xx", "yy");
    const y = along("my", "yy", "xx");
    return x && y ? { x, y } : null;
  }

  /** The first node of an axis that is not before a place. */
  function nodeFrom({ at, size }, place) {
    let [low, high] = [0, size];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (at[middle] < place) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Those axes, and for each row the first node, and the one after the last, near any component; null if they are too many. */
  function nodesNear(mixtures, radius, step, most, round) {
    const axes = axesOf(mixtures, radius, step, round);
    if (!axes) return null;
    const { x, y } = axes;
    const [lows, highs] = [new Int32Array(x.size), new Int32Array(x.size)];
    let nodes = 0;
    for (let i = 0; i < x.size; i += 1) {
      const [low, high] = reachAt(mixtures, radius, x.at[i]);
      lows[i] = nodeFrom(y, low);
      highs[i] = Math.max(lows[i], nodeFrom(y, high));
      nodes += highs[i] - lows[i];
      if (nodes > most) return null;
    }
    return { x, y, lows, highs, nodes };
  }

  /** From where to where along y some component is within `radius` deviations, at a place along x. */
  function reachAt(mixtures, radius, x) {
    let [low, high] = [Infinity, -Infinity];
    for (const { size, logs, mx, my, xx, xy, yy } of mixtures) {
      for (let k = 0; k < size; k += 1) {
        const dx = x - mx[k];
        const left = radius * radius - (dx * dx) / xx[k];
        if (left <= 0 || logs[k] < WEIGHTLESS) continue;
        const middle = my[k] + (xy[k] / xx[k]) * dx;
        const reach = Math.sqrt(left * (yy[k] - (xy[k] * xy[k]) / xx[k]));
        if (middle - reach < low) low = middle - reach;
        if (middle + reach > high) high = middle + reach;
      }
    }
    return [low, high];
  }

  // -------------------------------------------------------------- what a student is worth

  /** The means of both log-densities, and coverage, from one pass over one grid; null if it would have too many nodes. */
  function pass(student, truth, step, radius = RADIUS) {
    const grid = nodesNear([student, truth], radius, step, MOST_NODES[truth.dim - 1]);
    if (!grid) return null;
    const { x, y, lows, highs } = grid;
    const [q, p] = [sheet(student.size, x, y), sheet(truth.size, x, y)];
    q.set(student);
    p.set(truth);
    const sums = { precision: 0, recall: 0, entropy: 0, q: 0, p: 0, covered: new Float64Array(truth.size) };
    const ratios = new Float64Array(y.size); // log of student over a tenth of p*
    for (let i = 0; i < x.size; i += 1) {
      const [low, high] = [lows[i], highs[i]];
      q.row(i, low, high);
      p.row(i, low, high);
      addMeans(sums, ratios, q, p, i, low, high, x.cell[i], y.cell);
      addCovered(sums.covered, ratios, p.parts, low, high, x.cell[i], y.cell);
    }
    return {
      precision: sums.precision / sums.q, recall: sums.recall / sums.p, entropy: -sums.entropy / sums.p,
      coverage: Array.from(sums.covered, (mass, k) => (mass > 0 ? Math.min(1, mass / Math.exp(truth.logs[k])) : 0)),
    };
  }

  function addMeans(sums, ratios, q, p, i, low, high, width, cell) {
    let [precision, recall, entropy, learned, known] = [0, 0, 0, 0, 0];
    for (let j = low; j < high; j += 1) {
      const [area, ofQ, ofP] = [width * cell[j], q.total[j], p.total[j]];
      const logQ = ofQ > 1e-140 ? Math.log(ofQ) : q.logHere(i, j);
      const logP = ofP > 1e-140 ? Math.log(ofP) : p.logHere(i, j);
      precision += area * ofQ * logP;
      recall += area * ofP * logQ;
      entropy += area * ofP * logP;
      learned += area * ofQ;
      known += area * ofP;
      ratios[j] = logQ - logP - COVERED;
    }
    sums.precision += precision;
    sums.recall += recall;
    sums.entropy += entropy;
    sums.q += learned;
    sums.p += known;
  }

  /** A node at the edge of what is covered counts in part: by where between it and the next one the edge lies. */
  function addCovered(covered, ratios, parts, low, high, width, cell) {
    for (let j = low; j < high; j += 1) {
      const slope = Math.abs(ratios[Math.min(j + 1, high - 1)] - ratios[Math.max(j - 1, low)]) / 2;
      const share = Math.min(Math.max(0.5 + ratios[j] / slope, 0), 1);
      if (share > 0) for (let k = 0; k < parts.length; k += 1) covered[k] += share * width * cell[j] * parts[k][j];
    }
  }

  /** E_{x ~ model} of the log-density of a single Gaussian, by the model's moments. */
  function crossTerm(model, gaussian) {
    const [{ height, pxx, pxy, pyy }] = formsOf(gaussian);
    let sum = model.dim === 1 ? -pxx * FLAT : 0; // the flat axis has nothing to say
    for (let j = 0; j < model.size; j += 1) {
      const [dx, dy] = [model.mx[j] - gaussian.mx[0], model.my[j] - gaussian.my[0]];
      const square = pxx * (model.xx[j] + dx * dx) + 2 * pxy * (model.xy[j] + dx * dy) + pyy * (model.yy[j] + dy * dy);
      sum += Math.exp(model.logs[j]) * square;
    }
    return height - 0.5 * sum;
  }

  function withClosedForms(found, student, truth) {
    if (student.size === 1) found.recall = crossTerm(truth, student);
    if (truth.size === 1) [found.precision, found.entropy] = [crossTerm(student, truth), -crossTerm(truth, truth)];
    return found;
  }

  /** From grid to finer grid, until one has nothing to say that the one before had not. */
  function measured(student, truth, { drawing = false, fine = 0 } = {}) {
    const both = [unpacked(student), unpacked(truth)];
    if (both[0].dim !== both[1].dim) refuse("dimensions are", both.map((one) => one.dim), "give two models of one space");
    let [step, before] = [drawing ? DRAWN : fine || FIRST, null];
    for (;;) {
      const now = pass(...both, step, drawing ? NEAR : RADIUS);
      if (!now && before) return { ...before, exact: false, reason: TOO_FINE };
      if (!now && fine) return measured(...both);
      if (now) withClosedForms(now, ...both);
      if (now && drawing) return { ...now, exact: false, reason: step > FIRST ? TOO_FINE : "good enough to draw" };
      const settled = (name) => Math.abs(now[name] - before[name]) < Math.max(EXACT, DIGITS * Math.abs(now[name]));
      if (now && (fine || (before && MEANS.every(settled)))) return { ...now, exact: true, reason: "", step };
      if (now) [step, before] = [step * FINER, now];
      else [step, drawing] = [step / FINER, true]; // even the first grid is too much: the finest that is not
    }
  }

  // -------------------------------------------------------------- bounds

  /** Where the gradients of Gaussians `some`, weighed by `share`, cancel: on the ridge between them. */
  function ridge({ mx, my }, forms, some, share) {
    let [a, b, d, u, v] = [0, 0, 0, 0, 0];
    some.forEach((k, s) => {
      const [{ pxx, pxy, pyy }, weight] = [forms[k], share(s)];
      a += weight * pxx;
      b += weight * pxy;
      d += weight * pyy;
      u += weight * (pxx * mx[k] + pxy * my[k]);
      v += weight * (pxy * mx[k] + pyy * my[k]);
    });
    const det = a * d - b * b;
    return [(d * u - b * v) / det, (a * v - b * u) / det];
  }

  /** Places on the ridges between each two and each three components, where every mode lies; and the means. */
  function placesOn(mixture, forms, alive) {
    const ends = Array.from({ length: 13 }, (_, i) => 1 / (1 + Math.exp(12 - 2 * i)));
    const found = alive.map((k) => [mixture.mx[k], mixture.my[k]]);
    alive.forEach((k, i) => alive.slice(0, i).forEach((l, j) => {
      for (const end of ends) found.push(ridge(mixture, forms, [k, l], (s) => (s ? 1 - end : end)));
      for (const m of alive.slice(0, j)) found.push(ridge(mixture, forms, [k, l, m], () => 1 / 3));
    }));
    return found;
  }

  /** max log p, by mean-shift, which never goes down, from the likeliest of those places. */
  function modeDensity(mixture) {
    const forms = formsOf(mixture);
    const alive = [...mixture.logs.keys()].filter((k) => mixture.logs[k] > -Infinity);
    const height = ([x, y]) => logAt(mixture, forms, x, y);
    const climbed = ([now, place]) => {
      for (let step = 0; step < 5000; step += 1) {
        const [top, [x, y]] = [now, place];
        place = ridge(mixture, forms, alive, (s) => Math.exp(termAt(mixture, forms, alive[s], x, y) - top));
        now = height(place);
        if (!(now > top + 1e-13)) break;
      }
      return now;
    };
    const likeliest = placesOn(mixture, forms, alive).map((place) => [height(place), place]).sort((one, other) => other[0] - one[0]);
    return Math.max(...likeliest.slice(0, CLIMBERS).map(climbed));
  }

  function bounds(truth) {
    const whole = unpacked(truth);
    return { recall: measured(whole, whole).recall, precision: modeDensity(whole) };
  }

  return { check, tempered, logDensity, measured, bounds,
    inside: { FIELDS, FLAT, room, unpacked, packed, normalise, sheet, nodesNear, nodeFrom, refuse, modeDensity } };
}
