"""Messages that one process of an edge hands to another: whole, bounded, and to the right one."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from slbroker.proxy.flow import Flow
from slbroker_edge.transports.siblings import Siblings

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "tcp:192.0.2.7:5060"


@pytest.fixture
def siblings() -> Iterator[Siblings]:
    with closing(Siblings(3)) as made:
        yield made


def flow(connection: bytes) -> Flow:
    return Flow("tcp", b"abcdef", "192.0.2.1", 5060, connection)


def test_a_message_comes_to_the_process_of_its_connection_as_it_was_sent(siblings: Siblings) -> None:
    there = flow(b"02abcdef0105x1")
    handing = siblings.of_process(0).listener(there, NAME)
    assert handing is not None
    assert (handing.name, handing.connection) == (NAME, there.connection)
    messages = [b"a b\r\n \x00\xff" * 100, b"", b"x" * 65_000]
    assert handing.send([(data, ("192.0.2.1", 5060)) for data in messages]) == 3
    assert siblings.of_process(2).receive() == [(there.write(), data) for data in messages]
    assert siblings.of_process(1).receive() == siblings.of_process(2).receive() == []


@pytest.mark.parametrize("connection", [b"", b"0", b"00abcdef", b"03abcdef", b"ffabcdef", b"zzabcdef", b"xabc"])
def test_what_is_ours_or_of_another_edge_is_handed_to_nobody(siblings: Siblings, connection: bytes) -> None:
    assert siblings.of_process(0).listener(flow(connection), NAME) is None


def test_a_process_that_does_not_read_keeps_nobody_waiting(siblings: Siblings) -> None:
    handing = siblings.of_process(0).listener(flow(b"01abcdef"), NAME)
    assert handing is not None
    sent = sum(handing.send([(b"x" * 10_000, ("192.0.2.1", 5060))]) for _ in range(2_000))
    assert 0 < sent < 2_000
    count = 0
    while taken := siblings.of_process(1).receive():
        count += len(taken)
    assert count == sent
