"""Durable pull consumers, one a kind, read together: what is queued comes at once, in one batch.

A request to JetStream is a one-shot: `no_wait` with `expires` means "what is there now; if nothing is, wait for
the first message and end with what came with it". It ends with a status message, so nothing is ever guessed from
a timer. Requests of other kinds may still be open when a fetch returns; what arrives for them waits here, is kept
from being handed to another replica too early, and is handed back when the subscription ends.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as Inbox
from nats.js import JetStreamContext
from nats.js.api import Header

from dissonance.adapters.dead_letters import in_vain
from dissonance.adapters.nats.connection import Connection
from dissonance.adapters.nats.dead_letters import Graveyard
from dissonance.adapters.nats.delivery import JetStreamDelivery
from dissonance.adapters.nats.failures import translated, unavailable
from dissonance.adapters.nats.streams import MAX_ACK_PENDING, durable, ensure_consumer
from dissonance.contracts.topics import EventKind, stream
from dissonance.errors import EngineUnavailable
from dissonance.ports.bus import Delivery
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

logger = logging.getLogger(__name__)

ANSWER_SLACK_S = 2.0
"""Seconds the broker may be late with the end of a request before it counts as away."""

KEEPS_PER_ACK_WAIT = 3

OVERHEAD_BYTES = 65_536
"""Topic and headers, which JetStream counts too. A request takes as many bytes as the largest message may have: more
would fill the memory of a role that comes back to a long queue, and JetStream hangs up on a client for which more than
64 MB wait (`max_pending`), as they would while a busy loop works."""

NO_MESSAGES, TIMED_OUT = "404", "408"
FULL = "Message Size Exceeds MaxBytes"
_NANOSECONDS = 1_000_000_000


class _Pull:
    """The one request that a kind may have open, and what came for it. `request` counts up."""

    def __init__(self, consumer: str, kind: EventKind) -> None:
        self.kind = kind
        self.topic = f"$JS.API.CONSUMER.MSG.NEXT.{stream(kind)}.{durable(consumer, kind)}"
        self.waiting: deque[JetStreamDelivery] = deque()
        self.request = 0
        self.expected = 0  # messages that the open request may still bring; 0 = none is open
        self.answer_by = 0.0  # loop time at which the broker must have ended the open request
        self.crowded = False  # another replica's request is before ours: wait in line for one message
        self.failure: str | None = None

    def body(self, limit: int, max_bytes: int, wait_s: float) -> bytes:
        body: dict[str, Any] = {"batch": limit, "max_bytes": max_bytes}
        if wait_s > 0:
            body["expires"] = max(1, int(wait_s * _NANOSECONDS))
        if not self.crowded or wait_s <= 0:
            body["no_wait"] = True
        return json.dumps(body).encode()


class PullSubscription:
    """See `ports.bus.Subscription`. One fetch at a time; a fetch that is cancelled loses nothing."""

    def __init__(
        self,
        connection: Connection,
        jetstream: JetStreamContext,
        graveyard: Graveyard,
        consumer: str,
        kinds: Sequence[EventKind],
        *,
        ack_wait_s: float,
        max_deliver: int,
        max_ack_pending: int = MAX_ACK_PENDING,
    ) -> None:
        self._max_ack_pending = max_ack_pending
        self._connection = connection
        self._jetstream = jetstream
        self._graveyard = graveyard
        self._consumer = consumer
        self._ack_wait_s = ack_wait_s
        self._max_deliver = max_deliver
        self._pulls = {kind: _Pull(consumer, kind) for kind in kinds}
        self._by_stream = {stream(kind): pull for kind, pull in self._pulls.items()}
        self._inbox_topic = connection.client.new_inbox()
        self._inbox: Inbox | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._consumers_made = False
        self._changed = asyncio.Event()

    async def __aenter__(self) -> PullSubscription:
        with translated("cannot subscribe"):
            self._inbox = await self._connection.client.subscribe(
                f"{self._inbox_topic}.*", cb=self._on_message, pending_msgs_limit=0, pending_bytes_limit=0
            )
        self._connection.on_lost(self._on_lost)
        self._keeper = asyncio.create_task(self._keep_waiting())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.forget(self._on_lost)
        if self._keeper is not None:
            self._keeper.cancel()
        # Without a broker nothing can be handed back; it comes back by itself after the ack wait.
        with suppress(EngineUnavailable):
            if self._inbox is not None:
                with translated("cannot unsubscribe"):
                    await self._inbox.unsubscribe()
            await self.hand_back()

    async def hand_back(self) -> None:
        """Give what waits here to another replica now instead of after the ack wait."""
        for pull in self._pulls.values():
            while pull.waiting:
                await pull.waiting.popleft().retry(0.0)

    async def fetch(self, limit: int, wait_s: float) -> list[Delivery]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        asked: list[_Pull] | None = None
        while True:
            batch = await self._take(limit)
            if batch:
                return batch
            left = max(0.0, deadline - loop.time())
            if asked is None or left > 0:
                asked = [*(asked or ()), *await self._ask(limit, left)]
            open_here = [pull.answer_by for pull in asked if pull.expected]
            if left <= 0 and not open_here:
                return []
            await self._until_an_end(max(open_here, default=deadline))

    async def _take(self, limit: int) -> list[Delivery]:
        """What waits here of requests that have ended; what was delivered too often is buried on the way."""
        batch: list[Delivery] = []
        for pull in self._pulls.values():
            while pull.waiting and not pull.expected and len(batch) < limit:
                delivery = pull.waiting[0]
                if delivery.attempt > self._max_deliver:
                    await self._give_up(delivery)
                else:
                    batch.append(delivery)
                pull.waiting.popleft()
        return batch

    async def _give_up(self, delivery: JetStreamDelivery) -> None:
        reason = in_vain(self._max_deliver)
        await delivery.dead_letter(reason)
        fields = {"consumer": self._consumer, "kind": delivery.kind.value, "reason": reason}
        log(logger, LogAction.EVENT_DEAD_LETTERED, logging.ERROR, **fields)

    async def _ask(self, limit: int, wait_s: float) -> list[_Pull]:
        self._connection.require()
        await self._ensure_consumers()
        idle = [pull for pull in self._pulls.values() if not pull.expected]
        max_bytes = self._connection.client.max_payload + OVERHEAD_BYTES
        for pull in idle:
            pull.request += 1
            pull.expected = 1 if pull.crowded else limit
            pull.answer_by = asyncio.get_running_loop().time() + wait_s + ANSWER_SLACK_S
            reply = f"{self._inbox_topic}.{pull.kind.value}-{pull.request}"
            body = pull.body(pull.expected, max_bytes, wait_s)
            with translated("cannot fetch"):
                await self._connection.client.publish(pull.topic, body, reply=reply)
            pull.crowded = False
        return idle

    async def _until_an_end(self, patience: float) -> None:
        """Returns when a request ended, however it did, or at loop time `patience`.

        Raises `EngineUnavailable` when the broker is silent or refuses.
        """
        try:
            async with asyncio.timeout_at(patience):
                await self._changed.wait()
        except TimeoutError as error:
            now = asyncio.get_running_loop().time()
            if any(pull.expected and pull.answer_by <= now for pull in self._pulls.values()):
                self._on_lost()
                raise unavailable("the broker does not answer") from error
        self._changed.clear()
        failures = [pull.failure for pull in self._pulls.values() if pull.failure is not None]
        if failures:
            self._consumers_made = False
            for pull in self._pulls.values():
                pull.failure = None
            raise unavailable(f"cannot fetch: {failures[0]}")

    async def _ensure_consumers(self) -> None:
        if not self._consumers_made:
            for kind in self._pulls:
                await ensure_consumer(
                    self._jetstream,
                    self._consumer,
                    kind,
                    ack_wait_s=self._ack_wait_s,
                    max_ack_pending=self._max_ack_pending,
                )
            self._consumers_made = True

    async def _on_message(self, message: Msg) -> None:
        if message.subject.startswith(self._inbox_topic):
            self._on_status(message)
            return
        tokens = message.reply.split(".", 5)
        pull = self._by_stream.get(tokens[2]) or self._by_stream[tokens[4]]
        pull.waiting.append(JetStreamDelivery(message, pull.kind, self._graveyard.bury))
        if pull.expected:
            pull.expected -= 1
            if not pull.expected:
                self._changed.set()

    def _on_status(self, message: Msg) -> None:
        kind, _, request = message.subject[len(self._inbox_topic) + 1 :].partition("-")
        pull = self._pulls[EventKind(kind)]
        if int(request) != pull.request or not pull.expected:
            return
        headers = message.headers or {}
        status, text = headers.get(Header.STATUS.value, ""), headers.get(Header.DESCRIPTION.value, "").strip()
        pull.expected = 0
        if status == TIMED_OUT and text == "Requests Pending":
            pull.crowded = True
        elif status not in (NO_MESSAGES, TIMED_OUT) and text != FULL:
            pull.failure = f"{status} {text}"
        self._changed.set()

    def _on_lost(self) -> None:
        for pull in self._pulls.values():
            pull.expected = 0
        self._changed.set()

    async def _keep_waiting(self) -> None:
        """What waits here was delivered: without this it would be delivered again, and at last be buried unread."""
        while True:
            await asyncio.sleep(self._ack_wait_s / KEEPS_PER_ACK_WAIT)
            with suppress(EngineUnavailable):
                for delivery in [delivery for pull in self._pulls.values() for delivery in pull.waiting]:
                    await delivery.keep()
