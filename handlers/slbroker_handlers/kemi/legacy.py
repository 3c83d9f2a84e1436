"""The `msg` that app_python3 hands to a route: what it could do before there was KSR, as far as it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker.sip.uri import text
from slbroker_handlers.kemi import core
from slbroker_handlers.kemi.byname import call_by_name

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call


class LegacyMessage:
    """A request by its old names. Scripts use KSR; a few still ask this one."""

    __slots__ = ("_call",)

    Type = "SIP_REQUEST"
    Status = None

    def __init__(self, call: Call) -> None:
        self._call = call

    @property
    def Method(self) -> str:  # noqa: N802 - its name
        """Return the method."""
        return self._call.method

    @property
    def RURI(self) -> str:  # noqa: N802 - its name
        """Return the Request-URI as it came."""
        return text(self._call.message.uri)

    @property
    def src_address(self) -> tuple[str, int]:
        """Return the peer's address and port."""
        return self._call.source.host, self._call.source.port

    @property
    def dst_address(self) -> tuple[str, int]:
        """Return the address and port that the request came to."""
        return self._call.local.host, self._call.local.port

    def getHeader(self, name: str) -> str | None:  # noqa: N802 - its name
        """Return the first header called `name`, None where there is none."""
        return next(iter(self._call.all(name)), None)

    def rewrite_ruri(self, uri: str) -> None:
        """Change the Request-URI."""
        core.seturi(self._call, uri)

    def set_dst_uri(self, uri: str) -> None:
        """Set the destination URI; nothing is forwarded here."""
        core.setdsturi(self._call, uri)

    def call_function(self, name: str, *arguments: str) -> int:
        """Call a function of kamailio.cfg, as KSR.x.modf does; raises RuntimeError for one that does not work here."""
        if not all(isinstance(argument, str) for argument in (name, *arguments)):
            raise TypeError("call_function takes texts")
        result = call_by_name(self._call, name, arguments)
        if result is None:
            raise RuntimeError(f"no function {name} with {len(arguments)} arguments works here")
        return result
