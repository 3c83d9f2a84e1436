"""Stateless forwarding (RFC 3261 16.11): bytes in, bytes out; no I/O, no clock, nothing kept of any message.

a request's bytes -> forward.Forwarder.receive -> Onward: judged, its Route followed; where it wants to go
                  -> Onward.to(hop)            -> the bytes that go downstream, our signed Via on top
a reply's bytes   -> backward.backward         -> our Via verified and popped; the flow that the request came by

nexthop, groups, selection, health, locate: where requests go (RFC 3263, dispatcher's lists and states)
"""
