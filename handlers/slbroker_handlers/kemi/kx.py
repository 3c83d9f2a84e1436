"""KSR.kx: values of the request by a function each; many in three forms: get_, gete_ (""), getw_ ("<null>")."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from slbroker.sip.uri import text
from slbroker_handlers.kemi import pvars
from slbroker_handlers.kemi.exports import Module, Xval
from slbroker_handlers.kemi.pvspec import Spec
from slbroker_handlers.kemi.pvstore import NULL
from slbroker_handlers.kemi.rebuilt import rebuild

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker_handlers.kemi.call import Call

kx = Module("kx")

_NOTHING: Final = Spec("")
_REBUILT: Final = "written out again from what the edge has read: long header names, the top Via stamped"


def _declare(name: str, read: pvars.Getter, what: str, forms: str = "", partial: str = "") -> None:
    """Declare get_NAME, and gete_NAME and getw_NAME where `forms` has their letters."""

    def get(call: Call) -> Xval:
        return read(call, _NOTHING)

    get.__doc__ = f"Return {what}, None where there is none."
    kx.add(f"get_{name}", get, partial)
    for letter, default in {"e": "", "w": NULL}.items():
        if letter in forms:
            _declare_form(f"get{letter}_{name}", read, what, default)


def _declare_form(name: str, read: pvars.Getter, what: str, default: str) -> None:
    def get(call: Call) -> Xval:
        value = read(call, _NOTHING)
        return default if value is None else value

    get.__doc__ = f'Return {what}, "{default}" where there is none.'
    kx.add(name, get)


def _declare_number(name: str, read: Callable[[Call], int], what: str, partial: str = "") -> None:
    def get(call: Call) -> int:
        return read(call)

    get.__doc__ = f"Return {what}."
    kx.add(name, get, partial)


def _whole(uri: Callable[[Call], str | None]) -> pvars.Getter:
    return pvars.uri_of(uri, "whole")


_declare("ruri", _whole(pvars.request_uri), "the Request-URI")
_declare("ouri", _whole(lambda call: text(call.message.uri)), "the Request-URI as it came")
for _letter, _uri, _what in (
    ("r", pvars.request_uri, "the Request-URI"),
    ("f", pvars.from_uri, "From's URI"),
    ("t", pvars.to_uri, "To's URI"),
):
    _declare(f"{_letter}user", pvars.uri_of(_uri, "user"), f"the user of {_what}", "ew")
    _declare(f"{_letter}host", pvars.uri_of(_uri, "host"), f"the host of {_what}", "ew")
_declare("furi", _whole(pvars.from_uri), "From's URI")
_declare("turi", _whole(pvars.to_uri), "To's URI")
_declare("duri", _whole(lambda call: call.destination), "the destination URI", "ew")
_declare("nhuri", _whole(pvars.next_hop), "the next hop's URI")
_declare("cturi", _whole(pvars.contact_uri), "the URI of the first Contact", "ew")
_declare("ua", pvars.READERS["ua"], "User-Agent", "ew")
_declare("au", pvars.auth_user, "the user name in the credentials", "ew")
_declare("body", lambda call, _: text(call.message.body) or None, "the body", "ew")
_declare("srcuri", pvars.READERS["su"], "the peer as a URI")
_declare("srcaddr_sock", pvars.READERS["sas"], "the peer as proto:host:port")
_declare("srcip", pvars.READERS["si"], "the peer's address")
_declare("srcport", pvars.READERS["sp"], "the peer's port")
_declare("rcvip", pvars.READERS["Ri"], "the address that the request came to")
_declare("rcvport", pvars.READERS["Rp"], "the port that the request came to")
_declare("rcvadvip", pvars.READERS["RAi"], "the address that the request came to", partial="nothing else is advertised")
_declare("rcvadvport", pvars.READERS["RAp"], "the port that the request came to", partial="nothing else is advertised")
_declare("rcvaddr_sock", lambda call, _: call.source.asked, "the socket that the request came to")
_declare("rcv_sock_name", pvars.READERS["Rn"], "the socket's name", partial="sockets have no names: always None")
_declare("proto", pvars.READERS["pr"], "the transport, in lower case")
_declare("method", pvars.READERS["rm"], "the method")
_declare("callid", pvars.READERS["ci"], "the Call-ID")
_declare("msgbuf", pvars.READERS["mb"], "the whole request", partial=_REBUILT)

_declare_number(
    "get_protoid", lambda call: pvars.PROTOCOL_NUMBERS.get(call.local.transport, 0), "the transport's number"
)
_declare_number("get_bodylen", lambda call: len(call.message.body), "the body's length in bytes")
_declare_number("get_msglen", lambda call: len(rebuild(call)), "the request's length in bytes", _REBUILT)
_declare_number("get_msgtype", lambda _call: 1, "1, which means a request")
_declare_number("get_status", lambda _call: -1, "-1: a request has no status")
_declare_number("get_timestamp", lambda call: int(call.state.date()), "the unix time")


@kx.export
def gets_status(_call: Call) -> Xval:
    """Return None: a request has no status."""
    return None


@kx.export
def get_send_sock(_call: Call) -> Xval:
    """Return the socket that a script has chosen to send from: none can be chosen here."""
    return None


@kx.export
def get_send_sock_name(_call: Call) -> Xval:
    """Return the name of the socket that a script has chosen to send from: none can be chosen here."""
    return None


@kx.export
def get_send_sock_port(_call: Call) -> int:
    """Return the port of the socket that a script has chosen to send from: 0, none can be chosen here."""
    return 0


@kx.export(partial="always -1: the edge keeps its connections to itself")
def get_conid(_call: Call) -> int:
    """Return the number of the connection that the request came on."""
    return -1


@kx.export(partial="there is no kamailio.cfg to define anything")
def get_def(_call: Call, name: str) -> Xval:
    """Return the value of a definition, "" where there is none."""
    del name
    return ""


@kx.export(partial="there is no kamailio.cfg to define anything")
def get_defn(_call: Call, name: str) -> int:
    """Return a definition as a number, 0 where there is none."""
    del name
    return 0


@kx.export(partial="there is no kamailio.cfg to define anything")
def ifdef(_call: Call, name: str) -> bool:
    """Return whether something is defined."""
    del name
    return False


@kx.export(partial="there is no kamailio.cfg to define anything")
def ifndef(_call: Call, name: str) -> bool:
    """Return whether something is not defined."""
    del name
    return True


@kx.export
def get_env(_call: Call, name: str) -> Xval:
    """Return an environment variable, "" where there is none."""
    return os.environ.get(name, "")


@kx.export
def get_envn(_call: Call, name: str) -> int:
    """Return an environment variable as a number, 0 where there is none."""
    value = os.environ.get(name, "")
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 19 else 0
