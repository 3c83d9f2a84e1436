"""What a command is told: its options read as click reads them, in this process, and nothing done with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from click.testing import CliRunner

from slbroker.commands import options

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")


def settings_of(of: type[T], *words: str, env: Mapping[str, str] | None = None) -> T:
    """The settings that a command which takes those of this class gets; what is wrong is raised."""
    seen: list[T] = []

    @options.command(of)
    def command(settings: T) -> None:
        seen.append(settings)

    result: Any = CliRunner().invoke(command, words, env=env, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return seen[0]
