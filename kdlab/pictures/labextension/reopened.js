/**
 * A part of JupyterLab and Notebook 7: what is shown where a notebook is opened again and its kernel is gone.
 *
 * Of an output they take the live view, which is of no use without its kernel, and say "model not found". What lies
 * beside the view in the file, a still or an exercise's text, is shown here instead, under the sentence that Python put
 * there for this (SAVED in kdlab/pictures/live.py). There is no build step: this is what a bundler would make of it.
 */
(() => {
  const VIEW = "application/vnd.jupyter.widget-view+json";
  const PATIENCE = 1000; // ms until a view that is not there yet is stood in for; it may never come, and nobody says so

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
      const show = async () => {
        const parts = missing() ? await saved(registry, model) : [];
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
  window._JUPYTERLAB = Object.assign(window._JUPYTERLAB ?? {}, { kdlab: { init: () => {}, get: async () => () => plugin } });
})();
