"""The tests that docs/kemi.md shows run as they stand, beside a script that does what they say."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from tests.support.processes import ROOT, Process

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """\
import KSR


def is_scanner():
    return "sipcli" in (KSR.pv.get("$ua") or "")


def ksr_request_route():
    if is_scanner():
        return 1
    KSR.hdr.append_to_reply("Contact: <sip:sales@192.0.2.10>\\r\\n")
    KSR.sl.sl_send_reply(302, "Moved Temporarily")
    return 1
"""


def test_both_test_snippets_of_the_guide_pass_as_they_stand(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "kemi.md").read_text(encoding="utf-8")
    snippets = [code for code in re.findall(r"```python\n(.*?)```", guide, re.DOTALL) if "\ndef test_" in code]
    assert len(snippets) == 2
    (tmp_path / "script.py").write_text(SCRIPT)
    for number, code in enumerate(snippets):
        (tmp_path / f"test_snippet{number}.py").write_text(code)
    with Process(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path) as tests:
        assert tests.wait(60) == 0, tests
    assert "2 passed" in tests.output
