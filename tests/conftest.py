"""What all tests share. Helpers that are imported by name live in tests/support."""

from __future__ import annotations

import logging
import os
import re
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

import hypothesis
import pytest

from tests.support import scheduling
from tests.support.peers import free_udp_port
from tests.support.processes import Process, slbroker
from tests.support.timing import TIME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


# A slow machine is no finding: what must be fast is tested by counting work, not by Hypothesis' clock.
hypothesis.settings.register_profile("slbroker", deadline=None)
hypothesis.settings.load_profile("slbroker")
# For one more interpreter (`make quick`): whether it does the same, not what else there may be to find.
hypothesis.settings.register_profile("quick", deadline=None, max_examples=25)

# What tests have that start programs, and wait for them: where they stand, what they take, what their file imports.
WAITING_FILES = re.compile(r"tests/(?:peers|interop|browser|lab/network|lab/fire|lab/page|lab/simulation)/|_live\.py")
WAITING_FIXTURES = frozenset(("start_slbroker", "start_program"))
PROCESSES = "tests.support.processes"
# What `make test` leaves to `make proofs`, beside what is marked so: it takes long, or wants more of the machine than
# others leave it.
PROOFS = re.compile(
    r"tests/(?:lab/(?:fire|network|page)|interop)/"
    # What waits for seconds at a time, of what seldom changes: how quick a worker is, and what wears it out.
    r"|tests/handlers/test_(?:pace|packing|max_requests|load|ready)_live\.py|tests/edge/test_(?:pauses|losses)_live\.py"
    r"|tests/handlers/test_(?:worker_base_exceptions|reload_files_live)\.py"
    # What computes for seconds, of what is seldom touched: policies that are not ours, small forms of `make strangers`.
    r"|tests/lab/simulation/test_policies\.py|tests/lab/fuzz/test_strangers\.py::test_twenty_thousand"
)
LOGGERS = ("", "slbroker", "slbroker_edge", "slbroker_handlers")


class Start(Protocol):
    """Starts a program that is stopped when the test ends."""

    def __call__(self, *words: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Process: ...


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Scale the time limit of a test like every other timeout; where pytest-xdist runs it, its workers do that.

    A shell has what it runs in the background ignore SIGINT, and so would all that tests start, and interrupt.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("timeout", None) is None and not config.getoption("numprocesses", None):
        config.option.timeout = float(config.getini("timeout")) * TIME


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`make test` has two parts, what wants the machine for itself and the rest; `make proofs` has what is left out."""
    if os.environ.get("PYTEST_XDIST_WORKER"):
        items[:] = scheduling.mix(items, lambda item: item.nodeid, waits)
    part = os.environ.get("SLBROKER_TEST_PART", "")
    if part in ("alone", "beside", "proofs"):
        parts: dict[str, list[pytest.Item]] = {"alone": [], "beside": [], "proofs": []}
        for item in items:
            alone = "alone" if item.get_closest_marker("alone") else "beside"
            is_proof = PROOFS.search(item.nodeid) or item.get_closest_marker("proof")
            parts["proofs" if is_proof else alone].append(item)
        items[:] = parts.pop(part)
        config.hook.pytest_deselected(items=[item for others in parts.values() for item in others])


def waits(item: pytest.Item) -> bool:
    """Whether a test starts programs, for all that can be told without running it."""
    if WAITING_FILES.search(item.nodeid) or not WAITING_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
        return True
    module = getattr(item, "module", None)
    return any(getattr(value, "__module__", "") == PROCESSES for value in vars(module).values()) if module else False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Whatever --dist says."""
    return scheduling.Runs(config, log)


@pytest.fixture(autouse=True)
def loggers_as_they_were() -> Iterator[None]:
    """A command that is called in this process sets up its log; what is said in the tests behind it is seen by them."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger, logger.level, logger.propagate, list(logger.handlers)) for logger in loggers]
    yield
    for logger, level, propagate, handlers in before:
        if (logger.level, logger.propagate, logger.handlers) != (level, propagate, handlers):
            logger.setLevel(level)
            logger.propagate = propagate
            logger.handlers[:] = handlers


@pytest.fixture
def start_slbroker() -> Iterator[Start]:
    """`start_slbroker("edge", "--listen", ...)` runs that command until the test ends."""
    with ExitStack() as stack:
        yield lambda *words, env=None, cwd=None: stack.enter_context(slbroker(*words, env=env, cwd=cwd))


@pytest.fixture
def start_program() -> Iterator[Start]:
    """`start_program("/usr/bin/sipp", ...)` runs any program until the test ends."""
    with ExitStack() as stack:
        yield lambda *words, env=None, cwd=None: stack.enter_context(Process(*words, env=env, cwd=cwd))


@pytest.fixture
def udp_port() -> int:
    """A free UDP port of 127.0.0.1, for a program that has to be told one."""
    return free_udp_port()
