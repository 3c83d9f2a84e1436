"""Environment variables that look like ours and are none: a slip in a unit file is silent otherwise."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import click

from slbroker.commands.configfile import guess

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# No options: chosen before there are any, of compose/, of our tests.
_OTHERS: Final = frozenset(
    ("SLBROKER_PURE", "SLBROKER_UID", "SLBROKER_RING", "SLBROKER_REPOSITORY", "SLBROKER_REQUIRE_PEERS")
)
_PREFIX: Final = "SLBROKER_"
_TESTS: Final = "SLBROKER_TEST_"
# What Kubernetes and Docker say of a service that is called slbroker, or slbroker-edge.
_is_service = re.compile(
    r"SLBROKER_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_\w+)?)?)"
).fullmatch


def unknown_variables(command: click.Command, environment: Iterable[str]) -> Iterator[str]:
    """Yield a line for each name in `environment` that begins as our variables do and is no option's."""
    ours = [name for name in environment if name.startswith(_PREFIX)]
    if not ours:
        return
    known = {name.removeprefix(_PREFIX) for name in _variables(command)}
    for name in sorted(ours):
        word = name.removeprefix(_PREFIX)
        if word in known or name in _OTHERS or name.startswith(_TESTS) or _is_service(name):
            continue
        yield f"{name} is set and is no option of slbroker{guess(word, known, _PREFIX)}"


def _variables(command: click.Command) -> Iterator[str]:
    for param in command.params:
        if isinstance(param.envvar, str):
            yield param.envvar
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from _variables(inner)
