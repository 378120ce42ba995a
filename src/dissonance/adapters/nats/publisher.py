"""Pipelined publishing: many messages in flight, each acknowledged by JetStream before the call returns.

All messages of a call answer to one topic of a shared inbox, so that a call keeps one future and a count
instead of one future a message (nats-py's own `publish_async` keeps a future, a lock and a random token each).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from nats.aio.msg import Msg
from nats.js.api import Header

from dissonance.adapters.nats.connection import Connection
from dissonance.adapters.nats.failures import api_failure, refused, translated, unavailable
from dissonance.contracts.topics import DEAD_PREFIX, DEAD_STREAM, EventKind, stream
from dissonance.errors import EngineError

MAX_IN_FLIGHT = 4096
"""Messages of this process without an answer; JetStream refuses above 10,000 a stream of all processes."""

YIELD_EVERY = 128
"""Messages written before the acknowledgements that came meanwhile are read."""

NO_PROGRESS_S = 10.0
"""Seconds without one more acknowledgement after which a call gives up."""

SILENT_S = 20.0
"""Seconds that a stream which acknowledged nothing is held against the broker, unless it acknowledges meanwhile."""

SILENT_FIX = "free its disk if it is full: JetStream then stores nothing more until it is started again"

HEADER_RESERVE_BYTES = 4096
"""Kept free below the broker's `max_payload`, so that every message also fits as a dead letter with its reason."""


class Outgoing(NamedTuple):
    topic: str
    data: bytes
    message_id: str  # what JetStream de-duplicates by
    headers: Mapping[str, str] = {}


class _ApiError(msgspec.Struct, frozen=True):
    code: int | None = None
    err_code: int | None = None
    description: str | None = None


class _Answer(msgspec.Struct, frozen=True):
    error: _ApiError | None = None


_answers = msgspec.json.Decoder(_Answer)


class _Call:
    """One call of `publish`: what was sent, what was answered, and what went wrong first."""

    def __init__(self, messages: int) -> None:
        self.messages = messages
        self.sent = 0
        self.answered = 0
        self.failure: EngineError | None = None
        self.done = asyncio.Event()

    def answer(self, failure: EngineError | None) -> None:
        self.answered += 1
        self.failure = self.failure or failure
        if self.answered == self.messages:
            self.done.set()

    def abandon(self, failure: EngineError) -> None:
        self.failure = self.failure or failure
        self.done.set()


class Publisher:
    """Safe for many calls at once on one event loop."""

    def __init__(self, connection: Connection, *, no_progress_s: float = NO_PROGRESS_S) -> None:
        self._connection = connection
        self._no_progress_s = no_progress_s
        self._silent: dict[str, float] = {}  # streams that acknowledged nothing, and when (loop time)
        self._inbox = connection.client.new_inbox()
        self._calls: dict[str, _Call] = {}
        self._next_call = 0
        self._in_flight = 0
        self._room = asyncio.Event()
        connection.on_lost(self._on_lost)

    async def start(self) -> None:
        with translated("cannot listen for acknowledgements"):
            await self._connection.client.subscribe(
                f"{self._inbox}.*", cb=self._on_answer, pending_msgs_limit=0, pending_bytes_limit=0
            )

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Returns when every message is acknowledged.

        Raises `EngineUnavailable` (any number of them may be in; their ids keep a repetition from doubling
        them) or `EngineError` for what the broker refuses.
        """
        if not messages:
            return
        self._connection.require()
        largest = max(len(message.data) for message in messages)
        room = self._connection.client.max_payload - HEADER_RESERVE_BYTES
        if largest > room:
            raise refused(f"an event of {largest} bytes is above the broker's limit of {room}")
        token = f"{self._inbox}.{self._next_call}"
        self._next_call += 1
        call = self._calls[token] = _Call(len(messages))
        try:
            with translated("cannot publish"):
                await self._send(call, token, messages)
            await self._finished(call)
        except TimeoutError as error:
            now = asyncio.get_running_loop().time()
            self._silent |= {_stream_of(message.topic): now for message in messages}
            left = call.messages - call.answered
            why = f"{left} messages were not acknowledged within {self._no_progress_s:g} s"
            raise unavailable(why, SILENT_FIX) from error
        finally:
            del self._calls[token]
            self._give_back(call.sent - call.answered)
        if call.failure is not None:
            raise call.failure
        if self._silent:
            for message in messages:
                self._silent.pop(_stream_of(message.topic), None)

    def require_storing(self) -> None:
        """Raises `EngineUnavailable` while a stream takes events and does not say that they are stored.

        A broker whose disk was full looks well in every other way, and never says no.
        """
        oldest = asyncio.get_running_loop().time() - SILENT_S
        names = sorted(name for name, since in self._silent.items() if since > oldest)
        if names:
            raise unavailable(f"what is published to {', '.join(names)} is not acknowledged", SILENT_FIX)

    async def _send(self, call: _Call, token: str, messages: Sequence[Outgoing]) -> None:
        client = self._connection.client
        for number, message in enumerate(messages, start=1):
            while self._in_flight >= MAX_IN_FLIGHT and not call.done.is_set():
                self._room.clear()
                await asyncio.wait_for(self._room.wait(), self._no_progress_s)
            if call.done.is_set():
                return
            self._in_flight += 1
            call.sent += 1
            headers = {Header.MSG_ID.value: message.message_id, **message.headers}
            await client.publish(message.topic, message.data, reply=token, headers=headers)
            if number % YIELD_EVERY == 0:
                await asyncio.sleep(0)

    async def _finished(self, call: _Call) -> None:
        """Raises `TimeoutError` when there is no progress any more."""
        while not call.done.is_set():
            before = call.answered
            try:
                await asyncio.wait_for(call.done.wait(), self._no_progress_s)
            except TimeoutError:
                if call.answered == before:
                    raise

    async def _on_answer(self, message: Msg) -> None:
        call = self._calls.get(message.subject)
        if call is None:
            return
        call.answer(_failure_in(message))
        self._give_back(1)

    def _give_back(self, count: int) -> None:
        self._in_flight -= count
        self._room.set()

    def _on_lost(self) -> None:
        for call in self._calls.values():
            call.abandon(unavailable("the connection was lost before every message was acknowledged"))
        self._room.set()


def _stream_of(topic: str) -> str:
    """
    >>> _stream_of("dissonance.0123.judged"), _stream_of("dissonance-dead.0123.judged.learner")
    ('DISSONANCE_JUDGED', 'DISSONANCE_DEAD')
    """
    prefix, _, kind, *_ = topic.split(".")
    return DEAD_STREAM if prefix == DEAD_PREFIX else stream(EventKind(kind))


def _failure_in(message: Msg) -> EngineError | None:
    if not message.data:
        status = (message.headers or {}).get(Header.STATUS.value, "no answer")
        return unavailable(f"no stream takes this topic ({status}); is this the right store and key?")
    error = _answers.decode(message.data).error
    return None if error is None else api_failure("cannot publish", error.code, error.description, error.err_code)
