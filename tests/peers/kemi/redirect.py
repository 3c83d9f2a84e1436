"""A redirect and OPTIONS server as a KEMI script: it runs as it is in Kamailio and in slbroker."""

import sys
from typing import Any

import KSR as KSR  # noqa: PLC0414 - as KEMI scripts write it

MOVED = {
    "sales": "sip:sales@192.0.2.10",
    "support": "sip:support@192.0.2.20:5070;transport=tcp",
}
FLAG_INSIDE = 3


def mod_init() -> object:
    """Return the object with the routes."""
    KSR.info("redirect server: loaded\n")
    return Redirector()


class Redirector:
    """Each method may return what it likes: a route's result means nothing."""

    def child_init(self, rank: int) -> int:
        """Begin, in each process."""
        KSR.dbg(f"redirect server: process {rank}\n")
        return 0

    def ksr_request_route(self, msg: Any) -> int:
        """Answer one request."""
        del msg
        self.check()
        if KSR.is_OPTIONS():
            return self.options()
        if KSR.is_CANCEL():
            KSR.sl.sl_send_reply(481, "Call/Transaction Does Not Exist")
        elif KSR.is_REGISTER():
            self.register()
        elif KSR.is_INVITE():
            self.invite()
        elif KSR.is_method_in("MP") or KSR.is_method("INFO"):
            self.describe()
        elif KSR.is_method("REFER"):
            return 1  # no answer at all
        elif not KSR.is_ACK():
            KSR.hdr.append_to_reply("Allow: INVITE, ACK, CANCEL, OPTIONS, REGISTER, MESSAGE\r\n")
            KSR.sl.sl_send_reply(405, "Method Not Allowed")
        return 1

    def check(self) -> None:
        """What is wrong with a request ends the route."""
        if KSR.corex.has_user_agent() > 0:
            agent = KSR.pv.gete("$ua")
            if "friendly-scanner" in str(agent):
                KSR.xlog.xinfo("scanner at $si\n")
                sys.exit()
        if KSR.maxfwd.process_maxfwd(10) < 0:
            KSR.sl.sl_send_reply(483, "Too Many Hops")
            sys.exit()
        if KSR.sanity.sanity_check(3879, 7) < 0:
            KSR.err("malformed: " + str(KSR.pv.get("$ci")) + "\n")
            sys.exit()

    def options(self) -> int:
        """Say that we are here: the Request-URI's user chooses how."""
        if KSR.is_myself_ruri() and KSR.corex.has_ruri_user() < 0:
            return KSR.siputils.options_reply()
        KSR.hdr.append_to_reply("Accept: application/sdp\r\n")
        if KSR.hdr.is_present("X-Ask") > 0:
            KSR.hdr.append_to_reply(f"X-Answer: {KSR.hdr.get('X-Ask')}, {KSR.pv.get('$hdrc(X-Ask)')}\r\n")
        return KSR.sl.sl_send_reply(200, "Here")

    def register(self) -> None:
        """Let nobody register who has not the password."""
        if KSR.auth.pv_auth_check("example.com", "secret", 0, 0) < 0:
            KSR.auth.auth_challenge("example.com", 1)
            return
        KSR.sl.sl_send_reply(200, "OK")

    def invite(self) -> None:
        """Redirect who has moved; refuse the rest."""
        if KSR.siputils.has_totag() > 0:
            KSR.setflag(FLAG_INSIDE)
        if KSR.isflagset(FLAG_INSIDE):
            KSR.sl.sl_send_reply(488, "Not Acceptable Here")
            return
        user = KSR.pv.get("$rU")
        if user in MOVED:
            KSR.seturi(MOVED[str(user)])
            KSR.sl.sl_send_reply(302, "Moved Temporarily")
        elif user == "both":
            KSR.seturi("sip:one@192.0.2.11")
            KSR.corex.append_branch_uri("sip:two@192.0.2.12")
            KSR.corex.append_branch_uri_q("sip:three@192.0.2.13", "0.5")
            KSR.sl.send_reply(300, "Multiple Choices")
        elif user == "broken":
            KSR.sl.sl_reply_error()
        elif user == "ring":
            KSR.sl.sl_send_reply(100, "Trying")
            KSR.sl.sl_send_reply(180, "Ringing")
            KSR.hdr.append_to_reply("Reason: Q.850;cause=17\r\n")
            KSR.sl.sl_send_reply(486, "Busy Here")
        elif KSR.siputils.is_numeric(str(user)) > 0:
            KSR.pv.sets("$ru", "sip:" + str(user) + "@gw.example.net;user=phone")
            KSR.sl.sl_send_reply(301, "Moved Permanently")
        elif not self.misbehave(user):
            KSR.sl.sl_send_reply(404, f"No {user} at {KSR.kx.get_rhost()}")

    def misbehave(self, user: object) -> bool:
        """Do what no script should, for some users."""
        if user == "crash":
            raise ValueError("this route is broken")
        if user == "silence":
            KSR.sl.sl_send_reply(480, "")
        elif user == "strange":
            KSR.sl.sl_send_reply(700, "No Such Class")
        elif user == "twice":
            KSR.seturi("sip:one@192.0.2.11")
            KSR.sl.sl_send_reply(302, "Once")
            KSR.sl.sl_send_reply(302, "Twice")
        return user in ("silence", "strange", "twice")

    def describe(self) -> None:
        """Answer with what there is to know of the request."""
        facts = [
            f"{name}={KSR.pv.get(name)!r}"
            for name in (
                "$rm", "$ru", "$rU", "$rd", "$rp", "$rP", "$rz", "$fu", "$fU", "$fd", "$fn", "$ft", "$tu", "$tU", "$td",
                "$tn", "$tt", "$ci", "$cs", "$ct", "$cT", "$cl", "$si", "$pr", "$Ri", "$rb", "$bs", "$ua", "$au", "$rs",
                "$hdr(Subject)", "$(hdr(X-Many)[1])", "$(hdr(X-Many)[-1])", "$(hdr(X-Many)[*])", "$hdrc(X-Many)",
                "$(ru{uri.user})", "$(fu{s.len})", "$(ct{nameaddr.uri})", "$(rb{s.select,0, })", "$avp(none)",
                "$var(none)",
            )
        ]  # fmt: skip
        facts += [
            f"kx {KSR.kx.get_method()} {KSR.kx.get_furi()} {KSR.kx.getw_au()} {KSR.kx.get_bodylen()}",
            f"core {KSR.is_myself_ruri()} {KSR.is_myself_furi()} {KSR.is_UDP()} {KSR.is_IPv4()} {KSR.is_proto('T')}",
            f"siputils {KSR.siputils.is_first_hop()} {KSR.siputils.is_uri('x')} {KSR.siputils.has_totag()}",
            f"textops {KSR.textops.has_body()} {KSR.textops.search_body('hel+o')} {KSR.textops.is_present_hf('s')}",
        ]
        KSR.pv.seti("$var(count)", 7)
        facts.append(f"var {KSR.pv.get('$var(count)')!r} {KSR.pv.is_null('$avp(x)')} {KSR.pv.getvs('$avp(x)', 'y')!r}")
        KSR.textops.set_reply_body("\r\n".join(facts), "text/plain")
        KSR.sl.sl_send_reply(200, "OK")
