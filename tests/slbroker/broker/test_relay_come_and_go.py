"""Workers, brokers and edges that come, leave, die, stop and come back."""

from __future__ import annotations

from slbroker.bus.membership import Standing
from slbroker.settings.broker import RelaySettings
from slbroker.settings.dispatch import DispatchSettings
from tests.slbroker.broker.rig import Rig

# Workers come and go --------------------------------------------------------------------------------------------


def test_what_a_killed_worker_held_goes_to_another_one() -> None:
    rig = Rig()
    worker = rig.join("a", credit=8)
    rig.submit(4)
    rig.roundtrip()
    worker.answer(1)
    rig.roundtrip()
    heir = rig.join("b", credit=8)
    worker.kill()
    rig.advance(0.4)
    assert len(heir.held) == 3
    heir.answer()
    rig.roundtrip()
    assert rig.unanswered() == 0
    assert (rig.relay.table.lost, rig.relay.table.answered) == (3, 4)


def test_a_batch_that_cannot_be_sent_goes_to_another_worker_at_once() -> None:
    """A worker has died, and nobody knows: no try is used up, nothing is said to the edge."""
    rig = Rig()
    workers = [rig.join(name, credit=4) for name in "ab"]
    victim = workers[0]
    rig.submit(2)
    rig.roundtrip()
    for worker in workers:
        worker.answer()
    rig.roundtrip()
    victim.kill()
    rig.submit(4)
    rig.roundtrip()
    assert len(workers[1].held) == 4
    assert (rig.relay.table.lost, rig.relay.table.returned) == (0, 0)
    assert [job.tries for job in rig.edge.submitted] == [1] * 6


def test_a_worker_leaves_without_a_loss() -> None:
    rig = Rig()
    worker, other = rig.join("a", credit=4), rig.join("b", credit=4)
    rig.submit(6)
    rig.roundtrip()
    worker.leave()
    rig.submit(1)
    rig.advance(0.2)
    held = len(worker.held)
    worker.answer()
    rig.roundtrip()
    assert worker.members[0][0].is_over
    assert held + len(other.held) == 7
    other.answer()
    rig.roundtrip()
    assert rig.unanswered() == 0
    assert [job.tries for job in rig.edge.submitted] == [1] * 7


def test_the_only_worker_leaves_and_another_comes() -> None:
    rig = Rig()
    worker = rig.join("a", credit=4)
    worker.leave()
    rig.advance(0.3)
    assert not rig.edge.dispatcher.workers
    heir = rig.join("b", credit=4)
    rig.submit(1)
    rig.roundtrip()
    assert len(heir.held) == 1


def test_a_worker_that_reconnects_has_all_its_credit_again() -> None:
    rig = Rig()
    worker = rig.join("a", credit=2)
    rig.submit(2)
    rig.roundtrip()
    worker.cut()
    rig.advance(0.6)
    assert len(rig.relay.workers) == 1
    assert rig.relay.in_flight <= 2
    worker.answer()
    rig.advance(0.6)
    worker.answer()
    rig.advance(0.6)
    assert rig.unanswered() == 0


def test_a_stopped_worker_costs_the_handler_timeout_and_is_welcome_again() -> None:
    rig = Rig(brokers=2)
    stopped = rig.join("a", credit=2)
    rig.submit(2)
    rig.roundtrip()
    stopped.frozen = True
    other = rig.join("b", credit=2)
    rig.advance(rig.dispatch_settings.handler_timeout + 0.2)
    other.answer()
    rig.advance(rig.relay_settings.liveness)
    assert all(len(broker.relay.workers) == 1 for broker in rig.brokers)
    assert rig.unanswered() == 0
    stopped.frozen = False
    stopped.answer()
    rig.advance(1.0)
    assert all(len(broker.relay.workers) == 2 for broker in rig.brokers), "what it said late is forgiven"
    assert all(broker.relay.garbage == 0 for broker in rig.brokers)


# Brokers come and go --------------------------------------------------------------------------------------------


def test_a_killed_broker_loses_nothing() -> None:
    rig = Rig(brokers=2)
    worker = rig.join("a", credit=16)
    rig.submit(8)
    rig.roundtrip()
    assert all(broker.relay.in_flight for broker in rig.brokers), "both have some"
    rig.brokers[0].kill()
    worker.answer()
    rig.advance(0.3)
    worker.answer()
    rig.roundtrip()
    assert rig.unanswered() == 0
    rig.submit(8)
    rig.roundtrip()
    assert len(worker.held) == 8


def test_a_restarted_broker_is_used_within_a_second() -> None:
    rig = Rig(brokers=2)
    worker = rig.join("a", credit=16)
    rig.brokers[0].kill()
    rig.advance(3.0)
    rig.brokers[0].revive()
    rig.advance(1.0)
    assert len(rig.edge.dispatcher.workers) == 2
    rig.submit(8)
    rig.roundtrip()
    worker.answer()
    rig.roundtrip()
    assert rig.relay.table.answered > 0
    assert rig.unanswered() == 0


def test_a_broker_restarted_so_fast_that_no_send_fails_says_that_it_knows_nobody() -> None:
    rig = Rig(brokers=2)
    worker = rig.join("a", credit=16)
    rig.submit(8)
    rig.roundtrip()
    rig.brokers[0].restart()
    worker.answer(4)
    rig.advance(1.0)
    worker.answer()
    rig.advance(1.0)
    assert rig.unanswered() == 0
    assert len(rig.edge.dispatcher.workers) == 2
    assert len(rig.relay.workers) == 1, "answers to the former broker's requests are forgiven"


def test_a_stopped_broker_costs_the_handler_timeout() -> None:
    rig = Rig(brokers=2)
    worker = rig.join("a", credit=16)
    stopped = rig.brokers[0]
    stopped.frozen = True
    rig.submit(4)
    rig.roundtrip()
    worker.answer()
    rig.advance(rig.dispatch_settings.handler_timeout + 0.2)
    worker.answer()
    rig.roundtrip()
    assert rig.unanswered() == 0
    rig.advance(10.0)
    rig.thaw(stopped)
    rig.advance(1.0)
    worker.answer()
    rig.advance(1.0)
    assert stopped.relay.in_flight == 0
    assert len(rig.edge.dispatcher.workers) == 2
    assert len(rig.answered) == 4


def test_a_broker_leaves_without_a_loss() -> None:
    rig = Rig(brokers=2)
    worker = rig.join("a", credit=16)
    rig.submit(8)
    rig.roundtrip()
    leaving = rig.relay
    leaving.leave()
    rig.roundtrip()
    assert leaving.in_flight == 4
    assert not leaving.is_done()
    rig.submit(4)
    rig.roundtrip()
    assert leaving.in_flight == 4, "nothing new for it"
    worker.answer()
    rig.roundtrip()
    assert leaving.is_done()
    leaving.dismiss()
    rig.roundtrip()
    rig.brokers[0].kill()
    rig.advance(1.0)
    assert rig.unanswered() == 0
    assert [job.tries for job in rig.edge.submitted] == [1] * 12
    assert all(member.standing is Standing.GREETING for member, _pipe in worker.members[:1])


def test_a_lone_broker_that_leaves_still_waits_for_workers_that_are_busy() -> None:
    rig = Rig(relay=RelaySettings(max_wait=5.0), dispatch=DispatchSettings(max_wait=5.0))
    worker = rig.join("a", credit=4)
    other = Rig(relay=RelaySettings(max_wait=5.0))
    assert other.relay.is_done(), "nobody is there"
    rig.submit(4)
    rig.roundtrip()
    rig.relay.leave()
    worker.answer(2)
    rig.roundtrip()
    assert not rig.relay.is_done()
    worker.answer()
    rig.roundtrip()
    assert rig.relay.is_done()
    assert rig.unanswered() == 0


# Edges come and go ----------------------------------------------------------------------------------------------


def test_a_restarted_edge_is_served_and_the_old_ones_requests_are_nobodys() -> None:
    rig = Rig()
    worker = rig.join("a", credit=4)
    rig.submit(4)
    rig.roundtrip()
    rig.restart_edge()
    rig.advance(0.3)
    worker.answer()
    rig.roundtrip()
    assert rig.relay.table.orphaned == 4
    rig.submit(2)
    rig.roundtrip()
    worker.answer()
    rig.roundtrip()
    assert rig.unanswered() == 0


def test_one_edge_dies_and_another_does_not_notice() -> None:
    rig = Rig(edges=2)
    worker = rig.join("a", credit=8)
    for edge in rig.edges:
        rig.submit(4, edge)
    rig.roundtrip()
    rig.restart_edge()
    worker.answer()
    rig.advance(0.5)
    assert len(rig.edges[1].answered) == 4
    assert len(rig.relay.edges.links) == 2


def test_a_silent_edge_is_forgotten_and_found_again() -> None:
    rig = Rig()
    rig.join("a", credit=4)
    rig.edge.frozen = True
    rig.advance(rig.relay_settings.liveness + 0.5)
    assert not rig.relay.edges.links
    rig.edge.frozen = False
    rig.advance(0.6)
    assert len(rig.relay.edges.links) == 1
    rig.submit(2)
    rig.roundtrip()
    assert len(rig.workers[0].held) == 2
