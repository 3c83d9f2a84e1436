"""Whatever map a worker answers with, of a request, an ACK, a CANCEL or a reply: it is done, or it is said why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker import Handlers
from tests.slbroker.proxy.test_decision import keys, things
from tests.support.edge import PEER
from tests.support.forwarding import reply_to
from tests.support.passing import NEXT, PassingRig
from tests.support.sip import read_reply, request

if TYPE_CHECKING:
    from slbroker.bus.envelope import Answer

places = st.sampled_from(
    ["", "target", "group:1", "group:x", "sip:10.0.0.5", "10.0.0.5", "sip:[::1", "sips:x;transport=udp"]
)


def taking(answer: Answer) -> PassingRig:
    """A rig with a worker that answers everything so."""
    app = Handlers()
    app.on("ACK", "CANCEL")(lambda request: request.drop())
    app.otherwise(lambda request: request.reply(200))
    app.on_reply(lambda _reply: None)
    rig = PassingRig()
    rig.join(app).respond = lambda _item: answer
    return rig


@given(st.dictionaries(keys, things, max_size=4), st.none() | places)
def test_any_map_is_one_end_of_each_message_and_closes_no_account(words: dict[Any, Any], to: str | None) -> None:
    words = words if to is None else words | {"to": to}
    rig = taking(words)
    for number, method in enumerate(("OPTIONS", "INVITE", "CANCEL", "ACK")):
        rig.receive(request(method, call_id=str(number)))
    figures = rig.fates.figures(rig.edge.in_flight)
    assert (figures["received"], figures["in_flight"], figures["unaccounted"]) == (4, 0, 0)
    assert rig.dispatcher.garbage == 0
    assert len(rig.dispatcher.workers) == 1, "it is still asked"
    statuses = {
        read_reply(data).status for data, address in rig.listener.sent if address == PEER and data[:4] == b"SIP/"
    }
    assert statuses <= {478, 482, 500, 503}


@pytest.mark.parametrize("later", [{"x": [1]}, [[1, {"y": None}]], "text", None])
def test_what_a_later_version_says_besides_is_passed_over(later: object) -> None:
    rig = taking({"to": "sip:10.0.0.5", "later": later})
    rig.receive(request("MESSAGE", call_id="1"), request("MESSAGE", call_id="2"))
    assert len(rig.to(NEXT)) == 2
    assert rig.edge.bad_answers == 0


@given(st.dictionaries(keys, things, max_size=4))
def test_any_map_lets_a_reply_go_back_once(words: dict[Any, Any]) -> None:
    rig = taking({"to": "sip:10.0.0.5"})
    rig.receive(request("MESSAGE"))
    (sent,) = rig.to(NEXT)
    next(iter(rig.workers.values())).respond = lambda _item: words
    rig.receive(reply_to(sent, 404, b"Not Found"), source=NEXT)
    (back,) = [data for data in rig.to(PEER) if data[:4] == b"SIP/"]
    assert 400 <= read_reply(back).status <= 499
    assert rig.forwarding.replies.figures()["unaccounted"] == 0
