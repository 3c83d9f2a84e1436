"""Asking an edge for its statistics over the bus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zmq

from slbroker.bus import envelope
from slbroker.bus.envelope import Kind
from slbroker.bus.sockets import connect_dealer
from slbroker.errors import EnvelopeError, NoAnswerError

if TYPE_CHECKING:
    from slbroker.bus.address import BusAddress


def ask_figures(address: BusAddress, timeout: float) -> list[dict[str, Any]]:
    """Return the statistics of the edge at `address` and of its further processes; raise NoAnswerError."""
    first, processes = _ask(address, timeout)
    return [first, *(_ask(address.of_process(number), timeout)[0] for number in range(1, processes))]


def _ask(address: BusAddress, timeout: float) -> tuple[dict[str, Any], int]:
    with zmq.Context() as context:
        dealer = connect_dealer(context, address)
        with dealer:
            dealer.set(zmq.LINGER, 0)
            dealer.set(zmq.SNDTIMEO, int(timeout * 1000))
            dealer.set(zmq.RCVTIMEO, int(timeout * 1000))
            try:
                dealer.send_multipart(envelope.encode(Kind.STATS))
                frames = dealer.recv_multipart()
                if envelope.decode_head(frames).kind is not Kind.FIGURES:
                    raise EnvelopeError("not FIGURES")
                figures = envelope.decode_info(frames[1])
            except zmq.Again as error:
                raise NoAnswerError(f"no edge answers at {address}; is it the address of its --bus?") from error
            except EnvelopeError as error:
                raise NoAnswerError(f"what answers at {address} is no edge of this version: {error}") from error
    processes = figures.pop("processes", 1)
    return figures, processes if isinstance(processes, int) else 1
