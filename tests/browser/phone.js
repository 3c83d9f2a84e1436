// A browser's phone: connects to the server named in the page's address (?server=ws://...), sends a REGISTER, an
// OPTIONS and an INVITE, and posts what came of each to the page's own web server.

import { Registerer, UserAgent } from "./node_modules/sip.js/lib/index.js";

const SECONDS = 10;
const SDP = "v=0\r\no=- 0 0 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";

const address = (user) => UserAgent.makeURI(`sip:${user}@example.com`);

function outcome(message) {
  return {
    status: message.statusCode,
    reason: message.reasonPhrase,
    via: message.getHeader("Via"),
    subject: message.getHeader("Subject"),
    toTag: message.toTag,
  };
}

// Resolves with the final answer to what `send` sends; `send` gets the delegate that hears it.
function ask(send) {
  return new Promise((resolve, reject) => {
    const done = (response) => resolve(outcome(response.message));
    setTimeout(() => reject(new Error("no answer")), SECONDS * 1000);
    Promise.resolve(send({ onAccept: done, onReject: done })).catch(reject);
  });
}

function request(agent, method, user) {
  const core = agent.userAgentCore;
  return core.makeOutgoingRequestMessage(method, address(user), agent.configuration.uri, address(user), {});
}

async function talk(server) {
  const agent = new UserAgent({
    uri: address("alice"),
    logLevel: "warn",
    transportOptions: { server, connectionTimeout: SECONDS },
  });
  await agent.start();
  const registerer = new Registerer(agent, { expires: 600 });
  const results = {
    register: await ask((requestDelegate) => registerer.register({ requestDelegate })),
    options: await ask((delegate) => agent.userAgentCore.request(request(agent, "OPTIONS", "bob"), delegate)),
    invite: await ask((delegate) => {
      const invite = request(agent, "INVITE", "nobody");
      invite.setHeader("Contact", agent.contact.toString());
      invite.body = { contentDisposition: "session", contentType: "application/sdp", content: SDP };
      agent.userAgentCore.invite(invite, delegate); // an error's ACK is the transaction's affair
    }),
    registered: registerer.state,
  };
  await agent.transport.disconnect();
  return results;
}

async function run() {
  const server = new URLSearchParams(location.search).get("server");
  try {
    return await talk(server);
  } catch (error) {
    return { error: String(error) };
  }
}

await fetch("result", { method: "POST", body: JSON.stringify(await run()) });
