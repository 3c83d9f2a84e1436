"""KSR.kx: values of the request by a function each; many in three forms: get_, gete_ (""), getw_ ("<null>")."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from slbroker.sip.uri import text
from slbroker_handlers.kemi.exports import Module
from slbroker_handlers.kemi.uris import PROTOCOL_NUMBERS
from slbroker_handlers.kemi.variables.access import GETTERS
from slbroker_handlers.kemi.variables.requesturis import contact_uri, uri_of
from slbroker_handlers.kemi.variables.specs import Spec

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.values import Xval
    from slbroker_handlers.kemi.variables.access import Getter

kx = Module("kx")

_ADVERTISED: Final = "nothing else is advertised"
_REBUILT: Final = "written out again from what the edge has read: long header names, the top Via stamped"


def _declare(name: str, what: str, read: Getter, spec: Spec, partial: str = "") -> None:
    """Declare `get_NAME`, or the three forms of `get{}_NAME`."""

    def get(call: Call) -> Xval:
        return read(call, spec)

    kx.add(name, get, f"Return {what}, {'{}' if '{}' in name else 'None'} where there is none.", partial=partial)


# Those that are a pseudo-variable.
for _name, _variable, _what, _partial in (
    ("get_ruri", "ru", "the Request-URI", ""),
    ("get_ouri", "ou", "the Request-URI as it came", ""),
    ("get{}_ruser", "rU", "the user of the Request-URI", ""),
    ("get{}_rhost", "rd", "the host of the Request-URI", ""),
    ("get_furi", "fu", "From's URI", ""),
    ("get{}_fuser", "fU", "the user of From's URI", ""),
    ("get{}_fhost", "fd", "the host of From's URI", ""),
    ("get_turi", "tu", "To's URI", ""),
    ("get{}_tuser", "tU", "the user of To's URI", ""),
    ("get{}_thost", "td", "the host of To's URI", ""),
    ("get{}_ua", "ua", "User-Agent", ""),
    ("get{}_au", "au", "the user name in the credentials", ""),
    ("get_srcuri", "su", "the peer as a URI", ""),
    ("get_srcaddr_sock", "sas", "the peer as proto:host:port", ""),
    ("get_srcip", "si", "the peer's address", ""),
    ("get_srcport", "sp", "the peer's port", ""),
    ("get_rcvip", "Ri", "the address that the request came to", ""),
    ("get_rcvport", "Rp", "the port that the request came to", ""),
    ("get_rcvadvip", "RAi", "the address that the request came to", _ADVERTISED),
    ("get_rcvadvport", "RAp", "the port that the request came to", _ADVERTISED),
    ("get_rcv_sock_name", "Rn", "the socket's name", "sockets have no names: always None"),
    ("get_proto", "pr", "the transport, in lower case", ""),
    ("get_method", "rm", "the method", ""),
    ("get_callid", "ci", "the Call-ID", ""),
    ("get_msgbuf", "mb", "the whole request", _REBUILT),
):
    _declare(_name, _what, GETTERS[_variable], Spec(_variable), _partial)

_NONE: Final = Spec("")
_declare("get{}_duri", "the destination URI", uri_of(lambda call: call.destination, "whole"), _NONE)
_declare("get_nhuri", "the next hop's URI", uri_of(lambda call: call.next_hop, "whole"), _NONE)
_declare("get{}_cturi", "the URI of the first Contact", uri_of(contact_uri, "whole"), _NONE)
_declare("get{}_body", "the body", lambda call, _: text(call.message.body) or None, _NONE)
_declare("get_rcvaddr_sock", "the socket that the request came to", lambda call, _: call.source.asked, _NONE)


def _declare_number(name: str, what: str, read: Callable[[Call], int], partial: str = "") -> None:
    kx.add(name, read, f"Return {what}.", partial=partial, result="int")


_declare_number("get_protoid", "the transport's number", lambda call: PROTOCOL_NUMBERS.get(call.local.transport, 0))
_declare_number("get_bodylen", "the body's length in bytes", lambda call: len(call.message.body))
_declare_number("get_msglen", "the request's length in bytes", lambda call: len(call.written()), _REBUILT)
_declare_number("get_timestamp", "the unix time", lambda call: int(call.state.date()))


@kx.export
def get_env(_call: Call, name: str) -> Xval:
    """Return an environment variable, "" where there is none."""
    return os.environ.get(name, "")


@kx.export
def get_envn(_call: Call, name: str) -> int:
    """Return an environment variable as a number, 0 where there is none."""
    value = os.environ.get(name, "")
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 19 else 0


@kx.export
def get_msgtype(call: Call) -> int:
    """Return 1 for a request, 2 for a reply."""
    return 2 if call.status else 1


@kx.export
def get_status(call: Call) -> int:
    """Return the status of a reply, -1 for a request."""
    return call.status or -1


@kx.export
def gets_status(call: Call) -> Xval:
    """Return the status of a reply as text, None for a request."""
    return str(call.status) if call.status else None


# What is always the same here -----------------------------------------------------------------------------------

kx.answer(
    None,
    {
        "get_send_sock()": "Return the socket that a script has chosen to send from: none can be chosen here.",
        "get_send_sock_name()":
            "Return the name of the socket that a script has chosen to send from: none can be chosen here.",
    },
)  # fmt: skip
kx.answer(
    0,
    {
        "get_send_sock_port()":
            "Return the port of the socket that a script has chosen to send from: 0, none can be chosen here.",
    },
)  # fmt: skip
kx.answer(
    -1,
    {"get_conid()": "Return the number of the connection that the request came on."},
    partial="always -1: the edge keeps its connections to itself",
)
_UNDEFINED: Final = "there is no kamailio.cfg to define anything"
kx.answer("", {"get_def(name: str)": 'Return the value of a definition, "" where there is none.'}, partial=_UNDEFINED)
kx.answer(0, {"get_defn(name: str)": "Return a definition as a number, 0 where there is none."}, partial=_UNDEFINED)
kx.answer(False, {"ifdef(name: str)": "Return whether something is defined."}, partial=_UNDEFINED)
kx.answer(True, {"ifndef(name: str)": "Return whether something is not defined."}, partial=_UNDEFINED)
