// Enrolling: the button, how far it is, and what leaving every clip out has shown.

import { ask } from "./api.js";
import { counted, el, percent } from "./dom.js";

export function modelShown(state) {
  return [state.model, state.job, state.classes.map((one) => [one.name, one.clips.length])];
}

export function drawModel(state, app) {
  const { model, job } = state;
  const enrolling = job?.kind === "enrol";
  const problem = whyNot(state);
  const button = el(
    "button",
    {
      type: "button",
      id: "enrol",
      class: model?.current ? "quiet" : "",
      disabled: job !== null || problem !== "",
      onclick: () => app.change(() => ask("POST", "api/enrol")),
    },
    model ? "Enrol again" : "Enrol these clips",
  );
  const parts = [el("div", { class: "row" }, button, el("p", { class: "aside" }, enrolling ? "" : hint(state, problem)))];
  if (enrolling) parts.push(progress(job));
  if (model) parts.push(report(model));
  return parts;
}

function whyNot(state) {
  if (!state.classes.length) return "Add a class and drop clips into it first.";
  const empty = state.classes.filter((one) => !one.clips.length).map((one) => `“${one.name}”`);
  return empty.length ? `Drop clips into ${empty.join(", ")} first, or remove ${empty.length > 1 ? "these classes" : "that class"}.` : "";
}

function hint(state, problem) {
  if (problem) return problem;
  if (!state.model) return "Takes seconds to a minute. Every clip is then recognised from the others, to see which classes are confused.";
  return state.model.current ? "Up to date with the classes above." : "The classes have changed since they were enrolled: answers still come from the earlier ones.";
}

export function progress(job) {
  const step = job.step === "" ? "waiting for its turn" : job.step;
  const known = job.total > 0;
  return el(
    "div",
    { class: "progress" },
    el("span", {}, known ? `${step}: ${job.done} of ${job.total}` : `${step}…`),
    el("progress", { max: known ? job.total : null, value: known ? job.done : null, "aria-label": step }),
  );
}

function report(model) {
  const confused = model.classes.some((one) => one.taken_for.length);
  const rows = model.classes.map((one) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, one.label),
      el("td", { class: "number" }, String(one.num_clips)),
      el("td", {}, one.num_tested ? bar(one.num_correct / one.num_tested, `${one.num_correct} of ${one.num_tested}`) : el("span", { class: "soft" }, "too few clips")),
      confused ? el("td", {}, one.taken_for.map((other) => `${other.label} (${other.count})`).join(", ")) : null,
    ),
  );
  const table = el(
    "table",
    {},
    el("caption", { class: "unseen" }, "Every enrolled clip recognised from the others"),
    el("thead", {}, el("tr", {}, ...["class", "clips", "recognised from the others", ...(confused ? ["taken for"] : [])].map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, rows),
  );
  const headline = model.accuracy === null
    ? null
    : el("p", { class: "headline" }, el("strong", {}, percent(model.accuracy)), ` of ${counted(model.num_tested, "left-out clip")} recognised`);
  return el(
    "div",
    { class: "report", id: "report" },
    headline,
    table,
    el("ul", { class: "lines" }, model.lines.map((line) => el("li", {}, line))),
    el("p", {}, el("a", { class: "button quiet", href: "api/actions.a2m2", download: "actions.a2m2" }, "Download the model (.a2m2)")),
  );
}

function bar(share, label) {
  return el("span", { class: "bar" }, el("span", { class: "fill", style: { width: `${100 * share}%` } }), el("span", { class: "bar-label" }, label));
}
