"""What a phone made of an answer, judged by what it sent: the cells of the table in docs/interop.md.

A verdict begins with "OK" when the phone did what the RFC wants or allows, with "no" when it did not.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Final, TypeAlias

from tests.interop.lab import Event

MANY: Final = 8  # REGISTERs for one registration, in a minute: more is a loop
NOTHING: Final = "-"  # the phone was not asked, or cannot be


def _invites(events: list[Event], number: str) -> list[Event]:
    return [event for event in events if event["method"] == "INVITE" and event["number"] == number]


def _said(events: list[Event], number: str, method: str) -> list[Event]:
    return [event for event in events if event["number"] == number and event["method"] == method]


def _acks_all(events: list[Event], number: str) -> bool:
    """Whether each INVITE to a number got its ACK, over the same transport, and the edge knew it."""
    acks = {(event["cseq"], event["transport"]) for event in _said(events, number, "ACK") if event["absorbed"]}
    finals = [event for event in _invites(events, number) if event["answered"] >= 200]
    return all((event["cseq"], event["transport"]) in acks for event in finals)


def refused(events: list[Event], number: str) -> str:
    """404, 486, 420: one INVITE, one ACK."""
    invites = _invites(events, number)
    if not invites:
        return NOTHING
    if not _acks_all(events, number):
        return "no: no ACK"
    return "OK" if len(invites) == 1 else f"OK: asks {len(invites)} times"


def retried(events: list[Event], number: str) -> str:
    """503 with Retry-After to an INVITE."""
    verdict = refused(events, number)
    invites = _invites(events, number)
    if len(invites) > 1:
        return f"OK: calls again after {invites[1]['at'] - invites[0]['at']:.0f} s"
    return verdict


def redirected(events: list[Event], number: str) -> str:
    """302 to an INVITE."""
    verdict = refused(events, number)
    if verdict == "OK":
        followed = _invites(events, "404-moved")
        verdict += ": follows" if followed and _acks_all(events, "404-moved") else ": ends there"
    return verdict


def challenged(events: list[Event], number: str) -> str:
    """401 or 407 to an INVITE: once more with credentials, which are good when it gets 404."""
    invites = _invites(events, number)
    if not invites:
        return NOTHING
    if not _acks_all(events, number):
        return "no: no ACK"
    answers = [event["answered"] for event in invites]
    if answers[-1] == 404:
        return "OK" if len(answers) == 2 else f"OK: at try {len(answers)}"
    return _given_up(invites)


def _given_up(asked: list[Event]) -> str:
    wrong = sum(event["credentials"] for event in asked)
    return f"no: wrong credentials, {wrong} times" if wrong else "no: gives up"


def accepted(events: list[Event], number: str) -> str:
    """200, ACK, BYE."""
    invites = _invites(events, number)
    if not invites:
        return NOTHING
    missing = [method for method in ("ACK", "BYE") if not _said(events, number, method)]
    if missing:
        return f"no: no {' and no '.join(missing)}"
    if not _acks_all(events, number):
        return "no: the ACK is not ours"
    return "OK" if {event["transport"] for event in _said(events, number, "BYE")} == {invites[0]["transport"]} else (
        "no: BYE by another transport"
    )  # fmt: skip


def asked_again(events: list[Event], number: str) -> str:
    """488 or 481 to a re-INVITE: whether the call goes on, told by when the BYE comes."""
    again = [event for event in _invites(events, number) if event["in_dialog"]]
    if not again:
        return NOTHING
    if not _acks_all(events, number):
        return "no: no ACK"
    byes = _said(events, number, "BYE")
    soon = byes and byes[0]["at"] - again[0]["at"] < 1.0
    times = f", asks {len(again)} times" if len(again) > 1 else ""
    if not byes:
        return f"OK: ends without BYE{times}"
    return f"OK: ends the call{times}" if soon else f"OK: goes on{times}"


def bare(events: list[Event], number: str) -> str:
    """200 without Contact: RFC 3261 12.1.1 wants one, so all is allowed."""
    if not _invites(events, number):
        return NOTHING
    acks, byes = _said(events, number, "ACK"), _said(events, number, "BYE")
    if not acks:
        return "OK: takes it for no answer" + (", BYE" if byes else "")
    how = "to the number" if all(event["in_dialog"] for event in acks) else "without a To-tag"
    return f"OK: ACK and BYE {how}" if byes else f"OK: ACK {how}, no BYE"


def cancelled(events: list[Event], number: str) -> str:
    """180, then a CANCEL that is answered."""
    if not _invites(events, number):
        return NOTHING
    cancels = _said(events, number, "CANCEL")
    return "OK" if len(cancels) == 1 else "no: no CANCEL" if not cancels else f"no: {len(cancels)} CANCELs"


# Registrations --------------------------------------------------------------------------------------------------


def _registers(events: list[Event], user: str) -> list[Event]:
    return [
        event for event in events if event["method"] == "REGISTER" and event["user"] == user and not event["leaves"]
    ]


def registered(events: list[Event], user: str) -> str:
    """401 in an order of algorithms, then 200."""
    asked = _registers(events, user)
    if not asked:
        return NOTHING
    answers = [event["answered"] for event in asked]
    if 200 not in answers:
        return _given_up(asked)
    tries = answers.index(200) + 1
    if len(answers) > 2 * tries:
        return f"no: registers {len(answers)} times"
    return "OK" if tries == 2 else f"OK: at try {tries}"


def turned_away(events: list[Event], user: str) -> str:
    """503 with Retry-After to a REGISTER: when it comes back."""
    asked = _registers(events, user)
    if not asked:
        return NOTHING
    gaps = [later["at"] - earlier["at"] for earlier, later in itertools.pairwise(asked)]
    return f"OK: again after {', '.join(f'{gap:.0f}' for gap in gaps[:3])} s" if gaps else "OK: not again in sight"


def sent_on(events: list[Event], user: str) -> str:
    """302 to a REGISTER."""
    asked = _registers(events, user)
    if not asked:
        return NOTHING
    if any(event["number"] == "elsewhere" for event in asked):
        return f"{'no' if len(asked) > MANY else 'OK'}: follows, {len(asked)} REGISTERs"
    return "OK: ends there" if len(asked) == 1 else f"OK: does not follow, {len(asked)} REGISTERs"


def unseen(events: list[Event], user: str) -> str:
    """200 without Contact to a REGISTER."""
    asked = _registers(events, user)
    if not asked:
        return NOTHING
    return (
        f"no: asks {len(asked)} times"
        if len(asked) > MANY
        else "OK: asks once"
        if len(asked) == 1
        else "OK: asks again"
    )


# What is asked of a phone: a user or a number, and who judges what comes.
Judge: TypeAlias = Callable[[list[Event], str], str]
REGISTRATIONS: Final[dict[str, Judge]] = {
    "reg-MD5": registered,
    "reg-SHA256": registered,
    "reg-SHA256_MD5": registered,
    "reg-MD5_SHA256": registered,
    "302": sent_on,
    "503-wait3": turned_away,
    "bare": unseen,
}
CALLS: Final[dict[str, Judge]] = {
    "404": refused,
    "486": refused,
    "302": redirected,
    "503-wait2": retried,
    "420-timer": refused,
    "401-MD5": challenged,
    "407-SHA256_MD5": challenged,
    "407-MD5_SHA256": challenged,
    "200": accepted,
    "200-hold488": asked_again,
    "200-hold481": asked_again,
    "200-bare": bare,
    "180": cancelled,
}
HELD: Final = frozenset(("200-hold488", "200-hold481"))  # the phone puts the call on hold, with a re-INVITE
