"""Questions to all processes and their answers: plain NATS, nothing durable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from nats.aio.msg import Msg

from dissonance.adapters.nats.connection import Connection
from dissonance.adapters.nats.failures import translated
from dissonance.adapters.nats.watching import in_force
from dissonance.ports.bus import Heard

STATUS = "Status"
NOBODY = "503"
"""What the broker answers where nobody listens (NATS ADR-4, "no responders")."""


@asynccontextmanager
async def answering(connection: Connection, topic: str, answer: Callable[[bytes], bytes | None]) -> AsyncIterator[None]:
    """nats-py subscribes again by itself when a lost connection is back."""
    connection.require()

    async def on_message(message: Msg) -> None:
        said = answer(message.data)
        if said is not None and message.reply:
            with translated("cannot answer"):
                await connection.client.publish(message.reply, said)

    with translated("cannot listen for questions"):
        listening = await connection.client.subscribe(topic, cb=on_message)
        await in_force(connection)
    try:
        yield
    finally:
        if not connection.client.is_closed and not connection.client.is_draining:
            await listening.unsubscribe()


async def asked(
    connection: Connection, topic: str, data: bytes, *, wait_s: float, enough: Callable[[Sequence[bytes]], bool]
) -> Heard:
    connection.require()
    said: list[bytes] = []
    with translated("cannot ask"):
        inbox = connection.client.new_inbox()
        answers = await connection.client.subscribe(inbox)
        try:
            await connection.client.publish(topic, data, reply=inbox)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    while not enough(said):
                        message = await answers.next_msg(timeout=None)
                        if message.headers and message.headers.get(STATUS) == NOBODY:
                            return Heard(said, listened=False)
                        said.append(message.data)
        finally:
            await answers.unsubscribe()
    return Heard(said, listened=True)
