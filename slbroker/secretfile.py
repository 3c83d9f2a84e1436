"""Files that hold secrets: nobody else may read them, from their first moment on."""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
from pathlib import Path
from typing import Final, TypeAlias

from slbroker.errors import KeyFileError

MAX_FILE_SIZE: Final = 1_048_576  # bytes; what is larger is some other file

# Docker and Podman mount secrets here with mode 0444, which the user cannot change, in a directory that root
# alone fills and no other container sees. Elsewhere such a mode is an accident.
SECRETS_DIRECTORY: Final = Path("/run/secrets")

StrPath: TypeAlias = str | os.PathLike[str]


def read(path: StrPath, what: str, remedy: str, *, readable: bool = False) -> bytes:
    """Return what the file at `path` holds; raise KeyFileError, one line that says what to do.

    `what` is what people call the file ("bus key"), `remedy` the command that makes one. A file that others may
    read is refused unless it is `readable` for all by its nature, or under /run/secrets; one that others may
    write is refused in any case.
    """
    try:
        content, mode = _read(Path(path))
        trusted = readable or Path(path).resolve().is_relative_to(SECRETS_DIRECTORY)
    except FileNotFoundError:
        raise KeyFileError(f"no {what} {path}; run: {remedy}") from None
    except OSError as error:
        raise KeyFileError(f"cannot read {what} {path}: {error.strerror}; run as the user who owns it") from None
    except ValueError as error:
        raise KeyFileError(f"{what} {path} {error}; name one made by: {remedy}") from None
    if mode & (0o022 if trusted else 0o077):
        mend = "chmod go-w" if trusted else "chmod 600"
        here = shlex.quote(os.fspath(path))
        raise KeyFileError(f"{what} {path} is open to other users (mode {mode:04o}); run: {mend} {here}")
    return content


def _read(path: Path) -> tuple[bytes, int]:
    """Return a file's content and its permission bits, both of the one file that was opened."""
    # Without O_NONBLOCK, opening a FIFO would wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("is not a regular file")
        if status.st_size > MAX_FILE_SIZE:
            raise ValueError(f"has more than {MAX_FILE_SIZE} bytes")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_FILE_SIZE), stat.S_IMODE(status.st_mode)
    finally:
        os.close(descriptor)


def write_new(path: Path, content: bytes, mode: int = 0o600, like: Path | None = None) -> None:
    """Create `path` with `mode` (less the umask) from its first moment on, and with the owner of `like`, if any.

    Raises FileExistsError, OSError.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if like is not None and like.exists() and (owner := like.stat()).st_uid != os.geteuid():
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        path.unlink()
        raise
    sync_directory(path)


def sync_directory(path: Path) -> None:
    """Make the entry of `path` outlast a power cut, where the file system can; where not, it is there."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
