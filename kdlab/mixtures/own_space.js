/**
 * The space of a world of the reader's own: p* as it is, the models over it, and handles to change its modes by.
 *
 * Needs pictures/live.js and world.js before it. `buildOwnSpace` creates what stays; what it returns draws, and says which
 * handle is near a pointer. It knows nothing of gestures: view_own.js does what a handle's drag or key means.
 */

const SPACE = { left: 35, right: 405, top: 2, bottom: 372 }; // svg units of the plane's square
const LINE = { left: 12, right: 428, top: FRAME.top, bottom: FRAME.bottom };
const EDGE = 2; // standard deviations from a mode's centre to the handles of its widths
const HIT = 22; // pixels on the screen: half of what a finger needs
const KINDS = { // of handles: how each looks, and what it is called
  centre: { d: "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0 -12 0Z", called: "" },
  width: { d: "M-5 -5H5V5H-5Z", called: "width" },
  second: { d: "M-5 -5H5V5H-5Z", called: "second width" },
  weight: { d: "M0 -7L7 5H-7Z", called: "weight" },
};

/** Elements of one kind in a group, as many as are wanted now; the others are hidden. */
function pool(group, make) {
  const all = [];
  return (n) => {
    while (all.length < n) all.push(make(group, all.length));
    all.forEach((element, i) => element.toggleAttribute("hidden", i >= n));
    return all.slice(0, n);
  };
}

const pathOf = (line) => "M" + line.map(([x, y]) => `${round(x)} ${round(y)}`).join("L");

// ---------------------------------------------------------------- the models

function buildPlaneModels(panel, reach) {
  const x = scale([-reach, reach], [SPACE.left, SPACE.right]);
  const y = scale([-reach, reach], [SPACE.bottom, SPACE.top]);
  const unit = x(1) - x(0);
  const [width, height] = [SPACE.right - SPACE.left, SPACE.bottom - SPACE.top];
  svg(panel, "rect", { class: "kdlab-own-page", x: SPACE.left, y: SPACE.top, width, height });
  // An inner svg cuts off at its own edges.
  const inner = svg(panel, "svg", { "aria-hidden": "true", x: SPACE.left, y: SPACE.top, width, height, viewBox: `${SPACE.left} ${SPACE.top} ${width} ${height}` });
  const layer = (tag, names, all) => pool(svg(inner, "g", all), (group) => svg(group, tag, names));
  const fills = layer("path", { class: "kdlab-truth-fill" }, { transform: `matrix(${width / 2e4} 0 0 ${-height / 2e4} ${x(0)} ${y(0)})` });
  const learned = layer("ellipse", { class: "kdlab-student-ellipse" });
  const direct = layer("ellipse", { class: "kdlab-direct" });
  const taught = layer("ellipse", { class: "kdlab-teacher" });
  const ellipse = (element, mixture, k, sigmas) => placeEllipse(element, mixture.means[k], mixture.covariances[k], sigmas, x, y, unit);
  const draw = ({ contours, teacher, student, direct: other }) => {
    fills(contours.length).forEach((element, i) => {
      element.classList.toggle("kdlab-truth-edge", i === 0);
      set(element, { d: contours[i] });
    });
    const pairs = student.weights.flatMap((weight, k) => [[k, 1, weight], [k, 2, weight]]);
    learned(pairs.length).forEach((element, i) => {
      const [k, sigmas, weight] = pairs[i];
      element.classList.toggle("kdlab-sigma-2", sigmas === 2);
      ellipse(element, student, k, sigmas);
      element.style.strokeWidth = round((sigmas === 2 ? 1.4 : 2.4) * (0.45 + 0.55 * Math.sqrt(weight)));
    });
    direct(other.weights.length).forEach((element, k) => ellipse(element, other, k, 1));
    taught(teacher.weights.length).forEach((element, k) => {
      ellipse(element, teacher, k, 1);
      emphasise(element, teacher.weights[k]);
    });
  };
  return { x, y, draw, drawTruth: () => {} };
}

function buildLineModels(panel, reach, top) {
  const x = scale([-reach, reach], [LINE.left, LINE.right]);
  const y = scale([0, top], [LINE.bottom, LINE.top]);
  const inner = svg(panel, "svg", { "aria-hidden": "true", x: LINE.left, y: LINE.top, width: LINE.right - LINE.left, height: LINE.bottom - LINE.top,
    viewBox: `${LINE.left} ${LINE.top} ${LINE.right - LINE.left} ${LINE.bottom - LINE.top}` }); // a spike is cut off at its edges
  const places = Array.from({ length: 321 }, (_, i) => -reach + (i / 320) * 2 * reach);
  const curve = ({ weights, means, covariances }) => pathOf(places.map((place) => [x(place), y(density(place, weights, means, covariances))]));
  const [area, outline, learned, direct, taught] = ["kdlab-truth-area", "kdlab-truth-line", "kdlab-student-curve", "kdlab-direct", "kdlab-teacher kdlab-curve"]
    .map((name) => svg(inner, "path", { class: name }));
  svg(panel, "line", { class: "kdlab-axis", x1: LINE.left, x2: LINE.right, y1: LINE.bottom, y2: LINE.bottom });
  for (const [value, text] of ticks([-reach, reach])) {
    svg(panel, "text", { class: "kdlab-tick", x: round(x(value)), y: LINE.bottom + 18, "text-anchor": "middle", text });
  }
  const draw = ({ teacher, student, direct: other }) => {
    set(learned, { d: curve(student) });
    set(direct, { d: curve(other) });
    set(taught, { d: curve(teacher) });
  };
  const drawTruth = (truth) => {
    const d = curve(truth);
    set(outline, { d });
    set(area, { d: `${d}V${LINE.bottom}H${LINE.left}Z` });
  };
  return { x, y, draw, drawTruth };
}

// ---------------------------------------------------------------- the handles

/** Where each handle is, in svg units: [{k, kind, at: [X, Y]}, ...]; only the chosen mode has more than its centre. */
function handlesOf(modes, chosen, { x, y }) {
  const whole = modes.reduce((sum, { weight }) => sum + weight, 0);
  return modes.flatMap((mode, k) => {
    const centre = { k, kind: "centre", at: mode.at.length === 1 ? [x(mode.at[0]), LINE.bottom] : [x(mode.at[0]), y(mode.at[1])] };
    if (k !== chosen) return [centre];
    return [centre, ...(mode.at.length === 1 ? onLine : inPlane)(mode, mode.weight / whole, x, y).map((handle) => ({ k, ...handle }))];
  });
}

function onLine({ at: [mean], widths: [width] }, share, x, y) {
  const peak = share / (width * Math.sqrt(2 * Math.PI));
  const edge = mean + width <= x.highest ? mean + width : mean - width;
  return [
    { kind: "width", at: [x(edge), y(peak * Math.exp(-0.5))] },
    { kind: "weight", at: [x(mean), Math.max(y(peak), LINE.top + 8)] },
  ];
}

function inPlane({ at, widths, tilt }, share, x, y) {
  const axes = [[Math.cos(tilt), Math.sin(tilt)], [-Math.sin(tilt), Math.cos(tilt)]];
  const edge = (i, side = 1) => at.map((centre, d) => centre + side * EDGE * widths[i] * axes[i][d]);
  const shown = (i) => (isInside(edge(i), x) ? edge(i) : edge(i, -1)); // a handle outside the picture is on the other side
  const [first, second] = [shown(0), shown(1)].map(([px, py]) => [x(px), y(py)]);
  const highest = Math.hypot(widths[0] * axes[0][1], widths[1] * axes[1][1]); // its deviation from below to above
  const above = y(at[1] + EDGE * highest) - 24;
  const weight = [x(at[0]), above > SPACE.top + 8 ? above : y(at[1] - EDGE * highest) + 24];
  return [{ kind: "width", at: first }, { kind: "second", at: second }, { kind: "weight", at: weight }];
}

const isInside = (point, x) => point.every((value) => Math.abs(value) <= x.highest);

/** A handle is a slider of its own to keyboards and screen readers; what is drawn of it lies above its name. */
function makeHandle(group) {
  const element = svg(group, "g", { class: "kdlab-own-handle", role: "slider", tabindex: 0, "aria-roledescription": "handle" });
  svg(element, "path", { class: "kdlab-own-grip" });
  svg(element, "text", { class: "kdlab-own-name", x: 12, y: 4, "aria-hidden": "true" });
  return element;
}

/** The space of a world: {draw(picture), place(modes, chosen, covered, whose), near(event), at(event)}. */
function buildOwnSpace(panel, world, top) {
  panel.replaceChildren();
  const space = (world.dim === 1 ? buildLineModels : buildPlaneModels)(panel, world.reach, top);
  const { x, y } = space;
  x.highest = world.reach;
  const outline = svg(panel, "path", { class: "kdlab-own-chosen" });
  const words = svg(panel, "text", { class: "kdlab-quiet", x: 220, y: 391, "text-anchor": "middle" });
  const handles = pool(svg(panel, "g"), makeHandle);
  let placed = [];

  /** Put the handles of these modes where they are. `covered` says which modes the student still covers, if that is known. */
  const place = (modes, chosen, covered, whose) => {
    placed = handlesOf(modes, chosen, space);
    handles(placed.length).forEach((element, i) => {
      const { k, kind, at } = placed[i];
      set(element, { transform: `translate(${at.map(round).join(" ")})`, "data-mode": k, "data-kind": kind, ...spoken(modes, k, kind, whose) });
      element.classList.toggle("kdlab-lost", whose === "truth" && kind === "centre" && covered?.[k] === false);
      element.classList.toggle("kdlab-own-of-teacher", whose === "teacher");
      set(element.firstChild, { d: KINDS[kind].d });
      say(element.lastChild, kind === "weight" ? percent(shareOf(modes, k)) : "");
      element.lastChild.toggleAttribute("hidden", kind !== "weight");
    });
    set(outline, { d: modes[chosen] ? outlineOf(modes, chosen, space) : "" });
    outline.classList.toggle("kdlab-own-of-teacher", whose === "teacher");
    const kept = covered?.filter(Boolean).length ?? 0;
    const [full, hollow] = whose === "truth" ? ["● ", "○ "] : ["", ""]; // as the dots are, where they are those of p*
    say(words, covered ? `modes of p*:  ${full}${kept} covered   ${hollow}${covered.length - kept} lost` : "");
  };

  /** The pointer's place in svg units, and how many of them a pixel is. To ask for the panel's box is dear while it changes. */
  const pointer = ({ clientX, clientY }, box = panel.getBoundingClientRect()) => {
    const unit = FRAME.width / box.width;
    return { at: [(clientX - box.left) * unit, (clientY - box.top) * unit], unit };
  };

  const near = (event) => {
    const { at, unit } = pointer(event);
    const away = placed.map((handle, i) => [Math.hypot(handle.at[0] - at[0], handle.at[1] - at[1]), -i, handle]);
    const [distance, , handle] = away.sort((one, other) => one[0] - other[0] || one[1] - other[1])[0] ?? [Infinity];
    return distance <= HIT * unit ? handle : null;
  };
  const inverse = (place, map, zero = map(0)) => (place - zero) / (map(1) - zero);
  const at = (event) => placeOf(pointer(event).at).slice(0, world.dim);
  const element = (k, kind) => panel.querySelector(`[data-mode="${k}"][data-kind="${kind}"]:not([hidden])`);
  /** A place in svg units as one in the world; on a line the second number is a density. */
  const placeOf = ([px, py]) => [inverse(px, x), inverse(py, y)];
  return { draw: space.draw, drawTruth: space.drawTruth, place, near, at, placeOf, pointer, element };
}

const shareOf = (modes, k) => modes[k].weight / modes.reduce((sum, { weight }) => sum + weight, 0);

/** The chosen mode: its ellipse as far as its handles are, or its part of the density. */
function outlineOf(modes, k, { x, y }) {
  const { at, widths, tilt } = modes[k];
  if (at.length === 1) {
    const peak = shareOf(modes, k) / (widths[0] * Math.sqrt(2 * Math.PI));
    const line = Array.from({ length: 61 }, (_, i) => -3 + i / 10).map((z) => [x(at[0] + z * widths[0]), Math.max(y(peak * Math.exp(-0.5 * z * z)), LINE.top)]);
    return pathOf(line.filter(([px]) => px >= LINE.left && px <= LINE.right));
  }
  const [c, s] = [Math.cos(tilt), Math.sin(tilt)];
  return `${pathOf(Array.from({ length: 48 }, (_, i) => (i * Math.PI) / 24).map((turn) => {
    const [u, v] = [EDGE * widths[0] * Math.cos(turn), EDGE * widths[1] * Math.sin(turn)];
    return [x(at[0] + c * u - s * v), y(at[1] + s * u + c * v)];
  }))}Z`;
}

/** What a screen reader says of a handle. */
function spoken(modes, k, kind, whose) {
  const { at, widths } = modes[k];
  const owner = whose === "teacher" ? "the teacher’s component" : "mode";
  const share = percent(shareOf(modes, k));
  const centre = `centre ${at.map((value) => number(value)).join(", ")}`;
  const [text, now] = {
    centre: [`${centre}, ${widths.length > 1 ? "widths" : "width"} ${widths.map((width) => number(width)).join(" and ")}, weight ${share}`, at[0]],
    width: [`width ${number(widths[0])}`, widths[0]],
    second: [`width ${number(widths[1] ?? 0)}`, widths[1] ?? 0],
    weight: [`weight ${share}`, shareOf(modes, k)],
  }[kind];
  return { "aria-label": [`${owner} ${k + 1} of ${modes.length}`, KINDS[kind].called].filter(Boolean).join(", "), "aria-valuetext": text, "aria-valuenow": round(now * 10) / 10 };
}
