"""A KEMI script becomes a plugin: load it, and answer requests by running its route.

Two flavours, as Kamailio has them: app_python3, where mod_init() returns an object with the routes, and app_python3s,
where the routes are functions without arguments.
"""

from __future__ import annotations

import functools
import inspect
import logging
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final, TypeAlias

from slbroker.bus.envelope import FILTERED_ACK
from slbroker.errors import PluginError
from slbroker.logline import event, shown
from slbroker.plugin import DROP, Handlers, Request
from slbroker.plugin.watched import WatchingRequest
from slbroker_handlers.kemi import ksr
from slbroker_handlers.kemi.beforekemi import ROUTER_UNTIL, LegacyMessage, install_router
from slbroker_handlers.kemi.call import MIN_FINAL, Call, active, begin, begin_call, call_of_reply, end, stand_by
from slbroker_handlers.kemi.check.childinit import does_more_than_log
from slbroker_handlers.kemi.check.mentions import branch_routes, find_helpers, find_uses
from slbroker_handlers.kemi.check.mistakes import find_legacy, find_slips
from slbroker_handlers.kemi.check.report import Report, make_entry, make_report
from slbroker_handlers.kemi.memory import State
from slbroker_handlers.kemi.params import Names
from slbroker_handlers.kemi.passage import go_back
from slbroker_handlers.kemi.release import name_release
from slbroker_handlers.kemi.scriptname import ScriptName, read_name
from slbroker_handlers.kemi.watchedcall import begin_watched

if TYPE_CHECKING:
    from slbroker.plugin import Decision
    from slbroker.plugin.onreply import ForwardedReply
    from slbroker.plugin.reply import Drop
    from slbroker.proxy.decision import Amended, Forward

logger = logging.getLogger(__name__)

FIRST_RANK: Final = 1  # the first SIP worker's, in Kamailio
LOCAL_RESPONSE: Final = "sl:local-response"
# A request's route, and what is told of an event; both run with their request as the current one.
Routine: TypeAlias = Callable[[Call], object]


# What scripts keep, by their names as plugins.
Memory: TypeAlias = dict[str, State]


def examine(name: str) -> Report:
    """Return what of a script works here, without running it; raises PluginError when it cannot be read."""
    wanted = read_name(name)
    return _report(wanted, _read(wanted.path))


def describe(name: str, report: Report) -> str:
    """Return a report in words, and where the type stubs for KSR are."""
    where = Path(__file__).with_name("stubs") / "KSR.pyi"
    wanted = read_name(name)
    follows = f"KSR follows Kamailio {name_release(wanted.params.release)} (--kemi-version)"
    return f"{wanted.path}: {report.summary()}\n{report.text()}\n  {follows}\n  type stubs for KSR: {where}"


def load_script(name: str, rank: int = FIRST_RANK, memory: Memory | None = None) -> Handlers:
    """Return the plugin that a KEMI script is, for the worker with a rank; raises PluginError and ConfigError.

    In `memory` is what the script keeps from one time that it is loaded to the next: htables, $shv and $var, pike and
    statistics, as Kamailio's modules keep theirs when app_python3 loads a script again. A script that surely calls what
    cannot work here is refused, unless its name allows that.
    """
    wanted = read_name(name)
    source = _read(wanted.path)
    report = _report(wanted, source)
    if report.faults and not wanted.allow_missing:
        raise PluginError(_refusal(wanted.path, report))
    state = State(wanted.params, allow_missing=wanted.allow_missing, relays=wanted.relays)
    script = Script(wanted, source, rank, state if memory is None else memory.setdefault(name, state))
    for entry in report.unreached:
        logger.info("%s: %s is in a function that nothing here calls", wanted.path, entry.title)
    for entry in report.variables:
        logger.warning("%s:%s: %s is always null here", wanted.path, entry.place, entry.title)
    for entry in report.slips:
        logger.warning("%s:%s: %s: %s", wanted.path, entry.place, entry.title, entry.remark)
    return script.app


def _read(path: Path) -> str:
    try:
        if not path.is_file():
            raise PluginError(f"script {path}: there is no such file")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise PluginError(f"script {path}: {error.strerror}") from error
    except ValueError as error:
        raise PluginError(f"script {path}: {error}") from error


def _report(wanted: ScriptName, source: str) -> Report:
    names, file = Names.of(wanted.params), str(wanted.path)
    try:
        helpers = find_helpers(source, file, wanted.path.resolve().parent)
        uses = find_uses(source, file, (*names, "__init__"), helpers)
        if wanted.relays:  # what t_on_branch names may run, too
            uses = find_uses(source, file, (*names, "__init__", *branch_routes(uses)), helpers)
        slips = find_slips(source, file, names.route, names.arguments())
        legacy = [*find_legacy(source), *(slip for name in helpers for slip in find_legacy(helpers[name], name))]
    except SyntaxError as error:
        raise PluginError(f"script {wanted.path}:{error.lineno}: {error.msg}") from error
    report = make_report(uses, wanted.params.release, slips, relays=wanted.relays)
    if legacy and wanted.params.release >= ROUTER_UNTIL:
        report.unknown.append(make_entry("Router", legacy, legacy[0].text))
    return report


def _refusal(path: Path, report: Report) -> str:
    """Return in one line why a script is not loaded."""
    first, *others = report.faults
    place = f"{path}:{first.place}" if first.lines else str(path.parent / first.place)
    more = f"; {len(others)} more functions" if others else ""
    return (
        f"script {place}: {first.title}: {first.remark}{more} (slbroker check --kemi lists all);"
        " with --kemi-allow-missing they answer as if they had failed"
    )


class Script:
    """A loaded script. `app` is the plugin that it is."""

    def __init__(self, wanted: ScriptName, source: str, rank: int, state: State) -> None:
        self.path = wanted.path
        self.rank = rank
        self.state = state
        self._names = Names.of(wanted.params)
        ksr.install()
        if wanted.params.release < ROUTER_UNTIL or wanted.allow_missing:
            install_router(self.path.resolve().parent)
        idle = Call(self.state)
        with active(idle):
            module = self._import(source)
            owner = self._find_owner(module)
        self._route = self._find_route(owner)
        start = self._find_start(owner)
        self._on_reply = self._find_event(owner, self._names.replied, LOCAL_RESPONSE)
        self._on_ack = self._find_event(owner, self._names.absorbed, FILTERED_ACK.decode())
        self._reply_route = self._find_route_beside(owner, self._names.came_back)
        self.state.on_send = self._find_route_beside(owner, self._names.sent)
        self.state.branch_route = lambda name: self._find_route_beside(owner, name)
        stand_by(idle)  # only now: a version that cannot be loaded leaves the old one's in its place
        self.app = Handlers(keepalive=False)  # a script answers all itself, or nobody does
        answer = self._make_handler(getattr(owner, self._names.route))
        self.app.on("ACK", "CANCEL")(answer)
        if wanted.remember is None:
            self.app.otherwise(answer)
        else:
            self.app.otherwise(remember=wanted.remember)(answer)
        if self._on_ack is not None:
            self.app.filtered_ack(self.hear_ack)
        if self._reply_route is not None:
            self.app.on_reply(self.hear_reply)
        self.app.startup(start)
        self.app.shutdown(self._stop)

    # Loading ----------------------------------------------------------------------------------------------------

    def _import(self, source: str) -> ModuleType:
        """Run the script as the module that it is for Kamailio: of its file's name, its folder first in sys.path."""
        path = self.path.resolve()
        folder = str(path.parent)
        if sys.path[:1] != [folder]:
            sys.path[:] = [folder, *(entry for entry in sys.path if entry != folder)]
        module = ModuleType(path.stem)
        module.__file__ = str(path)
        vars(module).update(__cached__=None, __slbroker__=True)
        # A script that is called as a library which is in use does not take its place: others than the script use it.
        is_free = getattr(sys.modules.get(path.stem, module), "__slbroker__", False)
        if is_free:
            sys.modules[path.stem] = module
        try:
            exec(compile(source, str(path), "exec"), vars(module))  # noqa: S102 - running it is what we are here for
        except BaseException as error:
            if is_free:
                del sys.modules[path.stem]
            raise PluginError(self._failure(error)) from error
        return module

    def _find_owner(self, module: ModuleType) -> object:
        """Return what has the routes: the object that mod_init() makes, or a module without one."""
        names = self._names
        make = getattr(module, names.make, None)
        if callable(make):
            owner = self._call(names.make, make)
            if owner is None:
                raise PluginError(
                    f"script {self.path}: {names.make}() returned None; it returns the object with the routes"
                )
            return owner
        if not callable(getattr(module, names.route, None)):
            raise PluginError(f"script {self.path}: it has neither {names.make}() nor {names.route}()")
        if callable(begin := getattr(module, names.script_make, None)):
            self._call(names.script_make, begin)
        return module

    def _find_route(self, owner: object) -> Routine:
        name = self._names.route
        route = getattr(owner, name, None)
        if not callable(route):
            raise PluginError(f"script {self.path}: what {self._names.make}() returned has no {name}(self, msg)")
        if isinstance(owner, ModuleType):
            self._try_arguments(route, name)
            return lambda _call: route()
        self._try_arguments(route, name, "msg")
        return lambda call: route(LegacyMessage(call))

    def _try_arguments(self, function: Callable[..., object], name: str, *given: str) -> None:
        """Raise PluginError for a function that cannot be called with as many arguments as it will get."""
        is_method = inspect.ismethod(function)
        try:
            inspect.signature(function).bind(*given)
        except (TypeError, ValueError) as error:  # ValueError: a method that takes nothing, or what does not say
            code = getattr(function, "__code__", None)
            if code is None or (isinstance(error, ValueError) and not is_method):
                return
            wanted = f"{name}({', '.join((*(['self'] if is_method else []), *given))})"
            place = f"{code.co_filename}:{code.co_firstlineno}"
            raise PluginError(f"script {place}: {name} is called as {wanted}, which it does not take") from None

    def _find_start(self, owner: object) -> Callable[[], None]:
        """Return what calls child_init; under its name where a test that leaves it out is to be warned."""
        is_module = isinstance(owner, ModuleType)
        name = self._names.script_begin if is_module else self._names.begin
        routine = getattr(owner, name, None)
        if callable(routine):
            self._try_arguments(routine, name, "rank")
        elif not is_module:
            raise PluginError(f"script {self.path}: what {self._names.make}() returned has no {name}(self, rank)")

        def start() -> None:
            if callable(routine):
                with active(Call(self.state)):
                    routine(self.rank)

        if callable(routine) and does_more_than_log(routine):
            start.__name__ = start.__qualname__ = name
            start.__module__ = str(getattr(routine, "__module__", self.path.stem))
        return start

    def _find_route_beside(self, owner: object, name: str) -> Routine | None:
        """Return the route for replies, or for what is sent; None where a script has none.

        One that fails changes nothing of what was decided up to there, as in Kamailio.
        """
        routine = getattr(owner, name, None)
        if not callable(routine):
            return None
        is_module = isinstance(owner, ModuleType)
        self._try_arguments(routine, name, *(() if is_module else ("msg",)))

        def run(call: Call) -> None:
            try:
                if is_module:
                    routine()
                else:
                    routine(LegacyMessage(call))
            except SystemExit:
                pass
            except BaseException as error:
                logger.error("%s: %s", name, self._failure(error))

        return run

    def _find_event(self, owner: object, name: str, event: str) -> Routine | None:
        """Return what tells a script of an event; None where it has no callback called `name`.

        Whatever becomes of a callback, what went before it goes on, as in Kamailio.
        """
        routine = getattr(owner, name, None)
        if not callable(routine):
            return None

        def tell(call: Call) -> None:
            try:
                if isinstance(owner, ModuleType):
                    routine(event)
                else:
                    routine(LegacyMessage(call), event)
            except SystemExit:
                pass
            except BaseException as error:
                logger.error("%s: %s", event, self._failure(error))

        return tell

    def _call(self, name: str, function: Callable[[], object]) -> object:
        try:
            return function()
        except BaseException as error:
            raise PluginError(self._failure(error, f"{name}() failed: ")) from error

    def _failure(self, error: BaseException, before: str = "") -> str:
        """Return a failure in one line, with the script's line."""
        if isinstance(error, SyntaxError):
            return f"script {error.filename}:{error.lineno}: {error.msg}"
        own = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(self.path.resolve())]
        place = f"{own[-1].filename}:{own[-1].lineno}" if own else str(self.path)
        return f"script {place}: {before}{type(error).__name__}: {' '.join(str(error).split())}"

    # Serving ----------------------------------------------------------------------------------------------------

    def _make_handler(self, route: Callable[..., object]) -> Callable[[Request], Decision]:
        """Return what answers a request, under the name of the script's route, for who asks what handles it."""
        state, run, on_reply = self.state, self._route, self._on_reply

        @functools.wraps(route)
        def answer(request: Request) -> Decision:
            """Run the route; return the replies that it has sent. Raises what it raises before it has replied."""
            state.requests += 1
            watched = type(request) is WatchingRequest
            call = (begin_watched if watched else begin_call)(state, request, on_reply)
            begin(call)
            try:
                run(call)
            except SystemExit:  # how a script says: enough
                pass
            except BaseException as error:
                if not call.replies:
                    raise
                self._tell(request, error)
            finally:
                end()
            replies = call.replies
            if call.forwarded is not None:
                return self._going_on(call, call.forwarded)
            return replies[0] if len(replies) == 1 else replies or DROP

        return answer

    def _tell(self, request: Request, error: BaseException) -> None:
        """Log what a script raises that has replied already."""
        message, failure = request.message, self._failure(error)
        about = event("handler-failed", call_id=message.call_id, method=message.method, cause=failure)
        logger.error("%s, Call-ID %s: %s", shown(message.method), shown(message.call_id), failure, extra=about)
        logger.debug("Call-ID %s:", shown(message.call_id), exc_info=error, extra=event("traceback"))

    def _going_on(self, call: Call, forward: Forward) -> Decision:
        """Return what is decided of a request that goes on; the peer gets a final reply of the script's in its place.

        A stateless proxy sends no provisional ones (RFC 3261 16.11).
        """
        final = next((reply for reply in call.replies if reply.status >= MIN_FINAL), None)
        if call.replies:
            logger.warning(
                "%s: it replied %d to a request that goes on: %s", self.path, call.replies[0].status,
                "only the reply is sent" if final is not None else "it only goes on",
            )  # fmt: skip
        return forward if final is None else final

    def hear_ack(self, request: Request) -> Drop:
        """Tell the script of an ACK that an edge has absorbed; to its functions it is an ACK as any other."""
        assert self._on_ack is not None
        message = request.message._replace(method=b"ACK")
        call = Call(self.state, Request(message, request.source, request.context))
        with active(call):
            self._on_ack(call)
        return DROP

    def hear_reply(self, reply: ForwardedReply) -> Amended | Drop:
        """Have the script look at a reply on its way back; return what becomes of it."""
        assert self._reply_route is not None
        call = call_of_reply(self.state, reply)
        with active(call):
            self._reply_route(call)
            decided = go_back(call)
            if self.state.on_send is not None and decided is not DROP:
                self.state.on_send(call)
        return decided

    def _stop(self) -> None:
        for title, count in sorted(self.state.unsupported.items()):
            logger.info("%s: %s could not work here, %d times", self.path, title, count)
        for name, count in sorted(self.state.statistics.items()):
            logger.info("%s: statistic %s = %d", self.path, name, count)
