"""A transaction that is none."""

from __future__ import annotations

from slbroker_handlers.kemi.testing import ksr_request


def test_a_transaction_that_a_script_makes_has_one_final_reply() -> None:
    """As Kamailio 5.6.3 was seen to answer."""
    with ksr_request("INVITE") as call:
        import KSR

        assert (KSR.tm.t_newtran(), KSR.tm.t_newtran(), KSR.tm.t_check_trans()) == (1, -10, 0)
        assert (KSR.tm.t_reply(180, "Ringing"), KSR.tm.t_reply(404, "a"), KSR.tm.t_reply(405, "b")) == (1, 1, -1)
        assert KSR.tm.t_send_reply(405, "b") == -1
    assert [reply.status for reply in call.replies] == [180, 404]
    with ksr_request("INVITE") as call:
        assert (KSR.tm.t_reply(404, "a"), KSR.tm.t_send_reply(404, "a")) == (-1, 1)
    assert [reply.status for reply in call.replies] == [404]
