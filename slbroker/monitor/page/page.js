// The page: listens to /live, shows what it hears, and says so when it hears nothing any more.

import { byId, say } from "./dom.js";
import { clock } from "./format.js";
import { drawChart } from "./chart.js";
import { drawMap } from "./topology.js";
import { showTables, showTiles } from "./tables.js";
import * as requests from "./requests.js";

const KEPT = 300; // points of the chart
const AGAIN = 1000; // ms until the next try to connect
let source = null;
let retry = null;
let board = null;
let points = [];
let heard = 0; // when, by this browser's clock
let interval = 1;
let version = "";
let isNew = true; // the next event is the first of its connection

function connect() {
  retry = null;
  source = new EventSource("/live");
  isNew = true;
  heard = Date.now();
  source.onmessage = (event) => hear(JSON.parse(event.data));
  source.onerror = lose;
}

/** Try again, whatever was wrong: a browser gives up by itself after a refusal. */
function lose() {
  source.close();
  if (retry === null) retry = setTimeout(connect, AGAIN);
  gone();
}

function gone() {
  const since = board ? ` What you see is from ${clock(board.at)}.` : "";
  say(byId("gone"), `The monitor is gone, or cannot be reached.${since} Trying again.`);
  say(byId("live"), "monitor gone", "bad");
  document.body.classList.add("stale");
  document.title = "(gone) slbroker";
}

function hear(event) {
  if (version && version !== event.version) {
    location.reload(); // the monitor is another version, and so is its page
    return;
  }
  version = event.version;
  interval = event.interval;
  heard = Date.now();
  if (isNew) {
    isNew = false;
    const first = event.points.length ? event.points[0].at : Infinity; // what it does not know any more we do
    points = points.filter((point) => point.at < first);
  }
  points = [...points, ...event.points].slice(-KEPT);
  board = event;
  document.body.classList.remove("stale");
  say(byId("gone"), "");
  say(byId("live"), `live, ${clock(event.at)}`, "good");
  say(byId("version"), event.version);
  requests.take(event.requests);
  show();
}

function verdict() {
  const faults = [...board.readyz, ...board.healthz].join("; ");
  if (board.readyz.length) return [`Requests are not answered: ${faults}.`, "bad"];
  if (faults) return [`Not all is well: ${faults}.`, "bad"];
  if (board.keys.state === "differ") return ["Requests are answered; the key rings differ.", "warn"];
  return ["Requests are answered.", "good"];
}

function show() {
  const [words, kind] = verdict();
  say(byId("state"), words, kind);
  document.title = kind === "good" ? "slbroker" : "(!) slbroker";
  showTiles(board);
  showTables(board);
  draw();
}

function draw() {
  if (board === null) return;
  drawMap(byId("map"), board);
  drawChart(byId("chart"), byId("legend"), points);
}

requests.begin();
connect();
// A monitor that hangs closes nothing.
setInterval(() => {
  if (retry === null && Date.now() - heard > Math.max(5000, 4000 * interval)) lose();
}, 1000);
new ResizeObserver(draw).observe(byId("main"));
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !["INPUT", "SELECT"].includes(document.activeElement.tagName)) {
    event.preventDefault();
    byId("search").focus();
  }
});
