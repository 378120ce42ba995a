"""What a stream holds of a task, from its first event to the last that is there now; nothing is taken from anybody."""

from __future__ import annotations

import logging

from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from dissonance.adapters.nats.failures import translated
from dissonance.contracts.codec import decode
from dissonance.contracts.events import Event
from dissonance.contracts.topics import EventKind, stream, topic
from dissonance.errors import ContractError
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

AT_ONCE = 16
"""Messages asked for together: of the largest ones no more may wait at a client."""

ANSWER_S = 10.0
FORGOTTEN_S = 60.0
"""Seconds after which the broker forgets a reader that went away."""

logger = logging.getLogger(__name__)


async def read_back(jetstream: JetStreamContext, kind: EventKind, task_id: str) -> list[Event]:
    """By a consumer of this call's own, which acknowledges nothing. Raises `EngineUnavailable`."""
    config = ConsumerConfig(deliver_policy=DeliverPolicy.ALL, ack_policy=AckPolicy.NONE, inactive_threshold=FORGOTTEN_S)
    found: list[Event] = []
    with translated(f"cannot read what {stream(kind)} holds"):
        reader = await jetstream.pull_subscribe(topic(kind, task_id), stream=stream(kind), config=config)
        try:
            left = (await reader.consumer_info()).num_pending or 0
            while left > 0:
                messages = await reader.fetch(min(AT_ONCE, left), timeout=ANSWER_S)
                left -= len(messages)
                for message in messages:
                    try:
                        found.append(decode(message.data))
                    except ContractError as error:
                        log(logger, LogAction.EVENT_FAILED, logging.WARNING, topic=message.subject, error=error.slug)
        finally:
            await reader.unsubscribe()
    return found
