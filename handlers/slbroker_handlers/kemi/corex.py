"""KSR.corex: more of the core: is there a user, a User-Agent; branches, which a 3xx reply leads to."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from slbroker_handlers.kemi.call import MAX_BRANCHES, Call
from slbroker_handlers.kemi.exports import Module, Xval
from slbroker_handlers.kemi.flags import is_flag
from slbroker_handlers.kemi.place import script_logger

logger = script_logger(__name__)

corex = Module("corex")

MAX_XFLAG: Final = 63


@corex.export
def has_ruri_user(call: Call) -> int:
    """Return 1 when the Request-URI has a user."""
    return 1 if call.parts is not None and call.parts.user else -1


@corex.export
def has_user_agent(call: Call) -> int:
    """Return 1 when the request has a User-Agent that is not empty."""
    return 1 if call.first(b"user-agent") else -1


@corex.export
def append_branch(call: Call) -> int:
    """Make the Request-URI a branch."""
    return _append(call, call.uri, "")


@corex.export
def append_branch_uri(call: Call, uri: str) -> int:
    """Add a branch: a 3xx reply names it in its Contact."""
    return _append(call, uri, "")


@corex.export
def append_branch_uri_q(call: Call, uri: str, q: str) -> int:
    """Add a branch with a q value, 0 to 1."""
    if not q:
        return _append(call, uri, "")
    try:
        valid = 0 <= float(q) <= 1
    except ValueError:
        valid = False
    return _append(call, uri, f"0{q}" if q.startswith(".") else q) if valid else -1


def _append(call: Call, uri: str, q: str) -> int:
    if len(call.branches) >= MAX_BRANCHES:
        logger.error("KSR.corex: %.80r cannot be a branch: there are %d", uri, MAX_BRANCHES)
        return -1
    call.branches.append((uri or call.uri, q))
    return 1


def _xflag(call: Call, flag: int) -> bool:
    del call
    return 0 <= flag <= MAX_XFLAG or is_flag(flag)


@corex.export
def setxflag(call: Call, flag: int) -> int:
    """Set an extended flag, 0 to 63."""
    if not _xflag(call, flag):
        return -1
    call.xflags |= 1 << flag
    return 1


@corex.export
def resetxflag(call: Call, flag: int) -> int:
    """Clear an extended flag."""
    if not _xflag(call, flag):
        return -1
    call.xflags &= ~(1 << flag)
    return 1


@corex.export
def isxflagset(call: Call, flag: int) -> int:
    """Return 1 when an extended flag is set."""
    return 1 if _xflag(call, flag) and call.xflags >> flag & 1 else -1


@corex.export
def is_faked_msg(_call: Call) -> int:
    """Return -1: every request is one that came."""
    return -1


@corex.export(partial="sockets have no names here: always -1")
def is_socket_name(_call: Call, name: str) -> int:
    """Return -1: sockets have no names here."""
    del name
    return -1


@corex.export(partial="there is no core parameter xavp_via_reply_params here, so nothing is added, as without it")
def via_reply_add_xavp_params(_call: Call, value: int) -> int:
    """Let replies have parameters of an $xavp in the top Via."""
    del value
    return 1


@corex.export
def file_read(_call: Call, path: str) -> Xval:
    """Return a file's text, None when it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    except (OSError, ValueError) as error:
        logger.error("KSR.corex.file_read(%.80r): %s", path, error)
        return None
