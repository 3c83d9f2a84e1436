"""Requests of many shapes, whose parts KEMI's functions and pseudo-variables are asked for. Each is fit for an edge."""

from __future__ import annotations

from typing import Final, NamedTuple

HOST: Final = "127.0.0.1"
SDP: Final = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0 8\r\na={1}\r\n"
VIDEO: Final = (
    "v=0\r\no=- 20 7 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 96 101\r\n"
    "a=rtpmap:0 PCMU/8000\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n"
    "a=candidate:1 1 UDP 1 192.0.2.1 4000 typ host\r\nm=video 0 RTP/SAVPF 97\r\na=rtpmap:97 VP8/90000\r\na=inactive\r\n"
)
DIGEST: Final = 'Digest username="{0}", realm="{1}", nonce="n1", uri="{2}", response="0123456789abcdef0123456789abcdef"'


class Shape(NamedTuple):
    """A request: what is not said is as in most. `headers` replace those of the same name; None takes one out."""

    method: str = "MESSAGE"
    uri: str = "sip:bob@example.com"
    headers: tuple[tuple[str, str | None], ...] = ()
    body: str = ""

    def write(self, port: int, call_id: str, ask: str) -> bytes:
        """The request's bytes, from a client at `port`."""
        usual: dict[str, str | None] = {
            "Via": f"SIP/2.0/UDP {HOST}:{port};branch=z9hG4bK-{call_id};rport",
            "From": '"Al" <sip:alice@example.org>;tag=from1',
            "To": "<sip:bob@example.com>",
            "Call-ID": call_id,
            "CSeq": f"7 {self.method}",
            "Max-Forwards": "70",
            "Contact": "<sip:alice@192.0.2.9:5062>",
            "User-Agent": "shape/1.0",
        }
        ours = {name.replace("{port}", str(port)): value for name, value in self.headers}
        lines = [(name, ours.pop(name, value)) for name, value in usual.items()]
        more = [(name, value) for name, value in self.headers if name not in usual]
        body = self.body.encode()
        lines += [*more, ("X-Ask", ask), ("Content-Length", str(len(body)))]
        head = [f"{name}: {value}".replace("{port}", str(port)) for name, value in lines if value is not None]
        return "\r\n".join((f"{self.method} {self.uri} SIP/2.0", *head, "", "")).encode() + body


PHONE: Final = ("User-Agent", "Yealink SIP-T46S 66.86.0.15")

SHAPES: Final[dict[str, Shape]] = {
    "plain": Shape(),
    "text": Shape(headers=(("Content-Type", "text/plain"), ("Subject", "Lunch")), body="hello world\r\nline two\r\n"),
    "uri with everything": Shape(uri="sip:bob:pw@example.com:5099;transport=tcp;lr;x=1?Subject=Hi&X=y"),
    "uri without a user": Shape(uri="sip:example.com"),
    "user with parameters, phone": Shape(uri="sip:+4930;tgrp=x;trunk-context=y@example.com;user=phone"),
    "user with parameters": Shape(uri="sip:+4930;tgrp=x@example.com"),
    "user with parameters and password": Shape(uri="sip:+4930;tgrp=x:pw@example.com:5;user=phone;x=1"),
    "tel": Shape(uri="tel:+49-30-123;phone-context=example.com"),
    "urn": Shape(uri="urn:service:sos", method="INVITE"),
    "sips to an address": Shape(uri="sips:b%40b@[2001:db8::1]:7000;maddr=192.0.2.3"),
    "own address": Shape(uri="sip:127.0.0.1"),
    "transport tls": Shape(uri="sip:bob@10.0.0.1;transport=TLS"),
    "capitals": Shape(uri="SIP:Bob@EXAMPLE.com;Transport=UDP;LR", headers=(("From", "<SIP:Al@EX.org>;TAG=Xy"),)),
    "alias": Shape(uri="sip:bob@192.0.2.4;alias=192.0.2.7~5099~2;ob"),
    "junk for an alias": Shape(uri="sip:bob@192.0.2.4;alias=junk"),
    "half an alias": Shape(uri="sip:bob@192.0.2.4;alias=192.0.2.7~5"),
    "gruu": Shape(uri="sip:bob@example.com;gr=urn:uuid:f81d4fae;x"),
    "escapes": Shape(uri="sip:b%6Fb%23@example.com;p=a%3Bb"),
    "invite with sdp": Shape(
        "INVITE",
        headers=(("Content-Type", "application/sdp"), ("Supported", "timer, path"), ("Session-Expires", "1800"), PHONE),
        body=SDP.format("10.0.0.5", "sendonly"),
    ),
    "invite, held by address": Shape(
        "INVITE", headers=(("Content-Type", "application/sdp"),), body=SDP.format("0.0.0.0", "inactive")
    ),
    "call with video": Shape("INVITE", headers=(("Content-Type", "Application/SDP;x=y"),), body=VIDEO),
    "call with video in a part": Shape(
        "INVITE",
        headers=(("Content-Type", "multipart/mixed; boundary=b2"), ("MIME-Version", "1.0")),
        body=(
            "--b2\r\nContent-Type: text/plain\r\n\r\nfirst\r\nline\r\n"
            f"--b2\r\nContent-Type: application/sdp\r\nContent-Disposition: session\r\n\r\n{VIDEO}"
            "--b2\r\nContent-Type: application/isup; version=x\r\n\r\nxyz\r\n--b2--\r\n"
        ),
    ),
    "register, seconds for each": Shape(
        "REGISTER",
        "sip:example.com",
        headers=(
            ("Contact", "<sip:a@192.0.2.8:1>;expires=70, <sip:b@192.0.2.8:1;expires=1>;expires=30"),
            ("Contact", "<sip:c@192.0.2.8>;q=1;expires=50"),
            ("Expires", "9"),
        ),
    ),
    "in a dialog": Shape(
        "INVITE",
        headers=(
            ("To", '"Bob B" <sip:bob@example.com;x=y>;tag=to1;q'),
            ("From", None),
            ("f", "sip:al@example.org;tag=f1"),
        ),
    ),
    "register": Shape(
        "REGISTER",
        "sip:example.com",
        headers=(
            ("To", "<sip:alice@example.org>"),
            (
                "Contact",
                '<sip:alice@192.168.1.5:5060;line=x>;+sip.instance="<urn:uuid:00000000-0000>";reg-id=1;expires=600',
            ),
            ("Expires", "3600"),
            ("Supported", "outbound, path"),
        ),
    ),
    "register, two contacts": Shape(
        "REGISTER",
        "sip:example.com",
        headers=(("Contact", '"A, B" <sip:a@10.0.0.1:5070>;q=0.7, <sip:c@192.0.2.8>;expires=0'), ("Expires", "60")),
    ),
    "register, two contact lines": Shape(
        "REGISTER", "sip:example.com", headers=(("Contact", "<sip:a@192.0.2.8:1>"), ("m", "<sip:b@10.0.0.2:2>"))
    ),
    "register, star": Shape("REGISTER", "sip:example.com", headers=(("Contact", "*"), ("Expires", "0"))),
    "register with credentials": Shape(
        "REGISTER",
        "sip:example.com",
        headers=(("Authorization", DIGEST.format("alice@ex.org", "ex.org", "sip:example.com")),),
    ),
    "proxy credentials": Shape(
        "INVITE",
        headers=(
            (
                "Proxy-Authorization",
                DIGEST.format("al", "r", "sip:bob@example.com") + ', algorithm=MD5, qop=auth, nc=00000001, cnonce="c"',
            ),
        ),
    ),
    "both credentials": Shape(
        "BYE",
        headers=(
            ("Authorization", DIGEST.format("one", "r1", "sip:x")),
            ("Proxy-Authorization", DIGEST.format("two@d", "r2", "sip:y")),
        ),
    ),
    "ack": Shape("ACK", headers=(("To", "<sip:bob@example.com>;tag=theirs"),)),
    "ack with credentials": Shape("ACK", headers=(("Proxy-Authorization", DIGEST.format("al", "r", "sip:x")),)),
    "cancel": Shape("CANCEL"),
    "cancel with credentials": Shape("CANCEL", headers=(("Authorization", DIGEST.format("al", "r", "sip:x")),)),
    "prack": Shape("PRACK", headers=(("RAck", "1 7 INVITE"), ("To", "<sip:bob@example.com>;tag=t"))),
    "several vias": Shape(
        headers=(
            ("Via", "SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKtop;rport"),
            (
                "v",
                "SIP/2.0/TCP 192.0.2.50:5070;branch=z9hG4bK2;received=192.0.2.51, SIP/2.0/TLS a.test;branch=z9hG4bK3",
            ),
            ("Record-Route", "<sip:p1;lr>, <sip:p2;lr>"),
            ("Record-Route", "<sip:p3;lr>"),
            ("Route", "<sip:us;lr>"),
        )
    ),
    "compact": Shape(
        "INFO",
        headers=(
            ("From", None),
            ("To", None),
            ("Contact", None),
            ("f", "sip:al@example.org;tag=f1"),
            ("t", "sip:bob@example.com"),
            ("m", "sip:al@192.0.2.1"),
            ("s", "short"),
            ("k", "timer"),
            ("c", "text/plain"),
            ("e", "x"),
        ),
        body="a=b;c=d\r\n",
    ),
    "no contact, no agent": Shape("OPTIONS", headers=(("Contact", None), ("User-Agent", None), ("Max-Forwards", None))),
    "names with quotes": Shape(
        headers=(
            ("From", '"Al \\"x\\", <E>" <sip:al:pw@example.org;p=1?h=2>;tag=f1;q="a;b"'),
            ("To", "Bob  B <sip:bob@example.com>;tag=t1"),
        ),
    ),
    "many headers": Shape(
        headers=(
            ("X-Many", "1"),
            ("x-many", "two, 2b"),
            ("X-MANY", '"3"'),
            ("Subject", "a  b"),
            ("Privacy", "id;header"),
            ("P-Asserted-Identity", '"A" <sip:a@b>, <tel:+1>'),
            ("Diversion", '"D" <sip:d@e;x=1>;reason=busy'),
            ("Remote-Party-ID", "<sip:r@s>;party=calling"),
            ("Date", "Sat, 28 Nov 2026 10:00:00 GMT"),
            ("Allow", "INVITE, ACK"),
            ("Accept", "application/sdp"),
            ("P-Preferred-Identity", "<sip:p@q>"),
        )
    ),
    "unknown method": Shape("FROBNICATE"),
    "refer": Shape("REFER", headers=(("Refer-To", "<sip:c@d?Replaces=x>"), ("Referred-By", "<sip:al@example.org>"))),
    "publish": Shape(
        "PUBLISH",
        headers=(
            ("Event", "presence"),
            ("Expires", "120"),
            ("SIP-If-Match", "e1"),
            ("Content-Type", "application/pidf+xml"),
        ),
        body="<presence/>",
    ),
    "multipart": Shape(
        "INVITE",
        headers=(("Content-Type", 'multipart/mixed;boundary="b1"'), ("MIME-Version", "1.0")),
        body="--b1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b1--\r\n",
    ),
    "utf-8": Shape(
        headers=(("From", '"Jürgen" <sip:j@example.org>;tag=1'), ("Subject", "grüß"), ("Content-Type", "text/plain")),
        body="ü",
    ),
}
