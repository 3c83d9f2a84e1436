"""KSR.sdpops: what a request's SDP offers. What it takes out of the SDP that a proxy forwards is lost here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi import iterators
from slbroker_handlers.kemi.exports import BODY_STAYS, Module
from slbroker_handlers.kemi.sdp import STATIC, lines_of, sdp_of, streams_of
from slbroker_handlers.kemi.variables.access import put

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.sdp import Stream

sdpops = Module("sdpops")

NO_BODY: Final = -2
ALL: Final = 1
SOME: Final = 2


def _streams(call: Call) -> list[Stream] | None:
    sdp = sdp_of(call)
    return None if sdp is None else streams_of(sdp)


def _failure(call: Call) -> int:
    """Return what is answered where there is no SDP: -2 without a body, -1 for another one."""
    return -1 if call.message.body else NO_BODY


@sdpops.export
def sdp_content(call: Call) -> int:
    """Return 1 when the request has SDP, alone or as a part of its body."""
    return 1 if sdp_of(call) is not None else -1


@sdpops.export
def sdp_content_flags(call: Call, flags: int) -> int:
    """Return 1 when the request has SDP; with a flag, the header or the body's text has to name it, no more."""
    if not flags:
        return sdp_content(call)
    kind = (call.first(b"content-type") or b"").lower()
    is_named = b"application/sdp" in kind or (b"multipart/mixed" in kind and b"application/sdp" in call.message.body)
    return 1 if call.message.body and is_named else -1


def _with_media(call: Call, media: str, *, active: bool) -> int:
    streams = _streams(call)
    if streams is None:
        return -1 if call.message.body else 0
    return int(any(stream.media.lower() == media.lower() and (stream.is_active or not active) for stream in streams))


@sdpops.export
def sdp_with_media(call: Call, media: str) -> int:
    """Return 1 when there is a stream of this kind, audio or video; 0 without one, -1 for a body that is no SDP."""
    return _with_media(call, media, active=False)


@sdpops.export
def sdp_with_active_media(call: Call, media: str) -> int:
    """Return 1 when there is such a stream that has a port and is not inactive; 0 without one, -1 for no SDP."""
    return _with_media(call, media, active=True)


@sdpops.export
def sdp_with_transport(call: Call, transport: str) -> int:
    """Return 1 when a stream has this transport, such as RTP/SAVP."""
    return 1 if any(stream.transport.lower() == transport.lower() for stream in _streams(call) or ()) else -1


@sdpops.export
def sdp_with_transport_like(call: Call, part: str) -> int:
    """Return 1 when a stream has a transport with this text in it."""
    return 1 if any(part in stream.transport for stream in _streams(call) or ()) else -1


def _with_codecs(call: Call, wanted: list[str], has_one: Callable[[Stream, str], bool]) -> int:
    streams = _streams(call)
    if streams is None:
        return -1
    found = [has_one(stream, codec) for stream in streams for codec in wanted]
    return ALL if all(found) else SOME if any(found) else 0


@sdpops.export
def sdp_with_codecs_by_id(call: Call, numbers: str) -> int:
    """Return 1 when all streams have all these payload types, 2 when some have some, 0 for none, -1 without SDP."""
    return _with_codecs(call, [number.strip() for number in numbers.split(",")], lambda stream, n: n in stream.formats)


@sdpops.export
def sdp_with_codecs_by_name(call: Call, names: str) -> int:
    """Return 1 when all streams have all these codecs, 2 when some have some, -1 for none, or no SDP."""
    return _with_codecs(call, [name.strip().lower() for name in names.split(",")], _has_codec) or -1


def _has_codec(stream: Stream, codec: str) -> bool:
    """Return whether a stream has a codec, by its rtpmap or as a static payload type."""
    named = {number for number, name in stream.names.items() if name.lower() == codec}
    return STATIC.get(codec) in stream.formats or not named.isdisjoint(stream.formats)


@sdpops.export
def sdp_with_ice(call: Call) -> int:
    """Return 1 when the SDP has ICE candidates."""
    return 1 if re.search(r"^a=candidate:", sdp_of(call) or "", re.MULTILINE) else -1


def _put(call: Call, target: str, value: str) -> int:
    return put(call, target, value) if target.startswith(("$avp(", "$(avp(")) else -1


@sdpops.export
def sdp_transport(call: Call, target: str) -> int:
    """Set an $avp to the transport that all streams have: 1, also without a body; -2 for none in common, -1 no SDP."""
    streams = _streams(call)
    if streams is None:
        return -1 if call.message.body else 1
    transports = {stream.transport for stream in streams}
    return _put(call, target, transports.pop()) if len(transports) == 1 else -2


@sdpops.export
def sdp_get(call: Call, target: str) -> int:
    """Set an $avp to the SDP: 1, -2 without a body, -1 for another one."""
    sdp = sdp_of(call)
    return _failure(call) if sdp is None else _put(call, target, sdp)


@sdpops.export
def sdp_get_line_startswith(call: Call, target: str, prefix: str) -> int:
    """Set an $avp to the first line that begins so: 1, -1 without one, -2 without a body."""
    sdp = sdp_of(call)
    if sdp is None:
        return _failure(call)
    line = next((line for line in lines_of(sdp) if line.startswith(prefix)), None)
    return -1 if line is None else _put(call, target, line.rstrip("\r\n"))


@sdpops.export
def sdp_get_address_family(call: Call) -> int:
    """Return 4 or 6, by the first c= line; -1 without one."""
    found = re.search(r"^c=IN IP([46]) ", sdp_of(call) or "", re.MULTILINE)
    return int(found[1]) if found else -1


def _lines(call: Call) -> list[str] | None:
    sdp = sdp_of(call)
    return None if sdp is None else lines_of(sdp)


iterators.declare(sdpops, "sdp", "SDP", _lines)


# The forwarded request ------------------------------------------------------------------------------------------


@sdpops.export(partial=BODY_STAYS)
def remove_media(call: Call, media: str) -> int:
    """Take the streams of a kind out: 1, 0 without one, -1 for a body that is no SDP."""
    return sdp_with_media(call, media)


def _declare_lost(name: str) -> None:
    def lose(call: Call, listed: str, media: str) -> int:
        del listed, media
        return 0 if sdp_of(call) is not None else -1

    sdpops.add(name, lose, "Take something out of the SDP: 0, -1 without SDP.", partial=BODY_STAYS)


for _name in ("keep_codecs_by_id", "keep_codecs_by_name", "remove_codecs_by_id", "remove_codecs_by_name"):
    _declare_lost(_name)


@sdpops.export(partial=BODY_STAYS)
def remove_line_by_prefix(call: Call, prefix: str, media: str) -> int:
    """Take the lines out that begin so, of all streams or those of a kind: how many there are, -1 without SDP."""
    streams = _streams(call)
    if streams is None:
        return -1
    lines = (line for stream in streams if not media or stream.media == media for line in stream.lines)
    return sum(line.startswith(prefix) for line in lines)
