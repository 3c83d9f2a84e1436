"""A KEMI script that does with a request what its X-Do names in forwarding.json, and tells what came of each step.

The values are kept for who asks next, with X-Do: told. Steps are Python expressions; those of "reply" are for each
reply that comes back, those of "onsend" for what is sent.
"""

import json
from pathlib import Path
from typing import Any

import KSR as KSR  # noqa: PLC0414 - as KEMI scripts write it


def mod_init() -> object:
    """Return the object with the routes."""
    return Forwarding(json.loads(Path(__file__).with_name("forwarding.json").read_text()))


class Forwarding:
    """Does what it is told."""

    def __init__(self, cases: dict[str, dict[str, list[str]]]) -> None:
        self.cases = cases
        self.told: list[str] = []

    def child_init(self, rank: int) -> int:
        """Begin, in each process."""
        del rank
        return 0

    def ksr_request_route(self, msg: Any) -> int:
        """Do the steps of one request."""
        del msg
        if KSR.is_myself_suri():
            return 1  # what we have sent to ourselves
        name = KSR.hdr.get("X-Do")
        if name is None:
            return KSR.sl.sl_send_reply(200, "Here")
        if name == "told":
            KSR.textops.set_reply_body("\n".join(self.told) or "-", "text/plain")
            self.told.clear()
            return KSR.sl.sl_send_reply(299, "Told")
        self.do(name, "request")
        return 1

    def ksr_reply_route(self, msg: Any) -> int:
        """Do the steps of a reply."""
        del msg
        self.do(KSR.hdr.get("X-Do") or "", "reply")
        return 1

    def ksr_onsend_route(self, msg: Any) -> int:
        """Do the steps of what is sent."""
        del msg
        self.do(KSR.hdr.get("X-Do") or "", "onsend")
        return 1

    def branch(self, msg: Any) -> int:
        """Do the steps of a branch route."""
        del msg
        self.do(KSR.hdr.get("X-Do") or "", "branch")
        return 1

    def do(self, name: str, route: str) -> None:
        """Evaluate the steps of a case, and keep their values."""
        for step in self.cases.get(name, {}).get(route, ()):
            try:
                value = repr(eval(step, {"KSR": KSR}))
            except Exception as error:
                value = f"raises {type(error).__name__}: {error}"
            self.told.append(f"{route}: {step} = {value}")
