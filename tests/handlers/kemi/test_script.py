"""What becomes of the replies of a KEMI script's route, and of its calls."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from slbroker.bus.envelope import FILTERED_ACK
from slbroker.errors import PluginError
from slbroker.testing import Client
from slbroker_handlers.kemi.script import load_script
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
