/**
 * A static picture behind a question: the gate of every live view, for a picture that does not move.
 *
 * Shared with Python (kdlab/pictures/quiz.py): `picture`, a PNG as text, its `words`, its `size` [width, height] in CSS pixels, the
 * `prediction`, kernel_error and page_errors.
 */

const TRAITS = ["prediction", "kernel_error"]; // whose changes matter here

/** One view of the picture. */
class Still extends Live {
  /** @param model the widget's traits */
  constructor(model) {
    super(model);
    const root = set(document.createElement("div"), { class: "kdlab-view kdlab-still", role: "group", "aria-label": model.get("prediction").question });
    this.page = { root, error: html(root, "div", { class: "kdlab-error", role: "alert", hidden: "" }) };
    this.page.stage = html(root, "div", { class: "kdlab-stage" });
    this.page.picture = html(this.page.stage, "div", { class: "kdlab-picture" });
    const [width, height] = model.get("size");
    html(this.page.picture, "img", { src: `data:image/png;base64,${model.get("picture")}`, alt: model.get("words"), width, height });
    this.page.outcome = html(this.page.picture, "p", { class: "kdlab-outcome", tabindex: -1, hidden: "" });
    this.page.next = this.page.outcome; // nothing here moves: what happens is read
    this.page.cover = html(this.page.stage, "div", { class: "kdlab-cover", role: "group", hidden: "" });
    keepKeys(root);
    keepInSight(root);
    this.onChange = () => this.guard(() => this.update());
    TRAITS.forEach((name) => model.on(`change:${name}`, this.onChange));
    this.onChange();
  }

  /** Let go of the traits when the picture leaves the page. */
  close() {
    TRAITS.forEach((name) => this.model.off(`change:${name}`, this.onChange));
  }

  /** The question, or the guess and what happens. */
  update() {
    const prediction = this.model.get("prediction");
    const message = [this.error, this.model.get("kernel_error")].filter(Boolean).join("\n");
    this.page.error.hidden = !message;
    this.page.error.textContent = message;
    showPrediction(this.page, prediction, "", (guess) => {
      this.send({ prediction: { ...prediction, guess } });
      this.update();
    });
  }
}

export default () => ({
  render({ model, el }) {
    const view = new Still(model);
    el.append(view.page.root);
    return () => view.close();
  },
});
