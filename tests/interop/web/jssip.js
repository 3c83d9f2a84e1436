// JsSIP: a UA for each user.

import { require } from "./commonjs.js";

const JsSIP = require("jssip");

export class Phone {
  constructor(task, say) {
    this.task = task;
    this.agents = task.users.map((user) => {
      const agent = new JsSIP.UA({
        sockets: [new JsSIP.WebSocketInterface(task.url)],
        uri: `sip:${user}@${task.host}`,
        password: task.password,
        register: true,
        register_expires: 600,
      });
      agent.on("registered", () => say(`${user}: registered`));
      agent.on("registrationFailed", (event) => say(`${user}: registration failed, ${event.cause}`));
      return agent;
    });
    this.say = say;
  }

  async register() {
    this.agents.forEach((agent) => agent.start());
  }

  call(number) {
    const session = this.agents[0].call(`sip:${number}@${this.task.host}`, {
      mediaConstraints: { audio: true, video: false },
      pcConfig: { iceServers: [] },
      eventHandlers: {
        failed: (event) => this.say(`${number}: failed, ${event.cause}`),
        confirmed: () => this.say(`${number}: confirmed`),
        ended: (event) => this.say(`${number}: ended by ${event.originator}, ${event.cause}`),
      },
    });
    return {
      hold: async () => session.hold(),
      hangUp: async () => session.isEnded() || session.terminate(),
    };
  }
}
