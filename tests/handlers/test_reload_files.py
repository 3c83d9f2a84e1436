"""Reloading where files come as deployments bring them: renamed logs, mounted key rings, releases behind a symlink."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from slbroker import keys
from tests.handlers.test_reload_live import BURST, Site
from tests.support.processes import Process
from tests.support.timing import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Start

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@pytest.fixture
def site(start_slbroker: Start, tmp_path: Path) -> Iterator[Site]:
    with closing(Site(start_slbroker, tmp_path)) as made:
        yield made


def lines_of(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_logrotate_renames_a_recording_and_sighup_begins_a_new_one(site: Site, tmp_path: Path) -> None:
    recording, old = tmp_path / "requests.jsonl", tmp_path / "requests.jsonl.1"
    handler = site.handler("--record", str(recording))
    assert site.serves(1)
    recording.rename(old)
    handler.send(signal.SIGHUP)
    handler.wait_for("requests.jsonl opened again")
    assert site.serves(1)
    until(lambda: (lines_of(old), lines_of(recording)) == (BURST, BURST), what="each burst in its file")


def test_a_recording_that_cannot_be_opened_again_goes_on_in_the_old_file(site: Site, tmp_path: Path) -> None:
    folder, moved = tmp_path / "log", tmp_path / "moved"
    folder.mkdir()
    handler = site.handler("--record", str(folder / "requests.jsonl"))
    folder.rename(moved)
    handler.send(signal.SIGHUP)
    handler.wait_for("not opened again, the old one stays in use: recording")
    assert site.serves(1)
    until(lambda: lines_of(moved / "requests.jsonl") == BURST, what="the burst in the old file")


# The key ring ---------------------------------------------------------------------------------------------------


def test_sighup_says_which_key_signs_now_or_that_nothing_has_changed(site: Site, tmp_path: Path) -> None:
    handler = site.handler()
    ring = tmp_path / "keys.ring"
    for process in (handler, site.edge.process):
        process.send(signal.SIGHUP)
        assert_signs(process.wait_for("keys.ring loaded again, unchanged: "), ring)
    keys.rotate_file(ring, 1_000.0)
    for process in (handler, site.edge.process):
        process.send(signal.SIGHUP)
        assert_signs(process.wait_for("keys.ring loaded again: "), ring)


def assert_signs(line: str, ring: Path) -> None:
    key = keys.load(ring).current
    assert line.endswith(f": {key.id.decode()} signs, fingerprint {key.fingerprint}"), line


MOUNTED = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'


class Container:
    """A handler that has the key ring as a mount of that single file, as `docker run -v keys.ring:/ring` gives it."""

    def __init__(self, site: Site, folder: Path, start: Start) -> None:
        self.outside, self.ring = folder / "keys.ring", folder / "mounted.ring"
        self.ring.touch(0o600)
        words = ("handler", "--bus", site.edge.bus, "--plugin", str(site.plugin), "--keys", str(self.ring))
        program = (sys.executable, "-m", "slbroker", *words)
        rings = str(self.outside), str(self.ring)
        self.handler = start("unshare", "--mount", "sh", "-c", MOUNTED, "sh", *rings, *program)
        self.handler.wait_for("handler ready")

    def rotate_inside(self) -> None:
        target = str(self.handler.pid)
        words = (sys.executable, "-m", "slbroker", "keys", "rotate", str(self.ring))
        with Process("nsenter", "--mount", "--target", target, *words) as rotated:
            assert rotated.wait() == 0, rotated

    def reload(self) -> str:
        before = len(self.handler.log)
        self.handler.send(signal.SIGHUP)
        until(lambda: "plugin" in self.handler.log[before:], what="the end of the reload")
        return self.handler.log[before:]


@pytest.fixture
def container(site: Site, tmp_path: Path, start_program: Start) -> Container:
    return Container(site, tmp_path, start_program)


@as_root
def test_keys_rotated_outside_of_a_container_arrive_through_the_mount_of_one_file(container: Container) -> None:
    keys.rotate_file(container.outside, 1_000.0)
    log = container.reload()
    assert f"{container.ring} loaded again: {keys.load(container.outside).current.id.decode()} signs" in log
    assert "WARNING" not in log


@as_root
def test_keys_rotated_inside_of_a_container_are_those_outside_too(container: Container) -> None:
    before = keys.load(container.outside)
    container.rotate_inside()
    assert keys.load(container.outside).current == before.next
    assert f"loaded again: {before.next.id.decode()} signs" in container.reload()
    assert not list(container.outside.parent.glob(".*ring*"))


@as_root
def test_a_ring_replaced_behind_the_mount_of_one_file_is_said_to_be_out_of_reach(container: Container) -> None:
    other = container.outside.with_name("other.ring")
    keys.create(other)
    other.rename(container.outside)
    log = container.reload()
    assert f"{container.ring} loaded again, unchanged: " in log
    assert f"key ring {container.ring} was replaced where it is mounted from" in log
