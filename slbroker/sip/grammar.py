"""The grammar that the hot path needs, each rule under the RFC line it comes from; bytes only, ASCII only."""

from __future__ import annotations

import re
from typing import Final

# Limits, each with its reason -----------------------------------------------------------------------------------

MAX_DATAGRAM: Final = 65_535  # the UDP length field
MAX_HEADERS: Final = 256  # far above any real request, low enough that a hostile one stays cheap
MAX_CACHED_NAMES: Final = 1_024  # spellings of header names remembered; inventing more gains a peer nothing
MAX_CACHED_NAME_LENGTH: Final = 64
MAX_URI_PARAMS: Final = 64  # real URIs have a handful; 30,000 in one datagram would cost 10 ms and more
MAX_DIGITS: Final = 10  # 2**31 and 2**32 have ten; int() never sees many more of a peer's digits
MAX_ZEROS: Final = 64  # in front of a number, where they mean nothing; phones that write some fill ten places

# What may stand between messages: line ends (RFC 3261 7.5), and what some keepalives are made of besides, such as the
# NUL of Asterisk 12 and later.
GAP: Final = b"\r\n\x00 \t"

# RFC 3261 25.1: token = 1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~")
is_token = re.compile(rb"[0-9A-Za-z.!%*_+`'~-]+").fullmatch

# RFC 3261 7.3.1: a header that goes on over lines equals the same header on one line.
unfold = re.compile(rb"\r\n[ \t]+").sub

# RFC 3261 25.1: SIP-Version = "SIP" "/" 1*DIGIT "." 1*DIGIT, and 7.1: the name is case-insensitive.
is_sip_version = re.compile(rb"[Ss][Ii][Pp]/[0-9]+\.[0-9]+").fullmatch

# RFC 3261 7.1: Request-Line = Method SP Request-URI SP SIP-Version CRLF, in the form of nearly all requests: a sip URI
# (19.1.1) without password, headers and escapes, whose port is a port at the first look, and with no more parameters
# than `uri` takes. `uri` reads all others.
_URI_PARAMS: Final = rb"(?:;[^;?@%%\x00-\x20<>\"\x7f]*+){0,%d}" % MAX_URI_PARAMS
match_ordinary_request_line = re.compile(
    rb"([0-9A-Za-z.!%*_+`'~-]++) "
    rb"(sips?:(?:[^@:%\x00-\x20<>\"\x7f]++@)?"  # user; then host and port
    rb"(?:[0-9A-Za-z._-]++|\[[0-9A-Fa-f:.]{2,45}\])(?::(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
    + _URI_PARAMS
    + rb") SIP/2\.0"
).fullmatch

# RFC 3261 25.1: Method, with the extensions of RFC 3262, 3311, 3428, 3515, 3903, 6086 and 6665.
METHODS: Final = frozenset((
    b"INVITE", b"ACK", b"OPTIONS", b"BYE", b"CANCEL", b"REGISTER",
    b"PRACK", b"UPDATE", b"MESSAGE", b"REFER", b"PUBLISH", b"INFO", b"SUBSCRIBE", b"NOTIFY",
))  # fmt: skip

# 1*DIGIT, zeros first: none of them can be taken for a digit of the number, so that nothing is tried twice.
_NUMBER: Final = rb"(?:0{1,%d}(?:[1-9][0-9]{0,%d})?|[1-9][0-9]{0,%d})" % (MAX_ZEROS, MAX_DIGITS - 1, MAX_DIGITS - 1)
# RFC 3261 25.1: CSeq = "CSeq" HCOLON 1*DIGIT LWS Method; 8.1.1.5: the number is below 2**31.
match_cseq = re.compile(rb"(%b)[ \t]+([0-9A-Za-z.!%%*_+`'~-]+)" % _NUMBER).fullmatch
MAX_CSEQ: Final = 2**31 - 1

# RFC 3261 20.14: Content-Length = 1*DIGIT; Max-Forwards and Expires are that, too.
is_digits = re.compile(_NUMBER).fullmatch

# RFC 3986 3.1 as RFC 3261 25.1 takes it: scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ), and something behind it.
match_absolute_uri = re.compile(rb"([A-Za-z][0-9A-Za-z+.-]*):[^\x00-\x20<>\"\x7f]+").fullmatch
# What 8.2.2.1 calls a scheme the server understands: the ones phones and emergency routing (RFC 5031) send.
KNOWN_SCHEMES: Final = frozenset((b"sip", b"sips", b"tel", b"urn", b"im", b"pres"))

# Header names ---------------------------------------------------------------------------------------------------

# RFC 3261 7.3.3 and 20, RFC 3265, 3515, 3841, 3892, 4028, 4474, 4488, 5373, 6665
COMPACT_FORMS: Final[dict[bytes, bytes]] = {
    b"a": b"accept-contact",
    b"b": b"referred-by",
    b"c": b"content-type",
    b"d": b"request-disposition",
    b"e": b"content-encoding",
    b"f": b"from",
    b"i": b"call-id",
    b"j": b"reject-contact",
    b"k": b"supported",
    b"l": b"content-length",
    b"m": b"contact",
    b"n": b"identity-info",
    b"o": b"event",
    b"r": b"refer-to",
    b"s": b"subject",
    b"t": b"to",
    b"u": b"allow-events",
    b"v": b"via",
    b"x": b"session-expires",
    b"y": b"identity",
}

# RFC 3261 20: headers of which a request has one; a second makes two readings possible, so it is refused, but where it
# says the same again and is not echoed (REPEATABLE). The order is that of the complaints, since the same request gets
# the same answer from any process.
SINGLE_HEADERS: Final[dict[bytes, str]] = {
    b"from": "From",
    b"to": "To",
    b"call-id": "Call-ID",
    b"cseq": "CSeq",
    b"content-length": "Content-Length",
    b"max-forwards": "Max-Forwards",
}
REPEATABLE: Final = frozenset((b"content-length", b"max-forwards"))

# The names that requests are made of. They are remembered from the start, so that a peer that fills the rest of the
# memory with inventions slows nobody else down.
USUAL_NAMES: Final = (
    b"Via From To Call-ID CSeq Max-Forwards Contact Content-Length Content-Type User-Agent Allow Supported Require "
    b"Accept Accept-Encoding Accept-Language Route Record-Route Proxy-Require Expires Event Authorization "
    b"Proxy-Authorization Allow-Events Session-Expires Min-SE P-Asserted-Identity P-Preferred-Identity Privacy "
    b"Diversion Reason Date Subject Timestamp Organization Subscription-State Refer-To Referred-By Replaces RAck"
).split()

# By their spelling; what is not there yet, `canonical_name` finds.
canonical_names: dict[bytes, bytes] = {
    spelling: name.lower() for name in USUAL_NAMES for spelling in (name, name.lower())
} | COMPACT_FORMS


def canonical_name(name: bytes) -> bytes:
    """Return the canonical form of a header name: long, lower case; b"" when it is no token (RFC 3261 7.3).

    White space before the colon is allowed there (HCOLON), so it may trail `name`.
    """
    known = canonical_names.get(name)
    if known is not None:
        return known
    stripped = name.rstrip(b" \t")
    if not is_token(stripped):
        return b""
    lowered = stripped.lower()
    canonical = COMPACT_FORMS.get(lowered, lowered)
    if len(canonical_names) < MAX_CACHED_NAMES and len(name) <= MAX_CACHED_NAME_LENGTH:
        canonical_names[name] = canonical
    return canonical
