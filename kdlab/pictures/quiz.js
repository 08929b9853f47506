/**
 * A static picture behind a question: the gate of every live view, for a picture that does not move.
 *
 * Shared with Python (kdlab/pictures/quiz.py): `picture`, a PNG as text, its `words`, its `size` [width, height] in CSS
 * pixels, the `prediction`, kernel_error and page_errors.
 */

/** One view of the picture. */
class Quiz extends Live {
  /** @param model the widget's traits */
  constructor(model) {
    super(model);
    const root = set(document.createElement("div"), { class: "kdlab-view kdlab-still", role: "group", "aria-label": model.get("prediction").question });
    const error = html(root, "div", { class: "kdlab-error", role: "alert", hidden: "" });
    const stage = html(root, "div", { class: "kdlab-stage" });
    const picture = html(stage, "div", { class: "kdlab-picture" });
    const [width, height] = model.get("size");
    html(picture, "img", { src: `data:image/png;base64,${model.get("picture")}`, alt: model.get("words"), width, height });
    const outcome = html(picture, "p", { class: "kdlab-outcome", tabindex: -1, hidden: "" });
    const cover = html(stage, "div", { class: "kdlab-cover", role: "group", hidden: "" });
    this.page = { root, error, picture, outcome, cover, next: outcome }; // nothing moves: what happens is read next
    keepKeys(root);
    keepInSight(root);
    this.watch(["prediction", "heard", "kernel_error"], () => this.guard(() => this.update()));
  }

  /** The question, or the guess and what happens. */
  update() {
    this.showErrors();
    showPrediction(this.page, this.model.get("prediction"), "", (guess) => this.commit(guess));
  }
}

export default () => ({
  render({ model, el }) {
    const view = new Quiz(model);
    el.append(view.page.root);
    return () => view.unwatch();
  },
});
