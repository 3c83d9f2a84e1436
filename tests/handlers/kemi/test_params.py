"""What stands in the place of kamailio.cfg."""

from __future__ import annotations

from slbroker_handlers.kemi.params import NUMBERS, read_params


def test_params_have_kamailios_defaults() -> None:
    assert read_params(()).numbers == NUMBERS
    assert read_params(("core.alias=a", "core.alias=b:5060")).aliases == ("a", "b:5060")
    assert read_params(("siputils.options_accept=text/plain",)).texts["siputils.options_accept"] == "text/plain"
