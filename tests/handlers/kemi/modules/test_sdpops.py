"""SDP line by line, which no Kamailio 5.6 has."""

from __future__ import annotations

import pytest

from slbroker_handlers.kemi.testing import ksr_request
from tests.support.timing import within

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
