"""What else is judged before a handler sees a request: checks by name, each of which can be put on and off.

The parser itself refuses what cannot be read in one way, or not be answered: request line, CSeq, Content-Length, From,
To, Call-ID. These checks concern what can be read; those in DEFAULT are the ones that RFC 3261 asks of every server.
None looks at an ACK, which could not be told, nor at the body's content.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from slbroker.errors import Reject
from slbroker.sip.address import parse_address, parse_address_list
from slbroker.sip.credentials import parse_credentials
from slbroker.sip.grammar import COOKIE, TOKEN, is_digits, is_token
from slbroker.sip.uri import check_uri, parse_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from slbroker.sip.message import Message

Check: TypeAlias = "Callable[[Message, Checks], None]"

MAX_TAGS: Final = 64  # option tags; all that are registered are fewer
MAX_HOPS: Final = 255  # RFC 3261 20.22
MAX_SECONDS: Final = 2**32 - 1  # RFC 3261 20.19

# RFC 3261 20.17, with RFC 1123's dates: names of days and months are case-sensitive, the zone is GMT.
_is_date = re.compile(
    rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-3][0-9] (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [0-9]{4} "
    rb"[0-2][0-9]:[0-5][0-9]:[0-6][0-9] GMT"
).fullmatch
# RFC 3261 8.1.1.7: the branch of an RFC 3261 client begins with the cookie, and is unique.
_has_branch = re.compile(rb";[ \t]*branch[ \t]*=[ \t]*%b[%b]" % (COOKIE, TOKEN), re.IGNORECASE).search


def _require(message: Message, checks: Checks) -> None:
    """RFC 3261 8.2.2.3: what is not understood is named; a CANCEL must not have the header."""
    if message.method != b"CANCEL":
        refuse_unknown_tags(message.all(b"require"), "Require", checks.supported)


def _proxy_require(message: Message, checks: Checks) -> None:
    """RFC 3261 16.3, for an edge that stands in a proxy's place."""
    if message.method != b"CANCEL":
        refuse_unknown_tags(message.all(b"proxy-require"), "Proxy-Require", checks.supported)


def refuse_unknown_tags(values: list[bytes], title: str, supported: Container[bytes]) -> None:
    """Raise Reject: 420 with the option tags that are not among `supported`, which are in lower case; 400 for none."""
    # RFC 3261 20.32: 1#(option-tag), of which an empty one asks for nothing.
    tags = [tag for value in values for word in value.split(b",", MAX_TAGS) if (tag := word.strip(b" \t"))]
    if len(tags) > MAX_TAGS or not all(map(is_token, tags)):
        raise Reject(400, f"Bad {title} Header")
    unknown = [tag for tag in tags if tag.lower() not in supported]
    if unknown:
        raise Reject(420, "Bad Extension", b"\r\nUnsupported: " + b", ".join(unknown))


def _max_forwards(message: Message, _checks: Checks) -> None:
    """RFC 3261 16.3 for 483, where an edge stands in a proxy's place; 20.22 for the number."""
    if read_number(message, b"max-forwards", "Max-Forwards", MAX_HOPS) == 0:
        raise Reject(483, "Too Many Hops")


def _expires(message: Message, _checks: Checks) -> None:
    read_number(message, b"expires", "Expires", MAX_SECONDS)


def read_number(message: Message, name: bytes, title: str, most: int) -> int | None:
    """Return the number in the first header called `name`, None where there is none or it is empty.

    Raises Reject(400) for what is no number up to `most`.
    """
    value = message.first(name)
    if not value:
        return None
    if not is_digits(value) or (number := int(value)) > most:
        raise Reject(400, f"Bad {title} Header")
    return number


def _contact(message: Message, _checks: Checks) -> None:
    """RFC 3261 20.10; "*" is for REGISTER alone (10.2.2)."""
    for value in message.all(b"contact"):
        for address in parse_address_list(value):
            if not address.wildcard:
                check_uri(address.uri_bytes)
            elif message.method != b"REGISTER":
                raise Reject(400, "Bad Contact Header")


def _route(message: Message, _checks: Checks) -> None:
    for value in (*message.all(b"route"), *message.all(b"record-route")):
        for address in parse_address_list(value):
            check_uri(address.uri_bytes)


def _from_to(message: Message, _checks: Checks) -> None:
    for name in (b"from", b"to"):
        check_uri(parse_address(message.first(name) or b"").uri_bytes)


def _from_tag(message: Message, _checks: Checks) -> None:
    if not message.from_tag:
        raise Reject(400, "Missing Tag In From Header")


def _branch(message: Message, _checks: Checks) -> None:
    if not _has_branch((message.first(b"via") or b"").partition(b",")[0]):
        raise Reject(400, "Bad Branch In Via Header")


def _ruri_headers(message: Message, _checks: Checks) -> None:
    if parse_uri(message.uri).headers:
        raise Reject(400, "Headers In Request-URI")


def _date(message: Message, _checks: Checks) -> None:
    if not _is_date(message.first(b"date") or b""):
        raise Reject(400, "Bad Date Header")


def _authorization(message: Message, _checks: Checks) -> None:
    for value in (*message.all(b"authorization"), *message.all(b"proxy-authorization")):
        parse_credentials(value)


def _content_type(message: Message, _checks: Checks) -> None:
    if message.body and not message.first(b"content-type"):
        raise Reject(400, "Missing Content-Type Header")


def _size(message: Message, checks: Checks) -> None:
    assert checks.max_body is not None
    if len(message.body) > checks.max_body:
        raise Reject(413, "Request Entity Too Large")


# Each check, and the headers that make it worth a call; every request has From, as the parser has seen to it.
_ANY: Final = b"from"
_CHECKS: Final[dict[str, tuple[Check, tuple[bytes, ...]]]] = {
    "require": (_require, (b"require",)),
    "proxy-require": (_proxy_require, (b"proxy-require",)),
    "max-forwards": (_max_forwards, (b"max-forwards",)),
    "from-tag": (_from_tag, (_ANY,)),
    "from-to": (_from_to, (_ANY,)),
    "branch": (_branch, (_ANY,)),
    "ruri-headers": (_ruri_headers, (_ANY,)),
    "contact": (_contact, (b"contact",)),
    "route": (_route, (b"route", b"record-route")),
    "authorization": (_authorization, (b"authorization", b"proxy-authorization")),
    "expires": (_expires, (b"expires",)),
    "date": (_date, (b"date",)),
    "content-type": (_content_type, (_ANY,)),
}

# These two stand in the way of a request, at the request line and where the Via is stamped.
RURI: Final = "ruri"
VIA: Final = "via"
NAMES: Final = (RURI, VIA, *_CHECKS)
DEFAULT: Final = frozenset((RURI, VIA, "require"))


@dataclass(frozen=True, slots=True)
class Checks:
    """Which checks are on, and what they need to know. Raises ValueError for a name that is none of NAMES.

    `supported` are option tags (RFC 3261 19.2), in lower case, that handlers understand; `max_body` is in bytes.
    """

    names: frozenset[str] = DEFAULT
    supported: frozenset[bytes] = frozenset()
    max_body: int | None = None
    ruri: bool = field(init=False)
    via: bool = field(init=False)
    usual: bool = field(init=False)  # no more is judged than by default: an ordinary request passes for sure
    by_header: tuple[tuple[bytes, Check], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if unknown := self.names.difference(NAMES):
            raise ValueError(f"there is no check {', '.join(sorted(unknown))}")
        wanted = [_CHECKS[name] for name in NAMES if name in self.names and name in _CHECKS]
        if self.max_body is not None:
            wanted.append((_size, (_ANY,)))
        set_once = object.__setattr__
        set_once(self, "ruri", RURI in self.names)
        set_once(self, "via", VIA in self.names)
        set_once(self, "usual", self.names <= DEFAULT and self.max_body is None)
        set_once(self, "by_header", tuple((header, check) for check, headers in wanted for header in headers))


USUAL: Final = Checks()
