"""Templates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from slbroker.errors import ConfigError
from slbroker_handlers.kemi.testing import ksr_request, new_state

if TYPE_CHECKING:
    from pathlib import Path


def test_templates_are_filled_in(tmp_path: Path) -> None:
    file = tmp_path / "a.tpl"
    file.write_text('{"from": "$fu", "x": $var(x)}\n')
    state = new_state(f"pvtpl.tpl=name=one;fpath={file};bsize=64;")
    with ksr_request("INVITE", headers={"From": "<sip:al@example.org>;tag=1"}, state=state):
        import KSR

        KSR.pv.seti("$var(x)", 7)
        assert KSR.pvtpl.pvtpl_render("one", "$var(out)") == 1
        assert KSR.pv.get("$var(out)") == '{"from": "sip:al@example.org", "x": 7}\n'
        assert KSR.pvtpl.pvtpl_render("two", "$var(out)") == -1


@pytest.mark.parametrize("definition", ["", "name=x", "fpath=/x", "name=x;fpath=/nonesuch/file"])
def test_a_template_that_is_none_is_refused(definition: str) -> None:
    with pytest.raises(ConfigError, match=r"pvtpl\.tpl"):
        new_state(f"pvtpl.tpl={definition}")
