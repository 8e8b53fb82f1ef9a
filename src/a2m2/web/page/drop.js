// A place for files: dropped on it, or chosen with it. It is a label around a file input, so keys and screen readers work.

import { el } from "./dom.js";

export function dropZone({ id, label, hint, multiple, disabled, onFiles }) {
  const input = el("input", {
    id,
    type: "file",
    class: "unseen",
    multiple,
    disabled,
    accept: "video/*,.mkv,.avi,.webm,.mov,.mp4,.gif",
    onchange: () => {
      if (input.files.length) onFiles([...input.files]);
      input.value = "";
    },
  });
  const zone = el(
    "label",
    { class: `drop${disabled ? " off" : ""}`, for: id },
    input,
    el("span", { class: "drop-label" }, label),
    hint ? el("span", { class: "drop-hint" }, hint) : null,
  );
  if (!disabled) catchFiles(zone, onFiles);
  return zone;
}

export function catchFiles(node, onFiles) {
  node.addEventListener("dragover", (event) => {
    event.preventDefault();
    node.classList.add("over");
  });
  node.addEventListener("dragleave", () => node.classList.remove("over"));
  node.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    node.classList.remove("over");
    const files = [...event.dataTransfer.files];
    if (files.length) onFiles(files);
  });
}

// A file that misses its place must not make the browser leave the page.
export function catchStrays() {
  for (const kind of ["dragover", "drop"]) {
    window.addEventListener(kind, (event) => event.preventDefault());
  }
}
