"""A redirect server as a Kamailio KEMI script: it runs as it is in Kamailio (app_python3), and here.

slbroker check --kemi kemi_redirect.py
slbroker run --kemi kemi_redirect.py
"""

import sys
from typing import Any

import KSR as KSR  # noqa: PLC0414 - as KEMI scripts write it

GATEWAYS = {
    "1": ["sip:us1.example.com", "sip:us2.example.com"],
    "49": ["sip:de1.example.com;transport=tcp"],
}


def mod_init() -> object:
    return Redirector()


class Redirector:
    def child_init(self, rank: int) -> int:
        KSR.dbg(f"process {rank}\n")
        return 0

    def ksr_request_route(self, msg: Any) -> int:
        del msg  # all there is to know of it, KSR knows
        self.check()
        if KSR.is_OPTIONS():
            KSR.hdr.append_to_reply("Accept: application/sdp\r\n")
            KSR.sl.sl_send_reply(200, "OK")
        elif KSR.is_INVITE():
            self.redirect()
        elif not KSR.is_ACK():
            KSR.hdr.append_to_reply("Allow: INVITE, ACK, OPTIONS\r\n")
            KSR.sl.sl_send_reply(405, "Method Not Allowed")
        return 1

    def check(self) -> None:
        """Turn away scanners and what loops."""
        if "friendly-scanner" in KSR.kx.gete_ua():
            sys.exit()  # an answer would tell it that somebody is here
        if KSR.maxfwd.process_maxfwd(10) < 0:
            KSR.sl.sl_send_reply(483, "Too Many Hops")
            sys.exit()

    def redirect(self) -> None:
        """Send a number to the gateways of its country, the first one first."""
        number = str(KSR.pv.gete("$rU")).removeprefix("+")
        gateways = next((GATEWAYS[number[:length]] for length in (3, 2, 1) if number[:length] in GATEWAYS), None)
        if gateways is None or KSR.siputils.is_numeric(number) < 0:
            KSR.sl.sl_send_reply(404, "No Route To That Number")
            return
        first, *others = (gateway.replace("sip:", f"sip:+{number}@") for gateway in gateways)
        KSR.seturi(first)
        for rank, gateway in enumerate(others, 1):
            KSR.corex.append_branch_uri_q(gateway, f"{1 - rank / 10:.1f}")
        KSR.sl.sl_send_reply(302, "Moved Temporarily")

    def ksr_event_sl_filtered_ack(self, msg: Any, event: str) -> int:
        """Hear of an absorbed ACK; Kamailio calls this where modparam("sl", "event_callback_fl_ack", ...) names it."""
        del msg
        KSR.dbg(f"{event} of {KSR.pv.get('$ci')}\n")
        return 1
