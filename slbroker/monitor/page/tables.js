// The tables: what is in the board, row by row.

import { byId, el, fill, say } from "./dom.js";
import { NONE, age, bytes, count, rate, seconds, share, short, when } from "./format.js";
import { drawSpread } from "./chart.js";

const STAGES = { queue: "queue, in the edge", worker: "worker, and the bus", whole: "whole" };
const MEANINGS = {
  causes: {
    "no worker": "no handler is connected: 503, or silence beyond the overload budget",
    "no credit": "all workers are full, for longer than a request may wait: 503",
    "no answer": "workers had it and none answered in time: 500",
    "bad answer": "what a worker answered is no SIP reply: 500",
    "no next hop": "it was to go on, and nothing says where to: 500",
    "next hop unreachable": "it was to go on, and nobody could be reached",
  },
  dropped: {
    ack: "ACKs that are to no reply of ours, and that no handler takes", handler: "a handler said: no answer", keepalive: "keepalives of phones",
    overload: "shed in silence, beyond the overload budget", "no-answer": "failed in silence, as --on-failure says",
    cancel: "CANCELs that no handler takes", response: "replies, which an edge has no use for", rules: "the rule file said so",
  },
};

export function showTiles(board) {
  const { rates, totals } = board;
  const whole = board.stages.find((stage) => stage.stage === "whole") || {};
  const trouble = (name) => ((rates[name] || 0) > 0 ? "bad" : "");
  const rows = [
    ["received", "Received", `${rate(rates.received)}/s`, `${count(totals.received)} in all`],
    ["replied", "Replied", `${rate(rates.replied)}/s`, `${count(totals.replied)} in all`],
    ["absorbed", "ACKs absorbed", `${rate(rates.absorbed)}/s`, `${count(totals.absorbed)} in all`],
    ["passed", "ACKs passed", `${rate(rates.passed)}/s`, `${count(totals.passed)} in all`],
    ["forwarded", "Forwarded", `${rate(rates.forwarded)}/s`, `${count(totals.forwarded)} in all`],
    ["in_flight", "In flight", count(totals.in_flight), `${count(totals.retried)} retried in all`],
    ["p99", "p99", seconds(whole.p99), `mean ${seconds(whole.mean)}`],
    ["shed", "Shed", `${rate(rates.shed)}/s`, `${count(totals.shed)} in all`, trouble("shed")],
    ["failed", "Failed", `${rate(rates.failed)}/s`, `${count(totals.failed)} in all`, trouble("failed")],
    ["dropped", "Dropped", `${rate(rates.dropped)}/s`, `${count(totals.dropped)} in all`],
  ];
  const list = byId("tiles");
  if (!list.children.length) {
    list.append(...rows.map(([id, name]) => el("div", { id: `tile-${id}` }, el("dt", {}, name), el("dd", {}, el("span"), el("small")))));
  }
  for (const [id, , value, below, kind = ""] of rows) {
    const tile = byId(`tile-${id}`);
    if (tile.className !== kind) tile.className = kind;
    say(tile.querySelector("span"), value);
    say(tile.querySelector("small"), below);
  }
}

export function showTables(board) {
  showTraffic(board);
  showTrouble(board);
  showProcesses(board);
  showKeys(board.keys);
}

function showTraffic(board) {
  const all = board.codes.reduce((sum, row) => sum + row.total, 0);
  fill(byId("codes"), board.codes.map((row) => ({
    key: `${row.method} ${row.code}`,
    cells: [row.method, { text: row.code, kind: row.code >= "5" ? "bad" : "" }, rate(row.rate), count(row.total), share(row.total, all)],
  })), "no replies yet");
  fill(byId("stages"), board.stages.map((row) => ({
    key: row.stage,
    cells: [STAGES[row.stage] || row.stage, count(row.count), seconds(row.mean), seconds(row.p50), seconds(row.p90), seconds(row.p99),
      row.count ? { node: drawSpread(row) } : NONE],
  })));
}

function showTrouble(board) {
  fill(byId("causes"), board.causes.map((row) => ({
    key: `${row.kind} ${row.cause}`,
    cells: [row.cause, (MEANINGS[row.kind] || {})[row.cause] || (row.kind === "dropped" ? "left unanswered" : NONE),
      { text: rate(row.rate), kind: row.kind === "causes" && row.rate > 0 ? "bad" : "" }, count(row.total)],
  })), "nothing: all that came was answered, absorbed or passed on");
  const seen = new Map();
  fill(byId("log"), board.log.map((line) => {
    const key = `${line.at} ${line.who} ${line.text}`;
    seen.set(key, (seen.get(key) || 0) + 1);
    return {
      key: `${key} ${seen.get(key)}`,
      cells: [when(line.at), { text: line.level.toLowerCase(), kind: line.level === "WARNING" ? "warn" : "bad" }, short(line.who, 40), line.text],
    };
  }), "none");
}

function state(each) {
  return each.up ? { text: "up", kind: "good" } : { text: `no answer for ${age(each.silent)}`, kind: "bad" };
}

function showProcesses(board) {
  fill(byId("edges"), board.edges.map((each) => ({
    key: each.address,
    cells: [each.address, state(each), rate(each.received), rate(each.replied), rate(each.absorbed), count(each.in_flight),
      seconds(each.p99), bytes(each.resident), age(each.uptime)],
  })));
  byId("brokers").hidden = !board.brokers.length;
  fill(byId("brokers"), board.brokers.map((each) => ({
    key: each.address,
    cells: [each.address, state(each), rate(each.taken), rate(each.answered), rate(each.lost), count(each.in_flight),
      count(each.waiting), bytes(each.resident), age(each.uptime)],
  })));
  fill(byId("pools"), board.pools.map((each) => ({
    key: each.name,
    cells: [each.name, { text: count(each.workers), kind: each.workers ? "" : "bad" }, count(each.open), count(each.credit),
      count(each.waiting), each.waiting ? seconds(each.oldest) : NONE],
  })));
  const left = board.workers_left_out;
  fill(byId("workers"), board.workers.map((each) => ({
    key: each.name,
    cells: [each.name, each.pool, each.plugin || NONE, rate(each.rate), `${count(each.open)} of ${count(each.credit)}`, seconds(each.p99),
      { text: count(each.errors), kind: each.errors ? "bad" : "" }, bytes(each.resident), each.version || NONE],
  })), "none is known");
  say(byId("workers").caption, left ? `Workers; ${left} more are not shown` : "Workers");
}

function showKeys(keys) {
  const words = {
    none: ["Nobody tells of keys.", "unknown"],
    agree: [`All ${keys.processes} edges and workers sign with one key, and every edge knows it.`, "good"],
    rotating: ["Several keys sign, and every edge knows them: a rotation is on its way, or has stopped half way.", "warn"],
    differ: [`The key rings differ: ${keys.lost.slice(0, 5).join(", ")} lets ACKs through that were meant to be absorbed.`, "bad"],
  }[keys.state];
  say(byId("keys-state"), words[0], words[1]);
  const some = (names) => (names.length > 6 ? `${names.slice(0, 6).join(", ")} and ${names.length - 6} more` : names.join(", ") || "nobody");
  fill(byId("rings"), keys.rows.map((row) => ({
    key: row.key,
    cells: [row.key, some(row.signs), `${row.known} of ${keys.processes}`, { text: some(row.lacking), kind: row.lacking.length && row.signs.length ? "bad" : "" }],
  })), "none");
}
