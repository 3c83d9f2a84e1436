"""Where a request came from and to, $si, $su, $Ri: addresses, ports, transports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi.addresses import read_ip
from slbroker_handlers.kemi.uris import PROTOCOL_NUMBERS, in_brackets, split_uri
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


def _sent_to(call: Call, spec: Spec) -> Xval:
    """Return where a request that goes on is sent: ip where its hop is an address, port, proto; null before."""
    parts = split_uri(call.passage.to)
    if parts is None:
        return None
    if spec.inner == "ip":
        return parts.host.strip("[]") if read_ip(parts.host.strip("[]")) is not None else None
    transport = (parts.param("transport") or ("tls" if parts.scheme == "sips" else "udp")).lower()
    if spec.inner == "port":
        return int(parts.port or (5061 if transport == "tls" else 5060))
    return PROTOCOL_NUMBERS.get(transport) if spec.inner == "proto" else None


def _sent_from(call: Call, spec: Spec) -> Xval:
    """Return the socket of ours that the request came to, which it leaves by if the hop takes its transport."""
    if not call.passage.to:
        return None
    local = call.local
    values: dict[str, Xval] = {"ip": local.host, "port": local.port, "proto": PROTOCOL_NUMBERS.get(local.transport)}
    return values.get(spec.inner)


declare(
    {
        **dict.fromkeys(("snd", "sndto"), _sent_to),
        "sndfrom": _sent_from,
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
