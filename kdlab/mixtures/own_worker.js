/**
 * The worker of a world of the reader's own: what a world is worth here, along the slider, and exactly, in that order.
 *
 * Needs measure.js, contours.js, fit.js and path.js. `serveWorlds` is the worker's program: its text, with theirs, is all that a
 * Blob needs, so that it works on a page that was opened as a file. In comes the newest world, as a job:
 *   {key, truth, taught, n, family, beta, betas, reach, rest}   taught is null (it knows p*), a number of components, or a mixture
 * Out come, for that or a newer one,
 *   {want: "here", key, ...}   teacher, student and both numbers at beta, good enough to draw: within a frame
 *   {want: "path", key, ...}   some thirty positions of the slider, good enough to draw, while a hand moves
 *   {want: "rest", key, ...}   all positions, exactly, once the job says that the hand rests
 *   {want: "error", message}
 */
function serveWorlds(makeMeasures, makeContours, makeSolver, makePaths) {
  const measures = makeMeasures();
  const [contours, solver] = [makeContours(measures), makeSolver(measures)];
  const { path, worthAlong } = makePaths(measures, solver);
  const SLICE = 2; // ms of work between two looks at what has come
  const PACE = 60; // ms from one drawn path to the next: what lies between is for the picture at the slider's place
  const EVERY = 4; // of the slider's positions: those that a hand sees in a drag
  const warm = {}; // what was found last, to go on from: teacher, direct, student, path
  let [newest, shown, drawn, resting, work] = [null, null, null, null, null];
  let [awake, next, timer] = [false, 0, 0];

  const { port1, port2 } = new MessageChannel();
  const pause = () => new Promise((done) => { port1.onmessage = done; port2.postMessage(0); }); // sooner than a timer

  self.onmessage = ({ data }) => {
    newest = data;
    run();
  };

  /** Do what is most urgent, some milliseconds at a time, until nothing is left. */
  async function run() {
    if (awake) return;
    awake = true;
    while (urgent()) await pause();
    awake = false;
    if (drawn !== shown) timer ||= setTimeout(() => { timer = 0; run(); }, next - performance.now());
  }

  function urgent() {
    try {
      if (shown !== newest) {
        if (resting) [work, resting] = [null, null]; // what was being made exactly is outdated
        shown = newest;
        self.postMessage({ want: "here", key: shown.key, ...here(shown) });
      } else if (work) advance();
      else if (drawn !== shown) {
        if (performance.now() < next && !shown.rest) return false;
        next = performance.now() + PACE;
        begin((drawn = shown), false);
      } else if (shown.rest && resting !== shown) begin((resting = shown), true);
      else return false;
    } catch (error) {
      [work, drawn, resting] = [null, shown, shown];
      self.postMessage({ want: "error", message: error.message });
    }
    return true;
  }

  function begin(job, exact) {
    work = { job, steps: exact ? wholePath(job) : drawnPath(job) };
  }

  function advance() {
    const until = performance.now() + SLICE;
    while (performance.now() < until) {
      const { done, value } = work.steps.next();
      if (!done) continue;
      self.postMessage({ key: work.job.key, ...value });
      work = null;
      return;
    }
  }

  // -------------------------------------------------------------- what there is at one position, and along the slider

  const drawing = { drawing: true };
  const finished = (steps) => solver.finish(steps);

  /** A student continued from the one before, where that has as many components; else from all starts. */
  function student(name, target, n, family) {
    const before = warm[name];
    const fits = before?.family === family && before.student.weights.length === n && before.student.means[0].length === target.means[0].length;
    const found = finished(solver.fit(target, n, family, fits ? { drawing: true, warm: before.student } : {}));
    warm[name] = { family, student: found.student };
    return found.student;
  }

  const teacherOf = ({ truth, taught }) => (taught === null ? truth : typeof taught === "number" ? student("teacher", truth, taught, "diag") : taught);

  function here(job) {
    const { truth, n, family, beta } = job;
    const untempered = teacherOf(job);
    const teacher = measures.tempered(untempered, beta);
    const [own, direct] = [student("student", teacher, n, family), student("direct", truth, n, family)];
    const { precision, recall, coverage } = measures.measured(own, truth, drawing);
    const square = [-1.05 * job.reach, 1.05 * job.reach]; // beyond the picture, at whose edge lines are cut off
    const lines = truth.means[0].length === 2 ? contours(truth, square, square) : [];
    const whole = (value) => Math.round((1e4 * value) / job.reach);
    const texts = lines.map(({ path }) => path.map((line) => `M${line.map((point) => point.map(whole)).join("L")}Z`).join(""));
    return { truth, untempered, teacher, student: own, direct, precision, recall, coverage, contours: texts }; // of SVG paths: 10,000 is the reach
  }

  /** Some positions, continued from the path before: while that is of the same students. */
  function* drawnPath(job) {
    const betas = job.betas.filter((_, i) => i % EVERY === 0);
    const teacher = teacherOf(job);
    const found = yield* path(teacher, job.n, job.family, betas, { drawing: true, warm: warm.path?.kind === kindOf(job) ? warm.path : null });
    warm.path = { ...found, kind: kindOf(job) };
    return yield* worth(job, { ...found, teacher }, "path", drawing);
  }

  const kindOf = ({ n, family, truth }) => `${n} ${family} ${truth.means[0].length}`; // students of one kind may go on from each other

  /** All positions, from all starts, with exact numbers. */
  function* wholePath(job) {
    const teacher = typeof job.taught === "number" ? (yield* solver.fit(job.truth, job.taught, "diag", {})).student : teacherOf(job);
    const found = yield* path(teacher, job.n, job.family, job.betas, { warm: warm.path?.kind === kindOf(job) ? warm.path : null });
    warm.path = { ...found, kind: kindOf(job) };
    return yield* worth(job, { ...found, teacher }, "rest", {});
  }

  /** What the students of a path are worth, and the student of p* itself. */
  function* worth({ truth, n, family }, found, want, options) {
    const along = yield* worthAlong(found, truth, options);
    const { student } = yield* solver.fit(truth, n, family, want === "rest" ? {} : { drawing: true, warm: warm.direct?.student });
    const { precision, recall, exact, reason } = measures.measured(student, truth, options);
    return { want, ...found, ...along, direct: { precision, recall, student }, bounds: measures.bounds(truth),
      taught: found.betas.map((beta) => measures.tempered(found.teacher, beta).weights),
      exact: found.exact && along.measured && exact, reason: found.reason || (exact ? "" : reason) };
  }
}

/** The worker, made from texts: {ask(job), close()}. Where workers are forbidden, `failed` hears of it. */
function startWorker(take, failed) {
  let worker = null;
  try {
    const program = `(${serveWorlds})(${[makeMeasures, makeContours, makeSolver, makePaths].join(", ")})`;
    const address = URL.createObjectURL(new Blob([program], { type: "text/javascript" }));
    worker = new Worker(address);
    URL.revokeObjectURL(address);
  } catch (error) {
    failed(new Error(`This browser lets no worker compute here, and nothing else does: ${error.message}. Open the page in another one.`));
    return { ask() {}, close() {} };
  }
  worker.onmessage = ({ data }) => (data.want === "error" ? failed(new Error(data.message)) : take(data));
  worker.onerror = (event) => failed(new Error(event.message || "the worker could not be started"));
  return { ask: (job) => worker.postMessage(job), close: () => worker.terminate() };
}
