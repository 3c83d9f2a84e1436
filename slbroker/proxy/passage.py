"""A reply on its way back as those see it who asked to: in the form that a request has on the bus.

method        the one of the bus's own that says so
Request-URI   status and reason phrase: "486 Busy Here"
the rest      the reply's, our Via no longer among its headers
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker.errors import Drop, Reject
from slbroker.proxy.backward import backward
from slbroker.proxy.decision import Amended, read_amended
from slbroker.sip.address import tag_of
from slbroker.sip.grammar import match_cseq
from slbroker.sip.message import Message
from slbroker.sip.scan import scan

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from slbroker.proxy.backward import Backward
    from slbroker.proxy.flow import Seals


def reply_message(data: bytes, method: bytes) -> Message:
    """Return a reply, as `backward` has let it through, as the message that goes over the bus as `method`.

    Raises Drop("bad-reply") for what cannot be read.
    """
    start, headers, first, body, fault = scan(data)
    cseq = match_cseq(first.get(b"cseq", b""))
    if cseq is None or fault:
        raise Drop("bad-reply")
    try:
        from_tag, to_tag = tag_of(first.get(b"from", b"")), tag_of(first.get(b"to", b""))
    except Reject:
        raise Drop("bad-reply") from None
    said = start.partition(b" ")[2]
    return Message(method, said, headers, body, first.get(b"call-id", b""), from_tag, to_tag, int(cseq[1]))


def amended(data: bytes, seals: Seals, words: Mapping[Any, Any]) -> Backward:
    """Return what becomes of a reply, `data` as it came, by a decision's words (`decision.Amended`).

    Raises Drop as `backward` does, EnvelopeError for words that cannot be, ValueError for a status of another class.
    """
    decision = read_amended(words) if words else Amended()
    return backward(data, seals, decision.edits, decision.status, decision.reason)
