"""What a KEMI script has decided is said again by edges, as far as it looks at what can be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from slbroker.errors import ConfigError
from slbroker_handlers.kemi.script import load_script
from tests.support.edge import Rig
from tests.support.remembered import asked, fresh, statuses

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
import KSR as KSR

def mod_init():
    return kamailio()

class kamailio:
    def child_init(self, rank):
        return 0

    def ksr_request_route(self, msg):
        {route}
        return 1
"""


def rig_of(folder: Path, route: str, query: str = "?remember=60") -> Rig:
    script = folder / "script.py"
    script.write_text(SCRIPT.format(route=route))
    rig = Rig()
    rig.join(load_script(f"kemi:{script}{query}"))
    return rig


REPLY = 'KSR.sl.sl_send_reply(404, "Not Found")'
ALIKE: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("pass", {"uri": "sip:a@b"}, {"method": "INVITE"}),
    ("KSR.is_INVITE()", {"uri": "sip:a@b"}, {"method": "INVITE"}),
    ('KSR.pv.get("$rU")', {"subject": "x"}, {"uri": "sip:a@b"}),
    ('KSR.hdr.get("Subject")', {"x_other": "1"}, {"subject": "x"}),
    ('KSR.hdr.is_present("Subject")', {"x_other": "1"}, {"subject": "x"}),
    ('KSR.pv.get("$hdr(Subject)")', {"x_other": "1"}, {"subject": "x"}),
    ('KSR.pv.get("$ua")', {"x_other": "1"}, {"user_agent": "x"}),
    ('KSR.pv.get("$rb")', {"x_other": "1"}, {"body": b"x"}),
    ("KSR.siputils.has_totag()", {"x_other": "1"}, {"to": "<sip:bob@example.com>;tag=1"}),
    ('KSR.pv.get("$fU")', {"from_": "<sip:alice@example.org>;tag=other"}, {"from_": "<sip:x@example.org>;tag=1"}),
    ('KSR.pv.get("$td")', {"x_other": "1"}, {"to": "<sip:bob@example.net>"}),
]


@pytest.mark.parametrize(("read", "alike", "other"), ALIKE, ids=[row[0] for row in ALIKE])
def test_a_script_is_asked_once_for_those_that_are_alike(
    tmp_path: Path, read: str, alike: dict[str, Any], other: dict[str, Any]
) -> None:
    rig = rig_of(tmp_path, f"{read}; {REPLY}")
    rig.receive(fresh())
    rig.receive(fresh(**alike))
    assert asked(rig) == 1
    rig.receive(fresh(**other))
    assert asked(rig) == 2
    assert statuses(rig) == [404] * 3


@pytest.mark.parametrize(
    "read",
    [
        'KSR.pv.get("$ci")', 'KSR.pv.get("$sp")', 'KSR.pv.get("$cs")', 'KSR.pv.get("$ft")', 'KSR.pv.get("$RANDOM")',
        'KSR.pv.sets("$var(x)", "1")', 'KSR.pv.get("$shv(x)")', 'KSR.htable.sht_get("t", "k")',
        'KSR.statistics.update_stat("x", 1)', 'KSR.pv.get("$mi")', 'KSR.pike.pike_check_req()',
    ],
)  # fmt: skip
def test_it_is_asked_each_time_where_it_goes_by_what_comes_once_or_lasts(tmp_path: Path, read: str) -> None:
    rig = rig_of(tmp_path, f"{read}; {REPLY}", "?remember=60&allow-missing=1")
    for _ in range(3):
        rig.receive(fresh())
    assert asked(rig) == 3


def test_nothing_is_remembered_of_a_script_unless_it_is_asked_for(tmp_path: Path) -> None:
    rig = rig_of(tmp_path, REPLY, "")
    for _ in range(3):
        rig.receive(fresh())
    assert asked(rig) == 3
    with pytest.raises(ConfigError, match="no number of seconds"):
        rig_of(tmp_path, REPLY, "?remember=x")
