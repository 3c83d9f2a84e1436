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
def get(call: Call) -> Xval:
    """Return a random UUID."""
    call.request.unfit("each has a UUID of its own")
    return str(uuids.uuid4())


@uuid.export
def tget(call: Call) -> Xval:
    """Return a UUID made from the time."""
    call.request.unfit("each has a UUID of its own")
    return str(uuids.uuid1())
