/**
 * What there is to find by drawing: how far a world and its exact path are from each of five things.
 *
 * Python (kdlab/mixtures/challenges.py) has their words, says how much of each is wanted, and measures the same; a test
 * compares the two. Each measure takes (path, world, twin) and gives a number of nats, or a sentence that says what is
 * missing; a path is {betas, precision, recall, coverage, direct}, `twin` is a {world, path} that was remembered.
 */

const SURVIVES_AT = 20; // beta
const RARE = 0.05; // of p*'s mass, at most
const MOVED = 0.1; // of p*'s standard deviation: how far one world's modes are at least from the other's

const MEASURES = {
  /** The largest fall of precision from one position to a later one. */
  falls({ precision }) {
    let [highest, fall] = [-Infinity, 0];
    for (const value of precision) {
      highest = Math.max(highest, value);
      fall = Math.max(fall, highest - value);
    }
    return fall;
  },

  /** By how much both numbers are better at some position than at beta = 1: the smaller of the two gains. */
  less({ precision, recall }) {
    return Math.max(...precision.map((value, i) => Math.min(value - precision[0], recall[i] - recall[0])));
  },

  /** How much more precise the student of this teacher is, as it comes, than the student of p* itself. */
  better({ precision, direct }, { n, teacher }) {
    if (n !== 1) return "The student has to have one component: set K″ to 1.";
    if (teacher.kind === "truth") return "The teacher knows p*: edit it by hand. One that is fitted has p*'s mean and widths, and so has its only student.";
    return precision[0] - direct.precision;
  },

  /** How far a rare mode's coverage is above one half at beta = 20. */
  rare({ betas, coverage }, { modes }) {
    const shares = modes.map((_, k) => shareOf(modes, k));
    const rare = shares.flatMap((share, k) => (share <= RARE ? [k] : []));
    if (!rare.length) return `No mode is rare: make one lighter than ${100 * RARE} %.`;
    const there = coverage[nearest(betas, SURVIVES_AT)];
    return Math.max(...rare.map((k) => there[k]));
  },

  /** How far the path of this world is from that of the one remembered, at the position where it is farthest. */
  twins({ betas, precision, recall }, { modes, dim }, twin) {
    if (!twin) return "Remember a world first; then draw another one.";
    if (twin.world.dim !== dim || twin.world.modes.length !== modes.length) return "Both worlds need as many modes, and as many dimensions.";
    if (modes.length === 1) return "With one mode there is no path: both worlds need two modes at least.";
    const away = modes.map(({ at }) => Math.min(...twin.world.modes.map((other) => Math.hypot(...at.map((value, d) => value - other.at[d])))));
    if (Math.max(...away) < MOVED * deviationOf(mixtureOf(modes))) {
      return "Remembered. Now move its modes: this is hardly another world yet.";
    }
    const at = betas.map((beta) => nearest(twin.path.betas, beta)); // a path to be drawn has fewer of them
    const apart = (one, other) => Math.max(...one.map((value, i) => Math.abs(value - other[at[i]])));
    return Math.max(apart(precision, twin.path.precision), apart(recall, twin.path.recall));
  },
};

/** The standard deviation of a mixture, in all its dimensions together. */
function deviationOf({ weights, means, covariances }) {
  const mean = means[0].map((_, d) => weights.reduce((sum, weight, k) => sum + weight * means[k][d], 0));
  const square = (k) => mean.reduce((sum, value, d) => sum + covariances[k][d][d] + (means[k][d] - value) ** 2, 0);
  return Math.sqrt(weights.reduce((sum, weight, k) => sum + weight * square(k), 0));
}

/**
 * How a challenge stands: {done, text}. It is {name, what, wanted, most}: `most` says that less is better. Of a path that is
 * only good enough to draw its number is told with a sign, and nothing is done yet; nor is it by a world that was `given`.
 */
function standing({ name, what, wanted, most, unit }, path, world, twin, given) {
  if (!path) return { done: false, text: "Wait until there is a path." };
  const found = MEASURES[name](path, world, twin);
  if (typeof found === "string") return { done: false, text: found };
  const enough = Boolean(path.exact) && (most ? found <= wanted : found >= wanted);
  const end = enough ? (given ? " This world was given: now draw one." : " Done.") : "";
  return { done: enough && !given, text: `${what} ${path.exact ? "" : "≈ "}${number(found, 3)}${unit}; ${most ? "at most" : "at least"} ${number(wanted, 3)} is wanted.${end}` };
}

/** The challenges as a list below the picture; returns show(path, world, given). */
function buildChallenges(parent, challenges, remember) {
  const list = html(parent, "ol", { class: "kdlab-own-challenges" });
  const rows = challenges.map(({ title, task }) => {
    const item = html(list, "li");
    html(item, "strong", { text: `${title}. ` });
    html(item, "span", { text: `${task} ` });
    return { item, said: html(item, "em", { class: "kdlab-own-standing" }) };
  });
  let twin = null;
  const keep = rows[challenges.findIndex(({ name }) => name === "twins")];
  const button = keep && html(keep.item, "button", { type: "button", text: "remember this world" });
  const found = new Set(); // what was done once: another world does not undo it
  const show = (path, world, given) => {
    challenges.forEach((challenge, i) => {
      const { done, text } = standing(challenge, path, world, twin, given);
      rows[i].item.classList.toggle("kdlab-own-done", done);
      rows[i].said.textContent = `${text}${!done && found.has(i) ? " You had found it." : ""}`;
      if (done) found.add(i);
    });
    if (button) button.disabled = !path?.exact;
  };
  button?.addEventListener("click", () => { twin = remember(); show(twin.path, twin.world); });
  return show;
}
