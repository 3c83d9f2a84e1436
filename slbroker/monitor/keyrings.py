"""Which keys sign and who knows them: whether the key rings of edges and workers agree. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from slbroker.metrics.model import fit, mapping

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slbroker.metrics.gathered import Process


class Ring(NamedTuple):
    """What one process tells of its ring: labels, ids and fingerprints."""

    who: str
    is_edge: bool
    signs: frozenset[str]
    known: frozenset[str]


def keyrings(edges: list[Process], workers: list[dict[str, Any]]) -> dict[str, Any]:
    """Return each key with who signs with it, and who lacks it, and in words whether that is as it should be.

    `state` is `none` (nobody tells), `agree` (one key signs, and all know it), `rotating` (several sign, every edge
    knows them) or `differ`: an edge lets ACKs to replies through that were signed with a key it does not know.
    """
    rings = [ring for each in edges if (ring := _read(fit(each.address), each.figures, is_edge=True)) is not None]
    rings += [ring for each in workers if (ring := _read(each["name"], each, is_edge=False)) is not None]
    labels = sorted({label for ring in rings for label in (*ring.signs, *ring.known)})
    signing = {label for ring in rings for label in ring.signs}
    rows = [
        {
            "key": label,
            "signs": [ring.who for ring in rings if label in ring.signs],
            "known": sum(label in ring.known for ring in rings),
            "lacking": [ring.who for ring in rings if label not in ring.known],
        }
        for label in labels
    ]
    lost = [ring.who for ring in rings if ring.is_edge and not signing <= ring.known]
    state = "none" if not rings else "differ" if lost else "agree" if len(signing) == 1 else "rotating"
    return {"state": state, "processes": len(rings), "lost": lost, "rows": rows}


def _read(who: str, figures: Mapping[str, Any], *, is_edge: bool) -> Ring | None:
    told = mapping(figures.get("keys"))
    signs, known = _labels(told.get("signs")), _labels(told.get("known"))
    return Ring(who, is_edge, signs, known) if signs else None


def _labels(told: object) -> frozenset[str]:
    several = [told] if isinstance(told, str) else told if isinstance(told, list | tuple) else []
    return frozenset(fit(label) for label in several[:64] if isinstance(label, str) and label)
