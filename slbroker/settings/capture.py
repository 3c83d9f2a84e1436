"""What an edge shows of its messages, and to whom."""

from __future__ import annotations

import os
import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Final, NamedTuple

from slbroker.errors import ConfigError
from slbroker.option import File, Whole, Word, frozen, option
from slbroker.sip.grammar import MAX_PORT, is_token
from slbroker.sip.networks import read_networks

HEP_PORT: Final = 9060  # where Homer listens
MOST_COLLECTORS: Final = 8
MAX_AUTH: Final = 256  # characters
_match_collector = re.compile(r"(udp|tcp):(\[[0-9A-Fa-f:.%\w]+\]|[\w.-]+)(?::([0-9]{1,5}))?", re.ASCII).fullmatch


class Collector(NamedTuple):
    """Who takes HEP3 packets; `host` is without brackets, and may be a name."""

    transport: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}:{host}:{self.port}"


def parse_collector(text: str) -> Collector:
    """Return the collector that `text` names, udp:host:port; raise ConfigError for any other form."""
    found = _match_collector(text)
    port = int(found[3]) if found and found[3] else HEP_PORT
    if found is None or not 0 < port <= MAX_PORT or found[2].isdigit():
        raise ConfigError(f"--hep {text!r}: write udp:host:port, or tcp:, such as udp:homer.example.com:9060")
    return Collector(found[1], found[2].strip("[]"), port)


def refuse_many(hep: tuple[Collector, ...]) -> None:
    """Raise ConfigError for too many collectors, and for one that is said twice."""
    if len(hep) > MOST_COLLECTORS:
        raise ConfigError(f"--hep: {len(hep)} collectors are too many; name {MOST_COLLECTORS} at most")
    for number, each in enumerate(hep):
        if each in hep[:number]:
            raise ConfigError(f"--hep {each} is said twice")


def read_auth(text: str) -> str:
    """Return the key of a collector; raise ConfigError for one that is too long."""
    if len(text) > MAX_AUTH:
        raise ConfigError(f"--hep-auth: {len(text)} characters are too many; {MAX_AUTH} at most")
    return text


def read_method(text: str) -> str:
    """Return a method; raise ConfigError for what is none."""
    if not is_token(text.encode()):
        raise ConfigError(f"--capture-method {text!r} is no method; write one each time: --capture-method INVITE")
    return text


def read_source(text: str) -> IPv4Network | IPv6Network:
    """Return a network; raise ConfigError for what is none."""
    try:
        return read_networks([text])[0]
    except ValueError as error:
        raise ConfigError(f"--capture-source: {error}; write 192.0.2.0/24, 2001:db8::/32 or 192.0.2.1") from None


# fmt: off
@frozen()
class CaptureSettings:
    """Which messages an edge shows, and to whom: received, sent, absorbed, dropped and forwarded ones."""

    hep: tuple[Collector, ...] = option("--hep", Word("udp:host:port", parse_collector), default=(),
        help="Where a collector takes HEP3, such as Homer's: udp or tcp; repeatable, all get everything.",
        many=True, metavar="UDP:HOST:PORT", check=refuse_many, example="udp:homer.example.com:9060")
    hep_id: int = option("--hep-id", Whole(0, 4_294_967_295), default=1,
        help="Number that says in HEP who has captured a message.")
    hep_auth: str | None = option("--hep-auth", Word("key", read_auth), default=None,
        help="Key that the collector wants; as SLBROKER_HEP_AUTH other users of this machine do not see it.",
        example="secret", secret=True)
    pcap: Path | None = option("--pcap", File(folder=False), default=None,
        help="Write messages to a ring of pcap files, FILE_00001_20261129145500.pcap and so on; process n of an edge to"
        " FILE.n.",
        example="/var/log/slbroker/sip.pcap")
    pcap_size: int = option("--pcap-size", Whole(1, 1_000_000, "MB"), default=100,
        help="Megabytes of each of these files at most, as -b filesize of dumpcap.")
    pcap_seconds: int = option("--pcap-seconds", Whole(1, 31_536_000, "s"), default=3_600,
        help="Seconds after which the next file begins, as -b duration.")
    pcap_files: int = option("--pcap-files", Whole(2, 10_000), default=10,
        help="Files that are kept, those of earlier runs included, as -b files: the oldest is removed for the newest.")
    methods: tuple[str, ...] = option("--capture-method", Word("token", read_method), default=(),
        help="Show messages of this method alone, and the replies to it; repeatable.",
        many=True, param="capture_method", metavar="METHOD", example="INVITE")
    sources: tuple[IPv4Network | IPv6Network, ...] = option("--capture-source", Word("network", read_source),
        default=(),
        help="Show what comes from, or goes to, addresses of this network alone; repeatable.",
        many=True, param="capture_source", metavar="ADDRESS[/PREFIX]", example="192.0.2.0/24")

    @property
    def is_used(self) -> bool:
        """Whether anything is to be shown."""
        return bool(self.hep) or self.pcap is not None
# fmt: on


NO_CAPTURE: Final = CaptureSettings()


def check_capture(capture: CaptureSettings) -> None:
    """Raise ConfigError where the folder of the files is missing, or cannot be written in."""
    path = capture.pcap
    if path is None:
        return
    if not os.path.isdir(path.parent):  # noqa: PTH112 - Path's raises where a folder above it is closed to us
        raise ConfigError(f"--pcap {path}: there is no folder {path.parent}; make it, for the edge's user to write in")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise ConfigError(f"--pcap {path}: uid {os.geteuid()} cannot write in {path.parent}")
