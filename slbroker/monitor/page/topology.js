// The map: edges, brokers, pools with their workers. In columns, or on a phone below each other along a rail.

import { svg } from "./dom.js";
import { age, count, rate, seconds, short } from "./format.js";

const NARROW = 640;
const EDGE = 62; // the height of a box for an edge or a broker
const TILE = 15;
const MOST_TILES = 60; // of one pool
const LANE = 14; // above the brokers, for who has workers beside them
const MOST = 40; // edges, or brokers, or pools, that are drawn

export function drawMap(holder, board) {
  const width = Math.max(280, holder.clientWidth);
  const brokers = board.brokers.slice(0, MOST);
  const columns = [
    board.edges.slice(0, MOST).map((edge) => partOf("edge", edge)),
    brokers.map((broker) => partOf("broker", broker)),
    board.pools.slice(0, MOST).map((pool) => poolPart(pool, board)),
  ].filter((column) => column.length);
  const narrow = width < NARROW;
  const lane = brokers.length && board.edges.some((edge) => Object.keys(edge.pools).length) ? LANE : 0;
  const height = narrow ? layRail(columns, width) : layColumns(columns, width, lane);
  const links = narrow ? rail(columns) : board.edges.flatMap((edge) => linksOf(edge, board, columns));
  const words = summary(board);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": words },
    ...links, ...columns.flat().map(draw));
  holder.replaceChildren(picture);
}

function summary(board) {
  const state = (each) => (each.up ? "" : ", which does not answer");
  const edges = board.edges.map((each) => `edge ${each.address}${state(each)}`);
  const brokers = board.brokers.map((each) => `broker ${each.address}${state(each)}`);
  const pools = board.pools.map((each) => `pool ${each.name} with ${each.workers} workers`);
  return `Topology: ${[...edges, ...brokers, ...pools].slice(0, 30).join("; ") || "nobody is known"}.`;
}

function partOf(kind, each) {
  const rates = kind === "edge" ? `${rate(each.received)}/s in · p99 ${seconds(each.p99)}` : `${rate(each.taken)}/s · ${count(each.waiting)} waiting`;
  const below = each.up ? `${count(each.in_flight)} in flight` : `no answer for ${age(each.silent)}`;
  return { kind, id: each.address, name: each.name, up: each.up, height: EDGE, title: `${kind} ${each.address}`, lines: [each.up ? rates : "DOWN", below] };
}

function poolPart(pool, board) {
  const workers = board.workers.filter((worker) => worker.pool === pool.name);
  const lines = pool.workers
    ? [`${pool.workers} workers, ${count(pool.open)} of ${count(pool.credit)} open`, `${count(pool.waiting)} waiting`]
    : ["no workers", `${count(pool.waiting)} waiting`];
  return { kind: "pool", id: pool.name, up: pool.workers > 0, height: EDGE, title: `pool ${pool.name}`, lines, workers, staff: pool.workers };
}

// Where they are ------------------------------------------------------------------------------------------------

function fit(part) {
  const each = Math.max(1, Math.floor((part.width - 20) / (TILE + 4)));
  const shown = Math.min(part.workers ? part.workers.length : 0, MOST_TILES);
  part.each = each;
  part.height = EDGE + (shown ? Math.ceil(shown / each) * (TILE + 4) + 4 : 0);
}

function layColumns(columns, width, lane) {
  const gap = columns.length > 2 ? 70 : 120;
  const wide = Math.min(340, (width - gap * (columns.length - 1)) / columns.length);
  const free = columns.length > 1 ? (width - wide * columns.length) / (columns.length - 1) : 0;
  const heights = columns.map((column) => {
    for (const part of column) Object.assign(part, { width: wide - 4 }), fit(part);
    return column.reduce((sum, part) => sum + part.height + 14, -14);
  });
  const height = Math.max(...heights, EDGE) + 4 + lane;
  columns.forEach((column, at) => {
    let top = 2 + lane + (height - 4 - lane - heights[at]) / 2;
    for (const part of column) {
      Object.assign(part, { x: 2 + at * (wide + free), y: top });
      top += part.height + 14;
    }
  });
  return height;
}

function layRail(columns, width) {
  let top = 2;
  for (const part of columns.flat()) {
    Object.assign(part, { width: width - 24, x: 22, y: top });
    fit(part);
    top += part.height + 12;
  }
  return Math.max(top, EDGE);
}

// What is drawn -------------------------------------------------------------------------------------------------

function rail(columns) {
  const parts = columns.flat();
  if (parts.length < 2) return [];
  const middle = (part) => part.y + EDGE / 2;
  const stubs = parts.map((part) => svg("path", { class: part.up ? "link" : "link down", d: `M8 ${middle(part)}H${part.x}` }));
  return [svg("path", { class: "link", d: `M8 ${middle(parts[0])}V${middle(parts[parts.length - 1])}` }), ...stubs];
}

function linksOf(edge, board, columns) {
  const parts = columns.flat();
  const find = (kind, id) => parts.find((part) => part.kind === kind && part.id === id);
  const from = find("edge", edge.address);
  const links = [];
  const first = parts.find((part) => part.kind === "broker");
  const join = (one, other, up) => {
    if (!one || !other) return;
    const ends = [one.x + one.width, one.y + one.height / 2, other.x, other.y + other.height / 2];
    const passes = first && one.kind === "edge" && other.kind === "pool";
    links.push(svg("path", { class: up ? "link" : "link down", d: passes ? over(first, ...ends) : curve(...ends) }));
  };
  for (const name of Object.keys(edge.pools)) join(from, find("pool", name), edge.up);
  for (const broker of board.brokers) {
    if (!edge.brokers.includes(broker.address)) continue;
    join(from, find("broker", broker.address), edge.up && broker.up);
    if (board.edges.find((each) => each.brokers.includes(broker.address)) !== edge) continue; // once for all edges
    for (const name of Object.keys(broker.pools)) join(find("broker", broker.address), find("pool", name), broker.up);
  }
  return links;
}

function curve(x1, y1, x2, y2) {
  const bend = (x2 - x1) / 2;
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
}

/** Past the column of the brokers, by the lane above it. */
function over(first, x1, y1, x2, y2) {
  const lane = first.y - LANE / 2;
  const [one, other] = [first.x + 10, first.x + first.width - 10];
  const bend = (one - x1) / 2;
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${one - bend} ${lane} ${one} ${lane}H${other}C${other + bend} ${lane} ${x2 - bend} ${y2} ${x2} ${y2}`;
}

function draw(part) {
  const letters = Math.floor((part.width - 20) / 7.4);
  const group = svg("g", { transform: `translate(${part.x} ${part.y})` },
    svg("title", {}, part.title),
    svg("rect", { class: `box ${part.kind}${part.up ? "" : " down"}`, width: part.width, height: part.height, rx: 8 }),
    svg("text", { class: "strong", x: 10, y: 19 }, short(part.title, letters)),
    svg("text", { class: part.up ? "" : "badtext", x: 10, y: 37 }, part.lines[0]),
    svg("text", { class: "quiet", x: 10, y: 53 }, part.lines[1]));
  if (part.workers) group.append(...tiles(part));
  return group;
}

function tiles(part) {
  const shown = part.workers.slice(0, MOST_TILES);
  const found = shown.map((worker, at) => {
    const load = worker.credit ? Math.min(1, (worker.open || 0) / worker.credit) : 0;
    const height = load ? Math.max(2, load * TILE) : 0;
    const [x, y] = [10 + (at % part.each) * (TILE + 4), EDGE + Math.floor(at / part.each) * (TILE + 4)];
    return svg("g", { transform: `translate(${x} ${y})` },
      svg("title", {}, `${worker.name}: ${count(worker.open)} of ${count(worker.credit)} open, ${rate(worker.rate)} a second`),
      svg("rect", { class: "tile", width: TILE, height: TILE, rx: 3 }),
      svg("rect", { class: load >= 0.9 ? "load full" : "load", y: TILE - height, width: TILE, height, rx: Math.min(3, height / 2) }));
  });
  if (part.staff > shown.length) found.push(svg("text", { class: "quiet", x: part.width - 10, y: 19, "text-anchor": "end" }, `+${part.staff - shown.length}`));
  return found;
}
