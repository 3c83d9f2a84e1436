"""Reloading where files come as deployments bring them: renamed logs, mounted key rings, releases behind a symlink."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from slbroker import keys
from tests.handlers.test_reload_live import BURST, Site
from tests.support.peers import require_mounts
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
        require_mounts()
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
    container.handler.wait_for(f"loaded again: {before.next.id.decode()} signs")  # with no signal
    assert not list(container.outside.parent.glob(".*ring*"))


@as_root
def test_a_ring_replaced_behind_the_mount_of_one_file_is_said_to_be_out_of_reach(container: Container) -> None:
    other = container.outside.with_name("other.ring")
    keys.create(other)
    other.rename(container.outside)
    log = container.reload()
    assert f"{container.ring} loaded again, unchanged: " in log
    assert f"key ring {container.ring} was replaced where it is mounted from" in log


@as_root
def test_a_ring_that_is_out_of_reach_is_told_of_with_no_signal(container: Container) -> None:
    other = container.outside.with_name("other.ring")
    keys.create(other)
    other.rename(container.outside)
    container.handler.wait_for(f"key ring {container.ring} was replaced where it is mounted from")
    container.handler.wait_for(f"key ring {container.ring} loaded again, unchanged: ")


# Releases -------------------------------------------------------------------------------------------------------

NEIGHBOURLY = """
from slbroker import Handlers
from slbroker_test_words import VERSION
app = Handlers()
@app.otherwise
def answer(request):
    return request.reply(200, f"Version {VERSION}")
"""
SCRIPT = """
import KSR
from slbroker_test_words import VERSION
def ksr_request_route():
    KSR.sl.sl_send_reply(200, f"Version {VERSION}")
"""
RULES = '[otherwise]\nreply = "200 Version {version}"\n'


def write_release(folder: Path, version: int) -> Path:
    """A plugin that is the same in all releases, a script, rules; and a neighbour, which has the version."""
    folder.mkdir()
    (folder / "answers.py").write_text(NEIGHBOURLY)
    (folder / "script.py").write_text(SCRIPT)
    (folder / "answers.toml").write_text(RULES.format(version=version))
    (folder / "slbroker_test_words.py").write_text(f"VERSION = {version}\n")
    (folder / "pack").mkdir()
    (folder / "pack" / "__init__.py").write_text("")
    (folder / "pack" / "answers.py").write_text(NEIGHBOURLY.replace("slbroker_test_words", "pack.words"))
    (folder / "pack" / "words.py").write_text(f"VERSION = {version}\n")
    for file in folder.rglob("*.*"):
        os.utime(file, (1, 1))  # as archives and Kubernetes may have it: no time tells the versions apart
    return folder


class Release:
    """`current`, a link to the release in use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "releases"
        self._folder.mkdir()
        self.current = self._folder / "current"
        self.current.symlink_to(write_release(self._folder / "release-1", 1))

    def switch(self, version: int) -> None:
        release = write_release(self._folder / f"release-{version}", version)
        (self._folder / "new").symlink_to(release)
        (self._folder / "new").rename(self.current)


class ConfigMap(Release):
    """A volume as kubelet writes it: files are links through `..data`, which is switched; then the old goes."""

    def __init__(self, folder: Path) -> None:
        self.current = self._folder = folder / "volume"
        self.current.mkdir()
        (self.current / "..data").symlink_to(write_release(self.current / "..version_1", 1).name)
        for file in (self.current / "..data").iterdir():
            (self.current / file.name).symlink_to(f"..data/{file.name}")

    def switch(self, version: int) -> None:
        release = write_release(self.current / f"..version_{version}", version)
        (self.current / "..data_tmp").symlink_to(release.name)
        (self.current / "..data_tmp").rename(self.current / "..data")
        shutil.rmtree(self.current / f"..version_{version - 1}")


@pytest.mark.parametrize("kind", [Release, ConfigMap])
@pytest.mark.parametrize(
    "name", ["answers.py", "kemi:script.py", "answers.toml", "./answers.py", "answers:app", "pack.answers"]
)
@pytest.mark.parametrize("how", ["--reload", "SIGHUP"])
def test_another_release_is_taken_up_whole(
    site: Site, tmp_path: Path, kind: type[Release], name: str, how: str, start_slbroker: Start
) -> None:
    """Plugin and neighbours are of one release, also when the working directory is the link itself."""
    release = kind(tmp_path)
    kemi, _, file = name.rpartition(":")
    plugin = name
    if not name.startswith("./") and name.endswith((".py", ".toml")):
        plugin = f"{kemi}:{release.current / file}".lstrip(":")
    words = ["--bus", site.edge.bus, "--plugin", plugin, "--keys", str(site.keys)]
    handler = start_slbroker(
        "handler", *words, *(["--reload"] if how == "--reload" else []),
        cwd=release.current, env={"PWD": str(release.current)},
    )  # fmt: skip
    handler.wait_for("handler ready")
    assert site.serves(1)
    for version in (2, 3):
        release.switch(version)
        if how == "SIGHUP":
            handler.send(signal.SIGHUP)
        handler.wait_for("loaded again" if how == "--reload" else f"{file} loaded again", 2.0, times=version - 1)
        assert site.serves(version), handler.log


# Mending --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mend", ["slbroker_test_more.py", "slbroker_test_more/__init__.py", "numbers.csv"])
def test_the_file_whose_lack_made_a_reload_fail_is_taken_up_when_it_is_there(
    site: Site, tmp_path: Path, mend: str
) -> None:
    handler = site.handler("--reload")
    reading = f"open({str(tmp_path / mend)!r})" if mend.endswith(".csv") else "import slbroker_test_more"
    site.write(2)
    site.plugin.write_text(f"{reading}\n{site.plugin.read_text()}")
    handler.wait_for("not reloaded, the old one stays in use")
    (tmp_path / mend).parent.mkdir(exist_ok=True)
    (tmp_path / mend).write_text("")
    handler.wait_for("loaded again", 2.0)
    assert site.serves(2)


@pytest.mark.parametrize("bad", ["x = (\n", "1 / 0\n", "raise SystemExit\n"])
def test_a_new_neighbour_that_fails_is_taken_up_when_it_is_mended(site: Site, tmp_path: Path, bad: str) -> None:
    handler = site.handler("--reload")
    more = tmp_path / "slbroker_test_more.py"
    more.write_text(bad)
    site.write(2)
    site.plugin.write_text(f"import slbroker_test_more\n{site.plugin.read_text()}")
    handler.wait_for("not reloaded, the old one stays in use")
    more.write_text("fine = True\n")
    handler.wait_for("loaded again", 2.0)
    assert site.serves(2)


def test_a_neighbour_that_is_needed_no_more_may_go(site: Site, tmp_path: Path) -> None:
    more = tmp_path / "slbroker_test_more.py"
    more.write_text("")
    text = site.plugin.read_text()
    site.plugin.write_text(f"import slbroker_test_more\n{text}")
    handler = site.handler("--reload")
    more.unlink()
    site.write(2)
    handler.wait_for("loaded again", 2.0)
    assert site.serves(2)


def test_a_startup_that_fails_is_tried_again_when_its_file_is_there(site: Site, tmp_path: Path) -> None:
    handler = site.handler("--reload")
    site.write(2)
    numbers = tmp_path / "numbers.csv"
    site.plugin.write_text(f"{site.plugin.read_text()}app.startup(lambda: open({str(numbers)!r}).close())\n")
    handler.wait_for("not reloaded, the old one stays in use: the plugin's startup failed")
    numbers.write_text("")
    handler.wait_for("loaded again", 2.0)
    assert site.serves(2)


# What a plugin does when it is imported ---------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["--reload", "SIGHUP"])
def test_a_plugin_with_asyncio_run_is_loaded_again_as_it_was_loaded(site: Site, how: str) -> None:
    text = "import asyncio\nasyncio.run(asyncio.sleep(0.01))\n"
    site.plugin.write_text(text + site.plugin.read_text())
    handler = site.handler(*(["--reload"] if how == "--reload" else []))
    for version in (2, 3):
        site.write(version)
        site.plugin.write_text(text + site.plugin.read_text())
        if how == "SIGHUP":
            handler.send(signal.SIGHUP)
        handler.wait_for("answers.py loaded again", 2.0, times=version - 1)
        assert site.serves(version)
    assert handler.stop() == 0


@pytest.mark.parametrize("kemi", ["", "kemi:"])
def test_threads_that_a_version_leaves_behind_are_said(
    site: Site, tmp_path: Path, kemi: str, start_slbroker: Start
) -> None:
    plugin = tmp_path / "threaded.py"
    thread = "import threading, time\ndef poll():\n  while True: time.sleep(0.01)\n"
    begin = "threading.Thread(target=poll, name='poller', daemon=True).start()\n"
    words = "VERSION = 1\n"
    text = (SCRIPT if kemi else NEIGHBOURLY).replace("from slbroker_test_words import VERSION\n", words)
    plugin.write_text(thread + begin + text)
    handler = start_slbroker("handler", "--bus", site.edge.bus, "--plugin", f"{kemi}{plugin}", "--keys", str(site.keys))
    handler.wait_for("handler ready")
    handler.send(signal.SIGHUP)
    handler.wait_for("threaded.py: threads of the version before run on (poller)")
    plugin.write_text(text)
    handler.send(signal.SIGHUP)
    handler.wait_for("threads of the version before", times=2)
    handler.send(signal.SIGHUP)
    handler.wait_for("threaded.py loaded again", times=3)
    assert site.serves(1)
    assert handler.log.count("threads of the version before") == 2
