"""The same counters under Kamailio's names, where a class is the rest, and under OpenSIPS's, where it is whole."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from slbroker.metrics.sl import ALONE, CLASSES, KAMAILIO, OPENSIPS, STATS, Counters

statuses = st.dictionaries(st.integers(100, 699).map(str), st.integers(0, 10**12), max_size=20)
edges = st.lists(
    st.fixed_dictionaries(
        {"codes": st.dictionaries(st.sampled_from(["INVITE", "OPTIONS", "other"]), statuses, max_size=3)},
        optional={"send_failures": st.integers(0, 9), "absorbed": st.integers(0, 9), "failed": st.integers(0, 9)},
    ),
    max_size=3,
)


def total(edges: list[dict[str, Any]]) -> int:
    return sum(count for edge in edges for codes in edge["codes"].values() for count in codes.values())


@given(edges)
def test_both_views_have_each_reply_once(edges: list[dict[str, Any]]) -> None:
    counters = Counters(edges)
    kamailio, opensips = counters.kamailio(), counters.opensips()
    assert (tuple(kamailio), tuple(opensips)) == (KAMAILIO, OPENSIPS)
    assert kamailio["sent_replies"] == opensips["sent_replies"] == total(edges)
    assert sum(kamailio[f"{name}_replies"] for name in ("1xx", *STATS)) == total(edges)
    assert sum(opensips[f"{name}_replies"] for name in CLASSES) == total(edges)
    for name in CLASSES:
        alone = sum(kamailio[f"{code}_replies"] for code in ALONE if code[0] == name[0])
        assert opensips[f"{name}_replies"] == kamailio[f"{name}_replies"] + alone


def test_a_class_of_kamailios_is_its_rest() -> None:
    edge = {"codes": {"INVITE": {"404": 3, "486": 2, "180": 1}, "OPTIONS": {"200": 5, "204": 7}}, "absorbed": 4}
    counted = {name: value for name, value in Counters([edge]).kamailio().items() if value}
    assert counted == {
        "1xx_replies": 1, "200_replies": 5, "2xx_replies": 7, "404_replies": 3, "4xx_replies": 2, "sent_replies": 18,
        "received_ACKs": 4,
    }  # fmt: skip
    assert Counters([edge]).opensips()["4xx_replies"] == 5


def test_what_an_older_edge_or_a_liar_tells_does_no_harm() -> None:
    for strange in ({}, {"codes": 5}, {"codes": {"INVITE": {"404": "many"}}, "absorbed": None}):
        assert sum(Counters([strange]).kamailio().values()) == 0
