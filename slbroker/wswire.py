"""A WebSocket (RFC 7118) for `slbroker ping`, on the library that `slbroker[ws]` brings."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from slbroker.wire import MOST, StreamWire

if TYPE_CHECKING:
    import ssl

    from slbroker.listen import ListenAddress
    from slbroker.wire import Place


class WebSocketWire(StreamWire):
    """A connection to a WebSocket server, secure where a context is given."""

    def __init__(self, place: Place, timeout: float, target: ListenAddress, tls: ssl.SSLContext | None) -> None:
        """Connect within `timeout` seconds; `target` is whom the certificate has to name. Raises OSError."""
        deadline = time.monotonic() + timeout
        super().__init__(place, timeout, tls, target.host)
        host = f"[{target.host}]" if ":" in target.host else target.host
        self._protocol = ClientProtocol(
            parse_uri(f"{target.transport}://{host}:{target.port}/"), subprotocols=[Subprotocol("sip")], max_size=MOST
        )
        with self._closing_on_failure():
            self._shake_hands(deadline)

    def _shake_hands(self, deadline: float) -> None:
        protocol = self._protocol
        protocol.send_request(protocol.connect())
        self._flush()
        while protocol.state is State.CONNECTING and protocol.handshake_exc is None:
            if not self._read(deadline):
                raise TimeoutError
        if protocol.handshake_exc is not None:
            raise ConnectionError(f"no WebSocket for SIP there: {protocol.handshake_exc}")

    def send(self, request: bytes) -> None:
        """Send it as text, as browsers do."""
        self._protocol.send_text(request)
        self._flush()

    def _take(self, data: bytes) -> None:
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY):  # our edge cuts none in parts
                self._waiting.append(bytes(event.data))
        self._flush()
        if self._protocol.handshake_exc is None and self._protocol.state not in (State.CONNECTING, State.OPEN):
            raise ConnectionError("the connection was closed")

    def _flush(self) -> None:
        data = b"".join(self._protocol.data_to_send())  # the empty one says that we are at the end; closing does, too
        if data:
            self._socket.sendall(data)
