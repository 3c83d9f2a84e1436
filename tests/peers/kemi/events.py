"""What the sl module's two events tell a script: it keeps a diary, which the answer to INFO holds."""

import sys
from typing import Any

import KSR as KSR  # noqa: PLC0414 - as KEMI scripts write it


def mod_init() -> object:
    """Return the object with the routes and the event callbacks."""
    return Events()


class Events:
    """The method of a request chooses what the callback of its replies does."""

    def __init__(self) -> None:
        self.diary: list[str] = []

    def child_init(self, rank: int) -> int:
        """Begin, in each process."""
        del rank
        return 0

    def ksr_request_route(self, msg: Any) -> int:
        """Answer one request."""
        del msg
        if KSR.is_OPTIONS():
            return KSR.sl.sl_send_reply(200, "Here")
        if KSR.is_INFO():
            for line in self.diary:
                KSR.hdr.append_to_reply(f"X-Diary: {line}\r\n")
            self.diary.clear()
            return KSR.sl.sl_send_reply(200, "Diary")
        self.write("route")
        if not KSR.is_ACK():
            result = KSR.sl.sl_send_reply(404, "Not Found")
            self.write(f"route goes on after {result}")
        return 1

    def ksr_event_sl_local_response(self, msg: Any, event: str) -> int:
        """Hear of a reply."""
        del msg
        if KSR.is_OPTIONS() or KSR.is_INFO():
            return 1
        self.write(event)
        if KSR.is_REFER() and self.diary.count(f"{event} REFER") == 1:
            self.write(f"replied {KSR.sl.sl_send_reply(500, 'Again')}")
        if KSR.is_MESSAGE():
            sys.exit()
        if KSR.is_PUBLISH():
            raise ValueError("a callback that fails")
        return 1

    def ksr_event_sl_filtered_ack(self, msg: Any, event: str) -> int:
        """Hear of an ACK that was absorbed."""
        del msg
        self.write(f"{event} {KSR.pv.get('$rm')} {KSR.is_ACK()} {KSR.siputils.has_totag()}")
        self.write(f"replied {KSR.sl.sl_send_reply(200, 'To an ACK')}")
        return 1

    def write(self, line: str) -> None:
        """Keep a line, with the method of the message that KSR sees."""
        self.diary.append(f"{line} {KSR.pv.get('$rm')}")
