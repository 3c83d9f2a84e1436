"""Text in bytes, numbers that are no dates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.handlers.kemi.scripts import ask

if TYPE_CHECKING:
    from pathlib import Path


def test_text_is_counted_in_bytes_and_case_is_ascii_s(tmp_path: Path) -> None:
    values = (
        "KSR.pv.sets('$var(v)', 'gr\u00fc\u00df'), KSR.pv.get('$(var(v){s.len})'), KSR.pv.get('$(var(v){s.toupper})')"
    )
    assert ask(tmp_path, f"{values}, KSR.pv.get('$(var(v){{s.strip,4}})')") == "(True, 6, 'GR\u00fc\u00df', '\u00df')"


def test_a_date_that_cannot_be_is_null(tmp_path: Path) -> None:
    for number in ("9" * 30, "9" * 5_000, "-1e9"):
        headers = {"Subject": number}
        assert ask(tmp_path, "KSR.pv.get('$(hdr(Subject){s.ftime,%Y})')", headers=headers) == "None"
