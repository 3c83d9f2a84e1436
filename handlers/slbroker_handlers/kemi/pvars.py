"""The pseudo-variables that read a request; `pvstore` has those that keep something.

Each is a function of the request and of how it was written; None is null.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeAlias

from slbroker.errors import Reject
from slbroker.plugin import Request
from slbroker.sip.grammar import canonical_name, is_digits
from slbroker.sip.uri import text
from slbroker_handlers.kemi.rebuilt import rebuild
from slbroker_handlers.kemi.uris import read_address, split_list, split_uri

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.sip.credentials import Credentials
    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.exports import Xval
    from slbroker_handlers.kemi.pvspec import Spec

Getter: TypeAlias = "Callable[[Call, Spec], Xval]"

PROTOCOL_NUMBERS: Final = {"udp": 1, "tcp": 2, "tls": 3, "sctp": 4, "ws": 5, "wss": 6}
# Kamailio's numbers of methods, what `geti("$rm")` gives.
METHOD_NUMBERS: Final = {
    "INVITE": 1, "CANCEL": 2, "ACK": 4, "BYE": 8, "INFO": 16, "REGISTER": 32, "SUBSCRIBE": 64, "NOTIFY": 128,
    "MESSAGE": 256, "OPTIONS": 512, "PRACK": 1024, "UPDATE": 2048, "REFER": 4096, "PUBLISH": 8192,
}  # fmt: skip
OTHER_METHOD: Final = 524_288
ADDRESS_FAMILIES: Final = {"IPv4": 2, "IPv6": 10, "UDP": 1, "TCP": 2, "TLS": 3, "SCTP": 4, "WS": 5, "WSS": 6}


# URIs -----------------------------------------------------------------------------------------------------------


def uri_of(uri: Callable[[Call], str | None], part: str) -> Getter:
    """Return the getter of one part of a URI: whole, user, host, port, transport or scheme."""

    def read(call: Call, _spec: Spec) -> Xval:
        written = uri(call)
        parts = split_uri(written) if written else None
        if parts is None and part == "whole" and uri is _destination:
            return written or None
        if parts is None:
            is_shown = part == "whole" and uri is request_uri and call.state.release >= (6, 0)
            return written or None if is_shown else None
        if part == "whole":
            return written
        if part == "port":
            is_tls = (parts.param("transport") or "").lower() == "tls"
            return parts.port or ("5061" if is_tls else "5060")  # whatever the scheme
        if part == "transport":
            return parts.param("transport") or "UDP"
        if part == "scheme":
            return parts.kind
        return getattr(parts, part) or None

    return read


def request_uri(call: Call) -> str:
    """The Request-URI as the script has changed it."""
    return call.uri


def _original_uri(call: Call) -> str:
    return text(call.message.uri)


def from_uri(call: Call) -> str:
    """From's URI."""
    return read_address(call.first(b"from")).uri


def to_uri(call: Call) -> str:
    """To's URI."""
    return read_address(call.first(b"to")).uri


# From this release on the entries of a Contact header are in order; before, the last one was the first.
CONTACTS_IN_ORDER: Final = (5, 8)


def entries(call: Call, name: str) -> list[str]:
    """The entries of the headers that Kamailio knows to be lists of addresses or Vias, as `$hfl` counts them.

    Of other headers each is one. White space and commas around an entry are not part of it.
    """
    title = canonical_name(name.encode(errors="surrogateescape"))
    values = call.all(name)
    if title not in _LISTS:
        return values
    if title == b"contact" and values == ["*"]:
        return []
    split = [split_list(value) for value in values]
    if title == b"contact" and call.state.release < CONTACTS_IN_ORDER:
        split = [found[::-1] for found in split]
    return [entry for found in split for entry in found]


_LISTS: Final = (b"contact", b"route", b"record-route", b"via")


def contact_uri(call: Call) -> str:
    """The URI of the first Contact: before Kamailio 5.8, of the last one in the first header."""
    found = entries(call, "Contact")
    return read_address(found[0].encode(errors="surrogateescape")).uri if found else ""


def _destination(call: Call) -> str | None:
    return call.destination


def next_hop(call: Call) -> str:
    """Where a forwarded request would go."""
    return call.uri if call.destination is None else call.destination


def _next_hop(call: Call, spec: Spec) -> Xval:
    if spec.inner == "p":
        parts = split_uri(next_hop(call))
        return (parts.port or "5060") if parts is not None else None  # for tls, too
    if spec.inner == "u":
        return next_hop(call) or None  # if it is no URI, too
    part = {"U": "user", "d": "host", "P": "transport"}.get(spec.inner)
    return uri_of(next_hop, part)(call, spec) if part else None


# Headers --------------------------------------------------------------------------------------------------------


def _header(call: Call, spec: Spec) -> Xval:
    return spec.pick(call.all(spec.inner))


def _entry(call: Call, spec: Spec) -> Xval:
    """An entry of a list; from the end they are counted from -2 on, where Kamailio knows the header to be a list."""
    if spec.position == "*":
        return _header(call, spec)
    found = entries(call, spec.inner)
    at = int(spec.position or 0)
    if at < 0 and canonical_name(spec.inner.encode(errors="surrogateescape")) in _COUNTED_FROM_TWO:
        at += 1
        if at == 0:
            return None
    return found[at] if -len(found) <= at < len(found) else None


_COUNTED_FROM_TWO: Final = (b"contact", b"route", b"record-route")


def _header_count(call: Call, spec: Spec) -> Xval:
    return len(call.all(spec.inner))


def _first(name: str) -> Getter:
    def read(call: Call, _spec: Spec) -> Xval:
        values = call.all(name)
        return values[0] if values else None

    return read


def _contents_length(call: Call, _spec: Spec) -> Xval:
    value = call.first(b"content-length")
    return int(value) if value is not None and is_digits(value) else None


def _cseq(call: Call, _spec: Spec) -> Xval:
    return str(call.message.cseq) if call.message.method else None


# Credentials ----------------------------------------------------------------------------------------------------


def credentials(call: Call) -> Credentials | None:
    """Return the request's digest credentials, a proxy's first; None where there are none or they cannot be read.

    Nobody is asked for them in ACK and CANCEL, and nobody looks for them there (RFC 3261 22.1).
    """
    if call.message.method in (b"ACK", b"CANCEL"):
        return None
    request = Request(call.message, call.source)
    try:
        found = request.proxy_authorization or request.authorization
    except Reject:
        return None
    return found if found is not None and found.scheme == "digest" and found.params else None


def _auth(param: str) -> Getter:
    def read(call: Call, _spec: Spec) -> Xval:
        found = credentials(call)
        return found.params.get(param) if found else None

    return read


def auth_user(call: Call, _spec: Spec | None = None) -> Xval:
    """The user name in the credentials, without its domain."""
    found = credentials(call)
    return found.params.get("username", "").partition("@")[0] if found else None


def _auth_domain(call: Call, _spec: Spec) -> Xval:
    found = credentials(call)
    return found.params.get("username", "").partition("@")[2] if found else None


def _auth_algorithm(call: Call, _spec: Spec) -> Xval:
    found = credentials(call)
    return found.params.get("algorithm", "") if found else None


# Addresses ------------------------------------------------------------------------------------------------------


def bracketed(host: str) -> str:
    """Return an address as a URI has it."""
    return f"[{host}]" if ":" in host else host


def source_uri(call: Call) -> str:
    """The peer as a URI; UDP needs no transport in it."""
    uri = f"sip:{bracketed(call.source.host)}:{call.source.port}"
    return uri if call.local.transport == "udp" else f"{uri};transport={call.local.transport}"


def source_socket(call: Call) -> str:
    """The peer as a socket: proto:host:port."""
    return f"{call.local.transport}:{bracketed(call.source.host)}:{call.source.port}"


def _local_uri(call: Call) -> str:
    uri = f"sip:{bracketed(call.local.host)}:{call.local.port}"
    return uri if call.local.transport == "udp" else f"{uri};transport={call.local.transport}"


def _with_transport(uri: str, call: Call) -> str:
    return uri if ";transport=" in uri else f"{uri};transport={call.local.transport}"


# Message, time, worker ------------------------------------------------------------------------------------------


def _reply_tag(call: Call, spec: Spec) -> Xval:
    return call.request.reply_tag if spec.inner in ("s", "x") else None


def _message(call: Call, spec: Spec) -> Xval:
    if spec.inner == "len":
        return len(rebuild(call))
    return text(rebuild(call)) if spec.inner == "buf" else None


def _body(call: Call, _spec: Spec) -> Xval:
    return text(call.message.body) if call.message.method else None


def _date(call: Call, _spec: Spec) -> Xval:
    return time.ctime(call.state.date())


def _strftime(call: Call, spec: Spec) -> Xval:
    return time.strftime(spec.inner, time.localtime(call.state.date()))


def _time_part(call: Call, spec: Spec) -> Xval:
    now = time.localtime(call.state.date())
    parts = {
        "sec": now.tm_sec, "min": now.tm_min, "hour": now.tm_hour, "mday": now.tm_mday, "mon": now.tm_mon,
        "year": now.tm_year, "wday": (now.tm_wday + 1) % 7 + 1, "yday": now.tm_yday, "isdst": now.tm_isdst,
    }  # fmt: skip
    return parts.get(spec.inner)


# From this release on numbers have 64 bits, so that flag 31 is no sign.
LONG_NUMBERS: Final = (5, 8)


def _shown(call: Call, flags: int) -> int:
    return flags - 2**32 if flags >= 2**31 and call.state.release < LONG_NUMBERS else flags


def _hexadecimal(number: int) -> str:
    return f"{number:08x}"


READERS: Final[dict[str, Getter]] = {
    "rm": lambda call, _: call.method or None,
    **{
        f"{letter}{suffix}": uri_of(uri, part)
        for letter, uri in {"r": request_uri, "o": _original_uri, "f": from_uri, "t": to_uri, "d": _destination}.items()
        for suffix, part in {
            "u": "whole",
            "U": "user",
            "d": "host",
            "p": "port",
            "P": "transport",
            "z": "scheme",
        }.items()
        if letter in "ro" or suffix in "uUd" or (letter == "d" and suffix in "pPu")
    },
    "rv": lambda call, _: "SIP/2.0" if call.method else None,
    "rs": lambda _call, _: None,
    "rr": lambda _call, _: None,
    "nh": _next_hop,
    "fn": lambda call, _: read_address(call.first(b"from")).display or None,
    "ft": lambda call, _: text(call.message.from_tag) or None,
    "fti": lambda call, _: text(call.message.from_tag) or None,
    "tn": lambda call, _: read_address(call.first(b"to")).display or None,
    "tt": lambda call, _: text(call.message.to_tag) or None,
    "tti": lambda call, _: text(call.message.to_tag) or None,
    "ci": lambda call, _: text(call.message.call_id) or None,
    "cs": _cseq,
    "csb": _first("CSeq"),
    "ct": _first("Contact"),
    "cT": _first("Content-Type"),
    "cl": _contents_length,
    "ua": _first("User-Agent"),
    "di": uri_of(lambda call: read_address(call.first(b"diversion")).uri, "whole"),
    "hdr": _header,
    "hdrc": _header_count,
    "hfl": _entry,
    "hflc": lambda call, spec: len(entries(call, spec.inner)),
    "au": auth_user,
    "aU": _auth("username"),
    "ar": _auth("realm"),
    "ad": _auth_domain,
    "aa": _auth_algorithm,
    "adu": _auth("uri"),
    "an": lambda _call, _: None,
    "si": lambda call, _: call.source.host or None,
    "sp": lambda call, _: call.source.port,
    "siz": lambda call, _: bracketed(call.source.host),
    "su": lambda call, _: source_uri(call),
    "sut": lambda call, _: _with_transport(source_uri(call), call),
    "sas": lambda call, _: source_socket(call),
    "pr": lambda call, _: call.local.transport,
    "proto": lambda call, _: call.local.transport,
    "Ri": lambda call, _: call.local.host,
    "Rp": lambda call, _: call.local.port,
    "Ru": lambda call, _: _local_uri(call),
    "Rut": lambda call, _: _with_transport(_local_uri(call), call),
    "Rn": lambda _call, _: None,
    "RAi": lambda call, _: call.local.host,
    "RAp": lambda call, _: call.local.port,
    "RAu": lambda call, _: _local_uri(call),
    "ds": lambda call, _: f"Contact: {', '.join(call.contacts)}" if call.contacts else None,
    "br": lambda call, _: call.branches[0][0] if call.branches else None,
    "rb": _body,
    "bs": lambda call, _: len(call.message.body),
    "mb": lambda call, _: text(rebuild(call)),
    "mbu": lambda call, _: text(rebuild(call)),
    "ml": lambda call, _: len(rebuild(call)),
    "msg": _message,
    "mt": lambda _call, _: 1,
    "mi": lambda call, _: call.number,
    "ltt": _reply_tag,
    "mf": lambda call, _: _shown(call, call.flags),
    "mF": lambda call, _: _hexadecimal(call.flags),
    "bf": lambda call, _: _shown(call, call.branch_flags.get(0, 0)),
    "bF": lambda call, _: _hexadecimal(call.branch_flags.get(0, 0)),
    "sf": lambda call, _: _shown(call, call.script_flags),
    "sF": lambda call, _: _hexadecimal(call.script_flags),
    "T_branch_idx": lambda _call, _: 0,
    "rc": lambda _call, _: 0,
    "retcode": lambda _call, _: 0,
    "TS": lambda call, _: int(call.state.date()),
    "Ts": lambda call, _: int(call.state.date()),
    "TF": _date,
    "Tf": _date,
    "timef": _strftime,
    "time": _time_part,
    "K": lambda _call, spec: ADDRESS_FAMILIES.get(spec.inner),
}
