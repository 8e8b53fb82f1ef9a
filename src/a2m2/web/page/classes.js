// The classes and their clips: add, rename, fill, remove.

import { ask, upload } from "./api.js";
import { counted, el, say } from "./dom.js";
import { dropZone } from "./drop.js";
import { notice } from "./notices.js";

// Uploads on their way, by class: [{name, share}].
const coming = new Map();

export function classesShown(state) {
  return [state.classes, state.job !== null, [...coming], state.limits];
}

export function drawClasses(state, app) {
  const busy = state.job !== null;
  const cards = state.classes.map((one) => card(one, state, busy, app));
  const empty = el(
    "p",
    { class: "empty" },
    "No class yet. Give your first action a name, such as “jump”, then drop two to five clips of it. One clip is enough to start.",
  );
  return [cards.length ? el("div", { class: "cards" }, cards) : empty, newClass(app)];
}

function newClass(app) {
  const input = el("input", {
    id: "new-class",
    type: "text",
    name: "name",
    maxlength: 60,
    autocomplete: "off",
    placeholder: "Name of an action",
    "aria-label": "Name of a new class",
  });
  const submit = async (event) => {
    event.preventDefault();
    await app.change(() => ask("POST", "api/classes", { name: input.value }));
    say(`class ${input.value} added`);
    document.getElementById("new-class")?.focus();
  };
  return el("form", { class: "new-class", onsubmit: submit }, input, el("button", { type: "submit" }, "Add class"));
}

function card(one, state, busy, app) {
  const rename = (event) => app.change(() => ask("PATCH", `api/classes/${one.key}`, { name: event.target.value }), true);
  const remove = () => {
    if (one.clips.length && !window.confirm(`Remove the class “${one.name}” and its ${counted(one.clips.length, "clip")}?`)) return;
    app.change(() => ask("DELETE", `api/classes/${one.key}`));
  };
  const head = el(
    "div",
    { class: "card-head" },
    el("input", {
      id: `name-${one.key}`,
      class: "class-name",
      type: "text",
      value: one.name,
      maxlength: 60,
      "aria-label": `Name of the class ${one.name}`,
      onchange: rename,
      onkeydown: (event) => event.key === "Enter" && event.target.blur(),
    }),
    el("span", { class: "count" }, counted(one.clips.length, "clip")),
    el("button", { type: "button", class: "plain", disabled: busy, "aria-label": `Remove the class ${one.name}`, title: "Remove this class", onclick: remove }, "×"),
  );
  const zone = dropZone({
    id: `clips-${one.key}`,
    label: "Drop clips here",
    hint: "or choose files",
    multiple: true,
    disabled: false,
    onFiles: (files) => send(one, files, state.limits, app),
  });
  const uploads = (coming.get(one.key) ?? []).map(({ name, share }) =>
    el("li", { class: "uploading" }, el("span", {}, share < 1 ? name : `${name}: looking at it…`), el("progress", { max: 1, value: share < 1 ? share : null, "aria-label": name })),
  );
  const clips = el("ul", { class: "clips" }, one.clips.map((clip) => clipTile(clip, busy, app)));
  return el("article", { class: "card", "aria-label": `Class ${one.name}` }, head, clips, uploads.length ? el("ul", { class: "uploads" }, uploads) : null, zone);
}

function clipTile(clip, busy, app) {
  const remove = () => app.change(() => ask("DELETE", `api/clips/${clip.key}`));
  const image = el("img", { src: clip.pictures[clip.pictures.length >> 1], alt: "", loading: "lazy" });
  // Resting on a clip plays its pictures.
  let timer = 0;
  const play = () => {
    let index = 0;
    timer ||= setInterval(() => (image.src = clip.pictures[index++ % clip.pictures.length]), 160);
  };
  const rest = () => {
    clearInterval(timer);
    timer = 0;
    image.src = clip.pictures[clip.pictures.length >> 1];
  };
  return el(
    "li",
    { class: "clip", title: clip.name, onmouseenter: play, onmouseleave: rest },
    image,
    el("span", { class: "clip-name" }, clip.name),
    el("span", { class: "clip-seconds" }, `${clip.seconds.toFixed(1)} s`),
    el("button", { type: "button", class: "plain on-picture", disabled: busy, "aria-label": `Remove the clip ${clip.name}`, title: "Remove this clip", onclick: remove }, "×"),
  );
}

async function send(one, files, limits, app) {
  const list = files.map((file) => ({ name: file.name, share: 0 }));
  coming.set(one.key, [...(coming.get(one.key) ?? []), ...list]);
  app.draw();
  let arrived = 0;
  for (const [index, file] of files.entries()) {
    const entry = list[index];
    try {
      if (file.size > limits.upload_bytes) throw new Error(tooLarge(file, limits));
      await upload(`api/classes/${one.key}/clips?`, file, (share) => {
        entry.share = share;
        app.draw();
      });
      arrived += 1;
    } catch (error) {
      notice(error.message);
    }
    const rest = coming.get(one.key).filter((other) => other !== entry);
    if (rest.length) coming.set(one.key, rest);
    else coming.delete(one.key);
    await app.refresh();
  }
  say(`${counted(arrived, "clip")} added to ${one.name}`);
}

export function tooLarge(file, limits) {
  return `${file.name} is larger than the ${limits.upload_mb} MB that one file may have. Cut it, or make it smaller.`;
}
