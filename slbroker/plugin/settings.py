"""What a plugin sets once, for all its handlers, and what a request is given of the worker it is in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from slbroker.plugin.arguments import check_seconds
from slbroker.plugin.reply import Drop, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.authnonce import NonceKeys
    from slbroker.sip.slerrors import ErrorTable
    from slbroker.totag import Signer

_TABLES: Final = ("kamailio", "opensips")


@dataclass(frozen=True, slots=True)
class Settings:
    """The arguments of `Handlers(...)`. Raises ValueError for a value that cannot be.

    `default_code` and `default_reason` are what `request.reply()` without a status sends, as the sl module's parameters
    of these names. `errors` is whose error texts `request.reply_error()` uses. `provisional` says whether handlers may
    send 1xx: RFC 3261 8.2.7 forbids it to a stateless server, sl allows it. `timeout` is in seconds, for every `async
    def` handler without one of its own; `on_timeout` is what is answered then, None for the sl module's error reply.
    `keepalive` says whether an OPTIONS that asks for this server itself, and has no handler, gets 200.
    """

    default_code: int = 500
    default_reason: str = "Internal Server Error"
    errors: ErrorTable = "kamailio"
    provisional: bool = True
    timeout: float | None = None
    on_timeout: Reply | Drop | None = None
    keepalive: bool = True

    def __post_init__(self) -> None:
        Reply(self.default_code, self.default_reason)
        if self.errors not in _TABLES:
            raise ValueError(f"errors={self.errors!r} is none of {', '.join(_TABLES)}")
        if self.timeout is not None:
            check_seconds("timeout", self.timeout)
        if not isinstance(self.on_timeout, Reply | Drop | None):
            raise ValueError("on_timeout wants a Reply or DROP")


class Context(NamedTuple):
    """What the worker lends to each request: the plugin's settings, and what is made from the key ring.

    `wish` is told that a handler wants its decisions remembered, though it was not declared so.
    """

    settings: Settings
    signer: Signer | None
    nonces: NonceKeys | None
    wish: Callable[[], Any] | None = None


ALONE: Final = Context(Settings(), None, None)  # of a request that was made outside a worker
