"""Pseudo-variables by how they are written: read them, set them, and put their values into a text.

The files beside this one declare what there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from slbroker_handlers.kemi.values import NULL
from slbroker_handlers.kemi.variables.specs import Spec, expand, parse_spec
from slbroker_handlers.kemi.variables.transform import is_known, transform

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from slbroker_handlers.kemi.call import Call
    from slbroker_handlers.kemi.release import Release
    from slbroker_handlers.kemi.values import Value, Xval

# Each is a function of the request and of how the variable was written; None is null.
Getter: TypeAlias = "Callable[[Call, Spec], Xval]"
Setter: TypeAlias = "Callable[[Call, Spec, Value | None], bool]"

GETTERS: Final[dict[str, Getter]] = {}
SETTERS: Final[dict[str, Setter]] = {}
SINCE: Final[dict[str, Release]] = {}  # the releases that brought those which 5.6 has not


def declare(
    getters: Mapping[str, Getter], setters: Mapping[str, Setter] | None = None, since: Release | None = None
) -> None:
    """Let there be pseudo-variables, by their names, and ways to set them; `since` a release of Kamailio."""
    GETTERS.update(getters)
    SETTERS.update(setters or {})
    if since is not None:
        SINCE.update(dict.fromkeys(getters, since))


def is_readable(spec: Spec, release: Release) -> bool:
    """Return whether there is such a pseudo-variable here, and in a release of Kamailio's."""
    is_there = spec.name in GETTERS and SINCE.get(spec.name, release) <= release
    return is_there and all(is_known(part, release) for part in spec.transformations)


# One ------------------------------------------------------------------------------------------------------------


def read_variable(call: Call, written: str) -> Xval:
    """Return the value of a pseudo-variable; raise KeyError when there is none that is written so."""
    spec = parse_spec(written)
    if spec is None or (spec.name in SINCE and call.state.release < SINCE[spec.name]):
        raise KeyError(written)
    value = GETTERS[spec.name](call, spec)
    for transformation in spec.transformations:
        value = transform(value, transformation, lambda inner: read_variable(call, inner), call.state.release)
    return value


def count_unknown(call: Call, written: object) -> None:
    """Count, and log, that a script names a pseudo-variable that there is none of."""
    call.state.count_unsupported(f"pseudo-variable {str(written)[:80]!r}")


def write(call: Call, name: str, value: Value | None) -> bool:
    """Give a pseudo-variable a value; return whether that could be done."""
    spec = parse_spec(name)
    if spec is None or spec.name not in GETTERS:
        count_unknown(call, name)
        return False
    setter = SETTERS.get(spec.name)
    if setter is None:
        call.state.say_once(f"KSR.pv: {name[:80]} can only be read, so setting it changes nothing")
        return True
    try:
        return setter(call, spec, value)
    except KeyError:
        return False


def put(call: Call, target: str, value: Value | None) -> int:
    """Give a pseudo-variable a value, where there is one: 1; -1 where there is none, or it cannot be set."""
    return 1 if value is not None and write(call, target, value) else -1


# Texts ----------------------------------------------------------------------------------------------------------


def expand_all(call: Call, text: str, unknown: list[str] | None = None) -> str:
    """Return `text` with the values of the pseudo-variables in it.

    What is none stays as written, and is put into `unknown`; without that, KeyError is raised.
    """

    def value_of(written: str) -> str:
        try:
            value = read_variable(call, written)
        except KeyError:
            if unknown is None:
                raise
            unknown.append(written)
            return written
        return NULL if value is None else str(value)

    return expand(text, value_of)


def expand_known(call: Call, text: str) -> str | None:
    """Return `text` with the values of the pseudo-variables in it; None where one of them is none, which is counted."""
    try:
        return expand_all(call, text)
    except KeyError as error:
        count_unknown(call, error.args[0])
        return None
