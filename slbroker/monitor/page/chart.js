// Lines over time, and the bars of a stage's times.

import { el, svg } from "./dom.js";
import { clock, rate } from "./format.js";

const HEIGHT = 190;
const LEFT = 44;
const BELOW = 20;
const SPAN = 300; // seconds
const LINES = [["received", "received"], ["replied", "replied"], ["absorbed", "ACKs absorbed"], ["passed", "ACKs passed"], ["shed", "shed"], ["failed", "failed"]];

export function drawChart(holder, legend, points) {
  const width = Math.max(280, holder.clientWidth);
  const last = points.length ? points[points.length - 1] : null;
  const until = last ? last.at : Date.now() / 1e3;
  const shown = points.filter((point) => point.at >= until - SPAN);
  const top = nice(Math.max(1, ...shown.flatMap((point) => LINES.map(([name]) => point[name] || 0))));
  const x = (at) => LEFT + ((at - until + SPAN) / SPAN) * (width - LEFT - 8);
  const y = (value) => 8 + (1 - value / top) * (HEIGHT - 8 - BELOW);
  const grid = [0, 0.5, 1].flatMap((part) => [
    svg("path", { class: "grid", d: `M${LEFT} ${y(top * part)}H${width - 8}` }),
    svg("text", { class: "quiet", x: LEFT - 6, y: y(top * part) + 4, "text-anchor": "end" }, rate(top * part)),
  ]);
  const times = [0, 0.5, 1].map((part) => svg("text", {
    class: "quiet", x: LEFT + part * (width - LEFT - 8), y: HEIGHT - 4, "text-anchor": ["start", "middle", "end"][part * 2],
  }, clock(until - SPAN * (1 - part))));
  const lines = LINES.map(([name]) => svg("path", { class: `line ${name}`, d: path(shown, name, x, y) }));
  const most = Math.max(0, ...shown.map((point) => point.received || 0));
  const words = `Messages a second in the last five minutes: ${rate(last && last.received)} received now, ${rate(most)} at most.`;
  holder.replaceChildren(svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT, role: "img", "aria-label": words }, ...grid, ...times, ...lines));
  legend.replaceChildren(...LINES.map(([name, word]) => el("li", {},
    svg("svg", { viewBox: "0 0 26 10", "aria-hidden": "true" }, svg("path", { class: `line ${name}`, d: "M1 5H25" })),
    `${word} ${rate(last && last[name])}`)));
}

function path(points, name, x, y) {
  let pen = "M";
  let made = "";
  let before = null;
  for (const point of points) {
    const value = point[name];
    if (value === null || value === undefined || (before !== null && point.at - before > 10)) pen = "M"; // nobody told: no line
    if (value === null || value === undefined) continue;
    made += `${pen}${x(point.at).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = "L";
    before = point.at;
  }
  return made;
}

/** The next number that is easy to read. */
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 10].map((step) => step * power).find((step) => step >= value);
}

export function drawSpread(stage) {
  const counts = stage.counts || [];
  const most = Math.max(1, ...counts);
  const wide = 160 / Math.max(1, counts.length);
  const bars = counts.map((count, at) => {
    const height = count ? Math.max(1.5, (count / most) * 24) : 0;
    return svg("rect", { class: "bar", x: at * wide, y: 25 - height, width: wide - 1.5, height });
  });
  const axis = svg("path", { class: "grid", d: "M0 25.5H160" });
  return svg("svg", { viewBox: "0 0 160 26", preserveAspectRatio: "none", "aria-hidden": "true" }, axis, ...bars);
}
