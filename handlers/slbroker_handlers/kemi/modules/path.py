"""KSR.path: the Path by which a registrar reaches a client through us (RFC 3327)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slbroker_handlers.kemi.exports import Module

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call

path = Module("path")


@path.export(partial="the edge's own, signed, which leads back to where the REGISTER came from; in REGISTER alone")
def add_path(call: Call) -> int:
    """Put a Path into the REGISTER that goes on."""
    call.passage.path = True
    return 1


path.add(
    "add_path_received", add_path, "Put a Path in that says where the REGISTER came from.",
    partial="as add_path: its token says that",
)  # fmt: skip
