// The left pane: one input for every control.

import { byId, element } from "./elements.js";

const SHOWN = 12; // latent dimensions before the fold
const FEW = 1000; // whole numbers that a slider can go through
const PLACE = ["example", "number", "toward", "share"]; // of a latent space: see start
const PRIOR = "the prior";

// Builds the inputs; returns a function that sets them from the state.
export function buildControls(controls, space, state) {
  const updates = [];
  const own = controls.filter((control) => !(space && PLACE.includes(control.name)));
  const codes = own.filter((control) => control.group === "codes");
  const others = own.filter((control) => control.group === "");
  const made = (control) => input(control, state, updates);
  byId("start").replaceChildren(...(space ? [start(space, state, updates)] : []));
  byId("others").replaceChildren(...others.map(made));
  byId("codes").replaceChildren(...(codes.length ? [folded(codes, made)] : []));
  return () => updates.forEach((update) => update());
}

function folded(codes, made) {
  const group = element("fieldset", {}, element("legend", { textContent: "Latent dimensions" }));
  const help = "Moves in standard deviations of the codes of all examples; largest KL first.";
  group.append(element("p", { className: "help", textContent: help }));
  group.append(...codes.slice(0, SHOWN).map(made));
  const rest = codes.slice(SHOWN);
  if (rest.length) {
    const dead = rest.filter((control) => control.faint).length;
    const text = `${rest.length} more` + (dead ? `, ${dead} of them dead` : "");
    group.append(element("details", {}, element("summary", { textContent: text }), ...rest.map(made)));
  }
  return group;
}

// One labelled input.
function input(control, state, updates) {
  if (control.kind === "switch") return checkbox(control, state, updates);
  if (control.choices.length) return choice(control, state, updates);
  const few = control.kind === "whole" && control.most - control.least <= FEW;
  if (control.kind === "number" || few) return slider(control, state, updates);
  return field(control, state, updates);
}

function slider(control, state, updates) {
  const { name, least, most, step } = control;
  const range = element("input", { type: "range", id: name, min: least, max: most, step });
  const output = element("output", { htmlFor: name });
  range.addEventListener("input", () => state.change({ [name]: range.valueAsNumber }, false));
  range.addEventListener("change", () => state.change({ [name]: range.valueAsNumber }));
  range.addEventListener("keydown", (event) => {
    if (["Delete", "Backspace"].includes(event.key)) state.change({ [name]: control.default });
  });
  updates.push(() => {
    const value = state.get(name);
    range.value = value;
    output.value = (least < 0 && value > 0 ? "+" : "") + value.toFixed(step >= 1 ? 0 : 2);
    row.classList.toggle("moved", value !== control.default);
  });
  const row = labelled(control, range, output);
  return row;
}

function checkbox(control, state, updates) {
  const box = element("input", { type: "checkbox", id: control.name });
  box.addEventListener("change", () => state.change({ [control.name]: box.checked }));
  updates.push(() => (box.checked = state.get(control.name)));
  return element("label", { className: "switch", title: control.help }, box, control.title);
}

function choice(control, state, updates) {
  const options = control.choices.map((text) => element("option", { value: text, textContent: text }));
  const select = element("select", { id: control.name }, ...options);
  select.addEventListener("change", () => {
    // What was done to the points of one frame is not meant for another.
    const own = control.name === "example" ? ["moved", "named"] : [];
    const left = own.filter((name) => state.controls.has(name)).map((name) => [name, ""]);
    state.change({ [control.name]: select.value, ...Object.fromEntries(left) });
  });
  updates.push(() => (select.value = state.get(control.name)));
  return labelled(control, select);
}

function field(control, state, updates) {
  const whole = control.kind === "whole";
  const box = element("input", { id: control.name, type: whole ? "number" : "text" });
  if (whole) Object.assign(box, { min: control.least, max: control.most, step: 1 });
  box.addEventListener("change", () => {
    if (!box.checkValidity() || (whole && box.value === "")) box.value = state.get(control.name);
    state.change({ [control.name]: whole ? box.valueAsNumber : box.value });
  });
  updates.push(() => (box.value = state.get(control.name)));
  return labelled(control, box);
}

function labelled(control, ...inputs) {
  const name = element("label", { htmlFor: control.name, textContent: control.title });
  if (control.note) name.append(" ", element("small", { textContent: control.note }));
  const className = "control" + (control.faint ? " faint" : "");
  return element("div", { className, title: control.help }, name, ...inputs);
}

// Where the code starts: an example of a group, or a sample of the prior; part of the way to another.
function start(space, state, updates) {
  const groups = [...new Set(space.groups)];
  const group = select("group", `${space.label} or prior`, [PRIOR, ...groups]);
  const example = select("example", "example", []);
  const number = field(state.controls.get("number"), state, updates);
  const share = slider(state.controls.get("share"), state, updates);
  const leave = element("button", { type: "button", textContent: "Leave the way" });
  const way = element("div", {}, element("p", { className: "help" }), share, leave);
  const members = (name) => space.names.filter((_, index) => space.groups[index] === name);
  group.input.addEventListener("change", () => {
    const wanted = group.input.value;
    state.change({ example: wanted === PRIOR ? "" : members(wanted)[0], toward: "" });
  });
  example.input.addEventListener("change", () =>
    state.change({ example: example.input.value, toward: "" }),
  );
  leave.addEventListener("click", () => state.change({ toward: "" }));
  updates.push(() => {
    const name = state.get("example");
    const where = name ? space.groups[space.names.indexOf(name)] : PRIOR;
    group.input.value = where;
    if (example.filled !== where) {
      const options = members(where).map((text) => element("option", { value: text, textContent: text }));
      example.input.replaceChildren(...options);
      example.filled = where;
    }
    example.input.value = name;
    example.row.hidden = !name;
    number.hidden = Boolean(name);
    way.hidden = !name || !state.get("toward");
    way.firstChild.textContent = `On the way from ${name} to ${state.get("toward")}:`;
  });
  const legend = element("legend", { textContent: "Start from" });
  return element("fieldset", {}, legend, group.row, example.row, number, way);
}

function select(id, title, texts) {
  const options = texts.map((text) => element("option", { value: text, textContent: text }));
  const input = element("select", { id }, ...options);
  const label = element("label", { htmlFor: id, textContent: title });
  return { input, row: element("div", { className: "control" }, label, input) };
}
