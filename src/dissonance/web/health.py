"""Readiness of the roles of a process, asked by probes and people. It is public, so it must stay cheap and tell little.

A check is a coroutine function that raises a `DissonanceError` while its role is not ready; the error's `what` is shown
to whoever asks. Answers are kept for a second: probes cannot become load on the engines.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping

import msgspec

from dissonance.errors import DissonanceError
from dissonance.ports.breaker import BreakerState
from dissonance.ports.clock import Clock
from dissonance.ports.limits import within
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

HealthCheck = Callable[[], Awaitable[None]]
EngineCheck = Callable[[], Coroutine[None, None, None]]
KEPT_US = 1_000_000  # microseconds an answer is kept
CHECK_TIMEOUT_S = 3.0  # seconds until a check that does not answer counts as not ready
ENGINE_TIMEOUT_S = 2.0  # seconds until an engine that does not answer is named; less, so that it is named in time

STANDS = {BreakerState.CLOSED: "in use", BreakerState.OPEN: "not asked", BreakerState.TRIAL: "tried"}
"""What a circuit breaker means to who asks: "closed" reads as if the engine were away."""

_logger = logging.getLogger(__name__)


class Alive(msgspec.Struct, frozen=True):
    """The process runs and its event loop turns; nothing more."""

    alive: bool = True


class RoleReadiness(msgspec.Struct, frozen=True, omit_defaults=True):
    """`why` and `fix` are there when the role is not ready."""

    ready: bool
    why: str = ""
    fix: str = ""


class Readiness(msgspec.Struct, frozen=True, omit_defaults=True):
    """Ready when every role is. `engines`: of each that has a circuit breaker, whether it is `in use`, `not asked`
    (since it did not answer), or `tried` again."""

    ready: bool
    roles: dict[str, RoleReadiness]
    engines: dict[str, str] = {}


class Health:
    """The checks of a process, by role."""

    def __init__(
        self,
        checks: Mapping[str, HealthCheck],
        clock: Clock,
        timeout_s: float = CHECK_TIMEOUT_S,
        engines: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._checks = dict(checks)
        self._engines = engines
        self._clock = clock
        self._timeout_s = timeout_s
        self._kept: Readiness | None = None
        self._kept_until_us = 0
        self._asking = asyncio.Lock()

    async def readiness(self) -> Readiness:
        """All roles, asked at once; callers that come meanwhile share the answer."""
        async with self._asking:
            if self._kept is None or self._clock.now_us() >= self._kept_until_us:
                answers = await asyncio.gather(*(self._ask(role) for role in self._checks))
                roles = dict(zip(self._checks, answers, strict=True))
                ready = all(answer.ready for answer in answers)
                self._kept = Readiness(
                    ready, roles, {name: STANDS[BreakerState(state)] for name, state in self._engines().items()}
                )
                self._kept_until_us = self._clock.now_us() + KEPT_US
            return self._kept

    async def _ask(self, role: str) -> RoleReadiness:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._checks[role]()
        except TimeoutError:
            answer = RoleReadiness(ready=False, why=f"no answer within {self._timeout_s} s", fix="see the log")
        except DissonanceError as error:
            answer = RoleReadiness(ready=False, why=error.what, fix=error.fix)
        else:
            return RoleReadiness(ready=True)
        log(_logger, LogAction.READINESS_FAILED, logging.WARNING, role=role, why=answer.why)
        return answer


async def require_answer(engine: str, check: EngineCheck, timeout_s: float = ENGINE_TIMEOUT_S) -> None:
    """Raises what `check` raises, or `EngineUnavailable` with the engine's name when nothing comes for `timeout_s`."""
    await within(timeout_s, engine, check())
