"""The grammar that the hot path needs, each rule under the RFC line it comes from; bytes only, ASCII only."""

from __future__ import annotations

import re
from typing import Final

# Limits, each with its reason -----------------------------------------------------------------------------------

MAX_DATAGRAM: Final = 65_535  # the UDP length field
MAX_PORT: Final = 65_535
MAX_HEADERS: Final = 256  # far above any real request, low enough that a hostile one stays cheap
MAX_CACHED_NAMES: Final = 1_024  # spellings of header names remembered; inventing more gains a peer nothing
MAX_CACHED_NAME_LENGTH: Final = 64
MAX_URI_PARAMS: Final = 64  # real URIs have a handful; 30,000 in one datagram would cost 10 ms and more
MAX_DIGITS: Final = 10  # 2**31 and 2**32 have ten; int() never sees many more of a peer's digits
MAX_ZEROS: Final = 64  # in front of a number, where they mean nothing; phones that write some fill ten places

# What may stand between messages: line ends (RFC 3261 7.5), and what some keepalives are made of besides, such as the
# NUL of Asterisk 12 and later.
GAP: Final = b"\r\n\x00 \t"

# Classes of characters, as a regular expression has them between "[" and "]". The compiled reader's table is made of
# these too (`members`), so each is written here alone.
# RFC 3261 25.1: token = 1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~")
TOKEN: Final = rb"0-9A-Za-z.!%*_+`'~-"
HOST: Final = rb"0-9A-Za-z._-"  # "_" is no host character, but it is in use
IPV6: Final = rb"0-9A-Fa-f:."  # between brackets
PROTOCOL: Final = rb"0-9A-Za-z-"  # a Via's transport, as nearly all are
URI_USER: Final = rb"^@:%\x00-\x20<>\"\x7f"  # of an ordinary URI: no password and no escapes
URI_PARAM: Final = rb"^;?@%\x00-\x20<>\"\x7f"
DISPLAY: Final = rb"^\"<>;,\x00-\x08\x0a-\x1f\x7f"  # phones put anything there but what would change the structure
ADDR_SPEC: Final = rb"^\"<>;,?\x00-\x20\x7f"  # RFC 3261 20.10: with a comma, question mark or semicolon it stands in <>
NAME_ADDR: Final = rb"^<>\"\r\n"  # what stands in <>
VIA_VALUE: Final = rb"^\x00-\x20;,\"\x7f"  # of a Via's parameter, without quotes


def members(characters: bytes) -> frozenset[int]:
    """Return the bytes of a class."""
    return frozenset(byte[0] for byte in map(bytes, zip(range(256))) if re.match(b"[%b]" % characters, byte, re.DOTALL))


is_token = re.compile(rb"[%b]+" % TOKEN).fullmatch

# What patterns for single values are made of. What they repeat is never given back ("*+", "++"): so every match takes
# linear time.
WS: Final = rb"[ \t]*+"
A_TOKEN: Final = rb"[%b]++" % TOKEN
_quoted_pairs = re.compile(rb"\\(.)", re.DOTALL).sub


def unquoted(quoted: bytes) -> bytes:
    """Return what a quoted-string means (RFC 3261 25.1): without its quotes and the backslashes of its pairs."""
    return _quoted_pairs(rb"\1", quoted[1:-1])


COOKIE: Final = b"z9hG4bK"  # RFC 3261 8.1.1.7: a branch that begins so is unique

# RFC 3261 7.3.1: a header that goes on over lines equals the same header on one line.
unfold = re.compile(rb"\r\n[ \t]+").sub

# RFC 3261 25.1: SIP-Version = "SIP" "/" 1*DIGIT "." 1*DIGIT, and 7.1: the name is case-insensitive.
is_sip_version = re.compile(rb"[Ss][Ii][Pp]/[0-9]+\.[0-9]+").fullmatch

# RFC 3261 7.1: Request-Line = Method SP Request-URI SP SIP-Version CRLF, in the form of nearly all requests: a sip URI
# (19.1.1) without password, headers and escapes, whose port is a port at the first look, and with no more parameters
# than `uri` takes. `uri` reads all others.
match_ordinary_request_line = re.compile(
    rb"([%b]++) " % TOKEN
    + rb"(sips?:(?:[%b]++@)?" % URI_USER  # user; then host and port
    + rb"(?:[%b]++|\[[%b]{2,45}\])" % (HOST, IPV6)
    + rb"(?::(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
    + rb"(?:;[%b]*+){0,%d}) SIP/2\.0" % (URI_PARAM, MAX_URI_PARAMS)
).fullmatch

# RFC 3261 25.1: Method, with the extensions of RFC 3262, 3311, 3428, 3515, 3903, 6086 and 6665.
METHODS: Final = frozenset((
    b"INVITE", b"ACK", b"OPTIONS", b"BYE", b"CANCEL", b"REGISTER",
    b"PRACK", b"UPDATE", b"MESSAGE", b"REFER", b"PUBLISH", b"INFO", b"SUBSCRIBE", b"NOTIFY",
))  # fmt: skip

# Most requests have one of these: the compiled twins look for them first.
FREQUENT_METHODS: Final = (b"OPTIONS", b"INVITE", b"ACK", b"REGISTER", b"CANCEL")

# 1*DIGIT, zeros first: none of them can be taken for a digit of the number, so that nothing is tried twice.
_NUMBER: Final = rb"(?:0{1,%d}(?:[1-9][0-9]{0,%d})?|[1-9][0-9]{0,%d})" % (MAX_ZEROS, MAX_DIGITS - 1, MAX_DIGITS - 1)
# RFC 3261 25.1: CSeq = "CSeq" HCOLON 1*DIGIT LWS Method; 8.1.1.5: the number is below 2**31.
match_cseq = re.compile(rb"(%b)[ \t]+([%b]+)" % (_NUMBER, TOKEN)).fullmatch
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

# The names that requests are made of: RFC 3261 20, and what extensions added. They are remembered from the start, so
# that a peer that fills the rest of the memory with inventions slows nobody else down.
USUAL_NAMES: Final = b"""
Via From To Call-ID CSeq Max-Forwards Contact Content-Length Content-Type User-Agent Allow Supported Require
Accept Accept-Encoding Accept-Language Alert-Info Authentication-Info Authorization Call-Info Content-Disposition
Content-Encoding Content-Language Date Error-Info Expires In-Reply-To MIME-Version Min-Expires Organization Priority
Proxy-Authenticate Proxy-Authorization Proxy-Require Record-Route Reply-To Retry-After Route Server Subject Timestamp
Unsupported Warning WWW-Authenticate
Allow-Events Diversion Event History-Info Identity Join Min-SE P-Access-Network-Info P-Asserted-Identity
P-Called-Party-ID P-Charging-Vector P-Preferred-Identity P-Visited-Network-ID Path Privacy RAck Reason Refer-To
Referred-By Replaces RSeq Service-Route Session-Expires Session-ID SIP-ETag SIP-If-Match Subscription-State
X-Forwarded-For
""".split()

_TITLES: Final = {name.lower(): name for name in USUAL_NAMES}

# By their spelling; what is not there yet, `canonical_name` finds.
canonical_names: dict[bytes, bytes] = {
    spelling: name.lower() for name in USUAL_NAMES for spelling in (name, name.lower())
} | COMPACT_FORMS


def title(name: bytes) -> bytes:
    """Return a canonical header name as people write it."""
    return _TITLES.get(name) or b"-".join(part.capitalize() for part in name.split(b"-"))


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
