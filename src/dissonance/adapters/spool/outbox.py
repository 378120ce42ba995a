"""`ports.bus.Outbox` that goes on while the broker is away: events wait on disk, and follow when it is back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from dissonance.adapters.spool.spool import Chunk, Spool
from dissonance.contracts.codec import decode, encode
from dissonance.contracts.events import Event
from dissonance.errors import ContractError, EngineError, EngineUnavailable, StreamFull
from dissonance.ports.breaker import Breaker
from dissonance.ports.bus import Bus
from dissonance.ports.limits import within
from dissonance.telemetry.logs import log
from dissonance.telemetry.metrics import Metrics
from dissonance.telemetry.names import LogAction

BROKER = "NATS"
LIMIT_S = 2.0
"""Seconds in which the broker must have acknowledged a batch; then it goes to disk, under the same ids."""

DRAIN_LIMIT_S = 15.0
"""More than the bus itself waits, which remembers then that the broker takes nothing."""

DRAINED_BYTES = 2**20
AGAIN_S = 0.25
LOOK_EVERY_S = 5.0
"""Seconds between two looks whether a process that ended left something."""

CLOSE_S = 5.0

_logger = logging.getLogger(__name__)


class SpoolingOutbox:
    """Safe for many calls at once on one event loop. Run `drain` beside it."""

    def __init__(self, bus: Bus, spool: Spool, breaker: Breaker, metrics: Metrics) -> None:
        self._bus = bus
        self._spool = spool
        self._breaker = breaker
        self._metrics = metrics
        self._wanted = asyncio.Event()

    async def publish(self, events: Sequence[Event]) -> None:
        """Raises `StreamFull` when the broker has no room, `EngineUnavailable` when nobody takes them."""
        if not events:
            return
        if self._breaker.admits():
            try:
                async with asyncio.timeout(LIMIT_S):
                    return await self._bus.publish(events)
            except StreamFull:  # the broker is there; more of the same on our disk would only come later
                raise
            except (EngineUnavailable, TimeoutError) as error:
                self._breaker.failed()
                self._wanted.set()
                why = error.what if isinstance(error, EngineUnavailable) else "it does not answer"
                log(_logger, LogAction.ENGINE_UNREACHABLE, logging.WARNING, engine="nats", why=why)
        await self._put_on_disk(events)

    async def require_room(self) -> None:
        """Raises `EngineUnavailable` while neither the broker nor the disk would take an event."""
        if not self._breaker.admits() and not self._spool.has_room():
            raise _no_room("there is no room for more")

    async def drain(self) -> None:
        """What waits, also what other processes left, to the broker; for ever."""
        while True:
            try:
                moved = await self._drain_some()
            except (EngineError, OSError):
                await asyncio.sleep(AGAIN_S)
                continue
            if not moved:
                self._wanted.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wanted.wait(), LOOK_EVERY_S)

    async def close(self) -> None:
        """Send what waits, if that can be done now; the rest stays for whoever comes next."""
        with suppress(EngineError, OSError):  # a limit of time that is over is one
            async with asyncio.timeout(CLOSE_S):
                while self._breaker.admits() and await self._drain_some():
                    pass
        await asyncio.to_thread(self._spool.close)

    async def _put_on_disk(self, events: Sequence[Event]) -> None:
        was_empty = not self._spool.size_bytes
        try:
            await asyncio.to_thread(self._spool.append, [encode(event) for event in events])
        except OSError as error:
            raise _no_room(error.strerror or "it cannot be written") from error
        self._metrics.spooled_events.inc(len(events))
        self._show()
        if was_empty:
            log(_logger, LogAction.EVENTS_SPOOLED, logging.WARNING, why="the broker is away")

    async def _drain_some(self) -> bool:
        """False when nothing waits, and the broker is there."""
        await asyncio.to_thread(self._spool.take_over)
        chunk = await asyncio.to_thread(self._spool.oldest, DRAINED_BYTES)
        self._show()
        if chunk is None:
            if not self._breaker.admits():
                await within(LIMIT_S, BROKER, self._bus.ready())
                self._breaker.succeeded()
            return False
        events = _events(chunk)
        await within(DRAIN_LIMIT_S, BROKER, self._bus.publish(events))
        self._breaker.succeeded()
        await asyncio.to_thread(self._spool.drained, chunk)
        self._show()
        log(_logger, LogAction.SPOOL_DRAINED, events=len(events), bytes_left=self._spool.size_bytes)
        return True

    def _show(self) -> None:
        self._metrics.spool_bytes.set(self._spool.size_bytes)


def _events(chunk: Chunk) -> list[Event]:
    events, unreadable = list[Event](), chunk.damaged
    for payload in chunk.payloads:
        try:
            events.append(decode(payload))
        except ContractError:
            unreadable += 1
    if unreadable:
        log(_logger, LogAction.SPOOL_DAMAGED, logging.ERROR, records=unreadable, file=chunk.segment.path.name)
    return events


def _no_room(why: str) -> EngineUnavailable:
    return EngineUnavailable(
        f"the broker is away, and the spool takes nothing: {why}",
        where="spool",
        fix="ask again after the seconds in Retry-After, with the same Idempotency-Key",
    )
