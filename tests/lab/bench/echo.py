"""The least that a SIP/UDP server in Python can do: recvfrom, replace the request line, sendto.

INVITE is answered 404, ACK is thrown away, anything else is answered 200. Nothing is parsed and no To-tag is
added. Usage: echo.py PORT
"""

from __future__ import annotations

import socket
import sys


def main(port: int) -> None:
    """Serve on 127.0.0.1 and UDP `port` until killed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        sock.bind(("127.0.0.1", port))
        while True:
            data, source = sock.recvfrom(65535)
            rest = data.find(b"\r\n")
            if rest < 0 or data.startswith(b"ACK "):
                continue
            status = b"SIP/2.0 404 Not Found" if data.startswith(b"INVITE ") else b"SIP/2.0 200 OK"
            sock.sendto(status + data[rest:], source)


if __name__ == "__main__":
    main(int(sys.argv[1]))
