"""Where a request came from and to, $si, $su, $Ri: addresses, ports, transports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi.uris import in_brackets
from slbroker_handlers.kemi.variables.access import declare

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.values import Xval
    from slbroker_handlers.kemi.variables.specs import Spec

ADDRESS_FAMILIES: Final = {"IPv4": 2, "IPv6": 10, "UDP": 1, "TCP": 2, "TLS": 3, "SCTP": 4, "WS": 5, "WSS": 6}


def _uri(call: Call, spec: Spec) -> Xval:
    """Return the peer (su, sut) or our socket (Ru, Rut, RAu) as a URI; UDP needs no transport in it, but for the t."""
    end = call.source if spec.name.startswith("s") else call.local
    transport = call.local.transport
    uri = f"sip:{in_brackets(end.host)}:{end.port}"
    return uri if transport == "udp" and not spec.name.endswith("t") else f"{uri};transport={transport}"


declare(
    {
        "si": lambda call, _: call.source.host or None,
        "sp": lambda call, _: call.source.port,
        "siz": lambda call, _: in_brackets(call.source.host),
        "sas": lambda call, _: f"{call.local.transport}:{in_brackets(call.source.host)}:{call.source.port}",
        **dict.fromkeys(("su", "sut", "Ru", "Rut", "RAu"), _uri),
        **dict.fromkeys(("pr", "proto"), lambda call, _: call.local.transport),
        **dict.fromkeys(("Ri", "RAi"), lambda call, _: call.local.host),
        **dict.fromkeys(("Rp", "RAp"), lambda call, _: call.local.port),
        "Rn": lambda _call, _: None,
        "K": lambda _call, spec: ADDRESS_FAMILIES.get(spec.inner),
    }
)
