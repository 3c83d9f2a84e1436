// Does a task (?task=JSON, see phones/phone.py) with one of two stacks, and posts what the stack said of it.

const task = JSON.parse(new URLSearchParams(location.search).get("task"));
const said = [];
export const say = (words) => said.push(words);
export const wait = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

async function play(phone) {
  const begun = phone.register();
  await wait(task.registering);
  for (const number of task.numbers) {
    const call = phone.call(number);
    await wait(task.talking);
    if (task.held.includes(number)) {
      await call.hold();
      await wait(task.talking);
    }
    await call.hangUp();
    await wait(task.talking);
  }
  await begun;
}

addEventListener("unhandledrejection", (event) => say(`unhandled: ${event.reason}`));
try {
  const { Phone } = await import(`./${task.stack}.js`);
  await play(new Phone(task, say));
} catch (error) {
  say(`error: ${error.stack ?? error}`);
}
await fetch("result", { method: "POST", body: JSON.stringify({ said }) });
