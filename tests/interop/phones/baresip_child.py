"""A phone made of baresip-python, so of a libre of today: `python baresip_child.py TASK`, see library.py."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from typing import Any

import baresip


async def play(task: dict[str, Any]) -> None:
    runtime = baresip.Runtime()
    host = task["server"].partition(":")[0]
    own = f"sip_listen {host}:0\nsip_verify_server no\n"
    await runtime.start(baresip.Config(net_interface=host, extra_config_text=own))
    agents = [await agent(runtime, task, user) for user in task["users"]]
    begun = [asyncio.create_task(register(*pair)) for pair in zip(agents, task["users"], strict=True)]
    await asyncio.sleep(task["registering"])
    for number in task["numbers"]:
        await call(agents[0], task, number)
    for one in begun:
        one.cancel()
    with suppress(Exception):
        await asyncio.wait_for(runtime.close(), 5)


async def agent(runtime: Any, task: dict[str, Any], user: str) -> Any:
    account = baresip.Account(
        user=user, domain=task["server"], password=task["password"], reg_interval=600, transport=task["transport"]
    )
    return await baresip.UserAgent.create(runtime, account)


async def register(agent: Any, user: str) -> None:
    try:
        await agent.register()
        print(f"REGISTER {user}: 200", flush=True)
    except Exception as error:
        print(f"REGISTER {user}: {error!r}", flush=True)


async def call(agent: Any, task: dict[str, Any], number: str) -> None:
    uri = f"sip:{number}@{task['server']};transport={task['transport']}"
    try:
        made = await agent.dial(uri)
        with suppress(TimeoutError):
            await asyncio.wait_for(made.wait_established(), task["talking"])
        if number in task["held"]:
            await made.hold()
            await asyncio.sleep(task["talking"])
        await made.hangup()
    except Exception as error:
        print(f"{uri}: {error!r}", flush=True)
    await asyncio.sleep(task["talking"])


if __name__ == "__main__":
    asyncio.run(play(json.loads(sys.argv[1])))
