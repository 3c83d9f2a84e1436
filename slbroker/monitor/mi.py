"""JSON-RPC 2.0 in OpenSIPS's shapes: its management interface, as mi_http has it at /mi."""

from __future__ import annotations

import json
import math
import platform
import time
from typing import TYPE_CHECKING, Any, Final

from slbroker.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GROUP: Final = "sl"
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602


class MiError(Exception):
    """A call that is answered with an error: `code` is JSON-RPC's."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class OpenSips:
    """What OpenSIPS's MI commands of the same names say, said of slbroker."""

    def __init__(self, counters: Callable[[], Mapping[str, int]], started: float) -> None:
        """`counters` returns the 9 statistics of the group `sl`; `started` in unix seconds."""
        self._counters = counters
        self._started = started
        self._methods: dict[str, Callable[[Any], Any]] = {
            "get_statistics": self._get_statistics,
            "list_statistics": lambda _: {f"{GROUP}:{name}": "incremental" for name in self._counters()},
            "uptime": self._uptime,
            "version": lambda _: {"Server": f"slbroker ({VERSION} ({platform.machine()}/{platform.system().lower()}))"},
        }

    def answer(self, body: bytes) -> bytes:
        """Return what a request gets, whatever it is; b"" for a notification, which has no id."""
        number: object = None
        try:
            request = _read(body)
            number = _id_of(request.get("id"))
            result = self._call(request)
        except MiError as error:
            return _say({"error": {"code": error.code, "message": str(error)}, "id": number})
        return _say({"result": result, "id": number}) if "id" in request else b""

    def _call(self, request: Mapping[str, Any]) -> Any:
        method, params = request.get("method"), request.get("params", [])
        if request.get("jsonrpc") != "2.0" or not isinstance(method, str) or not isinstance(params, list | dict):
            raise MiError(INVALID_REQUEST, "Invalid Request")
        if method not in self._methods:
            raise MiError(METHOD_NOT_FOUND, "Method not found")
        return self._methods[method](params)

    def _get_statistics(self, params: list[Any] | dict[str, Any]) -> dict[str, int]:
        names = params.get("statistics") if isinstance(params, dict) else params[0] if len(params) == 1 else None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise MiError(INVALID_PARAMS, "Invalid params")
        counters = self._counters()
        found: dict[str, int] = {}
        for name in names:
            if name in ("all", f"{GROUP}:"):
                found |= {f"{GROUP}:{key}": value for key, value in counters.items()}
            elif (bare := name.removeprefix(f"{GROUP}:")) in counters:
                found[f"{GROUP}:{bare}"] = counters[bare]
        if not found:
            raise MiError(404, "Statistics Not Found")
        return found

    def _uptime(self, _params: object) -> dict[str, str]:
        now = time.time()
        since = {"Now": time.ctime(now), "Up since": time.ctime(self._started)}
        return {**since, "Up time": f"{int(now - self._started)} [sec]"}


def _id_of(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return value if isinstance(value, str | int) or math.isfinite(value) else None


def _read(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        raise MiError(PARSE_ERROR, "Parse error") from None
    if not isinstance(request, dict):
        raise MiError(INVALID_REQUEST, "Invalid Request")
    return request


def _say(answer: Mapping[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **answer}).encode()
