"""slbroker: stateless SIP replies over a message queue.

What a plugin author needs is imported from here; the README tells how it is used. It is loaded when it is asked for:
an edge and the command line need none of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slbroker.plugin import DROP, Forward, Handlers, Reply, Request

__all__ = ["DROP", "Forward", "Handlers", "Reply", "Request"]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from slbroker import plugin  # noqa: PLC0415

    return getattr(plugin, name)
