"""slbroker: stateless SIP replies over a message queue.

What a plugin author needs is imported from here; the README tells how it is used.
"""

from slbroker.plugin import DROP, Handlers, Reply, Request

__all__ = ["DROP", "Handlers", "Reply", "Request"]
