"""The broker: one address to know, where there are many edges and many handler hosts.

Towards edges it is a worker (`edges`), towards workers an edge (`relay`, a roster as the edge's dispatcher is one);
batches pass through unopened. A `batchpool` is the workers of one pool and what waits for them; `table` says what has
become of each batch. All of these are pure; `service` has the sockets and the clock. The protocol is in docs/bus.md.
"""
