"""A KEMI script that answers as X-How says, and closes the connection, or does not."""

from typing import Any

import KSR as KSR  # noqa: PLC0414 - as KEMI scripts write it


def mod_init() -> object:
    """Return the object with the routes."""
    return Closing()


class Closing:
    """Answers each request in its way."""

    def child_init(self, rank: int) -> int:
        """Begin, in each process."""
        del rank
        return 0

    def ksr_request_route(self, msg: Any) -> int:
        """Answer one request."""
        del msg
        how = KSR.hdr.gete("X-How")
        if how == "close":
            KSR.set_reply_close()
            return KSR.sl.sl_send_reply(403, "Go Away")
        if how == "close by send_reply":
            KSR.set_reply_close()
            return KSR.sl.send_reply(403, "Go Away")
        if how == "error":
            KSR.set_reply_close()
            return KSR.sl.sl_reply_error()
        if how == "mode 2":
            return KSR.sl.send_reply_mode(403, "Go Away", 2)
        if how == "too late":
            KSR.sl.sl_send_reply(403, "Go Away")
            KSR.set_reply_close()
            return 1
        if how == "in between":
            KSR.sl.sl_send_reply(100, "Trying")
            KSR.set_reply_close()
            return KSR.sl.sl_send_reply(403, "Go Away")
        if how == "before both":
            KSR.set_reply_close()
            KSR.sl.sl_send_reply(100, "Trying")
            return KSR.sl.sl_send_reply(403, "Go Away")
        return KSR.sl.sl_send_reply(200, "Stay")
