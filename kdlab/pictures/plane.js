/**
 * The precision-recall plane of students along a slider: both bounds, the whole path, the part travelled, the dot.
 *
 * A sweep whose students have other names says so: `called`, {direct, distilled}. Needs live.js before it. Whoever has a path of students has a plane: sweeps (sweep_view.js) and a world of the reader's own.
 */

const NAME_ROOM = 16; // svg units from the middle of a name to the path, for the dot to pass by
const MARK = "h0m-1.2 0a1.2 1.2 0 1 0 2.4 0a1.2 1.2 0 1 0-2.4 0"; // a dot and a circle around it, where the path is

/** The plane of one sweep, with the path so far from position `from`; returns draw(index). */
function buildPlane(panel, sweep, from = 0, frame = FRAME) {
  panel.replaceChildren();
  const x = scale(sweep.plane.recall, [frame.left, frame.right]);
  const y = scale(sweep.plane.precision, [frame.bottom, frame.top]);
  buildAxes(panel, sweep.plane, sweep.bounds, x, y, { frame });
  const at = sweep.recall.map((recall, i) => [round(x(recall)), round(y(sweep.precision[i]))]);
  const paths = at.map((_, i) => pathBetween(at, sweep.switched, Math.min(from, i), Math.max(from, i)));
  svg(panel, "path", { class: "kdlab-path-all", d: pathBetween(at, sweep.switched, 0, at.length - 1) });
  const past = svg(panel, "path", { class: "kdlab-path-past" });
  const [dx, dy] = [round(x(sweep.direct.recall)), round(y(sweep.direct.precision))];
  // The direct student's name stands where the path does not go: above or below the square, else to its right or left.
  const clearance = (ox, oy) => Math.min(...at.map(([px, py]) => Math.hypot(px - dx - ox, py - dy - oy)));
  const [above, below, right, left] = [clearance(0, -17), clearance(0, 17), clearance(32, 0), clearance(-32, 0)];
  const [under, limit, most] = [below >= above, round(x(sweep.bounds.recall)), Math.max(above, below)];
  const aside = Math.min(dx, limit - 25); // left of the bound, which has a name of its own
  const beside = most >= NAME_ROOM ? 0 : right > most && dx + 60 < limit ? 1 : left > most && dx - 60 > frame.left ? -1 : 0;
  const namedAt = beside ? [dx + 32 * beside, dy + 4.5] : [aside, dy + (under ? 25 : -12)];
  svg(panel, "text", { class: "kdlab-direct-name", x: namedAt[0], y: namedAt[1], "text-anchor": "middle", text: sweep.called?.direct ?? "direct" });
  // "distilled" ends where it is put and is some 60 wide; "direct" is some 44 wide and stands around its place.
  const overlaps = ([x1, y1]) => Math.abs(y1 - namedAt[1]) < 14 && x1 > namedAt[0] - 22 && x1 - 60 < namedAt[0] + 22;
  const name = svg(panel, "text", { class: "kdlab-student-name", "text-anchor": "end", text: sweep.called?.distilled ?? "distilled" });
  const dot = svg(panel, "circle", { class: "kdlab-student-dot", r: 8 });
  svg(panel, "rect", { class: "kdlab-direct-square", x: dx - 4.5, y: dy - 4.5, width: 9, height: 9 });
  return (i) => {
    const [cx, cy] = at[i];
    const [aside, below] = besidePath(at, i);
    set(past, { d: paths[i] });
    set(dot, { cx, cy, "data-precision": sweep.precision[i], "data-recall": sweep.recall[i] });
    const room = cx + 13 * aside - (frame.left + 68); // for the name; where there is none, it goes below the dot
    const drop = Math.max(below, Math.min(1, -room / 20));
    const place = [round(cx + 13 * aside - Math.min(room, 0)), round(cy + 4.5 + 18 * drop)];
    if (overlaps(place)) place[1] = namedAt[1] + (under ? 16 : -16); // farther out than the name that is there
    set(name, { x: place[0], y: place[1] });
  };
}

/**
 * Which way is off the path at position i, as a unit vector: left of a path that climbs or falls steeply, else below it.
 * There is room for a name there; on the other side, where all is better, stand the bounds and their names.
 */
function besidePath(points, i) {
  const ends = [points[Math.max(i - 4, 0)], points[Math.min(i + 4, points.length - 1)]];
  const [[x0, y0], [x1, y1]] = ends.sort(([one], [other]) => other - one); // from right to left, whichever way it is walked
  const length = Math.hypot(x1 - x0, y1 - y0);
  const falls = length > 0 ? (y1 - y0) / length : -1;
  const aside = falls > 0.8 ? -1 : Math.min(0, falls); // never to the right
  return [aside, Math.sqrt(1 - aside * aside)];
}

/** The path from one position to another, with a gap wherever `switched` says so; a stretch of no length gets a mark. */
function pathBetween(points, switched, first, last) {
  const starts = points.map((_, i) => i).filter((i) => i === first || (i > first && i <= last && switched[i]));
  return starts.map((start, n) => {
    const run = points.slice(start, starts[n + 1] ?? last + 1);
    const length = Math.max(...run.map(([x, y]) => Math.hypot(x - run[0][0], y - run[0][1])));
    const unseen = length < 3 && first < last; // a single position is where the student's dot is
    return `M${run.map((point) => point.join(" ")).join("L")}${unseen ? MARK : ""}`;
  }).join("");
}
