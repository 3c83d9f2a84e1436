"""No guard looks at raw text: what RFC 3261 has alike is caught alike, however a peer writes it."""

from __future__ import annotations

from typing import Any

import pytest

from slbroker import Handlers, Request
from slbroker.bus.routes import Route
from slbroker.plugin import screen
from slbroker.sip.media import media_type, squeezed
from slbroker.sip.parser import parse
from slbroker.sip.uri import parse_uri
from slbroker.sip.validate import Checks
from slbroker.testing import SOURCE, Client
from tests.support.sip import request

SCAN = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=sipvicious scan\r\n"


def screened(data: bytes, **rules: Any) -> bool:
    """Whether a plugin with these rules is silent; with rules that nothing matches it answers."""
    app = Handlers()
    app.before(screen(user_agents=rules.pop("user_agents", ()), **rules))
    app.otherwise(lambda request: request.reply(200))
    return not Client(app).exchange(data)


@pytest.mark.parametrize(
    "written",
    [
        "application/sdp",
        "application / sdp",
        "application/\tsdp",
        "application \r\n /sdp",
        "APPLICATION/Sdp",
        "application/sdp;charset=utf-8",
        "Application /SDP ; charset = UTF-8",
        "application/sdp, text/plain",
        "multipart/mixed;boundary=x",
        ["text/plain", "application/sdp"],
        None,
    ],
)
@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r"])
def test_sdp_is_looked_into_however_its_type_is_written(written: Any, end: bytes) -> None:
    data = request("INVITE", content_type=written, body=SCAN.replace(b"\r\n", end))
    assert screened(data, sdp=["s=*scan*"])
    assert not screened(data, sdp=["s=other"])


def test_what_is_no_sdp_is_not_looked_into() -> None:
    assert not screened(request("MESSAGE", content_type="text / plain", body=SCAN), sdp=["s=*scan*"])


def test_a_second_user_agent_hides_no_first() -> None:
    assert screened(request(user_agent=["Snom", "friendly-scanner"]), user_agents=["friendly*"])


@pytest.mark.parametrize("uri", ["sip:900123@h", "sip:%39%30%30123@h", "sip:9%300123@h", "sips:%390%30%31%32%33@h:1"])
def test_a_number_is_screened_however_it_is_escaped(uri: str) -> None:
    assert screened(request("INVITE", uri), users=["900*"])
    assert screened(request("INVITE", uri), users=["900123"])


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("Content-Type: application/sdp", "application / SDP"),
        ("Content-Type: application/sdp;x=1", "application/sdp ; x = 1"),
        ("Content-Type: application/sdp; x=1", "application/sdp;x=1"),
        ("Event: presence;id=1", "presence ; ID=1"),
        ("Supported: path,timer", "path ,\r\n timer"),
        ("Subject: get rich", "get \t  rich"),
    ],
)
def test_white_space_hides_no_header(pattern: str, value: str) -> None:
    name = pattern.partition(":")[0].lower().replace("-", "_")
    assert screened(request("INVITE", **{name: value}), headers=[pattern])  # type: ignore[arg-type]


HOSTS = [
    ("example.com", "EXAMPLE.com"),
    ("example.com", "example.com."),
    ("example.com.", "example.com"),
    ("*.example.com", "a.Example.com."),
    ("2001:db8::1", "[2001:DB8:0:0::1]"),
    ("[2001:db8:0::1]", "[2001:db8::0001]"),
]


@pytest.mark.parametrize(("pattern", "host"), HOSTS)
def test_a_domain_is_one_however_it_is_written(pattern: str, host: str) -> None:
    app = Handlers()
    app.on("INVITE", domain=pattern)(lambda request: request.reply(403))
    app.otherwise(lambda request: request.reply(200))
    (reply,) = Client(app).exchange(request("INVITE", f"sip:bob@{host}"))
    assert reply.startswith(b"SIP/2.0 403 ")


@pytest.mark.parametrize(("pattern", "host"), HOSTS)
def test_a_route_of_the_edge_sees_what_handlers_see(pattern: str, host: str) -> None:
    route = Route.read(f"pool=far user=900* domain={pattern}")
    message = parse(request("INVITE", f"sip:%39%300123@{host}"))
    assert route.matches(message, SOURCE.listen)


@pytest.mark.parametrize("host", ["192.0.2.1", "host_name", "2001:db8:::192.0.2.1", "::ffff:192.0.2.1", "fe80::1%eth0"])
def test_other_hosts_stay_as_they_are(host: str) -> None:
    written = f"[{host}]" if ":" in host else host
    assert parse_uri(f"sip:a@{written}".encode()).host == host


@pytest.mark.parametrize("tags", ["PATH", " path ,", "Path,,PATH"])
def test_option_tags_are_in_any_case(tags: str) -> None:
    checks = Checks(supported=frozenset({b"path"}))
    asked = Request(parse(request(require=tags), checks), SOURCE)
    assert set(asked.require) == {"path"}


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (b"application / sdp", "application/sdp"),
        (b" TEXT/Plain;x", "text/plain"),
        (b"", ""),
        (b"sdp ; x", "sdp"),
        (b"a/b/c", "a/b"),
        (b"j\xfc/x", "j\udcfc/x"),
    ],
)
def test_a_media_type(value: bytes, read: str) -> None:
    assert media_type(value) == read


def test_long_values_take_linear_time() -> None:
    for value in (" " * 60_000, "/" * 60_000, " /" * 30_000, "a " * 30_000):
        squeezed(value)
        media_type(value.encode())
