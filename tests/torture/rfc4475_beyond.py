"""RFC 4475 3.2 to 3.4: what only the transaction layer, an application, or an old peer makes difficult."""

from __future__ import annotations

from typing import Final

from tests.torture.case import READ, READ_METHOD, SILENCE, Case, Stream, message, sdp

_BADBRANCH: Final = """
OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: sip:caller@example.org;tag=33242
Max-Forwards: 3
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK
Accept: application/sdp
Call-ID: badbranch.sadonfo23i420jv0as0derf3j3n
CSeq: 8 OPTIONS
l: 0
"""

_INSUF: Final = """
INVITE sip:user@example.com SIP/2.0
CSeq: 193942 INVITE
Via: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf
Content-Type: application/sdp
l: 152
"""

_UNKSCM: Final = """
OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0
To: sip:user@example.com
From: sip:caller@example.net;tag=384
Max-Forwards: 3
Call-ID: unkscm.nasdfasser0q239nwsdfasdkl34
CSeq: 3923423 OPTIONS
Via: SIP/2.0/TCP host9.example.com;branch=z9hG4bKkdjuw39234
Content-Length: 0
"""

_NOVELSC: Final = """
OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0
To: sip:user@example.com
From: sip:caller@example.net;tag=384
Max-Forwards: 3
Call-ID: novelsc.asdfasser0q239nwsdfasdkl34
CSeq: 3923423 OPTIONS
Via: SIP/2.0/TCP host9.example.com;branch=z9hG4bKkdjuw39234
Content-Length: 0
"""

_UNKSM2: Final = """
REGISTER sip:example.com SIP/2.0
To: isbn:2983792873
From: <http://www.example.com>;tag=3234233
Call-ID: unksm2.daksdj@hyphenated-host.example.com
CSeq: 234902 REGISTER
Max-Forwards: 70
Via: SIP/2.0/UDP 192.0.2.21:5060;branch=z9hG4bKkdjuw
Contact: <name:John_Smith>
l: 0
"""

_BEXT01: Final = """
OPTIONS sip:user@example.com SIP/2.0
To: sip:j_user@example.com
From: sip:caller@example.net;tag=242etr
Max-Forwards: 6
Call-ID: bext01.0ha0isndaksdj
Require: nothingSupportsThis, nothingSupportsThisEither
Proxy-Require: noProxiesSupportThis, norDoAnyProxiesSupportThis
CSeq: 8 OPTIONS
Via: SIP/2.0/TLS fold-and-staple.example.com;branch=z9hG4bKkdjuw
Content-Length: 0
"""

_INVUT: Final = """
INVITE sip:user@example.com SIP/2.0
Contact: <sip:caller@host5.example.net>
To: sip:j.user@example.com
From: sip:caller@example.net;tag=8392034
Max-Forwards: 70
Call-ID: invut.0ha0isndaksdjadsfij34n23d
CSeq: 235448 INVITE
Via: SIP/2.0/UDP somehost.example.com;branch=z9hG4bKkdjuw
Content-Type: application/unknownformat
Content-Length: 40
"""

_REGAUT01: Final = """
REGISTER sip:example.com SIP/2.0
To: sip:j.user@example.com
From: sip:j.user@example.com;tag=87321hj23128
Max-Forwards: 8
Call-ID: regaut01.0ha0isndaksdj
CSeq: 9338 REGISTER
Via: SIP/2.0/TCP 192.0.2.253;branch=z9hG4bKkdjuw
Authorization: NoOneKnowsThisScheme opaque-data=here
Content-Length:0
"""

_MULTI01: Final = """
INVITE sip:user@company.com SIP/2.0
Contact: <sip:caller@host25.example.net>
Via: SIP/2.0/UDP 192.0.2.25;branch=z9hG4bKkdjuw
Max-Forwards: 70
CSeq: 5 INVITE
Call-ID: multi01.98asdh@192.0.2.1
CSeq: 59 INVITE
Call-ID: multi01.98asdh@192.0.2.2
From: sip:caller@example.com;tag=3413415
To: sip:user@example.com
To: sip:other@example.net
From: sip:caller@example.net;tag=2923420123
Content-Type: application/sdp
l: 154
Contact: <sip:caller@host36.example.net>
Max-Forwards: 5
"""

_MCL01: Final = """
OPTIONS sip:user@example.com SIP/2.0
Via: SIP/2.0/UDP host5.example.net;branch=z9hG4bK293423
To: sip:user@example.com
From: sip:other@example.net;tag=3923942
Call-ID: mcl01.fhn2323orihawfdoa3o4r52o3irsdf
CSeq: 15932 OPTIONS
Content-Length: 13
Max-Forwards: 60
Content-Length: 5
Content-Type: text/plain
"""

_BCAST: Final = """
SIP/2.0 200 OK
Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923
Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23
Call-ID: bcast.0384840201234ksdfak3j2erwedfsASdf
CSeq: 35 INVITE
From: sip:user@example.com;tag=11141343
To: sip:user@example.edu;tag=2229
Content-Length: 154
Content-Type: application/sdp
Contact: <sip:user@host28.example.com>
"""

_ZEROMF: Final = """
OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: sip:caller@example.net;tag=3ghsd41
Call-ID: zeromf.jfasdlfnm2o2l43r5u0asdfas
CSeq: 39234321 OPTIONS
Via: SIP/2.0/UDP host1.example.com;branch=z9hG4bKkdjuw2349i
Max-Forwards: 0
Content-Length: 0
"""

_CPARAM01: Final = """
REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/UDP saturn.example.com:5060;branch=z9hG4bKkdjuw
Max-Forwards: 70
From: sip:watson@example.com;tag=DkfVgjkrtMwaerKKpe
To: sip:watson@example.com
Call-ID: cparam01.70710@saturn.example.com
CSeq: 2 REGISTER
Contact: sip:+19725552222@gw1.example.net;unknownparam
l: 0
"""

_CPARAM02: Final = """
REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/UDP saturn.example.com:5060;branch=z9hG4bKkdjuw
Max-Forwards: 70
From: sip:watson@example.com;tag=838293
To: sip:watson@example.com
Call-ID: cparam02.70710@saturn.example.com
CSeq: 3 REGISTER
Contact: <sip:+19725552222@gw1.example.net;unknownparam>
l: 0
"""

_REGESCRT: Final = """
REGISTER sip:example.com SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=8
Max-Forwards: 70
Call-ID: regescrt.k345asrl3fdbv@192.0.2.1
CSeq: 14398234 REGISTER
Via: SIP/2.0/UDP host5.example.com;branch=z9hG4bKkdjuw
M: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>
L:0
"""

_SDP01: Final = """
INVITE sip:user@example.com SIP/2.0
To: sip:j_user@example.com
Contact: <sip:caller@host15.example.net>
From: sip:caller@example.net;tag=234
Max-Forwards: 5
Call-ID: sdp01.ndaksdj9342dasdd
Accept: text/nobodyKnowsThis
CSeq: 8 INVITE
Via: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKkdjuw
Content-Length: 150
Content-Type: application/sdp
"""

_INV2543: Final = """
INVITE sip:UserB@example.com SIP/2.0
Via: SIP/2.0/UDP iftgw.example.com
From: <sip:+13035551111@ift.client.example.net;user=phone>
Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>
To: sip:+16505552222@ss1.example.net;user=phone
Call-ID: inv2543.1717@ift.client.example.com
CSeq: 56 INVITE
Content-Type: application/sdp
"""
_INV2543_BODY: Final = (
    b"v=0\r\no=mhandley 29739 7272939 IN IP4 192.0.2.5\r\ns=-\r\nc=IN IP4 192.0.2.5\r\nt=0 0\r\n"
    b"m=audio 49217 RTP/AVP 0\r\n"
)

_BAD: Final = frozenset({400})

CASES: Final = (
    Case("badbranch", "3.2.1", _BAD | READ, "a branch with nothing behind z9hG4bK: 400, or take it for RFC 2543's",
         message(_BADBRANCH)),
    Case("insuf", "3.3.1", _BAD, "no Call-ID, From and To: 400", message(_INSUF, sdp("192.0.2.95"))),
    Case("unkscm", "3.3.2", frozenset({416}), "nobody knows the Request-URI's scheme: 416", message(_UNKSCM)),
    Case("novelsc", "3.3.3", frozenset((404, 416)), "a scheme that we never serve: 416, or 404 where it might be",
         message(_NOVELSC)),
    Case("unksm2", "3.3.4", _BAD | READ_METHOD, "other schemes in To, From and Contact: only a registrar says 400",
         message(_UNKSM2)),
    Case("bext01", "3.3.5", frozenset({420}), "unknown option tags in Require: 420 with Unsupported", message(_BEXT01)),
    Case("invut", "3.3.6", frozenset((404, 415)), "an unknown body: 415, but RFC 3261 8.2 looks for the user first",
         message(_INVUT, b'<audio>\r\n <pcmu port="443"/>\r\n</audio>\r\n')),
    Case("regaut01", "3.3.7", READ_METHOD | {401, 407}, "an unknown authorization: ignored where none is asked for",
         message(_REGAUT01)),
    Case("multi01", "3.3.8", _BAD, "two values where there is one: 400",
         message(_MULTI01, sdp("192.0.2.25") + b"\r\n")),
    Case("mcl01", "3.3.9", _BAD, "two Content-Lengths: 400",
         message(_MCL01, b"There's no way to know how many octets are supposed to be here.\r\n"), Stream.BROKEN),
    Case("bcast", "3.3.10", SILENCE, "a response", message(_BCAST, sdp("192.0.2.198"))),
    Case("zeromf", "3.3.11", READ, "Max-Forwards 0 concerns proxies: an endpoint answers as if it were higher",
         message(_ZEROMF)),
    Case("cparam01", "3.3.12", READ_METHOD, "unknown parameters of Contact are ignored", message(_CPARAM01)),
    Case("cparam02", "3.3.13", READ_METHOD, "unknown parameters of a Contact's URI are kept", message(_CPARAM02)),
    Case("regescrt", "3.3.14", READ_METHOD, "headers in a Contact's URI belong to it", message(_REGESCRT)),
    Case("sdp01", "3.3.15", _BAD | {404, 406}, "only an unknown type is acceptable: 406, after the user was looked for",
         message(_SDP01, sdp("192.0.2.5"))),
    Case("inv2543", "3.4.1", READ, "RFC 2543: no branch, no tag, no Max-Forwards, no Content-Length",
         message(_INV2543, _INV2543_BODY), Stream.BROKEN),
)  # fmt: skip
