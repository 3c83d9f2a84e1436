"""A short part of `make interop` on loopback, with the phones that CI has; the rest is in docs/interop.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.interop.lab import start_lab
from tests.interop.phones.baresip import Baresip
from tests.interop.phones.browser import JSSIP
from tests.interop.phones.library import PJSUA2
from tests.interop.phones.phone import Task, is_registered
from tests.interop.verdicts import CALLS, registered
from tests.interop.words import PASSWORD, REALM
from tests.support.processes import ROOT
from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start
    from tests.interop.phones.phone import Phone

pytestmark = [pytest.mark.peer, pytest.mark.timeout(within(150))]

EXAMPLE: Final = ROOT / "handlers" / "examples" / "registrar.py"
PAIRS: Final = [
    pytest.param(phone, transport, id=f"{phone.name}-{transport}")
    for phone, transport in ((Baresip(), "udp"), (PJSUA2, "tcp"), (PJSUA2, "tls"), (JSSIP, "ws"))
]


def task(server: str, transport: str, folder: Path, user: str, *numbers: str) -> Task:
    return Task(server, transport, [user], numbers, folder, registering=within(2.5), talking=within(1.2))


@pytest.mark.parametrize(("phone", "transport"), PAIRS)
def test_a_phone_registers_and_calls(
    phone: Phone, transport: str, start_slbroker: Start, start_program: Start, tmp_path: Path
) -> None:
    """Challenged by MD5 it registers; every answer to a call is acknowledged and taken for what it is."""
    phone.require()
    lab = start_lab(start_slbroker, tmp_path)
    numbers = ("404", "503-wait2", "420-timer", "401-MD5", "200", "200-hold488", "180")
    said = phone.play(start_program, task(lab.addresses[transport], transport, tmp_path, "reg-MD5", *numbers))
    events = lab.since(0)
    found = {number: CALLS[number](events, number) for number in numbers}
    assert (registered(events, "reg-MD5"), is_registered(phone, said, "reg-MD5")) == ("OK", True), said
    # JsSIP's hold() ends a call whose re-INVITE is refused.
    held = "OK: ends the call" if phone is JSSIP else "OK: goes on"
    assert found == {number: held if number == "200-hold488" else "OK" for number in numbers}, said
    assert {event["transport"] for event in events} == {transport}


@pytest.mark.parametrize(("phone", "transport"), PAIRS)
def test_the_example_registrar_registers_phones(
    phone: Phone, transport: str, start_slbroker: Start, start_program: Start, tmp_path: Path
) -> None:
    phone.require()
    users = tmp_path / "users.txt"
    users.write_text(f"alice:{PASSWORD}\n")
    lab = start_lab(start_slbroker, tmp_path, plugin=EXAMPLE, env={"USERS": str(users), "REALM": REALM})
    said = phone.play(start_program, task(lab.addresses[transport], transport, tmp_path, "alice"))
    assert is_registered(phone, said, "alice"), said
    assert "alice is at <sip:" in lab.process.log
    assert "for 600 s" in lab.process.log
