"""Every event from now on, to this process too: plain NATS, nothing durable, nothing to acknowledge."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from nats.aio.msg import Msg

from dissonance.adapters.nats.connection import Connection
from dissonance.adapters.nats.failures import translated, unavailable
from dissonance.adapters.once import Once
from dissonance.contracts.codec import decode
from dissonance.contracts.events import Event
from dissonance.contracts.topics import EventKind, topic
from dissonance.errors import ContractError, EngineUnavailable
from dissonance.telemetry.logs import log
from dissonance.telemetry.names import LogAction

IN_FORCE_S = 10.0
"""Seconds for the way to the broker and back."""

logger = logging.getLogger(__name__)


@asynccontextmanager
async def watching(connection: Connection, kinds: Sequence[EventKind]) -> AsyncIterator[AsyncIterator[Event]]:
    """In force at the broker when it is entered.

    The iterator raises `EngineUnavailable` when the connection is lost, for events may then have passed unseen:
    who watches reads its state anew and watches again.
    """
    connection.require()
    arrived: asyncio.Queue[Event | EngineUnavailable] = asyncio.Queue()

    async def on_message(message: Msg) -> None:
        try:
            arrived.put_nowait(decode(message.data))
        except ContractError as error:
            log(logger, LogAction.EVENT_FAILED, logging.WARNING, topic=message.subject, error=error.slug)

    def on_lost() -> None:
        arrived.put_nowait(unavailable("the connection was lost while watching"))

    connection.on_lost(on_lost)
    inboxes = []
    try:
        with translated("cannot watch"):
            for kind in kinds:
                inboxes.append(await connection.client.subscribe(topic(kind), cb=on_message))
            await in_force(connection)
        yield _heard(arrived)
    finally:
        connection.forget(on_lost)
        if not connection.client.is_closed and not connection.client.is_draining:
            for inbox in inboxes:
                await inbox.unsubscribe()


async def _heard(arrived: asyncio.Queue[Event | EngineUnavailable]) -> AsyncIterator[Event]:
    once = Once()
    while True:
        event = await arrived.get()
        if isinstance(event, EngineUnavailable):
            raise event
        if once.is_first(event.event_id):
            yield event


async def in_force(connection: Connection) -> None:
    """Until the broker has taken all that this process asked of it: a message to itself comes back behind it.

    nats-py's `flush` does not tell: its PING may overtake what still waits to be written.
    """
    inbox = connection.client.new_inbox()
    back = await connection.client.subscribe(inbox)
    try:
        await connection.client.publish(inbox, b"")
        await back.next_msg(timeout=IN_FORCE_S)
    finally:
        await back.unsubscribe()
