"""KSR.uuid: UUIDs (RFC 9562), random ones and ones of the time."""

from __future__ import annotations

import uuid as uuids
from typing import TYPE_CHECKING

from slbroker_handlers.kemi.exports import Module

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.values import Xval

uuid = Module("uuid")


@uuid.export(name="rget")
@uuid.export
def get(_call: Call) -> Xval:
    """Return a random UUID."""
    return str(uuids.uuid4())


@uuid.export
def tget(_call: Call) -> Xval:
    """Return a UUID made from the time."""
    return str(uuids.uuid1())
