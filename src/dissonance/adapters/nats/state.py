"""What the broker itself says of its streams: for drills that count, beside the bus that they count on."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from nats.js import JetStreamContext

from dissonance.adapters.nats.connection import Connection
from dissonance.adapters.nats.failures import translated
from dissonance.contracts.topics import EventKind, stream

CONNECT_TIMEOUT_S = 5.0


class StreamState(NamedTuple):
    """`messages` and their `size_bytes` on disk; `lag`: messages not yet acknowledged, by durable consumer."""

    messages: int
    size_bytes: int
    lag: dict[str, int]


class BrokerStates:
    """Made by `open_states`."""

    def __init__(self, jetstream: JetStreamContext) -> None:
        self._jetstream = jetstream

    async def read(self) -> dict[EventKind, StreamState]:
        """Every stream of events. Raises `EngineUnavailable`."""
        return {kind: await self._read(kind) for kind in EventKind}

    async def _read(self, kind: EventKind) -> StreamState:
        with translated("cannot read the state of a stream"):
            state = (await self._jetstream.stream_info(stream(kind))).state
            if not state.consumer_count:
                return StreamState(state.messages, state.bytes, {})
            consumers = await self._jetstream.consumers_info(stream(kind))
            lag = {each.name: (each.num_pending or 0) + (each.num_ack_pending or 0) for each in consumers}
            return StreamState(state.messages, state.bytes, lag)


@asynccontextmanager
async def open_states(url: str, tls: ssl.SSLContext | None) -> AsyncIterator[BrokerStates]:
    """A connection of its own. `url`, `tls`: as of the bus. Raises `EngineUnavailable`."""
    connection = await Connection.open(url, CONNECT_TIMEOUT_S, tls=tls)
    try:
        yield BrokerStates(connection.client.jetstream())
    finally:
        await connection.close()
