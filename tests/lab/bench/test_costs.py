"""Is growth called by its name, and does each curve measure what it says?"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from slbroker_handlers.bundled import app
from tests.lab.bench import costs, inside
from tests.lab.bench.curves import Curve, curves_table, growth
from tests.lab.bench.inprocess import ACK, INVITE, OPTIONS, SOURCE, InProcess, different, request
from tests.support.sip import read_reply

if TYPE_CHECKING:
    from pathlib import Path

SIZES = (1, 10, 100, 1_000, 10_000)


@pytest.mark.parametrize(
    ("costs", "named"),
    [
        ([10, 11, 10, 9, 11], "flat"),
        ([10, 60, 110, 160, 210], "logarithmic: 16 us a doubling"),
        ([10, 15, 60, 510, 5010], "linear: 0.5 us each"),
        ([10, 10, 10.1, 11, 20], "linear: 1 us a thousand"),
        ([50, 40, 30, 20, 10], "falling"),
        ([10, 10, 40, 10, 10.5], "linear: -0.78 us a thousand"),
    ],
)
def test_growth(costs: list[float], named: str) -> None:
    assert growth(dict(zip(SIZES, costs, strict=True))) == named


def test_two_points_are_no_growth() -> None:
    assert growth({1: 5.0, 2: 10.0}) == "-"


def test_a_curve_keeps_the_medians_of_its_rounds() -> None:
    answers = itertools.chain([9.0, 1.0, 2.0], itertools.repeat(4.0))
    curve = Curve("doors", "by hand", (10, 2_000), lambda _size: next(answers), "they creak")
    assert [curve.take(10) for _ in range(3)] == [9.0, 1.0, 2.0]
    curve.take(2_000)
    assert curve.medians() == {10: 2.0, 2_000: 4.0}
    assert curves_table([curve])[1] == [
        "doors",
        "by hand",
        "10: 2.0, 2,000: 4.0",
        "-",
        "they creak",
    ]


# ---- the way of a request without sockets ----


def test_all_that_is_exchanged_meets_its_fate() -> None:
    path = InProcess(app, workers=3)
    path.exchange([*different(OPTIONS, 2), INVITE, ACK])
    path.exchange([ACK, ACK])
    assert path.edge.fates.figures(path.edge.in_flight)["unaccounted"] == 0
    assert (path.edge.fates.received, path.edge.fates.replied, path.edge.fates.absorbed) == (6, 3, 2)
    assert path.sink.replies == 3
    assert path.edge.in_flight == 0


def test_more_than_the_credit_is_exchanged_in_turns() -> None:
    path = InProcess(app, workers=2, credit=4)
    path.exchange(different(OPTIONS, 50))
    assert path.sink.replies == 50


def test_a_request_of_so_many_headers() -> None:
    data = request("OPTIONS", headers=["X: y"] * 3, body=b"four")
    assert data.partition(b"\r\n\r\n")[0].count(b"\r\n") == inside.OWN_HEADERS + 3
    assert data.endswith(b"\r\nContent-Length: 4\r\n\r\nfour")


def test_the_last_route_answers() -> None:
    for pattern in ("{:07d}", "{:07d}*"):
        respond, message = inside.last_route(5, pattern)
        answer = respond(message, SOURCE)
        assert isinstance(answer, bytes)
        assert read_reply(answer).reason == "4"


# ---- the command ----


def test_the_command_prints_writes_and_says_how_far_it_is(tmp_path: Path, tools: object) -> None:
    file = tmp_path / "costs.md"
    result = CliRunner().invoke(costs.main, ["--rounds", "2", "--curve", "keys", "--out", str(file)])
    assert result.exit_code == 0, result.output
    assert "[8/8, 0 s left] round 2, keys in the ring" in result.stderr
    (row,) = [line for line in file.read_text("utf-8").splitlines() if line.startswith("| keys in the ring")]
    assert row in result.stdout
    assert "| a tag names its key |" in row


def test_no_such_curve_is_one_line() -> None:
    result = CliRunner().invoke(costs.main, ["--curve", "nonsense"])
    assert result.exit_code == 2
    assert "--curve matches none of: headers of a request, in process; " in result.stderr
