"""What tests of digest authentication share: who may come in, and what a challenge says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slbroker.sip.credentials import parse_credentials

if TYPE_CHECKING:
    from slbroker.sip.response import Response

URI = "sip:example.com"
PASSWORDS = {"alice": "wonderland", "zoë": "pässword"}


def challenge_of(response: Response, title: str = "WWW-Authenticate") -> Any:
    (value,) = response.all(title)
    return parse_credentials(value.encode()).params
