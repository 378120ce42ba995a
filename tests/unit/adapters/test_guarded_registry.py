"""A registry that does not answer is not asked for a while, and one that says no is."""

from __future__ import annotations

import pytest

from dissonance.adapters.guarded_registry import FAILURES, REST_S, GuardedRegistry
from dissonance.adapters.memory.clock import FixedClock
from dissonance.adapters.memory.registry import MemoryRegistry
from dissonance.adapters.retrying import ATTEMPTS, repeated
from dissonance.errors import EngineUnavailable, ModelNotFound
from dissonance.ports.breaker import Breaker, BreakerState
from dissonance.ports.registry import ModelRole

TASK, ROLE = "ab" * 16, ModelRole.PROPOSER


class Guarded:
    def __init__(self) -> None:
        self.clock = FixedClock()
        self.inner = MemoryRegistry(self.clock)
        self.breaker = Breaker("MLflow", self.clock, failures=FAILURES, rest_s=REST_S)
        self.registry = GuardedRegistry(lambda: self.inner, self.breaker)


def test_calls_pass_and_mean_what_they_mean() -> None:
    here = Guarded()
    version = here.registry.register(TASK, "t", ROLE, b"bytes", "d", metrics={}, parameters={}, parent=None)
    here.registry.promote(here.registry.version(TASK, ROLE, version.version))
    assert here.registry.production(TASK, ROLE).version == version.version
    assert here.registry.version(TASK, ROLE, 1) == here.registry.production(TASK, ROLE)
    assert [each.version for each in here.registry.versions(TASK, ROLE)] == [version.version]
    assert here.registry.artefact(TASK, ROLE, version.version) == b"bytes"
    here.registry.ready()
    here.registry.delete_task(TASK)
    with pytest.raises(ModelNotFound):
        here.registry.production(TASK, ROLE)


def test_registry_that_does_not_answer_is_asked_again_after_a_rest() -> None:
    here = Guarded()
    here.inner.available = False
    for _ in range(FAILURES):
        with pytest.raises(EngineUnavailable):
            here.registry.ready()
    here.inner.available = True
    with pytest.raises(EngineUnavailable, match="a moment ago"):
        here.registry.ready()
    here.clock.advance(REST_S)
    here.registry.ready()
    assert here.breaker.state is BreakerState.CLOSED


def test_registry_that_says_no_is_there() -> None:
    here = Guarded()
    for _ in range(2 * FAILURES):
        with pytest.raises(ModelNotFound):
            here.registry.production(TASK, ROLE)
    assert here.breaker.state is BreakerState.CLOSED


def test_call_that_may_be_repeated_is_until_it_succeeds_or_it_is_enough() -> None:
    tries: list[int] = []

    @repeated
    def flaky(failures: int) -> int:
        tries.append(1)
        if len(tries) <= failures:
            raise EngineUnavailable("away", where="MLflow")
        return len(tries)

    assert flaky(1) == 2
    tries.clear()
    with pytest.raises(EngineUnavailable):
        flaky(99)
    assert len(tries) == ATTEMPTS


def test_call_that_was_answered_with_no_is_not_repeated() -> None:
    tries: list[int] = []

    @repeated
    def refused() -> None:
        tries.append(1)
        raise ModelNotFound("no such model")

    with pytest.raises(ModelNotFound):
        refused()
    assert len(tries) == 1
