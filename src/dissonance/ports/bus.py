"""The bus: events out, events in, at least once; what keeps failing goes to a dead letter.

One contract suite (`tests/contract/test_bus.py`) holds for the memory double and for JetStream.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

import msgspec

from dissonance.contracts.events import Event
from dissonance.contracts.topics import EventKind


class Heard(NamedTuple):
    """What came of a question: what was `said`, and whether anybody `listened`. A process that hangs listens, as far as
    the broker knows, and says nothing."""

    said: list[bytes]
    listened: bool


class Delivery(Protocol):
    """One message handed to one consumer; it comes back unless `ack` or `dead_letter` is called."""

    @property
    def data(self) -> bytes: ...

    @property
    def kind(self) -> EventKind: ...

    @property
    def attempt(self) -> int:
        """1 at the first delivery."""
        ...

    async def ack(self) -> None: ...

    async def retry(self, delay_s: float) -> None:
        """Hand it out again after `delay_s` seconds."""
        ...

    async def keep(self) -> None:
        """Still at work: do not hand it to another replica yet."""
        ...

    async def dead_letter(self, reason: str) -> None:
        """Move it, with its reason, to the dead-letter stream, and never hand it out again."""
        ...


class Subscription(Protocol):
    async def fetch(self, limit: int, wait_s: float) -> list[Delivery]:
        """Up to `limit` messages of what is queued; waits at most `wait_s` for the first.

        An empty list when nothing came. Raises `EngineUnavailable` while the broker is away.
        """
        ...


class DeadLetter(msgspec.Struct, frozen=True):
    sequence: int
    task_id: str
    kind: EventKind
    consumer: str
    reason: str
    rows: int
    died_at_us: int
    data: bytes


class Outbox(Protocol):
    """Where events go out."""

    async def publish(self, events: Sequence[Event]) -> None:
        """Returns when every event is durable.

        The same `event_id` within the broker's window is kept once. Raises `EngineUnavailable`.
        """
        ...


class Bus(Outbox, Protocol):
    """The broker. `publish` returns when the broker itself has acknowledged every event."""

    async def publish_once(self, event: Event) -> Event | None:
        """None when it is durable; when its `event_id` was published within the broker's window before, that event.

        Raises `EngineUnavailable`.
        """
        ...

    def subscribe(self, consumer: str, kinds: Sequence[EventKind]) -> AbstractAsyncContextManager[Subscription]:
        """A durable pull consumer; replicas that name the same `consumer` share its work."""
        ...

    def watch(self, kinds: Sequence[EventKind]) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """Every event of these kinds from now on, to this process too, and once though it is published again; not
        durable, nothing to ack."""
        ...

    def answering(self, question: str, answer: Callable[[bytes], bytes | None]) -> AbstractAsyncContextManager[None]:
        """While the block lasts, whoever asks `question` gets what `answer` makes of it; None: nothing from here. It is
        in force when the block is entered, and again when a lost connection is back."""
        ...

    async def ask(
        self, question: str, data: bytes, *, wait_s: float, enough: Callable[[Sequence[bytes]], bool]
    ) -> Heard:
        """What all processes that answer `question` say: returns when it is `enough`, when nobody is there to answer,
        or after `wait_s`. Nothing is stored. Raises `EngineUnavailable`."""
        ...

    async def history(self, kinds: Sequence[EventKind], task_id: str) -> list[Event]:
        """Every event of these kinds and this task that the streams hold, kind by kind, oldest first. Nothing is taken:
        consumers see the same. What cannot be read is left out, and is somebody's dead letter."""
        ...

    async def lag(self, consumer: str, kinds: Sequence[EventKind]) -> int:
        """Messages not yet acknowledged by `consumer` (waiting or in hand)."""
        ...

    async def oldest_us(self, consumer: str, kinds: Sequence[EventKind]) -> int | None:
        """When the oldest message that `consumer` has not acknowledged was published, microseconds since 1970 UTC;
        None when it has acknowledged all there are."""
        ...

    async def dead_letters(self, limit: int = 1000, after: int = 0) -> list[DeadLetter]:
        """The oldest, of those with a number above `after`."""
        ...

    async def replay_dead_letter(self, sequence: int) -> None:
        """Publish it again on its own topic and drop it here."""
        ...

    async def drop_dead_letter(self, sequence: int) -> None: ...

    async def ready(self) -> None:
        """Raises `EngineUnavailable` unless connected and every stream is there."""
        ...

    async def close(self) -> None:
        """Drain: what was taken is finished or handed back, then disconnect."""
        ...
