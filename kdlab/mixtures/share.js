/**
 * A world as an address and as Python: for others to open, or to go on with in a notebook. Needs world.js before it.
 *
 *   #1;d=2;r=4;m=0.5,-1,0.4,0.4,0,1_...;t=f3;k=2;f=diag;b=20;g=1;hide=teacher,modes;lock=1;ask=precision
 *
 * The 1 is the version. `m` and, of an edited teacher, `t=e...` list modes: centre, widths, tilt, weight, in that order.
 * `g` is the option that was guessed. What a teacher may set: `hide` takes controls away, `lock` holds p* still, `ask` is a
 * question by its name. An address comes from anywhere: everything is checked, numbers are the only values that are kept,
 * and nothing of it is ever shown as HTML.
 */

const VERSION = "1";
const LONGEST = 4000; // characters: twelve modes twice take half of it
const NUMBER = /^-?\d{1,6}(\.\d{1,10})?$/;

/** A number as it is written: five digits say more than a picture can show. */
const written = (value) => (Math.abs(value) < 1e-6 ? "0" : String(Number(value.toPrecision(5))));

function modesAsText(modes) {
  return modes.map(({ at, widths, tilt, weight }) =>
    [...at, ...widths, ...(at.length === 2 ? [tilt] : []), weight].map(written).join(",")).join("_");
}

/** The address of a world: what follows the # of the page's own. `extras` are {guess, hide, lock, ask}. */
function asAddress(world, { guess = null, hide = [], lock = false, ask = "" } = {}) {
  const { dim, reach, modes, teacher, n, family, beta } = world;
  const told = { truth: "t", fitted: `f${teacher.n}`, edited: `e${teacher.kind === "edited" ? modesAsText(teacher.modes) : ""}` }[teacher.kind];
  const parts = [VERSION, `d=${dim}`, `r=${written(reach)}`, `m=${modesAsText(modes)}`, `t=${told}`, `k=${n}`, `f=${family}`, `b=${written(beta)}`];
  if (guess !== null) parts.push(`g=${guess}`);
  if (hide.length) parts.push(`hide=${hide.join(",")}`);
  if (lock) parts.push("lock=1");
  if (ask) parts.push(`ask=${ask}`);
  return parts.join(";");
}

/**
 * What an address holds: {world, guess, hide, lock, ask, refused}. Where it is no address of a world, `world` is null and
 * `refused` is a sentence that says why; an empty address gives null and no sentence. `known` are {hide: names, ask: names}.
 */
function fromAddress(text, known = { hide: [], ask: [] }) {
  const nothing = { world: null, guess: null, hide: [], lock: false, ask: "", refused: "" };
  if (!text) return nothing;
  try {
    return { ...nothing, ...parsed(text, known) };
  } catch (error) {
    return { ...nothing, refused: `The address holds no world that can be shown: ${error.message} Here is another one.` };
  }
}

function parsed(text, known) {
  if (text.length > LONGEST) throw new Error(`it is ${text.length} characters long.`);
  const [version, ...pairs] = plainOf(text).split(";");
  if (version !== VERSION) throw new Error("it is of another version.");
  const said = new Map(pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]));
  const [dim, n] = [count(said.get("d")), count(said.get("k"))];
  const modes = modesIn(said.get("m"), dim);
  const world = { dim, reach: real(said.get("r")), modes, teacher: teacherIn(said.get("t"), dim), n, family: said.get("f"), beta: real(said.get("b")) };
  const wrong = checkWorld(world);
  if (wrong) throw new Error(wrong);
  const listed = (name) => {
    const names = (said.get(name) ?? "").split(",").filter(Boolean);
    if (names.some((one) => !known[name].includes(one))) throw new Error(`its ${name} is none of ${known[name].join(", ")}.`);
    return names;
  };
  return { world, guess: said.has("g") ? count(said.get("g")) : null, hide: listed("hide"), lock: said.get("lock") === "1", ask: listed("ask")[0] ?? "" };
}

/** An address as it was written: on its way some signs may have been replaced. */
function plainOf(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error("it is damaged.");
  }
}

function real(text) {
  if (!NUMBER.test(text ?? "")) throw new Error("a number is missing, or is none.");
  return Number(text);
}

function count(text) {
  if (!/^\d{1,2}$/.test(text ?? "")) throw new Error("a count is missing, or is none.");
  return Number(text);
}

function modesIn(text, dim) {
  const rows = (text ?? "").split("_", MOST_MODES + 1).map((row) => row.split(",").map(real));
  if (rows.some((row) => row.length !== (dim === 1 ? 3 : 6))) throw new Error("a mode has too few numbers, or too many.");
  return rows.map((row) => ({ at: row.slice(0, dim), widths: row.slice(dim, 2 * dim), tilt: dim === 1 ? 0 : row[4], weight: row.at(-1) }));
}

function teacherIn(text, dim) {
  const kind = (text ?? "")[0];
  if (kind === "t") return { kind: "truth" };
  if (kind === "f") return { kind: "fitted", n: count(text.slice(1)) };
  if (kind === "e") return { kind: "edited", modes: modesIn(text.slice(1), dim) };
  throw new Error("its teacher is of no kind that there is.");
}

// ---------------------------------------------------------------- as Python

const inBrackets = (values) => `[${values.map((value) => (Array.isArray(value) ? inBrackets(value) : written(value))).join(", ")}]`;

/** A mixture as the call that makes it: weights that sum to one whatever they are rounded to. */
function mixtureAsPython(name, modes) {
  const { weights, means, covariances } = mixtureOf(modes);
  const others = weights.slice(1).map((weight) => weight.toFixed(6));
  const first = (1 - others.reduce((sum, weight) => sum + Number(weight), 0)).toFixed(6);
  const parts = [`[${[first, ...others].join(", ")}]`, inBrackets(means), inBrackets(covariances)];
  return `${name} = GaussianMixture(\n${parts.map((part) => `    ${part},\n`).join("")})`;
}

/** The same world and students in a notebook. */
function asPython(world) {
  const { modes, teacher, n, family } = world;
  const lines = ["from kdlab import GaussianMixture, mixtures", "", mixtureAsPython("truth", modes)];
  if (teacher.kind === "edited") lines.push(mixtureAsPython("teacher", teacher.modes));
  const taught = { truth: "", fitted: `teacher=${teacher.n}, `, edited: "teacher=teacher, " }[teacher.kind];
  lines.push(`sweep = mixtures.teacher_entropy(truth=truth, ${taught}n_components=${n}, covariance="${family}")`, "mixtures.show(sweep)");
  return lines.join("\n");
}
