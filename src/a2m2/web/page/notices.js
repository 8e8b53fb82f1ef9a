// What went wrong, in plain words, until it is put away.

import { el } from "./dom.js";

const place = () => document.getElementById("notices");

export function notice(text) {
  for (const shown of place().children) if (shown.dataset.text === text) return;
  const box = el("p", { class: "problem", "data-text": text }, el("span", {}, text));
  box.append(
    el("button", { type: "button", class: "plain", "aria-label": "Put this message away", onclick: () => box.remove() }, "×"),
  );
  place().append(box);
}

export function clearNotices() {
  place().replaceChildren();
}
