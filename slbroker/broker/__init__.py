"""The broker: one address to know, where there are many edges and many handler hosts.

Towards edges it is a worker, towards workers an edge; batches pass through unopened. `relay` joins the two sides,
`edges` and `workers`; a `team` is the workers of one pool and what waits for them; `table` says what has become of each
batch. All of these are pure; `service` has the sockets and the clock. The protocol is in docs/bus.md.
"""
