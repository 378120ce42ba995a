"""A broker that takes events and acknowledges none, as JetStream does after its disk was full."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from nats.aio.msg import Msg

from dissonance.adapters.nats.connection import Connection
from dissonance.adapters.nats.publisher import Outgoing, Publisher
from dissonance.errors import EngineUnavailable


class Broker:
    """As much of a connection, and of its client, as publishing needs; `stores` is whether it acknowledges."""

    max_payload = 1_000_000

    def __init__(self) -> None:
        self.client = self
        self.stores = True
        self._heard: Callable[[Msg], Awaitable[None]] | None = None

    def new_inbox(self) -> str:
        return "inbox"

    def on_lost(self, listener: Callable[[], None]) -> None:
        """It is never lost."""

    def require(self) -> None:
        """It is always connected."""

    async def subscribe(self, topic: str, *, cb: Callable[[Msg], Awaitable[None]], **limits: int) -> None:
        self._heard = cb

    async def publish(self, topic: str, data: bytes, *, reply: str, headers: dict[str, str]) -> None:
        if self.stores and self._heard is not None:
            await self._heard(Msg(cast(Any, None), subject=reply, data=b"{}"))


def outgoing(kind: str) -> list[Outgoing]:
    return [Outgoing(f"dissonance.{'0' * 32}.{kind}", b"data", "id")]


def test_a_broker_that_stores_nothing_is_not_ready_until_it_stores_again() -> None:
    async def scenario() -> None:
        broker = Broker()
        publisher = Publisher(cast(Connection, broker), no_progress_s=0.01)
        await publisher.start()
        await publisher.publish(outgoing("predicted"))
        publisher.require_storing()

        broker.stores = False
        with pytest.raises(EngineUnavailable, match="1 messages were not acknowledged"):
            await publisher.publish(outgoing("predicted"))
        broker.stores = True
        await publisher.publish(outgoing("judged"))
        with pytest.raises(EngineUnavailable, match="published to DISSONANCE_PREDICTED is not acknowledged") as caught:
            publisher.require_storing()
        assert "disk" in caught.value.fix
        await publisher.publish(outgoing("predicted"))
        publisher.require_storing()

    asyncio.run(scenario())
