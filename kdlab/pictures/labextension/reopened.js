/**
 * A part of JupyterLab and Notebook 7: what is shown where a notebook is opened again and its kernel is gone.
 *
 * Of an output they take the live view, which is of no use without its kernel, and say "model not found". What lies
 * beside the view in the file, a still or an exercise's text, is shown here instead, under the sentence that Python put
 * there for this (SAVED in kdlab/pictures/live.py). There is no build step: this is what a bundler would make of it.
 */
(() => {
  const VIEW = "application/vnd.jupyter.widget-view+json";
  const PATIENCE = 2000; // ms that a view has to come: it may never do so, and nobody would say that

  /** What else the file has of this output, at its best, and the sentence above it. */
  async function saved(registry, model) {
    const { [VIEW]: view, ...rest } = model.data;
    const mime = registry.preferredMimeType(rest, model.trusted ? "any" : "ensure");
    const shown = registry.createRenderer(mime);
    await shown.renderModel(model);
    const words = model.metadata[mime]?.alt;
    if (words) shown.node.querySelector("img")?.setAttribute("alt", words);
    const sentence = document.createElement("p");
    sentence.className = "kdlab-reopened jp-RenderedHTMLCommon";
    sentence.textContent = model.metadata[VIEW].kdlab;
    return [sentence, shown.node];
  }

  /** Let the renderer of a live view show what was saved for as long as it has no view. */
  function standIn(renderer, registry) {
    const renderModel = renderer.renderModel.bind(renderer);
    renderer.renderModel = async (model) => { // called again once widgets are restored from a kernel
      const rendered = renderModel(model);
      if (!model.metadata[VIEW]?.kdlab) return rendered;
      const missing = () => !renderer.isDisposed && renderer.widgets?.length === 0;
      let parts; // the same at both times, with what is unfolded in it
      const show = async () => {
        if (missing()) parts ??= await saved(registry, model);
        if (missing()) renderer.node.replaceChildren(...parts);
      };
      setTimeout(show, PATIENCE);
      await rendered;
      return show();
    };
    return renderer;
  }

  /** Called by JupyterLab for each notebook that it opens, before it reads it. */
  function createNew({ content: { rendermime } }) {
    const createRenderer = rendermime.createRenderer.bind(rendermime);
    rendermime.createRenderer = (mime) => (
      mime === VIEW ? standIn(createRenderer(mime), rendermime) : createRenderer(mime)
    );
  }

  const activate = ({ docRegistry }) => { docRegistry.addWidgetExtension("Notebook", { createNew }); };
  const plugin = { id: "kdlab:reopened", autoStart: true, activate };
  const container = { init: () => {}, get: async () => () => plugin };
  window._JUPYTERLAB = Object.assign(window._JUPYTERLAB ?? {}, { kdlab: container });
})();
