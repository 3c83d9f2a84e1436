#!/usr/bin/env bash
# SIP.js 0.21.2 drops a 200 to REGISTER that has no Contact: register() resolves, and neither onAccept nor onReject is called.
#
# RFC 3261 10.3 wants the registrar to list the bindings, so the 200 is incomplete; one would guess at a failure, or at
# success. SIP.js writes a warning to its log, says nothing to the application, and tries no more. Seen (2026-11-28):
#   with Contact: accepted, Registered
#   without Contact: nothing, Unregistered
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
npm install --silent --no-audit --no-fund sip.js@0.21.2 ws@8.18.3
cat > phone.mjs <<'JS'
import { WebSocket, WebSocketServer } from "ws";
globalThis.WebSocket = WebSocket;
const { Registerer, UserAgent } = await import("sip.js");

function answer(text, withContact) {
  const lines = text.split("\r\n");
  const copied = lines.filter((line) => /^(Via|From|Call-ID|CSeq):/i.test(line));
  const to = lines.find((line) => /^To:/i.test(line)) + ";tag=server";
  const contact = lines.filter((line) => withContact && /^Contact:/i.test(line)).map((line) => `${line};expires=600`);
  return ["SIP/2.0 200 OK", ...copied, to, ...contact, "Content-Length: 0", "", ""].join("\r\n");
}

async function register(withContact) {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => "sip" });
  await new Promise((resolve) => server.on("listening", resolve));
  server.on("connection", (line) => line.on("message", (data) => {
    if (/^REGISTER/.test(data)) line.send(answer(String(data), withContact));
  }));
  const agent = new UserAgent({
    uri: UserAgent.makeURI("sip:alice@example.com"), logLevel: "error",
    transportOptions: { server: `ws://127.0.0.1:${server.address().port}` },
  });
  await agent.start();
  const registerer = new Registerer(agent);
  let heard = "nothing";
  await registerer.register({ requestDelegate: { onAccept: () => (heard = "accepted"), onReject: () => (heard = "rejected") } });
  await new Promise((resolve) => setTimeout(resolve, 3000));
  return `${heard}, ${registerer.state}`;
}

console.log(`with Contact: ${await register(true)}`);
console.log(`without Contact: ${await register(false)}`);
process.exit();
JS
timeout 30 node phone.mjs | tee seen
diff seen - <<'SEEN'
with Contact: accepted, Registered
without Contact: nothing, Unregistered
SEEN
