"""A circuit breaker: after failures in a row an engine is not asked for a while, so that callers are told at once
instead of each waiting for its own time limit (Nygard, "Release It!", 2nd ed. 2018, chapter 5; ADR 39).

Pure but for the clock; safe for threads, since the registry is asked from several.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from threading import Lock

from dissonance.errors import EngineUnavailable
from dissonance.ports.clock import Clock

_MICROSECONDS = 1_000_000


class BreakerState(StrEnum):
    CLOSED = "closed"  # calls pass
    OPEN = "open"  # calls are refused
    TRIAL = "trial"  # one call is under way to see; others are refused


_OPENNESS = {BreakerState.CLOSED: 0.0, BreakerState.TRIAL: 0.5, BreakerState.OPEN: 1.0}


class Breaker:
    """`failures` in a row open it; `rest_s` later one call is let through as a trial. `rest_s` None: nobody's call is
    a trial, whoever made the breaker asks the engine and says `succeeded`.

    >>> from dissonance.adapters.memory.clock import FixedClock
    >>> clock = FixedClock()
    >>> breaker = Breaker("NATS", clock, failures=2, rest_s=1.0)
    >>> breaker.failed(), breaker.admits(), breaker.failed(), breaker.admits()
    (None, True, None, False)
    >>> clock.advance(1)
    >>> breaker.admits(), breaker.admits(), breaker.state.value
    (True, False, 'trial')
    >>> breaker.succeeded(), breaker.state.value
    (None, 'closed')
    """

    def __init__(self, engine: str, clock: Clock, *, failures: int = 1, rest_s: float | None = None) -> None:
        self.engine = engine
        self.opened = 0
        self._clock = clock
        self._allowed = failures
        self._rest_us = None if rest_s is None else round(rest_s * _MICROSECONDS)
        self._failures = 0
        self._state = BreakerState.CLOSED
        self._since_us = 0
        self._lock = Lock()

    @property
    def state(self) -> BreakerState:
        return self._state

    @property
    def openness(self) -> float:
        """The state as a number: 0 closed, 1 open."""
        return _OPENNESS[self._state]

    def admits(self) -> bool:
        """Whether a call may be made now; one that is made as a trial counts as begun."""
        if self._state is BreakerState.CLOSED:
            return True
        with self._lock:
            rested = self._rest_us is not None and self._clock.now_us() - self._since_us >= self._rest_us
            if rested:  # a trial that never ended is followed by another
                self._turn(BreakerState.TRIAL)
            return rested

    def require(self) -> None:
        """Raises `EngineUnavailable` when no call may be made now."""
        if not self.admits():
            raise EngineUnavailable(
                f"{self.engine} did not answer a moment ago", where=self.engine, fix="see dissonance status"
            )

    def succeeded(self) -> None:
        if self._failures or self._state is not BreakerState.CLOSED:
            with self._lock:
                self._failures = 0
                self._turn(BreakerState.CLOSED)

    def failed(self) -> None:
        with self._lock:
            self._failures += 1
            if self._state is not BreakerState.CLOSED or self._failures >= self._allowed:
                self.opened += self._state is BreakerState.CLOSED
                self._turn(BreakerState.OPEN)

    def _turn(self, state: BreakerState) -> None:
        self._state = state
        self._since_us = self._clock.now_us()


class Breakers:
    """Those of a process, for whoever shows them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._breakers: dict[str, Breaker] = {}

    def make(self, engine: str, *, failures: int = 1, rest_s: float | None = None) -> Breaker:
        """A breaker, closed. One that was made under the same name is shown no more."""
        breaker = self._breakers[engine] = Breaker(engine, self._clock, failures=failures, rest_s=rest_s)
        return breaker

    def all(self) -> Mapping[str, Breaker]:
        return dict(self._breakers)

    def states(self) -> Mapping[str, BreakerState]:
        return {engine: breaker.state for engine, breaker in self._breakers.items()}
