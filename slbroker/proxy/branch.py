"""The branch of our Via: a hash of the request alone (RFC 3261 16.11), with a part that finds loops (16.6 step 8).

    branch = "z9hG4bK" + "s1" + transaction (24 hex digits) + "." + loop (16 hex digits)    50 token characters

No key goes into it. So it is the same for a request, its repetition, its CANCEL and the ACK to its refusal, at any
edge, before and after the ring is rotated; what signs it stands beside it (`flow`). Nothing goes in that may differ
among these: not the method, not the To tag (the ACK has one that its INVITE had not), no credentials, no Proxy-Require.

The loop part is made of what decides where a request goes: who sent it here (the top Via's sent-by), Request-URI and
Route as they came, and which request it is. A request that comes back with all of these the same goes round; one of
which anything has changed is a spiral, and goes on. RFC 3261 has the whole top Via in it, whose branch is another one
each time round; without its sent-by a proxy that sends through us in both directions would be refused.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

from slbroker.listen import default_port
from slbroker.proxy.flow import framed
from slbroker.sip.grammar import COOKIE
from slbroker.sip.via import identity
from slbroker.sip.vialist import parse_vias, read_via

if TYPE_CHECKING:
    from slbroker.proxy.names import Us
    from slbroker.sip.message import Message
    from slbroker.sip.vialist import Via

PREFIX: Final = COOKIE + b"s1"
BRANCH_LENGTH: Final = 50
LOOP_LENGTH: Final = 17  # with the dot before it
_TRANSACTION: Final = hashlib.blake2b(digest_size=12, person=b"slbroker-branch")
_LOOP: Final = hashlib.blake2b(digest_size=8, person=b"slbroker-loop")


class Top(NamedTuple):
    """What the top Via, as it came, says of the transaction (RFC 3261 17.2.3)."""

    sent_by: bytes  # in lower case
    branch: bytes  # b"" unless it is one of RFC 3261 8.1.1.7
    raw: bytes  # the Via itself, without those behind it in the same header


def read_top(value: bytes) -> Top:
    """Read the first Via of a header's value; raises Reject(400)."""
    sent_by, branch = identity(value)
    if branch:
        return Top(sent_by.lower(), branch, value)
    via, _ = read_via(value, 0)
    host = f"[{via.host}]" if ":" in via.host else via.host
    sent_by = f"{host}:{via.port}".encode() if via.port is not None else host.encode()
    written = via.branch.encode("utf-8", "surrogateescape")
    return Top(sent_by, written if len(written) > len(COOKIE) and written.startswith(COOKIE) else b"", via.raw)


def branch_of(message: Message, top: Top) -> bytes:
    """Return the branch that every stateless element gives this request, its repetitions, its CANCEL and its ACK."""
    dialog = b"%b%d" % (framed(message.call_id, message.from_tag), message.cseq)
    transaction = _TRANSACTION.copy()
    if top.branch:
        transaction.update(framed(top.sent_by, top.branch) + dialog)
    else:  # RFC 2543: no two requests have all of these in common, but for those that belong together
        transaction.update(b"\xff" + framed(top.raw, message.uri) + dialog)
    loop = _LOOP.copy()
    routes = message.all(b"route") if b"route" in message.headers else ()
    loop.update(framed(top.sent_by, message.uri, *routes) + dialog)
    return b"%b%b.%b" % (PREFIX, transaction.hexdigest().encode(), loop.hexdigest().encode())


def has_looped(message: Message, branch: bytes, us: Us) -> bool:
    """Return whether a request of which we would make `branch` has been here before, with nothing changed since.

    Raises Reject(400) where a Via that seems to be ours cannot be read.
    """
    loop = branch[-LOOP_LENGTH:]
    for value in message.all(b"via"):
        if loop in value and any(_is_ours(via, loop, us) for via in parse_vias(value)):
            return True
    return False


def _is_ours(via: Via, loop: bytes, us: Us) -> bool:
    branch = via.branch.encode("utf-8", "surrogateescape")
    is_made_here = len(branch) == BRANCH_LENGTH and branch.startswith(PREFIX) and branch.endswith(loop)
    return is_made_here and us(via.host, via.port or default_port(via.transport.lower()))
