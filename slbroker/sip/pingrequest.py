"""The request that asks a SIP server whether it is there: of `slbroker ping`, and of an edge that pings next hops."""

from __future__ import annotations


def ping_request(method: str, uri: str, via: str, sender: str, call_id: str, contact: str = "") -> bytes:
    """Return a request without a body, to `uri` and from the URI `sender`; `via` is a whole value, with its branch.

    The From-tag is made of the Call-ID, which should be another one each time.
    """
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: {via}",
        "Max-Forwards: 70",
        f"From: <{sender}>;tag={call_id.partition('@')[0][-8:]}",
        f"To: <{uri}>",
        f"Call-ID: {call_id}",
        f"CSeq: 1 {method}",
        *((f"Contact: <{contact}>",) if contact else ()),
        "User-Agent: slbroker ping",
        "Content-Length: 0",
    ]
    return "\r\n".join((*lines, "", "")).encode(errors="surrogateescape")
