"""What was decided of a message on its way through, in words for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker.proxy.places import BEFORE, BEHIND, GONE, VALUE
from slbroker.sip.uri import printable, text

if TYPE_CHECKING:
    from slbroker.proxy.decision import Amended, Forward
    from slbroker.proxy.edits import Edits

_KINDS = {GONE: "-", VALUE: "=", BEFORE: "+", BEHIND: "+"}
_PLACES = {"": "where the edge's --pass leads", "target": "where it says itself"}


def tell_forward(decision: Forward) -> str:
    """Return where a request goes, and what is changed: "forward to sip:10.0.0.5, + X-Seen: yes, record-route"."""
    flags = (("record-route", decision.record_route), ("path", decision.path))
    said = [name if flag else f"no {name}" for name, flag in flags if flag is not None]
    to = _PLACES.get(decision.to, decision.to)
    return ", ".join([f"forward to {printable(to)}", *_edits(decision.edits), *said])


def tell_amended(decision: Amended) -> str:
    """Return what becomes of a reply on its way back."""
    changes = _edits(decision.edits)
    if not decision.status:
        return ", ".join(["goes back", *changes]) if changes else "goes back as it came"
    return ", ".join([f"goes back as {decision.status} {printable(decision.reason)}", *changes])


def _edits(edits: Edits | None) -> list[str]:
    if edits is None:
        return []
    said = [] if edits.uri is None else [f"Request-URI {printable(text(edits.uri))}"]
    said += [f"- {text(name)}" for name in edits.remove]
    said += [f"= {printable(text(line))}" for _, line in edits.replace]
    said += [f"+ {printable(text(line))}" for _, line in edits.add]
    said += [f"{_KINDS[kind]} {printable(text(value or name))}" for (kind, name, _, value), _ in edits.places]
    said += [] if edits.hops is None else [f"Max-Forwards at most {edits.hops}"]
    return said + ([f"Record-Route with {printable(text(edits.rr_params))}"] if edits.rr_params else [])
