"""Do the rounds go on when a subject fails, and does the report say so?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lab.bench.measure import Case
from tests.lab.bench.processes import SubjectError
from tests.lab.bench.rounds import Bench, Row, minutes
from tests.lab.bench.subjects import Subject
from tests.lab.bench.test_report import sample_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from tests.lab.bench.measure import Sample

ONE, TWO, THREE = Case("OPTIONS", 1), Case("OPTIONS", 2), Case("OPTIONS", 3)
ECHO = Subject("echo", lambda _folder, _port: [])


def bench_of(*fails: Case) -> tuple[Bench, list[list[Case]]]:
    """A bench whose subject fails, each time it is started, in as many of its cases as are in `fails`."""
    starts: list[list[Case]] = []
    failing = list(fails)

    def measure(_: Subject, cases: Sequence[Case]) -> Generator[Sample, None, None]:
        starts.append(list(cases))
        for case in cases:
            if case in failing:
                failing.remove(case)
                raise SubjectError("it ended")
            yield sample_of(1, {"server": 1.0})

    return Bench([Row(ECHO, [ONE, TWO, THREE])], measure), starts


def test_a_subject_is_started_once_for_all_its_cases_in_each_round() -> None:
    bench, starts = bench_of()
    bench.run(2, 0)
    assert starts == [[ONE, TWO, THREE]] * 2
    assert [list(bench.results[case]["echo"]) for case in (ONE, TWO, THREE)] == [[1, 2]] * 3


def test_one_that_fails_goes_on_from_there_and_that_is_noted() -> None:
    bench, starts = bench_of(TWO)
    bench.run(1, 0)
    assert starts == [[ONE, TWO, THREE], [TWO, THREE]]
    assert bench.failures == []
    where = "round 1, OPTIONS, 2 in flight, echo"
    assert bench.repeated == [f"Failed once and was measured again, {where}: it ended"]


def test_one_that_fails_twice_is_left_out_of_that_case_alone() -> None:
    bench, starts = bench_of(TWO, TWO)
    bench.run(1, 0)
    assert starts == [[ONE, TWO, THREE], [TWO, THREE], [THREE]]
    assert bench.failures == ["FAILED in round 1, OPTIONS, 2 in flight, echo: it ended"]
    assert [list(bench.results[case]["echo"]) for case in (ONE, TWO, THREE)] == [[1], [], [1]]


def test_time_spans() -> None:
    assert [minutes(seconds) for seconds in (0.4, 89, 90, 600)] == ["0 s", "89 s", "2 min", "10 min"]
