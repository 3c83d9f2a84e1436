"""What Kamailio 5.6.3 answered to expressions, in observed.txt, and the request that it was asked with."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
ADDRESSES = Path(__file__).parents[2] / "peers" / "kemi" / "address.list"
# What kamailio.cfg says to the modules.
SETTINGS = (
    "core.alias=example.com",
    f"permissions.address_file={ADDRESSES}",
    "permissions.peer_tag_avp=$avp(peer)",
)
PROBE = Path(__file__).parents[2] / "peers" / "kemi" / "probe.py"


class Observation(NamedTuple):
    """An expression about KSR, and its value as Python writes it; `about` is the module of KSR."""

    about: str
    expression: str
    result: str


def read_observations() -> list[Observation]:
    """All of them: `# module`, then the expression on a line and its value, indented, on the next."""
    found: list[Observation] = []
    about = expression = ""
    for line in (HERE / "observed.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            about = line.removeprefix("# ")
        elif line.startswith(" "):
            found.append(Observation(about, expression, line.strip()))
        else:
            expression = line
    return found


OBSERVATIONS = read_observations()
NAMES = [f"{observation.about}-{at}" for at, observation in enumerate(OBSERVATIONS)]


def question(expression: str, port: int, number: int = 0) -> bytes:
    """The request that carries an expression, from a client at `port` of 127.0.0.1."""
    body = expression.encode()
    lines = (
        "MESSAGE sip:bob@127.0.0.1 SIP/2.0",
        f"Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-question-{number}",
        'From: "Al" <sip:alice@example.org:5099;x=y>;tag=ft1',
        "To: <sip:bob@example.com>",
        "Call-ID: kemi-expression",
        "CSeq: 7 MESSAGE",
        "Max-Forwards: 70",
        "Contact: <sip:alice@192.0.2.9:5062;ob>",
        "User-Agent: probe 1.0",
        "X-Many: 1",
        "X-Many: 2",
        "Content-Type: text/plain",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join((*lines, "", "")).encode() + body


def answer(reply: bytes) -> str:
    """What a reply to a question says."""
    return reply.partition(b"\r\n\r\n")[2].decode()
