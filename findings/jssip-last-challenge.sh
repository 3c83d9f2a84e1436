#!/usr/bin/env bash
# JsSIP 3.13.8 looks at the last WWW-Authenticate header only, whatever RFC 3261 22.3 and RFC 8760 2.4 say of several.
#
# A registrar that offers MD5 and SHA-256, a line each: JsSIP knows MD5 and not SHA-256. One would guess that it answers
# the challenge it knows. Seen (2026-11-28):
#   SHA-256, MD5: registered
#   MD5, SHA-256: registration failed: Authentication Error
# So the algorithm that every client has must come last for JsSIP; others give up unless it comes first.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
npm install --silent --no-audit --no-fund jssip@3.13.8 ws@8.18.3
cat > phone.js <<'JS'
const JsSIP = require("jssip");
const { WebSocket, WebSocketServer } = require("ws");
globalThis.WebSocket = WebSocket;

function answer(text, algorithms) {
  const lines = text.split("\r\n");
  const copied = lines.filter((line) => /^(Via|From|Call-ID|CSeq):/i.test(line));
  const to = lines.find((line) => /^To:/i.test(line)) + ";tag=server";
  const known = /^Authorization: Digest .*algorithm="?MD5"?/im.test(text);
  const contact = lines.find((line) => /^Contact:/i.test(line));
  const own = known ? [contact.replace(/;expires=\d+/, "") + ";expires=600"]
    : algorithms.map((name) => `WWW-Authenticate: Digest realm="r", nonce="n", algorithm=${name}, qop="auth"`);
  return [known ? "SIP/2.0 200 OK" : "SIP/2.0 401 Unauthorized", ...copied, to, ...own, "Content-Length: 0", "", ""].join("\r\n");
}

function register(algorithms) {
  return new Promise((resolve) => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => "sip" }, () => {
      const phone = new JsSIP.UA({
        sockets: [new JsSIP.WebSocketInterface(`ws://127.0.0.1:${server.address().port}`)],
        uri: "sip:alice@example.com", password: "secret",
      });
      phone.on("registered", () => resolve("registered"));
      phone.on("registrationFailed", (event) => resolve(`registration failed: ${event.cause}`));
      phone.start();
    });
    server.on("connection", (line) => line.on("message", (data) => line.send(answer(String(data), algorithms))));
  });
}

(async () => {
  for (const algorithms of [["SHA-256", "MD5"], ["MD5", "SHA-256"]])
    console.log(`${algorithms.join(", ")}: ${await register(algorithms)}`);
  process.exit();
})();
JS
node phone.js | tee seen
diff seen - <<'SEEN'
SHA-256, MD5: registered
MD5, SHA-256: registration failed: Authentication Error
SEEN
