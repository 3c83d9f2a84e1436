"""The edge's SIP sockets, one transport a file."""
