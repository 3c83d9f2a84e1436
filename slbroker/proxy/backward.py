"""A reply on its way back: our Via on top is verified and popped, and says how the request came (16.7, 16.11).

A reply with no signed Via of ours on top answers nothing that we have sent. It is dropped, and the cause told:

    bad-reply    it cannot be read
    not-ours     the top Via is none that we made
    forged       it is, but not for this Call-ID, From tag, CSeq and flow; or its key is gone (ten minutes after its
                 successor signs, `keys.RETIRED_KEY_LIFETIME`)
    no-via       there is nobody behind us: it answers a request of our own

Whose the sent-by is does not matter: any edge with the ring passes on what another one has sent. 100 (Trying) goes on
as all others do. A proxy with state never forwards it (21.1.1), but one without must send none of its own (16.11): the
client repeats its INVITE until it hears the next element's. That 100 ends at the first element with state.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from slbroker.errors import Drop, Reject
from slbroker.listen import STREAMS
from slbroker.proxy.branch import BRANCH_LENGTH, PREFIX
from slbroker.proxy.flow import framed, read_flow
from slbroker.proxy.head import Head, flat, with_value
from slbroker.sip.address import tag_of
from slbroker.sip.grammar import MAX_CSEQ, is_digits, match_cseq, unfold
from slbroker.sip.reply import status_line
from slbroker.sip.vialist import read_via

if TYPE_CHECKING:
    from slbroker.proxy.edits import Edits
    from slbroker.proxy.flow import Flow, Seals

# RFC 3261 7.2: Status-Line = SIP-Version SP Status-Code SP Reason-Phrase CRLF
_match_status = re.compile(rb"SIP/2\.0 ([1-6][0-9]{2})(?: .*)?", re.IGNORECASE | re.DOTALL).fullmatch
# Our Via as nearly everybody gives it back: one of a line of its own, parameters added or not.
_match_ours = re.compile(
    rb"SIP/2\.0/[A-Z]++ [^;,\" \t]++;branch=(%b[0-9a-f.]{41});flow=([0-9A-Za-z._~-]++)(?:;[^;,\" \t]*+)*" % PREFIX
).fullmatch


class Backward(NamedTuple):
    """A reply that goes back: its bytes, the flow that it goes by, and what those who look at replies ask first."""

    data: bytes
    flow: Flow
    status: int
    method: bytes  # of CSeq


def backward(data: bytes, seals: Seals, edits: Edits | None = None, status: int = 0, reason: str = "") -> Backward:
    """Return what becomes of one message that should be a reply. Raises Drop(cause), never anything else from a peer.

    `edits` changes its headers; `status` and `reason` its status line, as `sl_forward_reply` does, within its class:
    else ValueError is raised.
    """
    head = Head.cut(data)
    start = head.lines[0]
    if b"\n" in start:
        start = head.lines[0] = unfold(b" ", start)
    found = _match_status(start)
    cseq = match_cseq(head.first(b"cseq"))
    if found is None or cseq is None or int(cseq[1]) > MAX_CSEQ or b"via" not in head.names:
        raise Drop("bad-reply")
    number = int(found[1])
    if status:
        if status // 100 != number // 100:
            raise ValueError(f"{status} is of another class than {number}")
        number, head.lines[0] = status, status_line(status, reason)
    try:
        flow = _pop(head, b"%d %b" % (int(cseq[1]), cseq[2]), seals)
        body = _cut_body(head.rest, head.first(b"content-length"))
    except Reject:
        raise Drop("bad-reply") from None
    if edits is not None:
        edits.apply(head)
    if flow.transport in STREAMS:
        head.tell_length(body)
    return Backward(head.join(body), flow, number, cseq[2])


def _pop(head: Head, cseq: bytes, seals: Seals) -> Flow:
    """Take our Via away; return the flow in it. Raises Drop, and Reject where the head cannot be read."""
    at = head.find(b"via")
    branch, token, end = _read_ours(head.lines[at])
    opened = seals.via.open(token, framed(branch, head.first(b"call-id"), tag_of(head.first(b"from")), cseq))
    flow = None if opened is None else read_flow(opened)
    if flow is None:
        raise Drop("forged")
    _cut_via(head, at, end)
    return flow


def _read_ours(line: bytes) -> tuple[bytes, bytes, int]:
    """Return the branch, the flow token and the end of the first Via in a line; raise Drop("not-ours")."""
    whole = flat(line)
    start = whole.index(b":") + 1
    ordinary = _match_ours(whole[start:].strip(b" \t"))
    if ordinary is not None:
        return ordinary[1], ordinary[2], len(line)
    via, end = read_via(whole, start)
    branch, token = (via.params.get(name) or "" for name in ("branch", "flow"))
    if not branch.startswith(PREFIX.decode()) or len(branch) != BRANCH_LENGTH or not token:
        raise Drop("not-ours")
    return branch.encode("utf-8", "surrogateescape"), token.encode("utf-8", "surrogateescape"), end


def _cut_via(head: Head, at: int, end: int) -> None:
    """Take away the first Via, which ends at `end` of its line. Raises Drop("no-via") where it is the only one."""
    line = head.lines[at]
    rest = line[end + 1 :].lstrip(b" \t\r\n")  # behind the comma
    if rest:
        head.lines[at] = with_value(line, rest)
        return
    head.delete(at)
    if b"via" not in head.names:
        raise Drop("no-via")


def _cut_body(body: bytes, length: bytes) -> bytes:
    """Return the body as long as Content-Length says (18.3); raise Drop("bad-reply") where there is less."""
    if not length:
        return body
    if not is_digits(length) or int(length) > len(body):
        raise Drop("bad-reply")
    return body[: int(length)]
