"""Every torture message through a real edge and worker, over UDP, TCP and IPv6."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.torture.case import Case, Stream
from tests.torture.corpus import CASES, RFC5118
from tests.torture.live import Live, has_ipv6

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with Live() as running:
        yield running
        assert running.running
        figures = running.figures()
        assert figures["in_flight"] == 0
        assert figures["failed"] == 0


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_over_udp(live: Live, case: Case) -> None:
    check(case, live.ask(case.data).statuses)


@pytest.mark.skipif(not has_ipv6(), reason="there is no ::1 here")
@pytest.mark.parametrize("case", RFC5118.values(), ids=RFC5118)
def test_over_ipv6(live: Live, case: Case) -> None:
    check(case, live.ask(case.data, "udp6").statuses)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_over_tcp(live: Live, case: Case) -> None:
    answers = live.ask(case.data, "tcp")
    match case.stream:
        case Stream.SAME:
            check(case, answers.statuses)
            assert not answers.closed
        case Stream.TWO:
            check(case, answers.statuses[:1])
            assert len(answers.replies) == 2
        case Stream.WAITS:
            assert not answers.replies
        case Stream.BROKEN:
            assert answers.statuses == [400]
            assert answers.closed


def check(case: Case, statuses: list[int]) -> None:
    if case.allows:
        assert len(statuses) == 1
        assert statuses[0] in case.allows, case.why
    else:
        assert statuses == []
