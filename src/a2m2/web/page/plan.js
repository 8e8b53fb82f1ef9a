// The plan between two film strips: links between candidates, as wide as the mass they carry.

import { el, svg } from "./dom.js";

const LINKS = 150; // pixels between the strips
const LANE = 12;
const WIDEST = 9;
const TIME = 46; // pixels that a time over the strip may take
const EDGE = 1.5; // half of the line round the marked frames
const LISTED = 8;

export function drawPlan(plan) {
  const place = el("div", { class: "plan" });
  const pair = el("div", { class: "pair", "aria-live": "polite" });
  const heaviest = [...plan.links].reverse();
  let width = 0;
  let pinned = null;
  let shown = null;

  const show = (link) => {
    shown = link;
    for (const path of place.querySelectorAll(".link")) path.classList.toggle("on", link !== null && path.dataset.link === String(plan.links.indexOf(link)));
    place.classList.toggle("focused", link !== null);
    for (const side of ["query", "support"]) mark(place, plan[side], side, link === null ? null : link[side]);
    pair.replaceChildren(...(link === null ? [el("p", { class: "soft" }, HINT)] : pairOf(plan, link)));
    for (const button of list.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.dataset.link === String(plan.links.indexOf(link))));
  };
  const pin = (link) => {
    pinned = pinned === link ? null : link;
    show(pinned);
  };
  const list = listOf(plan, heaviest, show, pin, () => show(pinned));
  const draw = () => {
    if (!place.clientWidth || place.clientWidth === width) return;
    width = place.clientWidth;
    place.replaceChildren(picture(plan, width, { show, pin, rest: () => show(pinned) }));
    show(shown);
  };
  new ResizeObserver(draw).observe(place);
  show(null);
  return el("div", { class: "plan-of" }, place, pair, list);
}

const HINT = "Rest on a link, tap it, or walk through the list below with the Tab key: it joins moments of the two clips that were taken for the same.";

function picture(plan, width, on) {
  const [top, bottom] = ["query", "support"].map((side) => layOut(plan[side], width));
  const height = top.height + LINKS + bottom.height;
  const lane = (side, number) => (side === "query" ? top.inner + LANE * number : height - bottom.inner - LANE * number);
  const most = plan.links.at(-1)?.mass ?? 1;
  const links = plan.links.map((link, index) => {
    const [a, b] = [plan.query.candidates[link.query], plan.support.candidates[link.support]];
    const [y1, y2] = [lane("query", a.lane), lane("support", b.lane)];
    const bend = 0.45 * (y2 - y1);
    const d = `M${a.x * width} ${y1}C${a.x * width} ${y1 + bend} ${b.x * width} ${y2 - bend} ${b.x * width} ${y2}`;
    const weight = link.mass / most;
    // The first path is wide and cannot be seen: thin links would be hard to point at.
    return svg(
      "g",
      { class: `link group${link.group % 4}`, "data-link": index, onmouseenter: () => on.show(link), onmouseleave: on.rest, onclick: () => on.pin(link) },
      svg("path", { d, class: "reach" }),
      svg("path", { d, class: "stroke", "stroke-width": Math.max(0.8, WIDEST * weight), "stroke-opacity": 0.2 + 0.55 * weight }),
    );
  });
  const label = `Film strip of ${plan.query.name} above the one of ${plan.support.name}, joined by ${plan.links.length} links; the heaviest are listed below.`;
  return svg(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label },
    svg("g", {}, links),
    strip(plan.query, "query", top, 0, 1, width),
    strip(plan.support, "support", bottom, height, -1, width),
  );
}

function layOut(side, width) {
  const slot = width / side.frame_seconds.length;
  const frame = Math.max(38, Math.min(110, 0.75 * slot));
  const lanes = Math.max(...side.candidates.map((candidate) => candidate.lane));
  const inner = 20 + frame + 3;
  return { slot, frame, lanes, inner, height: inner + LANE * lanes + 4 };
}

// From the outer edge inwards: times, frames, brackets of the longer windows.
function strip(side, name, { slot, frame }, edge, inward, width) {
  const top = (depth, height) => (inward > 0 ? edge + depth : edge - depth - height);
  const every = Math.ceil(TIME / slot);
  const [first, second] = [side.frame_seconds[0], side.frame_seconds[every] ?? Infinity];
  const digits = second - first < 0.1 ? 2 : 1; // neighbours must not read the same
  const times = side.frame_seconds.map((seconds, index) => {
    if (index % every) return null;
    const x = Math.max(TIME / 2, Math.min(width - TIME / 2, (index + 0.5) * slot));
    return svg("text", { x, y: top(4, 12) + 10, "text-anchor": "middle" }, `${seconds.toFixed(digits)} s`);
  });
  const pictures = side.pictures.map((href, index) =>
    svg("image", { href, x: index * slot + 1, y: top(20, frame), width: slot - 2, height: frame, preserveAspectRatio: "xMidYMid slice" }),
  );
  const lanes = new Map(side.candidates.filter((one) => one.lane).map((one) => [`${one.lane} ${one.left} ${one.right}`, one]));
  const brackets = [...lanes.values()].map((one) => {
    const y = edge + inward * (23 + frame + LANE * one.lane);
    const foot = y - inward * 5;
    return svg("path", { d: `M${one.left * width + 3} ${foot}V${y}H${one.right * width - 3}V${foot}` });
  });
  return svg(
    "g",
    { class: `strip ${name}` },
    svg("rect", { class: "film", x: 0, y: top(20, frame), width, height: frame, rx: 5 }),
    pictures,
    svg("g", { class: "times" }, times),
    svg("g", { class: "brackets" }, brackets),
    svg("rect", { class: "mark", "data-side": name, y: top(20, frame), height: frame, width: 0, rx: 4 }),
  );
}

function mark(place, side, name, candidate) {
  const rect = place.querySelector(`.mark[data-side="${name}"]`);
  if (!rect) return;
  const { left, right } = candidate === null ? { left: 0, right: 0 } : side.candidates[candidate];
  rect.setAttribute("x", left * place.clientWidth + EDGE);
  rect.setAttribute("width", Math.max(0, (right - left) * place.clientWidth - 2 * EDGE));
}

const massOf = ({ mass }) => `${(100 * mass).toFixed(1)} %`;
const span = ({ start, end }) => `${start.toFixed(2)}–${end.toFixed(2)} s`;

function middle(side, candidate) {
  const { start, end } = side.candidates[candidate];
  const distances = side.frame_seconds.map((seconds) => Math.abs(seconds - (start + end) / 2));
  return side.pictures[distances.indexOf(Math.min(...distances))];
}

function pairOf(plan, link) {
  const [query, support] = [plan.query.candidates[link.query], plan.support.candidates[link.support]];
  const card = (side, candidate, of) =>
    el("figure", {}, el("img", { src: middle(side, link[of]), alt: "" }), el("figcaption", {}, el("span", {}, side.name), el("span", { class: "soft" }, span(candidate))));
  return [
    card(plan.query, query, "query"),
    el(
      "dl",
      {},
      el("div", {}, el("dt", {}, "mass"), el("dd", {}, massOf(link))),
      el("div", {}, el("dt", {}, "similarity"), el("dd", {}, link.similarity.toFixed(2))),
    ),
    card(plan.support, support, "support"),
  ];
}

function listOf(plan, heaviest, show, pin, rest) {
  const items = heaviest.slice(0, LISTED).map((link) =>
    el(
      "li",
      {},
      el(
        "button",
        { type: "button", "data-link": plan.links.indexOf(link), "aria-pressed": "false", onfocus: () => show(link), onblur: rest, onclick: () => pin(link) },
        el("span", { class: "number" }, massOf(link)),
        el("span", {}, `${span(plan.query.candidates[link.query])} ↔ ${span(plan.support.candidates[link.support])}`),
        el("span", { class: "soft" }, `similarity ${link.similarity.toFixed(2)}`),
      ),
    ),
  );
  return el("details", { class: "heaviest" }, el("summary", {}, `The ${items.length} heaviest links in figures`), el("ol", {}, items));
}
