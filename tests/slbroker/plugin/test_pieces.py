"""The pieces that plugins are put together from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from slbroker import Handlers, Reply, Request
from slbroker.plugin import RateLimit, judge, keepalive, maintenance, screen
from slbroker.plugin.rate import MAX_SOURCES
from slbroker.testing import SDP, SOURCE, Client

if TYPE_CHECKING:
    from pathlib import Path


def answers(*hooks: Any) -> Client:
    """A client of a plugin that says 200 to all that the hooks let pass."""
    app = Handlers()
    for hook in hooks:
        app.before(hook)
    app.on("ACK", "CANCEL")(lambda request: request.reply(200))
    app.otherwise(lambda request: request.reply(200))
    return Client(app)


def status(client: Client, method: str = "INVITE", **given: Any) -> int | None:
    response = client.request(method, **given)
    return response and response.status


def test_keepalive() -> None:
    app = Handlers()
    app.on("OPTIONS")(keepalive(allow=("INVITE", "ACK"), supported=["path"]))
    response = Client(app).request("OPTIONS")
    assert response is not None
    assert [response.first(name) for name in ("Accept", "Allow", "Supported")] == [
        "application/sdp", "INVITE, ACK", "path",
    ]  # fmt: skip


def test_maintenance_while_a_file_is_there(tmp_path: Path) -> None:
    flag = tmp_path / "maintenance"
    client = answers(maintenance(flag, retry_after=120, exempt=["BYE"]))
    assert status(client) == 200
    flag.touch()
    response = client.request("OPTIONS")
    assert response is not None
    assert (response.status, response.first("Retry-After")) == (503, "120")
    assert [status(client, method) for method in ("BYE", "CANCEL", "ACK")] == [200, 200, None]
    flag.unlink()
    assert status(client) == 200


@pytest.mark.parametrize(("given", "low", "high"), [("60-90", 60, 90), ("7", 7, 7), (7, 7, 7)])
def test_maintenance_gives_each_call_a_figure_of_its_own(given: int | str, low: int, high: int) -> None:
    client = answers(maintenance(retry_after=given))
    responses = [client.request("INVITE", headers={"Call-ID": f"call-{number}"}) for number in range(300)]
    seconds = [int(response.first("Retry-After") or 0) for response in responses if response is not None]
    assert (min(seconds), max(seconds), len(seconds)) == (low, high, 300)


def test_maintenance_without_a_time() -> None:
    response = answers(maintenance(retry_after="off")).request("INVITE")
    assert response is not None
    assert response.first("Retry-After") is None
    with pytest.raises(ValueError, match="write seconds such as 10"):
        maintenance(retry_after="soon")


def test_maintenance_by_hand() -> None:
    busy: list[int] = []
    client = answers(maintenance(lambda: busy, reason="Moving House"))
    assert status(client) == 200
    busy.append(1)
    response = client.request("INVITE")
    assert response is not None
    assert response.reason == "Moving House"
    assert [status(answers(maintenance(active))) for active in (True, False)] == [503, 200]


def test_checks_of_the_edge_in_a_plugin() -> None:
    client = answers(judge("max-forwards", "require", supported=["Timer"], max_body=10))
    assert status(client) == 200
    assert status(client, headers={"Max-Forwards": "0"}) == 483
    assert status(client, headers={"Max-Forwards": "256"}) == 400
    assert status(client, headers={"Content-Type": "text/plain"}, body="more than ten") == 413
    assert status(client, "ACK", headers={"Max-Forwards": "0"}) is None


def test_require_names_what_is_not_understood() -> None:
    app = Handlers()
    app.before(judge("require", supported=["timer"]))
    app.otherwise(lambda request: request.reply(200))
    client = Client(app, checks=_nothing())
    refused = client.request("INVITE", headers={"Require": "Timer, 100rel"})
    assert refused is not None
    assert (refused.status, refused.first("Unsupported")) == (420, "100rel")
    with pytest.raises(ValueError, match="no check"):
        judge("requires")


def _nothing() -> Any:
    from slbroker.sip.validate import Checks

    return Checks(names=frozenset())


@pytest.mark.parametrize(
    ("rules", "scanner"),
    [
        ({}, {"headers": {"User-Agent": "Friendly-Scanner 1.2"}}),
        ({}, {"headers": {"User-Agent": "sipcli/v1.8"}}),
        ({"user_agents": ["evil*"]}, {"headers": {"User-Agent": "EVIL/1"}}),
        ({"headers": "X-Scan"}, {"headers": {"X-Scan": ""}}),
        ({"headers": ["From: *100@*", "Contact: *@1.1.1.1*"]}, {"headers": {"m": "<sip:a@1.1.1.1:5060>"}}),
        ({"users": ["9" * 6 + "*"]}, {"uri": "sip:9999990011@h"}),
        ({"sdp": ["s=*scan*"]}, {"headers": {"c": "application/SDP"}, "body": SDP.replace("s=-", "s=A Scanner")}),
    ],
)
def test_scanners_hear_nothing(rules: dict[str, Any], scanner: dict[str, Any]) -> None:
    client = answers(screen(**rules))
    assert status(client, **scanner) is None
    assert status(client, headers={"User-Agent": "Phone"}) == 200
    assert status(client, headers={"Content-Type": "application/sdp"}, body=SDP) == 200


def test_scanners_may_get_an_answer() -> None:
    client = answers(screen(answer=Reply(603)))
    assert status(client, headers={"User-Agent": "sipvicious"}) == 603


def test_only_an_sdp_body_is_looked_into() -> None:
    client = answers(screen(sdp=["s=*"]))
    assert status(client, headers={"Content-Type": "text/plain"}, body=SDP) == 200


# The rate -------------------------------------------------------------------------------------------------------


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_source_gets_its_share_and_gets_it_back_evenly() -> None:
    clock = Clock()
    limit = RateLimit(10, 2.0, clock=clock)
    client = answers(limit)
    assert [status(client) for _ in range(11)] == [200] * 10 + [None]
    clock.now += 0.2
    assert [status(client) for _ in range(2)] == [200, None]
    clock.now += 60.0
    assert [status(client) for _ in range(11)] == [200] * 10 + [None]
    assert limit.refused == 3


def test_sources_are_counted_apart() -> None:
    limit = RateLimit(1, 1.0, answer=Reply(503), clock=Clock())
    client = answers(limit)

    def ask(host: str) -> int | None:
        return status(client, source=SOURCE._replace(host=host))

    assert [ask("192.0.2.1"), ask("192.0.2.1"), ask("192.0.2.2")] == [200, 503, 200]
    assert [ask("2001:db8::1"), ask("2001:db8::2"), ask("2001:db8:0:1::1")] == [200, 503, 200]  # one /64, another one


def test_some_have_no_limit_and_an_ack_is_none() -> None:
    limit = RateLimit(1, 1.0, exempt=["192.0.2.0/24"], clock=Clock())
    client = answers(limit)
    assert [status(client) for _ in range(3)] == [200] * 3
    stranger = SOURCE._replace(host="198.51.100.1")
    assert status(client, "ACK", source=stranger) is None
    assert status(client, source=stranger) == 200


def test_no_more_sources_are_remembered_than_there_is_room_for() -> None:
    limit = RateLimit(1, 1.0, clock=Clock())
    for number in range(MAX_SOURCES + 10):
        assert limit.take(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0.0)
    assert len(limit._left) == MAX_SOURCES
    assert limit.take("10.0.0.1", 0.0)  # forgotten, as the oldest
    assert not limit.take("10.1.0.5", 0.0)


@pytest.mark.parametrize("wrong", [{"requests": 0}, {"seconds": 0.0}, {"exempt": "nowhere"}])
def test_a_limit_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"rate of|source="):
        RateLimit(**wrong)


def test_pieces_are_plain_hooks() -> None:
    """They can be called from a handler's own code, too."""
    from slbroker.sip.parser import parse
    from slbroker.testing import RequestFactory

    request = Request(parse(RequestFactory().request("INVITE", headers={"User-Agent": "sipcli"})), SOURCE)
    assert screen(answer=Reply(603))(request) is not None
    assert screen(user_agents=())(request) is None
