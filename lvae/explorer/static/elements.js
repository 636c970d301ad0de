// Elements of the page, made in one line each.

export const byId = (id) => document.getElementById(id);

// An element with properties, and what is in it.
export function element(tag, properties = {}, ...inside) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...inside);
  return made;
}

// An SVG element with attributes, and what is in it.
export function drawn(tag, attributes = {}, ...inside) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...inside);
  return made;
}

// Where an event happened, in the units of an SVG's drawing.
export function placeIn(svg, event) {
  const place = new DOMPoint(event.clientX, event.clientY);
  return place.matrixTransform(svg.getScreenCTM().inverse());
}

const DIRECTIONS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

export const directionOf = (event) => DIRECTIONS[event.key];

// The index of the place nearest to (x, y), at most `most` away; -1 without one.
export function nearest(places, x, y, most = Infinity) {
  let found = -1;
  let best = most ** 2;
  places.forEach(([left, top], index) => {
    const apart = (left - x) ** 2 + (top - y) ** 2;
    if (apart <= best) [found, best] = [index, apart];
  });
  return found;
}

// The index of the next place from `from` in a direction: near ones that lie little aside.
export function nextPlace(places, from, [right, down]) {
  const [x, y] = places[from];
  let found = from;
  let best = Infinity;
  places.forEach(([left, top], index) => {
    const ahead = (left - x) * right + (top - y) * down;
    const aside = Math.abs((left - x) * down - (top - y) * right);
    if (ahead <= 0 || index === from || aside > 2 * ahead) return;
    const cost = ahead + 2 * aside;
    if (cost < best) [found, best] = [index, cost];
  });
  return found;
}
