"""Does AddressSanitizer see what it should, and is only the source copied? The run itself is `make asan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from slbroker.twins import TWINS
from tests.lab.bench import asan

if TYPE_CHECKING:
    from pathlib import Path


def test_a_read_beyond_a_buffer_is_reported() -> None:
    try:
        environment = asan.sanitized()
    except click.ClickException as error:
        pytest.skip(error.message)
    asan.check_control(environment)


def test_without_the_sanitizer_that_is_noticed() -> None:
    with pytest.raises(click.ClickException, match="does not work with this Python"):
        asan.check_control({})


def test_what_was_built_is_not_copied(tmp_path: Path) -> None:
    asan.copy_tree(tmp_path)
    assert {path.stem for path in asan.sources(tmp_path)} == {name.rpartition(".")[2] for name in TWINS}
    assert all((tmp_path / suite).exists() for suite in asan.SUITES)
    assert not list((tmp_path / "slbroker").rglob("*.so"))
    assert not list(tmp_path.rglob("_*.c"))


def test_a_module_that_was_left_out_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "slbroker" / "sip"
    folder.mkdir(parents=True)
    (folder / "_scan.pyx").touch()
    module = folder / "_scan.so"
    module.write_bytes(b"no sanitizer")
    for modules in ([], [module]):
        with pytest.raises(click.ClickException, match=r"^_scan.pyx was not built with AddressSanitizer$"):
            asan.check_modules(tmp_path, modules)
    module.write_bytes(b"\x00__asan_report_load1\x00")
    assert asan.check_modules(tmp_path, [module]) == "_scan"


def test_a_command_that_fails_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match=r"^exit code 1 from false$"):
        asan.run(["false"], tmp_path, {})
