"""KSR.nathelper: is the client behind NAT? And where it is, in Contact and in the Request-URI."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

from slbroker.errors import Reject
from slbroker.sip.address import parse_address_list
from slbroker.sip.uri import text
from slbroker.sip.vialist import parse_vias
from slbroker_handlers.kemi.addresses import read_ip
from slbroker_handlers.kemi.contacts import change_contacts, host_end
from slbroker_handlers.kemi.exports import Module
from slbroker_handlers.kemi.uris import PROTOCOL_NUMBERS, in_brackets, split_uri
from slbroker_handlers.kemi.variables.access import put
from slbroker_handlers.kemi.variables.headers import CONTACTS_IN_ORDER

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.sip.vialist import Via
    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.contacts import Entry
    from slbroker_handlers.kemi.uris import UriParts

nathelper = Module("nathelper")

# RFC 1918, and two that Kamailio counts among them: RFC 6598 (carriers), RFC 6890 (protocol assignments).
_PRIVATE: Final = tuple(
    map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "192.0.0.0/24"))
)
_find_media_addresses = re.compile(rb"^c=IN IP4 ([0-9.]{7,15})", re.MULTILINE).findall
# The numbers of protocols as Kamailio writes them into ;alias=HOST~PORT~PROTOCOL; 6 is wss.
_ALIAS_TRANSPORTS: Final = {"1": "", "2": "tcp", "3": "tls", "4": "sctp", "5": "ws", "6": "ws"}
_match_alias = re.compile(r"(\[[0-9A-Fa-f:.]++\]|[0-9A-Za-z._-]++)~([0-9]{1,5})~([1-6])").fullmatch


def _is_private(host: str) -> bool:
    address = read_ip(host)
    return address is not None and any(address in network for network in _PRIVATE)


@nathelper.export
def is_rfc1918(_call: Call, address: str) -> int:
    """Return 1 for a private IPv4 address: RFC 1918, or RFC 6598."""
    return 1 if _is_private(address) else -1


# Tests ----------------------------------------------------------------------------------------------------------


def _first_via(call: Call) -> Via | None:
    try:
        return parse_vias(call.first(b"via") or b"")[0]
    except Reject:
        return None


def _contacts(call: Call) -> list[UriParts]:
    """Return the SIP URIs of the first Contact header."""
    try:
        addresses = parse_address_list(call.first(b"contact") or b"")
    except Reject:
        return []
    parts = (split_uri(text(address.uri_bytes)) for address in addresses)
    return [uri for uri in parts if uri is not None and uri.host]


def _judged_contact(call: Call) -> UriParts | None:
    """Return the first Contact's URI; before Kamailio 5.8, the last one's in the first header."""
    contacts = _contacts(call)
    if not contacts:
        return None
    return contacts[0 if call.state.release >= CONTACTS_IN_ORDER else -1]


def _address(host: str) -> object:
    return read_ip(host.strip("[]")) or host


def _of_contact(test: Callable[[Call, UriParts], bool]) -> Callable[[Call], bool]:
    """Return a test of the Contact that is judged, which is false where there is none."""
    return lambda call: (contact := _judged_contact(call)) is not None and test(call, contact)


def _of_via(test: Callable[[Call, Via], bool]) -> Callable[[Call], bool]:
    """Return a test of the first Via, which is false where it cannot be read."""
    return lambda call: (via := _first_via(call)) is not None and test(call, via)


def _is_media_private(call: Call) -> bool:
    return b"sdp" in (call.first(b"content-type") or b"").lower() and any(
        _is_private(address.decode()) for address in _find_media_addresses(call.message.body)
    )


_TESTS: Final[dict[int, Callable[[Call], bool]]] = {
    1: _of_contact(lambda _call, contact: _is_private(contact.host)),
    2: _of_via(lambda call, via: _address(via.host) != _address(call.source.host)),
    4: _of_via(lambda _call, via: _is_private(via.host)),
    8: _is_media_private,
    16: _of_via(lambda call, via: (via.port or 5060) != call.source.port),
    32: lambda call: _is_private(call.source.host),
    64: lambda call: call.local.transport in ("ws", "wss"),
    128: _of_contact(lambda call, contact: int(contact.port or 5060) != call.source.port),
}


@nathelper.export(partial="bits 1 to 128; 256 (ports in SDP) tests nothing")
def nat_uac_test(call: Call, tests: int) -> int:
    """Return 1 when one of the tests says that the client is behind NAT, else -1.

    Private addresses: 1 in Contact, 4 in the first Via, 8 in SDP, 32 where the request came from. Other than where it
    came from: 2 the Via's host, 16 its port, 128 Contact's port. 64: it came over WebSocket.
    """
    return 1 if any(test(call) for bit, test in _TESTS.items() if tests & bit) else -1


# What is forwarded or registered --------------------------------------------------------------------------------


def _which(call: Call) -> int:
    """Return which address of the first Contact header is changed."""
    return 0 if call.state.release >= CONTACTS_IN_ORDER else -1


def _source_alias(call: Call) -> str:
    return f";alias={in_brackets(call.source.host)}~{call.source.port}~{PROTOCOL_NUMBERS[call.local.transport]}"


def _change_once(call: Call, what: str, make: Callable[[Entry, UriParts], str]) -> int:
    """Change the Contact that is judged, unless another of these functions has."""
    if call.passage.has_contact:
        return -1
    result = change_contacts(call, f"nathelper.{what}", make, _which(call))
    call.passage.has_contact = result > 0
    return result


@nathelper.export
def set_contact_alias(call: Call) -> int:
    """Put where the request came from into Contact: 1, or -1 where there is no SIP URI in it, or the second time."""
    alias = _source_alias(call)
    return _change_once(call, "set_contact_alias", lambda entry, _: entry.with_params(alias, len(entry.uri)))


@nathelper.export
def set_contact_alias_trim(call: Call) -> int:
    """Put where the request came from into Contact, in the place of another alias."""
    alias = _source_alias(call)

    def make(entry: Entry, parts: UriParts) -> str:
        uri = entry.uri if parts.param("alias") is None else parts.without_param("alias")
        return entry._replace(uri=uri).with_params(alias, len(uri))

    return _change_once(call, "set_contact_alias_trim", make)


@nathelper.export
def fix_nated_contact(call: Call) -> int:
    """Put where the request came from in the place of Contact's host and port: 1, or -1 as set_contact_alias."""
    host, port = in_brackets(call.source.host), str(call.source.port)
    return _change_once(
        call, "fix_nated_contact", lambda entry, parts: entry.with_uri(str(parts._replace(host=host, port=port)))
    )


@nathelper.export
def add_contact_alias(call: Call) -> int:
    """Put where the request came from into Contact, if that names another place: 1; 2 where it names this one."""
    contact = _judged_contact(call)
    if contact is None:
        return _without_contact(call)
    is_here = _address(contact.host) == _address(call.source.host) and int(contact.port or 5060) == call.source.port
    if is_here and (contact.param("transport") or "").lower() == call.local.transport:
        return 2
    return _add_alias(call, _source_alias(call))


@nathelper.export
def add_contact_alias_addr(call: Call, host: str, port: str, proto: str) -> int:
    """Put a place into Contact: 1; -1 for no transport."""
    if not _contacts(call):
        return _without_contact(call)
    number = PROTOCOL_NUMBERS.get(proto.lower())
    return _add_alias(call, f";alias={host}~{port}~{number}") if number is not None else -1


def _add_alias(call: Call, alias: str) -> int:
    return change_contacts(
        call,
        "nathelper.add_contact_alias",
        lambda entry, parts: entry.with_params(alias, host_end(entry.uri, parts)),
        _which(call),
    )


@nathelper.export
def add_rcv_param(call: Call, where: int) -> int:
    """Put where the request came from into each Contact, as received: a parameter of the header, with 1 of the URI."""
    transport = call.local.transport
    source = f"sip:{in_brackets(call.source.host)}:{call.source.port}"
    source += f";transport={transport}" if transport != "udp" else ""

    def make(entry: Entry, _parts: UriParts) -> str:
        if where:
            return entry.with_uri(f"{entry.uri};received={source}")
        own = entry.behind.rstrip(", \t")
        return f'{entry.before}{entry.uri}{own};received="{source}"{entry.behind[len(own) :]}'

    return change_contacts(call, "nathelper.add_rcv_param", make, None)


@nathelper.export
def set_alias_to_pv(call: Call, target: str) -> int:
    """Set a pseudo-variable to the place that ;alias=HOST~PORT~PROTOCOL in Contact names, as a URI; -1 without one."""
    contact = next(iter(_contacts(call)), None)
    found = _match_alias((contact.param("alias") or "") if contact is not None else "")
    if found is None:
        return -1
    return put(call, target, _place(*found.groups()))


def _without_contact(call: Call) -> int:
    return -1 if call.first(b"contact") is not None else 2


@nathelper.export
def handle_ruri_alias(call: Call) -> int:
    """Move ;alias=HOST~PORT~PROTOCOL of the Request-URI to the destination URI: 1; 2 without one, -1 when it is bad."""
    parts = call.parts
    if parts is None or parts.scheme not in ("sip", "sips"):
        return 2
    params = parts.params.split(";")
    alias = next((param for param in params if param.startswith("alias=")), "")
    if not _might_be_alias(alias, call):
        return 2
    found = _match_alias(alias.removeprefix("alias="))
    if found is None:
        return -1
    host, port, protocol = found.groups()
    params.remove(alias)
    call.set_uri(str(parts._replace(params=";".join(params))))
    call.destination = _place(host, port, protocol)
    return 1


def _place(host: str, port: str, protocol: str) -> str:
    transport = _ALIAS_TRANSPORTS[protocol]
    return f"sip:{host}:{port}{f';transport={transport}' if transport else ''}"


def _might_be_alias(alias: str, call: Call) -> bool:
    """Return whether a parameter is looked into; before Kamailio 5.8, one that begins with an address is."""
    if call.state.release >= (5, 8):
        return alias != ""
    return _begins_with_address(alias.removeprefix("alias=")) is not None


_begins_with_address = re.compile(r"\[|[0-9A-Za-z-]+[.~]").match

nathelper.answer(
    1,
    {"fix_nated_register()": "Note where a REGISTER came from, for the location service."},
    partial="nothing is registered here: always 1",
)
