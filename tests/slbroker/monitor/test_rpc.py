"""JSON-RPC in Kamailio's and in OpenSIPS's shapes; tests/peers/test_monitor_kamailio.py compares with the real one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.metrics.sl import KAMAILIO, OPENSIPS, STATS
from slbroker.monitor.mi import OpenSips
from slbroker.monitor.rpc import Kamailio

COUNTERS = {name: at for at, name in enumerate(KAMAILIO)}
KAMAILIOS = Kamailio(lambda: COUNTERS, 0.0)
OPENSIPSS = OpenSips(lambda: {name: at for at, name in enumerate(OPENSIPS)}, 0.0)


def ask(method: str, *params: str, **more: Any) -> tuple[int, dict[str, Any]]:
    request = {"jsonrpc": "2.0", "method": method, "id": 1, **({"params": params} if params else {}), **more}
    status, _reason, body = KAMAILIOS.answer(json.dumps(request).encode())
    return status, json.loads(body)


def mi(method: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        OPENSIPSS.answer(json.dumps({"jsonrpc": "2.0", "method": method, "id": 10, **more}).encode())
    )
    return found


def test_sl_stats_has_the_19_in_order() -> None:
    status, answer = ask("sl.stats")
    assert (status, tuple(answer["result"])) == (200, STATS)
    assert answer["result"]["404"] == COUNTERS["404_replies"]


@pytest.mark.parametrize("params", [{"statistics": ["sl:"]}, [["sl:"]], [["all"]]])
def test_opensips_statistics_are_numbers_by_group_and_name(params: Any) -> None:
    assert mi("get_statistics", params=params)["result"] == {f"sl:{name}": at for at, name in enumerate(OPENSIPS)}


@pytest.mark.parametrize(
    ("more", "code"),
    [({"method": "nope"}, -32601), ({"params": "all"}, -32600), ({"params": {"statistics": "all"}}, -32602)],
)
def test_opensips_errors(more: dict[str, Any], code: int) -> None:
    assert mi(**{"method": "get_statistics", **more})["error"]["code"] == code


def test_opensips_says_what_it_counts_and_for_how_long() -> None:
    assert set(mi("list_statistics")["result"].values()) == {"incremental"}
    assert set(mi("uptime")["result"]) == {"Now", "Up since", "Up time"}
    assert mi("version")["result"]["Server"].startswith("slbroker (")
    assert OPENSIPSS.answer(b'{"jsonrpc": "2.0", "method": "version"}') == b"", "a notification has no answer"


words = st.sampled_from(["2.0", "sl.stats", "stats.fetch", "get_statistics", "sl:"])
keys = st.sampled_from(["jsonrpc", "method", "params", "id", "x"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
)
requests = st.dictionaries(keys, values) | values


@given(st.binary(max_size=60) | requests.map(lambda value: json.dumps(value).encode()))
def test_whatever_is_asked_is_answered_with_json(body: bytes) -> None:
    status, _reason, answer = KAMAILIOS.answer(body)
    assert status in (200, 400, 500)
    assert json.loads(answer)["jsonrpc"] == "2.0"
    said = OPENSIPSS.answer(body)
    assert said == b"" or json.loads(said)["jsonrpc"] == "2.0"


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"id": ' + b"9" * 10_000 + b"}", b'{"jsonrpc":"2.0","id":NaN}'])
def test_hostile_json_does_no_harm(body: bytes) -> None:
    assert KAMAILIOS.answer(body).status in (200, 400)
    OPENSIPSS.answer(body)
