"""The SIP programs of other people that tests run beside slbroker."""

from __future__ import annotations

import os
import shutil
import socket
from typing import NoReturn

import pytest

DEBIAN_PACKAGES = {"sipp": "sip-tester", "kamailio": "kamailio", "sipsak": "sipsak", "ip": "iproute2"}

# Debian keeps kamailio where an ordinary user's PATH does not look.
_SYSTEM_PATH = "/usr/sbin:/sbin"

_given_out: set[int] = set()


def require_peer(program: str) -> str:
    """The path of `program`; without it the test is skipped, or fails where SLBROKER_REQUIRE_PEERS=1."""
    path = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_PATH}")
    if path is None:
        missing_peer(f"{program} is not installed (Debian: apt-get install {DEBIAN_PACKAGES.get(program, program)})")
    return path


def missing_peer(reason: str) -> NoReturn:
    """Skip the test for `reason`, or let it fail where SLBROKER_REQUIRE_PEERS=1."""
    if os.environ.get("SLBROKER_REQUIRE_PEERS") == "1":
        pytest.fail(f"{reason} and SLBROKER_REQUIRE_PEERS=1", pytrace=False)
    pytest.skip(reason, allow_module_level=True)


def free_udp_port(host: str = "127.0.0.1") -> int:
    """A UDP port nobody on `host` uses now, for programs that have to be told one (SIPp, Kamailio).

    slbroker itself is given port 0 and says what it got. No port is handed out twice in one test run.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
            port: int = probe.getsockname()[1]
        if port not in _given_out:
            _given_out.add(port)
            return port
