/**
 * A world of the reader's own, as plain data: p*, how its teacher comes about, and what its student may be.
 *
 *   {dim, reach, modes: [mode, ...], teacher, n, family, beta}
 *   mode      {at: [x] or [x, y], widths: [s] or [s1, s2], tilt, weight}: a Gaussian of p*; its covariance has the standard
 *             deviations `widths` along its own axes, the first of which is turned by `tilt` radians. Weights are relative.
 *   reach     the space shown is from -reach to reach on each axis
 *   teacher   {kind: "truth"}, which knows p*; {kind: "fitted", n} of n components; {kind: "edited", modes}
 *   n, family the student's components K″ and covariance family; beta, the teacher's selectivity
 *
 * Nothing here draws. A gesture gives another world, or one sentence that says why there is none. Tests in Python hold
 * `checkWorld` and `asPython` to what kdlab.mixtures.own takes.
 */

const MOST_MODES = 12;
const MOST_COMPONENTS = 8; // of a teacher that is fitted, and of a student
const FAMILIES = ["diag", "full", "spherical"];
const NARROWEST = 1 / 100; // of the reach: a mode's least width
const WIDEST = 1 / 2; // of the reach
const LIGHTEST = 1e-3; // of the heaviest mode's weight
const FINEST = 23; // in the plane half a world is at most so many of its narrowest widths, as in kdlab.mixtures.own
const TOO_FINE = `In the plane half a world is at most ${FINEST} times as wide as its narrowest mode: more could not be exact.`;
const FIRST_MODE = { widths: 0.16, weight: 1 }; // of a mode that is added; the width is of the reach

const clampTo = (value, low, high) => Math.min(Math.max(value, low), high);

// ---------------------------------------------------------------- what it is

/** The modes as a mixture: {weights, means, covariances}, the weights summing to one. */
function mixtureOf(modes) {
  const whole = modes.reduce((sum, { weight }) => sum + weight, 0);
  return {
    weights: modes.map(({ weight }) => weight / whole),
    means: modes.map(({ at }) => [...at]),
    covariances: modes.map(covarianceOf),
  };
}

function covarianceOf({ widths, tilt }) {
  const squares = widths.map((width) => width * width);
  if (widths.length === 1) return [squares];
  const [c, s] = [Math.cos(tilt), Math.sin(tilt)];
  const across = (squares[0] - squares[1]) * c * s;
  return [[c * c * squares[0] + s * s * squares[1], across], [across, s * s * squares[0] + c * c * squares[1]]];
}

/** A mixture's components as modes. */
function modesOf({ weights, means, covariances }) {
  return weights.map((weight, k) => ({ at: [...means[k]], ...shapeOf(covariances[k]), weight }));
}

function shapeOf(covariance) {
  if (covariance.length === 1) return { widths: [Math.sqrt(covariance[0][0])], tilt: 0 };
  const [[a, b], [, d]] = covariance;
  const [middle, spread] = [(a + d) / 2, Math.hypot((a - d) / 2, b)];
  if (spread < 1e-9 * middle) return { widths: [Math.sqrt(middle), Math.sqrt(middle)], tilt: 0 };
  if (Math.abs(b) < 1e-12 * middle) return { widths: [Math.sqrt(a), Math.sqrt(d)], tilt: 0 }; // upright: x comes first
  return { widths: [Math.sqrt(middle + spread), Math.sqrt(Math.max(middle - spread, 0))], tilt: 0.5 * Math.atan2(2 * b, a - d) };
}

/** An empty page has one mode in its middle: no mixture has none. */
function emptyWorld(dim) {
  return { dim, reach: 4, modes: [newMode(dim, 4, Array(dim).fill(0))], teacher: { kind: "truth" }, n: 1, family: "diag", beta: 1 };
}

const newMode = (dim, reach, at, weight = FIRST_MODE.weight) =>
  ({ at, widths: Array(dim).fill(FIRST_MODE.widths * reach), tilt: 0, weight });

// ---------------------------------------------------------------- what is wrong with it

/** What keeps something from being a world, in a sentence; empty for a world. Whatever it is, this does not throw. */
function checkWorld(world) {
  const { dim, reach, modes, teacher, n, family, beta } = world ?? {};
  if (dim !== 1 && dim !== 2) return `It has ${dim} dimensions: a world has 1 or 2.`;
  if (!(reach > 0 && reach <= 1e4)) return `Its space reaches to ${reach}: give a number above 0, at most 10000.`;
  if (!FAMILIES.includes(family)) return `Its student's family is ${family}: choose ${FAMILIES.join(", ")}.`;
  if (!isCount(n, MOST_COMPONENTS)) return `Its student has ${n} components: choose 1 to ${MOST_COMPONENTS}.`;
  if (!(beta >= 1 && beta <= 100)) return `β is ${beta}: choose 1 to 100.`;
  if (!["truth", "fitted", "edited"].includes(teacher?.kind)) return `Its teacher is ${teacher?.kind}: choose truth, fitted or edited.`;
  if (teacher.kind === "fitted" && !isCount(teacher.n, MOST_COMPONENTS)) {
    return `Its teacher has ${teacher.n} components: choose 1 to ${MOST_COMPONENTS}.`;
  }
  const wrong = checkModes(modes, dim, reach, "p*") || (teacher.kind === "edited" ? checkModes(teacher.modes, dim, reach, "the teacher") : "");
  return wrong || (isTooFine(world) ? TOO_FINE : "");
}

const isCount = (value, most) => Number.isInteger(value) && value >= 1 && value <= most;

function checkModes(modes, dim, reach, whose) {
  if (!Array.isArray(modes) || !isCount(modes.length, MOST_MODES)) {
    return `${whose} has ${modes?.length} modes: give 1 to ${MOST_MODES}.`;
  }
  for (const [k, { at, widths, tilt, weight } = {}] of modes.entries()) {
    const which = `mode ${k + 1} of ${whose}`;
    if (!isVector(at, dim) || at.some((x) => Math.abs(x) > reach)) return `${which} stands at ${at}: give ${dim} numbers from ${-reach} to ${reach}.`;
    const [low, high] = widthsAllowed(reach);
    if (!isVector(widths, dim) || widths.some((s) => !(s >= low * 0.999 && s <= high * 1.001))) {
      return `${which} has the width ${widths}: give ${dim} from ${low} to ${high}.`;
    }
    if (!Number.isFinite(tilt)) return `${which} is turned by ${tilt}: give an angle.`;
    if (!(weight > 0 && weight < 1e6)) return `${which} weighs ${weight}: give a number above 0.`;
  }
  const heaviest = Math.max(...modes.map(({ weight }) => weight));
  const light = modes.findIndex(({ weight }) => weight < LIGHTEST * heaviest * 0.999);
  return light < 0 ? "" : `mode ${light + 1} of ${whose} weighs less than a thousandth of the heaviest: make it heavier, or leave it out.`;
}

/** Whether the widths and places of a world in the plane differ too much for Python to be exact. */
function isTooFine({ dim, modes, teacher }) {
  if (dim === 1) return false;
  const all = [...modes, ...(teacher.modes ?? [])];
  const half = [0, 1].map((d) => {
    const places = all.map(({ at }) => at[d]);
    return (Math.max(...places) - Math.min(...places)) / 2 + Math.sqrt(Math.max(...all.map((mode) => covarianceOf(mode)[d][d])));
  });
  return Math.max(...half) > FINEST * 1.0001 * Math.min(...all.flatMap(({ widths }) => widths));
}

const isVector = (value, dim) => Array.isArray(value) && value.length === dim && value.every(Number.isFinite);
const widthsAllowed = (reach) => [NARROWEST * reach, WIDEST * reach];

// ---------------------------------------------------------------- gestures
//
// Each takes a world and gives {world, refused}: refused is empty, or why the hand was not followed all the way.
// `whose` is "truth" or "teacher": whose modes they are.

const listOf = (world, whose) => (whose === "teacher" ? world.teacher.modes : world.modes);

const withList = (world, whose, modes) => (whose === "teacher"
  ? { ...world, teacher: { kind: "edited", modes } } : { ...world, modes });

/** The same modes with weights that sum to one. */
function weighed(modes) {
  const whole = modes.reduce((sum, { weight }) => sum + weight, 0);
  return modes.map((mode) => ({ ...mode, weight: mode.weight / whole }));
}

/** What a gesture gives, or the world before it where that could not be exact. */
const exactOnly = (before, after) => (isTooFine(after.world) ? { world: before, refused: TOO_FINE } : after);

function changed(world, whose, k, values, refused = "") {
  const modes = listOf(world, whose).map((mode, i) => (i === k ? { ...mode, ...values } : mode));
  return exactOnly(world, { world: withList(world, whose, modes), refused });
}

/** Bring a mode's centre somewhere, or to the edge of the picture on the way there. */
function moveMode(world, whose, k, to) {
  const at = to.map((x) => clampTo(Number.isFinite(x) ? x : 0, -world.reach, world.reach));
  const refused = at.every((x, i) => x === to[i]) ? "" : "A mode stays inside the picture: its centre cannot leave it.";
  return changed(world, whose, k, { at }, refused);
}

/** Give a mode other widths, and in the plane another tilt. A spherical student's world is drawn with any modes. */
function shapeMode(world, whose, k, { widths, tilt }) {
  const mode = listOf(world, whose)[k];
  const [low, high] = widthsAllowed(world.reach);
  const wanted = widths ?? mode.widths;
  const allowed = wanted.map((width) => clampTo(Number.isFinite(width) ? width : low, low, high));
  const refused = allowed.every((width, i) => width === wanted[i]) ? ""
    : `A mode is ${number(low)} to ${number(high)} wide here: ${allowed.some((width) => width === low) ? "narrower" : "wider"} could not be seen.`;
  return changed(world, whose, k, { widths: allowed, tilt: Number.isFinite(tilt) ? tilt : mode.tilt }, refused);
}

/** Make a mode weigh a share of the whole; the others keep their proportions. */
function weighMode(world, whose, k, share) {
  const modes = listOf(world, whose);
  if (modes.length === 1) return { world, refused: "A single mode has all the weight: add another one first." };
  const others = modes.filter((_, i) => i !== k);
  const rest = others.reduce((sum, { weight }) => sum + weight, 0);
  const [heaviest, lightest] = [Math.max(...others.map(({ weight }) => weight)), Math.min(...others.map(({ weight }) => weight))];
  const wanted = (rest * share) / (1 - share);
  const weight = clampTo(Number.isFinite(wanted) ? wanted : (share > 0.5 ? Infinity : 0), LIGHTEST * heaviest, lightest / LIGHTEST);
  const refused = weight === wanted ? "" : "No mode weighs less than a thousandth of another: to take one away, press Delete.";
  const next = changed(world, whose, k, { weight }).world;
  return { world: withList(next, whose, weighed(listOf(next, whose))), refused };
}

/** Add a mode, as heavy as the others are on average. */
function addMode(world, whose, at) {
  const modes = listOf(world, whose);
  if (modes.length >= MOST_MODES) return { world, refused: `There are ${MOST_MODES} modes, the most that can be exact here: remove one first.` };
  const weight = modes.reduce((sum, mode) => sum + mode.weight, 0) / modes.length;
  const inside = at.map((x) => clampTo(Number.isFinite(x) ? x : 0, -world.reach, world.reach));
  return exactOnly(world, { world: withList(world, whose, weighed([...modes, newMode(world.dim, world.reach, inside, weight)])), refused: "" });
}

function removeMode(world, whose, k) {
  const modes = listOf(world, whose);
  if (modes.length === 1) return { world, refused: "The last mode stays: a mixture has at least one." };
  const left = modes.filter((_, i) => i !== k);
  const heaviest = Math.max(...left.map(({ weight }) => weight));
  const heavyEnough = left.map((mode) => ({ ...mode, weight: Math.max(mode.weight, LIGHTEST * heaviest) }));
  return { world: withList(world, whose, weighed(heavyEnough)), refused: "" };
}

// ---------------------------------------------------------------- what was before

const REMEMBERED = 200; // steps back

/** Worlds that were, and those that were taken back: `keep` before a gesture begins, and a drag is one gesture. */
class History {
  constructor() { Object.assign(this, { before: [], after: [] }); }

  keep(world) {
    this.before = [...this.before, world].slice(-REMEMBERED);
    this.after = [];
  }

  undo(world) {
    if (!this.before.length) return world;
    this.after.push(world);
    return this.before.pop();
  }

  redo(world) {
    if (!this.after.length) return world;
    this.before.push(world);
    return this.after.pop();
  }
}
