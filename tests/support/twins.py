"""What the suites over both twins share: how they are told apart, what a call came to, and whether it leaks."""

from __future__ import annotations

import gc
import importlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from slbroker.errors import Drop
from slbroker.sip.validate import USUAL
from slbroker.twins import KIND, definition
from slbroker_edge import reader

if TYPE_CHECKING:
    from collections.abc import Callable

    from slbroker.bus.jobs import Job
    from slbroker.sip.reading import Address, Reading

Outcome: TypeAlias = tuple[str, Any]
KINDS = ("pure", "compiled")

OPTIONS = (
    b"OPTIONS sip:bob@example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-524287-1---abcdef;rport\r\n"
    b"Max-Forwards: 70\r\n"
    b"Contact: <sip:alice@192.0.2.10:5060>\r\n"
    b"To: <sip:bob@example.com>\r\n"
    b"From: Alice <sip:alice@example.com>;tag=9fxced76sl\r\n"
    b"Call-ID: 3848276298220188511@192.0.2.10\r\n"
    b"CSeq: 63104 OPTIONS\r\n"
    b"X-Odd-Name: 1\r\n"
    b"User-Agent: Phone/1.2.3\r\n"
    b"Content-Length: 4\r\n"
    b"\r\nbody"
)


def load(module: str, kind: str = "compiled") -> Any:
    """Return what is in a module of ours: the compiled twins where there are some, or what defines them."""
    names = vars(importlib.import_module(module))
    if kind == "pure":
        return SimpleNamespace(**{name: definition(each) if callable(each) else each for name, each in names.items()})
    if KIND != "compiled":
        pytest.skip("the compiled twins are not in use")
    return SimpleNamespace(**names)


def outcome(function: Callable[..., Any], *arguments: Any) -> Outcome:
    try:
        return "returned", function(*arguments)
    except Exception as error:
        return type(error).__name__, error.args if isinstance(error, Drop) else None


def growth(work: Callable[[], object], times: int, *counted: object) -> list[int]:
    """Return what `times` calls add, behind as many: Python objects, memory in pages, references to `counted`."""
    statm = Path("/proc/self/statm")
    figures = []
    for _ in range(2):
        for _ in range(times):
            work()
        gc.collect()
        pages = int(statm.read_text().split()[1]) if statm.exists() else 0
        figures.append([sys.getallocatedblocks(), pages, *map(sys.getrefcount, counted)])
    return [after - before for before, after in zip(*figures, strict=True)]


class FakeListener:
    """What the readers see of a listener."""

    def __init__(self, name: str = "udp:192.0.2.7:5060") -> None:
        self.name = name


def _declined(*_arguments: object) -> Any:
    raise Drop("declined")


def take_ordinary(data: bytes, address: Address, listen: str = "udp:192.0.2.7:5060") -> tuple[list[Job], list[Any]]:
    """The job or ACK that the compiled reader makes of a datagram by itself; nothing where it is not in use."""
    by_grammar, reader.read_with_key = reader.read_with_key, _declined  # type: ignore[assignment]
    try:
        jobs, acks, _alone = reader.read_turn([(data, address)], FakeListener(listen), USUAL)
    finally:
        reader.read_with_key = by_grammar
    return jobs, acks


def read_ordinary(data: bytes, address: Address, listen: str = "udp:192.0.2.7:5060") -> Reading | None:
    """What the compiled reader reads in a datagram by itself; None where it declines, or is not in use."""
    jobs, acks = take_ordinary(data, address, listen)
    found: Reading | None = jobs[0].reading if jobs else acks[0][0] if acks else None
    return found
