"""The options that say what is judged before a handler sees a request: one table of them is in docs/checks.md."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

import click

from slbroker.commands.options import WordType, option
from slbroker.config import KEMI
from slbroker.errors import ConfigError
from slbroker.sip.grammar import MAX_DATAGRAM, is_token
from slbroker.sip.validate import DEFAULT, NAMES, Checks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ALL: Final = "all"
_names = click.Choice([*NAMES, ALL])


class TagType(WordType):
    """An option tag (RFC 3261 19.2)."""

    name = "tag"

    def read(self, text: str) -> str:
        """Return the tag; raises ConfigError."""
        if not is_token(text.encode()):
            raise ConfigError(f"--supported {text!r} is no option tag; write one each time: --supported timer")
        return text


_check = option(
    "--check",
    type=_names,
    multiple=True,
    help=f"Judge this too before a handler sees a request, besides {', '.join(sorted(DEFAULT))}; repeatable.",
)
_no_check = option("--no-check", type=_names, multiple=True, help="Do not judge this; repeatable.")
_supported = option(
    "--supported",
    type=TagType(),
    multiple=True,
    metavar="TAG",
    help="Option tag, such as timer, that your handlers understand: no 420 for it; repeatable.",
)
_max_body = option(
    "--max-body", type=click.IntRange(0, MAX_DATAGRAM), help="Bytes of the longest body that is served; 413 beyond."
)


def checks(function: Callable[..., Any]) -> Any:
    """Add the options; the command gets them as `checks`."""

    @_check
    @_no_check
    @_supported
    @_max_body
    @functools.wraps(function)
    def gather(
        *,
        check: Sequence[str],
        no_check: Sequence[str],
        supported: Sequence[str],
        max_body: int | None,
        **rest: Any,
    ) -> Any:
        # A KEMI script sees what Kamailio's would: there nobody looks at Require before it.
        usual = DEFAULT - {"require"} if (rest.get("plugin") or "").startswith(KEMI) else DEFAULT
        return function(**rest, checks=make_checks(check, no_check, supported, max_body, usual))

    return gather


def make_checks(
    wanted: Sequence[str],
    unwanted: Sequence[str],
    supported: Sequence[str] = (),
    max_body: int | None = None,
    usual: frozenset[str] = DEFAULT,
) -> Checks:
    """Return the settings that the options say, `usual` where they say nothing.

    A name that is both wanted and not is off.
    """
    usual = frozenset() if ALL in unwanted else usual
    names = frozenset(NAMES) if ALL in wanted else usual.union(wanted)
    tags = frozenset(tag.lower().encode() for tag in supported)
    return Checks(names.difference(unwanted), tags, max_body)
