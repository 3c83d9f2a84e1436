"""Groups of next hops, what is asked of them, and how names are looked up."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from slbroker.errors import ConfigError, Reject
from slbroker.option import File, Number, OneOf, Whole, Word, frozen, option
from slbroker.proxy.groups import Algorithm, read_algorithm
from slbroker.proxy.health import ProbingMode, Rules, counted_statuses
from slbroker.sip.grammar import MAX_PORT, is_token
from slbroker.sip.uri import parse_uri

DNS_PORT: Final = 53
_match_server = re.compile(
    r"(?:\[([0-9A-Fa-f:.%\w]+)\]|([0-9.]+))(?::([0-9]{1,5}))?|([0-9A-Fa-f:.%\w]+)", re.ASCII
).fullmatch


def read_method(text: str) -> str:
    """Return the method of pings; raise ConfigError for what is none."""
    if not is_token(text.encode()) or text in ("ACK", "CANCEL", "INVITE"):
        raise ConfigError(f"--ping-method {text!r}: write a method that is answered and sets up nothing: OPTIONS, INFO")
    return text


def read_sender(text: str) -> str:
    """Return the URI of pings' From; raise ConfigError for what is none."""
    try:
        uri = parse_uri(text.encode())
    except Reject:
        uri = None
    if uri is None or uri.scheme not in ("sip", "sips") or set(text) & set("<>?,; "):
        raise ConfigError(f"--ping-from {text!r}: write a SIP URI, such as sip:ping@example.com")
    return text


def read_codes(text: str) -> str:
    """Return the statuses that count as answers, for `health.counted_statuses`; raise ConfigError."""
    counted_statuses(text)
    return text


def read_server(text: str) -> tuple[str, int]:
    """Return address and port of a DNS server; raise ConfigError."""
    found = _match_server(text)
    if found is not None:
        host, port = found[1] or found[2] or found[4], int(found[3] or DNS_PORT)
        try:
            address = ip_address(host)
        except ValueError:
            pass
        else:
            if 0 < port <= MAX_PORT:
                return str(address), port
    raise ConfigError(f"--resolver {text!r}: write the address of a DNS server, such as 127.0.0.1 or [::1]:5353")


# fmt: off
@frozen()
class GroupSettings:
    """The groups of next hops; times in seconds. Named after dispatcher's parameters, which begin with ds_ there."""

    file: Path | None = option("--groups", File(folder=False), default=None,
        help="List of groups of next hops in the format of Kamailio's dispatcher: setid destination flags priority"
        " attrs. SIGHUP reads it again.",
        param="groups", example="dispatcher.list")
    algorithm: Algorithm = option("--group-by", Word("what", read_algorithm), default=Algorithm.CALL_ID,
        help="What a destination of a group is chosen by: call-id, from, to, ruri (user and host), source, or priority"
        " for the first one that is there; dispatcher's numbers are understood.",
        metavar="WHAT", word="call-id", param="group_by")
    ping_interval: float = option("--ping-interval", Number(0, 3600, "s"), default=10.0,
        help="Seconds between two pings of a destination. 0: none; one that has failed is tried again after 30 s.")
    ping_method: str = option("--ping-method", Word("method", read_method), default="OPTIONS",
        help="Method of the pings.")
    ping_from: str | None = option("--ping-from", Word("sip-uri", read_sender), default=None,
        help="From of the pings; without it sip:ping@ and the address that they leave by.",
        metavar="SIP-URI", example="sip:ping@example.com")
    ping_codes: str = option("--ping-reply-codes", Word("codes", read_codes), default="class=2;class=3;class=4",
        help="Statuses that count as an answer, as class=2;code=403; others, such as 503, are as silence.",
        metavar="CODES", param="ping_codes")
    probing_threshold: int = option("--probing-threshold", Whole(1, 1_000), default=1,
        help="Failures on end, of requests and pings, after which a destination gets no requests.")
    inactive_threshold: int = option("--inactive-threshold", Whole(1, 1_000), default=1,
        help="Pings answered on end after which it gets some again.")
    probing_mode: ProbingMode = option("--probing-mode", OneOf({str(mode.value): mode for mode in ProbingMode}),
        default=ProbingMode.ALL,
        help="Who is pinged, as ds_probing_mode: 1 all; 3 those with flag 8; 2 these while they are inactive; 0 these"
        " once.")
    resolver: tuple[tuple[str, int], ...] = option("--resolver", Word("host[:port]", read_server), default=(),
        help="DNS server that the names of next hops are looked up at; repeatable, in turn. Without it those of"
        " /etc/resolv.conf.",
        many=True, metavar="HOST[:PORT]", example="127.0.0.1:53")

    @property
    def rules(self) -> Rules:
        """What makes a difference to the state of a destination."""
        return Rules(self.probing_threshold, self.inactive_threshold, self.probing_mode)
# fmt: on


USUAL_GROUPS: Final = GroupSettings()
