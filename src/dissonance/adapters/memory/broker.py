"""What the buses in memory of one test share: streams, durable consumers, dead letters, watchers."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from dissonance.adapters.dead_letters import REASON_CHARACTERS, in_vain, rows_of
from dissonance.contracts.topics import EventKind
from dissonance.ports.bus import DeadLetter
from dissonance.ports.clock import Clock

_MICROSECONDS = 1_000_000
_NEVER_S = 3600.0


class Message(NamedTuple):
    task_id: str
    data: bytes
    published_us: int


class Kept:
    """A message in the hands of one consumer, hidden from its replicas until `due_us`."""

    def __init__(self, durable: Durable, sequence: int, message: Message) -> None:
        self.durable = durable
        self.sequence = sequence
        self.message = message
        self.attempt = 0
        self.due_us = 0

    def hide(self, for_us: int) -> None:
        self.due_us = self.durable.broker.clock.now_us() + for_us
        self.durable.broker.wake()

    def end(self) -> None:
        self.durable.in_hand.pop(self.sequence, None)

    def bury(self, reason: str) -> None:
        if self.sequence in self.durable.in_hand:
            self.durable.broker.bury(self, reason)
            self.end()


class Durable:
    """One consumer of one kind: how far it has read, and what it has not acknowledged."""

    def __init__(self, broker: MemoryBroker, consumer: str, kind: EventKind) -> None:
        self.broker = broker
        self.consumer = consumer
        self.kind = kind
        self.read = 0
        self.in_hand: dict[int, Kept] = {}

    @property
    def lag(self) -> int:
        return len(self.broker.streams[self.kind]) - self.read + len(self.in_hand)

    @property
    def oldest_us(self) -> int | None:
        stream = self.broker.streams[self.kind]
        oldest = min(self.in_hand, default=self.read)
        return stream[oldest].published_us if oldest < len(stream) else None

    def take(self, limit: int, ack_wait_us: int) -> list[Kept]:
        """Oldest first: what is due again, then what was never read. What was delivered too often is buried."""
        now_us = self.broker.clock.now_us()
        taken: list[Kept] = []
        for kept in [self.in_hand[sequence] for sequence in sorted(self.in_hand)]:
            if len(taken) < limit and kept.due_us <= now_us:
                if kept.attempt >= self.broker.max_deliver:
                    kept.bury(in_vain(self.broker.max_deliver))
                else:
                    taken.append(kept)
        stream = self.broker.streams[self.kind]
        while len(taken) < limit and self.read < len(stream):
            kept = self.in_hand[self.read] = Kept(self, self.read, stream[self.read])
            self.read += 1
            taken.append(kept)
        for kept in taken:
            kept.attempt += 1
            kept.due_us = now_us + ack_wait_us
        return taken

    def until_due_s(self) -> float:
        """Seconds of the clock until something is due again."""
        if not self.in_hand:
            return _NEVER_S
        due_us = min(kept.due_us for kept in self.in_hand.values())
        return max(0.001, (due_us - self.broker.clock.now_us()) / _MICROSECONDS)


class MemoryBroker:
    """State only; `MemoryBus` is the way in."""

    def __init__(self, clock: Clock, *, max_deliver: int, duplicate_window_s: float) -> None:
        self.clock = clock
        self.max_deliver = max_deliver
        self.streams: defaultdict[EventKind, list[Message]] = defaultdict(list)
        self.dead: dict[int, DeadLetter] = {}
        self.answering: list[tuple[str, Callable[[bytes], bytes | None]]] = []
        self.watchers: list[tuple[frozenset[EventKind], asyncio.Queue[bytes]]] = []
        self._window_us = round(duplicate_window_s * _MICROSECONDS)
        self._published: dict[tuple[EventKind, str], Message] = {}
        self._durables: dict[tuple[str, EventKind], Durable] = {}
        self._buried = 0
        self._waiting: set[asyncio.Event] = set()

    def durable(self, consumer: str, kind: EventKind) -> Durable:
        return self._durables.setdefault((consumer, kind), Durable(self, consumer, kind))

    def publish(self, kind: EventKind, task_id: str, message_id: str, data: bytes) -> None:
        """Watchers see every message, also one that is repeated within the window and therefore not kept."""
        if self.within_window(kind, message_id) is None:
            message = self._published[kind, message_id] = Message(task_id, data, self.clock.now_us())
            self.streams[kind].append(message)
        for kinds, arrived in self.watchers:
            if kind in kinds:
                arrived.put_nowait(data)
        self.wake()

    def within_window(self, kind: EventKind, message_id: str) -> bytes | None:
        """What was published under this id within the window."""
        earlier = self._published.get((kind, message_id))
        if earlier is None or self.clock.now_us() - earlier.published_us >= self._window_us:
            return None
        return earlier.data

    def bury(self, kept: Kept, reason: str) -> None:
        self._buried += 1
        self.dead[self._buried] = DeadLetter(
            sequence=self._buried,
            task_id=kept.message.task_id,
            kind=kept.durable.kind,
            consumer=kept.durable.consumer,
            reason=reason[:REASON_CHARACTERS],
            rows=rows_of(kept.message.data),
            died_at_us=self.clock.now_us(),
            data=kept.message.data,
        )

    def wake(self) -> None:
        for event in self._waiting:
            event.set()

    async def changed(self, at_most_s: float) -> None:
        """Returns when something was published, handed back or closed, or after the wait."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), at_most_s)
        finally:
            self._waiting.discard(event)
