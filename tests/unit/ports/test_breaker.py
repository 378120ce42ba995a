"""A breaker opens after failures in a row, lets one call through after a rest, and closes when that succeeds."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissonance.adapters.memory.clock import FixedClock
from dissonance.errors import EngineUnavailable
from dissonance.ports.breaker import Breaker, Breakers, BreakerState
from dissonance.ports.limits import within


def test_failures_that_are_not_in_a_row_do_not_open_it() -> None:
    breaker = Breaker("engine", FixedClock(), failures=2, rest_s=1.0)
    for _ in range(5):
        breaker.failed()
        breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED and breaker.opened == 0


def test_open_breaker_refuses_at_once_and_names_the_engine() -> None:
    breaker = Breaker("the registry", FixedClock())
    breaker.failed()
    with pytest.raises(EngineUnavailable, match="the registry") as caught:
        breaker.require()
    assert caught.value.where == "the registry"
    assert breaker.opened == 1


def test_trial_that_fails_opens_it_again_for_another_rest() -> None:
    clock = FixedClock()
    breaker = Breaker("engine", clock, failures=3, rest_s=2.0)
    for _ in range(3):
        breaker.failed()
    clock.advance(2)
    assert breaker.admits() and not breaker.admits()
    breaker.failed()
    assert breaker.state is BreakerState.OPEN and not breaker.admits()
    clock.advance(2)
    assert breaker.admits()
    breaker.succeeded()
    assert breaker.admits() and breaker.opened == 1


def test_trial_whose_caller_never_came_back_is_followed_by_another() -> None:
    clock = FixedClock()
    breaker = Breaker("engine", clock, rest_s=1.0)
    breaker.failed()
    clock.advance(1)
    assert breaker.admits() and not breaker.admits()
    clock.advance(1)
    assert breaker.admits()


def test_breaker_without_a_rest_waits_for_whoever_asks_in_the_background() -> None:
    clock = FixedClock()
    breaker = Breaker("engine", clock)
    breaker.failed()
    clock.advance(1e6)
    assert not breaker.admits()
    breaker.succeeded()
    assert breaker.admits()


@given(st.lists(st.sampled_from(["admits", "succeeded", "failed", "rest"]), max_size=40), st.integers(1, 4))
def test_it_is_closed_exactly_when_the_last_word_was_success_or_failures_were_few(deeds: list[str], most: int) -> None:
    clock = FixedClock()
    breaker = Breaker("engine", clock, failures=most, rest_s=1.0)
    failures = 0
    for deed in deeds:
        if deed == "rest":
            clock.advance(1)
        elif deed == "admits":
            assert breaker.admits() or failures >= most
        else:
            failures = failures + 1 if deed == "failed" else 0
            getattr(breaker, deed)()
        assert (breaker.state is BreakerState.CLOSED) == (failures < most)
        assert 0.0 <= breaker.openness <= 1.0


def test_those_of_a_process_are_shown_by_name() -> None:
    breakers = Breakers(FixedClock())
    breakers.make("one").failed()
    breakers.make("two")
    assert breakers.states() == {"one": BreakerState.OPEN, "two": BreakerState.CLOSED}
    assert {name: breaker.opened for name, breaker in breakers.all().items()} == {"one": 1, "two": 0}


def test_call_within_its_limit_gives_what_it_gives() -> None:
    async def answers() -> int:
        return 7

    async def fails() -> int:
        raise KeyError("no")

    assert asyncio.run(within(5.0, "engine", answers())) == 7
    with pytest.raises(KeyError):
        asyncio.run(within(5.0, "engine", fails()))


def test_call_that_does_not_answer_is_cancelled_and_the_engine_is_named() -> None:
    ended = []

    async def never() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def story() -> None:
        with pytest.raises(EngineUnavailable, match="the keys does not answer"):
            await within(0.01, "the keys", never())
        await asyncio.sleep(0)
        assert ended == [True]

    asyncio.run(story())


def test_caller_that_is_cancelled_takes_its_call_with_it() -> None:
    ended = []

    async def never() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def story() -> None:
        asking = asyncio.create_task(within(60.0, "engine", never()))
        await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await asyncio.sleep(0)
        assert ended == [True]

    asyncio.run(story())
