"""The options about handing out requests: what the edge's settings become, and what is said of wrong ones."""

from __future__ import annotations

import pytest

from slbroker.errors import ConfigError
from slbroker.settings.dispatch import USUAL_POLICIES, DispatchSettings, Policies
from slbroker.settings.edge import EdgeSettings
from slbroker.sip.retryafter import RetryAfter
from tests.support.commands import settings_of


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLBROKER_ROUTE", raising=False)


def given(*words: str, env: dict[str, str] | None = None) -> EdgeSettings:
    """What an edge with these options is told."""
    return settings_of(EdgeSettings, "--keys", "ring", *words, env=env)


def test_without_options_all_is_as_the_settings_have_it() -> None:
    seen = given()
    assert (seen.dispatch, seen.policies) == (DispatchSettings(), USUAL_POLICIES)
    assert (seen.policies.routes, seen.policies.shadow) == ((), None)


def test_every_setting_has_its_option() -> None:
    seen = given(
        *("--handler-timeout", "2", "--worker-liveness", "3", "--tries", "4"),
        *("--max-waiting", "5", "--max-wait", "0.6"),
        *("--overload-budget", "7", "--on-failure", "drop", "--drain-notice", "8"),
        *("--retry-after", "9-10", "--server", "us"),
    )  # fmt: skip
    assert seen.dispatch == DispatchSettings(
        handler_timeout=2.0, liveness=3.0, max_tries=4, max_waiting=5, max_wait=0.6
    )
    assert seen.policies == Policies(
        overload_budget=7.0, answer_failures=False, drain_notice=8.0, retry_after=RetryAfter(9, 10), server="us"
    )


def test_to_drop_is_to_have_no_budget() -> None:
    assert given("--overload", "drop", "--overload-budget", "9").policies.overload_budget == 0.0


def test_the_word_off_is_no_header() -> None:
    policies = given("--retry-after", "off", "--server", "off").policies
    assert (policies.retry_after.line(b"call"), policies.server) == (b"", "")


def test_routes_keep_their_order_and_their_sockets_are_named_as_the_edge_names_them() -> None:
    routes = given("--route", "pool=a method=INVITE listen=udp:*", "--route", "pool=b").policies.routes
    assert [route.choice.pools for route in routes] == [("a",), ("b",)]
    assert [route.listen for route in routes] == ["udp:0.0.0.0:5060", None]


def test_an_environment_variable_holds_several_routes() -> None:
    routes = given(env={"SLBROKER_ROUTE": "pool=a;method=INVITE;user=900* pool=b;method=BYE"}).policies.routes
    assert [(route.choice.pools, route.methods) for route in routes] == [
        (("a",), frozenset({b"INVITE"})),
        (("b",), frozenset({b"BYE"})),
    ]


@pytest.mark.parametrize(
    ("text", "shadow"),
    [("next", ("next", 100.0)), ("next:10", ("next", 10.0)), ("next:0.5", ("next", 0.5)), ("n:100", ("n", 100.0))],
)
def test_a_shadow_and_its_share(text: str, shadow: tuple[str, float]) -> None:
    assert given("--shadow", text).policies.shadow == shadow


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--shadow", "next:0"), "write POOL"), (("--shadow", "next:101"), "write POOL"),
        (("--shadow", "next:"), "write POOL"), (("--shadow", "next:1e1"), "write POOL"),
        (("--retry-after", "30-5"), "--retry-after '30-5': write"), (("--retry-after", "soon"), "write seconds"),
        (("--server", "a\r\nX: y"), "write one line"), (("--server", " "), "write one line"),
        (("--server", "x" * 129), "128 characters at most"), (("--server", "a\0"), "write one line"),
        (("--shadow", "a b"), "a name has letters"), (("--shadow", ":5"), "a name has letters"),
        (("--route", "method=INVITE"), "say where to"), (("--route", "pool=a listen=nowhere"), "listen address"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(words: tuple[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        given(*words)
