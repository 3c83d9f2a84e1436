"""What a handler may change on a message's way through: Request-URI and headers, never what makes it that message.

Nothing that is given can begin a line of its own: what holds a CR, LF or NUL is refused where it is given.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from slbroker.proxy.head import value_of, with_value
from slbroker.proxy.places import BEFORE, BEHIND, GONE, KINDS, MAX_NUMBER, VALUE, Change, make_changes
from slbroker.sip.grammar import canonical_name, is_token
from slbroker.sip.uri import InvalidUri, check_uri

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from slbroker.proxy.head import Head

# RFC 3261 16.6: a proxy leaves alone what tells one request from another, and the body with all that describes it. Via
# and Max-Forwards are the forwarder's.
UNTOUCHED: Final = frozenset((
    b"via", b"from", b"to", b"call-id", b"cseq", b"max-forwards",
    b"content-length", b"content-type", b"content-encoding", b"content-disposition", b"content-language",
    b"mime-version",
))  # fmt: skip
MAX_EDITS: Final = 64  # headers; and together they may have
MAX_EDITED: Final = 8_192  # bytes: what leaves is not much longer than what came

MAX_HOPS: Final = 255  # RFC 3261 20.22

_ZERO_SAYS: Final = ("uri", "hops")  # what says something even if it is nothing
_find_line_end = re.compile(rb"[\r\n\x00]").search
# RFC 3261 25.1, uri-parameters; whether bytes are such
_PARAM: Final = rb"[0-9A-Za-z_.!~*'()\[\]/:&+$%-]+"
are_params = re.compile(rb"(?:;%b(?:=%b)?){0,16}" % (_PARAM, _PARAM)).fullmatch
_match_line = re.compile(rb"([^:\s]++)[ \t]*+:[^\r\n\x00]*+").fullmatch


class Edits:
    """Changes to one message, checked when they are given.

    `uri` is the Request-URI; `remove` are names of headers that go, `places` single headers that change (`places`),
    `replace` headers of which one stays, in the first one's place, or at the end where there was none, and `add`
    headers that come at the end, all in this order. `hops` is what Max-Forwards is at most; `rr_params` stand in the
    URIs of our Record-Route, where there is one: b";nat=yes". Raises ValueError, with words for who wrote it.
    """

    __slots__ = ("add", "hops", "places", "remove", "replace", "rr_params", "uri")

    def __init__(
        self,
        uri: bytes | None = None,
        remove: Iterable[bytes] = (),
        replace: Sequence[tuple[bytes, bytes]] = (),
        add: Sequence[tuple[bytes, bytes]] = (),
        *,
        places: Iterable[Change] = (),
        hops: int | None = None,
        rr_params: bytes = b"",
    ) -> None:
        self.uri = uri
        self.hops = hops
        self.rr_params = rr_params
        self.places = [(change, _checked_change(change)) for change in places]
        self.remove = [_checked_name(name) for name in remove]
        self.replace = [(_checked_name(name), _checked_line(name, value)) for name, value in replace]
        self.add = [(_checked_name(name), _checked_line(name, value)) for name, value in add]
        if uri is not None:
            _check_uri(uri)
        if hops is not None and not 0 <= hops <= MAX_HOPS:
            raise ValueError(f"Max-Forwards is a number from 0 to {MAX_HOPS}, not {hops}")
        if not are_params(rr_params):
            raise ValueError(f"{rr_params!r:.80} are no parameters of a URI, such as ;nat=yes")
        given = [line for _, line in (*self.replace, *self.add)] + [change.text for change, _ in self.places]
        if len(given) + len(self.remove) > MAX_EDITS or sum(map(len, given)) + len(uri or b"") > MAX_EDITED:
            raise ValueError(f"more than {MAX_EDITS} headers, or {MAX_EDITED} bytes of them")

    def words(self) -> dict[str, Any]:
        """Return what was given, by name, what was not left out; names to be removed are canonical."""
        words = {
            "uri": self.uri,
            "remove": self.remove,
            "replace": [_split(line) for _, line in self.replace],
            "add": [_split(line) for _, line in self.add],
            "places": [list(change) for change, _ in self.places],
            "hops": self.hops,
            "rr_params": self.rr_params,
        }
        return {name: value for name, value in words.items() if value or (name in _ZERO_SAYS and value is not None)}

    def apply(self, head: Head) -> None:
        """Change the headers of `head`."""
        for name in self.remove:
            for at in reversed(head.find_all(name)):
                head.delete(at)
        if self.places:
            make_changes(self.places, head)
        if self.hops is not None:
            _limit_hops(head, self.hops)
        for name, line in self.replace:
            found = head.find_all(name)
            if not found:
                head.append(name, line)
                continue
            head.lines[found[0]] = line
            for at in reversed(found[1:]):
                head.delete(at)
        for name, line in self.add:
            head.append(name, line)


def _limit_hops(head: Head, hops: int) -> None:
    for at in head.find_all(b"max-forwards"):
        digits = value_of(head.lines[at])
        if not digits or int(digits) > hops:
            head.lines[at] = with_value(head.lines[at], b"%d" % hops)


def _check_uri(uri: bytes) -> None:
    try:
        check_uri(uri)
    except InvalidUri as invalid:
        raise ValueError(f"{uri!r} is no Request-URI: {invalid.reason}") from None


def _checked_name(name: bytes) -> bytes:
    if not is_token(name):
        raise ValueError(f"no header's name: {name!r}")
    canonical = canonical_name(name)
    if canonical in UNTOUCHED:
        raise ValueError(f"{name.decode()} is not changed on the way (RFC 3261 16.6)")
    return canonical


def _checked_change(change: Change) -> bytes:
    """Return the canonical name of the line that a change brings; b"" of one that brings none."""
    kind, name, number, text = change
    if kind not in KINDS or not 0 <= number <= MAX_NUMBER or (not name and kind != BEHIND):
        raise ValueError(f"no change of a header: {change!r:.80}")
    if kind in (BEFORE, BEHIND):
        line = _match_line(text)
        if line is None:
            raise ValueError(f"no header's line: {text!r:.80}")
        return _checked_name(line[1])
    if _checked_name(name) != name:
        raise ValueError(f"{name!r} is written {_checked_name(name)!r} here")
    if kind == VALUE and _find_line_end(text):
        raise ValueError(f"a line end or NUL in the value of {name!r}")
    if kind == GONE and text:
        raise ValueError(f"what goes has no text: {text!r:.80}")
    return b""


def _split(line: bytes) -> list[bytes]:
    """Return the name and the value that `_checked_line` was given."""
    name, _, value = line.partition(b": ")
    return [name, value]


def _checked_line(name: bytes, value: bytes) -> bytes:
    if _find_line_end(value):
        raise ValueError(f"a line end or NUL in the value of {name!r}")
    return b"%b: %b" % (name, value)
