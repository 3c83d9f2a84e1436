"""An envelope of each kind, as it is on the wire."""

from __future__ import annotations

from hypothesis import strategies as st

from slbroker.bus import envelope
from slbroker.bus.envelope import Answer, Kind
from slbroker.sip.message import Message, Source
from tests.support.bus import encode_requests

ID = 2**40
ITEM = (
    ID + 1,
    Message(
        b"OPTIONS",
        b"sip:b@b.example",
        (b"via", b"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1", b"call-id", b"c1"),
        b"hi",
        call_id=b"c1",
        from_tag=b"1",
        to_tag=b"",
        cseq=7,
    ),
    Source("192.0.2.1", 5060, "udp:192.0.2.7:5060"),
)
ANSWERS: list[tuple[int, Answer]] = [
    (ID + 1, b"SIP/2.0 200 OK\r\n\r\n"),
    (ID + 2, None),
    (ID + 3, (b"SIP/2.0 100 Trying\r\n\r\n", b"SIP/2.0 486 Busy Here\r\n\r\n")),
]
HELLO = {"name": "w1", "pool": "default", "credit": 128, "takes": (b"ACK",)}
WELCOME = {"edge": "e1", "heartbeat": 0.25, "processes": 2}
FIGURES = {"name": "e1", "received": 3, "replied": 2, "in_flight": 1, "workers": ()}

# Kind: what is encoded, head and body in hex. They are the protocol: a change here is a new version.
GOLDEN: dict[str, tuple[list[bytes], str, str]] = {
    "HELLO": (
        envelope.encode(Kind.HELLO, HELLO),
        "940101c40000",
        "84a46e616d65a27731a4706f6f6ca764656661756c74a6637265646974cc80a574616b657391c40341434b",
    ),
    "WELCOME": (
        envelope.encode(Kind.WELCOME, WELCOME),
        "940102c40000",
        "83a465646765a26531a9686561727462656174cb3fd0000000000000a970726f63657373657302",
    ),
    "REQUESTS": (
        encode_requests([ITEM]),
        "940103c40001",
        "9193cf000001000000000198c4074f5054494f4e53c40f7369703a6240622e6578616d706c65"
        "94c403766961c4255349502f322e302f554450203139322e302e322e313b6272616e63683d7a39684734624b31"
        "c40763616c6c2d6964c4026331c4026869c4026331c40131c40007"
        "93a93139322e302e322e31cd13c4b27564703a3139322e302e322e373a35303630",
    ),
    "REPLIES": (
        envelope.encode_replies(ANSWERS, b"r1"),
        "940104c402723103",
        "9392cf0000010000000001c4125349502f322e3020323030204f4b0d0a0d0a"
        "92cf0000010000000002c0"
        "92cf000001000000000392c4165349502f322e302031303020547279696e670d0a0d0a"
        "c4195349502f322e3020343836204275737920486572650d0a0d0a",
    ),
    "HEARTBEAT": (envelope.encode(Kind.HEARTBEAT), "940105c40000", "80"),
    "GOODBYE": (envelope.encode(Kind.GOODBYE), "940106c40000", "80"),
    "WHO": (envelope.encode(Kind.WHO), "940107c40000", "80"),
    "STATS": (envelope.encode(Kind.STATS), "940108c40000", "80"),
    "FIGURES": (
        envelope.encode(Kind.FIGURES, FIGURES),
        "940109c40000",
        "85a46e616d65a26531a8726563656976656403a77265706c69656402a9696e5f666c6967687401a7776f726b65727390",
    ),
    "LOST": (
        envelope.encode(Kind.LOST, {"batches": (b"b1", b"b2"), "begun": True}),
        "94010ac40000",
        "82a76261746368657392c4026231c4026232a5626567756ec3",
    ),
    "BAD": (envelope.encode(Kind.BAD, {"batches": (b"b1",)}), "94010bc40000", "81a76261746368657391c4026231"),
    "FORGET": (envelope.encode(Kind.FORGET, {"pool": "default"}), "94010cc40000", "81a4706f6f6ca764656661756c74"),
    "TRACE": (
        envelope.encode(Kind.TRACE, {"of": "c1", "count": 9, "seconds": 5.0}),
        "94010dc40000",
        "83a26f66a26331a5636f756e7409a77365636f6e6473cb4014000000000000",
    ),
    "TRACED": (
        envelope.encode(Kind.TRACED, {"name": "e1", "processes": 1, "messages": (), "left_out": 0, "ended": "time"}),
        "94010ec40000",
        "85a46e616d65a26531a970726f63657373657301a86d6573736167657390a86c6566745f6f757400a5656e646564a474696d65",
    ),
}
# What msgpack has for whole numbers.
integers = st.integers(min_value=-(2**63), max_value=2**64 - 1)
