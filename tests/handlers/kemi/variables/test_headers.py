"""Credentials, as pseudo-variables have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.handlers.kemi.scripts import ask

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = 'Digest username="al@dom", realm="r", nonce="n", uri="sip:x", response="00", algorithm=MD5'


def test_credentials_are_read(tmp_path: Path) -> None:
    names = "['$au', '$aU', '$ar', '$ad', '$aa', '$adu']"
    read = ask(tmp_path, f"[KSR.pv.get(name) for name in {names}]", headers={"Authorization": DIGEST})
    assert read == "['al', 'al@dom', 'r', 'dom', 'MD5', 'sip:x']"


@pytest.mark.parametrize("header", ["Digest", "Basic abc", "Digest x", '"'])
def test_what_are_no_credentials_are_null(tmp_path: Path, header: str) -> None:
    assert ask(tmp_path, "KSR.pv.get('$au'), KSR.kx.getw_au()", headers={"Authorization": header}) == "(None, '<null>')"
