"""A bus within one process, for unit tests: the semantics of JetStream, nothing durable.

Ack waits, delays and the duplicate window run on the clock that is given; only the wait for a first message runs
on the event loop. Replicas and other processes are played by several buses on one `MemoryBroker`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from dissonance.adapters.dead_letters import unknown_dead_letter
from dissonance.adapters.memory.broker import Kept, MemoryBroker
from dissonance.adapters.once import Once
from dissonance.contracts.codec import decode, encode
from dissonance.contracts.events import Event
from dissonance.contracts.topics import EventKind
from dissonance.errors import ContractError, EngineUnavailable
from dissonance.ports.bus import DeadLetter, Delivery, Heard, Subscription
from dissonance.ports.clock import Clock

logger = logging.getLogger(__name__)

_MICROSECONDS = 1_000_000


class MemoryBus:
    """`available = False` plays a broker that is away: every call raises `EngineUnavailable`."""

    is_double = True

    def __init__(
        self,
        clock: Clock,
        *,
        ack_wait_s: float = 30.0,
        max_deliver: int = 5,
        duplicate_window_s: float = 120.0,
        broker: MemoryBroker | None = None,
    ) -> None:
        logger.warning("a bus in memory: its events end with this process, production refuses it")
        self.broker = broker or MemoryBroker(clock, max_deliver=max_deliver, duplicate_window_s=duplicate_window_s)
        self.available = True
        self._ack_wait_us = round(ack_wait_s * _MICROSECONDS)

    async def publish(self, events: Sequence[Event]) -> None:
        self.require()
        for event in events:
            self.broker.publish(event.KIND, event.task_id, event.event_id, encode(event))

    async def publish_once(self, event: Event) -> Event | None:
        self.require()
        earlier = self.broker.within_window(event.KIND, event.event_id)
        self.broker.publish(event.KIND, event.task_id, event.event_id, encode(event))
        return None if earlier is None else decode(earlier)

    @asynccontextmanager
    async def subscribe(self, consumer: str, kinds: Sequence[EventKind]) -> AsyncIterator[Subscription]:
        yield _MemorySubscription(self, consumer, kinds, self._ack_wait_us)

    @asynccontextmanager
    async def watch(self, kinds: Sequence[EventKind]) -> AsyncIterator[AsyncIterator[Event]]:
        self.require()
        arrived: asyncio.Queue[bytes] = asyncio.Queue()
        once = Once()

        async def events() -> AsyncIterator[Event]:
            while True:
                event = decode(await arrived.get())
                if once.is_first(event.event_id):
                    yield event

        watcher = (frozenset(kinds), arrived)
        self.broker.watchers.append(watcher)
        try:
            yield events()
        finally:
            self.broker.watchers.remove(watcher)

    @asynccontextmanager
    async def answering(self, question: str, answer: Callable[[bytes], bytes | None]) -> AsyncIterator[None]:
        self.require()
        here = (question, answer)
        self.broker.answering.append(here)
        try:
            yield
        finally:
            self.broker.answering.remove(here)

    async def ask(
        self, question: str, data: bytes, *, wait_s: float, enough: Callable[[Sequence[bytes]], bool]
    ) -> Heard:
        """All that will ever answer has done so at once."""
        self.require()
        said = [answer(data) for asked, answer in self.broker.answering if asked == question]
        return Heard([each for each in said if each is not None], bool(said))

    async def history(self, kinds: Sequence[EventKind], task_id: str) -> list[Event]:
        self.require()
        found = []
        for message in (message for kind in kinds for message in self.broker.streams[kind]):
            if message.task_id == task_id:
                with suppress(ContractError):
                    found.append(decode(message.data))
        return found

    async def lag(self, consumer: str, kinds: Sequence[EventKind]) -> int:
        self.require()
        return sum(self.broker.durable(consumer, kind).lag for kind in kinds)

    async def oldest_us(self, consumer: str, kinds: Sequence[EventKind]) -> int | None:
        self.require()
        known = [self.broker.durable(consumer, kind).oldest_us for kind in kinds]
        return min((oldest_us for oldest_us in known if oldest_us is not None), default=None)

    async def dead_letters(self, limit: int = 1000, after: int = 0) -> list[DeadLetter]:
        self.require()
        return [letter for letter in self.broker.dead.values() if letter.sequence > after][:limit]

    async def replay_dead_letter(self, sequence: int) -> None:
        letter = self._letter(sequence)
        self.broker.publish(letter.kind, letter.task_id, f"replay.{sequence}.{letter.died_at_us}", letter.data)
        del self.broker.dead[sequence]

    async def drop_dead_letter(self, sequence: int) -> None:
        self._letter(sequence)
        del self.broker.dead[sequence]

    async def ready(self) -> None:
        self.require()

    async def close(self) -> None:
        """What was taken and not answered comes back to other buses of the broker after its ack wait."""
        self.available = False
        self.broker.wake()

    def require(self) -> None:
        """Raises `EngineUnavailable` when closed or made unavailable."""
        if not self.available:
            raise EngineUnavailable("the bus in memory is away", where="memory bus", fix="set available")

    def _letter(self, sequence: int) -> DeadLetter:
        self.require()
        if sequence not in self.broker.dead:
            raise unknown_dead_letter(sequence)
        return self.broker.dead[sequence]


class _MemorySubscription:
    def __init__(self, bus: MemoryBus, consumer: str, kinds: Sequence[EventKind], ack_wait_us: int) -> None:
        self._bus = bus
        self._durables = [bus.broker.durable(consumer, kind) for kind in kinds]
        self._ack_wait_us = ack_wait_us

    async def fetch(self, limit: int, wait_s: float) -> list[Delivery]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        while True:
            self._bus.require()
            taken: list[Delivery] = []
            for durable in self._durables:
                kept = durable.take(limit - len(taken), self._ack_wait_us)
                taken += [_MemoryDelivery(self._bus, message, self._ack_wait_us) for message in kept]
            left = deadline - loop.time()
            if taken or left <= 0:
                return taken
            await self._bus.broker.changed(min(left, *(durable.until_due_s() for durable in self._durables)))


class _MemoryDelivery:
    """See `ports.bus.Delivery`. Only the first of `ack`, `retry` and `dead_letter` counts."""

    def __init__(self, bus: MemoryBus, kept: Kept, ack_wait_us: int) -> None:
        self._bus = bus
        self._kept = kept
        self._ack_wait_us = ack_wait_us
        self._answered = False
        self.attempt = kept.attempt
        self.kind = kept.durable.kind
        self.data = kept.message.data

    def _answer(self) -> bool:
        self._bus.require()
        first, self._answered = not self._answered, True
        return first

    async def ack(self) -> None:
        if self._answer():
            self._kept.end()

    async def retry(self, delay_s: float) -> None:
        if self._answer():
            self._kept.hide(round(delay_s * _MICROSECONDS))

    async def keep(self) -> None:
        self._bus.require()
        if not self._answered:
            self._kept.hide(self._ack_wait_us)

    async def dead_letter(self, reason: str) -> None:
        if self._answer():
            self._kept.bury(reason)
