"""A KEMI script that evaluates many expressions for one request: the groups of expressions.json that X-Ask names.

Their values go back in the reply's body, a line for each. An ACK gets no reply: its values are kept for who asks next,
with X-Ask: kept.
"""

import json
from pathlib import Path
from typing import Any

import KSR as KSR  # noqa: PLC0414 - as KEMI scripts write it


def mod_init() -> object:
    """Return the object with the routes."""
    return Bulk(json.loads(Path(__file__).with_name("expressions.json").read_text()))


class Bulk:
    """Evaluates what it is asked."""

    def __init__(self, groups: list[list[str]]) -> None:
        self.groups = [[compile(text, text, "eval") for text in texts] for texts in groups]
        self.kept = ""

    def child_init(self, rank: int) -> int:
        """Begin, in each process."""
        del rank
        return 0

    def ksr_request_route(self, msg: Any) -> int:
        """Answer one request."""
        del msg
        asked = KSR.hdr.get("X-Ask")
        if asked is None:
            return KSR.sl.sl_send_reply(200, "Here")
        values = self.kept if asked == "kept" else "\n".join(self.evaluate(int(asked)))
        if KSR.is_ACK():
            self.kept = values
            return 1
        KSR.textops.set_reply_body(values, "text/plain")
        return KSR.sl.sl_send_reply(299, "Values")

    def evaluate(self, number: int) -> list[str]:
        """Return the values of a group, as Python writes them; of what fails, what it raised."""
        values = []
        for code in self.groups[number]:
            try:
                value = repr(eval(code, {"KSR": KSR}))
            except Exception as error:
                value = f"raises {type(error).__name__}"
            values.append(value)
        return values
