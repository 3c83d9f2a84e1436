"""The SDP in a request's body (RFC 8866), as far as KSR.sdpops asks for it; it may be a part of several (RFC 2046)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from slbroker.sip.media import media_type
from slbroker.sip.uri import text

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call

SDP: Final = "application/sdp"
# RFC 2046 5.1.1: a boundary, in quotes or not.
_find_boundary = re.compile(rb';[ \t]*boundary[ \t]*=[ \t]*(?:"([^"]{1,200})"|([^\s;",]{1,200}))', re.IGNORECASE).search
_split_lines = re.compile(r"[^\n]*\n|[^\n]+").findall
_has_stream = re.compile(r"^m=", re.MULTILINE).search
_match_media = re.compile(r"m=(\S++)[ \t]++(\d++)\S*+[ \t]++(\S++)(.*)").match
_find_name = re.compile(r"a=rtpmap:(\S+)[ \t]+([^\s/]+)").match
# RFC 3551 table 4: the names of static payload types, which need no rtpmap; in lower case.
STATIC: Final = {
    "pcmu": "0", "gsm": "3", "g723": "4", "dvi4": "5", "lpc": "7", "pcma": "8", "g722": "9", "l16": "10", "qcelp": "12",
    "cn": "13", "mpa": "14", "g728": "15", "g729": "18", "celb": "25", "jpeg": "26", "nv": "28", "h261": "31",
    "mpv": "32", "mp2t": "33", "h263": "34",
}  # fmt: skip


class Part(NamedTuple):
    """A part of a body of several: its type, and its content with the line end before the boundary."""

    kind: str
    content: str


class Stream(NamedTuple):
    """One media description: what its m= line says, and its other lines."""

    media: str
    port: int
    transport: str
    formats: tuple[str, ...]
    lines: tuple[str, ...]

    @property
    def is_active(self) -> bool:
        """Return whether media may flow: the port is not 0, and it is not said to be inactive."""
        return self.port != 0 and "a=inactive" not in self.lines

    @property
    def names(self) -> dict[str, str]:
        """Return the codecs' names by their numbers, as the rtpmap lines have them."""
        found = (_find_name(line) for line in self.lines)
        return {pair[1]: pair[2] for pair in found if pair is not None}


def parts(call: Call) -> list[Part]:
    """Return the parts of a multipart body; [] for another."""
    value = call.first(b"content-type") or b""
    found = _find_boundary(value)
    if not media_type(value).startswith("multipart/") or found is None:
        return []
    boundary = "--" + text(found[1] or found[2])
    pieces = re.split(rf"(?:\A|\r?\n){re.escape(boundary)}", text(call.message.body))
    made = []
    for piece in pieces[1:]:
        if piece.startswith("--"):
            break
        head, _, content = piece.partition("\r\n\r\n")
        kind = re.search(r"^content-type[ \t]*+:[ \t]*+([^\r\n]*+)", head, re.IGNORECASE | re.MULTILINE)
        made.append(Part(media_type(kind[1].encode(errors="surrogateescape")) if kind else "", f"{content}\r\n"))
    return made


def sdp_of(call: Call) -> str | None:
    """Return the SDP, None where there is none, or none with a stream in it."""
    if not call.message.body:
        return None
    if media_type(call.first(b"content-type") or b"") == SDP:
        found: str | None = text(call.message.body)
    else:
        found = next((part.content for part in parts(call) if part.kind == SDP), None)
    return found if found is not None and _has_stream(found) else None


def lines_of(sdp: str) -> list[str]:
    """Return lines, each with its end."""
    return _split_lines(sdp)


def streams_of(sdp: str) -> list[Stream]:
    """Return the media descriptions."""
    made: list[tuple[re.Match[str], list[str]]] = []
    for line in sdp.split("\n"):
        line = line.rstrip("\r")  # noqa: PLW2901 - its end
        found = _match_media(line)
        if found is not None:
            made.append((found, []))
        elif made:
            made[-1][1].append(line)
    return [Stream(m[1], int(m[2][:9]), m[3], tuple(m[4].split()), tuple(lines)) for m, lines in made]


_is_silenced = re.compile(r"^a=(?:sendonly|inactive)\s*$", re.MULTILINE).search
_is_nowhere = re.compile(r"^c=IN IP4 0\.0\.0\.0\s*$", re.MULTILINE).search


def held_by(body: str) -> int:
    """Return by what a body puts audio on hold: 2 by sendonly or inactive, 1 by the address 0.0.0.0, 0 by nothing."""
    session, *media = re.split(r"^(?=m=)", body, flags=re.MULTILINE)
    for stream in media:
        if stream.startswith("m=audio"):
            if _is_silenced(stream):
                return 2
            if _is_nowhere(stream if "c=" in stream else session):
                return 1
    return 0
