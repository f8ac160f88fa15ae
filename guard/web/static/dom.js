/** Building and finding elements. Foreign text only ever becomes text nodes: nothing here parses markup. */

const SVG = "http://www.w3.org/2000/svg";

/** The element of this page with an id; the pages are ours, so a missing one is a fault of ours. */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`expected #${id} in this page, found none`);
  return found;
}

/** An element with attributes (true: present, false or null: absent) and children (nodes or text). */
export function element(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function shape(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) setAttribute(made, key, value);
  made.append(...children);
  return made;
}

/** Sets an attribute where that changes something. */
export function setAttribute(target, key, value) {
  if (value === false || value === null || value === undefined) target.removeAttribute(key);
  else if (target.getAttribute(key) !== String(value)) target.setAttribute(key, value === true ? "" : value);
}

/** Sets a text where that changes something, so that live regions speak only of news. */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** Shows exactly one of some elements. */
export function showOnly(shown, among) {
  for (const one of among) one.hidden = one !== shown;
}

const SHAPES = {
  bona_fide: [
    ["circle", { cx: 8, cy: 8, r: 7 }],
    ["path", { d: "M4.5 8.2 7 10.7l4.6-5", class: "stroke" }],
  ],
  suspicious: [
    ["path", { d: "M8 1 15.5 14.5H.5Z" }],
    ["path", { d: "M8 5.5v4.2M8 11.4v1.4", class: "stroke" }],
  ],
  attack: [
    ["path", { d: "M5 .8h6l4.2 4.2v6L11 15.2H5L.8 11V5Z" }],
    ["path", { d: "m5.3 5.3 5.4 5.4m0-5.4-5.4 5.4", class: "stroke" }],
  ],
  insufficient: [
    ["circle", { cx: 8, cy: 8, r: 6.6, class: "open" }],
    ["path", { d: "M5 8h6", class: "line" }],
  ],
};

/** The shape of a state, so that nobody has to tell colours apart: disc, triangle, octagon, dashed ring. */
export function stateShape(state) {
  const parts = SHAPES[state] ?? SHAPES.insufficient;
  const drawn = parts.map(([name, attributes]) => shape(name, attributes));
  return shape("svg", { class: "shape", viewBox: "0 0 16 16", "aria-hidden": "true" }, ...drawn);
}
