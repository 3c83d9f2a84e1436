"""Functions by their names in kamailio.cfg."""

from __future__ import annotations

from slbroker_handlers.kemi.testing import ksr_request


def test_a_function_called_by_name_sets_the_variable_that_is_named() -> None:
    with ksr_request("INVITE"):
        import KSR

        assert KSR.x.modf("detailed_ip_type", "192.168.1.1", "$var(kind)") == 1
        assert KSR.pv.get("$var(kind)") == "PRIVATE"
