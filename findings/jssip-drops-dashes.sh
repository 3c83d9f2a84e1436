#!/usr/bin/env bash
# JsSIP 3.13.8 takes dashes and dots out of the user of a complete SIP URI when the rest of it is digits.
#
# `-`, `.` and brackets are "visual separators" in a tel URI (RFC 3966 5.1.1); in a SIP URI they count (RFC 3261 19.1.4), so
# sip:503-2@h and sip:5032@h are two addresses. JsSIP is given the first and sends to the second. Seen (2026-11-28):
#   sip:503-2@example.com -> sip:5032@example.com
#   sip:10.20@example.com -> sip:1020@example.com
#   sip:503-b@example.com -> sip:503-b@example.com
# So extensions such as 100-1 cannot be reached from JsSIP, and a server that routes by them sees other numbers.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
npm install --silent --no-audit --no-fund jssip@3.13.8 ws@8.18.3
cat > phone.js <<'JS'
const JsSIP = require("jssip");
const { WebSocket, WebSocketServer } = require("ws");
globalThis.WebSocket = WebSocket;
const targets = ["sip:503-2@example.com", "sip:10.20@example.com", "sip:503-b@example.com"];

const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => "sip" }, () => {
  const phone = new JsSIP.UA({
    sockets: [new JsSIP.WebSocketInterface(`ws://127.0.0.1:${server.address().port}`)],
    uri: "sip:alice@example.com", register: false,
  });
  phone.on("connected", () => targets.forEach((target) => phone.sendMessage(target, target)));
  phone.start();
});
let seen = 0;
server.on("connection", (line) => line.on("message", (data) => {
  const [head, body] = String(data).split("\r\n\r\n");
  console.log(`${body} -> ${head.split(" ")[1]}`);
  if (++seen === targets.length) process.exit();
}));
JS
timeout 20 node phone.js | tee seen
diff seen - <<'SEEN'
sip:503-2@example.com -> sip:5032@example.com
sip:10.20@example.com -> sip:1020@example.com
sip:503-b@example.com -> sip:503-b@example.com
SEEN
