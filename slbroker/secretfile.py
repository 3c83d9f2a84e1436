"""Files that hold secrets: nobody else may read them, from their first moment on."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from io import FileIO

from slbroker.errors import KeyFileError

MAX_FILE_SIZE: Final = 1_048_576  # bytes; what is larger is some other file

# Where those who run programs for others put secrets: Docker, Podman and Swarm, systemd (LoadCredential=). They set
# modes that the program cannot change (0444, 0440), in a directory that root alone fills and nobody else sees.
# Kubernetes lets its user choose the directory; what it mounts is read-only. Elsewhere such a mode is an accident.
SECRET_DIRECTORIES: Final = (Path("/run/secrets"), Path("/run/credentials"))

StrPath: TypeAlias = str | os.PathLike[str]


def read(path: StrPath, what: str, remedy: str, *, readable: bool = False) -> bytes:
    """Return what the file at `path` holds; raise KeyFileError, one line that says what to do.

    `what` is what people call the file ("bus key"), `remedy` the command that makes one. A file that others may
    read is refused unless it is `readable` for all by its nature, or was put there by whoever runs us
    (`SECRET_DIRECTORIES`, $CREDENTIALS_DIRECTORY, a read-only mount), or is root's, for a group that we are in; one
    that others may write is refused in any case.
    """
    try:
        found = _read(Path(path))
    except FileNotFoundError:
        raise KeyFileError(f"no {what} {path}; run: {remedy}") from None
    except OSError as error:
        raise KeyFileError(f"cannot read {what} {path}: {error.strerror}; {_who_may(Path(path))}") from None
    except ValueError as error:
        raise KeyFileError(f"{what} {path} {error}; name one made by: {remedy}") from None
    mode, trusted = found.mode, readable or found.is_mounted or _is_provided(Path(path))
    # That root has given a file to another group counts for root, too: who rotates a service's ring has to read it.
    is_ours = found.group in {os.getegid(), *os.getgroups()}
    for_our_group = found.owner == 0 and (is_ours if os.geteuid() else not is_ours)
    if mode & (0o022 if trusted else 0o037 if for_our_group else 0o077):
        mend = "go-w" if trusted else "o=,g-w" if for_our_group else "600"
        here = shlex.quote(os.fspath(path))
        what_to_do = f"run: chmod {mend} {here}"
        if found.owner != os.geteuid() != 0:
            what_to_do = f"it belongs to uid {found.owner}, who can {what_to_do[5:]}; or mount it read-only"
        raise KeyFileError(f"{what} {path} is open to other users (mode {mode:04o}); {what_to_do}")
    return found.content


def _is_provided(path: Path) -> bool:
    """Return whether `path` lies where systemd or a container engine puts secrets."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY", "")
    places = (*SECRET_DIRECTORIES, Path(credentials)) if Path(credentials).is_absolute() else SECRET_DIRECTORIES
    return any(path.resolve().is_relative_to(place.resolve()) for place in places)


def _who_may(path: Path) -> str:
    """Return whom the file belongs to, for who may not read it."""
    try:
        found = path.stat()
    except OSError:
        return f"a directory above it is closed to us, uid {os.geteuid()}"
    return f"it belongs to uid {found.st_uid} (mode {stat.S_IMODE(found.st_mode):04o}), and we are uid {os.geteuid()}"


class _Found(NamedTuple):
    """A file's content and what is known of it, all of the one file that was opened."""

    content: bytes
    mode: int
    owner: int
    group: int
    is_mounted: bool  # read-only


def _read(path: Path) -> _Found:
    # Without O_NONBLOCK, opening a FIFO would wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("is not a regular file")
        if status.st_size > MAX_FILE_SIZE:
            raise ValueError(f"has more than {MAX_FILE_SIZE} bytes")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(MAX_FILE_SIZE)
        is_mounted = bool(os.fstatvfs(descriptor).f_flag & os.ST_RDONLY)
        return _Found(content, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, is_mounted)
    finally:
        os.close(descriptor)


def write_new(path: Path, content: bytes, mode: int = 0o600, like: Path | None = None) -> None:
    """Create `path` with `mode` (less the umask) from its first moment on, and with the owner of `like`, if any.

    If that is root's, and its group may read it, so may it the new one.

    Raises FileExistsError, OSError.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if like is not None and like.exists():
                _make_like(descriptor, like.stat())
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        path.unlink()
        raise
    sync_directory(path)


def _make_like(descriptor: int, like: os.stat_result) -> None:
    if like.st_uid != os.geteuid():
        os.fchown(descriptor, like.st_uid, like.st_gid)
    elif like.st_gid != os.getegid():
        with contextlib.suppress(PermissionError):  # a group that we are not in
            os.fchown(descriptor, -1, like.st_gid)
    if like.st_uid == 0 == os.geteuid():
        os.fchmod(descriptor, 0o600 | stat.S_IMODE(like.st_mode) & stat.S_IRGRP)


def replace(path: Path, content: bytes) -> None:
    """Replace the file at `path` all at once, with mode 0600 (root's also 0640, as it was) and owner; raises OSError.

    A mount of this single file shows the file that was there when it was mounted, whatever has its name now. So that
    one gets the content too, and it alone if `path` is such a mount itself, whose name Linux gives to no other file.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    with contextlib.ExitStack() as stack:
        before = None
        with contextlib.suppress(FileNotFoundError):
            before = stack.enter_context(path.open("r+b", buffering=0))
        write_new(temporary, content, like=path)
        try:
            temporary.replace(path)
        except BaseException as error:
            temporary.unlink()
            if before is None or not isinstance(error, OSError) or error.errno != errno.EBUSY:
                raise
            _overwrite(before, content)
            return
        if before is not None and os.fstat(before.fileno()).st_nlink == 0:  # else somebody keeps it by another name
            _overwrite(before, content)
    sync_directory(path)


def _overwrite(file: FileIO, content: bytes) -> None:
    """Write in one piece over what is there; spaces, which JSON and text files take, make up for what was longer."""
    file.write(content.ljust(os.fstat(file.fileno()).st_size))
    os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """Make the entry of `path` outlast a power cut, where the file system can; where not, it is there."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
