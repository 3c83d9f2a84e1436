"""What the fuzzing starts from: real requests, small odd ones, and the torture messages."""

from __future__ import annotations

from tests.support.sip import SIPP_ACK, TYPICAL, request
from tests.torture.corpus import CASES

_ODD = (
    b"",
    b"\r\n\r\n",
    b"\x00\x00\x00\x00",
    b"\x00\x01\x00\x00\x21\x12\xa4\x42" + b"\x07" * 12,
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n\r\n",
    b"\r\n\r\n" + request(),
    request("REGISTER", contact="*", expires="0"),
    request("REGISTER", contact=['<sip:a@192.0.2.1>;expires=60, "B, C" <sip:b@192.0.2.1;lr?x=y>', "sip:c@192.0.2.1"]),
    request("CANCEL"),
    request("ACK", to="<sip:bob@example.com>;tag=1"),
    request("BYE", to="<sip:bob@example.com>;tag=1", cseq="2147483647 BYE"),
    request("MESSAGE", content_type="text/plain", body=b"\x00hello\r\n\r\nworld"),
    request("INVITE", via=["SIP/2.0/UDP h, SIP/2.0/TCP p:5060;received=192.0.2.8", "SIP/2.0/TLS [2001:db8::1]:5061"]),
    request("INVITE", to="<sip:bob@example.com>;tag=t", record_route=["<sip:p1;lr>", "<sip:p2;lr>, <sip:p3;lr>"]),
    request(via="SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bK1", timestamp="54.2"),
    request(via='SIP / 2.0 / UDP  h_1 : 5061 ;x="a,\\"b;c" ;rport ; received=1.2.3.4'),
    request(uri="tel:+49-30-123;phone-context=example.com", from_="tel:+4930", to='"Q\\"" <sips:b%20c@[::1]:5061>'),
    request(uri="http://example.com/", require="100rel", proxy_require="other"),
    request(uri="sip:bob;a=b@example.com;user=phone;lr?Subject=x&y=%00"),
    request(version="SIP/3.0"),
    request(lines=[b"Subject: a\r\n\tb\r\n  c", b"X-Empty:", b"No colon", b"bad name: x"]),
    request(authorization='Digest username="bob", realm="example.com", nonce="84a4", uri="sip:x", response="7587245"'),
)  # fmt: skip

MESSAGES: tuple[bytes, ...] = (*TYPICAL.values(), SIPP_ACK, *_ODD, *(case.data for case in CASES.values()))
