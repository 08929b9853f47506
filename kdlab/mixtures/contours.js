/**
 * Contours of a mixture in the plane, computed on the page as kdlab.mixtures.limits.density_contours does in Python.
 *
 * makeContours(makeMeasures())(truth, [x0, x1], [y0, y1]) is [{level, path: [[[x, y], ...], ...]}], outermost first:
 * for each share of p*'s mass the log-density (nats) above which it lies, and the lines around it. Of mass, not of height: a
 * light mode beside heavy ones is still seen.
 */
function makeContours(measures) {
  const { unpacked, sheet } = measures.inside;
  const SHARES = [0.99, 0.95, 0.85, 0.7, 0.5, 0.25];
  const CELLS = 96; // nodes along each axis: interpolating the log-density keeps lines smooth
  const FAR = 60; // nats below the highest: what is lower is as good as that
  const BINS = 8192; // of log-densities
  // Used again: with a megabyte for each move of a hand, Chromium swept all memory seven times a second and compiled code anew.
  const [logs, held] = [CELLS * CELLS, BINS].map((size) => new Float64Array(size));
  const [one, other] = [0, 0].map(() => new Int32Array(2 * logs.length));
  const [above, seen] = [logs.length, one.length].map((size) => new Uint8Array(size));

  function contours(truth, x, y) {
    const whole = unpacked(truth);
    const [across, up] = [x, y].map(([low, high]) => (
      { at: Float64Array.from({ length: CELLS }, (_, i) => low + ((high - low) * i) / (CELLS - 1)), size: CELLS }));
    const page = sheet(whole.size, across, up);
    page.set(whole);
    let top = -Infinity;
    for (let i = 0; i < CELLS; i += 1) {
      page.row(i, 0, CELLS);
      for (let j = 0; j < CELLS; j += 1) {
        const log = Math.log(Math.max(page.total[j], 1e-200));
        logs[i * CELLS + j] = log;
        if (log > top) top = log;
      }
    }
    for (let n = 0; n < logs.length; n += 1) logs[n] = Math.max(logs[n], top - FAR);
    const levels = levelsOf(top);
    const squares = crossedSquares(levels);
    return levels.map((level) => ({ level, path: linesAt(squares, level, across.at, up.at) }));
  }

  /** The log-density above which each share of the mass lies, to a hundredth: by bins, without sorting all nodes. */
  function levelsOf(top) {
    const fineness = (BINS - 1) / FAR;
    held.fill(0);
    for (const log of logs) held[Math.floor(fineness * (top - log))] += Math.exp(log - top); // 0 holds the highest
    const all = held.reduce((sum, mass) => sum + mass);
    return SHARES.map((share) => {
      let [bin, higher] = [0, 0];
      while (higher + held[bin] < share * all) higher += held[bin++];
      return top - (bin + (share * all - higher) / held[bin]) / fineness;
    });
  }

  /** The squares of the grid, by their first nodes, that any level crosses: a tenth of them. */
  function crossedSquares(levels) {
    above.fill(0); // how many levels a node exceeds
    for (const level of levels) for (let n = 0; n < logs.length; n += 1) above[n] += logs[n] > level;
    const squares = [];
    for (let n = 0; n + CELLS + 1 < logs.length; n += 1) {
      const a = above[n];
      if ((above[n + CELLS] !== a || above[n + CELLS + 1] !== a || above[n + 1] !== a) && n % CELLS !== CELLS - 1) squares.push(n);
    }
    return squares;
  }

  /**
   * Marching squares: the crossings of a square's edges are joined two by two. The edge from node n along x is 2 n, that
   * along y 2 n + 1; a crossing is joined to the edges `one` and `other`.
   */
  function linesAt(squares, level, xs, ys) {
    for (const joined of [one, other]) joined.fill(-1);
    const edges = []; // that are crossed, most of them twice
    const join = (a, b) => {
      (one[a] < 0 ? one : other)[a] = b;
      (one[b] < 0 ? one : other)[b] = a;
      edges.push(a, b);
    };
    for (const n of squares) {
      const [a, b, c, d] = [logs[n] > level, logs[n + CELLS] > level, logs[n + CELLS + 1] > level, logs[n + 1] > level]; // around
      if (a === b && b === c && c === d) continue;
      const crossed = [];
      if (a !== b) crossed.push(2 * n);
      if (b !== c) crossed.push(2 * (n + CELLS) + 1);
      if (c !== d) crossed.push(2 * n + 2);
      if (d !== a) crossed.push(2 * n + 1);
      const middle = (logs[n] + logs[n + CELLS] + logs[n + CELLS + 1] + logs[n + 1]) / 4 > level;
      const [s, t] = crossed.length === 2 || middle === a ? [1, 3] : [3, 1]; // of four, cut off corners that stand alone
      join(crossed[0], crossed[s]);
      if (crossed.length === 4) join(crossed[2], crossed[t]);
    }
    return traced(edges, (edge) => crossing(edge, level, xs, ys));
  }

  /** Where a level crosses an edge of the grid. */
  function crossing(edge, level, xs, ys) {
    const [n, up] = [edge >> 1, edge & 1];
    const [i, j] = [Math.floor(n / CELLS), n % CELLS];
    const share = (level - logs[n]) / (logs[up ? n + 1 : n + CELLS] - logs[n]);
    return up ? [xs[i], ys[j] + share * (ys[j + 1] - ys[j])] : [xs[i] + share * (xs[i + 1] - xs[i]), ys[j]];
  }

  /** Follow joined crossings to lines: first those that end at the picture's edge, then loops, which come back. */
  function traced(edges, place) {
    const lines = [];
    seen.fill(0);
    const follow = (start) => {
      const line = [];
      for (let edge = start; edge >= 0 && !seen[edge]; edge = one[edge] >= 0 && !seen[one[edge]] ? one[edge] : other[edge]) {
        seen[edge] = 1;
        line.push(place(edge));
      }
      return line;
    };
    for (const edge of edges) if (other[edge] < 0 && !seen[edge]) lines.push(follow(edge));
    for (const edge of edges) {
      if (seen[edge]) continue;
      const line = follow(edge);
      lines.push([...line, line[0]]);
    }
    return lines;
  }

  return contours;
}
