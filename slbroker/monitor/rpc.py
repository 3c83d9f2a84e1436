"""JSON-RPC 2.0 in Kamailio's shapes, as its modules jsonrpcs, kex and sl have it; docs/operations.md compares the two.

An error's code is the HTTP status, too. A batch gets an empty result, as there; so does what is no request. Nothing
here changes anything: `stats.reset_statistics` resets no counter of `sl` in Kamailio 5.6.3 either.
"""

from __future__ import annotations

import json
import math
import platform
import time
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from slbroker.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GROUP: Final = "sl"
ASK: Final = "Please provide which stats to retrieve"
ASK_RESET: Final = "Please provide stats name"
LISTS: Final = ("stats.get_statistics", "system.listMethods")  # whose result is a list, an empty one too
MAX_WORD: Final = 1_024  # characters of an id that goes back


class Answer(NamedTuple):
    """The HTTP status and its phrase, and the body."""

    status: int
    reason: str
    body: bytes


class Fault(Exception):
    """A call that cannot be answered: `code` is the HTTP status, too."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Kamailio:
    """What Kamailio's RPC commands of the same names say, said of slbroker."""

    def __init__(self, counters: Callable[[], Mapping[str, int]], started: float) -> None:
        """`counters` returns the 24 statistics of the group `sl`; `started` in unix seconds."""
        self._counters = counters
        self._started = started
        self._methods: dict[str, Callable[[list[str]], Any]] = {
            "core.info": self._info,
            "core.uptime": self._uptime,
            "core.version": lambda _: f"slbroker {VERSION} ({platform.machine()}/{platform.system().lower()})",
            "sl.stats": self._sl_stats,
            "stats.fetch": lambda names: {key: str(value) for key, value in self._fetch(names).items()},
            "stats.fetchn": self._fetch,
            "stats.get_statistics": self._get_statistics,
            "stats.reset_statistics": self._reset,
            "system.listMethods": lambda _: sorted(self._methods),
        }

    # One request ------------------------------------------------------------------------------------------------

    def answer(self, body: bytes) -> Answer:
        """Return what a request gets, whatever it is."""
        try:
            request = json.loads(body)
        except (ValueError, RecursionError):
            return _refuse(Fault(400, "Invalid JSON"))
        if not isinstance(request, dict):
            return _say({"result": {}})
        number = {"id": _id_of(request["id"])} if "id" in request else {}
        method = request.get("method")
        if request.get("jsonrpc") != "2.0" or not isinstance(method, str):
            return _say({"result": {}, **number})
        try:
            return _say({"result": self.call(method, request.get("params", [])), **number})
        except Fault as fault:
            return _refuse(fault, number)

    def call(self, method: str, params: object) -> Any:
        """Return the result of a command, an empty one for parameters that are no list or map; raises Fault."""
        if method not in self._methods:
            raise Fault(500, "Method Not Found")
        if not isinstance(params, list | dict):
            return [] if method in LISTS else {}
        return self._methods[method](_words(params))

    # The commands -----------------------------------------------------------------------------------------------

    def _sl_stats(self, _params: list[str]) -> dict[str, int]:
        return {
            name.removesuffix("_replies"): value
            for name, value in self._counters().items()
            if name.endswith("_replies") and name not in ("1xx_replies", "sent_replies", "sent_err_replies")
        }

    def _get_statistics(self, names: list[str]) -> list[str]:
        if not names:
            raise Fault(400, ASK)
        found = []
        counters = self._counters()
        for name in names:
            if name in ("all", f"{GROUP}:"):
                found += [f"{GROUP}:{key} = {counters[key]}" for key in sorted(counters)]
            elif name in counters:
                found.append(f"{GROUP}:{name} = {counters[name]}")
        return found

    def _fetch(self, names: list[str]) -> dict[str, int]:
        if not names:
            raise Fault(400, ASK)
        found: dict[str, int] = {}
        counters = self._counters()
        for name in names:
            if name in ("all", f"{GROUP}:"):
                found |= {f"{GROUP}.{key}": counters[key] for key in sorted(counters)}
                continue
            bare = name.removeprefix(f"{GROUP}.").removeprefix(f"{GROUP}:")
            if bare in counters:
                found[f"{GROUP}.{bare}"] = counters[bare]
        return found

    def _reset(self, names: list[str]) -> dict[str, int]:
        if not names:
            raise Fault(400, ASK_RESET)
        return {}

    def _uptime(self, _params: list[str]) -> dict[str, Any]:
        now = time.time()
        return {"now": time.ctime(now), "up_since": time.ctime(self._started), "uptime": int(now - self._started)}

    def _info(self, _params: list[str]) -> dict[str, str]:
        return {
            "version": f"slbroker {VERSION}",
            "id": "unknown",
            "compiler": platform.python_compiler(),
            "compiled": "",
            "flags": "",
        }


def _words(params: list[Any] | dict[str, Any]) -> list[str]:
    """Return the parameters in order, up to the first that is no text; names of them say nothing."""
    values = params.values() if isinstance(params, dict) else params
    return list(takewhile(lambda value: isinstance(value, str), values))


def _id_of(value: object) -> object:
    """Return the id that goes back: a text or a number as it came, else the number that Kamailio takes it for."""
    if isinstance(value, str):
        return value[:MAX_WORD]
    if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    return value if isinstance(value, int | float) and math.isfinite(value) else 0


def _say(answer: Mapping[str, Any], status: int = 200, reason: str = "OK") -> Answer:
    body = json.dumps({"jsonrpc": "2.0", **answer}, indent="\t", allow_nan=False)
    return Answer(status, reason, body.encode() + b"\n")


def _refuse(fault: Fault, number: Mapping[str, Any] | None = None) -> Answer:
    return _say({"error": {"code": fault.code, "message": str(fault)}, **(number or {})}, fault.code, str(fault))
