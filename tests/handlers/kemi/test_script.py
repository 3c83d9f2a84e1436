"""Loading a KEMI script, and what becomes of its route's replies."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from slbroker.bus.envelope import FILTERED_ACK
from slbroker.errors import ConfigError, PluginError
from slbroker.testing import Client
from slbroker_handlers.kemi.script import examine, load_script
from slbroker_handlers.loader import PluginSource, load_plugin
from tests.handlers.kemi.scripts import route, serve, write

if TYPE_CHECKING:
    from pathlib import Path


# Replies --------------------------------------------------------------------------------------------------------


def test_a_reply_has_what_the_script_says(tmp_path: Path) -> None:
    client = serve(
        tmp_path,
        """
        KSR.hdr.append_to_reply("X-One: 1\\r\\nX-Two: 2\\r\\n")
        KSR.textops.set_reply_body("text", "text/plain")
        return KSR.sl.sl_send_reply(480, "Not Now")
        """,
    )
    reply = client.request("INVITE")
    assert reply is not None
    assert (reply.status, reply.reason, reply.body) == (480, "Not Now", b"text")
    assert (reply.all("X-One"), reply.all("X-Two"), reply.all("Content-Type")) == (["1"], ["2"], ["text/plain"])


def test_replies_leave_in_order_and_the_route_goes_on_behind_them(tmp_path: Path) -> None:
    client = serve(
        tmp_path,
        """
        KSR.sl.sl_send_reply(100, "Trying")
        KSR.sl.sl_send_reply(180, "Ringing")
        if KSR.sl.sl_send_reply(486, "Busy") > 0:
            KSR.pv.sets("$shv(seen)", "yes")
        """,
    )
    assert [reply.status for reply in client.replies("INVITE")] == [100, 180, 486]


def test_no_reply_is_silence(tmp_path: Path) -> None:
    client = serve(tmp_path, "return 1")
    assert client.replies("INVITE") == []
    assert client.errors == 0


@pytest.mark.parametrize("leave", ["sys.exit()", "sys.exit(1)", "exit()"])
def test_sys_exit_ends_the_route(tmp_path: Path, leave: str) -> None:
    client = serve(tmp_path, f"KSR.sl.sl_send_reply(404, 'A')\n{leave}\nKSR.sl.sl_send_reply(500, 'B')")
    assert [reply.reason for reply in client.replies("INVITE")] == ["A"]
    assert client.errors == 0


def test_an_exception_is_answered_500_and_logged_with_its_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Kamailio logs it, and answers nothing."""
    client = serve(tmp_path, "\nKSR.pv.get('$rm').nonsense()")
    reply = client.request("INVITE")
    assert reply is not None
    assert (reply.status, reply.reason) == (500, "I'm terribly sorry, server error occurred (1/SL)")
    assert "AttributeError" in caplog.text
    assert "script.py:13 in ksr_request_route" in caplog.text


def test_an_exception_behind_a_reply_leaves_the_reply(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    client = serve(tmp_path, "KSR.sl.sl_send_reply(404, 'A')\nraise ValueError('late')")
    assert [reply.status for reply in client.replies("INVITE")] == [404]
    assert "ValueError: late" in caplog.text


def test_an_ack_comes_to_the_route_and_cannot_be_answered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    client = serve(tmp_path, "KSR.info(f'{KSR.is_ACK()} {KSR.sl.sl_send_reply(200, 'x')}')".replace("'x'", '"x"'))
    caplog.set_level(logging.INFO)
    assert client.replies("ACK") == []
    assert "True -1" in caplog.text


@pytest.mark.parametrize(
    ("code", "reason", "status_line"),
    [(200, "", None), (99, "x", None), (700, "x", None), (-5, "x", None), (200, "a\r\nX: y", None)],
)
def test_what_would_be_no_sip_is_refused(
    tmp_path: Path, code: int, reason: str, status_line: tuple[int, str] | None
) -> None:
    client = serve(tmp_path, f"KSR.pv.seti('$shv(result)', KSR.sl.sl_send_reply({code}, {reason!r}))")
    replies = [(reply.status, reply.reason) for reply in client.replies("INVITE")]
    assert replies == ([status_line] if status_line else [])


@pytest.mark.parametrize("line", ["no colon", "Via: x", "To: <sip:x@y>", "Content-Length: 5", "X: a\x00b", ": x", ""])
def test_a_header_that_cannot_be_sent_is_refused(tmp_path: Path, line: str) -> None:
    client = serve(tmp_path, f"KSR.sl.sl_send_reply(200, str(KSR.hdr.append_to_reply({line!r})))")
    reply = client.request("INVITE")
    assert reply is not None
    assert reply.reason == "-1"


def test_a_loop_of_replies_is_ended(tmp_path: Path) -> None:
    client = serve(tmp_path, "while KSR.sl.sl_send_reply(180, 'Ringing') > 0:\n    pass")
    assert len(client.replies("INVITE")) == 16


def test_the_callback_of_replies_sees_the_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    client = serve(
        tmp_path,
        "KSR.sl.sl_send_reply(404, 'A')",
        methods="""
        def ksr_event_sl_local_response(self, msg, event):
            KSR.info(f"{event} {KSR.pv.get('$rm')} {msg.Method}")
        """,
    )
    assert [reply.status for reply in client.replies("INVITE")] == [404]
    assert caplog.text.count("sl:local-response INVITE INVITE") == 1


def test_a_callback_that_replies_each_time_is_ended(tmp_path: Path) -> None:
    client = serve(
        tmp_path,
        "KSR.sl.sl_send_reply(404, 'A')",
        methods="def ksr_event_sl_local_response(self, msg, event):\n    KSR.sl.sl_send_reply(500, 'B')",
    )
    assert [reply.status for reply in client.replies("INVITE")] == [404, *[500] * 15]


@pytest.mark.parametrize(
    ("end", "logged"), [("sys.exit()", ""), ("raise ValueError('x')", "script.py:15: ValueError: x")]
)
def test_the_route_goes_on_whatever_becomes_of_a_callback(
    tmp_path: Path, end: str, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = serve(
        tmp_path,
        "KSR.sl.sl_send_reply(180, 'A')\nKSR.sl.sl_send_reply(486, 'B')",
        methods=f"def ksr_event_sl_local_response(self, msg, event):\n    {end}",
    )
    assert [reply.status for reply in client.replies("INVITE")] == [180, 486]
    assert logged in caplog.text
    assert client.errors == 0


def test_the_callback_of_absorbed_acks_sees_the_ack(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    client = serve(
        tmp_path,
        "KSR.info('the route')",
        methods="""
        def ksr_event_sl_filtered_ack(self, msg, event):
            KSR.info(f"{event} {KSR.pv.get('$rm')} {msg.Method} {KSR.is_ACK()} {KSR.sl.sl_send_reply(200, 'OK')}")
            KSR.info(KSR.pv.get("$hdr(X-Why)"))
            sys.exit()
        """,
    )
    client.filtered_ack(headers={"X-Why": "because"})
    assert "sl:filtered-ack ACK ACK True -1" in caplog.text
    assert "because" in caplog.text
    assert "the route" not in caplog.text
    assert client.errors == 0


def test_absorbed_acks_are_asked_for_only_by_scripts_with_a_callback(tmp_path: Path) -> None:
    callback = "def told(self, msg, event):\n    pass"
    without = load_script(write(tmp_path, route("pass", methods=callback)))
    named = load_script(write(tmp_path, route("pass", methods=callback)) + "?param=sl.event_callback_fl_ack=told")
    assert without.takes == [b"ACK", b"CANCEL"]
    assert named.takes == [b"ACK", b"CANCEL", FILTERED_ACK]


def test_what_a_callback_calls_and_cannot_work_keeps_the_script_from_being_loaded(tmp_path: Path) -> None:
    callback = "def ksr_event_sl_filtered_ack(self, msg, event):\n    KSR.tm.t_relay()"
    with pytest.raises(PluginError, match=r"KSR\.tm\.t_relay: there are no transactions"):
        load_script(write(tmp_path, route("pass", methods=callback)))


def test_callbacks_without_a_class_are_given_the_event_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    script = """
        import KSR

        def ksr_request_route():
            KSR.sl.sl_send_reply(404, "A")

        def ksr_event_sl_local_response(event):
            KSR.info(f"told of {event}")

        def ksr_event_sl_filtered_ack(event):
            KSR.info(f"told of {event}")
        """
    client = Client(load_script(write(tmp_path, script)))
    client.replies("INVITE")
    client.filtered_ack()
    assert "told of sl:local-response" in caplog.text
    assert "told of sl:filtered-ack" in caplog.text


def test_requests_do_not_see_one_another(tmp_path: Path) -> None:
    client = serve(
        tmp_path,
        """
        KSR.sl.sl_send_reply(200, f"{KSR.isflagset(1)} {KSR.pv.get('$avp(a)')} {KSR.pv.get('$var(v)')}")
        KSR.setflag(1), KSR.pv.seti("$avp(a)", 1), KSR.pv.seti("$var(v)", 1), KSR.hdr.append_to_reply("X: y")
        """,
    )
    assert [client.replies("INVITE")[0].reason for _ in range(2)] == ["False None 0", "False None 1"]


def test_the_old_message_object_still_reads(tmp_path: Path) -> None:
    client = serve(
        tmp_path,
        """
        hops = msg.getHeader("Max-Forwards")
        KSR.sl.sl_send_reply(200, f"{msg.Type} {msg.Method} {msg.RURI} {msg.src_address} {hops}")
        """,
    )
    reply = client.request("INVITE", "sip:a@b")
    assert reply is not None
    assert reply.reason == "SIP_REQUEST INVITE sip:a@b ('192.0.2.1', 5060) 70"


# Calling --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        "KSR.sl.sl_send_reply(200)",
        "KSR.sl.sl_send_reply('200', 'OK')",
        "KSR.sl.sl_send_reply(200, 'OK', 1)",
        "KSR.pv.get()",
        "KSR.pv.get(1)",
        "KSR.setflag('1')",
        "KSR.maxfwd.process_maxfwd(None)",
    ],
)
def test_bad_arguments_are_logged_and_false(tmp_path: Path, call: str, caplog: pytest.LogCaptureFixture) -> None:
    client = serve(tmp_path, f"KSR.sl.sl_send_reply(200, repr({call}))")
    reply = client.request("INVITE")
    assert reply is not None
    assert reply.reason == "False"
    assert "was called with (" in caplog.text


def test_what_cannot_work_answers_as_failed_and_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = serve(
        tmp_path,
        """
        for name in ("t_relay", "t_is_canceled"):
            getattr(KSR.tm, name)()
        KSR.sl.sl_send_reply(200, f"{KSR.tm.t_relay()} {KSR.uuid.get() != ''} {KSR.to_UDP()} {KSR.jsonrpcs.response()}")
        """,
        "allow-missing=1",
    )
    assert [client.replies("INVITE")[0].reason for _ in range(3)] == ["-1 True False None"] * 3
    assert caplog.text.count("KSR.tm.t_relay cannot work here") == 1


def test_a_name_that_kamailio_has_not_is_an_attribute_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    client = serve(tmp_path, "getattr(KSR.sl, 'sl_' + 'sned_reply')(200, 'OK')")
    reply = client.request("INVITE")
    assert reply is not None
    assert reply.status == 500
    assert "sl_sned_reply" in caplog.text


# Loading --------------------------------------------------------------------------------------------------------


def test_functions_without_a_class_are_the_other_flavour(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    name = write(
        tmp_path,
        """
        import KSR

        def script_init():
            KSR.info("init")

        def script_child_init(rank):
            KSR.info(f"child {rank}")

        def ksr_request_route():
            KSR.sl.sl_send_reply(404, KSR.pv.get("$rm"))
        """,
    )
    with Client(load_script(name)) as client:
        reply = client.request("INVITE")
    assert reply is not None
    assert reply.reason == "INVITE"
    assert "init" in caplog.text
    assert "child 1" in caplog.text


def test_child_init_runs_once_when_the_worker_starts(tmp_path: Path) -> None:
    script = route("KSR.sl.sl_send_reply(200, str(self.ranks))").replace("return 0", "self.ranks = [rank]")
    with Client(load_plugin(write(tmp_path, script))) as client:
        reply = client.request("OPTIONS")
    assert reply is not None
    assert reply.reason == "[1]"


@pytest.mark.parametrize(
    "does",
    [
        "self.pool = rank", "global POOL; POOL = 1", "open_pool()", "import os", "KSR.htable.sht_seti('a', 'b', 1)",
        "KSR.pv.sets('$shv(x)', 'y')",
    ],
)  # fmt: skip
def test_a_child_init_that_is_skipped_without_with_is_said_once(does: str, tmp_path: Path) -> None:
    """As the startup hooks of plugins are."""
    client = serve(tmp_path, "KSR.sl.sl_send_reply(200, 'OK')", doing=does)
    with pytest.warns(UserWarning, match=r"startup hooks are not called \(child_init\): with Client\(app\) as client"):
        client.request("OPTIONS")
    client.request("OPTIONS")  # warnings are errors: no second one


@pytest.mark.parametrize("does", ["pass", "KSR.info('child %d' % rank)", "KSR.xlog.xinfo('begun')", "print(rank)"])
def test_a_child_init_that_does_nothing_a_test_could_miss_is_skipped_silently(does: str, tmp_path: Path) -> None:
    client = serve(tmp_path, "KSR.sl.sl_send_reply(200, 'OK')", doing=does)
    assert client.request("OPTIONS") is not None


def test_the_child_init_of_a_script_with_functions_is_told_of_by_its_name(tmp_path: Path) -> None:
    text = """
        import KSR
        def begin(rank):
            global RANK
            RANK = rank
        def ksr_request_route():
            KSR.sl.sl_send_reply(200, "OK")
    """
    client = Client(load_plugin(write(tmp_path, text) + "?param=app_python3s.script_child_init=begin"))
    with pytest.warns(UserWarning, match=r"\(begin\)"):
        client.request("OPTIONS")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("import KSR\ndef x(:\n", "script.py:2: "),
        ("import KSR\n1/0\n", "script.py:2: ZeroDivisionError"),
        ("import KSR\nimport nonesuch_module\n", "script.py:2: ModuleNotFoundError"),
        ("import sys\nsys.exit(3)\n", "script.py:2: SystemExit"),
        ("import KSR\n", "has neither mod_init() nor ksr_request_route()"),
        ("def mod_init():\n    pass\n", "mod_init() returned None"),
        ("def mod_init():\n    return 1/0\n", "script.py:2: mod_init() failed: ZeroDivisionError"),
        ("def mod_init():\n    return object()\n", "has no ksr_request_route(self, msg)"),
        (route("pass").replace("child_init", "other"), "has no child_init(self, rank)"),
        (
            "import KSR\ndef mod_init():\n    KSR.tm.t_relay()\n",
            "script.py:3: KSR.tm.t_relay: there are no transactions",
        ),
        (route("KSR.rr.loose_route()\nKSR.tm.t_relay()"), "1 more functions"),
        (route("KSR.sl.sned_reply(1, 'x')"), "no Kamailio up to 6.1 has such a function; is it spelt right?"),
    ],
)
def test_a_script_that_cannot_be_used_is_refused_in_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(PluginError) as caught:
        load_script(write(tmp_path, text))
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="there is no such file"):
        load_plugin(f"kemi:{tmp_path}/none.py")


def test_calls_that_are_never_made_do_not_matter(tmp_path: Path) -> None:
    client = serve(
        tmp_path,
        "KSR.sl.sl_send_reply(200, 'OK')",
        methods="def ksr_failure_manage(self, msg):\n    KSR.tm.t_relay()",
    )
    reply = client.request("INVITE")
    assert reply is not None
    assert reply.status == 200


@pytest.mark.parametrize(
    "settings",
    ["param=core.nothing=1", "param=x", "what=1", "param=pike.remove_latency=soon", "param=htable.htable=a b"],
)
def test_a_setting_that_means_nothing_is_refused(tmp_path: Path, settings: str) -> None:
    with pytest.raises(ConfigError):
        load_script(write(tmp_path, route("pass")) + f"?{settings}")


def test_settings_reach_the_script(tmp_path: Path) -> None:
    client = serve(
        tmp_path,
        "KSR.sl.sl_send_reply(200, f\"{KSR.is_myself('sip:a@b.example')} {KSR.pv.get('$sht(t=>x)')}\")",
        "param=core.alias=b.example&param=htable.htable=t%3D%3Esize=8;initval=7",
    )
    reply = client.request("INVITE")
    assert reply is not None
    assert reply.reason == "True 7"


def test_neighbours_can_be_imported_and_use_ksr(tmp_path: Path) -> None:
    (tmp_path / "kemi_neighbour.py").write_text("import KSR\n\ndef method():\n    return KSR.pv.get('$rm')\n")
    client = serve(tmp_path, "KSR.sl.sl_send_reply(200, kemi_neighbour.method())", before="import kemi_neighbour")
    reply = client.request("INVITE")
    assert reply is not None
    assert reply.reason == "INVITE"


def test_a_changed_script_is_loaded_again(tmp_path: Path) -> None:
    name = write(tmp_path, route("KSR.sl.sl_send_reply(200, 'Old')"))
    source = PluginSource(name)
    load_plugin(name)
    assert source.files() == [tmp_path / "script.py"]
    write(tmp_path, route("KSR.sl.sl_send_reply(200, 'New')"))
    reply = Client(source.load_again()).request("INVITE")
    assert reply is not None
    assert reply.reason == "New"


def test_examining_does_not_run_the_script(tmp_path: Path) -> None:
    report = examine(write(tmp_path, "import KSR\nKSR.info('x')\n1/0\n"))
    assert [entry.title for entry in report.whole] == ["KSR.info"]


# Where it went wrong --------------------------------------------------------------------------------------------


def test_what_ksr_logs_of_a_call_says_the_scripts_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "kemi_lines.py").write_text("import KSR\n\ndef go():\n    KSR.pv.get(1)\n")
    client = serve(
        tmp_path,
        """
        KSR.sl.sl_send_reply("200", "OK")
        KSR.sl.sl_send_reply(99, "100 %s")
        kemi_lines.go()
        KSR.pv.get("$nonesuch")
        KSR.tm.t_relay()
        """,
        "allow-missing=1",
        before="import kemi_lines",
    )
    client.replies("INVITE")
    said = [record.getMessage() for record in caplog.records if record.name.startswith("slbroker_handlers.kemi")]
    places = [line.rpartition(" (")[2].rstrip(")") for line in said]
    script, helper = tmp_path / "script.py", tmp_path / "kemi_lines.py"
    assert places[-5:] == [f"{script}:13", f"{script}:14", f"{helper}:4", f"{script}:16", f"{script}:17"]
