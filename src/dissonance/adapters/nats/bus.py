"""`ports.bus.Bus` on NATS JetStream: durable, de-duplicated, shared by replicas, at least once.

How durable an acknowledgement is, is set at the broker: a process or server that is killed loses nothing; a machine
that loses power loses what was not yet synced, which `sync_interval: always` makes nothing.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from nats.js import JetStreamContext
from nats.js.api import Header
from nats.js.errors import NotFoundError

from dissonance.adapters.nats.asking import answering, asked
from dissonance.adapters.nats.connection import Connection
from dissonance.adapters.nats.credentials import Credentials
from dissonance.adapters.nats.dead_letters import Graveyard
from dissonance.adapters.nats.failures import translated
from dissonance.adapters.nats.history import read_back
from dissonance.adapters.nats.publisher import Outgoing, Publisher
from dissonance.adapters.nats.streams import (
    MAX_ACK_PENDING,
    UNLIMITED,
    configs,
    durable,
    ensure_streams,
    require_streams,
)
from dissonance.adapters.nats.subscription import PullSubscription
from dissonance.adapters.nats.watching import watching
from dissonance.contracts.codec import decode, encode
from dissonance.contracts.events import Event
from dissonance.contracts.topics import EventKind, ask_topic, stream, topic
from dissonance.ports.bus import DeadLetter, Heard, Subscription
from dissonance.ports.clock import Clock

CONNECT_TIMEOUT_S = 5.0


class JetStreamBus:
    """Made by `connect`; one event loop."""

    is_double = False

    def __init__(
        self,
        connection: Connection,
        clock: Clock,
        *,
        ack_wait_s: float,
        max_deliver: int,
        max_ack_pending: int = MAX_ACK_PENDING,
    ) -> None:
        self._max_ack_pending = max_ack_pending
        self._connection = connection
        self._jetstream: JetStreamContext = connection.client.jetstream()
        self._publisher = Publisher(connection)
        self._graveyard = Graveyard(self._publisher, self._jetstream, clock)
        self._ack_wait_s = ack_wait_s
        self._max_deliver = max_deliver
        self._open: set[PullSubscription] = set()

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        clock: Clock,
        ack_wait_s: float,
        max_deliver: int,
        duplicate_window_s: float,
        stream_max_age_s: float,
        stream_max_bytes: int = 0,
        max_ack_pending: int = MAX_ACK_PENDING,
        replicas: int = 1,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        credentials: Credentials | None = None,
        makes_streams: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> JetStreamBus:
        """Connect and bring the streams to these settings.

        `url`: `tls://user:password@host:port`, with `tls`, or `nats://…`. `max_deliver`: deliveries of a message before
        it is a dead letter.
        `stream_max_bytes`: of each stream of events, 0 = the disk; one that is full refuses with `StreamFull`.
        `max_ack_pending`: messages that all replicas of a consumer may have in hand. `replicas`: copies of each stream
        in a cluster (1, 3 or 5). `credentials`: who this is, where `url` does not say. `makes_streams`: else they have
        to be there, and `ready` names those that are not. Raises `EngineUnavailable` when the broker is not reachable;
        from then on the connection mends itself for ever.
        """
        connection = await Connection.open(url, connect_timeout_s, credentials, tls)
        bus = cls(connection, clock, ack_wait_s=ack_wait_s, max_deliver=max_deliver, max_ack_pending=max_ack_pending)
        try:
            wanted = configs(
                max_age_s=stream_max_age_s,
                window_s=duplicate_window_s,
                replicas=replicas,
                max_bytes=stream_max_bytes or UNLIMITED,
            )
            if makes_streams:
                await ensure_streams(bus._jetstream, wanted)
            await bus._publisher.start()
        except BaseException:
            await connection.close()
            raise
        return bus

    async def publish(self, events: Sequence[Event]) -> None:
        await self._publisher.publish(
            [Outgoing(topic(event.KIND, event.task_id), encode(event), event.event_id) for event in events]
        )

    async def publish_once(self, event: Event) -> Event | None:
        self._connection.require()
        headers = {Header.MSG_ID.value: event.event_id}
        with translated("cannot publish"):
            answer = await self._jetstream.publish(topic(event.KIND, event.task_id), encode(event), headers=headers)
            if not answer.duplicate:
                return None
            earlier = await self._jetstream.get_msg(answer.stream, seq=answer.seq)
        return decode(earlier.data or b"")

    @asynccontextmanager
    async def subscribe(self, consumer: str, kinds: Sequence[EventKind]) -> AsyncIterator[Subscription]:
        """The consumers are made at the first fetch, and again when the broker has lost them."""
        subscription = PullSubscription(
            self._connection,
            self._jetstream,
            self._graveyard,
            consumer,
            kinds,
            ack_wait_s=self._ack_wait_s,
            max_deliver=self._max_deliver,
            max_ack_pending=self._max_ack_pending,
        )
        async with subscription:
            self._open.add(subscription)
            try:
                yield subscription
            finally:
                self._open.discard(subscription)

    def watch(self, kinds: Sequence[EventKind]) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        return watching(self._connection, kinds)

    def answering(self, question: str, answer: Callable[[bytes], bytes | None]) -> AbstractAsyncContextManager[None]:
        return answering(self._connection, ask_topic(question), answer)

    async def ask(
        self, question: str, data: bytes, *, wait_s: float, enough: Callable[[Sequence[bytes]], bool]
    ) -> Heard:
        return await asked(self._connection, ask_topic(question), data, wait_s=wait_s, enough=enough)

    async def history(self, kinds: Sequence[EventKind], task_id: str) -> list[Event]:
        self._connection.require()
        return [event for kind in kinds for event in await read_back(self._jetstream, kind, task_id)]

    async def lag(self, consumer: str, kinds: Sequence[EventKind]) -> int:
        self._connection.require()
        return sum([await self._lag(consumer, kind) for kind in kinds])

    async def _lag(self, consumer: str, kind: EventKind) -> int:
        with translated("cannot read the lag"):
            try:
                info = await self._jetstream.consumer_info(stream(kind), durable(consumer, kind))
                return (info.num_pending or 0) + (info.num_ack_pending or 0)
            except NotFoundError:
                # It has not fetched yet, and will start with the oldest event.
                return (await self._jetstream.stream_info(stream(kind))).state.messages

    async def oldest_us(self, consumer: str, kinds: Sequence[EventKind]) -> int | None:
        self._connection.require()
        known = [await self._oldest_us(consumer, kind) for kind in kinds]
        return min((oldest_us for oldest_us in known if oldest_us is not None), default=None)

    async def _oldest_us(self, consumer: str, kind: EventKind) -> int | None:
        with translated("cannot read what waits"):
            after = await self._acknowledged_up_to(consumer, kind)
            if after is None:
                return None
            try:
                message = await self._jetstream.get_msg(stream(kind), seq=after + 1, subject=topic(kind), next=True)
            except NotFoundError:
                return None
            return None if message.time is None else round(message.time.timestamp() * 1_000_000)

    async def _acknowledged_up_to(self, consumer: str, kind: EventKind) -> int | None:
        """Sequence up to which all is acknowledged; None when nothing waits."""
        try:
            info = await self._jetstream.consumer_info(stream(kind), durable(consumer, kind))
        except NotFoundError:
            return 0
        waits = (info.num_pending or 0) + (info.num_ack_pending or 0)
        return None if not waits or info.ack_floor is None else info.ack_floor.stream_seq

    async def dead_letters(self, limit: int = 1000, after: int = 0) -> list[DeadLetter]:
        self._connection.require()
        return await self._graveyard.listed(limit, after)

    async def replay_dead_letter(self, sequence: int) -> None:
        self._connection.require()
        await self._graveyard.replay(sequence)

    async def drop_dead_letter(self, sequence: int) -> None:
        self._connection.require()
        await self._graveyard.drop(sequence)

    async def ready(self) -> None:
        self._connection.require()
        self._publisher.require_storing()
        await require_streams(self._connection.client)

    async def close(self) -> None:
        if self._connection.client.is_connected:
            for subscription in list(self._open):
                await subscription.hand_back()
        await self._connection.close()
