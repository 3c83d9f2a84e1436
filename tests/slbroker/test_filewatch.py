"""A file that changes, by each of the ways in which files are changed."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from slbroker.filewatch import LOOK, Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Looker:
    """Looks at files whenever a look is due."""

    def __init__(self, *files: Path) -> None:
        self.now = 0.0
        self.watch = Watch(files, self.now)

    def look(self) -> bool:
        self.now += LOOK
        return self.watch.changed(self.now)

    def looks(self, count: int) -> list[bool]:
        return [self.look() for _ in range(count)]


def test_a_change_counts_when_it_is_over(tmp_path: Path) -> None:
    file = tmp_path / "p.py"
    file.write_text("1")
    looker = Looker(file)
    assert not looker.look()
    file.write_text("12")
    assert not looker.watch.changed(looker.now)  # not due
    assert not looker.look()  # it may be half written
    file.write_text("123")
    assert looker.looks(3) == [False, True, False]
    file.unlink()  # as an editor does that puts another file in its place
    assert looker.looks(2) == [False, False]
    file.write_text("1234")
    assert looker.looks(3) == [False, True, False]


# Each way is prepared, returns the path that a process is told, and what changes the file behind it.


def written_in_place(folder: Path) -> tuple[Path, Callable[[], object]]:
    (folder / "ring").write_text("old")
    return folder / "ring", lambda: (folder / "ring").write_text("new")


def renamed_over(folder: Path) -> tuple[Path, Callable[[], object]]:
    """`slbroker keys rotate`, rsync, most editors."""
    (folder / "ring").write_text("old")
    (folder / "new").write_text("new")
    return folder / "ring", lambda: (folder / "new").rename(folder / "ring")


def renamed_over_by_one_of_the_same_age(folder: Path) -> tuple[Path, Callable[[], object]]:
    """`cp -p`, and images whose files are all of one second."""
    path, change = renamed_over(folder)
    for each in (path, folder / "new"):
        os.utime(each, ns=(10**18, 10**18))
    return path, change


def a_link_that_is_turned(folder: Path) -> tuple[Path, Callable[[], object]]:
    """Releases side by side."""
    for name in ("1", "2"):
        (folder / name).write_text(name)
    (folder / "ring").symlink_to("1")
    (folder / "next").symlink_to("2")
    return folder / "ring", lambda: (folder / "next").rename(folder / "ring")


def a_secret_of_kubernetes(folder: Path) -> tuple[Path, Callable[[], object]]:
    """ring -> ..data/ring, ..data -> ..2026_11_29: kubelet writes another directory and turns ..data to it."""
    for name in ("..1", "..2"):
        (folder / name).mkdir()
        (folder / name / "ring").write_text(name)
        os.utime(folder / name / "ring", ns=(10**18, 10**18))
    (folder / "..data").symlink_to("..1")
    (folder / "ring").symlink_to("..data/ring")

    def change() -> None:
        (folder / "..data_tmp").symlink_to("..2")
        (folder / "..data_tmp").rename(folder / "..data")
        (folder / "..1" / "ring").unlink()

    return folder / "ring", change


def a_directory_that_is_replaced(folder: Path) -> tuple[Path, Callable[[], object]]:
    """What systemd does with $CREDENTIALS_DIRECTORY when a unit's credentials are refreshed."""
    for name in ("here", "new"):
        (folder / name).mkdir()
        (folder / name / "ring").write_text(name)

    def change() -> None:
        (folder / "here").rename(folder / "gone")
        (folder / "new").rename(folder / "here")

    return folder / "here" / "ring", change


def mended_permissions(folder: Path) -> tuple[Path, Callable[[], object]]:
    """It was refused, and its owner has read why."""
    (folder / "ring").write_text("old")
    (folder / "ring").chmod(0o644)
    return folder / "ring", lambda: (folder / "ring").chmod(0o600)


WAYS = [
    written_in_place, renamed_over, renamed_over_by_one_of_the_same_age, a_link_that_is_turned, a_secret_of_kubernetes,
    a_directory_that_is_replaced, mended_permissions,
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_change_is_seen_whichever_way_it_comes(
    tmp_path: Path, way: Callable[[Path], tuple[Path, Callable[[], object]]]
) -> None:
    path, change = way(tmp_path)
    looker = Looker(path)
    assert looker.looks(3) == [False] * 3
    change()
    assert looker.looks(4) == [False, True, False, False], "once, when two looks have found the same"


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A mount of the single file tmp_path/ring, as `docker run -v ./ring:/ring` makes one."""
    (tmp_path / "ring").write_text("old")
    (tmp_path / "mount").touch()
    words = ["mount", "--bind", str(tmp_path / "ring"), str(tmp_path / "mount")]
    if os.geteuid() or subprocess.run(words, check=False).returncode:
        pytest.skip("mounting takes root")
    yield tmp_path / "mount"
    subprocess.run(["umount", tmp_path / "mount"], check=True)


def test_a_file_that_is_left_behind_by_its_name_is_seen_through_a_mount(mounted: Path, tmp_path: Path) -> None:
    looker = Looker(mounted)
    (tmp_path / "new").write_text("new")
    (tmp_path / "new").rename(tmp_path / "ring")
    assert mounted.read_text() == "old"
    assert looker.looks(3) == [False, True, False], "whoever reads it then can say that it is the old one"
