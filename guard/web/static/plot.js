/** A small live plot of the two scores. Lines differ by dashes as well as by colour. */

import { element, setAttribute, shape } from "./dom.js";

const SPAN_MS = 90_000;

/** Where nothing came for so long, the lines are broken rather than drawn through. */
const GAP_MS = 3000;

const WIDTH = 300;
const HEIGHT = 100;

/** The last 90 s of liveness and deepfake, each 0..1, or null where there is none: the lines are broken there. */
export class Plot {
  #samples = [];
  #liveness = line("liveness");
  #deepfake = line("deepfake");
  #frame = shape(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" },
    ...[0, 0.5, 1].map((value) => grid(value)),
    this.#deepfake,
    this.#liveness,
  );

  /** What to put into a page. */
  root = element(
    "figure",
    { class: "plot" },
    element(
      "div",
      { class: "axis", "aria-hidden": "true" },
      element("span", {}, "1"),
      element("span", {}, "0"),
    ),
    this.#frame,
    element(
      "figcaption",
      { "aria-hidden": "true" },
      element("span", {}, `${SPAN_MS / 1000} s ago`),
      element("span", {}, "now"),
    ),
  );

  /** Takes the scores of this moment, milliseconds of a clock that only goes forward. */
  add(now, liveness, deepfake) {
    this.#samples.push({ at: now, liveness, deepfake });
    while (this.#samples[0].at < now - SPAN_MS - GAP_MS) this.#samples.shift();
  }

  /** Draws what is to be seen at this moment. */
  draw(now) {
    setAttribute(this.#liveness, "d", path(this.#samples, "liveness", now));
    setAttribute(this.#deepfake, "d", path(this.#samples, "deepfake", now));
  }

  /** Says in words what is drawn. */
  describe(text) {
    setAttribute(this.#frame, "aria-label", text);
  }
}

function line(name) {
  return shape("path", { class: `score ${name}`, d: "" });
}

function grid(value) {
  const y = height(value);
  return shape("path", { class: "grid", d: `M0 ${y}H${WIDTH}` });
}

/** Values leave a little room above and below, so that lines at 0 and 1 are seen whole. */
function height(value) {
  return (3 + (HEIGHT - 6) * (1 - value)).toFixed(1);
}

function path(samples, key, now) {
  let drawn = "";
  let before = -Infinity;
  for (const sample of samples) {
    if (sample[key] === null) {
      before = -Infinity;
      continue;
    }
    const x = Math.max(0, WIDTH * (1 - (now - sample.at) / SPAN_MS)).toFixed(1);
    drawn += `${sample.at - before > GAP_MS ? "M" : "L"}${x} ${height(sample[key])}`;
    before = sample.at;
  }
  return drawn;
}
