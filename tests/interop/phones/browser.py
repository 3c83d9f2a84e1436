"""Phones in a browser: JsSIP and SIP.js in headless Chromium, with a microphone of its own making."""

from __future__ import annotations

import json
import urllib.parse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.browser.page import FLAGS, Site, chromium
from tests.interop.words import PASSWORD
from tests.support.peers import missing_peer

if TYPE_CHECKING:
    from tests.conftest import Start
    from tests.interop.phones.phone import Task

TESTS: Final = Path(__file__).parents[2]
MICROPHONE: Final = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


class Stack:
    """A SIP stack of npm's that stands in tests/browser/node_modules."""

    transports = ("ws", "wss")
    registered = r"{user}: [Rr]egistered"

    def __init__(self, name: str, package: str, stack: str) -> None:
        self.name = name
        self._package = package
        self._stack = stack

    def version(self) -> str:
        return ""

    def require(self) -> None:
        if not (TESTS / "browser" / "node_modules" / self._package).exists():
            missing_peer(f"{self._package} is not installed (npm install --prefix tests/browser)")
        chromium()

    def play(self, start: Start, task: Task) -> str:
        words = asdict(task) | {"folder": str(task.folder), "held": sorted(task.held), "password": PASSWORD}
        words |= {"stack": self._stack, "host": task.host, "url": f"{task.transport}://{task.server}"}
        with Site(TESTS) as site:
            query = urllib.parse.urlencode({"task": json.dumps(words)})
            url = f"{site.origin}/interop/web/index.html?{query}"
            result = site.visit(start, task.folder, url, (*FLAGS, *MICROPHONE), seconds=task.seconds)
        return "\n".join(map(str, result["said"]))


JSSIP = Stack("JsSIP", "jssip", "jssip")
SIP_JS = Stack("SIP.js", "sip.js", "sipjs")
