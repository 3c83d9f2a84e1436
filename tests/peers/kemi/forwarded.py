"""What a script does with requests that go on: steps of forwarding.py, and the request that they are done with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

FORWARD: Final = "KSR.forward()"
COUNT: Final = "KSR.maxfwd.process_maxfwd(10)"


@dataclass(frozen=True)
class Case:
    """A request and steps; None leaves a header out. `leaves` says whether something arrives behind the forwarder."""

    steps: list[str] = field(default_factory=list)
    method: str = "INVITE"
    uri: str = "sip:bob@{hop}"
    headers: dict[str, str | None] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    body: str = ""
    on_reply: list[str] = field(default_factory=list)
    on_send: list[str] = field(default_factory=list)
    leaves: bool = True
    on_branch: list[str] = field(default_factory=list)
    relays: bool = False  # Kamailio keeps a transaction, and repeats what is not answered


def went(*steps: str, **request: object) -> Case:
    """Steps, and then the request goes on; each hop counts Max-Forwards, as a proxy has to."""
    return Case([COUNT, *steps, FORWARD], **request)  # type: ignore[arg-type]


def get(*names: str) -> list[str]:
    """Steps that read pseudo-variables."""
    return [f"KSR.pv.get('${name}')" for name in names]


CASES: Final[dict[str, Case]] = {}

# Where to -----------------------------------------------------------------------------------------------------------

CASES.update({
    "to the Request-URI": went(),
    "to $du": went("KSR.pv.sets('$du', 'sip:{other}')", *get("du", "nh(u)")),
    "to setdsturi": went("KSR.setdsturi('sip:{other}')", "KSR.isdsturiset()", *get("du")),
    "setdsturi taken back": went(
        "KSR.setdsturi('sip:{other}')", "KSR.resetdsturi()", "KSR.isdsturiset()", *get("du")
    ),
    "$du taken back": went("KSR.setdsturi('sip:{other}')", "KSR.pv.unset('$du')", "KSR.isdsturiset()"),
    "no destination": went("KSR.setdsturi('')", "KSR.isdsturiset()", *get("du", "nh(u)")),
    "a destination of no URI": went("KSR.setdsturi('junk')", "KSR.isdsturiset()", *get("du", "dd"), leaves=False),
    "a destination without a scheme": went("KSR.setdsturi('{other}')", *get("du", "dd"), leaves=False),
    "a destination in brackets": went("KSR.setdsturi('<sip:{other}>')", leaves=False),
    "a destination with parameters": went("KSR.setdsturi('sip:u@{other};transport=udp;x=y?h=i')"),
    "forward_uri": Case([COUNT, "KSR.forward_uri('sip:{other}')", *get("du", "ru")]),
    "forward_uri of nothing": Case([COUNT, "KSR.forward_uri('')", *get("du", "ru")]),
    "forward_uri of junk": Case([COUNT, "KSR.forward_uri('junk')", *get("du", "ru")], leaves=False),
    "forward_uri before $du": Case([COUNT, "KSR.setdsturi('sip:{other}')", "KSR.forward_uri('sip:{hop}')", *get("du")]),
    "another Request-URI": went("KSR.seturi('sip:carol@{other};x=y')", *get("ru", "ou")),
    "another user": went("KSR.setuser('carol')", *get("ru")),
    "no user": went("KSR.setuser('')", *get("ru")),
    "a host with a port, twice": went("KSR.sethost('{other}')", *get("ru"), leaves=False),
    "another host": went("KSR.sethost('{other}')", *get("ru"), uri="sip:bob@{hop}".replace(":{hop}", "")
                         .replace("{hop}", "example.net"), headers={"X": "1"}),
    "$rU and $rd": went("KSR.pv.sets('$rU', 'dave')", "KSR.pv.sets('$rd', '127.0.0.1')", *get("ru")),
    "strip and prefix": went("KSR.pv.sets('$ru', 'sip:+49' + KSR.pv.get('$rU') + '@{other}')", *get("ru")),
    "tel": went("KSR.seturi('tel:+49')", leaves=False),
    "tel, with a destination": went("KSR.seturi('tel:+49')", "KSR.setdsturi('sip:{hop}')"),
    "junk": went("KSR.seturi('junk')", leaves=False),
    "an alias in the Request-URI": went("KSR.nathelper.handle_ruri_alias()", *get("du", "ru"),
                                        uri="sip:bob@192.0.2.1;x=y;alias={other~}~1"),
    "branches are not forwarded to": went("KSR.corex.append_branch_uri('sip:x@{other}')", "KSR.corex.append_branch()"),
    "set_drop": went("KSR.set_drop() or 0"),
    "connections": went("KSR.set_forward_no_connect()", "KSR.set_forward_close()"),
    "to_": went(
        *(f"KSR.to_{name}()" for name in ("UDP", "TCP", "TLS", "WS", "WSS", "WSX", "SCTP", "IPv4", "IPv6")),
        "KSR.setdsturi('sip:{other};transport=tcp')",
        *(f"KSR.to_{name}()" for name in ("UDP", "TCP", "IPv4")), "KSR.setdsturi('sip:{other};transport=udp')",
        "KSR.to_UDP()", "KSR.setdsturi('sips:gw.example.com')", "KSR.to_TLS()", "KSR.to_IPv4()",
        "KSR.setdsturi('sip:[::1]:5')", "KSR.to_IPv6()", "KSR.resetdsturi()",
    ),
    **{method: went(method=method) for method in ("ACK", "CANCEL", "BYE", "REGISTER", "MESSAGE", "FROBNICATE")},
    "nothing": Case([COUNT], leaves=False),
})  # fmt: skip

# Max-Forwards -------------------------------------------------------------------------------------------------------

CASES.update({
    "no Max-Forwards": went(headers={"Max-Forwards": None}),
    "Max-Forwards 1": went(headers={"Max-Forwards": "1"}),
    "Max-Forwards 71": went(headers={"Max-Forwards": "71"}),
})  # fmt: skip

# Headers ------------------------------------------------------------------------------------------------------------

_LINES: Final = ["Subject: hello world", "X-Many: 1", "X-Many:  2", "x-many: 3", "X-List: a, b, c", "s: again"]
ONE: Final = r"'X-A: 1\r\n'"
OTHER: Final = r"'X-B: 2\r\n'"


def edited(*steps: str, **request: object) -> Case:
    """Steps with a request that has headers and a body."""
    sdp = "v=0\r\no=x 1 1 IN IP4 10.0.0.1\r\n"
    return went(*steps, lines=[*_LINES, "Content-Type: application/sdp"], body=sdp, **request)


CASES.update({
    "append": edited(f"KSR.hdr.append({ONE})", "KSR.hdr.get('X-A')", f"KSR.hdr.append({OTHER})"),
    "append several": edited(r"KSR.hdr.append('X-A: 1\r\nX-B: 2\r\n')"),
    "append nothing": edited("KSR.hdr.append('')"),
    "append as written": edited(r"KSR.hdr.append('x-a:1 \r\n')", f"KSR.hdr.append({OTHER})"),
    "insert": edited(f"KSR.hdr.insert({ONE})", f"KSR.hdr.insert({OTHER})"),
    "append_after": edited(
        f"KSR.hdr.append_after({ONE}, 'Subject')", f"KSR.hdr.append_after({OTHER}, 's')",
        r"KSR.hdr.append_after('X-C: 3\r\n', 'x-MANY')",
    ),
    "append_after none": edited(f"KSR.hdr.append_after({ONE}, 'Nope')", f"KSR.hdr.append({OTHER})"),
    "insert_before": edited(
        f"KSR.hdr.insert_before({ONE}, 'Subject')", f"KSR.hdr.insert_before({OTHER}, 'SUBJECT')",
        r"KSR.hdr.insert_before('X-C: 3\r\n', 'X-List')",
    ),
    "insert_before none": edited(f"KSR.hdr.insert_before({ONE}, 'Nope')"),
    "beside Via": edited(f"KSR.hdr.insert_before({ONE}, 'Via')", f"KSR.hdr.append_after({OTHER}, 'v')"),
    "beside From": edited(f"KSR.hdr.insert_before({ONE}, 'From')", f"KSR.hdr.append_after({OTHER}, 'f')"),
    "remove": edited("KSR.hdr.remove('Subject')", "KSR.hdr.remove('Subject')", "KSR.hdr.get('Subject')"),
    "remove none": edited("KSR.hdr.remove('Nope')"),
    "remove compact": edited("KSR.hdr.remove('s')"),
    "remove unknown": edited("KSR.hdr.remove('x-many')"),
    "remove, append": edited("KSR.hdr.remove('Subject')", r"KSR.hdr.append('Subject: new\r\n')"),
    "append, remove": edited(f"KSR.hdr.append({ONE})", "KSR.hdr.remove('X-A')"),
    "rmappend": edited(r"KSR.hdr.rmappend('Subject', 'Subject: new\r\n')"),
    "rminsert": edited(r"KSR.hdr.rminsert('X-Many', 'X-Many: new\r\n')"),
    "rmappend none": edited(r"KSR.hdr.rmappend('Nope', 'Nope: new\r\n')"),
    "all at once": edited(
        r"KSR.hdr.append_after('X-3: 1\r\n', 'X-Many')", r"KSR.hdr.insert_before('X-4: 1\r\n', 'X-Many')",
        "KSR.hdr.remove('X-Many')", f"KSR.hdr.append({ONE})", r"KSR.hdr.insert('X-5: 1\r\n')",
    ),
    "remove_hf": edited("KSR.textops.remove_hf('X-Many')", "KSR.textops.remove_hf('Nope')"),
    "remove_hf_re": edited("KSR.textops.remove_hf_re('^x-m')", "KSR.textops.remove_hf_re('^Nope')"),
    "remove_hf_exp": edited("KSR.textops.remove_hf_exp('^X-', 'Do')", "KSR.textops.remove_hf_exp('^Nope', 'x')"),
    "remove_hf_idx": edited(
        "KSR.textops.remove_hf_idx('X-Many', 1)", "KSR.textops.remove_hf_idx('X-Many', 9)",
        "KSR.textops.remove_hf_idx('X-Many', -1)", "KSR.textops.remove_hf_idx('Nope', 0)",
    ),
    "remove_hf_match": edited(
        "KSR.textops.remove_hf_match('X-Many', 'eq', '2')", "KSR.textops.remove_hf_match('X-Many', 're', '3')",
        "KSR.textops.remove_hf_match('X-Many', 'xx', '3')", "KSR.textops.remove_hf_match('Nope', 'eq', '3')",
    ),
    "subst_hf": edited(
        "KSR.textops.subst_hf('Subject', '/hello/bye/', 'f')", "KSR.textops.subst_hf('X-Many', '/[0-9]/x/', 'a')",
        "KSR.textops.subst_hf('X-Many', '/zz/x/', 'a')", "KSR.textops.subst_hf('Nope', '/a/x/', 'a')",
    ),
    "hf_iterator": edited(
        "KSR.textopsx.hf_iterator_start('i')", *["KSR.textopsx.hf_iterator_next('i')"] * 3,
        f"KSR.textopsx.hf_iterator_append('i', {ONE})", f"KSR.textopsx.hf_iterator_insert('i', {OTHER})",
        *["KSR.textopsx.hf_iterator_next('i')"] * 6, "KSR.textopsx.hf_iterator_hname('i')",
        "KSR.textopsx.hf_iterator_rm('i')",
    ),
    "msg_apply_changes": edited(
        f"KSR.hdr.append({ONE})", "KSR.hdr.remove('Subject')", "KSR.hdr.get('X-A')",
        "KSR.textopsx.msg_apply_changes()", "KSR.hdr.get('X-A')", "KSR.hdr.get('Subject')",
        r"KSR.hdr.append_after('X-C: 3\r\n', 'X-A')", f"KSR.hdr.append({OTHER})", "KSR.hdr.remove('X-List')",
    ),
    "msg_apply_changes, removed again": edited(
        f"KSR.hdr.append({ONE})", f"KSR.hdr.insert_before({OTHER}, 'X-List')", "KSR.textopsx.msg_apply_changes()",
        "KSR.hdr.remove('X-A')", "KSR.textopsx.msg_apply_changes()", "KSR.hdr.get('X-A')", "KSR.hdr.get('X-B')",
    ),
    "msg_apply_changes of the Request-URI": edited(
        "KSR.seturi('sip:x@{hop}')", "KSR.textopsx.msg_apply_changes()", *get("ru", "ou"),
    ),
    "remove Contact": edited("KSR.hdr.remove('Contact')"),
    "a body that stays": edited("KSR.textops.search_body('o=')"),
})  # fmt: skip

# Contact ------------------------------------------------------------------------------------------------------------

_CONTACTS: Final = {
    "bare": "sip:a@h:5;ob;expires=5",
    "named": '"A, B" <sip:a@h;ob>;q=1',
    "two": "<sip:a@h;ob>, <sip:b@i;ob>;q=1",
    "star": "*",
    "tel": "<tel:+1;ob>",
    "nouser": "<sip:h;ob>",
    "alias": "<sip:a@h;alias=1.1.1.1~2~1;ob>",
    "v6": "<sip:a@[::1]:5;ob>",
    "sips": "<sips:a@h;transport=tcp;ob>",
    "none": None,
    "here": "<sip:a@{caller};ob>",
    "really here": "<sip:a@{caller};transport=udp;ob>",
    "no params": "<sip:a@h>",
}
_CONTACT_STEPS: Final = {
    "set_contact_alias": ["KSR.nathelper.set_contact_alias()", "KSR.nathelper.set_contact_alias()"],
    "set_contact_alias_trim": ["KSR.nathelper.set_contact_alias_trim()"],
    "add_contact_alias": ["KSR.nathelper.add_contact_alias()"],
    "add_contact_alias_addr": [
        "KSR.nathelper.add_contact_alias_addr('1.2.3.4', '5', 'tcp')",
        "KSR.nathelper.add_contact_alias_addr('1.2.3.4', '5', 'x')",
    ],
    "fix_nated_contact": ["KSR.nathelper.fix_nated_contact()", "KSR.nathelper.fix_nated_contact()"],
    "alias, fix": ["KSR.nathelper.set_contact_alias()", "KSR.nathelper.fix_nated_contact()"],
    "add_rcv_param": ["KSR.nathelper.add_rcv_param(0)"],
    "add_rcv_param in the URI": ["KSR.nathelper.add_rcv_param(1)"],
    "contact_param_rm": ["KSR.siputils.contact_param_rm('ob')", "KSR.siputils.contact_param_rm('zz')"],
}
CASES.update({
    f"{what}: {shape}": went(*steps, headers={"Contact": contact})
    for what, steps in _CONTACT_STEPS.items()
    for shape, contact in _CONTACTS.items()
    if (what, shape) != ("add_rcv_param in the URI", "bare")
})  # fmt: skip
CASES["fix_nated_register"] = went("KSR.nathelper.fix_nated_register()", method="REGISTER")

# Routes -------------------------------------------------------------------------------------------------------------

_SEEN: Final = get("ru", "du", "nh(u)", "hdr(Route)", "route_uri")
_ASKED: Final = [
    *(f"KSR.rr.check_route_param('{text}')" for text in ("nat=yes", "ftag", "NAT=YES", "lr", ".*")),
    *(f"KSR.rr.is_direction('{word}')" for word in ("upstream", "downstream", "x")),
]
IN_DIALOG: Final = {"To": "<sip:bob@example.com>;tag=tt"}
_ROUTES: Final = {
    "none": [],
    "us": ["<sip:{us};lr;ftag=ft;nat=yes>"],
    "us, the other way": ["<sip:{us};lr;ftag=tt;nat=yes>"],
    "us, with a token": ["<sip:f1token@{us};lr>"],
    "us, lr=on": ["<sip:{us};lr=on>"],
    "us, then the next": ["<sip:{us};lr;nat=yes>, <sip:{other};lr>"],
    "us, then the next, on two lines": ["<sip:{us};lr;nat=yes>", "<sip:{other};lr>"],
    "another": ["<sip:{other};lr>"],
    "another, strict": ["<sip:{other}>"],
    "us, then a strict one": ["<sip:{us};lr>, <sip:{other}>, <sip:last.example;lr>"],
    "both sides": ["<sip:{us};transport=tcp;r2=on;lr;ftag=ft>,<sip:{us};r2=on;lr;ftag=ft;nat=yes>,<sip:{other};lr>"],
    "both sides alone": ["<sip:{us};r2=on;lr;ftag=ft>, <sip:{us};transport=tcp;r2=on;lr;ftag=ft>"],
}
CASES.update({
    f"loose_route, {'' if tag else 'not '}in a dialog: {shape}": went(
        "KSR.rr.loose_route()", *_SEEN, *_ASKED, method="BYE" if tag else "INVITE",
        headers=dict(tag), lines=[f"Route: {route}" for route in routes],
    )
    for tag in (IN_DIALOG, {})
    for shape, routes in _ROUTES.items()
})  # fmt: skip
CASES.update({
    f"{mode}: {shape}": went(
        f"KSR.rr.{mode}", *_SEEN, lines=[f"Route: {route}" for route in _ROUTES[shape]]
    )
    for mode in ("loose_route_preloaded()", "loose_route_mode(0)", "loose_route_mode(1)")
    for shape in ("none", "us", "us, then the next", "another")
})  # fmt: skip
CASES.update({
    "from a strict router": went(
        "KSR.rr.loose_route()", *_SEEN, *_ASKED, method="BYE", uri="sip:{us};lr;ftag=ft",
        headers=dict(IN_DIALOG), lines=["Route: <sip:x@{other};lr>, <sip:bob@{hop}>"],
    ),
    "from a strict router, the last": went(
        "KSR.rr.loose_route()", *_SEEN, method="BYE", uri="sip:{us};lr",
        headers=dict(IN_DIALOG), lines=["Route: <sip:bob@{hop}>"],
    ),
    "asked before Route is followed": went(
        "KSR.rr.next_hop_route()", *_ASKED, *_SEEN, "KSR.rr.loose_route()", method="BYE",
        headers=dict(IN_DIALOG), lines=["Route: <sip:{us};lr;nat=yes>, <sip:{other};lr>"],
    ),
    "followed twice": went(
        "KSR.rr.loose_route()", "KSR.rr.loose_route()", *_SEEN, method="BYE",
        headers=dict(IN_DIALOG), lines=["Route: <sip:{us};lr;nat=yes>, <sip:{other};lr>"],
    ),
    "a destination before Route is followed": went(
        "KSR.setdsturi('sip:{other}')", "KSR.rr.loose_route()", *_SEEN, method="BYE",
        headers=dict(IN_DIALOG), lines=["Route: <sip:{us};lr>"],
    ),
    "a destination behind Route": went(
        "KSR.rr.loose_route()", "KSR.setdsturi('sip:{hop}')", *_SEEN, method="BYE",
        headers=dict(IN_DIALOG), lines=["Route: <sip:{us};lr>, <sip:{other};lr>"],
    ),
    "Route removed": went(
        "KSR.rr.loose_route()", "KSR.hdr.remove('Route')", method="BYE",
        headers=dict(IN_DIALOG), lines=["Route: <sip:{us};lr>, <sip:{other};lr>"],
    ),
    **{f"loose_route of {method}": went(
        "KSR.rr.loose_route()", *_SEEN, method=method, lines=["Route: <sip:{us};lr>, <sip:{other};lr>"],
    ) for method in ("ACK", "CANCEL", "REGISTER")},
})  # fmt: skip

# Record-Route and Path ----------------------------------------------------------------------------------------------

CASES.update({
    "record_route": went("KSR.rr.record_route()", "KSR.rr.record_route()"),
    "record_route above another": went("KSR.rr.record_route()", lines=["Record-Route: <sip:far;lr>"]),
    "record_route and no hops": went("KSR.rr.record_route()", headers={"Max-Forwards": None}),
    "add_rr_param": went("KSR.rr.record_route()", "KSR.rr.add_rr_param(';nat=yes')"),
    "add_rr_param before": went(
        "KSR.rr.add_rr_param(';nat=yes')", "KSR.rr.add_rr_param(';x')", "KSR.rr.record_route()"
    ),
    "add_rr_param of nothing": went("KSR.rr.add_rr_param('')", "KSR.rr.record_route()"),
    "add_rr_param alone": went("KSR.rr.add_rr_param(';nat=yes')"),
    "record_route_params": went("KSR.rr.record_route_params(';a=b')", "KSR.rr.record_route_params(';c=d')"),
    "record_route_preset": went("KSR.rr.record_route_preset('1.2.3.4:5090', '')"),
    "record_route_preset of two": went("KSR.rr.record_route_preset('1.2.3.4:5090', '5.6.7.8')"),
    "record_route_preset_one": went("KSR.rr.record_route_preset_one('1.2.3.4:5090')"),
    "record_route_advertised_address": went("KSR.rr.record_route_advertised_address('1.2.3.4:5090')"),
    "record_route and insert": went("KSR.rr.record_route()", f"KSR.hdr.insert({ONE})", f"KSR.hdr.append({OTHER})"),
    "add_path": went("KSR.path.add_path()", method="REGISTER"),
})  # fmt: skip

# tm and siputils, as far as they answer without state ---------------------------------------------------------------

CASES["tm that keeps nothing"] = went(
    "KSR.tm.t_check_trans()", "KSR.tmx.t_precheck_trans()", "KSR.tm.t_is_set('failure_route')",
    "KSR.tm.t_is_set('branch_route')", "KSR.tm.t_is_set('onreply_route')", "KSR.tm.t_lookup_request()",
    "KSR.tmx.t_is_request_route()", "KSR.tmx.t_is_branch_route()", "KSR.tm.t_is_canceled()",
    "KSR.siputils.is_request()", "KSR.siputils.is_reply()", "KSR.siputils.is_first_hop()", "KSR.siputils.has_totag()",
)  # fmt: skip

# Replies on their way back, and what is sent ------------------------------------------------------------------------

_FACTS: Final = [
    *(f"KSR.{call}()" for call in (
        "is_INVITE", "siputils.is_reply", "siputils.is_request", "siputils.has_totag", "kx.get_status",
        "kx.gets_status", "kx.get_method", "kx.get_msgtype", "kx.get_ruri", "is_myself_ruri", "siputils.is_first_hop",
        "tm.t_check_trans", "tmx.t_is_reply_route", "tmx.t_is_request_route", "tm.t_lookup_request", "tm.t_newtran",
        "rr.loose_route", "isdsturiset", "textops.has_body",
    )),
    *get("rm", "rs", "rr", "mt", "ru", "rU", "ci", "si", "Ri", "fu", "tu", "cs", "rb", "hdr(X-R)", "ft", "tt", "ct",
         "du", "ou", "bs", "ua"),
    "KSR.setuser('x')", "KSR.setflag(3)", "KSR.isflagset(3)", "KSR.tm.t_is_set('failure_route')",
    "KSR.rr.check_route_param('x')",
]  # fmt: skip


def answered(*steps: str) -> Case:
    """A request that goes on, and steps for the reply to it."""
    return went(on_reply=list(steps))


REPLIES: Final[dict[str, Case]] = {
    "as it is": answered(),
    "facts": answered(*_FACTS),
    "headers": answered(
        f"KSR.hdr.append({ONE})", "KSR.hdr.remove('X-R')", f"KSR.hdr.insert({OTHER})", "KSR.hdr.get('X-R')"
    ),
    "Contact": answered("KSR.nathelper.set_contact_alias()", "KSR.nathelper.fix_nated_contact()"),
    "dropped": answered("KSR.set_drop() or 0"),
    "another status": answered("KSR.textopsx.change_reply_status(299, 'Nice')", *get("rs", "rr")),
    "another status, twice": answered(
        "KSR.textopsx.change_reply_status(299, 'Nice')", "KSR.textopsx.change_reply_status_code(298)", *get("rs", "rr")
    ),
    "a status of another class": answered("KSR.textopsx.change_reply_status(486, 'Busy')", *get("rs", "rr")),
    "no status": answered("KSR.textopsx.change_reply_status(99, 'Low')", "KSR.textopsx.change_reply_status_code(700)"),
    "sl_forward_reply": answered("KSR.sl.sl_forward_reply('299', 'Other')", "KSR.set_drop() or 0"),
    "sl_forward_reply as it is": answered("KSR.sl.sl_forward_reply('', '')", "KSR.set_drop() or 0"),
    "sl_forward_reply with a reason": answered("KSR.sl.sl_forward_reply('', 'Reason')", "KSR.set_drop() or 0"),
    "sl_forward_reply with its own code": answered("KSR.sl.sl_forward_reply('200', '')", "KSR.set_drop() or 0"),
    "sl_forward_reply with headers": answered(
        f"KSR.hdr.append({ONE})", "KSR.sl.sl_forward_reply('299', 'Other')", "KSR.set_drop() or 0"
    ),
    "sl_forward_reply to another class": answered("KSR.sl.sl_forward_reply('486', 'Busy')"),
    "sl_forward_reply with junk": answered(
        "KSR.sl.sl_forward_reply('xx', 'Other')", "KSR.sl.sl_forward_reply('29', 'Other')", "KSR.set_drop() or 0"
    ),
    "exit": answered("__import__('sys').exit()"),
    "an exception": answered("1 / 0"),
}
CASES.update({f"reply: {name}": case for name, case in REPLIES.items()})
CASES.update({
    "onsend": Case(
        [COUNT, "KSR.setdsturi('sip:{other}')", FORWARD, *get("snd(ip)")],
        on_send=[*get("rm", "ru", "du", "snd(ip)", "snd(port)", "snd(proto)", "sndto(ip)", "sndfrom(ip)",
                      "sndfrom(port)", "mt", "si", "rs"), "KSR.siputils.is_request()", "KSR.is_INVITE()"],
    ),
    "onsend changes nothing": Case(
        [COUNT, FORWARD],
        on_send=[f"KSR.hdr.append({ONE})", "KSR.seturi('sip:x@{other}')", "KSR.setdsturi('sip:{other}')",
                 "KSR.set_drop() or 0"],
    ),
})  # fmt: skip
