"""Of the fields of settings classes (`slbroker/option.py`), click's options: words, variables, keys of `--config`."""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from slbroker.commands import configfile
from slbroker.errors import ConfigError, Exit, UsageError
from slbroker.option import File, Number, OneOf, Option, Whole, Word, frozen, option, options, told

if TYPE_CHECKING:
    from collections.abc import Callable

    ParamType = click.ParamType[Any]
    Choice = click.Choice[str]
else:
    ParamType, Choice = click.ParamType, click.Choice  # generic in recent versions, and for mypy

FORMATS: Final = ("plain", "json", "journal")  # of log lines
_FILE: Final = "slbroker.config"  # where a context keeps the path of --config
_CHECKS_ONLY: Final = "slbroker.checks-only"  # in a context: nothing is to be started

# Kinds of values ------------------------------------------------------------------------------------------------


class WordType(ParamType):
    """What is written as one word."""

    def __init__(self, word: Word) -> None:
        self.name = word.name
        self._word = word

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return what the word means; raises ConfigError, which names the file or variable that the word is in."""
        return _read(self._word.read, value, param, ctx) if isinstance(value, str) else value

    def split_envvar_value(self, value: str) -> list[str]:
        """Return the words in a variable."""
        return self._word.split(value)


class NumberRange(click.FloatRange):
    """A number within bounds; click takes "nan" for one, which no comparison refuses."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; raises click's error."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not in the range {self.min}<=x<={self.max}.", param, ctx)
        return number


class OneOfType(Choice):
    """One of some words, which becomes what it means."""

    def __init__(self, kind: OneOf) -> None:
        super().__init__([*kind.words], kind.case_sensitive)
        self._words = kind.words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return what the word means; raises click's error."""
        return self._words[super().convert(value, param, ctx)] if isinstance(value, str) else value


def _type_of(described: Option) -> Any:
    """Return click's type for the values of an option."""
    match described.kind:
        case Whole(low, high):
            return click.IntRange(low, high)
        case Number(low, high):
            return NumberRange(low, high)
        case OneOf() as words:
            return OneOfType(words)
        case File(folder):
            return click.Path(dir_okay=folder, readable=False, path_type=Path)  # who reads it says why that fails
        case Word() as word:
            return WordType(word)
    return described.kind


def _read(read: Callable[[Any], Any], value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
    try:
        return read(value)
    except ConfigError as error:
        raise ConfigError(f"{file_of(param, ctx)}{error}{variable_of(param, ctx)}") from None


# What is wrong, and where it is said ----------------------------------------------------------------------------


def file_of(param: click.Parameter | None, ctx: click.Context | None) -> str:
    """Return "config FILE: " where the value of an option is in that file, else ""."""
    is_in_file = _source_of(param, ctx) is ParameterSource.DEFAULT_MAP
    return f"config {ctx.meta[_FILE]}: " if ctx and is_in_file and _FILE in ctx.meta else ""


def variable_of(param: click.Parameter | None, ctx: click.Context | None) -> str:
    """Return " (in VARIABLE)" where the value of an option is in that, else ""."""
    is_in_variable = _source_of(param, ctx) is ParameterSource.ENVIRONMENT
    return f" (in {param.envvar})" if param and is_in_variable else ""


def _source_of(param: click.Parameter | None, ctx: click.Context | None) -> ParameterSource | None:
    return ctx.get_parameter_source(param.name) if ctx and param and param.name else None


def complaint(error: click.ClickException) -> str:
    """Return what is wrong with the command line on one line: of a number in plain words, and from which file it is."""
    words = " ".join(error.format_message().split())
    param = getattr(error, "param", None)
    if not isinstance(error, click.BadParameter) or param is None:
        return words
    kind = param.type
    given = _find_given(error.message)
    if (wanted := _wanted(kind)) and given:
        words = f"{param.opts[0]} wants {wanted}, not {given[1].strip(chr(39))}{variable_of(param, error.ctx)}"
    return file_of(param, error.ctx) + words


_find_given = re.compile(r"(.*) is not (?:a valid|in the range|one of) ", re.DOTALL).match


def _wanted(kind: ParamType) -> str:
    """Return in words what a value of this kind is, "" for one that says so itself."""
    if isinstance(kind, click.IntRange | click.FloatRange):
        return f"a{' whole' if isinstance(kind, click.IntRange) else ''} number from {kind.min} to {kind.max}"
    if isinstance(kind, click.Choice):
        return f"one of {', '.join(map(str, kind.choices))}"
    return "true or false" if isinstance(kind, click.types.BoolParamType) else ""


# The file of --config -------------------------------------------------------------------------------------------


def _read_config(ctx: click.Context, _param: click.Parameter, path: Path | None) -> None:
    """Make the file's values the defaults of this command: its own table's, else those at the top."""
    if path is None:
        return
    file = configfile.load(path)
    for table, key, hint in configfile.unknown_keys(file, configfile.commands_of(ctx)):
        if not key:
            raise ConfigError(f"config {path}: [{table}] {hint}")
        raise ConfigError(f"config {path}: there is no option {key}{f' in [{table}]' if table else ''}{hint}")
    ctx.default_map = {**(ctx.default_map or {}), **_defaults(ctx.command, file, ctx.info_name or "")}
    ctx.meta[_FILE] = path


def _defaults(command: click.Command, file: configfile.ConfigFile, name: str) -> dict[str, Any]:
    """Return what a file says for a command, as click takes defaults; raises ConfigError."""
    values = file.values_for(name)
    defaults: dict[str, Any] = {}
    for key, param in configfile.options_of(command).items():
        if key in values and param.name is not None:
            try:
                defaults[param.name] = configfile.as_words(values[key], param)
            except ConfigError as error:
                raise ConfigError(f"config {file.path}: {key} {error}") from None
    return defaults


# Options of commands --------------------------------------------------------------------------------------------


# fmt: off
@frozen()
class CommonSettings:
    """What many commands are told, whatever they do."""

    config: Path | None = option("--config", File(folder=False), default=None, example="slbroker.toml",
        help="TOML file with options: at the top for all commands, in [edge], [handler], [run]... for one.")
    log_level: str = option("--log-level",
        OneOf({level: level for level in ("debug", "info", "warning", "error")}, case_sensitive=False), default="info",
        help="What goes to standard error.")
    log_format: str = option("--log-format", OneOf({form: form for form in FORMATS}), default="plain",
        help="How: a line of words; json, an object a line; journal, words behind syslog's priority in place of the"
        " time, as plain does by itself where systemd's journal reads.")
# fmt: on


def _click_option(described: Option, **more: Any) -> click.Option:
    """Return click's option of a field."""

    def looked_at(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        assert described.check is not None
        _read(described.check, value, param, ctx)
        return value

    more |= {"is_flag": True} if described.kind is bool else {"type": _type_of(described)}
    if (word := described.default_word) is not None:
        more |= {"default": word, "show_default": True}
    if described.check:
        more["callback"] = looked_at
    return click.Option(
        [described.flag, described.name], envvar=described.variable, show_envvar=True, help=described.help,
        multiple=described.many, required=described.required, metavar=described.metavar, **more,
    )  # fmt: skip


_CONFIG, *_OF_LOGS = options(CommonSettings)


class Command(click.Command):
    """A command whose function is called with the `settings` of a class, and with its arguments.

    One that `serves` has a function that checks these, and returns what is to be done then. `slbroker check --config`
    has it check, and no more: so it opens nothing, and leaves alone what may be missing.
    """

    def __init__(
        self, function: Callable[..., Any], of: type[Any], arguments: tuple[click.Argument, ...], *, serves: bool
    ) -> None:
        super().__init__(function.__name__, callback=self._call, help=inspect.cleandoc(function.__doc__ or ""))
        self.serves = serves
        self._function = function
        self._of = of
        self._arguments = arguments

    @property
    def params(self) -> list[click.Parameter]:
        """The options and arguments, made when somebody asks: `slbroker --help` needs none of the 160."""
        if not self._params:
            described = options(self._of)
            self._params += self._arguments
            if all(each.flag != _CONFIG.flag for each in described):
                self._params += [_click_option(_CONFIG, is_eager=True, expose_value=False, callback=_read_config)]
            self._params += [_click_option(each) for each in (*described, *(_OF_LOGS if self.serves else []))]
        return self._params

    @params.setter
    def params(self, params: list[click.Parameter]) -> None:
        self._params = params

    @property
    def described(self) -> list[Option]:
        """The options that a file, a variable or the command line may say, as their classes describe them."""
        own = [each for each in options(self._of) if each.flag != _CONFIG.flag]
        return [*own, *(_OF_LOGS if self.serves else [])]

    def _call(self, **values: Any) -> Any:
        settings = self._of(**told(self._of, values))
        work = functools.partial(
            self._function, settings=settings, **{str(each.name): values[str(each.name)] for each in self._arguments}
        )
        if not self.serves:
            return work()
        if is_only_checked():
            work()
            return Exit.OK
        from slbroker.logs import set_up_logging

        set_up_logging(values["log_level"], values["log_format"])
        return work()()


def command(of: type[Any], *arguments: click.Argument, serves: bool = False) -> Callable[[Callable[..., Any]], Command]:
    """Return what makes a command of a function, as `Command` has it; it is called as the function is."""
    return lambda function: Command(function, of, arguments, serves=serves)


class NotSaid(UsageError):
    """Something that a command cannot start without, and that may be said elsewhere than in a file."""


def is_only_checked() -> bool:
    """Return whether the command that is at work is only to check its options."""
    return bool(click.get_current_context().meta.get(_CHECKS_ONLY))


def check_only(command: click.Command, name: str, defaults: dict[str, Any]) -> None:
    """Have a command that serves check what a file says for it, and nothing else; raises what it finds wrong."""
    if not (isinstance(command, Command) and command.serves):
        return
    alone = copy.copy(command)
    alone.params = [copy.copy(param) for param in command.params if param.name != "config"]
    for param in alone.params:
        param.required, param.envvar = False, None
    with alone.make_context(name, [], default_map=defaults) as ctx, contextlib.suppress(NotSaid):
        ctx.meta[_CHECKS_ONLY] = True
        alone.invoke(ctx)


def check_line(command: Command, name: str, words: list[str], parent: click.Context | None) -> None:
    """Have a command check the words of a command line, its file and its variables; raises what it finds wrong."""
    with command.make_context(name, list(words), parent=parent) as ctx:
        if command.serves:
            ctx.meta[_CHECKS_ONLY] = True
            command.invoke(ctx)
