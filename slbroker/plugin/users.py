"""Users from a file, for digest authentication: `name:password` a line, or `name:realm:ha1` as htdigest writes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slbroker.auth import Ha1

if TYPE_CHECKING:
    import os


class UserFile:
    """Looks a username up; call it. The file is read again when it changes. # begins a comment.

    A line of three parts holds HA1 (MD5) for the realm it names, and counts only where that is ours; a password in a
    line of two may hold no colon. Raises ValueError for a file that cannot be read, or a line that is neither.
    """

    def __init__(self, path: str | os.PathLike[str], realm: str) -> None:
        self._path = Path(path)
        self._realm = realm
        self._stamp = self._look()
        self._users = self._read()

    def __call__(self, username: str) -> str | Ha1 | None:
        """Return the password or HA1 of `username`, None for nobody. A file that has gone leaves all as it was."""
        try:
            stamp = self._look()
            if stamp != self._stamp:
                self._users, self._stamp = self._read(), stamp
        except ValueError:
            pass  # half written, or being replaced: the next look will see it whole
        return self._users.get(username)

    def _look(self) -> tuple[int, int, int]:
        try:
            status = self._path.stat()
        except OSError as error:
            raise ValueError(f"users {self._path}: {error.strerror}") from None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read(self) -> dict[str, str | Ha1]:
        try:
            lines = self._path.read_text(encoding="utf-8").split("\n")
        except OSError as error:
            raise ValueError(f"users {self._path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ValueError(f"users {self._path}: it is not UTF-8") from None
        users: dict[str, str | Ha1] = {}
        for number, line in enumerate(lines, 1):
            words = line.strip()
            if words and not words.startswith("#"):
                self._add(users, words, number)
        return users

    def _add(self, users: dict[str, str | Ha1], words: str, number: int) -> None:
        match words.split(":"):
            case [name, password] if name:
                users[name] = password
            case [name, realm, digest] if name:
                if realm == self._realm:
                    try:
                        users[name] = Ha1(md5=digest.lower())
                    except ValueError as error:
                        raise ValueError(f"users {self._path}:{number}: {error}") from None
            case _:
                raise ValueError(f"users {self._path}:{number}: write name:password, or name:realm:ha1")
