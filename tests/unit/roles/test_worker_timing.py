"""Where a role's time goes: seconds in its handler and in publishing, by the clock port."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from dissonance.adapters.memory.bus import MemoryBus
from dissonance.adapters.memory.clock import FixedClock
from dissonance.contracts.events import Event
from dissonance.errors import UnknownPrediction
from dissonance.telemetry.metrics import Metrics
from support.events import evaluated
from support.worker import IN, OUT, answer_to, away, make, run_until_at_rest


class SlowBus(MemoryBus):
    """Takes `publish_s` by its clock to publish what a role says; away for the first `refusals` of them."""

    def __init__(self, clock: FixedClock, publish_s: float, refusals: int = 0) -> None:
        super().__init__(clock, ack_wait_s=3600.0)
        self.clock = clock
        self.publish_s = publish_s
        self.refusals = refusals

    async def publish(self, events: Sequence[Event]) -> None:
        if events and events[0].KIND is OUT:
            self.clock.advance(self.publish_s)
            if self.refusals:
                self.refusals -= 1
                raise away()
        await super().publish(events)


def spent(metrics: Metrics) -> tuple[float, float]:
    """Seconds in the handler and in publishing."""
    handle_s, publish_s = (
        metrics.registry.get_sample_value(f"dissonance_{what}_seconds_total", {"role": "role"})
        for what in ("handle", "publish")
    )
    assert handle_s is not None
    assert publish_s is not None
    return handle_s, publish_s


def worked(bus: SlowBus, handle_s: float, failures: int = 0) -> Metrics:
    """What is measured while two batches are handled, of which the first fails `failures` times."""
    metrics, left = Metrics(), failures

    async def handle(events: Sequence[Event]) -> list[Event]:
        nonlocal left
        bus.clock.advance(handle_s)
        if left:
            left -= 1
            raise UnknownPrediction("not yet", where="labels", fix="wait")
        return [answer_to(event) for event in events]

    async def scenario() -> None:
        for number in (1, 2):
            await bus.publish([evaluated(number)])
            await run_until_at_rest(make(bus, handle, clock=bus.clock, metrics=metrics), bus)
        assert await bus.lag("reader", [OUT]) == 2
        assert await bus.lag("role", [IN]) == 0

    asyncio.run(scenario())
    return metrics


def test_seconds_of_handling_and_publishing_add_up_over_batches() -> None:
    assert spent(worked(SlowBus(FixedClock(), publish_s=0.25), handle_s=1.5)) == pytest.approx((3.0, 0.5))


def test_a_handler_that_fails_has_spent_its_time_too() -> None:
    metrics = worked(SlowBus(FixedClock(), publish_s=0.25), handle_s=1.5, failures=1)
    assert spent(metrics) == pytest.approx((4.5, 0.5))


def test_a_publication_that_is_tried_again_counts_each_try_and_handles_once() -> None:
    metrics = worked(SlowBus(FixedClock(), publish_s=0.25, refusals=2), handle_s=1.5)
    assert spent(metrics) == pytest.approx((3.0, 1.0))


def test_a_clock_that_is_set_back_takes_nothing_away() -> None:
    assert spent(worked(SlowBus(FixedClock(), publish_s=0.25), handle_s=-60.0)) == pytest.approx((0.0, 0.5))


def test_both_are_there_from_the_start() -> None:
    metrics, clock = Metrics(), FixedClock()
    make(SlowBus(clock, 0.0), answer_nothing, clock=clock, metrics=metrics)
    assert spent(metrics) == (0.0, 0.0)


async def answer_nothing(events: Sequence[Event]) -> list[Event]:
    return []
