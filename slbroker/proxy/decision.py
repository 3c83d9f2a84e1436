"""What was decided of a message on its way through, as the bus carries it: a map, in the place of an answer's bytes.

    of a request    {"to", "record_route", "path"} and what `Edits.words` says    Forward
    of a reply      {"status", "reason"} and the same, but no "uri"               Amended

A key that says nothing is left out; one that is not known is passed over, so that there may be more later.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from slbroker.errors import EnvelopeError
from slbroker.proxy.edits import Edits
from slbroker.proxy.places import Change

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_TO: Final = 512  # characters of a next hop
MAX_REASON: Final = 512  # characters of a reason phrase
_find_control = re.compile(r"[\x00-\x1f\x7f]").search


class Forward(NamedTuple):
    """The decision that a request goes on.

    `to` is a next hop as people write them (`nexthop`): "sip:10.0.0.5;transport=tcp", "group:1"; or "target", where the
    request itself says; or "", where the edge sends what nobody names a next hop for. `edits` are made on the way.
    `record_route` and `path` are None where the edge's own options count.
    """

    to: str = ""
    edits: Edits | None = None
    record_route: bool | None = None
    path: bool | None = None

    def words(self) -> dict[str, Any]:
        """Return the map that says this: text, bytes, bools, and lists of bytes or of pairs of bytes."""
        words: dict[str, Any] = {"to": self.to} if self.to else {}
        if self.edits is not None:
            words |= self.edits.words()
        if self.record_route is not None:
            words["record_route"] = self.record_route
        if self.path is not None:
            words["path"] = self.path
        return words


class Amended(NamedTuple):
    """The decision that a reply goes back: with another status of its class, 0 for its own, and with edits."""

    status: int = 0
    reason: str = ""
    edits: Edits | None = None

    def words(self) -> dict[str, Any]:
        """Return the map that says this."""
        words: dict[str, Any] = {"status": self.status, "reason": self.reason} if self.status else {}
        return words if self.edits is None else words | self.edits.words()


def read_forward(words: Mapping[Any, Any]) -> Forward:
    """Return what `Forward.words` says; raise EnvelopeError for a map that says what cannot be."""
    to = words.get("to", "")
    if type(to) is not str or len(to) > MAX_TO or _find_control(to):
        raise EnvelopeError("a next hop is no text that could be one")
    return Forward(to, _read_edits(words), _flag(words, "record_route"), _flag(words, "path"))


def read_amended(words: Mapping[Any, Any]) -> Amended:
    """Return what `Amended.words` says; raise EnvelopeError for a map that says what cannot be."""
    status, reason = words.get("status", 0), words.get("reason", "")
    if type(status) is not int or not (status == 0 or 100 <= status <= 699):
        raise EnvelopeError(f"a reply's status is {status!r:.40}")
    if type(reason) is not str or len(reason) > MAX_REASON or _find_control(reason) or bool(reason) != bool(status):
        raise EnvelopeError("a reply's reason is no text that could be one")
    if "uri" in words:
        raise EnvelopeError("a reply has no Request-URI")
    return Amended(status, reason, _read_edits(words))


def _flag(words: Mapping[Any, Any], name: str) -> bool | None:
    value = words.get(name)
    if value is not None and type(value) is not bool:
        raise EnvelopeError(f"{name} is neither true nor false")
    return value


def _read_edits(words: Mapping[Any, Any]) -> Edits | None:
    uri, remove, params = words.get("uri"), words.get("remove", ()), words.get("rr_params", b"")
    if not (uri is None or type(uri) is bytes) or not _is_bytes(remove) or type(params) is not bytes:
        raise EnvelopeError("a Request-URI, its parameters, or what is removed, is not of bytes")
    replace, add = (_pairs(words.get(name, ())) for name in ("replace", "add"))
    places, hops = _changes(words.get("places", ())), words.get("hops")
    if hops is not None and type(hops) is not int:
        raise EnvelopeError("hops are no number")
    if uri is None and hops is None and not (remove or replace or add or places or params):
        return None
    try:
        return Edits(uri, remove, replace, add, places=places, hops=hops, rr_params=params)
    except ValueError as error:
        raise EnvelopeError(f"edits that cannot be made: {error}") from None


def _pairs(given: Any) -> list[tuple[bytes, bytes]]:
    if not isinstance(given, list | tuple) or not all(_is_bytes(pair) and len(pair) == 2 for pair in given):
        raise EnvelopeError("headers are not pairs of bytes")
    return [(name, value) for name, value in given]


def _changes(given: Any) -> list[Change]:
    if not isinstance(given, list | tuple):
        raise EnvelopeError("changes of headers are no list")
    changes = []
    for words in given:
        if not (isinstance(words, list | tuple) and len(words) == 4 and type(words[2]) is int):
            raise EnvelopeError("a change of a header is not kind, name, number and text")
        kind, name, number, text = words
        if not _is_bytes((kind, name, text)):
            raise EnvelopeError("a change of a header is not of bytes")
        changes.append(Change(kind, name, number, text))
    return changes


def _is_bytes(given: Any) -> bool:
    return isinstance(given, list | tuple) and all(type(one) is bytes for one in given)
