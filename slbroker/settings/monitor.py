"""What the monitor needs to know."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

from slbroker.bus.address import BusAddress, default_bus
from slbroker.errors import ConfigError
from slbroker.option import File, Number, Word, also, frozen, option, part
from slbroker.settings.bus import BusSecurity, client_security
from slbroker.settings.connections import TlsSettings, tls_settings
from slbroker.settings.edge import EdgeSettings
from slbroker.sip.grammar import MAX_PORT

_match_http: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([\w.-]+)):([0-9]{1,5})", re.ASCII).fullmatch
LOOPBACKS: Final = ("localhost", "::1")


class HttpAddress(NamedTuple):
    """Where HTTP is served; `host` is without brackets."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether nobody but this machine reaches it."""
        return self.host in LOOPBACKS or self.host.startswith("127.")

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_http_address(text: str) -> HttpAddress:
    """Return the address that `text` writes, HOST:PORT, IPv6 in brackets; raise ConfigError for any other form."""
    found = _match_http(text)
    if found is None or int(found[3]) > MAX_PORT:
        raise ConfigError(f"HTTP address {text!r}: write host:port, such as 127.0.0.1:8080 or [::1]:8080")
    return HttpAddress(found[1] or found[2], int(found[3]))


HTTP: Final = Word("host:port", parse_http_address)


# fmt: off
@frozen(kw_only=True)
class MonitorSettings:
    """Where the monitor serves, whom it asks, and who may look."""

    http: HttpAddress = option("--http", HTTP, default=HttpAddress("127.0.0.1", 8080),
        help="Where to serve. Beyond this machine: with --token-file, or --tls-verify-client.",
        example="127.0.0.1:8080")
    bus: tuple[BusAddress, ...] = also(EdgeSettings, "bus", unsaid=lambda: (default_bus(),),
        help="Bus address of an edge (its --bus), or of a broker (its --edges); repeatable. Further processes of an"
        " edge, and the brokers that it knows, are found.",
        many=True)
    security: BusSecurity | None = part(BusSecurity, client_security, default=None, without=("clients",))
    interval: float = option("--interval", Number(0.1, 60, "s"), default=1.0,
        help="Seconds between two times that figures are asked for.")
    token: Path | None = option("--token-file", File(), default=None,
        help="File with a token of 16 characters or more, which who looks has to send: Authorization: Bearer TOKEN.",
        example="monitor.token")
    tls: TlsSettings | None = part(TlsSettings, tls_settings, default=None)
    alive_file: Path | None = also(EdgeSettings, "alive_file", default=None)
# fmt: on
