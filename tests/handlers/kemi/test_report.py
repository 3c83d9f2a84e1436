"""What a script calls, read from its source."""

from __future__ import annotations

from textwrap import dedent

import pytest

from slbroker_handlers.kemi.report import Report, make_report
from slbroker_handlers.kemi.source import find_uses


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
        KSR.rr.record_route()

    def ksr_failure(self, msg):
        self.only_from_there()

    def only_from_there(self):
        KSR.tm.t_relay()

    def ksr_reply_route(self, msg):
        KSR.rr.loose_route()
"""


def test_only_what_may_run_counts() -> None:
    found = report(REACHED)
    assert [entry.title for entry in found.missing] == ["KSR.rr.record_route", "KSR.tm.t_on_failure"]
    assert [entry.title for entry in found.unreached] == ["KSR.rr.loose_route", "KSR.tm.t_relay"]
    assert [entry.title for entry in found.unknown] == ["KSR.tm.t_reached"]
    assert [entry.title for entry in found.faults] == ["KSR.tm.t_on_failure", "KSR.tm.t_reached", "KSR.rr.record_route"]


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
    assert "KSR.hdr.remove  line 3: it changes the request that is forwarded" in text
    assert "KSR.info  line 4" in text
    assert "KSR.sl.sned  line 5: Kamailio 5.6 has no such function" in text


def test_a_script_of_many_lines_is_read_in_a_time_that_grows_with_it() -> None:
    """10,000 calls within the time limit of a test: nothing is searched for each of them."""
    text = "import KSR\ndef mod_init():\n" + "    KSR.pv.get('$ru')\n" * 10_000
    assert len(find_uses(text, "script.py")) == 10_000
