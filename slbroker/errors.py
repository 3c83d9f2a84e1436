"""Everything slbroker raises on purpose, and the exit codes of its commands.

    SlbrokerError
    ├── PeerError            a SIP peer sent something we will not serve
    │   ├── Reject           ... and is told so: carries the SIP status and reason
    │   │   ├── Unreachable      ... because its next hop cannot be had
    │   │   └── NoWhere          ... because nothing says where it goes on to
    │   └── Drop             ... and hears nothing, because RFC 3261 wants silence
    ├── EnvelopeError        the other end of the bus sent bytes that are no envelope
    └── UserError            the person at the keyboard can mend it: one line, one exit code
        ├── ConfigError      an option, a config file, an address
        │   └── KeyFileError     the key ring file
        ├── UsageError       options that do not go together, or one that is missing
        ├── BindError        a listen address that is taken or not ours
        ├── PluginError      the plugin file cannot be loaded
        ├── NoAnswerError    nobody answered (ping, stats)
        └── TakeoverError    the edge that is there does not give its sockets

Raise a fresh instance each time: one kept at module level grows its traceback for ever.
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the `slbroker` command."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    CONFIG = 3
    BIND = 4
    PLUGIN = 5
    NO_ANSWER = 6
    REFUSED = 7  # ping: somebody answered, and not with 2xx
    TAKEOVER = 8  # edge --takeover: the edge that is there goes on


class SlbrokerError(Exception):
    """Base of all errors that slbroker raises on purpose."""


class PeerError(SlbrokerError):
    """A SIP message that will not be served; `data` are its bytes where somebody may want them yet."""

    data = b""


class Reject(PeerError):
    """A request to be answered with `status` (int, 300-699) and `reason` (text for the status line).

    `extra` holds header lines that the answer needs besides, each with its CRLF before it.
    """

    def __init__(self, status: int, reason: str, extra: bytes = b"") -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
        self.extra = extra


class Unreachable(Reject):
    """A request that was to go on, and whose next hop cannot be had."""


class NoWhere(Reject):
    """A request that was to go on, and nobody has said where to."""


class Drop(PeerError):
    """A message to be left unanswered; `cause` is a counter's name such as "keepalive"."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class EnvelopeError(SlbrokerError):
    """Bytes from the bus that are not an envelope of a version we speak."""


class UserError(SlbrokerError):
    """A problem the user can mend; the message is one line that says how."""

    exit_code = Exit.FAILURE


class ConfigError(UserError):
    """A wrong option, address or configuration file."""

    exit_code = Exit.CONFIG


class KeyFileError(ConfigError):
    """A key ring or bus key file that is missing, malformed or open to others."""


class UsageError(UserError):
    """Options that do not go together, or one without which a command cannot start."""

    exit_code = Exit.USAGE


class BindError(UserError):
    """An address that cannot be listened on."""

    exit_code = Exit.BIND


class PluginError(UserError):
    """A plugin that cannot be found, imported or used."""

    exit_code = Exit.PLUGIN


class NoAnswerError(UserError):
    """A peer or an edge that did not answer in time."""

    exit_code = Exit.NO_ANSWER


class TakeoverError(UserError):
    """An edge that does not give its sockets to us, and serves on."""

    exit_code = Exit.TAKEOVER
