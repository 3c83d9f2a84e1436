"""What tests ask of the ACK filter, and nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from slbroker_edge.edge import Edge


class Rig(Protocol):
    """An edge and its clock."""

    edge: Edge
    now: float


def is_armed(rig: Rig) -> bool:
    """Whether ACKs are looked at; when not, all are let through."""
    return rig.now < rig.edge.ack_filter._memory.deadline
