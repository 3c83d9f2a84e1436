"""The statistics of a running edge, without a word on who was silent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slbroker.query import survey

if TYPE_CHECKING:
    from slbroker.bus.address import BusAddress


def ask_figures(address: BusAddress, timeout: float) -> list[dict[str, Any]]:
    """The statistics of the edge at `address` and of its further processes; raises NoAnswerError."""
    return survey(address, timeout).answers
