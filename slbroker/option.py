"""An option, described once: as a field of the frozen settings class that its value ends in.

Of this `slbroker/commands/options.py` makes the word of the command line, the environment variable and the key of a
TOML file, and `tests/support/optionpages.py` docs/options.md and docs/slbroker.toml. Nothing here knows click: an edge
loads it.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

T = TypeVar("T")


class Whole(NamedTuple):
    """A whole number, `low` and `high` included."""

    low: int
    high: int
    unit: str = ""


class Number(NamedTuple):
    """A number, `low` and `high` included."""

    low: float
    high: float
    unit: str = ""


class OneOf(NamedTuple):
    """One of some words, and what each of them means."""

    words: Mapping[str, Any]
    case_sensitive: bool = True


class File(NamedTuple):
    """The path of a file, or of a folder where that is one of files."""

    folder: bool = True


class Word(NamedTuple):
    """What `read` makes of a text; it raises ConfigError. `name` is the text's form.

    `split` takes apart what an environment variable holds, where the option may be repeated.
    """

    name: str
    read: Callable[[str], Any]
    split: Callable[[str], list[str]] = str.split


Kind: TypeAlias = "Whole | Number | OneOf | File | Word | type[str] | type[bool]"


class Option(NamedTuple):
    """One option; `flag` is its word on the command line.

    `default` is what counts where nothing is said, and is asked for that where it can be called; `word` is how it is
    written where `str` does not say it. `check` looks at the value and raises ConfigError. In a command's list the
    option stands behind the one whose flag is `after`.
    """

    flag: str
    kind: Kind
    default: Any
    help: str
    many: bool = False
    required: bool = False
    metavar: str | None = None
    word: str | None = None
    example: str = ""
    check: Callable[[Any], None] | None = None
    after: str = ""
    param: str = ""  # click's name for it, where it is not that of the flag
    secret: bool = False  # its value is shown to nobody

    @property
    def key(self) -> str:
        """Its key in a TOML file."""
        return self.flag.removeprefix("--")

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return "SLBROKER_" + self.key.replace("-", "_").upper()

    @property
    def name(self) -> str:
        """What click and `told` call it."""
        return self.param or self.key.replace("-", "_")

    @property
    def default_word(self) -> str | None:
        """The default as people write it, None where there is none to write."""
        if isinstance(self.kind, OneOf) and not self.many:
            return next((word for word, meaning in self.kind.words.items() if meaning == self.default), None)
        silent = self.many or self.kind is bool or self.default is None or callable(self.default)
        return None if silent else self.word or str(self.default) or None


class Part(NamedTuple):
    """Settings within settings: options of the class `of` but those of the fields `without`; `make` makes the value."""

    of: type[Any]
    make: Callable[..., Any]
    without: Collection[str] = ()


_MEANING: Final = "slbroker"  # in a field's metadata: an Option or a Part


def option(
    flag: str, kind: Kind, *, default: Any = MISSING, unsaid: Any = None, kw_only: Any = MISSING, **more: Any
) -> Any:
    """Return a dataclass's field that is an option, with its `help` and what else `Option` has.

    Without a `default` who makes the settings by hand has to say it, and `unsaid` is what the command line says.
    """
    described = Option(flag, kind, unsaid if default is MISSING else default, **more)
    return field(default=default, kw_only=kw_only, metadata={_MEANING: described})


def part(
    of: type[Any],
    make: Callable[..., Any] | None = None,
    *,
    default: Any = MISSING,
    without: Collection[str] = (),
    kw_only: Any = MISSING,
) -> Any:
    """Return a dataclass's field that holds what `make`, usually the class `of`, makes of the options there."""
    return field(default=default, kw_only=kw_only, metadata={_MEANING: Part(of, make or of, without)})


def also(of: type[Any], name: str, **changes: Any) -> Any:
    """Return a dataclass's field that is the option of another class, but for some arguments of `option`."""
    like = of.__dataclass_fields__[name]
    default = MISSING if "unsaid" in changes else changes.get("default", like.default)
    if "unsaid" in changes:
        changes["default"] = changes.pop("unsaid")
    kw_only = changes.pop("kw_only", MISSING)
    return field(default=default, kw_only=kw_only, metadata={_MEANING: like.metadata[_MEANING]._replace(**changes)})


def options(of: type[Any]) -> list[Option]:
    """Return the options of a settings class, and of those within it, in the order in which people read them."""
    found = list(_walk(of))
    for late in [each for each in found if each.after]:
        flags = [each.flag for each in found]
        if late.after in flags:
            found.remove(late)
            found.insert([each.flag for each in found].index(late.after) + 1, late)
    return found


@dataclass_transform(frozen_default=True, field_specifiers=(option, part, also))
def frozen(*, kw_only: bool = False) -> Callable[[type[T]], type[T]]:
    """Return what makes a class a frozen dataclass whose fields may be options.

    One of which nobody but the command line makes an object is `kw_only`, and has no more than a dataclass must have.
    """
    return dataclass(frozen=True, slots=True, kw_only=kw_only, repr=not kw_only, eq=not kw_only)


def _walk(of: type[Any], without: Collection[str] = ()) -> Iterator[Option]:
    for each in fields(of):
        meaning = each.metadata.get(_MEANING)
        if isinstance(meaning, Part):
            yield from _walk(meaning.of, meaning.without)
        elif meaning is not None and each.name not in without:
            yield meaning


def told(of: type[Any], said: Mapping[str, Any], without: Collection[str] = ()) -> dict[str, Any]:
    """Return the arguments for a settings class, by its fields; `said` has the values by the options' names.

    Raises what those who make the parts raise: ConfigError or UsageError for options that do not go together.
    """
    values: dict[str, Any] = {}
    for each in fields(of):
        meaning = each.metadata.get(_MEANING)
        if isinstance(meaning, Part):
            values[each.name] = meaning.make(**told(meaning.of, said, meaning.without))
        elif meaning is not None and each.name not in without:
            value = said[meaning.name]
            if value is None or value == ():
                value = meaning.default() if callable(meaning.default) else meaning.default
            values[each.name] = value
    return values


def shared(of: type[Any], settings: Any, **changes: Any) -> Any:
    """Return settings of the class `of` with what other settings have under the same names, but for some changes."""
    common = {each.name for each in fields(of)}.intersection(each.name for each in fields(settings))
    return of(**{name: getattr(settings, name) for name in common} | changes)
