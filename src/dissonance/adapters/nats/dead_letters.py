"""The dead-letter stream: original bytes, and in headers why and where from (design section 4)."""

from __future__ import annotations

from urllib.parse import quote, unquote

from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from dissonance.adapters.dead_letters import REASON_CHARACTERS, rows_of, unknown_dead_letter
from dissonance.adapters.nats.delivery import JetStreamDelivery
from dissonance.adapters.nats.failures import translated
from dissonance.adapters.nats.publisher import Outgoing, Publisher
from dissonance.contracts.topics import DEAD_STREAM, EventKind, dead_topic
from dissonance.ports.bus import DeadLetter
from dissonance.ports.clock import Clock

_READABLE = " !#$&'()*+,/:;=?@[]"

REASON, ROWS, DIED_AT, TOPIC, CONSUMER = (
    f"Dissonance-{name}" for name in ("Reason", "Rows", "Died-At-Us", "Topic", "Consumer")
)


class Graveyard:
    """Buries, lists, replays and drops."""

    def __init__(self, publisher: Publisher, jetstream: JetStreamContext, clock: Clock) -> None:
        self._publisher = publisher
        self._jetstream = jetstream
        self._clock = clock

    async def bury(self, delivery: JetStreamDelivery, reason: str) -> None:
        """Returns when the dead letter is durable; burying the same delivery again keeps one."""
        task_id = delivery.topic.split(".")[1]
        consumer = delivery.origin.consumer.removesuffix(f"-{delivery.kind.value}")
        headers = {
            REASON: quote(reason[:REASON_CHARACTERS], safe=_READABLE),
            ROWS: str(rows_of(delivery.data)),
            DIED_AT: str(self._clock.now_us()),
            TOPIC: delivery.topic,
            CONSUMER: consumer,
        }
        topic = dead_topic(delivery.kind, task_id, consumer)
        await self._publisher.publish([Outgoing(topic, delivery.data, delivery.origin.identity, headers)])

    async def listed(self, limit: int, after: int = 0) -> list[DeadLetter]:
        """Oldest first, of those with a sequence above `after`."""
        letters: list[DeadLetter] = []
        sequence = after + 1
        while len(letters) < limit:
            message = await self._next(sequence)
            if message is None:
                break
            letters.append(_letter(message))
            sequence = letters[-1].sequence + 1
        return letters

    async def replay(self, sequence: int) -> None:
        """First published again, then dropped here. The id is fresh, since the broker may still know the old one, and
        always the same, so that a replay that was cut short and repeated publishes once."""
        message = await self._get(sequence)
        letter = _letter(message)
        topic = (message.headers or {})[TOPIC]
        message_id = f"replay.{sequence}.{letter.died_at_us}"
        await self._publisher.publish([Outgoing(topic, letter.data, message_id)])
        await self.drop(sequence)

    async def drop(self, sequence: int) -> None:
        await self._get(sequence)
        with translated("cannot drop a dead letter"):
            await self._jetstream.delete_msg(DEAD_STREAM, sequence)

    async def _get(self, sequence: int) -> RawStreamMsg:
        message = await self._next(sequence) if sequence > 0 else None
        if message is None or message.seq != sequence:
            raise unknown_dead_letter(sequence)
        return message

    async def _next(self, sequence: int) -> RawStreamMsg | None:
        """The first dead letter at or after `sequence`."""
        with translated("cannot read dead letters"):
            try:
                return await self._jetstream.get_msg(DEAD_STREAM, seq=sequence, subject=">", next=True)
            except NotFoundError:
                return None


def _letter(message: RawStreamMsg) -> DeadLetter:
    headers = message.headers or {}
    _, task_id, kind, consumer = (message.subject or "").split(".")
    return DeadLetter(
        sequence=message.seq or 0,
        task_id=task_id,
        kind=EventKind(kind),
        consumer=consumer,
        reason=unquote(headers.get(REASON, "")),
        rows=int(headers.get(ROWS, "0")),
        died_at_us=int(headers.get(DIED_AT, "0")),
        data=message.data or b"",
    )
