/**
 * What a bell is worth, without Python: kdlab/mixtures/single.py and the texts of kdlab/mixtures/view_single.py again, for a page that has no kernel.
 * A test compares the two over the whole picture.
 */

"use strict";

{
  const STEPS = 8192; // of the integral, over 20 standard deviations
  const REACH = 10;

  /** log p*(x) of a mixture on a line, without underflow far from its components. */
  const logDensity = ({ weights, means, covariances }, x) => {
    const terms = weights.map((weight, k) => {
      const variance = covariances[k][0][0];
      return Math.log(weight) - 0.5 * (Math.log(2 * Math.PI * variance) + (x - means[k][0]) ** 2 / variance);
    });
    const highest = Math.max(...terms);
    return highest + Math.log(terms.reduce((sum, term) => sum + Math.exp(term - highest), 0));
  };

  /** Precision, nats: the mean of log p* over the bell, by the trapezoidal rule, which is as good as exact for a bell. */
  const precision = (truth, centre, width) => {
    let sum = 0;
    let mass = 0;
    for (let i = 0; i <= STEPS; i += 1) {
      const z = REACH * ((2 * i) / STEPS - 1);
      const weight = Math.exp(-0.5 * z * z);
      sum += weight * logDensity(truth, centre + width * z);
      mass += weight;
    }
    return sum / mass;
  };

  /** Recall, nats: the mean of the bell's log-density over p*, in closed form. */
  const recall = ({ weights, means, covariances }, centre, width) => {
    const square = weights.reduce((sum, weight, k) => sum + weight * (covariances[k][0][0] + (means[k][0] - centre) ** 2), 0);
    return -0.5 * Math.log(2 * Math.PI * width * width) - square / (2 * width * width);
  };

  const minus = (text) => text.replace(/^-(?=.*[1-9])/, "−").replace(/^-/, "");

  const words = (value) => minus(Math.abs(value) < 1000 ? value.toFixed(2)
    : value.toLocaleString("en-US", { maximumFractionDigits: 0 }));

  const widthWords = (width) => {
    if (width >= 1) return width.toFixed(2);
    return width >= 0.1 ? width.toFixed(3).replace(/0$/, "") : width.toFixed(4).replace(/0+$/, "");
  };

  const below = (apart) => {
    if (apart >= 0.9995) return words(apart);
    return apart >= 0.0005 ? apart.toFixed(3) : "less than 0.001";
  };

  kdlab.answers.SingleView = {
    hand(model) {
      const { truth, bounds } = model.get("world");
      const { centre, width } = model.get("hand");
      const worth = { precision: precision(truth, centre, width), recall: recall(truth, centre, width) };
      const short = { precision: below(bounds.precision - worth.precision), recall: below(bounds.recall - worth.recall) };
      const said = ["precision", "recall"].map((name) => `${name} ${words(worth[name])} nats (${short[name]} below its bound)`);
      model.put({ kernel_error: "", answer: {
        centre, width, ...worth, below: short,
        numbers: `precision ${words(worth.precision)}   recall ${words(worth.recall)}`,
        sentence: `Centre ${words(centre)}, width ${widthWords(width)}: ${said.join(", ")}.`,
      } });
    },
  };
}
