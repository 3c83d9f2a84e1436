"""A monitor beside a test, and what is asked of it over HTTP."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.support.timing import within

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from email.message import Message

    from tests.conftest import Start
    from tests.support.processes import Process

_ready = re.compile(r"monitor ready: (https?://[^,]+),")


class Said(NamedTuple):
    """An answer over HTTP."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Monitor:
    """A running monitor: its process, and where it serves."""

    process: Process
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    context: ssl.SSLContext | None = None

    def get(self, path: str, **headers: str) -> Said:
        return ask(self.url + path, None, {**self.headers, **headers}, self.context)

    def post(self, path: str, body: object) -> Said:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return ask(self.url + path, data, self.headers, self.context)

    def metric(self, name: str) -> dict[str, float]:
        """The values of a metric, by its labels as they are written."""
        found = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", self.get("/metrics").text, re.MULTILINE)
        return {labels: float(value) for labels, value in found}


def ask(
    url: str, body: bytes | None, headers: Mapping[str, str], context: ssl.SSLContext | None = None,
    method: str | None = None,
) -> Said:  # fmt: skip
    """Ask once; an error status is an answer, too."""
    request = Request(url, body, {"Content-Type": "application/json", **headers}, method=method)
    try:
        with urlopen(request, timeout=within(5), context=context) as response:
            return Said(response.status, _lower(response.headers), response.read())
    except HTTPError as error:
        with error:
            return Said(error.code, _lower(error.headers), error.read())


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def start_monitor(start: Start, *buses: str, options: tuple[str, ...] = (), http: str = "127.0.0.1:0") -> Monitor:
    """Start a monitor on a free port and wait until it serves."""
    words = [word for bus in buses for word in ("--bus", bus)]
    process = start("monitor", "--http", http, "--interval", "0.2", *words, *options)
    found = _ready.search(process.wait_for("monitor ready"))
    assert found is not None
    return Monitor(process, found[1])
