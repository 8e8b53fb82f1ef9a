// Asking: a place for a clip, the answers so far, and the reasons for the one that is chosen.

import { ask, upload } from "./api.js";
import { tooLarge } from "./classes.js";
import { counted, el, fileLink, percent, say } from "./dom.js";
import { dropZone } from "./drop.js";
import { progress } from "./model.js";
import { notice } from "./notices.js";
import { drawPlan } from "./plan.js";
import { drawTimeline } from "./timeline.js";

let sending = null; // {name, share}
let kind = "recognise";
const files = new Map(); // recordings by the key of their answer, to play them

export function askShown(state) {
  return [state.model !== null, state.job, sending, kind, state.limits];
}

export function drawAsk(state, app) {
  if (!state.model) return el("p", { class: "empty" }, "Enrol some clips first; then drop a new one here.");
  const job = state.job !== null && state.job.kind !== "enrol" ? state.job : null;
  if (sending) {
    return el("div", { class: "progress" }, el("span", {}, `sending ${sending.name}`), el("progress", { max: 1, value: sending.share, "aria-label": "sending" }));
  }
  if (job) return el("div", { class: "progress-of" }, el("p", {}, job.subject), progress(job));
  const zone = dropZone({
    id: "query",
    label: kind === "search" ? "Drop a recording to search" : "Drop a clip to recognise",
    hint: state.job ? "wait until the clips are enrolled" : "or choose files; several are answered one after the other",
    multiple: true,
    disabled: state.job !== null,
    onFiles: (chosen) => send(chosen, state.limits, app),
  });
  return [kinds(app), zone];
}

function kinds(app) {
  const choice = (value, label) =>
    el("label", {}, el("input", { type: "radio", name: "kind", id: `kind-${value}`, value, checked: kind === value, onchange: () => ((kind = value), app.draw()) }), label);
  return el(
    "fieldset",
    { class: "kinds" },
    el("legend", { class: "unseen" }, "What is in the file"),
    choice("recognise", "A clip of one action"),
    choice("search", "A long recording: find the actions in it"),
  );
}

async function send(chosen, limits, app) {
  for (const file of chosen) {
    try {
      if (file.size > limits.upload_bytes) throw new Error(tooLarge(file, limits));
      sending = { name: file.name, share: 0 };
      app.draw();
      const state = await upload(`api/queries?kind=${kind}&`, file, (share) => {
        sending = { name: file.name, share };
        app.draw();
      });
      sending = null;
      app.take(state);
      await app.whenIdle((newest) => newest?.kind === "recording" && files.set(newest.key, file));
    } catch (error) {
      notice(error.message);
    }
    sending = null;
    app.draw();
  }
}

export function answersShown(state, chosen) {
  return [state.answers, chosen];
}

export function drawAnswers(state, chosen, app) {
  if (!state.answers.length) return null;
  const items = state.answers.map((answer) => {
    return el(
      "li",
      {},
      el(
        "button",
        { type: "button", id: `answer-${answer.key}`, class: "answer", "aria-pressed": String(answer.key === chosen), onclick: () => app.choose(answer.key) },
        el("span", { class: "answer-name" }, answer.name),
        ...(answer.kind === "recording" ? foundIn(answer) : takenFor(answer)),
      ),
    );
  });
  return [
    el("h3", {}, "Answers"),
    el("ul", { class: "answers" }, items),
    state.answers.some((answer) => answer.kind === "clip") ? downloads() : null,
  ];
}

function downloads() {
  const links = ["csv", "json"].map((kind) => fileLink(`api/results.${kind}`, kind));
  return el("p", { class: "row files" }, el("span", { class: "soft" }, "Download the answers"), ...links);
}

function takenFor(answer) {
  const likeliest = answer.ranked[0];
  return [
    el("strong", { class: answer.refused ? "refused" : "" }, answer.label),
    el("span", { class: "soft" }, answer.refused ? `closest: ${likeliest.label}` : percent(likeliest.probability)),
  ];
}

function foundIn(answer) {
  return [
    el("strong", {}, answer.num_segments ? counted(answer.num_segments, "action") : "nothing found"),
    el("span", { class: "soft" }, answer.labels.join(", ")),
  ];
}

export async function drawDetail(place, key) {
  if (key === null) return place.replaceChildren();
  let answer;
  try {
    answer = await ask("GET", `api/answers/${key}`);
  } catch (error) {
    return notice(error.message);
  }
  const parts = answer.kind === "recording" ? [drawTimeline(answer, files.get(key))] : reasons(answer);
  const kicker = el("p", { class: "kicker" }, answer.name);
  place.replaceChildren(el("article", { class: "detail", "aria-label": `Answer for ${answer.name}` }, kicker, parts));
  say(`${answer.name}: ${answer.kind === "recording" ? counted(answer.num_segments, "action") : answer.label}`);
}

function reasons(answer) {
  const why = `Why: the enrolled clip of ${answer.plan.support.class} that is closest`;
  return [verdict(answer), ranking(answer), el("h3", {}, why), drawPlan(answer.plan)];
}

function verdict(answer) {
  const best = answer.ranked[0];
  if (answer.refused) {
    return el(
      "div",
      {},
      el("h3", { class: "verdict refused" }, "unknown"),
      el("p", {}, `It resembles no class enough. The closest is ${best.label}; the probabilities below hold only if it does show one of the classes.`),
    );
  }
  return el("div", {}, el("h3", { class: "verdict" }, best.label), el("p", {}, `${percent(best.probability)} likely among the enrolled classes.`));
}

function ranking(answer) {
  const rows = answer.ranked.map((entry) =>
    el(
      "li",
      {},
      el("span", { class: "rank-name" }, entry.label),
      el("span", { class: "bar" }, el("span", { class: "fill", style: { width: `${100 * entry.probability}%` } })),
      el("span", { class: "number" }, percent(entry.probability)),
    ),
  );
  const note = answer.calibrated
    ? "Probabilities and “unknown” are calibrated on the enrolled clips."
    : "Too few clips are enrolled to calibrate probabilities and “unknown”: both rest on defaults, take them with a grain of salt.";
  return [el("ol", { class: "ranking" }, rows), el("p", { class: "aside" }, note)];
}
