/**
 * An exercise on the page: its task, its options where it has some, and what folds open. kdlab/lessons/exercise_view.py sends
 * it; Python judges. The only thing that goes back is the answer, when the reader presses Check.
 */

/** The options, a place for the reason, and the button; `send` gets { option, reason, times }. */
function buildAnswer(card, model, send) {
  const { name, options } = model.get("content");
  const kept = model.get("answer");
  const field = html(card, "fieldset");
  html(field, "legend", { text: `Your answer to exercise ${name}` });
  const group = `kdlab-${name}-${Math.random().toString(36).slice(2)}`; // a card may be on the page twice
  const radios = options.map((option, i) => {
    const label = html(field, "label", { class: "kdlab-option" });
    const radio = html(label, "input", { type: "radio", name: group, value: i });
    html(label, "span").innerHTML = option;
    radio.checked = kept.option === i;
    return radio;
  });
  const because = html(card, "label", { class: "kdlab-because", text: "Because (kept with your answer, not graded)" });
  const reason = html(because, "textarea", { rows: 2 });
  reason.value = kept.reason;
  const button = html(card, "button", { type: "button", text: "Check" });
  button.addEventListener("click", () => send({
    option: radios.findIndex((one) => one.checked),
    reason: reason.value,
    times: model.get("answer").times + 1, // so that the same answer, given again, is heard again
  }));
}

function render({ model, el }) {
  const { question, options, folded } = model.get("content");
  const card = html(el, "div", { class: "kdlab-card" });
  html(card, "div").innerHTML = question;
  let [late, shown] = [0, ""]; // which Check has had its time to be answered; what is said
  const send = (answer) => {
    later(() => { late = answer.times; show(); });
    model.set("answer", answer);
    model.save_changes();
  };
  if (options.length) buildAnswer(card, model, send);
  const said = html(card, "div", { class: "kdlab-said", role: "status" });
  const show = () => {
    const { times } = model.get("answer");
    const text = late === times && model.get("heard") !== times ? SILENCE : model.get("said");
    if (text !== shown) said.innerHTML = shown = text;
  };
  html(card, "div").innerHTML = folded;
  keepKeys(card);
  show();
  const answered = () => {
    show();
    // Who has just checked an answer here shall see all that is said of it.
    if (card.contains(document.activeElement)) said.scrollIntoView({ block: "nearest" });
  };
  const events = ["change:said", "change:heard"];
  events.forEach((event) => model.on(event, answered));
  return () => events.forEach((event) => model.off(event, answered));
}

export default { render };
