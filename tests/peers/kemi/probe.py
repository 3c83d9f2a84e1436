"""A KEMI script that evaluates the request's body and answers with the result: what does KSR say to this?"""

from typing import Any

import KSR as KSR  # noqa: PLC0414 - as KEMI scripts write it


def mod_init() -> object:
    """Return the object with the routes."""
    return Probe()


class Probe:
    """Answers OPTIONS with 200, and everything that has a body with the value of the expression in it."""

    def child_init(self, rank: int) -> int:
        """Begin, in each process."""
        del rank
        return 0

    def ksr_request_route(self, msg: Any) -> int:
        """Answer one request."""
        del msg
        if KSR.is_OPTIONS():
            return KSR.sl.sl_send_reply(200, "Here")
        result = repr(eval(str(KSR.pv.get("$rb")), {"KSR": KSR}))
        KSR.textops.set_reply_body(result, "text/plain")
        return KSR.sl.sl_send_reply(200, "Result")
