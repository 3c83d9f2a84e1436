"""Twenty thousand of the million mutants that `make mutants` sends; and how that judges them."""

from __future__ import annotations

import os
import sys
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from slbroker.sip.parser import parse
from tests.lab.fuzz import memory
from tests.lab.fuzz.live import ack_to
from tests.lab.fuzz.memory import Sample, Usage
from tests.lab.fuzz.mutants import MAX_GROWTH, MAX_SHORT_GROWTH, Outcome, Plan, check, report, run, seeds
from tests.lab.fuzz.pair import Pair
from tests.support.sip import SIPP_INVITE, TYPICAL, read_reply, request

if TYPE_CHECKING:
    from pathlib import Path

REFUSAL = SIPP_INVITE.partition(b"\r\n")[2].partition(b"\r\n\r\n")[0].partition(b"\r\nContact")[0]
NOTHING = dict.fromkeys(("send_failures", "failed", "bad_answers", "garbage", "late_answers", "shed"), 0)
FIGURES = NOTHING | {"replied": 5, "workers": [{"open": 0}]}


def test_twenty_thousand_mutants(tmp_path: Path) -> None:
    outcome = run(Plan(20_000, 10_000, number=2), quiet=True)
    check(outcome, MAX_SHORT_GROWTH)
    assert outcome.sent > 20_020  # with ACKs
    assert outcome.figures["absorbed"] > 100
    assert outcome.figures["shed"] == 0
    said = report(outcome, tmp_path / "plot.png")
    assert "20,000" in said
    assert "edge RSS" in said


def test_the_words_of_peers_are_not_remembered() -> None:
    pair = Pair()
    tracemalloc.start()
    try:
        for number in range(1_100):  # as many as our caches have room for
            name = b'"%d%b" <sip:bob@example.com>' % (number, b"x" * 4_000)
            pair.take(request("INVITE", to=name))
            pair.listener.sent.clear()
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()


# Its parts --------------------------------------------------------------------------------------------------------


def samples(*sizes: int, files: int = 3) -> list[Sample]:
    return [Sample(1_000 * at, 900 * at, 0.001, {"edge": Usage(size, files)}) for at, size in enumerate(sizes, 1)]


def test_what_grows_only_while_it_warms_up_is_no_leak() -> None:
    warming = [*range(1_000, 31_000, 1_000), *[31_000] * 70]
    assert memory.growth(samples(*warming), "edge") == 0
    assert memory.growth(samples(*range(1_000, 101_000, 1_000)), "edge") > 60_000
    assert memory.growth(samples(*warming[:-2], 90_000, 31_000), "edge") == 0  # one large batch
    assert memory.growth(samples(5_000), "edge") == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"failed": 1},
        {"garbage": 1},
        {"late_answers": 1},
        {"bad_answers": 1},
        {"send_failures": 1},
        {"replied": 3},
        {"workers": [{"open": 1}]},
        {"workers": []},
    ],
    ids=str,
)
def test_figures_that_are_not_well(wrong: dict[str, object]) -> None:
    good = Outcome(samples(1, 2, 3), replies=5, figures=FIGURES)
    check(good)
    with pytest.raises((AssertionError, ValueError)):
        check(replace(good, figures=FIGURES | wrong))


def test_a_leak_is_not_well() -> None:
    leaking = samples(*range(0, 10 * MAX_GROWTH, 100))
    with pytest.raises(AssertionError, match="edge grows"):
        check(Outcome(leaking, figures=FIGURES))
    with pytest.raises(AssertionError, match="edge leaves files open"):
        check(Outcome([*samples(1), *samples(1, files=4)], figures=FIGURES))


def test_a_long_mutant_may_have_a_reply_that_cannot_be_sent() -> None:
    check(Outcome(samples(1), huge=1, figures=FIGURES | {"send_failures": 1}))


def test_the_usage_of_a_process() -> None:
    usage = memory.read_usage(os.getpid())
    with open(os.devnull) as _file:  # noqa: PTH123
        more = memory.read_usage(os.getpid())
    assert usage.rss > 1_000
    assert more.files == usage.files + 1


def test_the_table_and_the_sparkline() -> None:
    lines = memory.table(samples(*[2_048] * 57)).splitlines()
    assert len(lines) == 12
    assert lines[1].split() == ["1,000", "900", "1.0", "ms", "2.0", "MB", "3"]
    assert lines[-1].split()[0] == "57,000"
    assert memory.sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == memory.BARS
    assert memory.sparkline([0]) == "▁"
    assert memory.sparkline([9] * 1_000) == "█" * memory.BAR_COUNT


def test_a_plot_where_matplotlib_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert not memory.plot(samples(1, 2), tmp_path / "plot.png")


def test_the_ack_of_the_sender() -> None:
    refused = read_reply(b"SIP/2.0 404 Not Found\r\n" + REFUSAL + b"\r\nContent-Length: 0\r\n\r\n")
    ack = ack_to(refused)
    assert ack is not None
    message = parse(ack)
    assert (message.method, message.call_id, message.cseq) == (b"ACK", b"1-9937@192.0.2.1", 1)
    assert ack_to(replace(refused, status=200)) is None
    assert ack_to(replace(refused, headers=refused.headers[:-2])) is None


def test_the_seeds_want_their_replies_at_the_port_they_come_from() -> None:
    with_rport = [data for data in seeds() if b";rport" in data]
    assert len(with_rport) > len(TYPICAL)
