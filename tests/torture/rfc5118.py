"""RFC 5118 4: IPv6 in URIs, Via and bodies.

The Content-Length that the RFC prints in 4.6, 4.8 and 4.9 is not that of the body it prints, which would make these
messages ones that get 400 (RFC 3261 18.3), against the prose. Here it is the body's.
"""

from __future__ import annotations

from typing import Final

from tests.torture.case import READ, READ_METHOD, Case, message

_GOOD: Final = """
REGISTER sip:[2001:db8::10] SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Max-Forwards: 70
Contact: "Caller" <sip:caller@[2001:db8::1]>
CSeq: 98176 REGISTER
Content-Length: 0
"""

_PORT: Final = """
REGISTER sip:{} SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Contact: "Caller" <sip:caller@[2001:db8::1]>
Max-Forwards: 70
CSeq: 98176 REGISTER
Content-Length: 0
"""

_WITH_DELIMITERS: Final = """
BYE sip:[2001:db8::10] SIP/2.0
To: sip:user@example.com;tag=bd76ya
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Max-Forwards: 70
CSeq: 321 BYE
Content-Length: 0
"""

_WITHOUT_DELIMITERS: Final = """
OPTIONS sip:[2001:db8::10] SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3
Call-ID: SSG95523997077@hlau_4100
Max-Forwards: 70
Contact: "Caller" <sip:caller@[2001:db8::9:1]>
CSeq: 921 OPTIONS
Content-Length: 0
"""

_IN_SDP: Final = """
INVITE sip:user@[2001:db8::10] SIP/2.0
To: sip:user@[2001:db8::10]
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::20];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Contact: "Caller" <sip:caller@[2001:db8::20]>
CSeq: 8612 INVITE
Max-Forwards: 70
Content-Type: application/sdp
"""

_TWO_IN_HEADER: Final = """
BYE sip:user@host.example.net SIP/2.0
Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144
Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200
Call-ID: 997077@lau_4100
Max-Forwards: 70
CSeq: 89187 BYE
To: sip:user@example.net;tag=9817--94
From: sip:user@example.com;tag=81x2
Content-Length: 0
"""

_TWO_IN_SDP: Final = """
INVITE sip:user@[2001:db8::10] SIP/2.0
To: sip:user@[2001:db8::10]
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Contact: "Caller" <sip:caller@[2001:db8::9:1]>
Max-Forwards: 70
CSeq: 8912 INVITE
Content-Type: application/sdp
"""

_MAPPED: Final = """
INVITE sip:user@example.com SIP/2.0
To: sip:user@example.com
From: sip:user@east.example.com;tag=81x2
Via: SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19
Via: SIP/2.0/UDP [::ffff:192.0.2.2];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Contact: "T. desk phone" <sip:ted@[::ffff:192.0.2.2]>
CSeq: 612 INVITE
Max-Forwards: 70
Content-Type: application/sdp
"""

_COLONS: Final = """
OPTIONS sip:user@[{0}] SIP/2.0
To: sip:user@[{0}]
From: sip:user@example.com;tag=810x2
Via: SIP/2.0/UDP lab1.east.example.com;branch=z9hG4bKas3-111
Call-ID: G9559905523997077@hlau_4100
CSeq: 689 OPTIONS
Max-Forwards: 70
Content-Length: 0
"""


def _session(address: str, subject: str) -> bytes:
    lines = (
        "v=0", f"o=assistant 971731711378798081 0 IN IP6 {address}", f"s={subject}", f"c=IN IP6 {address}",
        "t=3338481189 3370017201", "m=audio 6000 RTP/AVP 2", "a=rtpmap:2 G726-32/8000", "m=video 6024 RTP/AVP 107",
        "a=rtpmap:107 H263-1998/90000", "",
    )  # fmt: skip
    return "\r\n".join(lines).encode()


_TWO_ADDRESSES: Final = (
    b"v=0\r\no=bob 280744730 28977631 IN IP4 host.example.com\r\ns=\r\nt=0 0\r\nm=audio 22334 RTP/AVP 0\r\n"
    b"c=IN IP4 192.0.2.1\r\nm=video 6024 RTP/AVP 107\r\nc=IN IP6 2001:db8::1\r\na=rtpmap:107 H263-1998/90000\r\n"
)


def _with_body(head: str, body: bytes) -> bytes:
    return message(f"{head}Content-Length: {len(body)}", body)


_IN_DIALOG: Final = READ_METHOD | {481}

CASES: Final = (
    Case("ipv6-good", "4.1", READ_METHOD, "IPv6 references are well-formed", message(_GOOD)),
    Case("ipv6-bad", "4.2", frozenset({400}), "an IPv6 address without [] in the Request-URI: 400",
         message(_GOOD.replace("[2001:db8::10]", "2001:db8::10"))),
    Case("port-ambiguous", "4.3", READ_METHOD, "[2001:db8::10:5070] has no port: well-formed",
         message(_PORT.format("[2001:db8::10:5070]"))),
    Case("port-unambiguous", "4.4", READ_METHOD, "[2001:db8::10]:5070 has a port: well-formed",
         message(_PORT.format("[2001:db8::10]:5070"))),
    Case("via-received-param-with-delim", "4.5", _IN_DIALOG, "received=[...] must be accepted",
         message(_WITH_DELIMITERS)),
    Case("via-received-param-without-delim", "4.5", READ, "received=... is what the grammar has",
         message(_WITHOUT_DELIMITERS)),
    Case("ipv6-in-sdp", "4.6", READ, "IPv6 in the body is the application's",
         _with_body(_IN_SDP, _session("2001:db8::20", "Live video feed for today's meeting"))),
    Case("mult-ip-in-header", "4.7", _IN_DIALOG, "IPv4 and IPv6 in one list of Vias", message(_TWO_IN_HEADER)),
    Case("mult-ip-in-sdp", "4.8", READ, "IPv4 and IPv6 in one body", _with_body(_TWO_IN_SDP, _TWO_ADDRESSES)),
    Case("ipv4-mapped-ipv6", "4.9", READ, "::ffff:192.0.2.2 in Via, Contact and body",
         _with_body(_MAPPED, _session("::ffff:192.0.2.2", "Call me soon, please!"))),
    Case("ipv6-bug-abnf-3-colons", "4.10", READ, "three colons, which RFC 3261's grammar makes of two: to be tolerated",
         message(_COLONS.format("2001:db8:::192.0.2.1"))),
    Case("ipv6-correct-abnf-2-colons", "4.10", READ, "the same without that bug",
         message(_COLONS.format("2001:db8::192.0.2.1"))),
)  # fmt: skip
