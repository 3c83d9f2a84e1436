"""The request written out again: `$mb`, and what is measured or searched in it. Workers never see the datagram."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slbroker.sip.grammar import USUAL_NAMES

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call

_TITLES: Final = {name.lower(): name for name in USUAL_NAMES}


def title_of(name: bytes) -> bytes:
    """Return a header's name in its usual spelling, from its canonical one."""
    return _TITLES.get(name) or b"-".join(part.capitalize() for part in name.split(b"-"))


def rebuild(call: Call) -> bytes:
    """Return request line and headers, names long, each line with its end, the empty line, and the body."""
    message = call.message
    flat = iter(call.headers)
    lines = [b"%b: %b" % (title_of(name), value) for name, value in zip(flat, flat, strict=True)]
    return b"\r\n".join((b"%b %b SIP/2.0" % (message.method, message.uri), *lines, b"", message.body))
