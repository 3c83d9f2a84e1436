"""One torture message: its name in the RFC, its bytes, and what the RFC's prose lets an element like ours answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

# What an element that has read a request, and found nothing wrong with its form, may say. Ours is a server that knows
# some methods and URIs and registers nobody: 200, 404, or 405 (RFC 3261 8.2.1) and 501 (RFC 4475) for a method.
READ: Final = frozenset((200, 404))
READ_METHOD: Final = READ | {405, 501}
SILENCE: Final[frozenset[int]] = frozenset()


class Stream(Enum):
    """What a stream makes of the message, where its end is found by Content-Length (RFC 3261 18.3)."""

    SAME = "one message, the same answer"
    TWO = "two messages"
    WAITS = "Content-Length promises more: nothing is answered before the deadline"
    BROKEN = "the end of the message cannot be known: 400 at most, then the connection is closed"


@dataclass(frozen=True)
class Case:
    """A torture message. `section` is the RFC's; `allows` is empty where silence is the answer."""

    name: str
    section: str
    allows: frozenset[int]
    why: str
    data: bytes
    stream: Stream = Stream.SAME

    @property
    def kind(self) -> str:
        """Whether the message is a request or a response."""
        return "response" if self.data.startswith(b"SIP/") else "request"


def message(head: str, body: bytes = b"") -> bytes:
    """Return the bytes of a message: `head` with a line feed for each CRLF, the empty line, the body."""
    return head.strip("\n").replace("\n", "\r\n").encode() + b"\r\n\r\n" + body


def sdp(origin: str, connection: str = "", *, start: str = "0", video: str = "m=video 3227 RTP/AVP 31") -> bytes:
    """Return the session description that most of RFC 4475's messages carry."""
    lines = (
        "v=0", f"o=mhandley 29739 7272939 IN IP4 {origin}", "s=-", f"c=IN IP4 {connection or origin}", f"t={start} 0",
        "m=audio 49217 RTP/AVP 0 12", video, "a=rtpmap:31 LPC", "",
    )  # fmt: skip
    return "\r\n".join(lines).encode()
