"""What `check` says of a script is what running it shows, over all that Kamailio's releases export."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slbroker.errors import PluginError
from slbroker_handlers.kemi.catalogue import OLDEST, modules
from slbroker_handlers.kemi.check.mentions import find_uses
from slbroker_handlers.kemi.check.mistakes import find_slips
from slbroker_handlers.kemi.check.report import Report, make_report
from slbroker_handlers.kemi.release import NEWEST, name_release
from slbroker_handlers.kemi.script import examine, load_script
from slbroker_handlers.kemi.testing import ksr_request, new_state
from tests.handlers.kemi.scripts import route, serve, write

if TYPE_CHECKING:
    from pathlib import Path

    from slbroker_handlers.kemi.release import Release

RELEASES = ((5, 6), (5, 8), (6, 0), (6, 1))
ARGUMENTS = {"int": "1", "str": "'x'"}


def report(text: str, release: Release = NEWEST) -> Report:
    """The report of a script."""
    return make_report(find_uses(dedent(text), "script.py"), release)


def title(module: str, name: str) -> str:
    """A function as scripts write it."""
    return f"KSR.{module}.{name}" if module else f"KSR.{name}"


@pytest.mark.parametrize("release", RELEASES, ids=name_release)
def test_no_verdict_is_contradicted_by_running(release: Release) -> None:
    """Each function that any release exports, called with arguments of its kinds, and one that none has."""
    calls: dict[str, str] = {}
    for module, functions in modules().items():
        for name, known in functions.items():
            own = title(module, name)
            written = own.replace("KSR.async", "getattr(KSR, 'async')")  # a word of Python's, since 3.7
            arguments = ", ".join(ARGUMENTS[kind] for kind in known.params or ())
            calls[own] = f"{own}('is_method', 'x')" if own == "KSR.x.modf" else f"{written}({arguments})"
    assert len(calls) > 1_400
    calls["KSR.pv.gett"] = "KSR.pv.gett('x')"
    found = report("\n".join(("import KSR", *calls.values())), release)
    verdicts = {entry.title: "runs" for entry in (*found.whole, *found.partial)}
    verdicts |= {entry.title: "fails" for entry in found.missing}
    verdicts |= {entry.title: "absent" for entry in found.unknown}
    assert verdicts.keys() == calls.keys()
    assert found.slips == []
    wrong = []
    for own, call in calls.items():
        if own in ("KSR.cfgutils.sleep", "KSR.cfgutils.usleep"):
            continue
        seen = run(call, release)
        if seen != verdicts[own]:
            wrong.append((own, verdicts[own], seen))
    assert wrong == []


def run(call: str, release: Release) -> str:
    """What becomes of a call: it runs, answers as one that cannot work, or there is no such function."""
    state = new_state(version=name_release(release))
    with ksr_request("OPTIONS", state=state):
        import KSR

        try:
            eval(call, {"KSR": KSR})
        except AttributeError:
            return "absent"
    return "fails" if any(name.startswith("KSR.") for name in state.unsupported) else "runs"


def test_functions_that_the_oldest_release_has_not_are_told_with_the_newest_too() -> None:
    found = report("import KSR\nKSR.pv.getl('$ru')\nKSR.auth.www_challenge('r', 0)")
    (getl,), (challenge,) = found.whole, found.partial
    assert getl.remark == "Kamailio 5.6 has it not, but 5.8"
    assert challenge.remark.endswith("Kamailio 5.6 has it not, but 5.8")
    older = report("import KSR\nKSR.pv.getl('$ru')\nKSR.auth.www_challenge('r', 0)", OLDEST)
    assert [(entry.title, entry.remark) for entry in older.unknown] == [
        ("KSR.auth.www_challenge", "Kamailio 5.6 has it not yet, but 5.8 (--kemi-version)"),
        ("KSR.pv.getl", "Kamailio 5.6 has it not yet, but 5.8 (--kemi-version)"),
    ]


def test_what_is_not_released_yet_and_what_is_gone_is_told() -> None:
    (entry,) = report("import KSR\nKSR.gcrypt.hmac_sha256('a', 'b', 'c')").unknown
    assert entry.remark == "Kamailio 6.1 has it not yet, but 6.2 (--kemi-version)"
    (entry,) = report("import KSR\nKSR.app_sqlang.run('a')").unknown
    assert entry.remark == "Kamailio 6.1 has it no longer"


def test_a_script_can_ask_whether_there_is_a_function(tmp_path: Path) -> None:
    body = """
    seen = [hasattr(KSR.pv, name) for name in ("get", "getl", "gett")] + [hasattr(KSR, "pvtpl2"), hasattr(KSR, "pv")]
    seen.append(getattr(KSR.pv, "gett", None))
    KSR.sl.sl_send_reply(200, repr(seen))
    """
    for version, expected in {"5.6": [True, False], "6.1": [True, True]}.items():
        reply = serve(tmp_path, body, f"version={version}").request("INVITE")
        assert reply is not None
        assert reply.reason == repr([*expected, False, False, True, None])


ABSENT = (
    "KSR.sl.sned(1)",
    "KSR.pv.gett('x')",
    "KSR.nonesuch.f()",
    "KSR.nonesuch()",
    "KSR.is_nonesuch()",
    "KSR.tm.t_relay()",
)


def test_absent_calls_answer_as_failed_ones_where_that_is_allowed(tmp_path: Path) -> None:
    body = f"KSR.sl.sl_send_reply(200, repr([{', '.join(ABSENT)}]))"
    reply = serve(tmp_path, body, "allow-missing=1").request("INVITE")
    assert reply is not None
    assert (reply.status, reply.reason) == (200, "[-1, None, -1, -1, False, -1]")
    body = body.replace("KSR.pv.gett", "KSR.pv.getl").replace("[", "[KSR.sl.send_reply_error and 1, ", 1)
    reply = serve(tmp_path, body, "allow-missing=1&version=5.6").request("INVITE")
    assert reply is not None
    assert (reply.status, reply.reason) == (200, "[1, -1, None, -1, -1, False, -1]")


@pytest.mark.parametrize("call", ABSENT)
def test_absent_calls_keep_a_script_from_being_loaded_otherwise(tmp_path: Path, call: str) -> None:
    with pytest.raises(PluginError, match=r"script\.py:12: KSR\."):
        load_script(write(tmp_path, route(call)))


# Names of KSR ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "tm = KSR.tm\ntm.t_relay()",
        "def f():\n    tm = KSR.tm\n    return tm.t_relay()\nf()",
        "relay = KSR.tm.t_relay",
        "k = KSR\nt = k.tm\nt.t_relay()",
        "getattr(KSR.tm, 't_relay')()",
        "getattr(KSR, 'tm').t_relay()",
        "getattr(getattr(KSR, 'tm'), 't_relay')()",
        "class A:\n    def __init__(self):\n        self.ksr = KSR\n        self.ksr.tm.t_relay()",
        "class A:\n    tm = KSR.tm\n    def __init__(self):\n        self.tm.t_relay()",
        "def f(k=KSR):\n    k.tm.t_relay()\nf()",
        "pv, tm = KSR.pv, KSR.tm\ntm.t_relay()",
        "from KSR.tm import t_relay",
        "import KSR.tm as t\nt.t_relay()",
        "if (tm := KSR.tm):\n    tm.t_relay()",
        "import importlib\nimportlib.import_module('KSR').tm.t_relay()",
        "handlers = [KSR.tm.t_relay]",
    ],
)
def test_a_call_is_found_behind_any_name(text: str) -> None:
    found = report(f"import KSR\n{text}")
    assert [entry.title for entry in found.missing] == ["KSR.tm.t_relay"]
    assert found.unknown == []


@pytest.mark.parametrize(
    "text",
    [
        "tm = KSR.tm\ndef f(tm):\n    tm.anything()\nf(1)",
        "def f():\n    info = KSR.info\n    info('x')\ndef g(info):\n    info.anything()\nf()\ng(1)",
        "class A:\n    def get(self):\n        return other.get.nothing()\nA().get()",
        "tm = KSR.tm\ntm = object()\ntm.anything()",
        "for tm in things:\n    tm.anything()",
    ],
)
def test_a_name_of_something_else_is_none_of_ksr(text: str) -> None:
    assert report(f"import KSR\n{text}").faults == []


# Slips -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "remark"),
    [
        ("KSR.sl.sl_send_reply('200', 'OK')", "argument 1 is str, and a number is wanted"),
        ("KSR.sl.sl_send_reply(200)", "it takes 2 arguments and is given 1"),
        ("KSR.pv.get()", "it takes 1 argument and is given 0"),
        ("KSR.pv.sets('$var(x)', 1)", "argument 2 is int, and text is wanted"),
        ("KSR.info(None)", "argument 1 is None, and text is wanted"),
        ("KSR.info(b'x')", "argument 1 is bytes, and text is wanted"),
        ("KSR.setflag(1.5)", "argument 1 is float, and a number is wanted"),
        ("KSR.setflag(f'{1}')", "argument 1 is str, and a number is wanted"),
        ("KSR.info(str(1), 'x')", "it takes 1 argument and is given 2"),
        ("KSR.setflag('%d' % 1)", "argument 1 is str, and a number is wanted"),
        ("KSR.htable.sht_sets('a', 'b', len('x'))", "argument 3 is int, and text is wanted"),
    ],
)
def test_arguments_that_are_refused_are_told_and_refused(tmp_path: Path, call: str, remark: str) -> None:
    """The script is loaded: Kamailio runs it, too."""
    name = write(tmp_path, route(f"KSR.sl.sl_send_reply(200, repr({call}))\nreturn 1"))
    (slip,) = examine(name).slips
    assert (slip.lines, slip.remark) == ((12,), f"{remark}: it answers False, and raises in Kamailio 5.6")
    reply = serve(tmp_path, f"KSR.sl.sl_send_reply(200, repr({call}))").request("INVITE")
    assert reply is not None
    assert reply.reason == "False"


@pytest.mark.parametrize(
    "call",
    ["KSR.setflag(True)", "KSR.setflag(not 1)", "KSR.setflag(x)", "KSR.info(x + 'y')", "KSR.is_ACK(1, 'x')",
     "KSR.info(*x)", "KSR.setflag(-1)", "KSR.info('a' + x)", "KSR.info('a' 'b')", "KSR.x.modf('f', 'x')"],
)  # fmt: skip
def test_arguments_that_may_fit_are_none(call: str) -> None:
    assert report(f"import KSR\n{call}").slips == []


NAMES = {"ksr_request_route": 1, "child_init": 1, "ksr_event_sl_local_response": 2}


def slips(text: str) -> list[tuple[str, int]]:
    """The slips of a script, and their lines."""
    return [(slip.title, slip.line) for slip in find_slips(dedent(text), "script.py", "ksr_request_route", NAMES)]


@pytest.mark.parametrize(
    ("signature", "is_slip"),
    [("self, msg", False), ("msg", True), ("self", True), ("self, msg, more", True), ("self, msg, more=1", False),
     ("self, *args", False), ("*args", False), ("self, msg, *, name", True), ("", True)],
)  # fmt: skip
def test_a_route_that_cannot_be_called_is_told_and_refused(tmp_path: Path, signature: str, is_slip: bool) -> None:
    script = route("return 1").replace("self, msg", signature)
    assert slips(script) == ([("ksr_request_route", 11)] if is_slip else [])
    if not is_slip:
        load_script(write(tmp_path, script))
        return
    with pytest.raises(PluginError, match=r"script\.py:11: ksr_request_route is called as .*, which it does not take"):
        load_script(write(tmp_path, script))


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("return 1", []),
        ("return", [4]),
        ("return None", [4]),
        ("pass", [4]),
        ("if x:\n    return\nreturn 1", [5]),
        ("if x:\n    return 1\nelse:\n    return 2", []),
        ("if x:\n    return 1", [4]),
        ("try:\n    return 1\nexcept ValueError:\n    pass", [4]),
        ("try:\n    x()\nfinally:\n    return 1", []),
        ("sys.exit()", []),
        ("raise SystemExit", []),
        ("while True:\n    x()", []),
        ("while True:\n    break", [4]),
        ("def inner():\n    return\nreturn 1", []),
        ("with x:\n    return 1", []),
        ("match x:\n    case 1:\n        return 1\n    case _:\n        return 2", []),
    ],
)
def test_a_route_that_returns_nothing_is_told(body: str, lines: list[int]) -> None:
    """Kamailio 5.6.3 fails the worker's next request for it; tests/peers/test_kemi_return.py shows that."""
    text = "class A:\n\n    def ksr_request_route(self, msg):\n" + "\n".join(
        f"        {line}" for line in body.split("\n")
    )
    assert slips(text) == [("ksr_request_route", line) for line in lines]


def test_null_variables_are_warned_of_when_a_script_is_loaded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    load_script(
        write(tmp_path, route("KSR.xlog.xinfo('is $T_branch set')\nif KSR.pv.get('$dlg(x)') is None: pass\nreturn 1"))
    )
    assert "script.py:12: $T_branch is always null here" in caplog.text
    assert "script.py:13: $dlg(x) is always null here" in caplog.text


@given(st.text(alphabet="KSR.pvget()='$ \n:if=defx", max_size=60))
def test_any_text_is_read_or_is_no_python(text: str) -> None:
    try:
        find_uses(text, "script.py")
        find_slips(text, "script.py", "ksr_request_route", NAMES)
    except (SyntaxError, ValueError):
        pass
