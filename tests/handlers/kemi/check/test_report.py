"""What a script calls, read from its source."""

from __future__ import annotations

from textwrap import dedent

import pytest

from slbroker_handlers.kemi.check.mentions import find_uses
from slbroker_handlers.kemi.check.report import Report, make_report


def report(text: str) -> Report:
    """The report of a script."""
    return make_report(find_uses(dedent(text), "script.py"))


def titles(text: str) -> list[str]:
    """What a script mentions of KSR, in order."""
    return [use.title for use in find_uses(dedent(text), "script.py")]


@pytest.mark.parametrize(
    "text",
    [
        "import KSR as KSR\nKSR.tm.t_relay()",
        "import KSR\nKSR.tm.t_relay()",
        "import KSR as K\nK.tm.t_relay()",
        "from KSR import tm\ntm.t_relay()",
        "from KSR import tm as t\nrelay = t.t_relay",
        "import KSR\nif KSR.tm.t_relay() > 0: pass",
        "import KSR\nclass A:\n    x = KSR.tm.t_relay",
    ],
)
def test_a_call_is_found_however_ksr_is_named(text: str) -> None:
    assert titles(text) == ["KSR.tm.t_relay"]


def test_core_functions_and_attributes_of_others_are_told_apart() -> None:
    assert titles("import KSR\nKSR.info('x')\nother.tm.t_relay()\nself.KSR.x.y()") == ["KSR.info"]


def test_lines_are_gathered() -> None:
    (entry,) = report("import KSR\nKSR.info('a')\n\nKSR.info('b')\n").whole
    assert (entry.title, entry.lines) == ("KSR.info", (2, 4))


REACHED = """
import KSR

def mod_init():
    return Script()

class Script:
    def ksr_request_route(self, msg):
        self.step()
        later = self.named_only
        KSR.tm.t_on_failure("ksr_failure")

    def step(self):
        KSR.tm.t_reached()

    def named_only(self):
        KSR.registrar.save()

    def ksr_failure(self, msg):
        self.only_from_there()

    def only_from_there(self):
        KSR.tm.t_relay()

    def ksr_reply_route(self, msg):
        KSR.registrar.lookup()
"""


def test_only_what_may_run_counts() -> None:
    found = report(REACHED)
    assert [entry.title for entry in found.missing] == ["KSR.registrar.save", "KSR.tm.t_on_failure"]
    assert [entry.title for entry in found.unreached] == ["KSR.registrar.lookup", "KSR.tm.t_relay"]
    assert [entry.title for entry in found.unknown] == ["KSR.tm.t_reached"]
    assert [entry.title for entry in found.faults] == ["KSR.tm.t_on_failure", "KSR.tm.t_reached", "KSR.registrar.save"]


def test_a_function_that_is_handed_over_when_the_script_is_imported_may_run() -> None:
    found = report("import KSR\ndef work():\n    KSR.tm.t_relay()\nroutes = {'INVITE': work}\n")
    assert [entry.title for entry in found.missing] == ["KSR.tm.t_relay"]


def test_pseudo_variables_that_are_null_here_are_named() -> None:
    found = report(
        "import KSR\nKSR.pv.get('$ru')\nKSR.pv.get('$T_branch')\nKSR.pv.sets('$(ru{x.y})', 'a')\nKSR.pv.get(v)"
    )
    assert [(entry.title, entry.lines) for entry in found.variables] == [("$(ru{x.y})", (4,)), ("$T_branch", (3,))]


def test_a_module_alone_is_no_function() -> None:
    assert report("import KSR\ngetattr(KSR.pv, 'get')('$ru')\nx = KSR.tm").faults == []


def test_the_text_says_why_and_where() -> None:
    text = report("import KSR\nKSR.tm.t_relay()\nKSR.hdr.remove('x')\nKSR.info('x')\nKSR.sl.sned()").text()
    assert "KSR.tm.t_relay  line 2: there are no transactions" in text
    assert "KSR.hdr.remove  line 3: -1 for what a proxy leaves alone: Via" in text
    assert "KSR.info  line 4" in text
    assert "KSR.sl.sned  line 5: no Kamailio up to 6.1 has such a function" in text


# The functions that Kamailio's own two basic examples of KEMI in Python call, and what becomes of each here.
WHOLE = """
    pv.get sl.sl_send_reply setflag info dbg is_REGISTER is_method_in err siputils.has_totag is_ACK is_INVITE
    corex.has_ruri_user isbflagset isflagset siputils.is_request sl.sl_reply_error corex.has_user_agent is_BYE
    is_CANCEL is_NOTIFY is_OPTIONS kx.get_furi kx.get_method maxfwd.process_maxfwd set_drop siputils.is_first_hop
    siputils.is_reply kx.get_srcip kx.gete_ua pv.gete pv.is_null pv.seti set_reply_no_connect isdsturiset
    nathelper.set_contact_alias nathelper.handle_ruri_alias auth.consume_credentials rr.check_route_param
"""
PARTIAL = """
    is_myself_ruri setbflag is_myself_furi sanity.sanity_check sl.send_reply force_rport
    auth.auth_challenge hdr.append hdr.remove nathelper.fix_nated_register nathelper.nat_uac_test rr.record_route
    rr.add_rr_param rr.loose_route pike.pike_check_req htable.sht_match_name htable.sht_seti
    is_myself is_myself_srcip permissions.allow_source_address tm.t_check_trans tm.t_is_set tm.t_is_canceled
    tm.t_newtran tmx.t_is_branch_route tmx.t_precheck_trans
"""
MISSING = """
    auth_db.auth_check registrar.lookup registrar.save rtpproxy.rtpproxy_manage
    tm.t_on_branch tm.t_on_failure tm.t_on_reply tm.t_relay
"""


def test_what_kamailios_own_examples_call_is_sorted_as_it_works_here() -> None:
    calls = [f"KSR.{name}" for name in (WHOLE + PARTIAL + MISSING).split()]
    found = report("\n".join(("import KSR", *(f"{call}()" for call in calls))))
    for entries, names in ((found.whole, WHOLE), (found.partial, PARTIAL), (found.missing, MISSING)):
        assert {entry.title: entry.lines for entry in entries} == {
            f"KSR.{name}": (calls.index(f"KSR.{name}") + 2,) for name in names.split()
        }
    assert all(entry.remark for entry in found.partial + found.missing)
    assert found.unknown == []


def test_what_only_other_languages_have_is_said() -> None:
    found = report("import KSR\nKSR.x.exit()\nKSR.x.modf('f')")
    assert [entry.remark for entry in found.unknown] == [
        "Kamailio has it for Lua and JavaScript only; Python says sys.exit()"
    ]
    assert [entry.title for entry in found.partial] == ["KSR.x.modf"]


def test_a_script_of_many_lines_is_read_in_a_time_that_grows_with_it() -> None:
    """10,000 calls within the time limit of a test: nothing is searched for each of them."""
    text = "import KSR\ndef mod_init():\n" + "    KSR.pv.get('$ru')\n" * 10_000
    assert len(find_uses(text, "script.py")) == 10_000
