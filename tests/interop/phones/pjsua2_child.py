"""A phone made of pjsua2: `python pjsua2_child.py TASK`, see library.py."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import pjsua2 as pj

TRANSPORTS = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP, "tls": pj.PJSIP_TRANSPORT_TLS}


class Call(pj.Call):  # type: ignore[misc]
    """Says what becomes of it."""

    ended = False

    def onCallState(self, _prm: Any) -> None:  # noqa: N802 - its name there
        info = self.getInfo()
        print(f"{info.remoteUri}: {info.stateText} {info.lastStatusCode} {info.lastReason}", flush=True)
        self.ended = info.state == pj.PJSIP_INV_STATE_DISCONNECTED


class Account(pj.Account):  # type: ignore[misc]
    """Says what becomes of its registration."""

    def onRegState(self, prm: Any) -> None:  # noqa: N802
        user = self.getInfo().uri.removeprefix("sip:").partition("@")[0]
        print(f"REGISTER {user}: {prm.code} {prm.reason}", flush=True)


class Phone:
    """One endpoint with an account for each user."""

    def __init__(self, task: dict[str, Any]) -> None:
        self._task = task
        self._endpoint = pj.Endpoint()
        self._endpoint.libCreate()
        config = pj.EpConfig()
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.uaConfig.userAgent = f"pjsua2 {self._endpoint.libVersion().full}"
        config.logConfig.level = config.logConfig.consoleLevel = 0
        self._endpoint.libInit(config)
        self._endpoint.audDevManager().setNullDev()
        own = pj.TransportConfig()
        own.boundAddress = task["server"].partition(":")[0]
        self._transport = self._endpoint.transportCreate(TRANSPORTS[task["transport"]], own)
        self._endpoint.libStart()
        self._accounts = [self._account(user) for user in task["users"]]

    def _account(self, user: str) -> Account:
        config = pj.AccountConfig()
        config.idUri = f"sip:{user}@{self._task['server'].partition(':')[0]}"
        config.regConfig.registrarUri = self._uri("").replace("@", "")
        config.regConfig.timeoutSec = 600
        config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", user, 0, self._task["password"]))
        config.sipConfig.transportId = self._transport
        account = Account()
        account.create(config)
        return account

    def _uri(self, user: str) -> str:
        return f"sip:{user}@{self._task['server']};transport={self._task['transport']}"

    def play(self) -> None:
        self._wait(self._task["registering"])
        for number in self._task["numbers"]:
            self._call(number)
        for account in self._accounts:
            account.shutdown()
        self._wait(0.5)
        self._endpoint.libDestroy()

    def _call(self, number: str) -> None:
        call = Call(self._accounts[0])
        call.makeCall(self._uri(number), pj.CallOpParam(True))
        self._wait(self._task["talking"])
        if number in self._task["held"] and not call.ended:
            call.setHold(pj.CallOpParam(True))
            self._wait(self._task["talking"])
        if not call.ended:
            call.hangup(pj.CallOpParam())
        self._wait(self._task["talking"])

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._endpoint.libHandleEvents(50)


if __name__ == "__main__":
    Phone(json.loads(sys.argv[1])).play()
