"""The edge process: owns the SIP sockets, absorbs ACKs, keeps each request until a worker has answered it.

`edge` is what happens to a message, with no I/O in it; `transports` are the sockets, `ackfilter` the timed filter,
`service` puts them together and runs them.
"""
