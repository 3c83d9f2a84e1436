"""Bus keys: their files, and what is said of those that cannot be used."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import zmq
import zmq.auth

from slbroker import secretfile
from slbroker.bus import curve
from slbroker.bus.address import BusAddress, parse_bus_address
from slbroker.bus.curve import ClientKeys
from slbroker.errors import ConfigError, KeyFileError
from slbroker.settings.bus import BusSecurity


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def complaint(path: Path) -> str:
    """What is said of a pair's file; it is one line."""
    with pytest.raises(KeyFileError) as refused:
        curve.load_pair(path)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    curve.create(tmp_path / "edge")
    return tmp_path / "edge.key_secret"


# Making ---------------------------------------------------------------------------------------------------------


def test_a_pair_is_made_and_read(tmp_path: Path) -> None:
    os.umask(before := os.umask(0))
    pair = curve.create(tmp_path / "edge")
    assert os.umask(before) == before
    assert zmq.curve_public(pair.secret) == pair.public
    assert curve.load_pair(tmp_path / "edge.key_secret") == pair
    assert curve.load_public(tmp_path / "edge.key") == pair.public
    assert (mode(tmp_path / "edge.key_secret"), mode(tmp_path / "edge.key")) == (0o600, 0o644)
    assert pair.secret.decode() not in (tmp_path / "edge.key").read_text() + repr(pair)
    assert curve.create(tmp_path / "other") != pair


def test_pyzmq_reads_what_we_write_and_we_read_what_it_writes(tmp_path: Path) -> None:
    ours = curve.create(tmp_path / "ours")
    assert zmq.auth.load_certificate(tmp_path / "ours.key_secret") == (ours.public, ours.secret)
    assert zmq.auth.load_certificates(tmp_path) == {ours.public: True}
    public, secret = zmq.auth.create_certificates(tmp_path, "theirs", metadata={"email": "noc@example.com"})
    Path(secret).chmod(0o600)
    theirs = curve.load_pair(secret)
    assert zmq.auth.load_certificate(secret) == (theirs.public, theirs.secret)
    assert curve.load_public(public) == theirs.public


@pytest.mark.parametrize("there", ["edge.key", "edge.key_secret"])
@pytest.mark.parametrize("name", ["edge", "edge.key", "edge.key_secret"])
def test_nothing_is_overwritten_and_no_half_pair_is_left(tmp_path: Path, name: str, there: str) -> None:
    (tmp_path / there).write_text("precious")
    with pytest.raises(KeyFileError, match=f"{there} exists and stays as it is; choose another name"):
        curve.create(tmp_path / name)
    assert [file.name for file in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "precious"


@pytest.mark.parametrize("name", ["", ".key", "/proc/none/edge", "none/edge"])
def test_a_pair_that_cannot_be_made_is_one_line(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyFileError, match=r"names no file|cannot write bus key .*: No such file") as refused:
        curve.create(name)
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())


# Reading --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [0o604, 0o640, 0o644, 0o620, 0o602])
def test_a_secret_that_others_can_reach_is_refused(secret: Path, bits: int) -> None:
    secret.chmod(bits)
    assert complaint(secret).endswith(f"is open to other users (mode {bits:04o}); run: chmod 600 {secret}")


def test_a_mounted_secret_may_be_readable_but_not_writable(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secretfile, "SECRET_DIRECTORIES", (secret.parent,))
    secret.chmod(0o444)
    assert curve.load_pair(secret)
    secret.chmod(0o446)
    assert "chmod go-w" in complaint(secret)


def test_a_public_key_that_others_can_change_is_refused(secret: Path) -> None:
    public = secret.with_suffix(".key")
    public.chmod(0o666)
    with pytest.raises(KeyFileError, match=r"open to other users \(mode 0666\); run: chmod go-w "):
        curve.load_public(public)


def test_what_is_missing_is_made_by_a_command(tmp_path: Path) -> None:
    assert complaint(tmp_path / "my edge.key_secret").endswith(f"run: slbroker keys bus '{tmp_path}/my edge'")
    with pytest.raises(KeyFileError, match=f"no bus key {tmp_path}/a.key; run: slbroker keys bus {tmp_path}/a"):
        curve.load_public(tmp_path / "a.key")


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("secret-key", "public-key", "holds no secret key; name the file that ends in .key_secret"),
        ("public-key", "#", "its two keys are no pair"),
        ('public-key = "', 'public-key = "' + "0" * 40 + '"\nx = "', "its two keys are no pair"),
        ('secret-key = "', 'secret-key = "' + "~" * 40 + '"\nx = "', "its two keys are no pair"),
        ('secret-key = "', 'secret-key = "short"\nx = "', "holds no secret key"),
    ],
)
def test_a_damaged_pair_is_refused(secret: Path, before: str, after: str, words: str) -> None:
    secret.write_text(secret.read_text().replace(before, after, 1))
    assert words in complaint(secret)


@pytest.mark.parametrize("kind", ["pipe", "directory", "huge", "binary"])
def test_what_is_no_key_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "edge.key_secret"
    match kind:
        case "pipe":
            os.mkfifo(path, 0o600)
        case "directory":
            path.mkdir(0o700)
        case "huge":
            path.write_bytes(b"#" * (secretfile.MAX_FILE_SIZE + 1))
        case _:
            path.write_bytes(bytes(range(256)))
    if path.is_file():
        path.chmod(0o600)
    words = {
        "pipe": "not a regular file",
        "directory": "not a regular file",
        "huge": "more than",
        "binary": "no secret",
    }
    assert words[kind] in complaint(path)


@pytest.mark.parametrize("content", ["", "curve\n", 'public-key = "short"\n', 'public-key = "' + "~" * 40 + '"\n'])
def test_a_public_file_without_a_key_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.key").write_text(content)
    with pytest.raises(KeyFileError, match="holds no public key; name a file made by"):
        curve.load_public(tmp_path / "a.key")


def test_a_secret_does_not_pass_for_a_public_key(secret: Path) -> None:
    with pytest.raises(KeyFileError, match=r"holds a secret, which stays where it was made; name the file \.key"):
        curve.load_public(secret)


# What settings name ---------------------------------------------------------------------------------------------


def test_clients_are_a_directory_or_one_file(tmp_path: Path) -> None:
    clients = tmp_path / "clients"
    clients.mkdir()
    assert curve.load_clients(clients) == {}
    made = {curve.create(clients / name).public: name for name in ("w1", "w2")}
    assert curve.load_clients(clients) == made  # not the .key_secret files beside them
    (public,) = [key for key, name in made.items() if name == "w2"]
    assert curve.load_clients(clients / "w2.key") == {public: "w2"}
    (clients / "w3.key").write_text("")
    with pytest.raises(KeyFileError, match=r"w3\.key holds no public key"):
        curve.load_clients(clients)
    with pytest.raises(KeyFileError, match=r"no .*/none; put the public keys of .* there: mkdir .*/none"):
        curve.load_clients(tmp_path / "none")


def test_one_server_key_serves_all_addresses_or_each_has_its_own(tmp_path: Path) -> None:
    own, one, two = (curve.create(tmp_path / name) for name in ("own", "one", "two"))
    files = tuple(tmp_path / f"{name}.key" for name in ("one", "two"))
    here, there = (parse_bus_address(f"tcp://127.0.0.1:{port}") for port in (5590, 5591))

    def load(*servers: Path) -> dict[BusAddress, ClientKeys]:
        return curve.load_client(BusSecurity(tmp_path / "own.key_secret", None, servers), [here, there])

    assert load(files[0]) == dict.fromkeys((here, there), ClientKeys(own, one.public))
    assert load(*files) == {here: ClientKeys(own, one.public), there: ClientKeys(own, two.public)}
    with pytest.raises(ConfigError, match="3 --bus-server-key for 2 --bus: give one for all, or one for each in order"):
        load(*files, files[0])


def test_a_libzmq_without_curve_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zmq, "has", lambda what: what != "curve")
    with pytest.raises(ConfigError, match="built without CURVE"):
        curve.create(tmp_path / "edge")
