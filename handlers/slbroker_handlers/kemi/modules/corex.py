"""KSR.corex: more of the core: is there a user, a User-Agent; branches, which a 3xx reply leads to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from slbroker_handlers.kemi.call import MAX_BRANCHES
from slbroker_handlers.kemi.exports import Module
from slbroker_handlers.kemi.flags import changed, is_flag
from slbroker_handlers.kemi.scriptlog import script_logger

if TYPE_CHECKING:
    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.values import Xval

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
    try:
        valid = 0 <= float(q or "0") <= 1
    except ValueError:
        valid = False
    return _append(call, uri, f"0{q}" if q.startswith(".") else q) if valid else -1


def _append(call: Call, uri: str, q: str) -> int:
    if len(call.branches) >= MAX_BRANCHES:
        logger.error("KSR.corex: %.80r cannot be a branch: there are %d", uri, MAX_BRANCHES)
        return -1
    call.branches.append((uri or call.uri, q))
    return 1


def _change(call: Call, flag: int, value: bool) -> int:
    if not _is_xflag(flag):
        return -1
    call.xflags = changed(call.xflags, flag, value)
    return 1


def _is_xflag(flag: int) -> bool:
    return 0 <= flag <= MAX_XFLAG or is_flag(flag)


@corex.export
def setxflag(call: Call, flag: int) -> int:
    """Set an extended flag, 0 to 63."""
    return _change(call, flag, True)


@corex.export
def resetxflag(call: Call, flag: int) -> int:
    """Clear an extended flag."""
    return _change(call, flag, False)


@corex.export
def isxflagset(call: Call, flag: int) -> int:
    """Return 1 when an extended flag is set."""
    return 1 if _is_xflag(flag) and call.xflags >> flag & 1 else -1


@corex.export
def file_read(_call: Call, path: str) -> Xval:
    """Return a file's text, None when it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    except (OSError, ValueError) as error:
        logger.error("KSR.corex.file_read(%.80r): %s", path, error)
        return None


corex.answer(-1, {"is_faked_msg()": "Return -1: every request is one that came."})
corex.answer(
    -1,
    {"is_socket_name(name: str)": "Return -1: sockets have no names here."},
    partial="sockets have no names here: always -1",
)
corex.answer(
    1,
    {"via_reply_add_xavp_params(value: int)": "Let replies have parameters of an $xavp in the top Via."},
    partial="there is no core parameter xavp_via_reply_params here, so nothing is added, as without it",
)
