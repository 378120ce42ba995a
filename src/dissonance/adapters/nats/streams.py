"""One stream a kind of event, and one for dead letters. Nothing leaves them but by age (design 6.6)."""

from __future__ import annotations

import asyncio

import msgspec
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import BadRequestError

from dissonance.adapters.nats.failures import translated, unavailable
from dissonance.contracts.topics import DEAD_PREFIX, DEAD_STREAM, EventKind, stream, topic

CONFIGURED_DIFFERENTLY = 10058
"""JetStream's error code for "the stream is there with another configuration"."""

DEAD_WINDOW_S = 86_400.0  # seconds in which a dead letter that is buried twice is kept once
UNLIMITED = -1

MAX_ACK_PENDING = 20_000
"""Messages that all replicas of a consumer together may have in hand. A replica takes at most 16 fetches at once."""

NAMES_REQUEST = "$JS.API.STREAM.NAMES"
REQUEST_TIMEOUT_S = 5.0


class _Names(msgspec.Struct, frozen=True):
    streams: list[str] | None = None


def _config(
    name: str, topics: list[str], *, max_age_s: float, window_s: float, replicas: int, max_bytes: int = UNLIMITED
) -> StreamConfig:
    """A stream that is full refuses what is new: what is old may not have been worked on yet."""
    return StreamConfig(
        name=name,
        subjects=topics,
        storage=StorageType.FILE,
        retention=RetentionPolicy.LIMITS,
        discard=DiscardPolicy.NEW,
        max_age=max_age_s,
        max_msgs=UNLIMITED,
        max_bytes=max_bytes,
        duplicate_window=window_s,
        num_replicas=replicas,
    )


def configs(*, max_age_s: float, window_s: float, replicas: int, max_bytes: int = UNLIMITED) -> list[StreamConfig]:
    """Every stream there is; `max_bytes` bounds each that holds events.

    Dead letters have no age: only a person replays or drops them.
    """
    kinds = [
        _config(
            stream(kind),
            [topic(kind)],
            max_age_s=max_age_s,
            window_s=window_s,
            replicas=replicas,
            max_bytes=max_bytes,
        )
        for kind in EventKind
    ]
    dead = _config(DEAD_STREAM, [f"{DEAD_PREFIX}.>"], max_age_s=0.0, window_s=DEAD_WINDOW_S, replicas=replicas)
    return [*kinds, dead]


async def ensure_streams(jetstream: JetStreamContext, wanted: list[StreamConfig]) -> None:
    """Create what is missing, bring the rest to `wanted`; safe when several processes do it at once."""
    await asyncio.gather(*(_ensure_stream(jetstream, config) for config in wanted))


async def _ensure_stream(jetstream: JetStreamContext, config: StreamConfig) -> None:
    with translated(f"cannot make stream {config.name}"):
        try:
            await jetstream.add_stream(config)
        except BadRequestError as error:
            if error.err_code != CONFIGURED_DIFFERENTLY:
                raise
            await jetstream.update_stream(config)


async def require_streams(client: Client) -> None:
    """Raises `EngineUnavailable` that names what is missing.

    A JetStream that was started with another at-rest key answers, and is empty: only counting tells.
    """
    with translated("cannot list streams"):
        answer = await client.request(NAMES_REQUEST, timeout=REQUEST_TIMEOUT_S)
    there = set(msgspec.json.decode(answer.data, type=_Names).streams or ())
    missing = {DEAD_STREAM, *map(stream, EventKind)} - there
    if missing:
        raise unavailable(f"streams are missing: {', '.join(sorted(missing))}; is this the right store and key?")


def durable(consumer: str, kind: EventKind) -> str:
    """
    >>> durable("learner", EventKind.JUDGED)
    'learner-judged'
    """
    return f"{consumer}-{kind.value}"


async def ensure_consumer(
    jetstream: JetStreamContext,
    consumer: str,
    kind: EventKind,
    *,
    ack_wait_s: float,
    max_ack_pending: int = MAX_ACK_PENDING,
) -> None:
    """A durable that replicas share. It starts with the oldest event there is, and JetStream redelivers for ever:
    it is this adapter that buries a message, since JetStream's `max_deliver` would only forget it."""
    config = ConsumerConfig(
        name=durable(consumer, kind),
        durable_name=durable(consumer, kind),
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ack_wait_s,
        max_deliver=UNLIMITED,
        max_ack_pending=max_ack_pending,
    )
    with translated(f"cannot make consumer {config.name}"):
        await jetstream.add_consumer(stream(kind), config)
