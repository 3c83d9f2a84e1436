"""CURVE, which encrypts the bus and tells its ends who the other is: key pairs, their files, and sockets that use them.

A pair is two certificate files as ZeroMQ's other programs have them (czmq's zcert, pyzmq's zmq.auth): NAME.key holds
the public key, NAME.key_secret both. Who binds is CURVE's server: it knows the public keys of its clients. Who
connects is a client: it knows the public key of its server. Keys are in the Z85 form of ZeroMQ's RFC 32, 40 characters.
"""

from __future__ import annotations

import re
import shlex
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import zmq
from zmq.utils import z85

from slbroker import secretfile
from slbroker.errors import ConfigError, KeyFileError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slbroker.bus.address import BusAddress
    from slbroker.secretfile import StrPath
    from slbroker.settings.bus import BusSecurity

PUBLIC: Final = ".key"
SECRET: Final = ".key_secret"  # noqa: S105 - not one itself
DOMAIN: Final = b"slbroker"  # libzmq asks the ZAP handler only for sockets that have a domain (ZeroMQ's RFC 27)

_WHAT: Final = "bus key"
_find_keys = re.compile(rb"^[ \t]*(public|secret)-key[ \t]*=[ \t]*\"([!-~]{40})\"[ \t]*\r?$", re.MULTILINE).findall


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A public key and its secret, each 40 characters of Z85."""

    public: bytes
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """What one who connects needs: its own pair, and the public key of the one that it will talk to."""

    own: KeyPair
    server: bytes


# Files ----------------------------------------------------------------------------------------------------------


def create(name: StrPath) -> KeyPair:
    """Write a new pair to `name`.key and `name`.key_secret, neither of which may exist; raise KeyFileError."""
    public_file, secret_file = file_names(name)
    _require_curve()
    pair = KeyPair(*zmq.curve_keypair())
    made: list[Path] = []
    try:
        for path, mode in ((secret_file, 0o600), (public_file, 0o644)):
            secretfile.write_new(path, _encode(pair, with_secret=path == secret_file), mode)
            made.append(path)
    except OSError as error:
        for path in made:
            path.unlink()
        if isinstance(error, FileExistsError):
            raise KeyFileError(f"{error.filename} exists and stays as it is; choose another name") from None
        raise KeyFileError(f"cannot write {_WHAT} {error.filename}: {error.strerror}") from None
    return pair


def file_names(name: StrPath) -> tuple[Path, Path]:
    """Return where the keys called `name` are, public and secret; the name may be that of either file."""
    text = str(name).removesuffix(SECRET).removesuffix(PUBLIC)
    if not Path(text).name:
        raise KeyFileError(f"{name} names no file; run, for example: slbroker keys bus edge")
    return Path(text + PUBLIC), Path(text + SECRET)


def load_pair(path: StrPath) -> KeyPair:
    """Read NAME.key_secret; raise KeyFileError, as when others may read it."""
    try:
        found = _keys_in(secretfile.read(path, _WHAT, _remedy(path)))
    except KeyFileError:
        found = _public_alone(path)  # which others may read: another file is meant, and nothing is wrong with this one
        if not found:
            raise
    if "secret" not in found:
        raise KeyFileError(f"{_WHAT} {path} holds no secret key; name the file that ends in {SECRET}") from None
    try:
        fits = zmq.curve_public(found["secret"]) == found.get("public")
    except zmq.ZMQError:
        fits = False
    if not fits:
        raise KeyFileError(f"{_WHAT} {path}: its two keys are no pair; for a new one run: {_remedy(path)}")
    return KeyPair(found["public"], found["secret"])


def _public_alone(path: StrPath) -> dict[str, bytes]:
    """Return the key in a file that holds a public one and no other; {} for any other file."""
    try:
        found = _keys_in(secretfile.read(path, _WHAT, _remedy(path), readable=True))
    except KeyFileError:
        return {}
    return found if found.keys() == {"public"} else {}


def load_public(path: StrPath) -> bytes:
    """Read NAME.key; raise KeyFileError, as when others may change it or the secret key is in it."""
    found = _keys_in(secretfile.read(path, _WHAT, _remedy(path), readable=True))
    if "secret" in found:
        raise KeyFileError(f"{_WHAT} {path} holds a secret, which stays where it was made; name the file {PUBLIC}")
    if "public" not in found or not _is_z85(found["public"]):
        raise KeyFileError(f"{_WHAT} {path} holds no public key; name a file made by: slbroker keys bus NAME")
    return found["public"]


def load_clients(path: Path) -> dict[bytes, str]:
    """Return the public keys at `path`, one file or all *.key in a directory, with what they are called.

    Raises KeyFileError; a directory without keys is none, and nobody can connect.
    """
    try:
        if not path.exists():
            here = shlex.quote(str(path))
            raise KeyFileError(f"no {path}; put the public keys of those who may connect there: mkdir {here}")
        files = client_files(path) if path.is_dir() else [path]
    except OSError as error:
        raise KeyFileError(f"cannot read {path}: {error.strerror}; run as the user who owns it") from None
    return {load_public(file): file.name.removesuffix(PUBLIC) for file in files}


def client_files(path: Path) -> list[Path]:
    """Return the *.key in the directory `path`, none where it is none; raises OSError where it cannot be read."""
    return sorted(each for each in path.iterdir() if each.name.endswith(PUBLIC)) if path.is_dir() else []


def _remedy(path: StrPath) -> str:
    return f"slbroker keys bus {shlex.quote(str(path).removesuffix(SECRET).removesuffix(PUBLIC))}"


def _keys_in(content: bytes) -> dict[str, bytes]:
    return {kind.decode(): key for kind, key in _find_keys(content)}


def _is_z85(key: bytes) -> bool:
    try:
        z85.decode(key)
    except (KeyError, struct.error):
        return False
    return True


def _encode(pair: KeyPair, *, with_secret: bool) -> bytes:
    text = ["# ZeroMQ CURVE public key: give it to those at the other end of the bus.", "metadata", "curve"]
    text.append(f'    public-key = "{pair.public.decode()}"')
    if with_secret:
        text[0] = "# ZeroMQ CURVE secret key: it stays on this machine, for this user alone."
        text.append(f'    secret-key = "{pair.secret.decode()}"')
    return "\n".join([*text, ""]).encode()


# What the settings name -----------------------------------------------------------------------------------------


def load_client(security: BusSecurity, addresses: Sequence[BusAddress]) -> dict[BusAddress, ClientKeys]:
    """Return what is needed to connect to each of `addresses`; raise ConfigError.

    There is one server key for all of them, or one for each in their order.
    """
    _require_curve()
    own = load_pair(security.key)
    servers = [load_public(path) for path in security.server_keys]
    if len(servers) == 1:
        servers *= len(addresses)
    if len(servers) != len(addresses):
        raise ConfigError(
            f"{len(servers)} --bus-server-key for {len(addresses)} --bus: give one for all, or one for each in order"
        )
    return {address: ClientKeys(own, server) for address, server in zip(addresses, servers, strict=True)}


def _require_curve() -> None:
    if not zmq.has("curve"):
        raise ConfigError("this libzmq was built without CURVE: pip install --force-reinstall pyzmq")


# Sockets --------------------------------------------------------------------------------------------------------


def make_server(zsocket: zmq.Socket[bytes], pair: KeyPair) -> None:
    """Let `zsocket`, which is not bound yet, accept only whom the ZAP handler of its context knows."""
    zsocket.set(zmq.ZAP_DOMAIN, DOMAIN)
    zsocket.set(zmq.ZAP_ENFORCE_DOMAIN, 1)  # without it, a context that has no ZAP handler accepts everybody
    zsocket.set(zmq.CURVE_SECRETKEY, pair.secret)
    zsocket.set(zmq.CURVE_PUBLICKEY, pair.public)
    zsocket.set(zmq.CURVE_SERVER, 1)


def make_client(zsocket: zmq.Socket[bytes], keys: ClientKeys) -> None:
    """Let `zsocket`, which is not connected yet, talk to the owner of `keys.server` and to nobody else."""
    zsocket.set(zmq.CURVE_SECRETKEY, keys.own.secret)
    zsocket.set(zmq.CURVE_PUBLICKEY, keys.own.public)
    zsocket.set(zmq.CURVE_SERVERKEY, keys.server)
