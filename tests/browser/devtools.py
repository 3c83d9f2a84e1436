"""A headless Chromium that a test drives: it opens a page, asks it, presses keys, changes its size, takes pictures.

Over Chromium's DevTools protocol, one connection to one tab.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self
from urllib.request import Request, urlopen

from websockets.sync.client import connect

from tests.browser.page import FLAGS, chromium
from tests.support.timing import until, within

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.conftest import Start

_listening = re.compile(r"DevTools listening on ws://([^/]+)/")
KEYS = {"Tab": 9, "Enter": 13, " ": 32}


class Tab:
    """One tab; use it in a `with` statement. What the page complains of is in `complaints`."""

    def __init__(self, start: Start, folder: Path, width: int = 1280, height: int = 900) -> None:
        profile = f"--user-data-dir={folder / 'profile'}"
        flags = (*FLAGS, profile, "--remote-debugging-port=0", "--hide-scrollbars", "about:blank")
        self._browser = start(chromium(), *flags, env={"HOME": str(folder)})
        found = _listening.search(self._browser.wait_for("DevTools listening", 30))
        assert found is not None
        with urlopen(Request(f"http://{found[1]}/json/new", method="PUT"), timeout=within(10)) as answer:
            url = json.load(answer)["webSocketDebuggerUrl"]
        self._stack = ExitStack()
        self._socket = self._stack.enter_context(connect(url, max_size=None, open_timeout=within(10)))
        self._numbers = itertools.count(1)
        self.complaints: list[str] = []
        self.size(width, height)
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self._browser.stop()

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            said = json.loads(self._socket.recv(timeout=within(20)))
            if said.get("id") == number:
                assert "error" not in said, (method, said)
                result: dict[str, Any] = said["result"]
                return result
            self._note(said)

    def _note(self, said: Mapping[str, Any]) -> None:
        if said.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(said["params"]["exceptionDetails"]))
        elif said.get("method") == "Log.entryAdded" and said["params"]["entry"]["source"] != "network":
            self.complaints.append(said["params"]["entry"]["text"])

    def open(self, url: str) -> None:
        said = self._call("Page.navigate", url=url)
        assert "errorText" not in said, said
        self.wait("location.href !== 'about:blank' && document.readyState === 'complete'")

    def size(self, width: int, height: int) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **metrics)

    def scheme(self, name: str) -> None:
        """Prefer `light` or `dark`."""
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def ask(self, expression: str) -> Any:
        """The value of an expression in the page."""
        said = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    def text(self, selector: str) -> str:
        found: str = self.ask(f"document.querySelector({json.dumps(selector)})?.textContent ?? ''")
        return found

    def rows(self, table: str) -> list[list[str]]:
        """The cells of a table's body."""
        rows = f"[...document.getElementById({json.dumps(table)}).tBodies[0].rows]"
        found: list[list[str]] = self.ask(f"{rows}.map(r => [...r.cells].map(c => c.textContent))")
        return found

    def wait(self, expression: str, seconds: float = 10.0) -> None:
        """Wait until something is so in the page."""
        until(lambda: self.ask(expression), seconds, what=expression)

    def press(self, key: str, modifiers: int = 0) -> None:
        """Press a key as a person would: Tab, Enter, a letter. Shift is modifier 8."""
        code = KEYS.get(key, ord(key[0].upper()))
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        about = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        self._call("Input.dispatchKeyEvent", type="keyDown", **about, **({"text": text} if text else {}))
        self._call("Input.dispatchKeyEvent", type="keyUp", **about)

    def picture(self, path: Path, height: int | None = None) -> None:
        """Take a picture of the page, from its top, so high or as a whole."""
        width, whole = self.ask("[innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": min(height or whole, whole), "scale": 1}
        said = self._call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(said["data"]))

    def tree(self) -> list[tuple[str, str]]:
        """What a screen reader is told: role and name of each node, in order."""
        nodes = self._call("Accessibility.getFullAXTree")["nodes"]
        shown = [node for node in nodes if not node["ignored"]]
        return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in shown]
