"""Short URIs."""

from __future__ import annotations

import pytest

from slbroker_handlers.kemi.testing import ksr_request


@pytest.mark.parametrize(
    ("transformation", "value"),
    [
        ("uri.duri", "sip:server.com:5060;transport=tcp"),
        ("uri.saor", "sip:alice@server.com"),
        ("uri.suri", "sip:alice@server.com:5060;transport=tcp"),
    ],
)
def test_short_uris_are_as_documented(transformation: str, value: str) -> None:
    """Kamailio 5.6.3 writes a stray character behind the scheme, another one each time."""
    uri = "sip:alice@server.com:5060;nat=yes;transport=tcp;line=xyz"
    expression = f"KSR.pv.sets('$var(s)', '{uri}') and KSR.pv.get('$(var(s){{{transformation}}})')"
    with ksr_request("MESSAGE"):
        import KSR

        assert eval(expression, {"KSR": KSR}) == value
