"""JSON-RPC of the monitor beside that of a real Kamailio (jsonrpcs, xhttp, kex) which got the same requests.

Compared field by field, values and their types included, and by HTTP status. Kamailio counts each answer that it gives
over HTTP among these replies, 200, 400 and 500, and sums up once a second: those counters are looked at by themselves.
"""

from __future__ import annotations

import json
import re
import time
from contextlib import ExitStack
from typing import Any

import pytest

from slbroker import keys
from tests.peers.brokers import free_bus_address, start_edge
from tests.peers.monitor import Monitor, Said, ask, start_monitor
from tests.peers.phone import Phone
from tests.support.peers import free_udp_port, require_peer
from tests.support.processes import Process, slbroker
from tests.support.timing import until, within

pytestmark = [pytest.mark.peer, pytest.mark.timeout(within(120))]

CONFIG = __file__.replace("test_rpc_kamailio.py", "rpc.cfg")
PLUGIN = """
from slbroker import Handlers

app = Handlers()
STATUS = {"bob": 200, "busy": 486, "moved": 302, "no": 603, "soon": 503}


@app.otherwise
def answer(request):
    return request.reply(STATUS.get(request.uri.user, 404))
"""
USERS = ["busy"] * 3 + ["moved"] * 2 + ["no"] + ["soon"] * 4 + ["other"] * 5

# What is asked, and what of the answer cannot be the same: those fields are compared by their types.
CALLS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "sl.stats": ({"method": "sl.stats"}, ()),
    "a parameter that nobody wants": ({"method": "sl.stats", "params": ["x"]}, ()),
    "statistics of the group": ({"method": "stats.get_statistics", "params": ["sl:"]}, ()),
    "some statistics": ({"method": "stats.get_statistics", "params": ["404_replies", "failures", "302_replies"]}, ()),
    "a statistic that there is not": ({"method": "stats.get_statistics", "params": ["nope"]}, ()),
    "one by group and name": ({"method": "stats.get_statistics", "params": ["sl:404_replies"]}, ()),
    "one with a dot": ({"method": "stats.get_statistics", "params": ["sl.404_replies"]}, ()),
    "a group that there is not": ({"method": "stats.get_statistics", "params": ["nogroup:"]}, ()),
    "no statistic": ({"method": "stats.get_statistics"}, ()),
    "an empty list": ({"method": "stats.get_statistics", "params": []}, ()),
    "named parameters": ({"method": "stats.get_statistics", "params": {"x": "404_replies"}}, ()),
    "nested parameters": ({"method": "stats.get_statistics", "params": [["sl:"]]}, ()),
    "a number": ({"method": "stats.get_statistics", "params": [5]}, ()),
    "fetch": ({"method": "stats.fetch", "params": ["sl.404_replies"]}, ()),
    "fetch a group": ({"method": "stats.fetch", "params": ["sl:"]}, ()),
    "fetch by name alone": ({"method": "stats.fetch", "params": ["404_replies", "nope"]}, ()),
    "fetch by colon": ({"method": "stats.fetch", "params": ["sl:486_replies", "sl:4xx_replies"]}, ()),
    "fetchn": ({"method": "stats.fetchn", "params": ["sl.404_replies", "sl:302_replies", "3xx_replies"]}, ()),
    "fetchn of a group": ({"method": "stats.fetchn", "params": ["sl:"]}, ()),
    "fetchn of a group with a dot": ({"method": "stats.fetchn", "params": ["sl."]}, ()),
    "fetch nothing": ({"method": "stats.fetch"}, ()),
    "fetchn nothing": ({"method": "stats.fetchn"}, ()),
    "reset": ({"method": "stats.reset_statistics", "params": ["404_replies"]}, ()),
    "reset a group": ({"method": "stats.reset_statistics", "params": ["sl:"]}, ()),
    "reset nothing": ({"method": "stats.reset_statistics"}, ()),
    "what was reset goes on": ({"method": "stats.fetchn", "params": ["404_replies"]}, ()),
    "version": ({"method": "core.version"}, ("result",)),
    "uptime": ({"method": "core.uptime"}, ("now", "up_since", "uptime")),
    "info": ({"method": "core.info"}, ("version", "id", "compiler", "compiled", "flags")),
    "a method that there is not": ({"method": "nope"}, ()),
    "no method": ({}, ()),
    "a method that is a number": ({"method": 5}, ()),
    "an older version": ({"method": "core.version", "jsonrpc": "1.0"}, ()),
    "a text as id": ({"method": "nope", "id": "x\u00e9\"y"}, ()),
    "null as id": ({"method": "nope", "id": None}, ()),
    "true as id": ({"method": "nope", "id": True}, ()),
    "a fraction as id": ({"method": "nope", "id": 1.5}, ()),
    "a large id": ({"method": "nope", "id": 123456789012345}, ()),
    "an object as id": ({"method": "nope", "id": {"a": 1}}, ()),
    "a whole number with a point as id": ({"method": "nope", "id": 3.0}, ()),
    "null for parameters": ({"method": "stats.fetch", "params": None}, ()),
    "a word for parameters": ({"method": "sl.stats", "params": "sl:"}, ()),
    "true for parameters": ({"method": "stats.get_statistics", "params": True}, ()),
    "a number for parameters": ({"method": "system.listMethods", "params": 5}, ()),
    "null for parameters of what there is not": ({"method": "nope", "params": None}, ()),
    "nothing behind what is no text": ({"method": "stats.fetch", "params": ["404_replies", 5, "302_replies"]}, ()),
    "nothing at all behind a number": ({"method": "stats.get_statistics", "params": [5, "404_replies"]}, ()),
    "null first": ({"method": "stats.fetchn", "params": [None, "404_replies"]}, ()),
    "a batch": ([{"jsonrpc": "2.0", "method": "core.version", "id": 1}], ()),
}  # fmt: skip


# Counters in which Kamailio's own answers over HTTP are, and the number behind them.
_http = re.compile(r'((?:"(?:[245]00)"|"sl\.(?:[245]00|sent)_replies"):\s*"?|"sl:(?:[245]00|sent)_replies = )(\d+)')


class Pair:
    """Kamailio and a monitor over an edge, each of which has answered the same requests."""

    def __init__(self, kamailio: Monitor, monitor: Monitor) -> None:
        self.kamailio, self.monitor = kamailio, monitor
        self.answers = {200: 1, 400: 0, 500: 0}  # of Kamailio's over HTTP, the one included that the fixture has had

    def ask(self, request: Any) -> tuple[Said, Said]:
        if isinstance(request, dict):
            request = {"jsonrpc": "2.0", "id": 1, **request}
        theirs, ours = (each.post("/RPC", request) for each in (self.kamailio, self.monitor))
        self.answers[theirs.status] += 1
        return theirs, ours


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("rpc")
    with ExitStack() as stack:

        def start(*words: str, **more: Any) -> Process:
            return stack.enter_context(slbroker(*words, **more))

        port = free_udp_port()
        run = folder / "kamailio"
        run.mkdir()
        stack.enter_context(
            Process(
                require_peer("kamailio"), "-f", CONFIG, "-DD", "-E", "-A", f"LISTEN_PORT={port}",
                "-m", "16", "-M", "4", "-w", str(run), "-Y", str(run), cwd=run,
            )
        )  # fmt: skip
        ring, plugin, bus = folder / "ring", folder / "plugin.py", free_bus_address("ipc", folder)
        keys.create(ring)
        plugin.write_text(PLUGIN)
        edge = start_edge(start, ring, bus)
        start("handler", "--bus", bus, "--plugin", str(plugin), "--keys", str(ring)).wait_for("handler ready")
        monitor = start_monitor(start, bus)
        for each in (port, edge.port):
            with Phone(each) as phone:
                phone.wait_for_server()
        kamailio = Monitor(monitor.process, f"http://127.0.0.1:{port}")
        stats = CALLS["sl.stats"][0] | {"jsonrpc": "2.0", "id": 1}
        theirs = kamailio.post("/RPC", stats).json["result"]["200"]  # what it got until it answered
        ours = edge.figures()["codes"]["OPTIONS"]["200"]
        send(port, USERS + ["bob"] * max(0, ours - theirs))
        send(edge.port, USERS + ["bob"] * max(0, theirs - ours))
        found = Pair(kamailio, monitor)
        until(lambda: monitor.post("/RPC", stats).json["result"]["6xx"] == USERS.count("no"), 10)
        yield found


def send(port: int, users: list[str]) -> None:
    """Have an OPTIONS answered for each of `users`."""
    with Phone(port) as phone:
        for user in users:
            phone.send(phone.call().request("OPTIONS").replace(b"sip:bob@", b"sip:%s@" % user.encode(), 1))
            assert phone.receive() is not None


def shape(value: Any) -> Any:
    return type(value).__name__


def without(answer: Any, own: tuple[str, ...]) -> Any:
    """The answer, with the types alone of what is each server's own."""
    if isinstance(answer, dict):
        return {key: shape(each) if key in own else without(each, own) for key, each in answer.items()}
    return answer


@pytest.mark.parametrize("call", CALLS)
def test_the_answer_is_kamailios(pair: Pair, call: str) -> None:
    request, own = CALLS[call]
    theirs, ours = pair.ask(request)
    assert ours.status == theirs.status
    first, second = (json.loads(_http.sub(r"\g<1>0", said.text)) for said in (ours, theirs))
    assert without(first, own) == without(second, own)
    assert ours.headers["content-type"] == theirs.headers["content-type"]


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/RPC", "/RPC/", "/RPC?x=1"])
def test_the_body_counts_and_not_how_it_comes(pair: Pair, method: str, path: str) -> None:
    body = json.dumps({"jsonrpc": "2.0", "method": "stats.fetchn", "params": ["404_replies"], "id": 1}).encode()
    for each in (pair.kamailio, pair.monitor):
        said = ask(each.url + path, body, {"Content-Type": "text/plain"}, method=method)
        assert (said.status, said.json["result"]) == (200, {"sl.404_replies": USERS.count("other")})
    pair.answers[200] += 1


def test_all_methods_are_kamailios(pair: Pair) -> None:
    theirs, ours = pair.ask({"method": "system.listMethods"})
    assert ours.json["result"] == sorted(ours.json["result"])
    assert set(ours.json["result"]) <= set(theirs.json["result"])


def test_the_others_are_the_same_but_for_what_is_said_over_http(pair: Pair) -> None:
    time.sleep(1.2)  # Kamailio sums up once a second
    more = {f"sl.{status}_replies": count for status, count in pair.answers.items()}
    more["sl.sent_replies"] = sum(pair.answers.values())
    theirs, ours = pair.ask({"method": "stats.fetchn", "params": [*more]})
    assert {name: theirs.json["result"][name] - count for name, count in more.items()} == ours.json["result"]
