// The page: keeps the session's state, draws what has changed, asks again while something is being worked on.

import { answersShown, askShown, drawAnswers, drawAsk, drawDetail } from "./answers.js";
import { ask } from "./api.js";
import { classesShown, drawClasses } from "./classes.js";
import { el, forget, redraw, say } from "./dom.js";
import { catchStrays } from "./drop.js";
import { drawModel, modelShown } from "./model.js";
import { clearNotices, notice } from "./notices.js";

const POLL = 400; // milliseconds
const place = (id) => document.getElementById(id);

let state = null;
let chosen = null;
let polling = 0;
const idle = [];
let closed = false;
let visit = "";

const app = {
  draw,
  // A new state from the server.
  take(fresh) {
    const before = state;
    state = fresh;
    const newest = fresh.answers[0]?.key ?? null;
    const answered = before !== null && newest !== (before.answers[0]?.key ?? null);
    if (fresh.problem && fresh.problem !== before?.problem) notice(sentence(fresh.problem));
    if (before?.job?.kind === "enrol" && fresh.job === null && !fresh.problem) say("The clips are enrolled.");
    draw();
    watch(answered ? fresh.answers[0] : null);
    if (answered) app.choose(newest);
  },
  async refresh() {
    try {
      app.take(await ask("GET", "api/state"));
    } catch (error) {
      failed(error);
    }
  },
  // Ask for a change; when it is refused, what was typed goes back to what holds.
  async change(request, typed = false) {
    clearNotices();
    try {
      app.take(await request());
    } catch (error) {
      failed(error);
      if (typed) forget(place("classes"));
      draw();
    }
  },
  choose(key) {
    chosen = key;
    draw();
    drawDetail(place("detail"), key);
  },
  // Wait until nothing is worked on; `settled` is told the answer that came of it before it is drawn.
  whenIdle(settled) {
    return state.job === null ? Promise.resolve() : new Promise((resolve) => idle.push((answer) => resolve(settled(answer))));
  },
};

const sentence = (text) => (text.endsWith(".") ? text : `${text}.`);

function draw() {
  if (state === null || closed) return;
  redraw(place("classes"), classesShown(state), () => drawClasses(state, app));
  redraw(place("model"), modelShown(state), () => drawModel(state, app));
  redraw(place("ask-panel"), askShown(state), () => drawAsk(state, app));
  redraw(place("answers"), answersShown(state, chosen), () => drawAnswers(state, chosen, app));
}

function watch(answer) {
  clearTimeout(polling);
  if (state.job !== null) {
    polling = setTimeout(app.refresh, POLL);
    return;
  }
  for (const settle of idle.splice(0)) settle(answer);
}

async function enter() {
  try {
    const opened = await ask("POST", "api/session");
    visit = opened.visit;
    app.take(opened);
  } catch (error) {
    place("classes").replaceChildren();
    notice(error.message);
  }
}

function failed(error) {
  if (error.status === 401) return ended("This session has ended, and its clips are deleted.");
  notice(error.message);
}

function ended(text) {
  closed = true;
  clearTimeout(polling);
  place("close").remove();
  place("main").replaceChildren(
    el("div", { class: "empty row" }, el("span", {}, text), el("button", { type: "button", onclick: () => location.reload() }, "Start a new session")),
  );
}

place("close").addEventListener("click", async () => {
  if (!window.confirm("Delete all clips, answers and the enrolled model of this session?")) return;
  try {
    await ask("DELETE", "api/session");
  } catch (error) {
    if (error.status !== 401) return notice(error.message);
  }
  ended("The session is closed, and everything in it is deleted.");
});

// The server deletes the session soon after the page is left, unless it comes back, as a reload does.
window.addEventListener("pagehide", () => closed || navigator.sendBeacon(`api/leave?visit=${visit}`));
window.addEventListener("pageshow", (event) => event.persisted && enter());

catchStrays();
await enter();
