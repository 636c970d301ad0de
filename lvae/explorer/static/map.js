// The right pane: codes in two dimensions, and the strip between two examples.

import { byId, directionOf, drawn, element, nearest, nextPlace, placeIn } from "./elements.js";
import { ask } from "./server.js";

const TITLES = { pca: "PCA", tsne: "t-SNE" };
const AGAIN = 1500; // ms between questions for maps that are being computed
const REACH = 0.08; // of the half map's width: what a click takes
const COLOURS = 12;

export class CodeMap {
  constructor(space, state, failed) {
    Object.assign(this, { space, state, failed, marks: [], pointed: -1 });
    this.svg = byId("map");
    this.groups = [...new Set(space.groups)];
    this.svg.onclick = (event) => {
      const place = placeIn(this.svg, event);
      this.pick(nearest(this.#places(), place.x, place.y, REACH));
    };
    this.svg.onpointermove = (event) => {
      const place = placeIn(this.svg, event);
      this.point(nearest(this.#places(), place.x, place.y, REACH));
    };
    this.svg.onkeydown = (event) => this.#key(event);
    this.#legend();
    this.load();
    this.showStrip();
  }

  async load() {
    try {
      const { maps, rows, ready, message } = await ask("map");
      Object.assign(this, { maps, rows });
      if (message) this.failed(new Error(message));
      this.#choices(ready);
      this.draw();
      if (!ready) setTimeout(() => this.load(), AGAIN);
    } catch (error) {
      this.failed(error);
    }
  }

  kind() {
    const wanted = this.state.looking.get("map") ?? "pca";
    return wanted in this.maps ? wanted : "pca";
  }

  draw() {
    const map = this.maps[this.kind()];
    if (!map) return;
    const all = [...map.examples, ...(map.drawn ?? [])];
    const place = fitted(all);
    this.marks = all.map((at, index) => {
      const [x, y] = place(at);
      if (index >= map.examples.length) return { x, y, number: index - map.examples.length };
      return { x, y, name: this.space.names[this.rows[index]] };
    });
    this.svg.replaceChildren(
      ...this.marks.map((mark) => this.#mark(mark)),
      (this.here = drawn("circle", { class: "here", r: 0.045 })),
      (this.cursor = drawn("circle", { class: "cursor", r: 0.035, visibility: "hidden" })),
    );
    this.update();
  }

  // Marks where the state is.
  update() {
    if (!this.here) return;
    const name = this.state.get("example");
    const number = this.state.get("number");
    const found = this.marks.find((mark) => (name ? mark.name === name : mark.number === number));
    this.here.setAttribute("visibility", found ? "visible" : "hidden");
    if (!found) return;
    this.here.setAttribute("cx", found.x);
    this.here.setAttribute("cy", found.y);
  }

  point(index) {
    this.pointed = index;
    const mark = this.marks[index];
    this.cursor?.setAttribute("visibility", mark ? "visible" : "hidden");
    byId("nearest").textContent = mark ? this.#said(mark) : "A click loads an example; a second one shows the way.";
    if (!mark) return;
    this.cursor.setAttribute("cx", mark.x);
    this.cursor.setAttribute("cy", mark.y);
  }

  // Loads an example, or a sample of the prior; after another example also shows the way between.
  pick(index) {
    const mark = this.marks[index];
    if (!mark) return;
    const moves = {};
    for (const [name, control] of this.state.controls) {
      if (control.group === "codes") moves[name] = 0;
    }
    const place = mark.name ? { example: mark.name } : { example: "", number: mark.number };
    this.state.change({ ...moves, toward: "", ...place });
    if (!mark.name) return;
    const before = this.state.looking.get("picked");
    if (before && before !== mark.name) this.state.look("strip", `${before} ${mark.name}`);
    this.state.look("picked", mark.name);
    this.showStrip();
  }

  async showStrip() {
    const pair = this.state.looking.get("strip");
    if (!pair) return;
    const [first, second] = pair.split(" ");
    try {
      const { strip } = await ask("between", { first, second });
      const buttons = strip.map(({ share, source }) => this.#step(first, second, share, source));
      const title = element("p", { textContent: `From ${first} to ${second}` });
      byId("strip").replaceChildren(title, element("div", { className: "strip" }, ...buttons));
    } catch (error) {
      this.failed(error);
    }
  }

  #step(first, second, share, source) {
    const name = `${Math.round(100 * share)} % of the way from ${first} to ${second}`;
    const button = element("button", { type: "button", title: name }, element("img", { src: source, alt: name }));
    button.addEventListener("click", () => {
      const ends = { 0: { example: first, toward: "" }, 1: { example: second, toward: "" } };
      this.state.change(ends[share] ?? { example: first, toward: second, share });
    });
    return button;
  }

  #places() {
    return this.marks.map(({ x, y }) => [x, y]);
  }

  #said(mark) {
    if (mark.name === undefined) return `sample ${mark.number} of the prior`;
    return `${mark.name}, ${this.space.label} ${this.space.groups[this.space.names.indexOf(mark.name)]}`;
  }

  #mark({ x, y, name }) {
    if (name === undefined) return drawn("circle", { class: "drawn", cx: x, cy: y, r: 0.018 });
    const group = this.groups.indexOf(this.space.groups[this.space.names.indexOf(name)]);
    return drawn("circle", { class: `mark group-${group % COLOURS}`, cx: x, cy: y, r: 0.018 });
  }

  #key(event) {
    const direction = directionOf(event);
    if (!this.marks.length) return;
    if (direction) {
      event.preventDefault();
      const name = this.state.get("example");
      const start = this.marks.findIndex((mark) => mark.name === name);
      const from = this.pointed < 0 ? Math.max(0, start) : this.pointed;
      this.point(nextPlace(this.#places(), from, direction));
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.pick(this.pointed);
    }
  }

  #choices(ready) {
    const radios = Object.keys(TITLES).map((kind) => {
      const radio = element("input", { type: "radio", name: "map", id: `map-${kind}`, value: kind });
      radio.disabled = !(kind in this.maps);
      radio.checked = kind === this.kind();
      radio.addEventListener("change", () => {
        this.state.look("map", kind);
        this.draw();
      });
      const text = radio.disabled && !ready ? `${TITLES[kind]} (being computed)` : TITLES[kind];
      return element("label", { className: "switch" }, radio, text);
    });
    byId("maps").replaceChildren(...radios);
  }

  #legend() {
    const items = this.groups.slice(0, COLOURS).map((group, index) => {
      const svg = drawn("svg", { viewBox: "-1 -1 2 2" }, drawn("circle", { class: `mark group-${index}`, r: 0.8 }));
      return element("span", {}, svg, group);
    });
    const hollow = drawn("svg", { viewBox: "-1 -1 2 2" }, drawn("circle", { class: "drawn", r: 0.7 }));
    byId("legend").replaceChildren(`${this.space.label} `, ...items, element("span", {}, hollow, "drawn of the prior"));
  }
}

// A function from places to the square from -1 to 1, up staying up.
function fitted(places) {
  const across = places.map(([x]) => x);
  const up = places.map(([, y]) => y);
  const middle = [across, up].map((values) => (Math.min(...values) + Math.max(...values)) / 2);
  const reach = [across, up].map((values) => Math.max(...values) - Math.min(...values));
  const half = Math.max(...reach) / 2 || 1;
  return ([x, y]) => [(x - middle[0]) / half, -(y - middle[1]) / half];
}
