// A long recording: where the enrolled actions are, on a line of time, and the recording itself where it is at hand.

import { clock, el, fileLink, percent, svg } from "./dom.js";

const HUES = 4;

// file: the recording as it was chosen in this page; undefined after a reload.
export function drawTimeline(answer, file) {
  const { segments, duration } = answer;
  const found = segments.length
    ? `${segments.length === 1 ? "One action" : `${segments.length} actions`} in ${clock(duration)}. Choose one to see it.`
    : "None of the enrolled actions was found. Clips from the same camera, cut close to the action, help most.";
  const video = file ? player(file) : null;
  const buttons = segments.map((segment, index) => segmentButton(answer, segment, () => choose(index)));
  const rows = segments.map((segment, index) => row(answer, segment, () => choose(index)));
  const now = el("span", { class: "now", style: { left: "0%" } });

  function choose(index) {
    for (const set of [buttons, rows.map((one) => one.querySelector("button"))]) {
      set.forEach((button, other) => button.setAttribute("aria-pressed", String(other === index)));
    }
    if (!video) return;
    video.currentTime = segments[index].start;
    video.play().catch(() => {});
  }

  video?.addEventListener("timeupdate", () => {
    now.style.setProperty("left", `${(100 * video.currentTime) / duration}%`);
  });
  return el(
    "div",
    { class: "timeline-of" },
    el("p", {}, found),
    answer.damage ? el("p", { class: "problem" }, `Read up to ${clock(answer.read)} only: ${answer.damage}.`) : null,
    video,
    el(
      "div",
      { class: "timeline" },
      el("div", { class: "track", role: "group", "aria-label": "Actions along the recording" }, buttons, now),
      curve(answer),
      el("div", { class: "ruler", "aria-hidden": "true" }, ...[0, 0.25, 0.5, 0.75, 1].map((part) => el("span", {}, clock(part * duration)))),
    ),
    rows.length ? el("ul", { class: "segments" }, rows) : null,
    el(
      "p",
      { class: "row files" },
      el("span", { class: "soft" }, "Download the segments"),
      ...["csv", "json", "vtt"].map((kind) => fileLink(`api/answers/${answer.key}/segments.${kind}`, kind)),
    ),
  );
}

function player(file) {
  const video = el("video", { controls: true, muted: true, playsinline: true, src: URL.createObjectURL(file), "aria-label": file.name });
  video.addEventListener("error", () =>
    video.replaceWith(el("p", { class: "aside" }, "This browser cannot play the recording; the times below are right all the same.")),
  );
  return video;
}

const hue = (answer, segment) => `hue${answer.classes.indexOf(segment.label) % HUES}`;
const times = (segment) => `${clock(segment.start)} – ${clock(segment.end)}`;

function segmentButton(answer, segment, onclick) {
  const [left, width] = [segment.start, segment.end - segment.start].map((seconds) => `${(100 * seconds) / answer.duration}%`);
  const label = `${segment.label}, ${times(segment)}`;
  return el("button", { type: "button", class: `segment ${hue(answer, segment)}`, style: { left, width }, title: label, "aria-label": label, "aria-pressed": "false", onclick }, el("span", {}, segment.label));
}

function row(answer, segment, onclick) {
  return el(
    "li",
    {},
    el(
      "button",
      { type: "button", "aria-pressed": "false", onclick },
      el("span", { class: `dot ${hue(answer, segment)}` }),
      el("strong", {}, segment.label),
      el("span", {}, times(segment)),
      el("span", { class: "soft number" }, percent(segment.probability)),
    ),
  );
}

function curve({ curve: { seconds, best }, duration, threshold }) {
  const known = best.filter((score) => score !== null);
  if (!known.length) return null;
  const [low, high] = [Math.min(threshold, ...known), Math.max(threshold, ...known)];
  const y = (score) => 54 - (50 * (score - low)) / (high - low || 1);
  let pen = "M";
  const d = best.map((score, index) => {
    if (score === null) {
      pen = "M";
      return "";
    }
    const step = `${pen}${((1000 * seconds[index]) / duration).toFixed(1)} ${y(score).toFixed(1)}`;
    pen = "L";
    return step;
  });
  return svg(
    "svg",
    { class: "curve", viewBox: "0 0 1000 56", preserveAspectRatio: "none", role: "img", "aria-label": "Best score around each moment; the dashed line is the threshold" },
    svg("line", { x1: 0, x2: 1000, y1: y(threshold), y2: y(threshold) }),
    svg("path", { d: d.join("") }),
  );
}
