"""The file of the key ring: it is read only when nobody else can, and a change of it that fails changes nothing."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from slbroker import keys, secretfile
from slbroker.errors import ConfigError, Exit, KeyFileError
from slbroker.keys import KeyRing
from tests.slbroker.somekeys import NOW, A, B, C, retired
from tests.support.peers import require_mounts
from tests.support.processes import Process

if TYPE_CHECKING:
    from collections.abc import Callable

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_create_then_load(path: Path) -> None:
    ring = keys.create(path)
    assert keys.load(path) == ring
    assert keys.load(str(path)) == ring
    assert path.stat().st_mode & 0o7777 == 0o600


def test_the_format_of_the_file(path: Path) -> None:
    keys.save(path, KeyRing(A, B, (retired(C, NOW),)))
    assert json.loads(path.read_text()) == {
        "slbroker-keys": 1,
        "current": {"id": "000a", "secret": "00" * 32},
        "next": {"id": "000b", "secret": "01" * 32},
        "earlier": [{"id": "000c", "secret": "02" * 32, "retired_at": NOW}],
    }


def test_create_overwrites_nothing(path: Path, tmp_path: Path) -> None:
    path.write_text("mine")
    with pytest.raises(KeyFileError, match=r"exists .* run: slbroker keys rotate"):
        keys.create(path)
    assert path.read_text() == "mine"
    dangling = tmp_path / "link"
    dangling.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyFileError, match="exists"):
        keys.create(dangling)
    assert not (tmp_path / "elsewhere").exists()


def test_create_where_there_is_no_directory(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"cannot write key file .*: No such file or directory"):
        keys.create(tmp_path / "absent" / "keys.json")


def test_rotating_the_file(path: Path, tmp_path: Path) -> None:
    before = keys.create(path)
    after = keys.rotate_file(path, NOW)
    assert after.current == before.next
    assert after.earlier == (retired(before.current, NOW),)
    assert keys.load(path) == after
    assert [entry.name for entry in tmp_path.iterdir()] == ["keys.json"]  # nothing temporary stays


def test_the_file_never_was_open_to_others(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    original = os.open

    def spy(name: Any, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_CREAT:
            assert flags & os.O_EXCL
            asked.append(mode)
        return original(name, flags, mode)

    monkeypatch.setattr(os, "open", spy)
    umask = os.umask(0)
    try:
        keys.create(path)
        keys.rotate_file(path, NOW)
    finally:
        os.umask(umask)
    assert asked == [0o600, 0o600]
    assert path.stat().st_mode & 0o7777 == 0o600


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_failed_rotation_leaves_the_file_as_it_was(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    ring = keys.create(path)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path if call == "replace" else os, call, fail)
    with pytest.raises(KeyFileError, match=r"cannot write key file .*: No space left on device"):
        keys.rotate_file(path, NOW)
    assert keys.load(path) == ring
    assert [entry.name for entry in tmp_path.iterdir()] == ["keys.json"]


def test_a_failed_create_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(KeyFileError, match="No space left"):
        keys.create(path)
    assert not path.exists()


def test_rotating_through_a_symbolic_link(path: Path, tmp_path: Path) -> None:
    keys.create(path)
    link = tmp_path / "link"
    link.symlink_to(path)
    ring = keys.rotate_file(link, NOW)
    assert link.is_symlink()
    assert keys.load(path) == ring


@as_root
def test_rotating_as_root_keeps_the_owner(path: Path) -> None:
    keys.create(path)
    os.chown(path, 12_345, 23_456)
    keys.rotate_file(path, NOW)
    status = path.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (12_345, 23_456, 0o600)


@as_root
@pytest.mark.parametrize(("mode", "after"), [(0o640, 0o640), (0o440, 0o640), (0o600, 0o600)])
def test_rotating_as_root_keeps_the_group_that_may_read(path: Path, mode: int, after: int) -> None:
    """root:slbroker 0640, as Debian has files of services: the service reads the ring after a rotation, too."""
    keys.create(path)
    os.chown(path, 0, 23_456)
    path.chmod(mode)
    keys.rotate_file(path, NOW)
    status = path.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (0, 23_456, after)


def test_errors_hold_no_secrets(path: Path) -> None:
    ring = keys.create(path)
    path.write_text(path.read_text() + "}")
    with pytest.raises(KeyFileError) as raised:
        keys.load(path)
    assert ring.current.secret.hex() not in str(raised.value)


def test_no_file(path: Path) -> None:
    with pytest.raises(KeyFileError, match=re.escape(f"no key file {path}; run: slbroker keys new {path}")):
        keys.load(path)


def test_a_command_in_a_message_can_be_pasted(tmp_path: Path) -> None:
    path = tmp_path / "my keys"
    with pytest.raises(KeyFileError, match=re.escape(f"run: slbroker keys new '{path}'")):
        keys.load(path)


def test_a_key_file_error_is_a_config_error() -> None:
    assert issubclass(KeyFileError, ConfigError)
    assert KeyFileError.exit_code is Exit.CONFIG


def test_a_file_this_user_cannot_read(path: Path) -> None:
    keys.create(path)
    path.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)  # root may read anything
    try:
        with pytest.raises(KeyFileError, match=r"cannot read key file .*: Permission denied"):
            keys.load(path)
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_modes_that_are_private(path: Path, mode: int) -> None:
    ring = keys.create(path)
    path.chmod(mode)
    assert keys.load(path) == ring


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o444, 0o440, 0o610, 0o666, 0o620])
def test_modes_that_are_open(path: Path, mode: int) -> None:
    keys.create(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=rf"open to other users \(mode {mode:04o}\); run: chmod 600 "):
        keys.load(path)


@pytest.mark.parametrize("mode", [0o444, 0o440, 0o644])
def test_mounted_secrets_may_be_readable(path: Path, monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    ring = keys.create(path)
    path.chmod(mode)
    assert keys.load(path, allow_open=True) == ring
    monkeypatch.setattr(secretfile, "SECRET_DIRECTORIES", (path.parent,))
    assert keys.load(path) == ring


@pytest.mark.parametrize("mode", [0o622, 0o620, 0o666, 0o602])
def test_mounted_secrets_must_not_be_writable(path: Path, monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    keys.create(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match="open to other users"):
        keys.load(path, allow_open=True)
    monkeypatch.setattr(secretfile, "SECRET_DIRECTORIES", (path.parent,))
    with pytest.raises(KeyFileError, match="open to other users"):
        keys.load(path)


@pytest.mark.parametrize("mode", [0o444, 0o440])
def test_systemds_credentials_may_be_readable(path: Path, monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    ring = keys.create(path)
    path.chmod(mode)
    (link := path.parent / "link").symlink_to(path.parent)
    for named in (path.parent, link):
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(named))
        assert keys.load(path) == ring
    for elsewhere in ("", ".", str(path.parent / "other")):
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", elsewhere)
        with pytest.raises(KeyFileError, match="open to other users"):
            keys.load(path)


@as_root
@pytest.mark.parametrize("mode", [0o444, 0o440])
def test_what_is_mounted_read_only_may_be_readable(path: Path, tmp_path: Path, mode: int) -> None:
    """As Kubernetes mounts a Secret, wherever its user wants it."""
    require_mounts()
    keys.create(path)
    path.chmod(mode)
    script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && exec "$2" -m slbroker keys show "$1/keys.json"'
    with Process("unshare", "--mount", "sh", "-c", script, "sh", str(tmp_path), sys.executable) as shown:
        assert shown.wait() == Exit.OK
        assert "signs" in shown.output


@as_root
@pytest.mark.parametrize(
    ("mode", "owner", "group", "outcome"),
    [
        (0o440, 0, 65_534, "loaded"),  # Kubernetes, where fsGroup is set
        (0o640, 0, 65_534, "loaded"),  # as Debian's packages have files for their services
        (0o440, 0, 0, r"cannot read .*; it belongs to uid 0 \(mode 0440\), and we are uid 65534"),
        (0o400, 0, 65_534, r"cannot read .*; it belongs to uid 0 \(mode 0400\), and we are uid 65534"),
        (0o444, 0, 65_534, r"open .*; it belongs to uid 0, who can chmod o=,g-w .*; or mount it read-only"),
        (0o660, 0, 65_534, r"open .*; it belongs to uid 0, who can chmod o=,g-w"),
        (0o440, 65_534, 65_534, r"open .*; run: chmod 600 "),
        (0o444, 1, 65_534, r"open .*; it belongs to uid 1, who can chmod 600 "),
    ],
)
def test_a_file_that_somebody_else_gave_us(path: Path, mode: int, owner: int, group: int, outcome: str) -> None:
    keys.create(path)
    os.chown(path, owner, group)
    path.chmod(mode)
    for above in path.parents:
        if above.stat().st_mode & 0o055 != 0o055:
            above.chmod(0o755)
    assert re.search(outcome, _as_nobody(path))


def _as_nobody(path: Path) -> str:
    """What becomes of loading `path` as a user with no rights and a group of the same number."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.setgroups([])
        os.setgid(65_534)
        os.setuid(65_534)
        try:
            keys.load(path)
            said = "loaded"
        except KeyFileError as error:
            said = str(error)
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(pid, 0)
    with os.fdopen(reading) as answer:
        return answer.read()


def test_a_link_among_the_secrets_opens_no_other_file(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.create(path)
    path.chmod(0o644)
    mounted = tmp_path / "secrets"
    mounted.mkdir()
    (mounted / "keys").symlink_to(path)
    monkeypatch.setattr(secretfile, "SECRET_DIRECTORIES", (mounted,))
    with pytest.raises(KeyFileError, match="open to other users"):
        keys.load(mounted / "keys")


def make_fifo(path: Path) -> None:
    os.mkfifo(path, 0o600)


@pytest.mark.parametrize("make", [Path.mkdir, make_fifo])
def test_not_a_regular_file(path: Path, make: Callable[[Path], None]) -> None:
    make(path)
    with pytest.raises(KeyFileError, match=r"not a regular file; .* slbroker keys new"):
        keys.load(path)


def test_a_socket_is_no_key_file(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        with pytest.raises(KeyFileError, match=r"cannot read key file"):
            keys.load(path)


GOOD = {
    "slbroker-keys": 1,
    "current": {"id": "000a", "secret": "00" * 32},
    "next": {"id": "000b", "secret": "01" * 32},
    "earlier": [{"id": "000c", "secret": "02" * 32, "retired_at": 5}],
}


def changed(part: str, **members: object) -> bytes:
    document = json.loads(json.dumps(GOOD))
    (document["earlier"][0] if part == "earlier" else document[part]).update(members)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"\x00" * 100, "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a key ring"),
        (b"1", "not a key ring"),
        (b"{}", "not a key ring"),
        (json.dumps(GOOD | {"slbroker-keys": 2}).encode(), "version 1"),
        (json.dumps(GOOD | {"slbroker-keys": None}).encode(), "version 1"),
        (json.dumps(GOOD | {"extra": 1}).encode(), "current, next and a list"),
        (json.dumps({k: v for k, v in GOOD.items() if k != "next"}).encode(), "current, next and a list"),
        (json.dumps(GOOD | {"earlier": {}}).encode(), "current, next and a list"),
        (json.dumps(GOOD | {"current": None}).encode(), "must have an id"),
        (json.dumps(GOOD | {"current": {"id": "000a"}}).encode(), "must have an id"),
        (json.dumps(GOOD | {"earlier": [GOOD["next"]]}).encode(), "same id"),
        (changed("next", extra=1), "must have an id"),
        (changed("next", id="000a"), "same id"),
        (changed("earlier", id="000a"), "same id"),
        (changed("next", id="00"), "lower-case hex"),
        (changed("next", id="\u0660000"), "lower-case hex"),
        (changed("next", id=1), "text as its id"),
        (changed("next", secret="00" * 31), "64 hex digits"),
        (changed("next", secret="00" * 33), "64 hex digits"),
        (changed("next", secret=" " + "00" * 31 + " "), "64 hex digits"),
        (changed("next", secret="0g" * 32), "64 hex digits"),
        (changed("next", secret=7), "64 hex digits"),
        (changed("next", retired_at=1.0), "must not be retired"),
        (changed("earlier", retired_at=None), "when it was retired"),
        (changed("earlier", retired_at="5"), "unix seconds"),
        (changed("earlier", retired_at=True), "unix seconds"),
        (changed("earlier", retired_at=-1), "unix seconds"),
        (changed("earlier", retired_at=float("nan")), "unix seconds"),
        (changed("earlier", retired_at=10**400), "unix seconds"),
    ],
)
def test_malformed_files(path: Path, content: bytes, reason: str) -> None:
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(KeyFileError, match=f"is no usable key file: .*{reason}.*; for a new one run: rm .*") as raised:
        keys.load(path)
    assert "\n" not in str(raised.value)


def test_the_good_file_is_good(path: Path) -> None:
    path.touch(0o600)
    path.write_text(json.dumps(GOOD))
    assert keys.load(path) == KeyRing(A, B, (retired(C, 5),))


def test_what_is_far_too_large_is_not_read(path: Path) -> None:
    path.write_bytes(b" " * (secretfile.MAX_FILE_SIZE + 1))
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match="has more than 1048576 bytes; name one made by: slbroker keys new"):
        keys.load(path)
