"""A datagram becomes a Message, or an error that says what to answer, or that silence is the answer."""

from __future__ import annotations

from slbroker.errors import Drop, Reject
from slbroker.sip import grammar
from slbroker.sip.address import tag_of
from slbroker.sip.message import Message, pairs
from slbroker.sip.scan import scan
from slbroker.sip.uri import check_uri
from slbroker.sip.validate import USUAL, Checks

STUN_MAGIC_COOKIE = b"\x21\x12\xa4\x42"  # RFC 5389 6


class BadRequest(Reject):
    """A request that cannot be served, with what could be read of it in `message`, to be echoed in the reply."""

    def __init__(self, status: int, reason: str, message: Message, extra: bytes = b"") -> None:
        super().__init__(status, reason, extra)
        self.message = message


def parse(data: bytes, checks: Checks = USUAL) -> Message:
    """Parse one datagram that should hold a SIP request (RFC 3261 7, 18.3), and judge it by `checks`.

    Raises Drop(cause) for what is never answered: keepalives, responses, requests without a Via, broken ACKs; and
    BadRequest(status, reason, message) for what is answered with an error. The top Via is not judged here: `via.stamp`
    does that, since it needs the source address.
    """
    if not data or data[0] <= 0x20:
        data = _skip_preamble(data)
    if data[:4].upper() == b"SIP/":
        raise Drop("response")
    start, headers, first, body, fault = scan(data)
    if b"via" not in first:
        raise Drop("no-via")
    try:
        method, uri = _read_request_line(start, checks)
        if fault:
            raise Reject(400, fault)
        if len(first) * 2 != len(headers):
            _refuse_repeats(headers)
        cseq = _read_cseq(first, method)
        from_tag, to_tag = tag_of(_required(first, b"from", "From")), tag_of(_required(first, b"to", "To"))
        call_id = _required(first, b"call-id", "Call-ID")
        body = _cut_body(body, first.get(b"content-length"))
        message = Message(method, uri, headers, body, call_id, from_tag, to_tag, cseq)
        for name, check in checks.by_header:
            if name in first and method != b"ACK":
                check(message, checks)
    except Reject as reject:
        if _says_ack(start, headers):
            raise Drop("bad-ack") from None
        raise BadRequest(reject.status, reject.reason, _partial(start, headers, first), reject.extra) from None
    return message


def _skip_preamble(data: bytes) -> bytes:
    """Return what follows a gap; raise Drop when nothing does, or when it is STUN.

    Behind it a response or an ACK is still one.
    """
    if data[4:8] == STUN_MAGIC_COOKIE:
        raise Drop("stun")
    data = data.lstrip(grammar.GAP)
    if not data:
        raise Drop("keepalive")
    return data


def _read_request_line(start: bytes, checks: Checks) -> tuple[bytes, bytes]:
    """Return method and Request-URI (RFC 3261 7.1)."""
    ordinary = grammar.match_ordinary_request_line(start)
    if ordinary is not None:
        method, uri = ordinary.groups()
        return method, uri
    # RFC 4475 3.1.2.9 and 3.1.2.10: a server may forgive blanks too many; they leave one reading.
    parts = [part for part in start.rstrip(b" \t").split(b" ") if part]
    if len(parts) != 3 or not grammar.is_token(parts[0]):
        raise Reject(400, "Bad Request Line")
    method, uri, version = parts
    if version != b"SIP/2.0" and version.upper() != b"SIP/2.0":
        if grammar.is_sip_version(version):
            raise Reject(505, "Version Not Supported")
        raise Reject(400, "Bad Request Line")
    scheme = grammar.match_absolute_uri(uri)
    if scheme is None:
        raise Reject(400, "Bad Request-URI")
    if scheme[1] not in grammar.KNOWN_SCHEMES and scheme[1].lower() not in grammar.KNOWN_SCHEMES:
        raise Reject(416, "Unsupported URI Scheme")
    if checks.ruri and method != b"ACK":
        check_uri(uri)
    return method, uri


def _refuse_repeats(headers: list[bytes]) -> None:
    """Raise Reject when a header that may stand once stands twice, and is not said to the same effect."""
    names = headers[::2]
    for name, title in grammar.SINGLE_HEADERS.items():
        if names.count(name) > 1:
            values = {value for other, value in zip(names, headers[1::2], strict=True) if other == name}
            if name not in grammar.REPEATABLE or len(values) > 1:
                raise Reject(400, f"Repeated {title} Header")


def _required(first: dict[bytes, bytes], name: bytes, title: str) -> bytes:
    value = first.get(name)
    if not value:
        raise Reject(400, f"Missing {title} Header")
    return value


def _read_cseq(first: dict[bytes, bytes], method: bytes) -> int:
    """Return the CSeq number; raise Reject unless its method is the request's (RFC 3261 8.1.1.5)."""
    found = grammar.match_cseq(_required(first, b"cseq", "CSeq"))
    if found is None or (number := int(found[1])) > grammar.MAX_CSEQ:
        raise Reject(400, "Bad CSeq Header")
    if found[2] != method:
        raise Reject(400, "CSeq Method Differs From Request Line")
    return number


def _cut_body(body: bytes, length: bytes | None) -> bytes:
    """Return `body` cut to Content-Length; bytes behind it are discarded, too few are an error (RFC 3261 18.3).

    Without a length, or with one that says nothing, the body goes to the end of the datagram.
    """
    if not length or (not body and length == b"0"):
        return body
    if not grammar.is_digits(length):
        raise Reject(400, "Bad Content-Length Header")
    wanted = int(length)
    if wanted > len(body):
        raise Reject(400, "Content-Length Larger Than Message")
    return body if wanted == len(body) else body[:wanted]


def _says_ack(start: bytes, headers: list[bytes]) -> bool:
    """Return whether a broken request may be an ACK, which nobody answers: two servers would go on for ever.

    The request line counts, and every CSeq, whatever else is wrong with them.
    """
    return start[:3] == b"ACK" or any(name == b"cseq" and b"ACK" in value for name, value in pairs(headers))


def _partial(start: bytes, headers: list[bytes], first: dict[bytes, bytes]) -> Message:
    """Return what a 400 needs: the headers to echo, each once where one is allowed, and tags where they can be read."""
    kept: list[bytes] = []
    for name, value in pairs(headers):
        if name not in grammar.SINGLE_HEADERS or name not in kept[::2]:
            kept += (name, value)
    tags = [b"", b""]
    for at, name in enumerate((b"from", b"to")):
        try:
            tags[at] = tag_of(first.get(name, b""))
        except Reject:
            tags[at] = b"?"  # unreadable, but there: a To that may have a tag gets none of ours
    found = grammar.match_cseq(first.get(b"cseq", b""))
    cseq = min(int(found[1]), grammar.MAX_CSEQ) if found else 0
    method = start.partition(b" ")[0]
    return Message(method, b"", kept, b"", first.get(b"call-id", b""), tags[0], tags[1], cseq)
