"""What a handler may change on a message's way through: Request-URI and headers, never what makes it that message.

Nothing that is given can begin a line of its own: what holds a CR, LF or NUL is refused where it is given.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

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

_find_line_end = re.compile(rb"[\r\n\x00]").search


class Edits:
    """Changes to one message, checked when they are given.

    `uri` is the Request-URI; `remove` are names of headers that go, `replace` headers of which one stays, in the first
    one's place, or at the end where there was none, and `add` headers that come at the end, all in this order. Raises
    ValueError, with words for who wrote it.
    """

    __slots__ = ("add", "remove", "replace", "uri")

    def __init__(
        self,
        uri: bytes | None = None,
        remove: Iterable[bytes] = (),
        replace: Sequence[tuple[bytes, bytes]] = (),
        add: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        self.uri = uri
        self.remove = [_checked_name(name) for name in remove]
        self.replace = [(_checked_name(name), _checked_line(name, value)) for name, value in replace]
        self.add = [(_checked_name(name), _checked_line(name, value)) for name, value in add]
        if uri is not None:
            _check_uri(uri)
        given = [line for _, line in (*self.replace, *self.add)]
        if len(given) + len(self.remove) > MAX_EDITS or sum(map(len, given)) + len(uri or b"") > MAX_EDITED:
            raise ValueError(f"more than {MAX_EDITS} headers, or {MAX_EDITED} bytes of them")

    def words(self) -> dict[str, Any]:
        """Return what was given, by name, what was not left out; names to be removed are canonical."""
        words = {
            "uri": self.uri,
            "remove": self.remove,
            "replace": [_split(line) for _, line in self.replace],
            "add": [_split(line) for _, line in self.add],
        }
        return {name: value for name, value in words.items() if value or (name == "uri" and value is not None)}

    def apply(self, head: Head) -> None:
        """Change the headers of `head`."""
        for name in self.remove:
            for at in reversed(head.find_all(name)):
                head.delete(at)
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


def _split(line: bytes) -> list[bytes]:
    """Return the name and the value that `_checked_line` was given."""
    name, _, value = line.partition(b": ")
    return [name, value]


def _checked_line(name: bytes, value: bytes) -> bytes:
    if _find_line_end(value):
        raise ValueError(f"a line end or NUL in the value of {name!r}")
    return b"%b: %b" % (name, value)
