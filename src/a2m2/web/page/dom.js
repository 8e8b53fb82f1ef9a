// Elements in one call. Text is always text: nothing here ever becomes markup.

const SVG = "http://www.w3.org/2000/svg";

export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "style") for (const [name, of] of Object.entries(value)) node.style.setProperty(name, of);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const FORMATS = { csv: "CSV", json: "JSON", vtt: "Subtitles (WebVTT)" };

// A button that saves what stands at `href`, named by the ending of the file.
export function fileLink(href, kind) {
  return el("a", { class: "button quiet", href, download: href.split("/").at(-1) }, FORMATS[kind]);
}

const drawn = new WeakMap();

// Draw a part of the page again when what it shows has changed, and give the focus back to where it was.
export function redraw(place, shown, build) {
  const key = JSON.stringify(shown);
  if (drawn.get(place) === key) return;
  drawn.set(place, key);
  const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
  place.replaceChildren(...[build()].flat(Infinity).filter(Boolean));
  if (focused) document.getElementById(focused)?.focus();
}

export function forget(place) {
  drawn.delete(place);
}

export const counted = (number, noun, plural = `${noun}s`) => `${number} ${number === 1 ? noun : plural}`;

export const percent = (share) => `${Math.round(100 * share)} %`;

export function clock(seconds) {
  const whole = Math.floor(seconds / 60);
  const rest = (seconds - 60 * whole).toFixed(1).padStart(4, "0");
  return `${whole}:${rest}`;
}

export function say(text) {
  document.getElementById("status").textContent = text;
}
