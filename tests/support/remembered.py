"""What tests of remembered decisions share: requests of calls of their own, and what became of them at an edge."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from slbroker import Handlers
from tests.support.edge import Rig
from tests.support.sip import read_reply, request

if TYPE_CHECKING:
    from slbroker_edge.remembered import Remembered

numbers = count(1)


def fresh(method: str = "OPTIONS", uri: str = "sip:bob@example.com", **headers: Any) -> bytes:
    """A request of a call of its own."""
    number = next(numbers)
    given = {
        "via": f"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{number}",
        "from_": f"<sip:alice@example.org>;tag=f{number}",
        "call_id": f"call-{number}",
        "cseq": f"{number} {method}",
    }
    return request(method, uri, **(given | headers))


def rig_of(app: Handlers, **kinds: Any) -> Rig:
    rig = Rig(**kinds)
    rig.join(app)
    return rig


def memory_of(rig: Rig) -> Remembered:
    assert rig.edge.remembered is not None
    return rig.edge.remembered


def asked(rig: Rig) -> int:
    """How many requests workers were given."""
    return sum(worker.asked for worker in rig.workers.values())


def statuses(rig: Rig) -> list[int]:
    return [read_reply(reply).status for reply in rig.replies]


def answering(remember: float | None = 5.0, **given: Any) -> Handlers:
    app = Handlers()
    app.on("OPTIONS", "INVITE", remember=remember, **given)(lambda request: request.reply(404))
    return app
