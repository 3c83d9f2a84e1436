// Recent requests: searched, and each with what became of it.

import { byId, el, fill, say } from "./dom.js";
import { NONE, seconds } from "./format.js";

const KEPT = 500;
const SHOWN = 50;
const BAD = ["shed", "failed", "dropped"];
let kept = [];
let serial = 0;
let held = null; // what is looked at while it is paused
const open = new Set();

export function take(requests) {
  const name = (each) => `${each.at} ${each.edge} ${each.method} ${each.call_id}`;
  const known = new Set(kept.map(name)); // a monitor that is met again tells all that it has
  requests = requests.filter((each) => !known.has(name(each)));
  if (!requests.length) return;
  for (const each of requests) each.key = String(++serial);
  for (const each of requests) each.words = [each.method, each.uri, each.call_id, each.source, each.listen, each.fate, each.cause, each.answer, each.worker, each.pool, each.edge, each.request].join("\n").toLowerCase();
  kept = [...requests.reverse(), ...kept].slice(0, KEPT);
  show();
}

export function begin() {
  byId("search").addEventListener("input", show);
  byId("fate").addEventListener("change", show);
  byId("filter").addEventListener("submit", (event) => event.preventDefault());
  byId("pause").addEventListener("click", () => {
    held = held ? null : kept;
    byId("pause").setAttribute("aria-pressed", String(Boolean(held)));
    show();
  });
  show();
}

function show() {
  const words = byId("search").value.trim().toLowerCase().split(/\s+/);
  const fate = byId("fate").value;
  const all = held || kept;
  const found = all.filter((each) => (!fate || each.fate === fate) && words.every((word) => each.words.includes(word)));
  fill(byId("recent"), found.slice(0, SHOWN).flatMap((each) => (open.has(each.key) ? [row(each), more(each)] : [row(each)])),
    kept.length ? "none that fits" : "none yet");
  say(byId("found"), words[0] || fate ? `${found.length} of ${all.length}` : "");
}

function row(each) {
  const took = each.queue === null || each.worker_time === null ? NONE : seconds(each.queue + each.worker_time);
  const became = each.answer ? each.answer : each.fate;
  const date = new Date(each.at * 1e3);
  return {
    key: each.key,
    cells: [
      `${date.toLocaleTimeString("en-GB")}.${String(date.getMilliseconds()).padStart(3, "0")}`,
      `${each.method} ${each.uri}`, each.source.replace(" port ", ":"), each.call_id,
      { text: each.cause && !each.answer ? `${became}: ${each.cause}` : became, kind: BAD.includes(each.fate) || each.answer >= "5" ? "bad" : "" },
      took, { node: buttonOf(each) },
    ],
  };
}

const buttons = new WeakMap();

function buttonOf(each) {
  if (!buttons.has(each)) {
    const button = el("button", { type: "button", "aria-expanded": "false", "aria-label": `Explain ${each.method} ${each.call_id}` }, "Explain");
    button.addEventListener("click", () => {
      if (!open.delete(each.key)) open.add(each.key);
      button.setAttribute("aria-expanded", String(open.has(each.key)));
      show();
    });
    buttons.set(each, button);
  }
  return buttons.get(each);
}

/** What became of a request, beneath its row, as a row of its own. */
function more(each) {
  if (!each.detail) each.detail = detail(each);
  return { key: `${each.key} more`, row: each.detail };
}

function detail(each) {
  const told = el("ol", {}, ...each.explain.map((sentence) => el("li", {}, sentence)));
  const left = each.body ? `; its body of ${each.body} bytes is left out` : "";
  const parts = [told, el("h3", {}, `The request${left}`), el("pre", { tabindex: "0" }, each.request)];
  if (each.reply) parts.push(el("h3", {}, "The reply"), el("pre", { tabindex: "0" }, each.reply));
  const save = el("button", { type: "button" }, "Save it as request.sip");
  save.addEventListener("click", () => download(each));
  const why = each.fate === "absorbed" ? [] : [save, " and ask your plugin, with what it reads and remembers: ", el("code", {}, "slbroker explain request.sip --plugin PLUGIN.py")];
  const cell = el("td", { colspan: "7", role: "cell" }, ...parts, el("p", {}, ...why));
  return el("tr", { class: "detail", role: "row" }, cell);
}

/** As on the wire, but without its body. */
function download(each) {
  const head = each.request.replace(/^(content-length|l)[ \t]*:.*$/im, "Content-Length: 0");
  const link = el("a", { href: URL.createObjectURL(new Blob([head, "\r\n\r\n"], { type: "application/sip" })), download: "request.sip" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
