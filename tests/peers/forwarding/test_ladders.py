"""The calls of these tests are right, since they get through Kamailio, which is not ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.peers.forwarding.calls import Sides, failures
from tests.peers.forwarding.middle import WAYS, start_kamailio
from tests.support.timing import within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Start

pytestmark = [pytest.mark.peer, pytest.mark.proof, pytest.mark.timeout(within(120))]
CALLS = 3  # of each kind
RATE = 10  # of each kind, a second


@pytest.mark.parametrize("stateful", [False, True], ids=["stateless", "tm"])
@pytest.mark.parametrize("way", WAYS)
def test_every_kind_of_call_gets_through_kamailio(
    way: str, stateful: bool, start_program: Start, tmp_path: Path
) -> None:
    of = WAYS[way]
    sides = Sides(start_program, tmp_path, of.far, CALLS)
    hops = {user: of.hop(port) for user, port in sides.ports.items()}
    kamailio = start_kamailio(start_program, tmp_path, hops, near=of.near_listen, far=of.far_listen, stateful=stateful)
    sides.begin(kamailio.port, of.near, RATE)
    assert failures(sides.finish()) == {}
