"""What needs no state and has no Kamailio 5.6 to be held against: SDP line by line, templates, challenges in parts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from slbroker.errors import ConfigError
from slbroker.testing import Client, credentials
from slbroker_handlers.kemi.testing import ksr_request, new_state
from tests.handlers.kemi.scripts import serve
from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path

SDP = "v=0\r\no=- 20 7 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=last"


def test_an_sdp_is_gone_through_line_by_line() -> None:
    with ksr_request("INVITE", headers={"Content-Type": "application/sdp"}, body=SDP):
        import KSR

        assert KSR.sdpops.sdp_iterator_value("i") is None
        assert KSR.sdpops.sdp_iterator_next("i") == -1
        assert KSR.sdpops.sdp_iterator_start("i") == 1
        assert KSR.sdpops.sdp_iterator_value("i") is None
        lines = []
        while KSR.sdpops.sdp_iterator_next("i") > 0:
            lines.append(KSR.sdpops.sdp_iterator_value("i"))
        assert "".join(lines) == SDP
        assert (KSR.sdpops.sdp_iterator_value("i"), KSR.sdpops.sdp_iterator_end("i")) == (None, 1)
        assert KSR.sdpops.sdp_get_address_family() == 6


def test_a_request_without_sdp_has_no_lines() -> None:
    with ksr_request("INVITE"):
        import KSR

        assert KSR.sdpops.sdp_iterator_start("i") == -1
        assert KSR.sdpops.sdp_get_address_family() == -1


@pytest.mark.timeout(within(10))
def test_a_stream_of_many_lines_costs_no_more_than_its_lines() -> None:
    """With each line taken again for the next one, a body as large as a datagram took half a minute."""
    with ksr_request(
        "INVITE", headers={"Content-Type": "application/sdp"}, body="m=audio 4000 RTP/AVP 0" + "\n" * 60_000
    ):
        import KSR

        assert KSR.sdpops.sdp_with_media("audio") == 1


def test_templates_are_filled_in(tmp_path: Path) -> None:
    file = tmp_path / "a.tpl"
    file.write_text('{"from": "$fu", "x": $var(x)}\n')
    state = new_state(f"pvtpl.tpl=name=one;fpath={file};bsize=64;")
    with ksr_request("INVITE", headers={"From": "<sip:al@example.org>;tag=1"}, state=state):
        import KSR

        KSR.pv.seti("$var(x)", 7)
        assert KSR.pvtpl.pvtpl_render("one", "$var(out)") == 1
        assert KSR.pv.get("$var(out)") == '{"from": "sip:al@example.org", "x": 7}\n'
        assert KSR.pvtpl.pvtpl_render("two", "$var(out)") == -1


@pytest.mark.parametrize("definition", ["", "name=x", "fpath=/x", "name=x;fpath=/nonesuch/file"])
def test_a_template_that_is_none_is_refused(definition: str) -> None:
    with pytest.raises(ConfigError, match=r"pvtpl\.tpl"):
        new_state(f"pvtpl.tpl={definition}")


CHALLENGE = """
    if KSR.auth.pv_www_authenticate_method("ex.org", "secret", 0, "MESSAGE") > 0:
        KSR.sl.sl_send_reply(200, "OK")
    else:
        KSR.auth.auth_get_www_authenticate("ex.org", 1, "$var(challenge)")
        KSR.hdr.append_to_reply(KSR.pv.get("$var(challenge)"))
        KSR.sl.sl_send_reply(401, "Who Are You")
"""


def test_a_challenge_is_made_and_answered_in_parts(tmp_path: Path) -> None:
    """Kamailio 5.6.3 makes the header with its line end; the credentials are judged as those of another method."""
    client: Client = serve(tmp_path, CHALLENGE)
    challenged = client.request("INVITE")
    assert challenged is not None
    assert challenged.status == 401
    said = challenged.first("WWW-Authenticate")
    assert re.fullmatch(r'Digest realm="ex\.org", nonce="[^"]+", qop="auth", algorithm=MD5', said or "")
    for method, status in {"MESSAGE": 200, "INVITE": 401}.items():
        answer = credentials(challenged, method, "sip:bob@example.com", "al", "secret")
        reply = client.request("INVITE", "sip:bob@example.com", answer)
        assert reply is not None
        assert reply.status == status


def test_a_function_called_by_name_sets_the_variable_that_is_named() -> None:
    with ksr_request("INVITE"):
        import KSR

        assert KSR.x.modf("detailed_ip_type", "192.168.1.1", "$var(kind)") == 1
        assert KSR.pv.get("$var(kind)") == "PRIVATE"
