// The middle pane: pictures, what is laid over them, zoom, pointing, painting, dragging.

import { byId, directionOf, drawn, element, nearest, nextPlace, placeIn } from "./elements.js";

const REACH = 14; // px of the screen: what is pointed at
const STEP = 2; // px of the picture that an arrow key moves a point
const CLOSER = 1.4;

export class Pictures {
  constructor(state) {
    this.state = state;
    this.frames = [];
    this.view = null; // shared by all pictures: x, y, width, height as parts of the whole
    byId("closer").addEventListener("click", () => this.zoom(CLOSER));
    byId("farther").addEventListener("click", () => this.zoom(1 / CLOSER));
    byId("whole").addEventListener("click", () => this.look(WHOLE));
    this.view = WHOLE;
    byId("naming").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#name(byId("ray").value);
    });
  }

  // Shows pictures once they can be painted without waiting.
  async show(pictures) {
    await Promise.all(pictures.map(({ source }) => decoded(source)));
    while (this.frames.length > pictures.length) this.frames.pop().figure.remove();
    pictures.forEach((picture, index) => {
      if (!this.frames[index]) {
        this.frames[index] = new Frame(this);
        byId("pictures").append(this.frames[index].figure);
      }
      this.frames[index].show(picture);
    });
    this.#listLayers(pictures);
    byId("naming").hidden = true;
  }

  hidden(layer) {
    const chosen = this.state.looking.get("layers");
    return chosen === undefined ? !layer.shown : !chosen.split(" ").includes(layer.name);
  }

  zoom(factor, x = 0.5, y = 0.5) {
    const size = Math.min(1, this.view.size / factor);
    const part = size / this.view.size;
    const left = this.view.x + x * this.view.size * (1 - part);
    const top = this.view.y + y * this.view.size * (1 - part);
    this.look({ x: left, y: top, size });
  }

  look({ x, y, size }) {
    const most = 1 - size;
    this.view = { x: clamp(x, 0, most), y: clamp(y, 0, most), size };
    this.frames.forEach((frame) => frame.look());
  }

  // Asks for the row and column of a point.
  ask(control, index) {
    this.asked = { control, index };
    const said = new Map(pairs(this.state.get(control))).get(String(index)) ?? "";
    byId("naming").hidden = false;
    byId("naming").querySelector("label").textContent = `row and column of point ${index}:`;
    byId("ray").value = said.replace(":", " ");
    byId("ray").focus();
  }

  #name(text) {
    const { control, index } = this.asked;
    const named = new Map(pairs(this.state.get(control)));
    const said = text.trim().split(/[\s,:]+/).join(":");
    if (said) named.set(String(index), said);
    else named.delete(String(index));
    this.state.change({ [control]: [...named].map(([key, ray]) => `${key}:${ray}`).join(",") });
  }

  #listLayers(pictures) {
    const layers = new Map();
    for (const picture of pictures) {
      for (const layer of picture.layers) if (!layers.has(layer.name)) layers.set(layer.name, layer);
    }
    const names = [...layers.keys()].join(" ");
    if (this.listed === names) return;
    this.listed = names;
    const boxes = [...layers.values()].map((layer) => {
      const box = element("input", { type: "checkbox", checked: !this.hidden(layer) });
      box.id = `layer-${layer.name}`;
      box.addEventListener("change", () => this.#choose());
      return element("label", { className: `switch key-${layer.name}` }, box, layer.title);
    });
    byId("layers").replaceChildren(...boxes);
    this.layers = layers;
  }

  #choose() {
    const chosen = [...this.layers.keys()].filter((name) => byId(`layer-${name}`).checked);
    this.state.look("layers", chosen.join(" ") || "none");
    this.frames.forEach((frame) => frame.show(frame.picture));
  }
}

const WHOLE = { x: 0, y: 0, size: 1 };
const clamp = (value, least, most) => Math.max(least, Math.min(most, value));

async function decoded(source) {
  const image = new Image();
  image.src = source;
  await image.decode();
}

// One picture.
class Frame {
  constructor(pictures) {
    this.pictures = pictures;
    this.caption = element("figcaption");
    this.image = drawn("image");
    this.over = drawn("g");
    this.cursor = drawn("circle", { class: "cursor", visibility: "hidden" });
    this.svg = drawn("svg", { tabindex: 0, role: "application" }, this.image, this.over, this.cursor);
    this.figure = element("figure", {}, this.caption, this.svg);
    this.pointed = -1;
    this.svg.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.svg.addEventListener("pointermove", (event) => this.#move(event));
    this.svg.addEventListener("pointerdown", (event) => this.#press(event));
    this.svg.addEventListener("pointerup", () => this.#release());
    this.svg.addEventListener("pointercancel", () => this.#release());
    this.svg.addEventListener("pointerleave", () => this.point(-1));
    this.svg.addEventListener("keydown", (event) => this.#key(event));
  }

  show(picture) {
    const { title, source, width, height } = picture;
    this.picture = picture;
    this.caption.textContent = title;
    this.svg.setAttribute("aria-label", `${title}: arrow keys go from point to point`);
    if (this.image.getAttribute("href") !== source) this.image.setAttribute("href", source);
    this.image.setAttribute("width", width);
    this.image.setAttribute("height", height);
    this.svg.classList.toggle("small", Math.max(width, height) <= 256);
    this.places = picture.layers.flatMap((layer) => (layer.texts.length ? layer.places : []));
    this.texts = picture.layers.flatMap((layer) => layer.texts);
    this.#lay();
    this.look();
  }

  look() {
    const { x, y, size } = this.pictures.view;
    const { width, height } = this.picture;
    this.svg.setAttribute("viewBox", [x * width, y * height, size * width, size * height].join(" "));
    this.unit = (size * Math.max(width, height)) / 100; // a hundredth of what is seen
    this.svg.style.setProperty("--unit", this.unit);
    this.cursor.setAttribute("r", 1.4 * this.unit);
  }

  #lay() {
    const { layers, cells } = this.picture;
    const groups = layers.filter((layer) => !this.pictures.hidden(layer)).map(laid);
    if (cells) groups.push(...paintedCells(this.picture, this.pictures.state.get("painted")));
    this.over.replaceChildren(...groups);
    if (this.pointed >= this.places.length) this.point(-1);
  }

  // Says what is at a point, or at none.
  point(index) {
    this.pointed = index;
    this.cursor.setAttribute("visibility", index < 0 ? "hidden" : "visible");
    if (index < 0) return;
    const [x, y] = this.places[index];
    this.cursor.setAttribute("cx", x);
    this.cursor.setAttribute("cy", y);
    byId("pointed").textContent = `${this.picture.title}: ${this.texts[index]}`;
  }

  #pixels() {
    return this.svg.viewBox.baseVal.width / this.svg.getBoundingClientRect().width;
  }

  #wheel(event) {
    event.preventDefault();
    const box = this.svg.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width;
    const y = (event.clientY - box.top) / box.height;
    this.pictures.zoom(event.deltaY < 0 ? CLOSER : 1 / CLOSER, x, y);
  }

  #press(event) {
    const place = placeIn(this.svg, event);
    this.svg.setPointerCapture(event.pointerId);
    const found = nearest(this.places, place.x, place.y, REACH * this.#pixels());
    if (this.picture.cells) this.held = { paint: !isPainted(this.#painted(), this.#cell(place)) };
    else if (this.picture.drags && found >= 0) this.held = { point: found };
    else if (this.picture.named && found >= 0) {
      event.preventDefault(); // the focus goes to where the name is typed
      this.pictures.ask(this.picture.named, found);
      return;
    }
    else this.held = { from: place };
    this.#move(event);
  }

  #move(event) {
    const place = placeIn(this.svg, event);
    if (!this.held) {
      this.point(nearest(this.places, place.x, place.y, REACH * this.#pixels()));
    } else if (this.held.point !== undefined) {
      this.#drag(this.held.point, place.x, place.y);
    } else if (this.held.from) {
      const { x, y, size } = this.pictures.view;
      const right = (this.held.from.x - place.x) / this.picture.width;
      const down = (this.held.from.y - place.y) / this.picture.height;
      this.pictures.look({ x: x + right, y: y + down, size });
    } else {
      this.#paint(this.#cell(place), this.held.paint);
    }
  }

  #release() {
    if (!this.held) return; // a point was clicked that is to be named
    this.held = null;
    this.pictures.state.change({});
  }

  #key(event) {
    if (event.key === "+" || event.key === "-") {
      this.pictures.zoom(event.key === "+" ? CLOSER : 1 / CLOSER);
      return;
    }
    const direction = directionOf(event);
    if (event.key === "Enter" && this.picture.named && this.pointed >= 0) {
      event.preventDefault();
      this.pictures.ask(this.picture.named, this.pointed);
    } else if (this.picture.cells) this.#keyOfCells(event, direction);
    else if (direction && this.places.length) this.#keyOfPoints(event, direction);
  }

  #keyOfPoints(event, direction) {
    event.preventDefault();
    if (event.shiftKey && this.picture.drags && this.pointed >= 0) {
      const [x, y] = this.places[this.pointed];
      this.#drag(this.pointed, x + STEP * direction[0], y + STEP * direction[1]);
      this.pictures.state.change({});
    } else if (this.pointed < 0) {
      this.point(nearest(this.places, this.picture.width / 2, this.picture.height / 2));
    } else {
      this.point(nextPlace(this.places, this.pointed, direction));
    }
  }

  #keyOfCells(event, direction) {
    const [rows, columns] = this.picture.cells;
    const [row, column] = this.cell ?? [rows >> 1, columns >> 1];
    if (direction) {
      event.preventDefault();
      const [right, down] = direction;
      this.cell = [clamp(row + down, 0, rows - 1), clamp(column + right, 0, columns - 1)];
    } else if (event.key === " ") {
      event.preventDefault();
      this.cell = [row, column];
      this.#paint(this.cell, !isPainted(this.#painted(), this.cell));
      this.pictures.state.change({});
    } else return;
    this.cursor.setAttribute("visibility", "visible");
    this.cursor.setAttribute("cx", ((this.cell[1] + 0.5) * this.picture.width) / columns);
    this.cursor.setAttribute("cy", ((this.cell[0] + 0.5) * this.picture.height) / rows);
    byId("pointed").textContent = `cell: row ${this.cell[0]}, column ${this.cell[1]}; Space paints`;
  }

  #drag(index, x, y) {
    const { width, height, drags } = this.picture;
    const moved = new Map(pairs(this.pictures.state.get(drags)));
    const [left, top] = [clamp(x, 0, width - 1), clamp(y, 0, height - 1)].map(Math.round);
    moved.set(String(index), `${left}:${top}`);
    this.places[index] = [left, top];
    this.point(index);
    const text = [...moved].map(([key, place]) => `${key}:${place}`).join(",");
    this.pictures.state.change({ [drags]: text }, false);
  }

  #painted() {
    return this.pictures.state.get("painted");
  }

  #cell({ x, y }) {
    const [rows, columns] = this.picture.cells;
    const row = Math.floor((y / this.picture.height) * rows);
    const column = Math.floor((x / this.picture.width) * columns);
    return [clamp(row, 0, rows - 1), clamp(column, 0, columns - 1)];
  }

  #paint([row, column], wanted) {
    const cells = new Set(this.#painted() ? this.#painted().split(",") : []);
    const name = `${row}:${column}`;
    if (cells.has(name) === wanted) return;
    if (wanted) cells.add(name);
    else cells.delete(name);
    this.pictures.state.change({ painted: [...cells].join(",") }, false);
    this.#lay();
  }
}

function pairs(text) {
  return (text ? text.split(",") : []).map((part) => {
    const [key, ...place] = part.split(":");
    return [key, place.join(":")];
  });
}

const isPainted = (text, [row, column]) => text.split(",").includes(`${row}:${column}`);

function laid(layer) {
  const group = drawn("g", { class: `layer ${layer.kind} key-${layer.name}` });
  if (layer.kind === "lines") {
    const path = layer.places.map(([x, y, right, down]) => `M${x} ${y}L${right} ${down}`).join("");
    group.append(drawn("path", { d: path }));
  } else {
    const path = layer.places.map(([x, y]) => `M${x} ${y}h0`).join("");
    group.append(drawn("path", { d: path }));
  }
  return group;
}

function paintedCells({ cells: [rows, columns], width, height }, text) {
  const [high, wide] = [height / rows, width / columns];
  return (text ? text.split(",") : []).map((part) => {
    const [row, column] = part.split(":").map(Number);
    return drawn("rect", { class: "painted", x: column * wide, y: row * high, width: wide, height: high });
  });
}
