"""What a handler says of a request that goes on, looked at where it says it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from slbroker.errors import ConfigError
from slbroker.plugin.arguments import as_several
from slbroker.plugin.contact import one_uri
from slbroker.proxy.decision import MAX_TO, Forward
from slbroker.proxy.edits import Edits
from slbroker.proxy.nexthop import read_where
from slbroker.sip.uri import Uri

if TYPE_CHECKING:
    from slbroker.plugin.arguments import Words
    from slbroker.plugin.reply import Headers


def going_on(
    to: str, uri: str | Uri | None, remove: Words = (), replace: Headers | None = None, add: Headers | None = None,
    record_route: bool | None = None, path: bool | None = None,
) -> Forward:  # fmt: skip
    """Return the decision that a request goes on; raise ValueError for what cannot be."""
    if type(to) is not str:
        raise ValueError(f"a next hop is text such as 'sip:10.0.0.5:5060', not {to!r:.80}")
    for name, flag in (("record_route", record_route), ("path", path)):
        if flag is not None and type(flag) is not bool:
            raise ValueError(f"{name}={flag!r:.80} is neither True, False nor None")
    plain = _plain(to, record_route, path)
    if uri is None and not (remove or replace or add):
        return plain
    return plain._replace(edits=changes(uri, remove, replace, add))


@lru_cache(maxsize=1_024)
def _plain(to: str, record_route: bool | None, path: bool | None) -> Forward:
    """Return the decision that a request goes on as it is; raise ValueError for what is no next hop."""
    if to:
        check_next_hop(to)
    return Forward(to, None, record_route, path)


def changes(uri: str | Uri | None, remove: Words, replace: Headers | None, add: Headers | None) -> Edits | None:
    """Return what is to be changed, None for nothing; raise ValueError for what cannot be."""
    written = None if uri is None else _uri(uri)
    names = [_bytes(name) for name in as_several(remove)]
    edits = Edits(written, names, _pairs("replace", replace, one=True), _pairs("add", add))
    return edits if edits.words() else None


def check_next_hop(to: str) -> None:
    """Raise ValueError for what is no next hop."""
    if len(to) > MAX_TO:
        raise ValueError(f"next hop {to!r:.80}...: it has more than {MAX_TO} characters")
    try:
        read_where(to)
        to.encode()
    except ConfigError as error:
        raise ValueError(str(error)) from None
    except UnicodeEncodeError:
        raise ValueError(f"next hop {to!r:.80}: it is no text") from None


def _uri(uri: str | Uri) -> bytes:
    if isinstance(uri, Uri):
        return uri.raw
    if type(uri) is not str:
        raise ValueError(f"uri wants text such as 'sip:user@host', not {uri!r:.80}")
    return one_uri(uri)


def _pairs(argument: str, headers: Headers | None, *, one: bool = False) -> list[tuple[bytes, bytes]]:
    """Return headers as pairs of bytes; with `one`, none has several values."""
    pairs: list[tuple[bytes, bytes]] = []
    if not headers:
        return pairs
    given: object = headers.items() if isinstance(headers, Mapping) else headers
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise ValueError(f"{argument} wants a dict, {{'Name': 'value'}}, or pairs, not {given!r:.80}")
    for pair in given:
        if not (isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str)):
            raise ValueError(f"{argument} wants a dict, {{'Name': 'value'}}, or pairs; {pair!r:.80} is none")
        name, value = pair
        if one and not isinstance(value, str):
            raise ValueError(f"{argument}: header {name} wants one text, not {value!r:.80}")
        pairs += [(_bytes(name), _bytes(single)) for single in as_several(value)]
    return pairs


def _bytes(words: str) -> bytes:
    return words.encode(errors="surrogateescape")
