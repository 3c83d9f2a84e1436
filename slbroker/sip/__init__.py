"""The SIP core: bytes in, bytes out, no I/O and no clock.

Read it in the order a packet takes: `grammar` (the rules), `framer` (stream to messages), `parser` (datagram to
`message.Message`), `validate` (checks by name), `via` (where the reply goes), `address`, `uri`, `vialist` and
`credentials` (single values), `reply` (message to reply bytes), `reasons` (default phrases).
"""
