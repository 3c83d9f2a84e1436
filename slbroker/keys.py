"""The key ring: the secrets that sign To-tags, and the file that edges and workers share.

A ring holds a current key, which signs, a next one, and earlier ones; tags are verified with all of them. The
next key is there because readers load the file at different moments. `rotate` promotes it: a worker that has
loaded the new file signs with a key that an edge with the old file already knows as its next, and a worker
with the old file signs with a key that the new file lists as earlier. So no ACK is misjudged while a rotation
spreads, provided that every reader has loaded the file between two rotations.

Times are unix seconds and come in as `now`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from slbroker import secretfile
from slbroker.errors import KeyFileError

if TYPE_CHECKING:
    from slbroker.secretfile import StrPath

SECRET_SIZE: Final = 32  # bytes; more than any search can cover, and keyed BLAKE2 takes up to 64
FORMAT_VERSION: Final = 1
MAX_TIME: Final = 2**53  # seconds; float arithmetic stays exact, and a hand-edited file can do no harm

# Seconds for which a retired key still verifies. RFC 3261 17.2.1 and 13.3.1.4 need 64*T1 = 32 s, the longest
# that an ACK may follow its reply. Ten minutes leaves room for a reload that spreads over many hosts
# (Kubernetes alone takes minutes to bring a changed secret to its pods), during which workers go on signing
# with the retired key.
RETIRED_KEY_LIFETIME: Final = 600.0

_is_id = re.compile(rb"[0-9a-f]{4}").fullmatch
_is_secret = re.compile(r"[0-9A-Fa-f]{64}").fullmatch


@dataclass(frozen=True, slots=True)
class Key:
    """One secret: `id` 4 lower-case hex digits, `secret` 32 bytes, `retired_at` None while current or next.

    Raises ValueError for anything else.
    """

    id: bytes
    secret: bytes = field(repr=False)
    retired_at: float | None = None

    def __post_init__(self) -> None:
        if not _is_id(self.id):
            raise ValueError("a key id must be 4 lower-case hex digits")
        if len(self.secret) != SECRET_SIZE:
            raise ValueError(f"a secret must be {SECRET_SIZE} bytes")
        if self.retired_at is not None and not 0 <= self.retired_at < MAX_TIME:
            raise ValueError("retired_at must be a time in unix seconds")

    def expired(self, now: float) -> bool:
        """Return whether the key was retired so long ago that it verifies no more."""
        return self.retired_at is not None and now - self.retired_at > RETIRED_KEY_LIFETIME

    @property
    def fingerprint(self) -> str:
        """Eight hex digits by which two people can compare secrets without saying them."""
        return hashlib.blake2b(self.secret, digest_size=4, person=b"slbroker-finger").hexdigest()

    @property
    def label(self) -> str:
        """Id and fingerprint, 0a1b-89abcdef: what the ends of the bus call the key. Two rings may have the same id."""
        return f"{self.id.decode()}-{self.fingerprint}"


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The current key, the next one, and earlier ones, latest first.

    Raises ValueError when two have the same id, or one is retired, or not, against its place.
    """

    current: Key
    next: Key
    earlier: tuple[Key, ...] = ()

    def __post_init__(self) -> None:
        if len({key.id for key in self.all_keys()}) != len(self.earlier) + 2:
            raise ValueError("two keys have the same id")
        if not (self.current.retired_at is None and self.next.retired_at is None):
            raise ValueError("the current and the next key must not be retired")
        if any(key.retired_at is None for key in self.earlier):
            raise ValueError("an earlier key must say when it was retired")

    @classmethod
    def generate(cls) -> KeyRing:
        """Return a ring of two new keys."""
        current = _new_key(set())
        return cls(current, _new_key({current.id}))

    def rotate(self, now: float) -> KeyRing:
        """Return the ring with its next key as current, a new next key, and no expired ones."""
        kept = tuple(key for key in self.earlier if not key.expired(now))
        taken = {key.id for key in self.all_keys()}
        return KeyRing(self.next, _new_key(taken), (replace(self.current, retired_at=now), *kept))

    def accepted(self, now: float) -> dict[bytes, Key]:
        """Return the keys to verify with, by id: all but the expired ones."""
        return {key.id: key for key in self.all_keys() if not key.expired(now)}

    def all_keys(self) -> tuple[Key, ...]:
        """Return all keys: current, next, earlier."""
        return (self.current, self.next, *self.earlier)


def _new_key(taken: set[bytes]) -> Key:
    while True:
        key = Key(os.urandom(2).hex().encode(), os.urandom(SECRET_SIZE))
        if key.id not in taken:
            return key


def describe(ring: KeyRing, now: float) -> str:
    """Return what `slbroker keys show` prints, one line a key: ids, fingerprints and ages, never secrets."""
    rotated = ring.earlier[0].retired_at if ring.earlier else None
    signing = "signs" if rotated is None else f"signs since {_span(now - rotated)} ago"
    lines = [("current", ring.current, signing), ("next", ring.next, "signs after the next rotation")]
    for key in ring.earlier:
        age = now - (key.retired_at or 0.0)
        left = "no longer accepted"
        if not key.expired(now):
            left = f"accepted for {_span(RETIRED_KEY_LIFETIME - age)} more"
        lines.append(("earlier", key, f"retired {_span(age)} ago, {left}"))
    return "\n".join(
        f"{role:<7}  {key.id.decode()}  fingerprint {key.fingerprint}  {story}" for role, key, story in lines
    )


def _span(seconds: float) -> str:
    """Return a time span in its largest fitting unit; clocks that disagree make it 0, not negative."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


# The file ------------------------------------------------------------------------------------------------


def create(path: StrPath) -> KeyRing:
    """Write a new ring to `path`, which must not exist yet, and return it. Raises KeyFileError."""
    ring = KeyRing.generate()
    try:
        secretfile.write_new(Path(path), _encode(ring))
    except FileExistsError:
        again = shlex.quote(os.fspath(path))
        raise KeyFileError(
            f"{path} exists and stays as it is; for new keys run: slbroker keys rotate {again}"
        ) from None
    except OSError as error:
        raise KeyFileError(f"cannot write key file {path}: {error.strerror}") from None
    return ring


def rotate_file(path: StrPath, now: float) -> KeyRing:
    """Rotate the ring in `path` and return the new one; readers see that it has changed. Raises KeyFileError."""
    ring = load(path).rotate(now)
    save(path, ring)
    return ring


def save(path: StrPath, ring: KeyRing) -> None:
    """Replace the file at `path` by `ring`, all at once, with mode 0600; a symbolic link is followed.

    The file keeps its owner, so that root may rotate the keys of a service that runs as another user.
    Containers into which this one file is mounted see the new ring, too. Raises KeyFileError.
    """
    try:
        secretfile.replace(Path(path).resolve(), _encode(ring))
    except OSError as error:
        raise KeyFileError(f"cannot write key file {path}: {error.strerror}") from None


def load(path: StrPath, *, allow_open: bool = False) -> KeyRing:
    """Read a ring. Raises KeyFileError, one line that says what to do.

    A file that others may read is refused, except under /run/secrets, and except with `allow_open`, which is
    for secrets that an orchestrator mounts elsewhere. One that others may write is refused in any case.
    """
    here = shlex.quote(os.fspath(path))
    content = secretfile.read(path, "key file", f"slbroker keys new {here}", readable=allow_open)
    try:
        return _decode(content)
    except ValueError as error:
        afresh = f"for a new one run: rm {here} && slbroker keys new {here}"
        raise KeyFileError(f"{path} is no usable key file: {error}; {afresh}") from None


def _encode(ring: KeyRing) -> bytes:
    document = {
        "slbroker-keys": FORMAT_VERSION,
        "current": _entry(ring.current),
        "next": _entry(ring.next),
        "earlier": [_entry(key) for key in ring.earlier],
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def _entry(key: Key) -> dict[str, str | float]:
    entry: dict[str, str | float] = {"id": key.id.decode(), "secret": key.secret.hex()}
    if key.retired_at is not None:
        entry["retired_at"] = key.retired_at
    return entry


def _decode(content: bytes) -> KeyRing:
    """Return the ring; raise ValueError, with words fit for the user, for anything but a well-formed file."""
    try:
        document: object = json.loads(content.decode())
    except (ValueError, RecursionError):  # the latter is what brackets by the thousand get
        raise ValueError("it is not JSON") from None
    if not isinstance(document, dict) or "slbroker-keys" not in document:
        raise ValueError("it is not a key ring")
    if document["slbroker-keys"] != FORMAT_VERSION:
        raise ValueError(f"it is not of version {FORMAT_VERSION}, the one this slbroker reads")
    earlier = document.get("earlier")
    if set(document) != {"slbroker-keys", "current", "next", "earlier"} or not isinstance(earlier, list):
        raise ValueError("it must hold current, next and a list called earlier")
    return KeyRing(_key(document["current"]), _key(document["next"]), tuple(_key(entry) for entry in earlier))


def _key(entry: object) -> Key:
    if not isinstance(entry, dict) or not {"id", "secret"} <= set(entry) <= {"id", "secret", "retired_at"}:
        raise ValueError("a key must have an id, a secret, and retired_at if it is retired")
    name, secret, retired_at = entry["id"], entry["secret"], entry.get("retired_at")
    if not isinstance(name, str) or not isinstance(secret, str) or not _is_secret(secret):
        raise ValueError(f"a key must have a text as its id and {2 * SECRET_SIZE} hex digits as its secret")
    if isinstance(retired_at, bool) or not isinstance(retired_at, int | float | None):
        raise ValueError("retired_at must be a time in unix seconds")
    return Key(name.encode("ascii", "replace"), bytes.fromhex(secret), retired_at)
