// SIP.js: a UserAgent and a Registerer for each user.

import { Inviter, Registerer, SessionState, UserAgent } from "../../browser/node_modules/sip.js/lib/index.js";

export class Phone {
  constructor(task, say) {
    this.task = task;
    this.say = say;
    this.agents = task.users.map((user) => new UserAgent({
      uri: this.address(user),
      authorizationUsername: user,
      authorizationPassword: task.password,
      logLevel: "error",
      sessionDescriptionHandlerFactoryOptions: { peerConnectionConfiguration: { iceServers: [] } },
      transportOptions: { server: task.url },
    }));
  }

  address(user) {
    return UserAgent.makeURI(`sip:${user}@${this.task.host}`);
  }

  async register() {
    await Promise.all(this.agents.map(async (agent, index) => {
      const user = this.task.users[index];
      await agent.start();
      const registerer = new Registerer(agent, { expires: 600 });
      registerer.stateChange.addListener((state) => this.say(`${user}: ${state}`));
      await registerer.register({ requestDelegate: {
        onAccept: (response) => this.say(`${user}: ${response.message.statusCode}, state ${registerer.state}`),
        onReject: (response) => this.say(`${user}: ${response.message.statusCode}`),
      } });
    }));
  }

  call(number) {
    const session = new Inviter(this.agents[0], this.address(number), {
      sessionDescriptionHandlerOptions: { constraints: { audio: true, video: false } },
    });
    session.stateChange.addListener((state) => this.say(`${number}: ${state}`));
    const begun = session.invite({ requestDelegate: {
      onReject: (response) => this.say(`${number}: ${response.message.statusCode}`),
    } }).catch((error) => this.say(`${number}: ${error}`));
    return {
      hold: async () => {
        if (session.state !== SessionState.Established) return;
        await session.invite({
          sessionDescriptionHandlerModifiers: [async (description) => ({
            type: description.type, sdp: description.sdp.replace("a=sendrecv", "a=sendonly"),
          })],
          requestDelegate: { onReject: (response) => this.say(`${number}: hold ${response.message.statusCode}`) },
        });
      },
      hangUp: async () => {
        await begun;
        if (session.state === SessionState.Established) await session.bye();
        else if (session.state === SessionState.Establishing) await session.cancel();
      },
    };
  }
}
