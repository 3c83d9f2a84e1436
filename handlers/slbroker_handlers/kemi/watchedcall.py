"""A call whose request notes what is read of it: what a script decides may be good for others (docs/remember.md).

Headers are noted by name. What a script keeps from one request to the next is looked at for this one alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from slbroker.plugin.watched import WatchingRequest
from slbroker_handlers.kemi.call import Call, FreshCall, begin_call
from slbroker_handlers.kemi.uris import read_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.plugin import Request
    from slbroker_handlers.kemi.memory import State

# Of a script's memory: what stays as it was loaded, and what is said of it.
_SETTLED: Final = frozenset(
    (
        "allow_missing",
        "branch_route",
        "count_unsupported",
        "date",
        "now",
        "on_send",
        "params",
        "relays",
        "release",
        "requests",
        "say_once",
    )
)
# The slots behind what is asked for here.
_HEADERS: Any = vars(Call)["headers"]
_NUMBER: Any = vars(Call)["number"]


class _WatchedState:
    """A script's memory; a decision that goes by it is good for no other request."""

    __slots__ = ("_real", "_request")

    def __init__(self, real: State, request: Request) -> None:
        object.__setattr__(self, "_real", real)
        object.__setattr__(self, "_request", request)

    def __getattr__(self, name: str) -> Any:
        if name not in _SETTLED:
            self._request.unfit("its script looks at what it keeps")
        return getattr(self._real, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._request.unfit("its script keeps something")
        setattr(self._real, name, value)


class WatchedCall(Call):
    """A call that has been looked at; its headers only when they are asked for all at once."""

    __slots__ = ()

    if not TYPE_CHECKING:

        @property
        def headers(self):
            """The headers, as the script has changed them."""
            changed = _HEADERS.__get__(self)
            return self.request.message.headers if changed is None else changed

        @headers.setter
        def headers(self, headers):
            _HEADERS.__set__(self, headers)

        @property
        def number(self):
            """The request's number, which no other has."""
            self.request.unfit("its script looks at the request's number")
            return _NUMBER.__get__(self)

        @number.setter
        def number(self, number):
            _NUMBER.__set__(self, number)

    def _first_headers(self) -> Any:
        return None  # nobody has asked for them

    def _values(self, name: bytes) -> list[bytes]:
        if _HEADERS.__get__(self) is None:
            return self.request.message.all(name)
        return super()._values(name)

    def uri_in(self, name: bytes) -> str:
        """Return the URI in From or To, which is noted without the tag beside it."""
        return _uri_in(self, name) if _HEADERS.__get__(self) is None else super().uri_in(name)


def _uri_in(call: Call, name: bytes) -> str:
    request = call.request
    assert isinstance(request, WatchingRequest)
    request.watch.note(f"{name.decode()}.uri")
    return read_address(request.real.message.first(name)).uri


class FreshWatchedCall(FreshCall):
    """What becomes a `WatchedCall` when more is asked of it than the method."""

    __slots__ = ()
    becomes = WatchedCall

    def _values(self, name: bytes) -> list[bytes]:
        return self.request.message.all(name)

    def uri_in(self, name: bytes) -> str:
        """Return the URI in From or To, which is noted without the tag beside it."""
        return _uri_in(self, name)


def begin_watched(state: State, request: Request, on_reply: Callable[[Call], object] | None) -> Call:
    """Return the call of a request that is watched, and has just come."""
    if on_reply is not None:
        request.unfit("its script is told of each reply (sl:local-response)")
    watched: Any = _WatchedState(state, request)  # it has all that a State has
    return begin_call(watched, request, on_reply, FreshWatchedCall)
