"""Print every torture message and its answer from a running edge: `python tests/torture/table.py`, or `make torture`.

Exits with 1 when an answer is none of those that the RFC allows.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.torture.corpus import RFC4475, RFC5118
from tests.torture.live import Live

if TYPE_CHECKING:
    from tests.torture.case import Case
    from tests.torture.live import Answers

ROW: Final = "{:<4} {:<32} {:<9} {:<9} {:<38} {:<39} {:<23} {}"


def main() -> int:
    """Ask, print, and return the exit status."""
    wrong = 0
    print(ROW.format("RFC", "name", "section", "kind", "over UDP", "over TCP", "allowed", "why"))
    with Live() as live:
        for number, cases in ((4475, RFC4475), (5118, RFC5118)):
            for case in cases.values():
                udp, tcp = live.ask(case.data), live.ask(case.data, "tcp")
                allowed = ", ".join(map(str, sorted(case.allows))) or "silence"
                fits = is_allowed(case, udp)
                wrong += not fits
                mark = "" if fits else " WRONG"
                print(ROW.format(
                    number, case.name, case.section, case.kind, show(udp) + mark, show(tcp), allowed, case.why,
                ))  # fmt: skip
    total = len(RFC4475) + len(RFC5118)
    print(f"{total} messages, {total - wrong} answered as the RFC allows.")
    return 1 if wrong else 0


def is_allowed(case: Case, answers: Answers) -> bool:
    """Return whether a datagram's answers are one that is allowed, or silence where that is."""
    statuses = answers.statuses
    return len(statuses) == 1 and statuses[0] in case.allows if case.allows else not statuses


def show(answers: Answers) -> str:
    """Return the replies' status lines without their version; "-" for silence."""
    lines = [reply.partition(b"\r\n")[0][8:].decode() for reply in answers.replies]
    return ("; ".join(lines) or "-") + (", closed" if answers.closed else "")


if __name__ == "__main__":
    sys.exit(main())
