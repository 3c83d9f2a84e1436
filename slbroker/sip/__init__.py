"""The SIP core: bytes in, bytes out, no I/O and no clock.

Read it in the order a packet takes: `grammar` (the rules), `parser` (datagram to `message.Message`), `via` (where the
reply goes), `address` and `uri` (single values), `reply` (message to reply bytes), `reasons` (default phrases).
"""
