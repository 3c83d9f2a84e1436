"""Edges, brokers and workers do as they like: no request is lost, none ends twice, the books are right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from slbroker.bus import envelope
from slbroker.settings.broker import RelaySettings
from slbroker.settings.dispatch import DispatchSettings
from tests.slbroker.broker.rig import Broker, EdgeNode, Rig, WorkerNode
from tests.support.bus import ANSWER
from tests.support.examples import examples

if TYPE_CHECKING:
    from slbroker.bus.envelope import Answer

indices = st.integers(min_value=0, max_value=9)


class AnyDay(RuleBasedStateMachine):
    """What comes of it is looked at after each envelope (`Rig.check`) and after each rule."""

    @initialize(brokers=st.integers(1, 2), edges=st.integers(1, 2), credit=st.integers(1, 5), room=st.booleans())
    def begin(self, brokers: int, edges: int, credit: int, room: bool) -> None:
        self.rig = Rig(
            brokers,
            edges,
            relay=RelaySettings(liveness=2.0, max_waiting_bytes=10_000 if room else 300),
            dispatch=DispatchSettings(handler_timeout=1.0, liveness=2.0),
        )
        self.joined = 0
        for _ in range(2):
            self.join(credit)

    # Who there is -----------------------------------------------------------------------------------------------

    def worker(self, index: int) -> WorkerNode | None:
        return self.rig.workers[index % len(self.rig.workers)] if self.rig.workers else None

    def broker(self, index: int) -> Broker:
        return self.rig.brokers[index % len(self.rig.brokers)]

    def edge(self, index: int) -> EdgeNode:
        return self.rig.edges[index % len(self.rig.edges)]

    # What they do -----------------------------------------------------------------------------------------------

    @rule(credit=st.integers(1, 5))
    def join(self, credit: int) -> None:
        if len(self.rig.workers) < 4:
            self.joined += 1
            self.rig.join(f"w{self.joined}", credit)

    @rule(count=st.integers(1, 12), index=indices)
    def submit(self, count: int, index: int) -> None:
        self.rig.submit(count, self.edge(index))

    @rule(index=indices, count=st.integers(1, 6), answer=st.sampled_from([ANSWER, None]))
    def answer(self, index: int, count: int, answer: Answer) -> None:
        if worker := self.worker(index):
            worker.answer(count, answer)

    @rule(index=indices)
    def worker_leaves(self, index: int) -> None:
        if worker := self.worker(index):
            worker.leave()

    @rule(index=indices)
    def worker_is_killed(self, index: int) -> None:
        if worker := self.worker(index):
            worker.kill()

    @rule(index=indices)
    def worker_reconnects(self, index: int) -> None:
        if worker := self.worker(index):
            worker.cut()

    @rule(index=indices)
    def worker_stops_or_goes_on(self, index: int) -> None:
        if worker := self.worker(index):
            worker.frozen = not worker.frozen

    @rule(index=indices, place=indices)
    def worker_says_what_it_may_not(self, index: int, place: int) -> None:
        worker = self.worker(index)
        if worker is not None and not worker.frozen:
            _member, pipe = worker.members[place % len(worker.members)]
            held = [batch_id for member, (number, _, _) in worker.held if (batch_id := member._batches.get(number))]
            batch_id = held[place % len(held)] if held else place.to_bytes(8, "big")
            pipe.send(envelope.encode_replies([(1, b"")] * (place + 1), batch_id))

    @rule(index=indices)
    def broker_is_restarted(self, index: int) -> None:
        self.broker(index).restart()

    @rule(index=indices)
    def broker_stops_or_goes_on(self, index: int) -> None:
        broker = self.broker(index)
        if broker.frozen:
            self.rig.thaw(broker)
        else:
            broker.frozen = True

    @rule(index=indices)
    def broker_leaves(self, index: int) -> None:
        self.broker(index).relay.leave()

    @rule(index=indices)
    def edge_reconnects(self, index: int) -> None:
        for pipe in self.edge(index).pipes.values():
            pipe.cut()

    @rule(seconds=st.sampled_from([0.05, 0.3, 0.8, 2.5]))
    def advance(self, seconds: float) -> None:
        self.rig.advance(seconds)

    @rule()
    def roundtrip(self) -> None:
        self.rig.roundtrip()

    # What holds -------------------------------------------------------------------------------------------------

    @invariant()
    def every_request_has_one_place(self) -> None:
        for edge in self.rig.edges:
            over = len(edge.answered) + len(edge.ended) + len(edge.dispatcher.ended)
            assert len(edge.submitted) == over + edge.dispatcher.in_flight

    @invariant()
    def no_request_ends_twice(self) -> None:
        for edge in self.rig.edges:
            ended = [job.number for job, _ in [*edge.answered, *edge.ended]]
            assert len(set(ended)) == len(ended)

    @invariant()
    def what_waits_at_a_broker_is_within_its_limit(self) -> None:
        for broker in self.rig.brokers:
            for pool in broker.relay.pools.values():
                assert pool.waiting_bytes == sum(len(batch.body) for batch in pool.waiting)
                assert pool.waiting_bytes <= self.rig.relay_settings.max_waiting_bytes + 2_000

    def teardown(self) -> None:
        """In the end everything has met its fate, and no broker keeps anything: nothing hangs on what others do."""
        for broker in self.rig.brokers:
            self.rig.thaw(broker)
        for worker in list(self.rig.workers):
            worker.kill()
        self.rig.advance(3.0)
        assert all(edge.dispatcher.in_flight == 0 for edge in self.rig.edges)
        assert all(broker.relay.in_flight == 0 for broker in self.rig.brokers)
        assert not any(broker.relay.pools for broker in self.rig.brokers)


TestAnyDay = AnyDay.TestCase
TestAnyDay.settings = examples(120, steps=40)
