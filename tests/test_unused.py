"""Nothing in the product lives by its tests alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.imports import read_tree
from tests.support.processes import ROOT
from tests.support.unused import unused

if TYPE_CHECKING:
    from pathlib import Path

# Who calls what nothing of ours names.
CALLED = {
    "slbroker.commands.options.WordType.split_envvar_value": "click, for SLBROKER_LISTEN",
    "slbroker.logs.Lines.emit": "logging",
    "slbroker_handlers.loader._FreshLoader.get_code": "importlib",
    "slbroker.recentlog.RecentLog.emit": "logging",
    "slbroker.monitor.service.Server.capture_signals": "uvicorn",
    "slbroker_handlers.kemi.beforekemi.LegacyMessage.src_address": "old KEMI scripts, and so to the end",
    "slbroker_handlers.kemi.beforekemi.LegacyMessage.dst_address": "",
    "slbroker_handlers.kemi.beforekemi.LegacyMessage.getHeader": "",
    "slbroker_handlers.kemi.beforekemi.LegacyMessage.rewrite_ruri": "",
    "slbroker_handlers.kemi.beforekemi.LegacyMessage.set_dst_uri": "",
}


def test_all_that_is_defined_is_used_by_the_product() -> None:
    packages = (ROOT / "slbroker", ROOT / "edge/slbroker_edge", ROOT / "handlers/slbroker_handlers")
    told = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    twins = [file for package in packages for kind in ("*.pyx", "*.pxd") for file in package.rglob(kind)]
    others = "\n".join(file.read_text(encoding="utf-8") for file in (*told, *twins))
    assert set(unused(read_tree(*packages).modules, others)) == set(CALLED)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def lonely():\n    pass", ["p.a.lonely"]),
        ("LONELY = 1", ["p.a.LONELY"]),
        ("class Lonely:\n    pass", ["p.a.Lonely"]),
        ("def used():\n    pass", []),
        ("def read():\n    pass", []),
        ("def twice():\n    pass\ntwice()", []),
        ("@group.command()\ndef lonely():\n    pass", []),
        ("class Named:\n    def lonely(self):\n        pass\nNamed()", ["p.a.Named.lonely"]),
        ("class Named:\n    def go(self):\n        pass\nNamed()", []),
        ("def told():\n    pass", []),
    ],
)
def test_what_nothing_uses_is_found(tmp_path: Path, text: str, found: list[str]) -> None:
    one, other = tmp_path / "a.py", tmp_path / "b.py"
    one.write_text(text)
    other.write_text("from p import a\nfrom p.a import used\na.read().go()")
    assert unused({"p.a": one, "p.b": other}, "what is told of") == found
