"""Pseudo-variables that scripts seldom use: identities, host names, colours, branches, lengths, special characters."""

from __future__ import annotations

import re
import socket
import time
from typing import TYPE_CHECKING, Final

from slbroker.sip.uri import text
from slbroker_handlers.kemi.lineiterators import line_at
from slbroker_handlers.kemi.pvars import from_uri, request_uri, to_uri, uri_of
from slbroker_handlers.kemi.pvspec import parse_spec
from slbroker_handlers.kemi.rebuilt import title_of
from slbroker_handlers.kemi.sdpbody import sdp_of
from slbroker_handlers.kemi.uris import read_address, split_uri
from slbroker_handlers.kemi.xavps import read_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.exports import Xval
    from slbroker_handlers.kemi.pvars import Getter
    from slbroker_handlers.kemi.pvspec import Spec
    from slbroker_handlers.kemi.release import Release
    from slbroker_handlers.kemi.tables import Value
    from slbroker_handlers.kemi.xavps import Lists

# The machine and the clock --------------------------------------------------------------------------------------


def _host_name(_call: Call, spec: Spec) -> Xval:
    name = socket.gethostname()
    return {"f": name, "n": name.partition(".")[0], "d": name.partition(".")[2]}.get(spec.inner) or None


def _utc(call: Call, spec: Spec) -> Xval:
    return time.strftime(spec.inner, time.gmtime(call.state.date()))


def _time_value(call: Call, spec: Spec) -> Xval:
    """Seconds and microseconds: s, u; sn, un of now and not of when they were first asked for; Sn both as text."""
    now = call.state.date()
    seconds, micros = int(now), int(now % 1 * 1_000_000)
    values: dict[str, Xval] = {"s": seconds, "sn": seconds, "u": micros, "un": micros, "Sn": f"{seconds}.{micros:06}"}
    return values.get(spec.inner)


_COLOURS: Final = {"x": 9, "s": 0, "r": 1, "g": 2, "y": 3, "b": 4, "p": 5, "c": 6, "w": 7}


def _colour(_call: Call, spec: Spec) -> Xval:
    """A terminal's colours: of the text, bold for an upper-case letter, and of what is behind it."""
    front, behind = spec.inner[:1], spec.inner[1:]
    if front.lower() not in _COLOURS or behind not in _COLOURS or (front.isupper() and front == "X"):
        return None
    return f"\x1b[{int(front.isupper())};{30 + _COLOURS[front.lower()]};{40 + _COLOURS[behind]}m"


# Headers --------------------------------------------------------------------------------------------------------


def _asserted(call: Call, spec: Spec) -> Xval:
    """The URI in P-Asserted-Identity, of the one at a position (RFC 3325)."""
    listed = [read_address(piece.encode(errors="surrogateescape")).uri for value in call.all("P-Asserted-Identity")
              for piece in _addresses(value)]  # fmt: skip
    return spec.pick([uri for uri in listed if uri])


def _addresses(value: str) -> list[str]:
    """Return the addresses of a header, which commas part."""
    pieces, depth, quoted = [""], 0, False
    for character in value:
        if character == '"':
            quoted = not quoted
        elif character in "<>" and not quoted:
            depth += 1 if character == "<" else -1
        if character == "," and not quoted and depth <= 0:
            pieces.append("")
        else:
            pieces[-1] += character
    return [piece.strip() for piece in pieces]


def _uri_in(name: bytes) -> Callable[[Call], str]:
    return lambda call: read_address(call.first(name)).uri


def _name_in(name: bytes) -> Getter:
    return lambda call, _spec: read_address(call.first(name)).display or None


def _user_length(uri: Callable[[Call], str | None]) -> Getter:
    def read(call: Call, _spec: Spec) -> Xval:
        parts = split_uri(uri(call) or "")
        return len(parts.user.encode(errors="surrogateescape")) if parts is not None else 0

    return read


def _contact_uri(call: Call, _spec: Spec) -> Xval:
    return read_address(call.first(b"contact")).uri or None


def _is_star(call: Call, _spec: Spec) -> Xval:
    return int((call.first(b"contact") or b"").strip() == b"*")


# Branches -------------------------------------------------------------------------------------------------------

_BRANCH_TEXTS: Final = (
    "dst_uri", "path", "send_socket", "socket", "ruid", "location_ua", "instance", "otcpid", "msgbuf",
)  # fmt: skip


def _branch(call: Call, spec: Spec) -> Xval:
    """A branch's uri, q in thousandths, flags, or what a script has noted of it; count: how many there are."""
    if spec.inner == "count":
        return len(call.branches) or None
    found = _branch_at(call, spec)
    if found is None:
        return None
    uri, q = call.branches[found]
    values: dict[str, Xval] = {"uri": uri, "q": round(float(q) * 1000) if q else None, "flags": 0}
    return values.get(spec.inner, call.branch_notes.get((found, spec.inner)))


def _branch_at(call: Call, spec: Spec) -> int | None:
    at = 0 if spec.position in (None, "*") else int(spec.position or 0)
    at = at + len(call.branches) if at < 0 else at
    return at if 0 <= at < len(call.branches) else None


def _set_branch(call: Call, spec: Spec, value: Value | None) -> bool:
    found = _branch_at(call, spec)
    if found is None:
        return False
    q = call.branches[found][1]
    if spec.inner == "uri" and isinstance(value, str):
        call.branches[found] = (value, q)
    elif spec.inner in _BRANCH_TEXTS:
        call.branch_notes[found, spec.inner] = None if value is None else str(value)
    return True


# $xavp and its relatives ----------------------------------------------------------------------------------------


def _list_of(call: Call, name: str) -> Lists:
    xavps = call.xavps
    return {"xavp": xavps.xavp, "xavi": xavps.xavi, "xavu": xavps.xavu}[name]


def _get_xavp(call: Call, spec: Spec) -> Xval:
    path = read_path(spec.inner)
    return _list_of(call, spec.name).get(path) if path is not None and spec.position in (None, "0", "*") else None


def _set_xavp(call: Call, spec: Spec, value: Value | None) -> bool:
    path = read_path(spec.inner)
    if path is None:
        return False
    return _list_of(call, spec.name).set(path, value)


_is_number = re.compile(r"[0-9]{1,9}").fullmatch


# Counts, lines, SDP ---------------------------------------------------------------------------------------------


def _expires(call: Call, spec: Spec) -> Xval:
    """The least or the greatest number of seconds that contacts ask for, those without a number by Expires."""
    if spec.inner not in ("min", "max"):
        return None
    asked = [_expires_in(piece) for value in call.all("Contact") for piece in _addresses(value)] or [None]
    usual = next((int(value) for value in call.all("Expires")[:1] if _is_number(value)), None)
    seconds = [int(each) if each is not None and _is_number(each) else usual for each in asked]
    found = [each for each in seconds if each is not None]
    return (min if spec.inner == "min" else max)(found) if found else None


def _expires_in(contact: str) -> str | None:
    """Return a contact's expires parameter as written, behind its URI."""
    behind = contact.rpartition(">")[2]
    pairs = (piece.strip().partition("=") for piece in behind.split(";")[1:])
    return next((value.strip() for name, _, value in pairs if name.strip().lower() == "expires"), None)


def _count(call: Call, spec: Spec) -> Xval:
    """How many values there are of the $avp or $xavp that is written inside."""
    inner = parse_spec(spec.inner)
    if inner is None:
        return None
    if inner.name == "avp":
        return len(call.avps.get(inner.inner.removeprefix("s:"), []))
    return call.xavps.xavp.count(inner.inner) if inner.name == "xavp" else None


def _sdp(call: Call, spec: Spec) -> Xval:
    sdp = sdp_of(call)
    if sdp is None or spec.inner == "body":
        return sdp
    found = re.search(r"^o=\S+ \S+ ([0-9]{1,9})", sdp, re.MULTILINE) if spec.inner == "sess_version" else None
    return int(found[1]) if found else None


def _header_at(call: Call, spec: Spec, which: int) -> Xval:
    at = call.iterators.get(spec.inner, -1)
    if at < 0:
        return None
    return text(call.headers[2 * at + 1]) if which else text(title_of(call.headers[2 * at]))


def _line_at(call: Call, spec: Spec) -> Xval:
    return line_at(call, "bl", spec.inner)


def _text(text: str) -> Getter:
    return lambda _call, _spec: text


GETTERS: Final[dict[str, Getter]] = {
    "HN": _host_name,
    "utimef": _utc,
    "TV": _time_value,
    "C": _colour,
    "cfg": lambda _call, spec: 0 if spec.inner == "line" else None,
    "branch": _branch,
    "ai": _asserted,
    **{
        f"p{letter}": uri_of(_uri_in(b"p-preferred-identity"), part)
        for letter, part in {"u": "whole", "U": "user", "d": "host"}.items()
    },
    "pn": _name_in(b"p-preferred-identity"),
    "re": uri_of(_uri_in(b"remote-party-id"), "whole"),
    "rt": uri_of(_uri_in(b"refer-to"), "whole"),
    "fUl": _user_length(from_uri),
    "tUl": _user_length(to_uri),
    "rUl": _user_length(request_uri),
    "xavp": _get_xavp,
    "xavi": _get_xavp,
    "xavu": _get_xavp,
    "expires": _expires,
    "cnt": _count,
    "sdp": _sdp,
    "hfitname": lambda call, spec: _header_at(call, spec, 0),
    "hfitbody": lambda call, spec: _header_at(call, spec, 1),
    "blitval": _line_at,
    "cts": _is_star,
    "ctu": _contact_uri,
    "tts": lambda call, _: int(bool(call.message.to_tag)),
    **{
        f"E{letter}": _text(meant)
        for letter, meant in {
            "b": "\\", "n": "\n", "r": "\r", "t": "\t", "s": " ", "c": ",", "q": '"', "k": "'", "i": ":", "j": ";",
            "v": "`",
        }.items()
    },
}  # fmt: skip
SETTERS: Final = {"branch": _set_branch, "xavp": _set_xavp, "xavi": _set_xavp, "xavu": _set_xavp}
# The releases that brought those which 5.6 has not.
SINCE: Final[dict[str, Release]] = {
    **{name: (6, 0) for name in GETTERS if name in ("cts", "ctu") or name[0] == "E"},
    "tts": (6, 1),
}
