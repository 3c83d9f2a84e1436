"""What an edge sends by: a socket, or one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slbroker.sip.reading import Address


class Listener(Protocol):
    """A socket that messages come in on, and that the replies to them leave from; or a connection."""

    name: str  # in Kamailio's form, "udp:127.0.0.1:5060"

    @property
    def connection(self) -> bytes:
        """What a connection is called (`proxy.flow.Flow`): 24 lower-case letters and digits at most; b"" of sockets."""

    @property
    def stands(self) -> bool:
        """Whether what is sent can leave now; a connection that is being made keeps it until the peer has taken it."""

    def send(self, replies: Sequence[tuple[bytes, Address]]) -> int:
        """Send each message to its address; return how many went."""

    def finish(self) -> None:
        """Close the connection when what was sent has been written. A socket without connections stays as it is."""


class Tap(Protocol):
    """Who sees all messages that pass, a turn's of one socket at a time; `capture.tap.Tap` and `tracing` do."""

    def came(self, messages: Sequence[tuple[bytes, Address]], listener: Listener) -> None:
        """Take messages that were received, each with where it came from."""

    def went(self, messages: Sequence[tuple[bytes, Address]], listener: Listener) -> None:
        """Take messages that were sent, each with where it went."""
