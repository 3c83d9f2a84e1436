"""What a registrar makes of a REGISTER (RFC 3261 10.3) as far as that takes no state: it grants, and echoes.

Nothing is kept here: who wants to find a phone again writes `bindings(request)` into a database of their own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from slbroker.errors import Reject
from slbroker.plugin.arguments import as_several
from slbroker.plugin.reply import Reply, header_lines
from slbroker.sip.address import parse_address_list, with_param
from slbroker.sip.grammar import is_digits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slbroker.plugin.arguments import Words
    from slbroker.plugin.reply import Headers
    from slbroker.sip.address import Address
    from slbroker.sip.message import Message

MINIMUM: Final = 60  # seconds; what Kamailio's and OpenSIPS's registrars have
MAXIMUM: Final = 3600
DEFAULT: Final = 3600  # 10.2.1.1 leaves it to the registrar; 20.10 has it for what cannot be read
AN_HOUR: Final = 3600  # 10.3 step 7: who asks for so long is not refused
MAX_CONTACTS: Final = 32  # of a request: phones have one or two, and each makes a line of the reply

_has_contact = re.compile(rb"\r\n(?:contact|m)[ \t]*:", re.IGNORECASE).search


class Register(Protocol):
    """What is asked of a request here; a `Request` has it."""

    @property
    def message(self) -> Message:
        """Return its bytes."""

    @property
    def method(self) -> str:
        """Return its method."""

    @property
    def contacts(self) -> list[Address]:
        """Return its contacts; raise Reject for what cannot be read."""

    @property
    def supported(self) -> list[str]:
        """Return the option tags of Supported."""


class Binding(NamedTuple):
    """A contact and for how many seconds it is asked for, or granted; 0 takes it away."""

    contact: Address
    seconds: int


def bindings(
    request: Register, *, minimum: int = MINIMUM, maximum: int = MAXIMUM, default: int = DEFAULT, refuse: bool = True
) -> list[Binding]:
    """Return what a REGISTER is granted: its contacts in order, each with its seconds, 0 for those it takes away.

    A contact's `expires` counts, else Expires, else `default`, also where these cannot be read (20.10); a `default`
    below `minimum` becomes that, since who names no time is not refused for it. More than `maximum` becomes that. Less
    than `minimum` raises Reject(423) with Min-Expires, or becomes `minimum` without `refuse`, as Kamailio has it. []
    for a REGISTER that only asks (no Contact), and for "*", which takes all away.
    Raises Reject(400) for a "*" beside others, or whose seconds are not 0, and for a Contact that cannot be read;
    Reject(403) for more than 32; ValueError for another method and for bounds that cannot be.
    """
    if request.message.method != b"REGISTER":
        raise ValueError(f"{request.method} is no REGISTER")
    figures = (minimum, maximum, default)
    if not (all(isinstance(figure, int) for figure in figures) and 0 < minimum <= maximum and default > 0):
        raise ValueError(
            f"minimum={minimum!r}, maximum={maximum!r}, default={default!r} are no seconds, or out of order"
        )
    default = max(default, minimum)
    contacts = request.contacts
    usual = _seconds(request.message.first(b"expires"), default)
    if any(contact.wildcard for contact in contacts):
        if len(contacts) > 1 or _asked(contacts[0], usual, default) != 0:
            raise Reject(400, "Contact * Without Expires 0" if len(contacts) == 1 else "Address Beside *")
        return []
    if len(contacts) > MAX_CONTACTS:
        raise Reject(403, "Too Many Contacts")
    granted = []
    for contact in contacts:
        _ = contact.uri  # what is no URI leads nowhere: 400, rather than a phone that seems registered
        asked = _asked(contact, usual, default)
        if refuse and 0 < asked < min(minimum, AN_HOUR):
            raise Reject(423, "Interval Too Brief", header_lines({"Min-Expires": str(minimum)}))
        granted.append(Binding(contact, min(max(asked, minimum), maximum) if asked else 0))
    return granted


def _asked(contact: Address, usual: int, default: int) -> int:
    own = contact.params.get("expires")
    return usual if own is None else _seconds(own.encode(errors="surrogateescape"), default)


def _seconds(value: bytes | None, default: int) -> int:
    return int(value) if value is not None and is_digits(value) else default


def registered(
    request: Register,
    granted: Iterable[Binding],
    *,
    path: bool = False,
    service_route: Words = (),
    headers: Headers | None = None,
) -> Reply:
    """Return the 200 that names `granted`, all but those of 0 seconds: each as it was written, with `expires`.

    `path` repeats the request's Path where its sender supports that (RFC 3327 5.3); `service_route` are the values of
    Service-Route (RFC 3608). Parameters of outbound and GRUU, such as reg-id and +sip.instance, stay as they are.
    Raises Reject(400) for a Path that cannot be read, ValueError as `Reply` does.
    """
    reply = Reply(200, headers=headers)
    # Bytes, as the request has them: a quoted string may hold what no handler may write.
    lines = [
        (b"Contact", with_param(contact.raw, b"expires", b"%d" % seconds)) for contact, seconds in granted if seconds
    ]
    if path and "path" in request.supported:
        hops = [hop for value in request.message.all(b"path") for hop in parse_address_list(value)]
        _ = [hop.uri for hop in hops]  # 400 for what is none, as for contacts
        lines += [(b"Path", hop.raw) for hop in hops]
    reply.extra += b"".join(b"\r\n%b: %b" % line for line in lines)
    reply.extra += header_lines([("Service-Route", value) for value in as_several(service_route)])
    return reply


def misses_contact(request: Register, reply: Reply) -> bool:
    """Return whether a reply tells a phone that it is registered, and not where: a 2xx without Contact.

    That is right for who asks or takes all away; who registers looks for itself in the reply.
    """
    if not 200 <= reply.status <= 299 or _has_contact(reply.extra):
        return False
    try:
        return any(seconds for _, seconds in bindings(request, refuse=False))
    except Reject:
        return False
