// The page: asks what the run has, builds the panes, and from then on shows what the values give.

import { buildControls } from "./controls.js";
import { byId, element } from "./elements.js";
import { CodeMap } from "./map.js";
import { Pictures } from "./pictures.js";
import { ask, Newest, useToken } from "./server.js";
import { State } from "./state.js";

const OFTEN = 5000; // ms between looks at the run's directory

function say(text, wrong = false) {
  const line = byId("message");
  line.textContent = text;
  line.setAttribute("role", wrong ? "alert" : "status");
}

const fail = (error) => say(error.message, true);

async function start() {
  useToken(new URLSearchParams(location.hash.slice(1)).get("token") ?? "");
  const described = await ask("describe");
  byId("run").textContent = `${described.task}: ${described.run}`;
  document.title = `${described.task} - lvae explore`;
  const state = new State(described.controls);
  const updateControls = buildControls(described.controls, described.space, state);
  const pictures = new Pictures(state);
  const map = described.space ? new CodeMap(described.space, state, fail) : null;
  byId("right").hidden = !map;

  const shower = new Newest("show", (answer) => show(answer, pictures), fail, () => {
    document.querySelector("main").dataset.shown = "newest";
  });
  const update = () => {
    byId("undo").disabled = !state.earlier.length;
    updateControls();
    map?.update();
    document.querySelector("main").dataset.shown = "earlier";
    shower.request(state.asked());
  };
  state.addEventListener("change", update);
  connectButtons(state);
  update();
  await watch();
}

async function show({ pictures, facts, command }, panes) {
  await panes.show(pictures);
  const said = facts.flatMap(([name, text]) => [
    element("dt", { textContent: name }),
    element("dd", { textContent: text }),
  ]);
  byId("facts").replaceChildren(...said);
  const words = (command ?? "").split(" ").flatMap((word) => [element("span", { textContent: word }), " "]);
  byId("command").replaceChildren(...words.slice(0, -1));
  byId("copy").disabled = byId("save").disabled = command === null;
  document.querySelector("main").setAttribute("aria-busy", "false");
  if (byId("message").getAttribute("role") === "alert") say("");
}

function connectButtons(state) {
  byId("undo").onclick = () => state.undo();
  byId("reset").onclick = () => state.reset();
  document.onkeydown = (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key !== "z") return;
    event.preventDefault();
    state.undo();
  };
  byId("save").onclick = () => ask("save", state.asked()).then(({ message }) => say(message), fail);
  byId("copy").onclick = async () => {
    const command = byId("command").textContent;
    try {
      await navigator.clipboard.writeText(command);
      say("copied: run it in a terminal");
    } catch {
      getSelection().selectAllChildren(byId("command"));
      say("the browser does not let the page copy: the command below is selected");
    }
  };
  byId("reload").onclick = () => ask("reload").then(() => location.reload(), fail);
}

// Says what becomes of the run's directory.
async function watch() {
  try {
    const { message, newer } = await ask("status");
    byId("status").textContent = message;
    byId("reload").hidden = !newer;
  } catch (error) {
    fail(error);
  }
  setTimeout(watch, OFTEN);
}

start().catch(fail);
