"""What each process and command is told: frozen, built once by the command line and passed down.

Every option stands in one place, as a field (`slbroker/option.py`): `edge.py` has an edge's, `dispatch.py` those about
handing requests out, `connections.py` TCP, TLS and WebSocket, `bus.py` the bus and its keys, `handler.py` the workers',
`broker.py` a broker's, `run.py` what `slbroker run` takes of these. What one command alone has is beside that command.
"""
