"""The bus between edges and workers.

`envelope` is the codec; `dispatcher` and `membership` are its two ends as pure state machines (frames and `now` in,
frames out); `address` reads bus addresses; `sockets` alone touches ZeroMQ. The protocol is written down in docs/bus.md.
"""
