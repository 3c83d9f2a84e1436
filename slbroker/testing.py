"""Testing a plugin with no sockets: the requests go through the same parser, responder and reply builder as in service.

from slbroker.testing import Client
from my_plugin import app

def test_keepalive():
    assert Client(app).request("OPTIONS").status == 200
"""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Final

from slbroker.errors import Drop, Reject
from slbroker.keys import KeyRing
from slbroker.plugin.responder import Responder
from slbroker.sip.grammar import canonical_name
from slbroker.sip.message import Source
from slbroker.sip.parser import BadRequest, parse
from slbroker.sip.reply import build_reply
from slbroker.sip.response import Response, parse_response
from slbroker.sip.validate import USUAL, Checks
from slbroker.sip.via import stamp_top
from slbroker.totag import Signer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slbroker.plugin import Handlers
    from slbroker.sip.message import Message

SOURCE: Final = Source("192.0.2.1", 5060, "udp:192.0.2.2:5060")  # addresses for documentation, RFC 5737


class Client:
    """Sends requests to a plugin and returns what a SIP peer would read."""

    def __init__(self, app: Handlers, ring: KeyRing | None = None, checks: Checks = USUAL) -> None:
        ring = ring or KeyRing.generate()
        self.signer = Signer(ring.current, ring.accepted(0.0))
        self._responder = Responder(app, self.signer)
        self._checks = checks
        self._numbers = count(1)

    def request(
        self,
        method: str,
        uri: str = "sip:alice@example.com",
        headers: Mapping[str, str] | None = None,
        body: bytes | str = b"",
        source: Source = SOURCE,
    ) -> Response | None:
        """Send one request; return its last reply, or None when there is none.

        `headers` are added to the ones a request must have, or replace them.
        """
        replies = self.replies(method, uri, headers, body, source)
        return replies[-1] if replies else None

    def replies(
        self,
        method: str,
        uri: str = "sip:alice@example.com",
        headers: Mapping[str, str] | None = None,
        body: bytes | str = b"",
        source: Source = SOURCE,
    ) -> list[Response]:
        """Send one request; return its replies in order."""
        data = self._build(method, uri, headers or {}, body.encode() if isinstance(body, str) else body)
        return [read for reply in self.exchange(data, source) if (read := parse_response(reply)) is not None]

    def exchange(self, data: bytes, source: Source = SOURCE) -> list[bytes]:
        """Send one datagram as it is; return the replies' bytes. Malformed ones are answered as an edge would."""
        try:
            message = parse(data, self._checks)
            try:
                _stamp(message, source, strict=self._checks.via)
            except Reject as reject:
                raise BadRequest(reject.status, reject.reason, message) from None
        except Drop:
            return []
        except BadRequest as bad:
            return self._refuse(bad, source)
        answer = self._responder.respond(message, source)
        if not (answer is None or isinstance(answer, bytes | tuple)):
            answer = asyncio.run(answer)
        if answer is None:
            return []
        return [answer] if isinstance(answer, bytes) else list(answer)

    def _refuse(self, bad: BadRequest, source: Source) -> list[bytes]:
        message = bad.message
        try:
            _stamp(message, source)
        except Drop:
            return []
        tag = self.signer.sign(message.call_id, message.from_tag, message.cseq)
        return [build_reply(message, bad.status, bad.reason, tag, bad.extra)]

    def _build(self, method: str, uri: str, headers: Mapping[str, str], body: bytes) -> bytes:
        number = next(self._numbers)
        lines = {
            "Via": f"SIP/2.0/UDP {SOURCE.host}:{SOURCE.port};rport;branch=z9hG4bK{number}",
            "Max-Forwards": "70",
            "From": f"<sip:caller@{SOURCE.host}>;tag=from{number}",
            "To": f"<{uri}>",
            "Call-ID": f"call{number}@{SOURCE.host}",
            "CSeq": f"{number} {method}",
            "Contact": f"<sip:caller@{SOURCE.host}>",
            "Content-Length": str(len(body)),
        }
        ours = {canonical_name(name.encode()): name for name in lines}
        for name, value in headers.items():
            lines[ours.get(canonical_name(name.encode()), name)] = value
        head = [f"{method} {uri} SIP/2.0", *(f"{name}: {value}" for name, value in lines.items())]
        return "\r\n".join((*head, "", "")).encode(errors="surrogateescape") + body


def _stamp(message: Message, source: Source, *, strict: bool = False) -> None:
    """Make of the top Via what an edge passes on; raise as `via.stamp` does."""
    assert isinstance(message.headers, list)
    stamp_top(message.headers, source.host, source.port, strict=strict)
