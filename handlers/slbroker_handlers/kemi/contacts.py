"""Contact on the way through: what a script puts into its addresses, the text around them as it came."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from slbroker.errors import Reject
from slbroker.sip.address import parse_address_list
from slbroker.sip.uri import text
from slbroker_handlers.kemi.passage import named, set_value
from slbroker_handlers.kemi.uris import split_uri

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.draft import Line
    from slbroker_handlers.kemi.uris import UriParts

CONTACT = b"contact"


class Entry(NamedTuple):
    """One address of a header: what stands before its URI, that, and what stands behind."""

    before: str
    uri: str
    behind: str

    @property
    def is_bare(self) -> bool:
        """Return whether the URI stands without <>: then the parameters behind it are the header's."""
        return not self.behind.startswith(">")

    def with_uri(self, uri: str) -> str:
        """Return the address with another URI."""
        return f"{self.before}{uri}{self.behind}"

    def with_params(self, params: str, at: int) -> str:
        """Return the address with parameters put into its URI, which gets <> for that."""
        uri = self.uri[:at] + params + self.uri[at:]
        return f"{self.before}<{uri}>{self.behind}" if self.is_bare else self.with_uri(uri)


def read_entries(value: str) -> list[Entry]:
    """Return the addresses in a header's value, and all text between them; raise Reject where it cannot be read."""
    entries: list[Entry] = []
    at = 0
    raw = value.encode(errors="surrogateescape")
    addresses = parse_address_list(raw)
    for address, following in zip(addresses, [*addresses[1:], None], strict=True):
        start = raw.index(address.uri_bytes, at)
        stop = start + len(address.uri_bytes)
        end = len(raw) if following is None else raw.index(following.raw, stop)
        entries.append(Entry(text(raw[at:start]), text(raw[start:stop]), text(raw[stop:end])))
        at = end
    return entries


def host_end(uri: str, parts: UriParts) -> int:
    """Return where host and port end in a URI."""
    return len(uri) - len(parts.params) - len(parts.headers)


def change_contacts(call: Call, what: str, make: Callable[[Entry, UriParts], str | None], which: int | None) -> int:
    """Change addresses: those of all headers, or that at `which` of the first one: 1, -1 where one cannot be read.

    `make` returns the whole address, None for one that stays. The chosen one has to be a SIP URI: else it is -1.
    """
    lines = named(call, CONTACT)
    if which is not None:
        return _change(lines[0], what, make, which) if lines else -1
    return min((_change(line, what, make, None) for line in lines), default=1)


def _change(line: Line, what: str, make: Callable[[Entry, UriParts], str | None], which: int | None) -> int:
    try:
        entries = read_entries(text(line.latest))
    except Reject:
        return -1
    parts = [split_uri(entry.uri) for entry in entries]
    if which is not None:
        at = which % len(entries)
        chosen = parts[at]
        if chosen is None or not chosen.host:
            return -1
        parts = [chosen if number == at else None for number in range(len(entries))]
    made = (
        (make(entry, uri) if uri is not None else None) or entry.with_uri(entry.uri)
        for entry, uri in zip(entries, parts, strict=True)
    )
    return 1 if set_value(what, line, "".join(made)) else -1
